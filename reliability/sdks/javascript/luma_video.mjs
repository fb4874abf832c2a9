// Luma: a video, polled as its quick start does.
import LumaAI from "lumaai";
import { report, sleep } from "./outcome.mjs";

report(async (baseUrl, key, directive, action) => {
  const client = new LumaAI({ authToken: key, baseURL: `${baseUrl}/dream-machine/v1` });
  let generation = await client.generations.video.create({ prompt: directive, model: "ray-2" });
  if (action === "cancel") {
    await client.generations.delete(generation.id);
    generation = await client.generations.get(generation.id);
  }
  while (action === "wait" && ["queued", "dreaming"].includes(generation.state)) {
    await sleep(200);
    generation = await client.generations.get(generation.id);
  }
  return { status: generation.state, result: generation.assets?.video, message: generation.failure_reason };
});
