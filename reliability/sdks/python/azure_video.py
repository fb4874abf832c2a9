# mypy: disable-error-code="import-not-found"
"""Azure: a video translation, which has no SDK of its own, waited for by azure-core."""

from __future__ import annotations

import uuid

from azure.core import PipelineClient
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.policies import AzureKeyCredentialPolicy, RequestIdPolicy, RetryPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest
from outcome import Outcome, report

VERSION = {"api-version": "2026-03-01"}


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    policies = [
        RequestIdPolicy(),
        RetryPolicy(),
        AzureKeyCredentialPolicy(AzureKeyCredential(key), "Ocp-Apim-Subscription-Key"),
    ]
    client = PipelineClient(f"{base_url}/videotranslation", policies=policies)
    url = f"{base_url}/videotranslation/translations/{name}"
    details = {"targetLocale": "es-ES", "voiceKind": "PlatformVoice", "videoFileUrl": "https://example.com/a.mp4"}
    body = {"displayName": directive, "input": details | {"autoCreateFirstIteration": True}}
    request = HttpRequest("PUT", url, params=VERSION, json=body, headers={"Operation-Id": f"op-{name}"})
    started = client.send_request(request, _return_pipeline_response=True)
    started.http_response.raise_for_status()
    if action == "cancel":
        client.send_request(HttpRequest("DELETE", url, params=VERSION)).raise_for_status()
    polling = LROBasePolling(timeout=0.5, lro_options={"final-state-via": "original-uri"})
    translation = LROPoller(client, started, lambda done: done.http_response.json(), polling).result()
    iteration = translation["latestSucceededIteration"]
    return Outcome(iteration["status"], iteration["result"]["translatedVideoFileUrl"])


if __name__ == "__main__":
    report(main)
