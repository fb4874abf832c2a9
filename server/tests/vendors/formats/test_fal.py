"""fal's requests, from the start to every end."""

import pytest

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Event, Invalid, Jobs, Problem, Reply
from translation_server.vendors.formats.fal import FAL
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/fal"
REQUEST = "/{app:path}/requests/{id}"
ROUTES = {(route.method, route.path.removeprefix(REQUEST)): route for route in FAL.routes}


def view_at(seconds, *, path="/acme/translate", ending=None):
    """Return a request of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, path, body={"prompt": "a cat"})
    draft = Draft("admin", NOW, metadata=to_metadata(FAL, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, FAL, ApiRequest("GET", BASE, ""))


def told(view, status, app="acme/translate", **further):
    """Return a status with the links that all of them have."""
    here = f"{BASE}/{app}/requests/{view.id}"
    links = {"response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}
    return {"status": status, "request_id": view.id, **links, **further}


def log(percent, moment):
    """Return the only line of the log."""
    return [
        {"message": f"{percent} %", "level": "INFO", "source": "USER", "timestamp": f"2026-11-24T16:37:{moment}.000Z"}
    ]


@pytest.mark.parametrize(
    ("path", "app"),
    [
        ("/acme/translate", "acme/translate"),
        ("/acme/translate/fast/v2", "acme/translate"),
        ("/workflows/acme/translate", "workflows/acme/translate"),
        ("/comfy/acme/translate/fast", "comfy/acme/translate"),
    ],
)
def test_a_start_links_to_the_app(path, app):
    """A request is found below its app: without the further path of the start, with the namespace."""
    view = view_at(0, path=path)
    route = ROUTES["POST", "/{owner}/{app}" if path.count("/") == 2 else "/{owner}/{app}/{path:path}"]
    assert route.status == 200
    assert route.answer(Jobs([view], view.request)) == told(view, "IN_QUEUE", app, queue_position=0)


FAILURE = {"error": "The translation failed.", "error_type": "internal_server_error"}
METRICS = {"metrics": {"inference_time": 5.0}}


@pytest.mark.parametrize(
    ("seconds", "ending", "code", "status", "further"),
    [
        (0, None, 202, "IN_QUEUE", {"queue_position": 0}),
        (5, None, 202, "IN_PROGRESS", {"logs": log(50, 49)}),
        (10, None, 200, "COMPLETED", {"logs": log(100, 54), "metrics": {"inference_time": 10.0}}),
        (5, FAILED, 200, "COMPLETED", {"logs": log(50, 49)} | METRICS | FAILURE),
        (
            5,
            CANCELLED,
            200,
            "COMPLETED",
            {"logs": log(50, 49), "error": "Request was cancelled", "error_type": "request_cancelled"} | METRICS,
        ),
        (5, "EXPIRED", 200, "EXPIRED", {"logs": log(50, 49)} | METRICS | FAILURE),
    ],
)
def test_a_poll_tells_the_status(seconds, ending, code, status, further):
    """A pending request is answered by 202; whatever its end, it is completed, and its error says how."""
    view = view_at(seconds, ending=ending)
    reply = ROUTES["GET", "/status"].answer(view)
    assert (reply.status, reply.body) == (code, told(view, status, **further))


def test_the_result_is_the_answer_of_the_app():
    """A completed request has a video at the address the client itself has used."""
    view = view_at(10)
    url = f"{BASE}/files/{view.id}.mp4"
    video = {"url": url, "content_type": "video/mp4", "file_name": "out.mp4", "file_size": 64}
    assert ROUTES["GET", ""].answer(view) == Reply({"video": video}, headers={"x-fal-request-id": view.id})


@pytest.mark.parametrize(
    ("ending", "code", "body"),
    [
        (None, 400, {"detail": "Request is still in progress"}),
        (CANCELLED, 400, {"detail": "Request was cancelled", "error_type": "request_cancelled"}),
        (
            FAILED,
            422,
            {"detail": [{"loc": ["body"], "msg": "The translation failed.", "type": "internal_server_error"}]},
        ),
    ],
)
def test_without_a_result_the_answer_says_why(ending, code, body):
    """A result that is asked for early, or of a request that was cancelled or has failed, is an error."""
    view = view_at(5, ending=ending)
    assert ROUTES["GET", ""].answer(view) == Reply(body, code, {"x-fal-request-id": view.id})


@pytest.mark.parametrize(
    ("seconds", "ending", "code", "status"),
    [(5, CANCELLED, 202, "CANCELLATION_REQUESTED"), (10, None, 400, "ALREADY_COMPLETED")],
)
def test_only_a_pending_request_can_be_cancelled(seconds, ending, code, status):
    """A cancellation is answered by 202; of a request that has ended, it is refused with 400."""
    reply = ROUTES["PUT", "/cancel"].answer(view_at(seconds, ending=ending))
    assert (reply.status, reply.body) == (code, {"status": status})


def test_a_stream_tells_each_status_once():
    """A stream has the statuses in their order; what it has told does not change later."""
    events = ROUTES["GET", "/status/stream"].events
    early, late, ended = (events(view_at(seconds)) for seconds in (0, 5, 10))
    assert [one.data["status"] for one in ended] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    statuses = [[one.data["status"] for one in list_of] for list_of in (early, late)]
    assert statuses == [["IN_QUEUE"], ["IN_QUEUE", "IN_PROGRESS"]]
    same = view_at(5)
    later = events(same)
    assert later == events(same)
    assert later[1] == Event(None, told(same, "IN_PROGRESS", logs=log(0, 44)))


def test_a_stream_ends_with_the_status_that_is_polled():
    """The last event is the status, also of a request that is cancelled while it is in the queue."""
    for view in (view_at(10), view_at(5, ending=FAILED), view_at(1, ending=CANCELLED)):
        last = ROUTES["GET", "/status/stream"].events(view)[-1]
        assert last.data == ROUTES["GET", "/status"].answer(view).body
    assert len(ROUTES["GET", "/status/stream"].events(view)) == 2


def test_the_report_reads_how_a_request_ended():
    """Every end is COMPLETED; which one it is, is known by the error."""
    views = [view_at(0), view_at(5), view_at(10), view_at(5, ending=FAILED), view_at(5, ending=CANCELLED)]
    read = [FAL.read(ROUTES["GET", "/status"].answer(view).body) for view in views]
    assert read == ["pending", "pending", "completed", "error", "cancelled"]
    assert [FAL.read(document) for document in ({"video": {}}, [], {"status": "EXPIRED"})] == [None] * 3


def test_refusals_are_a_detail():
    """A refusal is a text, or of a request that is not as documented, what is wrong where."""
    assert FAL.error(Problem(429, "Too many.")) == {"detail": "Too many."}
    wrong = Problem(422, "prompt: Field required", [Invalid(("body", "prompt"), "Field required", "missing")])
    assert FAL.error(wrong) == {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]}
