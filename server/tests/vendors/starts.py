"""A start and a poll of each format that comes with the server, as its clients send them."""

from dataclasses import dataclass, field
from typing import Any

KEY = "tester:secret"
BEARER = {"authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Exchange:
    """What starts a job, and what asks for it: ``{id}`` stands for the id that the service gives it."""

    start: str
    poll: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=lambda: BEARER)
    query: str = ""
    named: str | None = None
    poll_headers: dict[str, str] = field(default_factory=dict)
    poll_body: dict[str, Any] | None = None


AZURE = {"ocp-apim-subscription-key": KEY}
AWS = {
    "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/transcribe/aws4_request, Signature=0",
    "content-type": "application/x-amz-json-1.1",
}
GEMINI = {"x-goog-api-key": KEY}
VERTEX = "/v1beta1/projects/p/locations/l/publishers/google/models/veo"
VERSION = "api-version=2026-03-01"

EXCHANGES = {
    "assemblyai": Exchange(
        "POST /v2/transcript", "GET /v2/transcript/{id}", {"audio_url": "http://x/a"}, {"authorization": KEY}
    ),
    "aws": Exchange(
        "POST /",
        "POST /",
        {"TranscriptionJobName": "job-1", "Media": {"MediaFileUri": "s3://b/k"}, "LanguageCode": "en-US"},
        AWS | {"x-amz-target": "Transcribe.StartTranscriptionJob"},
        named="job-1",
        poll_headers={"x-amz-target": "Transcribe.GetTranscriptionJob"},
        poll_body={"TranscriptionJobName": "{id}"},
    ),
    "azure-document": Exchange(
        "POST /translator/document/batches",
        "GET /translator/document/batches/{id}",
        {
            "inputs": [
                {"source": {"sourceUrl": "http://x/a"}, "targets": [{"targetUrl": "http://x/b", "language": "es"}]}
            ]
        },
        AZURE,
        VERSION,
    ),
    "azure-video": Exchange(
        "PUT /videotranslation/translations/t-1",
        "GET /videotranslation/operations/{id}",
        {
            "input": {
                "targetLocale": "es-ES",
                "voiceKind": "PlatformVoice",
                "videoFileUrl": "http://x/a",
                "autoCreateFirstIteration": True,
            }
        },
        AZURE | {"operation-id": "op-1"},
        VERSION,
        named="op-1",
    ),
    "elevenlabs": Exchange(
        "POST /v1/dubbing",
        "GET /v1/dubbing/{id}",
        {"target_lang": "es", "source_url": "http://x/a"},
        {"xi-api-key": KEY},
    ),
    "elevenlabs-projects": Exchange(
        "POST /v1/dubbing/project",
        "GET /v1/dubbing/project/{id}/language/{id}_l",
        {"target_language": "es", "source_url": "http://x/a"},
        {"xi-api-key": KEY},
    ),
    "fal": Exchange(
        "POST /acme/translate",
        "GET /acme/translate/requests/{id}/status",
        {"prompt": "x"},
        {"authorization": f"Key {KEY}"},
    ),
    "gemini-interactions": Exchange(
        "POST /v1/interactions", "GET /v1/interactions/{id}", {"model": "m", "input": "x", "background": True}, GEMINI
    ),
    "gemini-veo": Exchange(
        "POST /v1beta/models/veo:predictLongRunning",
        "GET /v1beta/models/veo/operations/{id}",
        {"instances": [{"prompt": "x"}]},
        GEMINI,
    ),
    "gemini-vertex": Exchange(
        f"POST {VERTEX}:predictLongRunning",
        f"POST {VERTEX}:fetchPredictOperation",
        {"instances": [{"prompt": "x"}]},
        GEMINI,
        poll_body={"operationName": f"{VERTEX.removeprefix('/v1beta1/')}/operations/{{id}}"},
    ),
    "google": Exchange("POST /v1/videos:translate", "GET /v1/projects/p/operations/{id}", {"displayName": "x"}),
    "heygen": Exchange(
        "POST /v3/video-translations",
        "GET /v3/video-translations/{id}",
        {"video": {"type": "url", "url": "http://x/a"}, "output_languages": ["Spanish"]},
        {"x-api-key": KEY},
    ),
    "heygen-v2": Exchange(
        "POST /v2/video_translate",
        "GET /v2/video_translate/{id}",
        {"video_url": "http://x/a", "output_language": "es"},
        {"x-api-key": KEY},
    ),
    "luma": Exchange(
        "POST /dream-machine/v1/generations/video",
        "GET /dream-machine/v1/generations/{id}",
        {"prompt": "x", "model": "ray-2"},
    ),
    "openai-batches": Exchange(
        "POST /v1/batches",
        "GET /v1/batches/{id}",
        {"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
    ),
    "openai-responses": Exchange(
        "POST /v1/responses", "GET /v1/responses/{id}", {"model": "m", "input": "x", "background": True}
    ),
    "openai-videos": Exchange("POST /v1/videos", "GET /v1/videos/{id}", {"prompt": "x", "model": "sora-2"}),
    "replicate": Exchange(
        "POST /v1/predictions", "GET /v1/predictions/{id}", {"version": "v", "input": {"prompt": "x"}}
    ),
    "revai": Exchange(
        "POST /speechtotext/v1/jobs", "GET /speechtotext/v1/jobs/{id}", {"source_config": {"url": "http://x/a"}}
    ),
    "runway": Exchange(
        "POST /v1/image_to_video",
        "GET /v1/tasks/{id}",
        {"model": "gen4_turbo", "promptImage": "http://x/a", "promptText": "x", "ratio": "1280:720", "duration": 5},
        BEARER | {"x-runway-version": "2024-11-06"},
    ),
}
