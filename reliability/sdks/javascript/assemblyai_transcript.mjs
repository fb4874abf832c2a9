// AssemblyAI: a transcript, waited for by the SDK's own helper.
import { AssemblyAI } from "assemblyai";
import { report } from "./outcome.mjs";

report(async (baseUrl, key, directive, action) => {
  const client = new AssemblyAI({ apiKey: key, baseUrl });
  const audio = `https://example.com/a.mp4?x=${directive}`;
  if (action === "cancel") {
    const { id } = await client.transcripts.submit({ audio });
    const deleted = await client.transcripts.delete(id);
    return { status: deleted.status, result: deleted.text };
  }
  const transcript = await client.transcripts.transcribe({ audio }, { pollingInterval: 300 });
  return { status: transcript.status, result: transcript.text, message: transcript.error };
});
