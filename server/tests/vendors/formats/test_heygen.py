"""HeyGen's video translations, as its API tells of them."""

from dataclasses import replace

import pytest
from server.tests.vendors.formats.shapes import ACCEPTED, BASE, DURATION, answer, reasons, request, route, view, views

from translation_server.vendors.format import Jobs, Problem
from translation_server.vendors.formats.heygen import HEYGEN, HEYGEN_V2

PATH = "/v3/video-translations"
BODY = {
    "video": {"type": "url", "url": "https://example.com/a.mp4"},
    "output_languages": ["Spanish (Spain)", "German (Germany)"],
    "title": "[simulate outcome=completed duration=0.5]",
    "mode": "speed",
}
START = request("POST", PATH, BODY)
PENDING = {
    "status": "pending",
    "title": BODY["title"],
    "input_language": "en",
    "output_language": "Spanish (Spain)",
    "duration": None,
    "created_at": int(ACCEPTED),
    "callback_id": None,
    "translate_audio_only": False,
    "video_url": None,
    "audio_url": None,
    "srt_caption_url": None,
    "vtt_caption_url": None,
    "failure_message": None,
}


def poll(at=0.0, *, start=START, **more):
    seen = view(HEYGEN, start, at, **more)
    return seen.id, answer(HEYGEN, "GET", PATH + "/{id}", seen)


def start_with(**fields):
    return request("POST", PATH, BODY | fields)


def test_a_start_makes_one_job_for_each_language():
    """The ids stand in the order of the languages."""
    jobs = views(HEYGEN, START)
    told = answer(HEYGEN, "POST", PATH, jobs)
    assert told == {"data": {"video_translation_ids": [one.id for one in jobs.views]}}
    assert len({*told["data"]["video_translation_ids"]}) == 2
    assert all(len(one.id) == 32 for one in jobs.views)


def test_each_job_tells_its_own_language():
    """The place among the jobs of the start picks it."""
    assert poll()[1]["data"]["output_language"] == "Spanish (Spain)"
    assert poll(number=1)[1]["data"]["output_language"] == "German (Germany)"


@pytest.mark.parametrize(("at", "word"), [(0.0, "pending"), (0.9, "pending"), (1.0, "running"), (9.9, "running")])
def test_a_pending_translation(at, word):
    """It has nothing but its status while it runs."""
    job_id, told = poll(at)
    assert told == {"data": {"id": job_id, **PENDING, "status": word}}


def test_a_completed_translation():
    """Its links lead to this server."""
    job_id, told = poll(DURATION)
    links = {"video_url": f"{BASE}/files/{job_id}.mp4", "audio_url": f"{BASE}/files/{job_id}.mp3"}
    assert told == {"data": {"id": job_id, **PENDING, "status": "completed", "duration": 12.3, **links}}


def test_captions_and_audio_on_request():
    """Captions exist if they were asked for; a translation of the audio has no video."""
    asked = {"enable_caption": True, "translate_audio_only": True, "callback_id": "c", "input_language": "fr"}
    job_id, told = poll(DURATION, start=start_with(**asked))
    assert told["data"]["srt_caption_url"] == f"{BASE}/files/{job_id}.srt"
    assert told["data"]["vtt_caption_url"] == f"{BASE}/files/{job_id}.vtt"
    assert told["data"]["video_url"] is None
    assert [told["data"][name] for name in asked if name in told["data"]] == [True, "c", "fr"]


def test_a_failed_translation():
    """It tells why."""
    job_id, told = poll(DURATION, outcome="error")
    reason = "The video could not be translated."
    assert told == {"data": {"id": job_id, **PENDING, "status": "failed", "failure_message": reason}}


def test_a_cancelled_translation_is_a_failed_one():
    """There is no word for it, as HeyGen has no cancellation."""
    _, told = poll(3.0, outcome="cancelled")
    assert told["data"]["status"] == "failed"
    assert HEYGEN.read(told) == "error"


