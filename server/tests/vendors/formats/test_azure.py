import re

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Fixed
from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Invalid, Jobs, Problem
from translation_server.vendors.formats.azure import DOCUMENT, VIDEO
from translation_server.vendors.view import to_metadata, view_of

BASE = "http://127.0.0.1:8000/azure"
ACCEPTED = 1_795_538_264.25
VERSION = {"api-version": "2026-03-01"}
TRANSLATION = "/videotranslation/translations/{translationId}"
ITERATION = f"{TRANSLATION}/iterations/{{iterationId}}"
BATCH = "/translator/document/batches/{id}"
INPUT = {"targetLocale": "es-ES", "voiceKind": "PlatformVoice", "videoFileUrl": "https://example.com/a.mp4"}
AUTOMATIC = {"displayName": "A talk", "input": INPUT | {"autoCreateFirstIteration": True}}
DOCUMENTS = {
    "inputs": [
        {
            "source": {"sourceUrl": "https://example.com/source", "filter": {}},
            "targets": [{"targetUrl": "https://example.com/target", "language": "es"}],
        }
    ]
}


def request(method="GET", path="", body=None, *, query=None, name=None, **params):
    """Return a request to the mount, with the header Operation-Id if it has a name."""
    headers = {} if name is None else {"operation-id": name}
    return ApiRequest(method, BASE, path.format_map(params), params, VERSION | (query or {}), headers, body or {})


def view(form, start, at=0.0, *, outcome="completed", asked=None, lasts=10.0):  # noqa: PLR0913 - all have defaults
    """Return the view of the job of a start, so many seconds after it was accepted."""
    simulation = Simulation(Fixed(lasts), 0.0, seed=1, randomness=bytes)
    name = form.named(start) if form is VIDEO else None
    drawn = Status.COMPLETED if outcome == "completed" else Status.ERROR
    metadata = to_metadata(form, start, name=name)
    job = simulation.accept(Draft("admin", ACCEPTED, outcome=drawn, metadata=metadata, number=1), 1)
    if outcome == CANCELLED:
        job = job._replace(ends_at=ACCEPTED + at, error_code=CANCELLED, error_message=CANCELLED_MESSAGE, ending=1)
    return view_of(job, ACCEPTED + at, form, asked or start)


def route(form, method, path):
    """Return a route by its method and its path."""
    return next(one for one in form.routes if (one.method, one.path) == (method, path))


def answer(form, method, path, given):
    """Return what a route answers."""
    return route(form, method, path).answer(given)


def put(body=None, *, name="op-1", path=TRANSLATION, **params):
    """Return the start of a translation, or of one of its iterations."""
    return request("PUT", path, body or AUTOMATIC, name=name, **({"translationId": "talk"} | params))


def two_steps(at=0.0, **more):
    """Return a translation that makes no iteration on its own, and an iteration of it, the newest first."""
    asked = request(path=TRANSLATION, translationId="talk")
    made = view(VIDEO, put({"displayName": "A talk", "input": INPUT}), at, lasts=0.0, asked=asked)
    start = put({"input": {"speakerCount": 2}}, name="op-2", path=ITERATION, iterationId="second-try")
    return [view(VIDEO, start, at, asked=asked, **more), made]


def test_a_translation_with_its_first_iteration_is_answered_as_recorded():
    """201 with the whole translation, and where to ask for the operation that the client named."""
    start = put()
    reply = answer(VIDEO, "PUT", TRANSLATION, Jobs([view(VIDEO, start)], start))
    assert reply.status == 201
    assert reply.headers == {
        "operation-location": f"{BASE}/videotranslation/operations/op-1?api-version=2026-03-01",
        "operation-id": "op-1",
    }
    created = "2026-11-24T16:37:44.250Z"
    assert reply.body == {
        "id": "talk",
        "displayName": "A talk",
        "description": None,
        "input": AUTOMATIC["input"],
        "createdDateTime": created,
        "latestIteration": {
            "id": "it-1",
            "description": None,
            "status": "NotStarted",
            "createdDateTime": created,
            "lastActionDateTime": created,
            "input": AUTOMATIC["input"],
            "failureReason": None,
        },
    }


