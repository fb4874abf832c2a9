import pytest

from translation_server.jobs.delays import Fixed
from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Invalid, Jobs, Problem
from translation_server.vendors.formats.google import LRO
from translation_server.vendors.view import to_metadata, view_of

BASE = "http://127.0.0.1:8000/google"
ACCEPTED = 1_795_538_264.25
OPERATION = "/{version}/{parent:path}/operations/{id}"
STRUCT = "type.googleapis.com/google.protobuf.Struct"


def request(resource="videos", body=None):
    """Return the start of an operation."""
    params = {"version": "v1", "resource": resource, "verb": "translate"}
    return ApiRequest("POST", BASE, f"/v1/{resource}:translate", params, body=body or {"displayName": "A talk"})


def view(at=0.0, start=None, *, outcome="completed"):
    """Return the view of a job that takes ten seconds, so many of them after it was accepted."""
    start = start or request()
    drawn = Status.COMPLETED if outcome == "completed" else Status.ERROR
    draft = Draft("admin", ACCEPTED, outcome=drawn, metadata=to_metadata(LRO, start), number=1)
    job = Simulation(Fixed(10.0), 0.0, seed=1).accept(draft, 1)
    if outcome == CANCELLED:
        job = job._replace(ends_at=ACCEPTED + at, error_code=CANCELLED, error_message=CANCELLED_MESSAGE, ending=1)
    return view_of(job, ACCEPTED + at, LRO, start)


def route(method, path):
    """Return a route by its method and its path."""
    return next(one for one in LRO.routes if (one.method, one.path) == (method, path))


@pytest.mark.parametrize(
    ("at", "outcome", "percent", "ends"),
    [
        (0.0, "completed", 0, {"done": False}),
        (5.0, "completed", 50, {"done": False}),
        (11.0, "completed", 100, {"done": True, "response": {"@type": STRUCT, "value": {"uri": "…"}}}),
        (11.0, "error", 99, {"done": True, "error": {"code": 13, "message": "The video could not be translated."}}),
        (5.0, CANCELLED, 50, {"done": True, "error": {"code": 1, "message": CANCELLED_MESSAGE}}),
    ],
)
def test_an_operation_is_told_as_recorded(at, outcome, percent, ends):
    """Done or not, with a response or an error, and its progress in the metadata."""
    job = view(at, outcome=outcome)
    if "response" in ends:
        ends["response"]["value"]["uri"] = f"{BASE}/files/{job.id}.mp4"
    told = route("GET", OPERATION).answer(job)
    metadata = {"@type": STRUCT, "value": {"progressPercent": percent}}
    assert told == {"name": f"projects/p/operations/{job.id}", "metadata": metadata, **ends}
    assert LRO.read(told) == ("pending" if not told["done"] else outcome)


def test_a_start_is_answered_with_the_operation():
    """As it is at the beginning."""
    job = view()
    told = route("POST", "/{version}/{resource:path}:{verb}").answer(Jobs([job], job.request))
    assert told == route("GET", OPERATION).answer(job)


@pytest.mark.parametrize(
    ("resource", "parent"),
    [
        ("videos", "projects/p"),
        ("projects/mine/videos", "projects/mine"),
        ("projects/mine/locations/europe-west4/videos/7", "projects/mine/locations/europe-west4"),
        ("v/projects/mine", "projects/p"),
    ],
)
def test_an_operation_is_of_the_project_in_the_path(resource, parent):
    """And of its location; ``google.api_core`` wants something before ``operations``."""
    job = view(start=request(resource))
    assert route("GET", OPERATION).answer(job)["name"] == f"{parent}/operations/{job.id}"


def test_a_cancellation_and_a_deletion_are_answered_with_nothing():
    """An empty message, which is an empty object."""
    assert route("POST", f"{OPERATION}:cancel").answer(view(5.0, outcome=CANCELLED)) == {}
    assert route("DELETE", OPERATION).answer(view()) == {}


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("10s", 10.0),
        ("2.500s", 2.5),
        ("0s", 0.0),
        ("9999s", 60.0),
        (None, 60.0),
        (10, 60.0),
        ("10", 60.0),
        ("-1s", 60.0),
    ],
)
def test_a_wait_is_held_for_as_long_as_it_says(timeout, seconds):
    """A duration as protobuf's JSON has it, at most a minute, which is what holds without one."""
    assert route("POST", f"{OPERATION}:wait").wait(ApiRequest("POST", BASE, "/", body={"timeout": timeout})) == seconds


def test_a_list_goes_on_by_a_token():
    """The token is the id of its last job; the last piece has none."""
    job = view()
    listed = route("GET", "/{version}/{parent:path}/operations")
    operation = route("GET", OPERATION).answer(job)
    assert listed.answer(Jobs([job], job.request, more=True)) == {"operations": [operation], "nextPageToken": job.id}
    assert listed.answer(Jobs([], job.request)) == {"operations": []}


@pytest.mark.parametrize("document", [None, [], {}, {"operations": []}, {"error": {"code": 404}}])
def test_nothing_is_read_from_what_is_no_operation(document):
    """Lists, empty answers and refusals."""
    assert LRO.read(document) is None


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (503, "UNAVAILABLE"),
        (418, "UNKNOWN"),
    ],
)
def test_a_refusal_has_the_name_of_its_code(status, name):
    """Beside the HTTP status, as all of Google's APIs have it."""
    assert LRO.error(Problem(status, "Why.")) == {"error": {"code": status, "message": "Why.", "status": name}}


def test_a_refusal_says_which_fields_are_wrong():
    """In the details, as ``google.rpc.BadRequest``."""
    wrong = [Invalid(("body", "instances", 0, "prompt"), "is required", "missing")]
    (detail,) = LRO.error(Problem(400, "Why.", wrong))["error"]["details"]
    assert detail == {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "instances.0.prompt", "description": "is required"}],
    }
