"""ElevenLabs' dubbing and dubbing projects, as its API tells of them."""

from dataclasses import replace

import pytest
from server.tests.vendors.formats.shapes import BASE, DURATION, answer, reasons, request, route, view, views

from translation_server.vendors.format import Jobs, Problem
from translation_server.vendors.formats.elevenlabs import ELEVENLABS, ELEVENLABS_PROJECTS

DUBBING = "/v1/dubbing"
PROJECT = "/v1/dubbing/project"
LANGUAGES = PROJECT + "/{id}/language"
LANGUAGE = PROJECT + "/{id}/language/{language}_l"
ACCEPTED = "2026-11-24T16:37:44.250Z"
START = request("POST", DUBBING, {"name": "A video", "source_url": "https://example.com/a.mp4", "target_lang": "es"})
PROJECT_BODY = {"source_url": "https://example.com/a.mp4", "reference": "A video", "target_language": "es"}
PROJECT_START = request("POST", PROJECT, PROJECT_BODY)
REASON = "The video could not be translated."


def dubbing(at, **more):
    seen = view(ELEVENLABS, START, at, **more)
    return seen.id, answer(ELEVENLABS, "GET", DUBBING + "/{id}", seen)


def project(at, start=PROJECT_START, **more):
    seen = view(ELEVENLABS_PROJECTS, start, at, **more)
    return seen.id, answer(ELEVENLABS_PROJECTS, "GET", PROJECT + "/{id}", seen)


def language(at, start=PROJECT_START, of=None, **more):
    """Return what is told of the language of a project; ``of`` is the project that the request names."""
    job_id = view(ELEVENLABS_PROJECTS, start).id
    asked = request("GET", LANGUAGE, params={"id": of or job_id, "language": job_id})
    return job_id, answer(
        ELEVENLABS_PROJECTS, "GET", LANGUAGE, view(ELEVENLABS_PROJECTS, start, at, asked=asked, **more)
    )


def test_a_start_of_a_dubbing():
    """Both members are required by the official models."""
    jobs = views(ELEVENLABS, START)
    assert answer(ELEVENLABS, "POST", DUBBING, jobs) == {"dubbing_id": jobs.first.id, "expected_duration_sec": 12.3}


@pytest.mark.parametrize(
    ("at", "outcome", "word", "source", "error"),
    [
        (0.0, "completed", "dubbing", None, None),
        (9.9, "error", "dubbing", None, None),
        (DURATION, "completed", "dubbed", "en", None),
        (DURATION, "error", "failed", None, REASON),
        (3.0, "cancelled", "failed", None, "The job was cancelled."),
    ],
)
def test_a_dubbing(at, outcome, word, source, error):
    """The language of the video is known once it is dubbed."""
    job_id, told = dubbing(at, outcome=outcome)
    assert told == {
        "dubbing_id": job_id,
        "name": "A video",
        "status": word,
        "source_language": source,
        "target_languages": ["es"],
        "editable": False,
        "created_at": ACCEPTED,
        "media_metadata": {"content_type": "video/mp4", "duration": 12.3},
        "error": error,
    }
    assert ELEVENLABS.read(told) == {"dubbing": "pending", "dubbed": "completed", "failed": "error"}[word]


def test_ids_look_like_those_of_the_service():
    """Letters and digits, those of projects with a prefix; each can be read back."""
    for form, start, prefix in ((ELEVENLABS, START, ""), (ELEVENLABS_PROJECTS, PROJECT_START, "dub_")):
        job_id = view(form, start).id
        assert job_id.startswith(prefix)
        assert job_id.removeprefix(prefix).isalnum()
        assert form.ids.encode(form.ids.decode(job_id)) == job_id


@pytest.mark.parametrize(
    ("at", "outcome", "code", "status"),
    [
        (DURATION, "completed", "es", None),
        (9.9, "completed", "es", 425),
        (DURATION, "error", "es", 425),
        (DURATION, "completed", "fr", 404),
    ],
)
def test_the_dubbed_video(at, outcome, code, status):
    """It is refused before it is dubbed, and for ever in a language it is not dubbed into."""
    path = DUBBING + "/{id}/audio/{language}"
    asked = request("GET", path, params={"language": code})
    reply = answer(ELEVENLABS, "GET", path, view(ELEVENLABS, START, at, outcome=outcome, asked=asked))
    assert reply.status == status
    if status is None:
        assert (reply.body, reply.headers["content-type"]) == (bytes(64), "video/mp4")
    else:
        words = {425: "dubbing_not_dubbed", 404: "dubbing_not_found"}
        assert reply.body["detail"]["status"] == words[status]


