# mypy: disable-error-code="import-not-found"
"""Azure: a document translation by its generated SDK, waited for by its poller."""

from __future__ import annotations

from azure.ai.translation.document import DocumentTranslationClient
from azure.core.credentials import AzureKeyCredential
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = DocumentTranslationClient(base_url, AzureKeyCredential(key))
    source = f"https://example.com/source?x={directive}"
    poller = client.begin_translation(source, "https://example.com/target", "es")
    if action == "cancel":
        client.cancel_translation(poller.id)
        return Outcome(client.get_translation_status(poller.id).status)
    documents = list(poller.result())
    urls = [one.translated_document_url for one in documents]
    return Outcome(poller.details.status, urls and urls[0], poller.details.error and poller.details.error.message)


if __name__ == "__main__":
    report(main)
