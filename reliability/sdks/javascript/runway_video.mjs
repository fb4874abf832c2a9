// Runway: a video, waited for by the SDK's own helper.
import RunwayML from "@runwayml/sdk";
import { report } from "./outcome.mjs";

report(async (baseUrl, key, directive, action) => {
  const client = new RunwayML({ apiKey: key, baseURL: baseUrl });
  const task = client.imageToVideo.create({
    model: "gen4_turbo",
    promptImage: "https://example.com/a.png",
    promptText: directive,
    ratio: "1280:720",
    duration: 5,
  });
  if (action === "cancel") {
    const { id } = await task;
    await client.tasks.delete(id);
    return { status: (await client.tasks.retrieve(id)).status };
  }
  const ended = await task.waitForTaskOutput();
  return { status: ended.status, result: ended.output[0] };
});
