# mypy: disable-error-code="import-not-found, import-untyped"
"""Google Cloud: a long-running operation, waited for by google-api-core."""

from __future__ import annotations

import requests
from google.api_core import operation
from google.api_core.operations_v1 import AbstractOperationsClient, OperationsRestTransport
from google.longrunning import operations_pb2
from google.oauth2.credentials import Credentials
from google.protobuf import json_format, struct_pb2
from outcome import Outcome, report

TIMEOUT = 60  # seconds


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    transport = OperationsRestTransport(host=base_url, credentials=Credentials(key))
    started = requests.post(
        f"{base_url}/v1/videos:translate",
        json={"displayName": directive},
        headers={"Authorization": f"Bearer {key}"},
        timeout=TIMEOUT,
    )
    started.raise_for_status()
    message = json_format.Parse(started.text, operations_pb2.Operation())
    job = operation.from_gapic(message, AbstractOperationsClient(transport=transport), struct_pb2.Struct)
    if action == "cancel":
        job.cancel()
    result = job.result(timeout=TIMEOUT)
    return Outcome("done", result["uri"])


if __name__ == "__main__":
    report(main)
