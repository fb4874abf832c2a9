// fal: a request in the queue, waited for by the SDK's own helper; its middleware sends requests to another host.
import { createFalClient } from "@fal-ai/client";
import { report } from "./outcome.mjs";

const ENDPOINT = "acme/translate";

report(async (baseUrl, key, directive, action) => {
  const requestMiddleware = async (request) => ({
    ...request,
    url: request.url.replace(/^https:\/\/queue\.fal\.run/, baseUrl),
  });
  const client = createFalClient({ credentials: key, requestMiddleware });
  const input = { prompt: directive };
  if (action === "cancel") {
    const { request_id: requestId } = await client.queue.submit(ENDPOINT, { input });
    await client.queue.cancel(ENDPOINT, { requestId });
    const { status } = await client.queue.status(ENDPOINT, { requestId });
    return { status };
  }
  let last;
  const onQueueUpdate = (update) => (last = update.status);
  const { data } = await client.subscribe(ENDPOINT, { input, pollInterval: 200, onQueueUpdate });
  return { status: last, result: data.video.url };
});
