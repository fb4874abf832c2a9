import re

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Fixed
from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import CANCEL, DELETE, POLL, RESULT, START, ApiRequest, Invalid, Jobs, Problem
from translation_server.vendors.formats.gemini import INTERACTIONS, VEO, VERTEX
from translation_server.vendors.view import to_metadata, view_of

BASE = "http://127.0.0.1:8000/gemini"
ACCEPTED = 1_795_538_264.25
ASKED = {"model": "gemini-omni-flash", "background": True, "input": "A talk"}
PROMPT = {"instances": [{"prompt": "A talk"}]}
FAILURE = "The video could not be translated."
VEO_RESPONSE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
VERTEX_RESPONSE = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
VERTEX_NAME = "projects/p/locations/us-central1/publishers/google/models/veo"


def request(body, **params):
    """Return a start."""
    return ApiRequest("POST", BASE, "/", params, body=body)


STARTS = {
    INTERACTIONS.name: request(ASKED, version="v1"),
    VEO.name: request(PROMPT, version="v1beta", model="veo"),
    VERTEX.name: request(PROMPT, version="v1beta1", parent="publishers/google", model="veo"),
}


def view(form, at=0.0, start=None, *, outcome="completed"):
    """Return the view of a job that takes ten seconds, so many of them after it was accepted."""
    start = start or STARTS[form.name]
    drawn = Status.COMPLETED if outcome == "completed" else Status.ERROR
    draft = Draft("admin", ACCEPTED, outcome=drawn, metadata=to_metadata(form, start), number=1)
    job = Simulation(Fixed(10.0), 0.0, seed=1).accept(draft, 1)
    if outcome == CANCELLED:
        job = job._replace(ends_at=ACCEPTED + at, error_code=CANCELLED, error_message=CANCELLED_MESSAGE, ending=1)
    return view_of(job, ACCEPTED + at, form, start)


def route(form, kind):
    """Return the route of a format for this."""
    return next(one for one in form.routes if one.kind is kind)


def poll(form, at=0.0, start=None, **more):
    """Return what a poll tells, and the view it is told from."""
    job = view(form, at, start, **more)
    return route(form, POLL).answer(job), job


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "queued"),
        (5.0, "completed", "in_progress"),
        (11.0, "completed", "completed"),
        (11.0, "error", "failed"),
        (5.0, CANCELLED, "cancelled"),
    ],
)
def test_an_interaction_is_told_as_recorded(at, outcome, word):
    """Steps only when it is completed, errors only if it failed."""
    told, job = poll(INTERACTIONS, at, outcome=outcome)
    video = {"type": "video", "uri": f"{BASE}/files/{job.id}.mp4", "mime_type": "video/mp4"}
    assert told == {
        "id": job.id,
        "object": "interaction",
        "status": word,
        "model": "gemini-omni-flash",
        "created": "2026-11-24T16:37:44.250Z",
        "updated": f"2026-11-24T16:37:{44 + min(int(at), 10)}.250Z",
        "steps": [{"type": "model_output", "content": [video]}] if word == "completed" else [],
        **({"errors": [{"code": "internal", "message": FAILURE}]} if word == "failed" else {}),
    }
    assert INTERACTIONS.read(told) == ("pending" if at < 10 and outcome == "completed" else outcome)
    assert route(INTERACTIONS, CANCEL).answer(job) == told
    assert route(INTERACTIONS, START).answer(Jobs([job], job.request)) == told


def test_an_interaction_has_an_id_like_geminis():
    """It begins with its version, and needs no escaping in a path."""
    job = view(INTERACTIONS)
    assert re.fullmatch("v1_[0-9A-Za-z]{22}", job.id)
    assert route(INTERACTIONS, DELETE).answer(job) == {}


def test_an_agent_may_stand_in_for_the_model():
    """And is told back in its own member."""
    told, _ = poll(INTERACTIONS, start=request({"agent": "deep-research", "input": [], "background": True}))
    assert told["agent"] == "deep-research"
    assert "model" not in told


def test_an_interaction_in_the_foreground_is_held_until_it_ends():
    """One in the background is answered at once."""
    wait = route(INTERACTIONS, START).wait
    assert wait(request(ASKED)) is None
    assert wait(request(ASKED | {"background": False})) == wait(request({})) == 3600.0


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"input": "A talk"}, ()),
        ({"model": "gemini-omni-flash"}, ("input",)),
        ({"model": 7, "input": "A talk"}, ("model",)),
        (ASKED | {"background": "yes"}, ("background",)),
    ],
)
def test_an_interaction_that_gemini_refuses_is_refused(body, place):
    """At the place that is wrong; further members are accepted."""
    accepts = route(INTERACTIONS, START).accepts
    accepts.model_validate(ASKED | {"store": True, "input": [{"type": "text", "text": "A talk"}]})
    with pytest.raises(ValidationError) as caught:
        accepts.model_validate(body)
    assert place in {one["loc"][:1] for one in caught.value.errors()}


