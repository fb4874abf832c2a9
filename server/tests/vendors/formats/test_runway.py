"""Runway's tasks, from the start to every end."""

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.simulator.recording.exchange import Kind
from translation_server.vendors.format import ApiRequest, Invalid, Jobs, Problem
from translation_server.vendors.formats.runway import RUNWAY
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/runway"
IMAGE = {"model": "gen4_turbo", "promptImage": "https://example.com/a.png", "ratio": "1280:720", "duration": 5}
ROUTES = {(route.method, route.path.removeprefix("/v1/")): route for route in RUNWAY.routes}
COST = {"credits": 25}


def view_at(seconds, *, path="image_to_video", body=IMAGE, ending=None):
    """Return a task of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, f"/v1/{path}", body=body)
    draft = Draft("admin", NOW, metadata=to_metadata(RUNWAY, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, RUNWAY, ApiRequest("GET", BASE, ""))


def poll(view):
    """Return the answer to a poll without what all of them have."""
    told = ROUTES["GET", "tasks/{id}"].answer(view)
    assert (told.pop("id"), told.pop("createdAt")) == (view.id, "2026-11-24T16:37:44.000Z")
    return told


def test_a_start_answers_with_the_id_and_the_cost():
    """The start of a task is answered by its id and what it is going to cost."""
    route, view = ROUTES["POST", "image_to_video"], view_at(0)
    assert route.status == 200
    assert route.answer(Jobs([view], view.request)) == {"id": view.id, "estimatedCost": COST}


@pytest.mark.parametrize(("duration", "cost"), [(10, 50), (0.5, 3), (None, 25), ("auto", 25)])
def test_the_cost_depends_on_the_duration(duration, cost):
    """A second costs five credits, and a task that does not say how long is taken for one of five seconds."""
    view = view_at(0, body=IMAGE | {"duration": duration})
    assert ROUTES["POST", "image_to_video"].answer(Jobs([view], view.request))["estimatedCost"] == {"credits": cost}


FAILURE = {"failure": "The translation failed.", "failureCode": "INTERNAL.BAD_OUTPUT.CODE01", "cost": {"credits": 0}}


@pytest.mark.parametrize(
    ("seconds", "ending", "told"),
    [
        (0, None, {"status": "PENDING", "estimatedCost": COST}),
        (5, None, {"status": "RUNNING", "estimatedCost": COST, "progress": 0.5}),
        (5, FAILED, {"status": "FAILED"} | FAILURE),
        (5, CANCELLED, {"status": "CANCELLED", "cost": {"credits": 0}}),
        (5, "ARCHIVED", {"status": "ARCHIVED"} | FAILURE),
    ],
)
def test_a_poll_tells_the_status(seconds, ending, told):
    """Each status has its own fields; other ends are told as they are, and cost nothing."""
    assert poll(view_at(seconds, ending=ending)) == told


@pytest.mark.parametrize(
    ("path", "extension"), [("image_to_video", "mp4"), ("text_to_image", "png"), ("voice_dubbing", "mp3")]
)
def test_what_a_task_makes_depends_on_its_start(path, extension):
    """The result of a completed task has the extension of what was asked for, at the address the client has used."""
    view = view_at(10, path=path)
    output = [f"{BASE}/files/{view.id}.{extension}"]
    assert poll(view) == {"status": "SUCCEEDED", "output": output, "cost": COST}


def test_a_task_is_cancelled_by_a_deletion():
    """A deletion cancels, is answered by 204, and the task can still be polled."""
    route = ROUTES["DELETE", "tasks/{id}"]
    assert (route.kind, route.status, route.answer(view_at(5, ending=CANCELLED))) == (Kind.CANCEL, 204, None)


TEXT = {"promptText": "a cat"}


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("image_to_video", {}, ["model", "promptImage"]),
        ("image_to_video", {"model": 4, "promptImage": "u"}, ["model"]),
        ("image_to_video", {"model": "gen4_turbo", "promptImage": "u"}, ["ratio"]),
        ("image_to_video", {"model": "gen4.5", "promptImage": "u"}, ["promptText", "ratio", "duration"]),
        (
            "image_to_video",
            {"model": "gen4_turbo", "promptImage": None, "ratio": "1:1"},
            ["promptImage"],
        ),
        ("text_to_video", {"model": "veo3.1", **TEXT}, ["ratio"]),
        ("text_to_video", {"model": "wan3"}, ["promptText"]),
        ("video_to_video", {"model": "aleph2", **TEXT}, ["videoUri"]),
        ("video_to_video", {"model": "hailuo3", **TEXT}, ["promptVideo"]),
        ("voice_dubbing", {"model": "eleven_voice_dubbing"}, ["audioUri", "targetLang"]),
        ("character_performance", {"model": "act_two", "character": "u"}, ["character", "reference"]),
        ("text_to_speech", {"model": "eleven_v3", **TEXT}, ["voice"]),
        ("video_to_audio", {"model": "mirelo_sfx_2_0", "videoUri": "u"}, ["duration"]),
    ],
)
def test_a_start_that_is_not_as_documented_is_refused(path, body, wrong):
    """Each kind of start has required fields, and some models require further ones."""
    with pytest.raises(ValidationError) as refused:
        ROUTES["POST", path].accepts.model_validate(body)
    assert sorted(one["loc"][0] for one in refused.value.errors()) == sorted(wrong)


def test_what_a_model_requires_is_missed_like_the_rest():
    """A field that only this model requires is refused in the words for all required ones."""
    body = {"model": "gen4_turbo"}
    with pytest.raises(ValidationError) as refused:
        ROUTES["POST", "image_to_video"].accepts.model_validate(body)
    found = {one["loc"]: (one["type"], one["msg"]) for one in refused.value.errors()}
    assert found == dict.fromkeys([("promptImage",), ("ratio",)], ("missing", "Field required"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("image_to_video", IMAGE | {"seed": 4}),
        ("image_to_video", {"model": "next_month", "promptImage": [{"uri": "u", "position": "first"}]}),
        ("text_to_video", {"model": "kling3.0_pro", "ratio": "1280:720"}),
        ("text_to_video", {"model": "seedance2_5"}),
        ("video_to_video", {"model": "aleph2", "videoUri": "u"}),
        ("voice_dubbing", {"model": "eleven_voice_dubbing", "audioUri": "u", "targetLang": "es"}),
    ],
)
def test_a_documented_start_is_accepted(path, body):
    """What the SDK sends is accepted, and models that are new, with fields that are of no concern here."""
    assert ROUTES["POST", path].accepts.model_validate(body)


@pytest.mark.parametrize(("headers", "kind"), [({}, "missing"), ({"x-runway-version": "2023-01-01"}, "literal_error")])
def test_every_request_names_the_version(headers, kind):
    """A request without the version, or with another one, is refused."""
    for route in RUNWAY.routes:
        (wrong,) = route.check(ApiRequest("GET", BASE, "", headers=headers))
        assert (wrong.loc, wrong.type) == (("headers", "X-Runway-Version"), kind)
        assert not route.check(ApiRequest("GET", BASE, "", headers={"x-runway-version": "2024-11-06"}))


def test_refusals_say_what_is_wrong():
    """A refusal has an error; of a request that is not as documented, with 400 and each issue."""
    about = {"docUrl": "https://example.com/runway/errors"}
    assert RUNWAY.error(Problem(429, "Too many.")) == {"error": "Too many."} | about
    wrong = Problem(400, "promptImage: Field required", [Invalid(("body", "promptImage"), "Field required", "missing")])
    issues = [{"code": "missing", "path": ["promptImage"], "message": "Field required"}]
    assert RUNWAY.invalid == 400
    assert RUNWAY.error(wrong) == {"error": "Validation of body failed", "issues": issues} | about


def test_the_report_reads_the_status():
    """What a poll has told is known from its answer."""
    views = [view_at(0), view_at(5), view_at(10), view_at(5, ending=FAILED), view_at(5, ending=CANCELLED)]
    told = [RUNWAY.read(ROUTES["GET", "tasks/{id}"].answer(view)) for view in views]
    assert told == ["pending", "pending", "completed", "error", "cancelled"]
