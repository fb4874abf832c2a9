// OpenAI: a response in the background, polled as its guide does.
import OpenAI from "openai";
import { report, sleep } from "./outcome.mjs";

report(async (baseUrl, key, directive, action) => {
  const client = new OpenAI({ apiKey: key, baseURL: `${baseUrl}/v1` });
  let response = await client.responses.create({ model: "gpt-6-luna", input: directive, background: true });
  if (action === "cancel") {
    await client.responses.cancel(response.id);
    response = await client.responses.retrieve(response.id);
  }
  while (action === "wait" && ["queued", "in_progress"].includes(response.status)) {
    await sleep(200);
    response = await client.responses.retrieve(response.id);
  }
  return { status: response.status, result: response.output_text || null, message: response.error?.message };
});
