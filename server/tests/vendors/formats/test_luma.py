"""Luma's generations, from the start to every end."""

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Invalid, Jobs, Page, Problem
from translation_server.vendors.formats.luma import LUMA
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/luma"
GENERATIONS = "/dream-machine/v1/generations"
PROMPT = {"model": "ray-2", "prompt": "a cat"}
ROUTES = {(route.method, route.path.removeprefix(GENERATIONS)): route for route in LUMA.routes}


def view_at(seconds, *, path="/video", body=PROMPT, ending=None, params=None, **request):
    """Return a generation of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, GENERATIONS + path, params or {}, body=body)
    draft = Draft("admin", NOW, metadata=to_metadata(LUMA, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, LUMA, ApiRequest("GET", BASE, "", **request))


def generation(view, **further):
    """Return what is said of a video, but for what is given."""
    request = {"generation_type": "video", "prompt": "a cat", "model": "ray-2", "callback_url": None}
    return {
        "id": view.id,
        "generation_type": "video",
        "state": "queued",
        "failure_reason": None,
        "created_at": "2026-11-24T16:37:44.000Z",
        "assets": None,
        "model": "ray-2",
        "request": request,
    } | further


def test_a_start_answers_with_the_whole_generation():
    """The start of a video is answered by 201 and the generation, which is queued."""
    route, view = ROUTES["POST", "/video"], view_at(0)
    assert route.status == 201
    assert route.answer(Jobs([view], view.request)) == generation(view)


@pytest.mark.parametrize(
    ("seconds", "ending", "further"),
    [
        (0, None, {}),
        (5, None, {"state": "dreaming"}),
        (5, FAILED, {"state": "failed", "failure_reason": "The translation failed."}),
        (5, CANCELLED, {"state": "failed", "failure_reason": "The translation failed."}),
        (5, "moderated", {"state": "moderated", "failure_reason": "The translation failed."}),
    ],
)
def test_a_poll_tells_the_state(seconds, ending, further):
    """A generation is queued, is dreamt, and fails with a reason; other ends are told as they are."""
    view = view_at(seconds, ending=ending)
    assert ROUTES["GET", "/{id}"].answer(view) == generation(view, **further)


def test_a_completed_video_has_assets():
    """The video of a completed generation is at the address the client itself has used."""
    view = view_at(10)
    assets = {"video": f"{BASE}/files/{view.id}.mp4", "image": None, "progress_video": None}
    assert ROUTES["GET", "/{id}"].answer(view) == generation(view, state="completed", assets=assets)


def test_an_image_is_told_of_as_an_image():
    """What was started as an image has an image among its assets, even if the start does not name the type."""
    view = view_at(10, path="/image", body={"model": "photon-1", "prompt": "a cat"})
    told = ROUTES["GET", "/{id}"].answer(view)
    assert (told["generation_type"], told["request"]["generation_type"]) == ("image", "image")
    assert told["assets"] == {"video": None, "image": f"{BASE}/files/{view.id}.jpg", "progress_video": None}


@pytest.mark.parametrize(("path", "asked"), [("audio", "add_audio"), ("upscale", "upscale_video")])
def test_a_generation_is_started_from_another_one(path, asked):
    """Sound and more pixels are generations of their own, which say what was asked for."""
    view = view_at(0, path=f"/0190/{path}", params={"id": "0190"}, body={})
    told = ROUTES["POST", f"/{{id}}/{path}"].answer(Jobs([view], view.request))
    assert told["id"] == view.id != "0190"
    assert told["request"] == {"generation_type": asked, "callback_url": None}


def test_a_list_says_where_it_stands():
    """A list repeats limit and offset and says whether there is more."""
    views = [view_at(5, query={"limit": "2", "offset": "4"}) for _ in range(2)]
    told = ROUTES["GET", ""].answer(Jobs(views, views[0].request, more=True))
    listed = [generation(view, state="dreaming") for view in views]
    assert told == {"has_more": True, "count": 2, "limit": 2, "offset": 4, "generations": listed}


def test_a_list_has_ten_generations_unless_asked():
    """Without limit and offset, or with nonsense, a list has the newest ten."""
    for query in ({}, {"limit": "many", "offset": "-1"}, {"limit": "9" * 5000, "offset": "9" * 5000}):
        told = ROUTES["GET", ""].answer(Jobs([], ApiRequest("GET", BASE, GENERATIONS, query=query)))
        assert told == {"has_more": False, "count": 0, "limit": 10, "offset": 0, "generations": []}


def test_a_page_may_leave_out_the_newest_jobs():
    """A service that counts names the parameter; without one, nothing is left out."""
    request = ApiRequest("GET", BASE, "", query={"offset": "7"}, body={"skip": 3})
    assert Page(offset="offset").skipped(request) == 7
    assert Page(offset="skip", in_body=True).skipped(request) == 3
    assert Page().skipped(request) == 0


def test_a_deletion_is_answered_with_nothing():
    """A deletion is answered by 204."""
    route = ROUTES["DELETE", "/{id}"]
    assert (route.status, route.answer(view_at(5))) == (204, None)


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/video", {"prompt": "a cat"}, ("model",)),
        ("/video", {"model": "photon-1"}, ("model",)),
        ("/video", {"model": "ray-2", "generation_type": "image"}, ("generation_type",)),
        ("/image", {"model": "ray-2"}, ("model",)),
        ("", {"prompt": 1}, ("prompt",)),
        ("/video/modify", {"model": "ray-2", "generation_type": "modify_video", "media": {"url": "u"}}, ("mode",)),
        (
            "/video/reframe",
            {"model": "ray-2", "generation_type": "reframe_video", "media": {}, "aspect_ratio": "1:1"},
            ("media", "url"),
        ),
        ("/image/reframe", {"model": "photon-1", "media": {"url": "u"}, "aspect_ratio": "1:1"}, ("generation_type",)),
    ],
)
def test_a_start_that_is_not_as_documented_is_refused(path, body, wrong):
    """Each kind of start has required fields, and a model of its family."""
    with pytest.raises(ValidationError) as refused:
        ROUTES["POST", path].accepts.model_validate(body)
    assert [one["loc"] for one in refused.value.errors()] == [wrong]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/video", PROMPT | {"duration": "5s", "loop": False, "concepts": [{"key": "pan"}]}),
        ("/image", {"model": "photon-flash-1", "prompt": "a cat", "format": "png"}),
        ("", {"prompt": "a cat"}),
        ("/{id}/audio", {}),
        ("/{id}/upscale", {"resolution": "4k"}),
    ],
)
def test_a_documented_start_is_accepted(path, body):
    """What the SDK sends is accepted, with fields that are of no concern here."""
    assert ROUTES["POST", path].accepts.model_validate(body)


def test_refusals_are_a_detail():
    """Whatever is refused, the answer is an object with a detail; what is not as documented is refused with 400."""
    assert LUMA.error(Problem(404, "There is no such job.")) == {"detail": "There is no such job."}
    wrong = Problem(400, "model: Field required", [Invalid(("body", "model"), "Field required", "missing")])
    assert (LUMA.invalid, LUMA.error(wrong)) == (400, {"detail": "model: Field required"})


def test_the_report_reads_the_state():
    """What a poll has told is known from its answer."""
    poll = ROUTES["GET", "/{id}"].answer
    told = [LUMA.read(poll(view)) for view in (view_at(0), view_at(5), view_at(10), view_at(5, ending=FAILED))]
    assert told == ["pending", "pending", "completed", "error"]


def test_a_view_knows_where_its_job_was_started():
    """The path of the start is kept; a job that was started before it was kept has none."""
    assert view_at(0, path="/image").path == f"{GENERATIONS}/image"
    job = Simulation(Uniform(10, 10), 0).accept(Draft("admin", NOW, metadata='{"format":"luma","input":{}}'), 1)
    assert not view_of(job, NOW, LUMA, ApiRequest("GET", BASE, "")).path