@pytest.mark.parametrize(("form", "name"), [(VEO, "models/veo"), (VERTEX, VERTEX_NAME)], ids=lambda one: str(one)[:5])
def test_an_operation_is_told_as_recorded(form, name):
    """With nothing but its name while it is pending, and with an error and no response if it failed."""
    for at in (0.0, 5.0):
        told, job = poll(form, at)
        assert told == {"name": f"{name}/operations/{job.id}"}
        assert form.read(told) == "pending"
    failed, job = poll(form, 11.0, outcome="error")
    assert failed == {
        "name": f"{name}/operations/{job.id}",
        "done": True,
        "error": {"code": 13, "message": FAILURE},
    }
    cancelled, _ = poll(form, 5.0, outcome=CANCELLED)
    assert cancelled["error"] == {"code": 1, "message": CANCELLED_MESSAGE}
    assert (form.read(failed), form.read(cancelled), form.read({"videos": []})) == ("error", CANCELLED, None)
    assert route(form, START).answer(Jobs([view(form)], STARTS[form.name])) == {"name": f"{name}/operations/{job.id}"}


def test_a_video_of_veo_is_fetched_from_this_server():
    """google-genai finds the file only behind ``https://``, and then asks its own base URL."""
    told, job = poll(VEO, 11.0)
    uri = f"https://127.0.0.1:8000/gemini/v1beta/files/{job.id}:download?alt=media"
    assert re.fullmatch("[a-z0-9]+", job.id)
    samples = {"generatedSamples": [{"video": {"uri": uri}}]}
    assert told == {
        "name": f"models/veo/operations/{job.id}",
        "done": True,
        "response": {"@type": VEO_RESPONSE, "generateVideoResponse": samples},
    }
    assert VEO.read(told) == "completed"


def test_the_file_is_there_when_the_job_is_completed():
    """A few bytes of video; before that, and if it failed, there is none."""
    download = route(VEO, RESULT).answer
    reply = download(view(VEO, 11.0))
    assert (reply.status, len(reply.body), reply.headers) == (None, 64, {"content-type": "video/mp4"})
    for early in (download(view(VEO, 5.0)), download(view(VEO, 11.0, outcome="error"))):
        assert (early.status, early.body["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("parameters", "folder"),
    [(None, "gs://bucket"), ({"storageUri": "gs://mine/out/"}, "gs://mine/out")],
)
def test_a_video_of_vertex_is_where_the_start_wants_it(parameters, folder):
    """In a bucket of Cloud Storage, which is a name and no address on the network."""
    body = PROMPT | ({} if parameters is None else {"parameters": parameters})
    start = request(body, parent="projects/mine/locations/europe-west4/publishers/google", model="veo")
    told, job = poll(VERTEX, 11.0, start)
    assert told["name"] == (f"projects/mine/locations/europe-west4/publishers/google/models/veo/operations/{job.id}")
    assert told["response"] == {
        "@type": VERTEX_RESPONSE,
        "videos": [{"gcsUri": f"{folder}/{job.id}.mp4", "mimeType": "video/mp4"}],
    }


@pytest.mark.parametrize(("wanted", "made"), [(2, 2), (4, 4), (0, 1), (9, 1), ("2", 1)])
def test_as_many_videos_are_told_of_as_were_asked_for(wanted, made):
    """One to four; all lead to the one result that a job has."""
    start = request(PROMPT | {"parameters": {"sampleCount": wanted}}, parent="publishers/google", model="veo")
    assert len(poll(VERTEX, 11.0, start)[0]["response"]["videos"]) == made
    assert len(poll(VEO, 11.0, start)[0]["response"]["generateVideoResponse"]["generatedSamples"]) == made


def test_a_poll_of_vertex_names_the_operation_in_its_body():
    """The whole name, of which the end is the id."""
    one = route(VERTEX, POLL)
    body = {"operationName": f"{VERTEX_NAME}/operations/0123abcd"}
    one.accepts.model_validate(body)
    assert (one.method, one.job(request(body))) == ("POST", "0123abcd")
    for wrong in ({}, {"operationName": 7}, {"operationName": "0123abcd"}):
        with pytest.raises(ValidationError):
            one.accepts.model_validate(wrong)


@pytest.mark.parametrize("form", [VEO, VERTEX], ids=lambda form: form.name)
def test_a_prediction_needs_an_instance_with_something_in_it(form):
    """A prompt, an image or a video."""
    accepts = route(form, START).accepts
    accepts.model_validate({"instances": [{"image": {"gcsUri": "gs://b/a.png"}, "lastFrame": {}}], "parameters": {}})
    for wrong in ({}, {"instances": []}, {"instances": [{}]}, {"instances": [{"prompt": 7}]}):
        with pytest.raises(ValidationError):
            accepts.model_validate(wrong)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (401, "authentication"),
        (403, "permission_denied"),
        (404, "not_found"),
        (413, "invalid_request"),
        (429, "rate_limit_exceeded"),
        (503, "api_error"),
    ],
)
def test_a_refused_interaction_has_a_word_for_a_code(status, code):
    """The SDK's model of it does not accept a number."""
    assert INTERACTIONS.error(Problem(status, "Why.")) == {"error": {"code": code, "message": "Why."}}
    assert INTERACTIONS.invalid == 400


@pytest.mark.parametrize("form", [VEO, VERTEX], ids=lambda form: form.name)
def test_a_refusal_is_told_as_google_does(form):
    """With the code, its name, and what is wrong in which field."""
    told = form.error(Problem(429, "Why."))
    assert told == {"error": {"code": 429, "message": "Why.", "status": "RESOURCE_EXHAUSTED"}}
    wrong = [Invalid(("body", "instances"), "is required", "missing")]
    (detail,) = form.error(Problem(400, "Why.", wrong))["error"]["details"]
    assert detail["fieldViolations"] == [{"field": "instances", "description": "is required"}]
    assert form.invalid == 400