def test_a_list_of_dubbings():
    """It may be of one status only; the cursor is the id of the last job of the page."""
    seen = [view(ELEVENLABS, START, DURATION, outcome=one, ordinal=n) for n, one in enumerate(("error", "completed"))]
    told = answer(ELEVENLABS, "GET", DUBBING, Jobs(seen, request("GET", DUBBING), more=True))
    assert [one["status"] for one in told["dubs"]] == ["failed", "dubbed"]
    assert (told["next_cursor"], told["has_more"]) == (seen[1].id, True)
    asked = request("GET", DUBBING, query={"dubbing_status": "dubbed"})
    told = answer(ELEVENLABS, "GET", DUBBING, Jobs(seen, asked))
    assert [one["dubbing_id"] for one in told["dubs"]] == [seen[1].id]
    assert (told["next_cursor"], told["has_more"]) == (None, False)


def test_deletions():
    """A dubbing answers with a word, a project with nothing."""
    assert answer(ELEVENLABS, "DELETE", DUBBING + "/{id}", view(ELEVENLABS, START)) == {"status": "ok"}
    deletion = route(ELEVENLABS_PROJECTS, "DELETE", PROJECT + "/{id}")
    assert (deletion.status, deletion.answer(view(ELEVENLABS_PROJECTS, PROJECT_START))) == (204, None)


def test_an_empty_start_is_refused():
    """A client that loses the body when it tries again is told what is missing, and makes no job."""
    found = reasons(route(ELEVENLABS, "POST", DUBBING).accepts, {})
    told = ELEVENLABS.error(Problem(422, "The request is not as documented.", found))
    assert told == {
        "detail": [
            {"loc": ["body", "source_url"], "msg": "source_url or file is required", "type": "value_error"},
            {"loc": ["body", "target_lang"], "msg": "Field required", "type": "missing"},
        ]
    }
    found = reasons(route(ELEVENLABS_PROJECTS, "POST", PROJECT).accepts, {})
    assert [one.loc for one in found] == [("body", "source_url")]


def test_a_file_takes_the_place_of_the_address():
    """Further fields are ignored; an empty address is none."""
    accepts = route(ELEVENLABS, "POST", DUBBING).accepts
    assert reasons(accepts, {"file": "<a.mp4, 3 bytes>", "target_lang": "es", "watermark": "true"}) == []
    assert [one.type for one in reasons(accepts, {"source_url": "", "target_lang": "es"})] == ["string_too_short"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (401, "invalid_api_key"),
        (404, "dubbing_not_found"),
        (429, "too_many_concurrent_requests"),
        (500, "internal_server_error"),
        (503, "service_unavailable"),
    ],
)
def test_refusals_have_the_codes_of_the_service(status, code):
    """The code for programs is called status."""
    for form in (ELEVENLABS, ELEVENLABS_PROJECTS):
        assert form.error(Problem(status, "Because.")) == {"detail": {"status": code, "message": "Because."}}


@pytest.mark.parametrize(
    ("at", "outcome", "word", "error"),
    [
        (0.0, "completed", "queued", None),
        (2.0, "completed", "preparing", None),
        (3.0, "completed", "ready", None),
        (DURATION, "completed", "ready", None),
        (DURATION, "error", "ready", None),
        (
            2.0,
            "aborted",
            "failed",
            {"code": "internal_error", "message": "The job ended as aborted.", "retryable": True},
        ),
    ],
)
def test_a_project_is_ready_before_its_language(at, outcome, word, error):
    """Once it is ready it stays so, even if the language fails."""
    job_id, told = project(at, outcome=outcome)
    media = {"filename": None, "duration_s": 12.3, "has_video": True, "mime_type": None}
    assert told.pop("updated_at") == ACCEPTED.replace("44.250", f"{44.25 + at:06.3f}")
    assert told == {
        "project_id": job_id,
        "status": word,
        "reference": "A video",
        "source_language": "en",
        "model_id": "dubbing_v2",
        "media": media if word == "ready" else None,
        "language_ids": [f"{job_id}_l"],
        "webhook_ids": [],
        "revision": 0,
        "error": error,
        "warnings": [],
        "created_at": ACCEPTED,
    }


