// ElevenLabs: a dubbing, polled as its quick start does.
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { report, sleep } from "./outcome.mjs";

report(async (baseUrl, key, directive, action) => {
  const client = new ElevenLabsClient({ apiKey: key, baseUrl });
  const { dubbingId } = await client.dubbing.create({
    name: directive,
    sourceUrl: "https://example.com/a.mp4",
    targetLang: "es",
  });
  if (action === "cancel") {
    await client.dubbing.delete(dubbingId);
  }
  let dubbing = await client.dubbing.get(dubbingId);
  while (action === "wait" && dubbing.status === "dubbing") {
    await sleep(200);
    dubbing = await client.dubbing.get(dubbingId);
  }
  if (dubbing.status !== "dubbed") {
    return { status: dubbing.status, message: dubbing.error };
  }
  const audio = await new Response(await client.dubbing.audio.get(dubbingId, "es")).arrayBuffer();
  return { status: dubbing.status, result: `${audio.byteLength} bytes` };
});
