"""AssemblyAI's transcripts, from the start to every end."""

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import CANCELLED, FAILED, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Jobs, Problem
from translation_server.vendors.formats.assemblyai import ASSEMBLYAI
from translation_server.vendors.view import to_metadata, view_of

NOW = 1795538264.0
BASE = "http://127.0.0.1:8000/assemblyai"
HERE = f"{BASE}/v2/transcript"
AUDIO = {"audio_url": "https://example.com/a.mp4"}
ROUTES = {(route.method, route.path.removeprefix("/v2/transcript")): route for route in ASSEMBLYAI.routes}


def view_at(seconds, *, body=AUDIO, ending=None, **request):
    """Return a transcript of ten seconds as it is seen after some; with an ending, it has ended then in this way."""
    start = ApiRequest("POST", BASE, "/v2/transcript", body=body)
    draft = Draft("admin", NOW, metadata=to_metadata(ASSEMBLYAI, start), duration=10.0)
    job = Simulation(Uniform(10, 10), 0).accept(draft, 1)
    if ending is not None:
        how = {"outcome": Status.ERROR, "error_code": ending, "error_message": "The translation failed."}
        job = job._replace(ends_at=NOW + seconds, ending=1, **how)
    return view_of(job, NOW + seconds, ASSEMBLYAI, ApiRequest("GET", BASE, "/v2/transcript", **request))


def transcript(view, **further):
    """Return what is said of a transcript, but for what is given."""
    return {
        "id": view.id,
        "status": "queued",
        "audio_url": "https://example.com/a.mp4",
        "text": None,
        "words": None,
        "utterances": None,
        "confidence": None,
        "audio_duration": None,
        "language_code": "en_us",
        "punctuate": True,
        "format_text": True,
        "webhook_url": None,
        "webhook_auth": False,
        "speech_model": None,
        "acoustic_model": "assemblyai_default",
        "language_model": "assemblyai_default",
        "error": None,
    } | further


def test_a_start_answers_with_the_whole_transcript():
    """The start of a transcript is answered by 200 and the transcript, which is queued."""
    route, view = ROUTES["POST", ""], view_at(0)
    assert route.status == 200
    assert route.answer(Jobs([view], view.request)) == transcript(view)


@pytest.mark.parametrize(
    ("seconds", "ending", "further"),
    [
        (0, None, {}),
        (5, None, {"status": "processing"}),
        (10, None, {"status": "completed", "text": "hello", "words": [], "confidence": 0.9, "audio_duration": 12}),
        (5, FAILED, {"status": "error", "error": "The translation failed."}),
        (5, CANCELLED, {"status": "error", "error": "The translation failed."}),
        (5, "terminated", {"status": "terminated", "error": "The translation failed."}),
    ],
)
def test_a_poll_tells_the_status(seconds, ending, further):
    """A transcript is queued, is processed, and is completed or has an error; other ends are told as they are."""
    view = view_at(seconds, ending=ending)
    assert ROUTES["GET", "/{id}"].answer(view) == transcript(view, **further)


def test_what_was_asked_for_is_repeated_but_for_secrets():
    """A transcript repeats the options of its start, and only whether a webhook is to be authenticated."""
    asked = {"language_code": "es", "speaker_labels": True, "webhook_url": "http://127.0.0.1:9000/"}
    secret = {"webhook_auth_header_name": "x-secret", "webhook_auth_header_value": "a secret"}
    view = view_at(0, body=AUDIO | asked | secret)
    assert ROUTES["GET", "/{id}"].answer(view) == transcript(view, **asked, webhook_auth=True)


def test_a_start_cannot_say_what_is_found():
    """Fields of the start that are called as those of the answer do not change it."""
    view = view_at(5, body=AUDIO | {"status": "completed", "id": "1", "text": "bye", "error": "no"})
    assert ROUTES["GET", "/{id}"].answer(view) == transcript(view, status="processing")


@pytest.mark.parametrize(
    ("seconds", "ending", "status"), [(5, None, "error"), (10, None, "completed"), (5, FAILED, "error")]
)
def test_a_deletion_answers_with_what_is_left(seconds, ending, status):
    """A deletion is answered by the transcript, of which nothing but the status is left."""
    view = view_at(seconds, ending=ending)
    gone = {"status": status, "audio_url": "http://deleted_by_user", "text": "Deleted by user."}
    assert ROUTES["DELETE", "/{id}"].answer(view) == transcript(view, **gone)


def test_a_list_links_to_the_older_transcripts():
    """A list has the newest first, and the address of those before them while there are more."""
    views = [view_at(seconds, query={"limit": "2"}) for seconds in (5, 10)]
    told = ROUTES["GET", ""].answer(Jobs(views, views[0].request, more=True))
    assert told["page_details"] == {
        "limit": 2,
        "result_count": 2,
        "current_url": f"{HERE}?limit=2",
        "prev_url": f"{HERE}?limit=2&before_id={views[1].id}",
        "next_url": None,
    }
    common = {"created": "2026-11-24T16:37:44.000Z", "audio_url": "https://example.com/a.mp4", "error": None}
    assert told["transcripts"] == [
        common | {"id": one.id, "resource_url": f"{HERE}/{one.id}", "status": status, "completed": completed}
        for one, status, completed in zip(
            views, ["processing", "completed"], [None, "2026-11-24T16:37:54.000Z"], strict=True
        )
    ]


@pytest.mark.parametrize("limit", [None, "all", "9" * 5000])
def test_a_list_has_ten_transcripts_unless_asked(limit):
    """Without a limit, or with nonsense, ten are listed; the last page has no address of older ones."""
    request = ApiRequest("GET", BASE, "/v2/transcript", query={} if limit is None else {"limit": limit})
    details = ROUTES["GET", ""].answer(Jobs([], request))["page_details"]
    assert (details["limit"], details["result_count"], details["prev_url"]) == (10, 0, None)


@pytest.mark.parametrize("body", [{}, {"audio_url": None}, {"audio_url": 1}])
def test_a_start_without_audio_is_refused(body):
    """The address of the audio is required; everything else is accepted."""
    accepts = ROUTES["POST", ""].accepts
    with pytest.raises(ValidationError, match="audio_url"):
        accepts.model_validate(body)
    assert accepts.model_validate(AUDIO | {"speaker_labels": True})


def test_refusals_are_an_error():
    """Whatever is refused, the answer is an object with an error; what is not as documented is refused with 400."""
    assert (ASSEMBLYAI.invalid, ASSEMBLYAI.error(Problem(429, "Too many."))) == (400, {"error": "Too many."})


def test_the_report_reads_the_status():
    """What a poll has told is known from its answer."""
    views = [view_at(0), view_at(5), view_at(10), view_at(5, ending=FAILED)]
    told = [ASSEMBLYAI.read(ROUTES["GET", "/{id}"].answer(view)) for view in views]
    assert told == ["pending", "pending", "completed", "error"]
