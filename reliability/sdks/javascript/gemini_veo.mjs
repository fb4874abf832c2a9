// Gemini: a video of Veo, polled as its guide does.
import { GoogleGenAI } from "@google/genai";
import { report, sleep } from "./outcome.mjs";

report(async (baseUrl, key, directive) => {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl } });
  let operation = await client.models.generateVideos({ model: "veo-3.1-generate-preview", prompt: directive });
  while (!operation.done) {
    await sleep(200);
    operation = await client.operations.getVideosOperation({ operation });
  }
  if (operation.error) {
    return { status: "error", message: JSON.stringify(operation.error) };
  }
  return { status: "done", result: operation.response.generatedVideos[0].video.uri };
});