@pytest.mark.parametrize(
    ("at", "outcome", "word"), [(9.9, "error", "preparing"), (10.0, "error", "failed"), (10.0, "completed", "ready")]
)
def test_a_project_without_a_language_is_the_job_itself(at, outcome, word):
    """It is ready when the job has ended."""
    start = request("POST", PROJECT, {"source_url": "https://example.com/a.mp4"})
    told = project(at, start, outcome=outcome)[1]
    assert (told["status"], told["language_ids"], told["reference"]) == (word, [], None)
    assert language(at, start)[1].status == 404
    asked = Jobs([view(ELEVENLABS_PROJECTS, start, at)], request("GET", PROJECT))
    assert answer(ELEVENLABS_PROJECTS, "GET", LANGUAGES, asked) == {"languages": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "queued"),
        (5.0, "completed", "processing"),
        (DURATION, "completed", "completed"),
        (DURATION, "error", "failed"),
    ],
)
def test_a_language(at, outcome, word):
    """It is the job of a project: its outputs are there once it is completed."""
    job_id, told = language(at, outcome=outcome)
    outputs = {"lossless_audio": f"{BASE}/files/{job_id}.flac", "subtitles": None}
    assert told.pop("updated_at") == ACCEPTED.replace("44.250", f"{44.25 + at:06.3f}")
    assert told == {
        "language_id": f"{job_id}_l",
        "project_id": job_id,
        "target_language": "es",
        "status": word,
        "model_id": "dubbing_v2",
        "voice_settings": None,
        "outputs": outputs if word == "completed" else None,
        "revision": 0,
        "output_revision": 0 if word == "completed" else None,
        "error": {"code": "internal_error", "message": REASON, "retryable": True} if word == "failed" else None,
        "warnings": [],
        "created_at": ACCEPTED,
    }


def test_the_job_of_a_language_is_named_by_its_id():
    """The project in the path must be its own."""
    job_id, told = language(0.0, of="dub_0000000000000000000000")
    assert told.status == 404
    asked = request("GET", LANGUAGE, params={"id": "p", "language": job_id})
    assert route(ELEVENLABS_PROJECTS, "GET", LANGUAGE).job(asked) == job_id


def test_a_language_can_be_added_to_a_project():
    """It is a job of its own, which belongs to the project and is none itself."""
    first = view(ELEVENLABS_PROJECTS, PROJECT_START)
    start = request("POST", LANGUAGES, {"target_language": "fr"}, params={"id": first.id})
    added = view(ELEVENLABS_PROJECTS, start, ordinal=2)
    told = answer(ELEVENLABS_PROJECTS, "POST", LANGUAGES, Jobs([added], start))
    assert (told["project_id"], told["language_id"], told["target_language"]) == (first.id, f"{added.id}_l", "fr")
    is_project = route(ELEVENLABS_PROJECTS, "GET", PROJECT).match
    assert [is_project(one, start) for one in (first, added)] == [True, False]
    assert [one.loc for one in reasons(route(ELEVENLABS_PROJECTS, "POST", LANGUAGES).accepts, {})] == [
        ("body", "target_language")
    ]


def test_the_languages_of_a_project():
    """They are told of and deleted together, those that were added before the first one."""
    first = view(ELEVENLABS_PROJECTS, PROJECT_START)
    asked = request("GET", LANGUAGES, params={"id": first.id})
    added = view(ELEVENLABS_PROJECTS, replace(asked, body={"target_language": "fr"}), ordinal=2)
    other = view(ELEVENLABS_PROJECTS, PROJECT_START, ordinal=3)
    for method, path in (("GET", LANGUAGES), ("DELETE", PROJECT + "/{id}")):
        match = route(ELEVENLABS_PROJECTS, method, path).match
        assert [match(one, asked) for one in (other, added, first)] == [False, True, True]
    seen = [replace(one, request=asked) for one in (added, first)]
    told = answer(ELEVENLABS_PROJECTS, "GET", LANGUAGES, Jobs(seen, asked))
    assert [one["target_language"] for one in told["languages"]] == ["fr", "es"]
    assert answer(ELEVENLABS_PROJECTS, "GET", LANGUAGES, Jobs([], asked)).status == 404


def test_a_list_of_projects_has_no_languages():
    """As the service has it: they are told of one by one."""
    seen = [view(ELEVENLABS_PROJECTS, PROJECT_START, DURATION)]
    told = answer(ELEVENLABS_PROJECTS, "GET", PROJECT, Jobs(seen, request("GET", PROJECT), more=True))
    assert [(one["project_id"], one["language_ids"]) for one in told["projects"]] == [(seen[0].id, [])]
    assert told["next_cursor"] == seen[0].id
    asked = request("GET", PROJECT, query={"status": "failed"})
    assert answer(ELEVENLABS_PROJECTS, "GET", PROJECT, Jobs(seen, asked))["projects"] == []
