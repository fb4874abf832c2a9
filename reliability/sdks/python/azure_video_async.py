# mypy: disable-error-code="import-not-found"
"""Azure, asynchronous client: a video translation, which has no SDK of its own, waited for by azure-core."""

from __future__ import annotations

import uuid

from azure.core import AsyncPipelineClient
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.policies import AsyncRetryPolicy, AzureKeyCredentialPolicy, RequestIdPolicy
from azure.core.polling import AsyncLROPoller
from azure.core.polling.async_base_polling import AsyncLROBasePolling
from azure.core.rest import HttpRequest
from outcome import Outcome, report

VERSION = {"api-version": "2026-03-01"}


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    policies = [
        RequestIdPolicy(),
        AsyncRetryPolicy(),
        AzureKeyCredentialPolicy(AzureKeyCredential(key), "Ocp-Apim-Subscription-Key"),
    ]
    client = AsyncPipelineClient(f"{base_url}/videotranslation", policies=policies)
    url = f"{base_url}/videotranslation/translations/{name}"
    details = {"targetLocale": "es-ES", "voiceKind": "PlatformVoice", "videoFileUrl": "https://example.com/a.mp4"}
    body = {"displayName": directive, "input": details | {"autoCreateFirstIteration": True}}
    request = HttpRequest("PUT", url, params=VERSION, json=body, headers={"Operation-Id": f"op-{name}"})
    started = await client.send_request(request, _return_pipeline_response=True)
    started.http_response.raise_for_status()
    if action == "cancel":
        (await client.send_request(HttpRequest("DELETE", url, params=VERSION))).raise_for_status()
    polling = AsyncLROBasePolling(timeout=0.5, lro_options={"final-state-via": "original-uri"})
    translation = await AsyncLROPoller(client, started, lambda done: done.http_response.json(), polling).result()
    iteration = translation["latestSucceededIteration"]
    return Outcome(iteration["status"], iteration["result"]["translatedVideoFileUrl"])


if __name__ == "__main__":
    report(main)