def test_a_start_that_made_no_job_is_answered_with_200():
    """And with the operation that there is, whatever name the repeated start gave it."""
    again = put(name="op-other")
    job = view(VIDEO, put(), asked=again)
    reply = answer(VIDEO, "PUT", TRANSLATION, Jobs([job], again, existing=True))
    assert (reply.status, reply.headers["operation-id"]) == (200, "op-1")


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "NotStarted"),
        (5.0, "completed", "Running"),
        (11.0, "completed", "Succeeded"),
        (11.0, "error", "Failed"),
        (5.0, CANCELLED, "Canceled"),
    ],
)
def test_an_operation_tells_its_name_and_its_status(at, outcome, word):
    """No more: why it failed stands in the translation."""
    job = view(VIDEO, put(), at, outcome=outcome)
    told = answer(VIDEO, "GET", "/videotranslation/operations/{id}", job)
    assert told == {"id": "op-1", "status": word}
    assert VIDEO.read(told) == ("pending" if at < 10 and outcome == "completed" else outcome)


def test_a_pending_operation_says_when_to_ask_again():
    """In whole seconds, at least one; one that has ended does not."""
    assert re.fullmatch("[1-9][0-9]*", VIDEO.hints(view(VIDEO, put()))["retry-after"])
    assert VIDEO.hints(view(VIDEO, put(), 11.0)) == DOCUMENT.hints(view(VIDEO, put(), 11.0)) == {}


def test_a_completed_translation_leads_to_its_files_on_this_server():
    """In the iteration that succeeded, under the base URL of the mount."""
    asked = request(path=TRANSLATION, translationId="talk")
    told = answer(VIDEO, "GET", TRANSLATION, Jobs([view(VIDEO, put(), 11.0, asked=asked)], asked))
    result = told["latestSucceededIteration"]["result"]
    assert result["translatedVideoFileUrl"] == f"{BASE}/files/op-1.mp4"
    assert all(url.startswith(f"{BASE}/files/op-1.") for url in result.values())
    assert told["latestIteration"] == told["latestSucceededIteration"]


def test_a_failed_translation_says_why_in_its_iteration():
    """And has none that succeeded."""
    asked = request(path=TRANSLATION, translationId="talk")
    told = answer(VIDEO, "GET", TRANSLATION, Jobs([view(VIDEO, put(), 11.0, outcome="error", asked=asked)], asked))
    assert told["latestIteration"]["failureReason"] == "The video could not be translated."
    assert "latestSucceededIteration" not in told


def test_without_a_first_iteration_the_translation_is_made_at_once():
    """Its operation has succeeded when it starts, and the iteration's is the job; one document tells of both."""
    duration = route(VIDEO, "PUT", TRANSLATION).duration
    assert (duration(put({"input": INPUT})), duration(put())) == (0.0, None)
    iteration, made = two_steps(5.0)
    assert (made.word, iteration.word) == ("Succeeded", "Running")
    told = answer(VIDEO, "GET", TRANSLATION, Jobs([iteration, made], made.request))
    assert (told["displayName"], told["input"]) == ("A talk", INPUT)
    assert (told["latestIteration"]["id"], told["latestIteration"]["status"]) == ("second-try", "Running")
    assert told["latestIteration"]["input"] == {"speakerCount": 2}
    assert "latestIteration" not in answer(VIDEO, "GET", TRANSLATION, Jobs([made], made.request))


def test_a_translation_that_is_made_at_once_is_never_seen_before_that():
    """Also where the moment of its acceptance was rounded up to the next millisecond, and has not come yet."""
    made = view(VIDEO, put({"input": INPUT}), -0.0004, lasts=0.0)
    assert (made.word, made.now, VIDEO.hints(made)) == ("Succeeded", made.created, {})


def test_an_iteration_is_started_and_read_by_its_own_name():
    """The start answers with the iteration, not with the translation."""
    iteration, _ = two_steps(11.0)
    start = put({"input": {}}, name="op-2", path=ITERATION, iterationId="second-try")
    reply = answer(VIDEO, "PUT", ITERATION, Jobs([iteration], start))
    assert (reply.status, reply.body["id"], reply.headers["operation-id"]) == (201, "second-try", "op-2")
    told = answer(VIDEO, "GET", ITERATION, iteration)
    assert told["result"]["targetLocaleSubtitleWebvttFileUrl"] == f"{BASE}/files/op-2.target.vtt"