@pytest.mark.parametrize(
    ("at", "outcome", "meaning"),
    [
        (0.0, "completed", "pending"),
        (5.0, "error", "pending"),
        (10.0, "completed", "completed"),
        (10.0, "error", "error"),
    ],
)
def test_the_report_card_can_read_the_answers(at, outcome, meaning):
    """The status is found where the format says."""
    assert HEYGEN.read(poll(at, outcome=outcome)[1]) == meaning


def test_the_status_of_several():
    """An id that nobody knows is not found; the order is that of the query."""
    pending, failed = view(HEYGEN, START, 5.0), view(HEYGEN, START, DURATION, outcome="error", ordinal=2)
    asked = request("GET", PATH + "/statuses", query={"video_translation_ids": f"{failed.id},unknown,{pending.id}"})
    assert route(HEYGEN, "GET", PATH + "/statuses").job(asked) == [failed.id, "unknown", pending.id]
    told = answer(HEYGEN, "GET", PATH + "/statuses", Jobs([pending, failed], asked))
    nothing = {"batch_id": None, "item_index": None, "error": None}
    reason = {"code": "translation_failed", "message": "The video could not be translated."}
    assert told == {
        "data": [
            {"video_id": failed.id, "status": "failed", **nothing, "error": reason},
            {"video_id": "unknown", "status": "not_found", **nothing},
            {"video_id": pending.id, "status": "running", **nothing},
        ],
        "has_more": False,
        "next_token": None,
    }


@pytest.mark.parametrize(("ids", "is_right"), [("", False), ("a", True), ("a," * 100, True), ("a," * 101, False)])
def test_one_query_is_about_1_to_100_jobs(ids, is_right):
    """Too few and too many ids are refused."""
    asked = request("GET", PATH + "/statuses", query={"video_translation_ids": ids})
    found = route(HEYGEN, "GET", PATH + "/statuses").check(asked)
    assert [one.loc for one in found] == ([] if is_right else [("query", "video_translation_ids")])
    if not is_right:
        assert HEYGEN.error(Problem(400, "", found))["error"]["param"] == "video_translation_ids"


@pytest.mark.parametrize(
    ("key", "is_right"), [(None, True), ("a:B_9.-", True), ("a" * 256, False), ("", False), ("ä", False)]
)
def test_the_form_of_idempotency_keys(key, is_right):
    """A start without one is right as well."""
    headers = {} if key is None else {"idempotency-key": key}
    found = route(HEYGEN, "POST", PATH).check(replace(START, headers=headers))
    assert [one.loc for one in found] == ([] if is_right else [("header", "Idempotency-Key")])


def test_a_list_goes_on_after_its_last_job():
    """The token of the next page is the id of the last one of this page."""
    asked = request("GET", PATH)
    seen = [view(HEYGEN, START, ordinal=number) for number in (3, 2)]
    assert [answer(HEYGEN, "GET", PATH, Jobs(seen, asked, more))["next_token"] for more in (True, False)] == [
        seen[1].id,
        None,
    ]
    page = answer(HEYGEN, "GET", PATH, Jobs(seen, asked, more=True))
    assert (len(page["data"]), page["has_more"]) == (2, True)
    assert answer(HEYGEN, "GET", PATH, Jobs([], asked)) == {"data": [], "has_more": False, "next_token": None}


def test_a_deleted_translation():
    """Its id is all that is told."""
    seen = view(HEYGEN, START)
    assert answer(HEYGEN, "DELETE", PATH + "/{id}", seen) == {"data": {"id": seen.id}}


