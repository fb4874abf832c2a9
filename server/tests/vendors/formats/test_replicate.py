"""Replicate's predictions, from the start to every end."""

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Event, Invalid, Jobs, Problem
from translation_server.vendors.formats.replicate import REPLICATE
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/replicate"
PREDICTIONS = "/v1/predictions"
BY_MODEL = "/v1/models/{owner}/{name}/predictions"
MODEL = {"owner": "acme", "name": "translate"}
INPUT = {"input": {"prompt": "a cat"}}
VERSION = "5" * 64
ROUTES = {(route.method, route.path): route for route in REPLICATE.routes}
BEGUN = {"started_at": "2026-11-24T16:37:44.000Z"}
HALF = BEGUN | {"logs": "50%|####| 5/10 [00:01<00:01]\n"}
ENDED = HALF | {"completed_at": "2026-11-24T16:37:49.000Z", "metrics": {"predict_time": 5.0}}


def view_at(seconds, *, params=MODEL, body=INPUT, ending=None, **request):
    """Return a prediction of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, BY_MODEL.format(**MODEL), params, body=body)
    draft = Draft("admin", NOW, metadata=to_metadata(REPLICATE, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, REPLICATE, ApiRequest("GET", BASE, "", **request))


def prediction(view, **further):
    """Return what is said of a prediction, but for what is given."""
    here = f"{BASE}/v1/predictions/{view.id}"
    return {
        "id": view.id,
        "model": "acme/translate",
        "version": VERSION,
        "input": {"prompt": "a cat"},
        "logs": "0%|####| 0/10 [00:01<00:01]\n",
        "output": None,
        "data_removed": False,
        "error": None,
        "source": "api",
        "status": "starting",
        "created_at": "2026-11-24T16:37:44.000Z",
        "started_at": None,
        "completed_at": None,
        "metrics": {},
        "urls": {
            "cancel": f"{here}/cancel",
            "get": here,
            "stream": f"{BASE}/v1/stream/{view.id}",
            "web": f"{BASE}/p/{view.id}",
        },
    } | further


@pytest.mark.parametrize("path", [PREDICTIONS, BY_MODEL, BY_MODEL.replace("models", "deployments")])
def test_a_start_answers_with_the_whole_prediction(path):
    """Each start is answered by 201 and the prediction, which is starting."""
    route, view = ROUTES["POST", path], view_at(0)
    assert route.status == 201
    assert route.answer(Jobs([view], view.request)) == prediction(view)


def test_ids_are_26_letters_and_digits():
    """An id is written as Replicate does, and ours can be made of it."""
    view = view_at(0)
    assert len(view.id) == 26
    assert REPLICATE.ids.encode(REPLICATE.ids.decode(view.id)) == view.id


@pytest.mark.parametrize(
    ("seconds", "ending", "further"),
    [
        (0, None, {}),
        (5, None, {"status": "processing"} | HALF),
        (5, FAILED, {"status": "failed", "error": "The translation failed."} | ENDED),
        (5, CANCELLED, {"status": "canceled"} | ENDED),
        (5, "aborted", {"status": "aborted", "error": "The translation failed."} | ENDED),
    ],
)
def test_a_poll_tells_the_status(seconds, ending, further):
    """A prediction starts, is processed, fails with an error or is canceled; other ends are told as they are."""
    view = view_at(seconds, ending=ending)
    for route in (ROUTES["GET", f"{PREDICTIONS}/{{id}}"], ROUTES["POST", f"{PREDICTIONS}/{{id}}/cancel"]):
        assert (route.status, route.answer(view)) == (200, prediction(view, **further))


def test_the_output_is_a_file():
    """The output of a prediction that succeeded is at the address the client itself has used."""
    view = view_at(10)
    assert ROUTES["GET", f"{PREDICTIONS}/{{id}}"].answer(view) == prediction(
        view,
        status="succeeded",
        output=f"{BASE}/files/{view.id}.mp4",
        logs="100%|####| 10/10 [00:01<00:01]\n",
        completed_at="2026-11-24T16:37:54.000Z",
        metrics={"predict_time": 10.0},
        **BEGUN,
    )


@pytest.mark.parametrize(
    ("asked", "model", "version"),
    [
        (VERSION, "acme/translate", VERSION),
        ("someone/else:abc", "someone/else", "abc"),
    ],
)
def test_a_version_may_name_its_model(asked, model, version):
    """A start by a version tells the model and the version it asked for."""
    told = ROUTES["GET", f"{PREDICTIONS}/{{id}}"].answer(view_at(0, params={}, body=INPUT | {"version": asked}))
    assert (told["model"], told["version"]) == (model, version)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait", 60),
        ("wait=5", 5),
        ("respond-async, Wait=5", 5),
        ('wait="5"; strict', 5),
        ("wait=600", 60),
        ("wait=soon", None),
        ("await", None),
        ("", None),
    ],
)
def test_a_start_is_held_if_the_client_prefers(prefer, seconds):
    """Prefer: wait holds the answer for a minute, or for fewer seconds; other preferences are ignored."""
    route = ROUTES["POST", BY_MODEL]
    assert route.wait(ApiRequest("POST", BASE, "", headers={"prefer": prefer})) == seconds
    assert route.wait(ApiRequest("POST", BASE, "")) is None


def test_a_held_start_is_answered_with_the_end():
    """A start that was held until the end is answered by 201 and the result."""
    view = view_at(10, headers={"prefer": "wait"})
    told = ROUTES["POST", BY_MODEL].answer(Jobs([view], view.request))
    assert told["status"] == "succeeded"


def test_a_start_that_was_held_in_vain_is_accepted():
    """A start whose time ran out is answered by 202, and is said to be starting even if it is further."""
    view = view_at(5, headers={"prefer": "wait=5"})
    reply = ROUTES["POST", BY_MODEL].answer(Jobs([view], view.request))
    assert reply.status == 202
    assert (reply.body["status"], reply.body["started_at"]) == ("starting", None)


def test_a_list_links_to_the_next_page():
    """A list has the address of the next page while there are more."""
    views = [view_at(5), view_at(0)]
    listed = [prediction(views[0], status="processing", **HALF), prediction(views[1])]
    route = ROUTES["GET", PREDICTIONS]
    further = f"{BASE}{PREDICTIONS}?cursor={views[1].id}"
    told = route.answer(Jobs(views, views[0].request, more=True))
    assert told == {"previous": None, "next": further, "results": listed}
    assert route.answer(Jobs([], views[0].request)) == {"previous": None, "next": None, "results": []}
    assert (route.page.after, route.page.default) == ("cursor", 100)


@pytest.mark.parametrize(
    ("seconds", "ending", "events"),
    [
        (5, None, []),
        (10, None, [Event("output", "translated", "0:0"), Event("done", {}, "1:0")]),
        (5, CANCELLED, [Event("done", {"reason": "canceled"}, "0:0")]),
        (
            5,
            FAILED,
            [Event("error", {"detail": "The translation failed."}, "0:0"), Event("done", {"reason": "error"}, "1:0")],
        ),
    ],
)
def test_a_stream_tells_the_output(seconds, ending, events):
    """A stream has the output or the error, and that it is done; each event has an id."""
    assert ROUTES["GET", "/v1/stream/{id}"].events(view_at(seconds, ending=ending)) == events


@pytest.mark.parametrize(("last", "skipped"), [("0:0", 1), ("1:0", 2), ("", 0), ("x", 0)])
def test_a_stream_goes_on_after_the_last_event(last, skipped):
    """A client that connects again says which event it has got."""
    route = ROUTES["GET", "/v1/stream/{id}"]
    assert route.skip(ApiRequest("GET", BASE, "", headers={"last-event-id": last})) == skipped


def test_a_model_is_shown():
    """Each model there may be is shown with the version that is run, and a version with the type of its output."""
    told = ROUTES["GET", "/v1/models/{owner}/{name}"].answer(ApiRequest("GET", BASE, "", MODEL))
    assert (told["url"], told["owner"], told["name"]) == (f"{BASE}/acme/translate", "acme", "translate")
    assert told["latest_version"]["id"] == VERSION
    route = ROUTES["GET", "/v1/models/{owner}/{name}/versions/{version}"]
    version = route.answer(ApiRequest("GET", BASE, "", MODEL | {"version": "abc"}))
    assert version == told["latest_version"] | {"id": "abc"}
    assert version["openapi_schema"]["components"]["schemas"]["Output"]["type"] == "string"


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        (PREDICTIONS, {}, [("input",), ("version",)]),
        (PREDICTIONS, INPUT | {"version": 1}, [("version",)]),
        (BY_MODEL, {"input": "a cat"}, [("input",)]),
        (BY_MODEL, INPUT | {"webhook_events_filter": ["begin"]}, [("webhook_events_filter", 0)]),
    ],
)
def test_a_start_that_is_not_as_documented_is_refused(path, body, wrong):
    """A start needs an input, and by its path or its body a model."""
    with pytest.raises(ValidationError) as refused:
        ROUTES["POST", path].accepts.model_validate(body)
    assert [one["loc"] for one in refused.value.errors()] == wrong


def test_a_documented_start_is_accepted():
    """What the SDK sends is accepted, with fields that are of no concern here."""
    further = {"stream": True, "webhook": "http://127.0.0.1:9000/", "webhook_completed": "http://127.0.0.1:9000/"}
    assert ROUTES["POST", BY_MODEL].accepts.model_validate(INPUT | further)
    assert ROUTES["POST", PREDICTIONS].accepts.model_validate(INPUT | {"version": VERSION})


@pytest.mark.parametrize(
    ("status", "title"),
    [(401, "Unauthenticated"), (404, "Not found"), (429, "Too many requests"), (599, "Error")],
)
def test_refusals_are_problems(status, title):
    """A refusal has title, detail and status, whatever its status."""
    assert REPLICATE.error(Problem(status, "It is so.")) == {"title": title, "detail": "It is so.", "status": status}


def test_a_start_that_is_not_as_documented_has_invalid_fields():
    """The refusal of such a start says in a list and in words what is wrong where."""
    wrong = Problem(422, "input: Field required", [Invalid(("body", "input"), "Field required", "missing")])
    assert REPLICATE.invalid == 422
    assert REPLICATE.error(wrong) == {
        "title": "Input validation failed",
        "detail": "- input: Field required\n",
        "status": 422,
        "invalid_fields": [{"type": "missing", "field": "input", "description": "Field required"}],
    }


def test_the_report_reads_the_status():
    """What a poll has told is known from its answer; an end that nobody knows is none."""
    endings = {0: None, 10: None, 5: FAILED, 4: CANCELLED, 3: "aborted"}
    poll = ROUTES["GET", f"{PREDICTIONS}/{{id}}"].answer
    told = [REPLICATE.read(poll(view_at(seconds, ending=ending))) for seconds, ending in endings.items()]
    assert told == ["pending", "completed", "error", "cancelled", None]