def test_jobs_are_found_by_the_names_in_the_path():
    """A translation by its own, an iteration by both, also the one that a translation made on its own."""
    iteration, made = two_steps()
    automatic = view(VIDEO, put(translationId="other"))
    jobs = [iteration, made, automatic]

    def found(method, path, **params):
        match = route(VIDEO, method, path).match
        return [job for job in jobs if match(job, request(method, path, **params))]

    assert found("PUT", TRANSLATION, translationId="talk") == [made]
    assert found("GET", TRANSLATION, translationId="talk") == [iteration, made]
    assert found("DELETE", TRANSLATION, translationId="talk") == [iteration, made]
    assert found("PUT", ITERATION, translationId="talk", iterationId="second-try") == [iteration]
    assert found("PUT", ITERATION, translationId="talk", iterationId="third-try") == []
    assert found("GET", ITERATION, translationId="other", iterationId="it-1") == [automatic]
    assert found("GET", "/videotranslation/translations") == [made, automatic]
    assert found("GET", TRANSLATION + "/iterations", translationId="talk") == [iteration]
    assert found("GET", TRANSLATION + "/iterations", translationId="other") == [automatic]


def test_an_unknown_translation_is_not_found():
    """Also where only iterations of that name are left."""
    asked = request(path=TRANSLATION, translationId="talk")
    for jobs in ([], two_steps()[:1]):
        reply = answer(VIDEO, "GET", TRANSLATION, Jobs(jobs, asked))
        assert (reply.status, reply.body["error"]["code"]) == (404, "NotFound")


def test_a_list_goes_on_at_its_next_link():
    """The link keeps the other parameters; the last piece has none."""
    asked = request(path="/videotranslation/translations", query={"maxpagesize": "1"})
    made = two_steps()[1]
    told = answer(VIDEO, "GET", "/videotranslation/translations", Jobs([made], asked, more=True))
    assert [one["id"] for one in told["value"]] == ["talk"]
    assert told["nextLink"] == (
        f"{BASE}/videotranslation/translations?api-version=2026-03-01&maxpagesize=1&%24skipToken=op-1"
    )
    assert "nextLink" not in answer(VIDEO, "GET", "/videotranslation/translations", Jobs([made], asked))


@pytest.mark.parametrize("name", [None, "ab", "x" * 65, "with space", "ü-op"])
def test_a_start_without_a_proper_operation_id_is_refused(name):
    """3 to 64 letters, digits, dots, hyphens and underscores."""
    (wrong,) = route(VIDEO, "PUT", TRANSLATION).check(put(name=name))
    assert wrong.loc == ("header", "Operation-Id")


def test_the_names_in_the_path_have_the_same_form():
    """The translation's and the iteration's."""
    start = put({"input": {}}, path=ITERATION, translationId="a!b", iterationId="no")
    assert [one.loc for one in route(VIDEO, "PUT", ITERATION).check(start)] == [
        ("path", "translationId"),
        ("path", "iterationId"),
    ]
    assert list(route(VIDEO, "PUT", ITERATION).check(put(path=ITERATION, iterationId="first"))) == []


@pytest.mark.parametrize("form", [VIDEO, DOCUMENT], ids=lambda form: form.name)
def test_every_request_needs_a_version_of_the_api(form):
    """Otherwise it is refused with Azure's own code for it."""
    for one in form.routes:
        params = dict.fromkeys(re.findall(r"\{(\w+)\}", one.path), "name")
        whole = request(one.method, one.path, name="op-1", **params)
        assert list(one.check(whole)) == []
        without = ApiRequest(one.method, BASE, whole.path, params, {}, whole.headers)
        assert [wrong.loc for wrong in one.check(without)] == [("query", "api-version")]
    missing = [Invalid(("query", "api-version"), "is required", "missing")]
    reply = form.error(Problem(400, "api-version: is required", missing))
    assert reply.body["error"]["code"] == reply.headers["x-ms-error-code"] == "MissingApiVersionParameter"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"targetLocale": None}, ("input", "targetLocale")),
        ({"voiceKind": "RobotVoice"}, ("input", "voiceKind")),
        ({"videoFileUrl": ""}, ("input",)),
        ({"speakerCount": "two"}, ("input", "speakerCount")),
        ({"autoCreateFirstIteration": "yes"}, ("input", "autoCreateFirstIteration")),
    ],
)
def test_a_translation_that_azure_refuses_is_refused(change, place):
    """At the place that is wrong; what Azure has beyond that is accepted."""
    model = route(VIDEO, "PUT", TRANSLATION).accepts
    model.model_validate({"displayName": "A", "input": INPUT | {"enableLipSync": True}})
    model.model_validate({"input": INPUT | {"videoFileUrl": None, "audioFileUrl": "https://example.com/a.wav"}})
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"input": INPUT | change})
    assert [one["loc"] for one in caught.value.errors()] == [place]


