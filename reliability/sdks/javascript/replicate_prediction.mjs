// Replicate: a prediction, waited for by the SDK's own helper.
import Replicate from "replicate";
import { report } from "./outcome.mjs";

const VERSION = "5".repeat(64);

report(async (baseUrl, key, directive, action) => {
  const client = new Replicate({ auth: key, baseUrl: `${baseUrl}/v1`, useFileOutput: false });
  if (action === "cancel") {
    const started = await client.predictions.create({ version: VERSION, input: { prompt: directive } });
    await client.predictions.cancel(started.id);
    const prediction = await client.predictions.get(started.id);
    return { status: prediction.status };
  }
  let last;
  const options = { input: { prompt: directive }, wait: { mode: "poll" } };
  const output = await client.run(`acme/translate:${VERSION}`, options, (prediction) => (last = prediction));
  return { status: last.status, result: output };
});