def test_captions_are_there_once_the_translation_is_completed():
    """Before, or if none were asked for, they are refused; so is a kind there is none of."""
    start = start_with(enable_caption=True)
    asked = request("GET", PATH + "/{id}/caption", query={"format": "srt"})

    def caption(at, start=start):
        return answer(HEYGEN, "GET", PATH + "/{id}/caption", view(HEYGEN, start, at, asked=asked))

    job_id = view(HEYGEN, start).id
    assert caption(DURATION) == {"data": {"caption_url": f"{BASE}/files/{job_id}.srt"}}
    assert caption(1.0).status == caption(DURATION, start=START).status == 404
    check = route(HEYGEN, "GET", PATH + "/{id}/caption").check
    assert check(asked) == []
    assert [one.loc for one in check(request("GET", PATH, query={"format": "txt"}))] == [("query", "format")]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"video": None}, "video"),
        ({"video": {"url": "https://example.com"}}, "video.type"),
        ({"video": {"type": "url"}}, "video.url"),
        ({"video": {"type": "asset_id", "url": "https://example.com"}}, "video.asset_id"),
        ({"output_languages": []}, "output_languages"),
        ({"output_languages": ["Spanish (Spain)", 1]}, "output_languages.1"),
        ({"output_languages": ["x"] * 201}, "output_languages"),
        ({"mode": "slow"}, "mode"),
    ],
)
def test_a_start_that_is_not_as_documented(change, param):
    """The answer names the part that is wrong."""
    problem = Problem(HEYGEN.invalid, "The request is not as documented.", reasons(_accepts(), BODY | change))
    error = HEYGEN.error(problem)["error"]
    assert (error["code"], error["param"]) == ("invalid_parameter", param)


def test_an_empty_start_names_the_first_missing_part():
    """That is the video; nothing is made of an empty body."""
    assert HEYGEN.error(Problem(400, "", reasons(_accepts(), {})))["error"]["param"] == "video"


def test_unknown_fields_are_ignored():
    """A client that is newer than the format works."""
    assert reasons(_accepts(), BODY | {"brand_glossary_id": "b", "video": {"type": "asset_id", "asset_id": "a"}}) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_parameter"),
        (401, "authentication_failed"),
        (404, "video_translation_not_found"),
        (409, "request_in_progress"),
        (422, "invalid_parameter"),
        (429, "rate_limit_exceeded"),
        (500, "internal_error"),
        (503, "internal_error"),
    ],
)
def test_refusals_have_the_codes_of_the_service(status, code):
    """No link leads to the service, not even to its documentation."""
    expected = {"code": code, "message": "Because.", "param": None, "doc_url": None}
    assert HEYGEN.error(Problem(status, "Because.")) == {"error": expected}
    assert HEYGEN_V2.error(Problem(status, "Because.")) == {
        "error": {"code": code, "message": "Because."},
        "data": None,
    }


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "pending"),
        (5.0, "completed", "running"),
        (10.0, "completed", "success"),
        (10.0, "error", "failed"),
    ],
)
def test_version_2(at, outcome, word):
    """It has other words, and the link only if it is a success."""
    start = request("POST", "/v2/video_translate", {"video_url": "https://example.com", "output_language": "German"})
    seen = view(HEYGEN_V2, start, at, outcome=outcome)
    told = answer(HEYGEN_V2, "GET", "/v2/video_translate/{id}", seen)
    assert told == {
        "error": None,
        "data": {
            "video_translate_id": seen.id,
            "title": None,
            "output_language": "German",
            "status": word,
            "url": f"{BASE}/files/{seen.id}.mp4" if word == "success" else None,
            "message": "The video could not be translated." if word == "failed" else None,
            "callback_id": None,
        },
    }
    started = answer(HEYGEN_V2, "POST", "/v2/video_translate", views(HEYGEN_V2, start))
    assert started == {"error": None, "data": {"video_translate_id": seen.id}}


def test_both_versions_tell_the_same_languages():
    """The languages need no job; version 2 stands on the mount of version 3."""
    newer = answer(HEYGEN, "GET", PATH + "/languages", request("GET", PATH))
    older = answer(HEYGEN_V2, "GET", "/v2/video_translate/target_languages", request("GET", PATH))
    assert newer["data"] == older["data"]
    assert "English" in newer["data"]["languages"]
    assert HEYGEN_V2.mount == HEYGEN.mount == "heygen"


def test_version_2_needs_a_video_and_a_language():
    """Each missing field is named."""
    found = reasons(route(HEYGEN_V2, "POST", "/v2/video_translate").accepts, {})
    assert [one.loc for one in found] == [("body", "video_url"), ("body", "output_language")]


def _accepts():
    return route(HEYGEN, "POST", PATH).accepts