@pytest.mark.parametrize(
    "body", [{}, {"inputs": []}, {"inputs": [{"source": {}, "targets": []}]}, {"inputs": [DOCUMENTS["inputs"][0], {}]}]
)
def test_a_batch_needs_sources_and_targets(body):
    """At least one of each."""
    model = route(DOCUMENT, "POST", "/translator/document/batches").accepts
    model.model_validate(DOCUMENTS)
    with pytest.raises(ValidationError):
        model.model_validate(body)


def batch(at=0.0, body=DOCUMENTS, **more):
    """Return the view of a batch."""
    return view(DOCUMENT, request("POST", "/translator/document/batches", body), at, **more)


def test_a_batch_is_accepted_with_nothing_but_its_address():
    """202 with an empty body."""
    job = batch()
    one = route(DOCUMENT, "POST", "/translator/document/batches")
    reply = one.answer(Jobs([job], job.request))
    assert (one.status, reply.status, reply.body) == (202, None, None)
    assert reply.headers == {
        "operation-location": f"{BASE}/translator/document/batches/{job.id}?api-version=2026-03-01"
    }


@pytest.mark.parametrize(
    ("at", "outcome", "word", "counted"),
    [
        (0.0, "completed", "NotStarted", "notYetStarted"),
        (5.0, "completed", "Running", "inProgress"),
        (11.0, "completed", "Succeeded", "success"),
        (11.0, "error", "Failed", "failed"),
        (5.0, CANCELLED, "Cancelled", "cancelled"),
    ],
)
def test_a_batch_is_told_as_recorded(at, outcome, word, counted):
    """Its documents are counted under its own status; only a failed one has an error."""
    job = batch(at, outcome=outcome)
    told = answer(DOCUMENT, "GET", BATCH, job)
    summary = dict.fromkeys(("failed", "success", "inProgress", "notYetStarted", "cancelled"), 0) | {counted: 1}
    failed = {"code": "InternalServerError", "message": "The video could not be translated."}
    failed |= {"target": "Operation", "innerError": {**failed}}
    assert told == {
        "id": job.id,
        "createdDateTimeUtc": "2026-11-24T16:37:44.250Z",
        "lastActionDateTimeUtc": f"2026-11-24T16:37:{44 + min(int(at), 10)}.250Z",
        "status": word,
        **({"error": failed} if outcome == "error" else {}),
        "summary": {"total": 1, **summary, "totalCharacterCharged": 0},
    }
    assert answer(DOCUMENT, "DELETE", BATCH, job) == told
    assert list(told)[3:5] == (["status", "error"] if outcome == "error" else ["status", "summary"])


def test_a_batch_has_a_document_for_each_target():
    """Each with an id of its own; the paths are there when it is completed, and lead to this server."""
    targets = [{"targetUrl": "https://example.com/target", "language": language} for language in ("es", "fr")]
    body = {"inputs": [DOCUMENTS["inputs"][0] | {"targets": targets}]}
    job = batch(11.0, body)
    documents = answer(DOCUMENT, "GET", BATCH + "/documents", job)["value"]
    assert [one["to"] for one in documents] == ["es", "fr"]
    assert documents[0] == {
        "path": f"{BASE}/files/{job.id}.txt",
        "sourcePath": f"{BASE}/files/source.txt",
        "createdDateTimeUtc": "2026-11-24T16:37:44.250Z",
        "lastActionDateTimeUtc": "2026-11-24T16:37:54.250Z",
        "status": "Succeeded",
        "to": "es",
        "progress": 1.0,
        "id": job.id,
        "characterCharged": 0,
    }
    assert documents[1]["id"] != job.id
    assert answer(DOCUMENT, "GET", BATCH, job)["summary"]["total"] == 2
    assert "path" not in answer(DOCUMENT, "GET", BATCH + "/documents", batch(5.0, body))["value"][0]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidRequest"),
        (401, "Unauthorized"),
        (404, "NotFound"),
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
        (599, "InternalServerError"),
    ],
)
def test_a_refusal_has_its_code_in_the_body_and_in_a_header(status, code):
    """As Azure's guidelines have it."""
    reply = VIDEO.error(Problem(status, "Why."))
    assert reply.body == {"error": {"code": code, "message": "Why."}}
    assert reply.headers == {"x-ms-error-code": code}


def test_the_name_of_a_video_job_is_never_taken_for_an_id():
    """Clients like UUIDs as names, and ids of the server's own jobs are UUIDs."""
    assert VIDEO.ids.decode("0190b1c2-0000-7000-8000-000000000001") is None
    assert VIDEO.named(put(name="op-9")) == "op-9"
