"""Rev.ai's jobs, from the start to every end."""

import json

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Invalid, Jobs, Problem
from translation_server.vendors.formats.revai import REVAI
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/revai"
JOBS = "/speechtotext/v1/jobs"
MEDIA = {"media_url": "https://example.com/a.mp4", "metadata": "mine"}
ROUTES = {(route.method, route.path.removeprefix(JOBS)): route for route in REVAI.routes}
ENDED = {"completed_on": "2026-11-24T16:37:49.000Z"}
FAILURE = ENDED | {"failure": "internal_processing", "failure_detail": "The translation failed."}


def view_at(seconds, *, body=MEDIA, ending=None, **request):
    """Return a job of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, JOBS, body=body)
    draft = Draft("admin", NOW, metadata=to_metadata(REVAI, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, REVAI, ApiRequest("GET", BASE, "", **request))


def job(view, **further):
    """Return what is said of a job, but for what is given."""
    return {
        "id": view.id,
        "created_on": "2026-11-24T16:37:44.000Z",
        "status": "in_progress",
        "type": "async",
        "language": "en",
        "metadata": "mine",
    } | further


def test_a_start_answers_with_the_whole_job():
    """The start of a job is answered by 200 and the job, which is in progress."""
    route, view = ROUTES["POST", ""], view_at(0)
    assert route.status == 200
    assert route.answer(Jobs([view], view.request)) == job(view)


@pytest.mark.parametrize(
    ("seconds", "ending", "further"),
    [
        (5, None, {}),
        (
            10,
            None,
            {"status": "transcribed", "completed_on": "2026-11-24T16:37:54.000Z", "duration_seconds": 12.3},
        ),
        (5, FAILED, {"status": "failed"} | FAILURE),
        (5, CANCELLED, {"status": "failed"} | FAILURE),
        (5, "expired", {"status": "expired"} | FAILURE),
    ],
)
def test_a_poll_tells_the_status(seconds, ending, further):
    """A job is in progress until it is transcribed or has failed; other ends are told as they are."""
    view = view_at(seconds, ending=ending)
    assert ROUTES["GET", "/{id}"].answer(view) == job(view, **further)


def test_a_form_has_a_file_and_the_options():
    """A job that was started by a form has the name of the file, and the options that are JSON in the form."""
    options = {"metadata": "mine", "language": "es", "skip_diarization": True}
    view = view_at(0, body={"media": "<a, b.mp3, 12 bytes>", "options": json.dumps(options)})
    assert ROUTES["GET", "/{id}"].answer(view) == job(view, language="es", skip_diarization=True, name="a, b.mp3")


def test_a_form_need_have_no_options():
    """A job of a file alone is told of without what the options would have said."""
    view = view_at(0, body={"media": "<a.mp3, 12 bytes>"})
    expected = job(view, name="a.mp3")
    del expected["metadata"]
    assert ROUTES["GET", "/{id}"].answer(view) == expected


@pytest.mark.parametrize(("ending", "word"), [(None, "in_progress"), (FAILED, "failed")])
def test_there_is_no_transcript_unless_transcribed(ending, word):
    """A transcript that is asked for early, or of a failed job, is refused with 409 and the status."""
    reply = ROUTES["GET", "/{id}/transcript"].answer(view_at(5, ending=ending))
    assert reply.status == reply.body["status"] == 409
    assert (reply.body["current_value"], reply.body["allowed_values"]) == (word, ["transcribed"])


def test_a_transcript_is_json_or_text():
    """The client says by Accept which one it wants; without it, JSON."""
    answer = ROUTES["GET", "/{id}/transcript"].answer
    text = answer(view_at(10, headers={"accept": "text/plain"}))
    assert (text.body, text.headers) == (
        b"Speaker 0    00:00:00    hello\n",
        {"content-type": "text/plain; charset=utf-8"},
    )
    word = {"type": "text", "value": "hello", "ts": 0.5, "end_ts": 1.0, "confidence": 0.9}
    whole = answer(view_at(10))
    assert whole.body == {"monologues": [{"speaker": 0, "elements": [word]}]}
    assert whole.headers == {"content-type": "application/vnd.rev.transcript.v1.0+json"}


def test_a_list_is_an_array():
    """Jobs are listed as they are polled, the newest first, a hundred unless asked."""
    views = [view_at(5), view_at(0)]
    route = ROUTES["GET", ""]
    assert route.answer(Jobs(views, views[0].request)) == [job(view) for view in views]
    assert (route.page.default, route.page.after) == (100, "starting_after")


def test_a_deletion_is_answered_with_nothing():
    """A deletion is answered by 204."""
    route = ROUTES["DELETE", "/{id}"]
    assert (route.status, route.answer(view_at(5))) == (204, None)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ("media_url",)),
        ({"metadata": "mine"}, ("media_url",)),
        ({"source_config": {}}, ("source_config", "url")),
        ({"media": "<a.mp3, 12 bytes>", "options": "{"}, ("options",)),
        ({"media": "<a.mp3, 12 bytes>", "options": "[]"}, ("options",)),
    ],
)
def test_a_start_that_is_not_as_documented_is_refused(body, wrong):
    """A start needs media, and options that can be read."""
    with pytest.raises(ValidationError) as refused:
        ROUTES["POST", ""].accepts.model_validate(body)
    assert [one["loc"] for one in refused.value.errors()] == [wrong]


@pytest.mark.parametrize(
    "body",
    [
        MEDIA | {"skip_diarization": True},
        {"source_config": {"url": "https://example.com/a.mp4", "auth_headers": {}}},
        {"media": "<a.mp3, 12 bytes>", "options": "{}"},
    ],
)
def test_a_documented_start_is_accepted(body):
    """Media come by their address, by an address with headers, or as a file."""
    assert ROUTES["POST", ""].accepts.model_validate(body)


def test_refusals_are_problems():
    """A refusal has title, detail and status; of a start that is not as documented, the parameters."""
    missing = {"title": "could not find job", "detail": "There is no such job.", "status": 404}
    assert REVAI.error(Problem(404, "There is no such job.")) == missing
    assert REVAI.error(Problem(429, "Too many.")) == {"title": "Too many.", "detail": "Too many.", "status": 429}
    wrong = Problem(400, "media_url: Field required", [Invalid(("body", "media_url"), "Field required", "missing")])
    assert REVAI.invalid == 400
    assert REVAI.error(wrong) == {
        "parameters": {"media_url": ["Field required"]},
        "title": "Your request parameters didn't validate",
        "status": 400,
    }


def test_the_report_reads_the_status():
    """What a poll has told is known from its answer."""
    views = [view_at(0), view_at(10), view_at(5, ending=FAILED)]
    told = [REVAI.read(ROUTES["GET", "/{id}"].answer(view)) for view in views]
    assert told == ["pending", "completed", "error"]
