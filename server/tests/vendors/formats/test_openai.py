"""OpenAI's responses in the background, batches and videos, as its API tells of them."""

import json

import pytest
from server.tests.vendors.formats.shapes import ACCEPTED, DURATION, answer, reasons, request, route, view, views

from translation_server.vendors.format import Jobs, Problem
from translation_server.vendors.formats.openai import BATCHES, RESPONSES, VIDEOS

RESPONSE = "/v1/responses"
BATCH = "/v1/batches"
FILE = "/v1/files"
VIDEO = "/v1/videos"
BODY = {"model": "gpt-6-luna", "background": True, "input": "Hello"}
START = request("POST", RESPONSE, BODY)
BATCH_BODY = {
    "completion_window": "24h",
    "endpoint": "/v1/responses",
    "input_file_id": "file-a",
    "metadata": {"t": "x"},
}
BATCH_START = request("POST", BATCH, BATCH_BODY)
VIDEO_START = request("POST", VIDEO, {"prompt": "A video", "model": "sora-2"})
CREATED, ENDED = int(ACCEPTED), int(ACCEPTED + DURATION)
REASON = "The video could not be translated."
MOMENTS = [0.0, 0.9, 1.0, 9.9, DURATION]


def response(at, start=START, **more):
    seen = view(RESPONSES, start, at, **more)
    return seen.id, answer(RESPONSES, "GET", RESPONSE + "/{id}", seen)


def batch(at, **more):
    seen = view(BATCHES, BATCH_START, at, **more)
    return seen.id, answer(BATCHES, "GET", BATCH + "/{id}", seen)


def events(at, **more):
    return route(RESPONSES, "GET", RESPONSE + "/{id}", stream="true").events(view(RESPONSES, START, at, **more))


def names(found):
    return [one.name.removeprefix("response.") for one in found]


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "queued"),
        (1.0, "completed", "in_progress"),
        (DURATION, "completed", "completed"),
        (DURATION, "error", "failed"),
        (3.0, "cancelled", "cancelled"),
        (3.0, "incomplete", "incomplete"),
    ],
)
def test_a_response(at, outcome, word):
    """It has all members from its start; output and usage once it is completed."""
    job_id, told = response(at, outcome=outcome)
    output, usage = told.pop("output"), told.pop("usage")
    assert told == {
        "id": job_id,
        "object": "response",
        "created_at": CREATED,
        "status": word,
        "background": True,
        "completed_at": ENDED if word == "completed" else None,
        "error": {"code": "server_error", "message": REASON} if word == "failed" else None,
        "incomplete_details": {"reason": "max_output_tokens"} if word == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-6-luna",
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
        "metadata": {},
    }
    assert job_id.startswith("resp_")
    if word != "completed":
        assert (output, usage) == ([], None)
        return
    part = {"type": "output_text", "text": "This is a simulated answer.", "annotations": [], "logprobs": []}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    assert output == [{"id": f"msg_{job_id.removeprefix('resp_')}", **message}]
    assert usage == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    }


def test_a_response_repeats_what_was_asked_for():
    """What the start says stands in the answer, even if it is false or zero."""
    asked = {"temperature": 0, "parallel_tool_calls": False, "metadata": {"a": "b"}, "instructions": "Be brief."}
    told = response(0.0, request("POST", RESPONSE, BODY | asked))[1]
    assert {name: told[name] for name in asked} == asked


@pytest.mark.parametrize("outcome", ["completed", "error"])
def test_the_numbers_of_events_are_their_places(outcome):
    """So a stream can be resumed after any of them."""
    found = events(DURATION, outcome=outcome)
    assert [one.data["sequence_number"] for one in found] == [*range(len(found))]
    assert [one.data["type"] for one in found] == [one.name for one in found]


@pytest.mark.parametrize("outcome", ["completed", "error"])
def test_a_stream_only_ever_grows(outcome):
    """Whenever it is asked for, it begins with the same events, to the last member."""
    whole = events(DURATION, outcome=outcome)
    lengths = [len(events(at, outcome=outcome)) for at in MOMENTS]
    assert lengths == [2, 2, 3, 3, len(whole)]
    for at in MOMENTS:
        found = events(at, outcome=outcome)
        assert found == whole[: len(found)]


def test_the_output_comes_at_the_end_of_a_stream():
    """Item, part and pieces are announced, told and closed; the pieces make the text."""
    found = events(DURATION)
    deltas = [one.data["delta"] for one in found if one.name == "response.output_text.delta"]
    assert "".join(deltas) == "This is a simulated answer."
    assert len(deltas) > 1
    assert [name for name in names(found) if name != "output_text.delta"] == [
        "created",
        "queued",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert found[-1].data["response"] == response(DURATION)[1]
    statuses = [one.data["response"]["status"] for one in found if "response" in one.data]
    assert statuses == ["queued", "queued", "in_progress", "completed"]


@pytest.mark.parametrize(
    ("at", "outcome", "expected"),
    [
        (DURATION, "error", ["created", "queued", "in_progress", "failed"]),
        (5.0, "cancelled", ["created", "queued", "in_progress", "cancelled"]),
        (0.5, "cancelled", ["created", "queued", "cancelled"]),
        (5.0, "incomplete", ["created", "queued", "in_progress", "incomplete"]),
    ],
)
def test_a_stream_ends_with_how_the_response_ended(at, outcome, expected):
    """A response that is cancelled early was never in progress."""
    found = events(at, outcome=outcome)
    assert names(found) == expected
    assert found[-1].data["response"] == response(at, outcome=outcome)[1]


@pytest.mark.parametrize(("after", "skipped"), [("", 0), ("0", 1), ("12", 13), ("x", 0), ("9" * 5000, 0)])
def test_a_stream_goes_on_after_the_event_that_is_named(after, skipped):
    """The first event has the number 0."""
    asked = request("GET", RESPONSE, query={"stream": "true", "starting_after": after})
    assert route(RESPONSES, "GET", RESPONSE + "/{id}", stream="true").skip(asked) == skipped


@pytest.mark.parametrize(
    ("more", "streams", "wait"),
    [({}, False, None), ({"stream": True}, True, None), ({"background": None}, False, 600.0)],
)
def test_a_start_is_answered_at_once_or_streamed_or_held(more, streams, wait):
    """What is not for the background is answered when it has ended."""
    start, asked = route(RESPONSES, "POST", RESPONSE), request("POST", RESPONSE, BODY | more)
    assert (start.streams(asked), start.wait(asked)) == (streams, wait)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 5}, "input", "invalid_type"),
        ({"stream": "true"}, "stream", "invalid_type"),
        ({"metadata": {"a": "x" * 513}}, "metadata", "invalid_value"),
    ],
)
def test_a_response_that_is_not_as_documented(change, param, code):
    """The parameter is named, and what is wrong with it."""
    error = refusal(RESPONSES, RESPONSE, BODY | change)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_missing_parameters_are_named():
    """The first of them, as the service does it."""
    error = refusal(RESPONSES, RESPONSE, {})
    assert (error["message"], error["param"], error["code"]) == (
        "Field required",
        "model",
        "missing_required_parameter",
    )
    starts = ((BATCHES, BATCH, {}), (VIDEOS, VIDEO, {}), (BATCHES, FILE, {"file": "no file", "purpose": "batch"}))
    assert [refusal(*start)["param"] for start in starts] == ["input_file_id", "prompt", "file"]


def test_a_prompt_may_stand_for_the_input():
    """So may what was said before; fields that are unknown here are ignored."""
    accepts = route(RESPONSES, "POST", RESPONSE).accepts
    assert reasons(accepts, {"model": "m", "prompt": {"id": "p"}, "service_tier": "auto"}) == []
    assert reasons(accepts, {"model": "m", "previous_response_id": "resp_1"}) == []


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (404, "invalid_request_error", None),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (500, "server_error", "server_error"),
        (503, "server_error", "server_error"),
    ],
)
def test_refusals_have_the_codes_of_the_service(status, kind, code):
    """All of the mount have the same shape; without a time to try again there is no header."""
    for form in (RESPONSES, BATCHES, VIDEOS):
        reply = form.error(Problem(status, "Because."))
        assert reply.body == {"error": {"message": "Because.", "type": kind, "param": None, "code": code}}
        assert (reply.status, reply.headers) == (None, {})


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {"retry-after-ms": "1500"}), (503, {"retry-after-ms": "1500"}), (500, {})]
)
def test_refusals_say_when_to_try_again(status, headers):
    """In milliseconds, which the SDKs obey before Retry-After."""
    assert RESPONSES.error(Problem(status, "", retry_after=1.5)).headers == headers


@pytest.mark.parametrize(
    ("at", "outcome", "word"),
    [
        (0.0, "completed", "validating"),
        (1.0, "completed", "in_progress"),
        (9.0, "completed", "finalizing"),
        (DURATION, "completed", "completed"),
        (DURATION, "error", "failed"),
        (DURATION, "expired", "expired"),
        (DURATION, "cancelled", "cancelled"),
    ],
)
def test_a_batch(at, outcome, word):
    """It tells when it came to which status, and its output once it is completed."""
    job_id, told = batch(at, outcome=outcome)
    errors = {"object": "list", "data": [{"code": "failed", "message": REASON, "line": None, "param": None}]}
    assert told == {
        "id": job_id,
        "object": "batch",
        "endpoint": "/v1/responses",
        "errors": errors if word == "failed" else None,
        "input_file_id": "file-a",
        "completion_window": "24h",
        "status": word,
        "output_file_id": f"file-out-{job_id}" if word == "completed" else None,
        "error_file_id": None,
        "created_at": CREATED,
        "in_progress_at": None if word == "validating" else CREATED,
        "expires_at": CREATED + 86_400,
        "finalizing_at": ENDED if word == "completed" else None,
        "completed_at": ENDED if word == "completed" else None,
        "failed_at": ENDED if word == "failed" else None,
        "expired_at": ENDED if word == "expired" else None,
        "cancelling_at": ENDED if word == "cancelled" else None,
        "cancelled_at": ENDED if word == "cancelled" else None,
        "request_counts": {"total": 1, "completed": int(word == "completed"), "failed": int(word == "failed")},
        "metadata": {"t": "x"},
    }


@pytest.mark.parametrize(("form", "start"), [(BATCHES, BATCH_START), (VIDEOS, VIDEO_START)])
def test_lists(form, start):
    """The first and the last id are told of, if there are any."""
    path = start.path
    seen = [view(form, start, ordinal=number) for number in (3, 2)]
    page = answer(form, "GET", path, Jobs(seen, request("GET", path), more=True))
    assert [one["id"] for one in page.pop("data")] == [one.id for one in seen]
    assert page == {"object": "list", "first_id": seen[0].id, "last_id": seen[1].id, "has_more": True}
    empty = answer(form, "GET", path, Jobs([], request("GET", path)))
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_the_output_of_a_batch():
    """One line for its one request; the file tells its true size."""
    seen = view(BATCHES, BATCH_START, DURATION)
    content = answer(BATCHES, "GET", FILE + "/file-out-{id}/content", seen).body
    line = json.loads(content)
    assert (line["custom_id"], line["response"]["status_code"], line["error"]) == ("1", 200, None)
    told = answer(BATCHES, "GET", FILE + "/file-out-{id}", seen)
    assert (told["id"], told["bytes"], told["purpose"]) == (f"file-out-{seen.id}", len(content), "batch_output")


@pytest.mark.parametrize(("at", "outcome"), [(9.9, "completed"), (DURATION, "error"), (1.0, "cancelled")])
def test_a_batch_that_is_not_completed_has_no_output(at, outcome):
    """There is no such file then."""
    for path in (FILE + "/file-out-{id}", FILE + "/file-out-{id}/content"):
        reply = answer(BATCHES, "GET", path, view(BATCHES, BATCH_START, at, outcome=outcome))
        assert (reply.status, reply.body["error"]["code"]) == (404, None)


@pytest.mark.parametrize("name", ["a.jsonl", "a, 3 bytes>.jsonl", "Straße\n😀.jsonl"])
def test_an_uploaded_file_is_known_by_its_id(name):
    """Nothing is kept of it, and yet it can be asked for and deleted."""
    body = {"file": f"<{name}, 3 bytes>", "purpose": "batch"}
    assert reasons(route(BATCHES, "POST", FILE).accepts, body) == []
    told = answer(BATCHES, "POST", FILE, request("POST", FILE, body))
    file_id = told["id"]
    about = {"bytes": 3, "created_at": 1_767_225_600, "filename": name, "purpose": "batch", "status": "processed"}
    assert told == {"id": file_id, "object": "file", **about}
    asked = request("GET", FILE, params={"file": file_id})
    assert answer(BATCHES, "GET", FILE + "/{file}", asked) == told
    assert answer(BATCHES, "DELETE", FILE + "/{file}", asked) == {"id": file_id, "object": "file", "deleted": True}


@pytest.mark.parametrize("file_id", ["file-ad9910af0ea9cf22", "file-", "x", "file-W10", "file-😀"])
def test_a_file_that_nobody_uploaded(file_id):
    """Its id does not hold what is known of files."""
    assert answer(BATCHES, "GET", FILE + "/{file}", request("GET", FILE, params={"file": file_id})).status == 404


@pytest.mark.parametrize(
    ("at", "outcome", "word", "progress"),
    [
        (0.0, "completed", "queued", 0),
        (4.15, "completed", "in_progress", 41),
        (DURATION, "completed", "completed", 100),
        (DURATION, "error", "failed", 99),
    ],
)
def test_a_video(at, outcome, word, progress):
    """What the start leaves out is told as it is by default."""
    seen = view(VIDEOS, VIDEO_START, at, outcome=outcome)
    assert answer(VIDEOS, "GET", VIDEO + "/{id}", seen) == {
        "id": seen.id,
        "object": "video",
        "status": word,
        "model": "sora-2",
        "progress": progress,
        "prompt": "A video",
        "seconds": "4",
        "size": "720x1280",
        "created_at": CREATED,
        "completed_at": ENDED if word == "completed" else None,
        "expires_at": CREATED + 86_400,
        "remixed_from_video_id": None,
        "error": {"code": "generation_failed", "message": REASON} if word == "failed" else None,
    }
    if seen.ending is None:
        assert int(VIDEOS.hints(seen)["openai-poll-after-ms"]) == pytest.approx(seen.poll_after * 1000, abs=1)


def test_a_remix_is_a_video_that_names_its_source():
    """So it is one job more."""
    start = request("POST", VIDEO + "/{id}/remix", {"prompt": "Another"}, params={"id": "video_1"})
    assert answer(VIDEOS, "POST", start.path, views(VIDEOS, start))["remixed_from_video_id"] == "video_1"


@pytest.mark.parametrize(
    ("at", "query", "status", "kind"),
    [
        (DURATION, {}, None, "video/mp4"),
        (DURATION, {"variant": "thumbnail"}, None, "image/webp"),
        (9.9, {}, 404, None),
    ],
)
def test_the_content_of_a_video(at, query, status, kind):
    """It is refused while there is none."""
    path = VIDEO + "/{id}/content"
    reply = answer(VIDEOS, "GET", path, view(VIDEOS, VIDEO_START, at, asked=request("GET", path, query=query)))
    assert (reply.status, reply.headers.get("content-type")) == (status, kind)
    check = route(VIDEOS, "GET", path).check
    assert check(request("GET", path, query=query)) == []
    assert [one.loc for one in check(request("GET", path, query={"variant": "sound"}))] == [("query", "variant")]


def test_only_the_listed_lengths_and_sizes_are_accepted():
    """They are text, as in a form."""
    assert refusal(VIDEOS, VIDEO, {"prompt": "x", "seconds": "5"})["param"] == "seconds"
    assert refusal(VIDEOS, VIDEO, {"prompt": "x", "size": "1x1"})["code"] == "invalid_value"
    assert refusal(BATCHES, BATCH, BATCH_BODY | {"endpoint": "/v1/x"})["param"] == "endpoint"
    assert reasons(route(BATCHES, "POST", BATCH).accepts, BATCH_BODY | {"endpoint": "/v1/images/edits"}) == []


def test_deletions():
    """Responses and videos say by other words that they are gone."""
    response, video = view(RESPONSES, START), view(VIDEOS, VIDEO_START)
    told = answer(RESPONSES, "DELETE", RESPONSE + "/{id}", response)
    assert told == {"id": response.id, "object": "response", "deleted": True}
    assert answer(VIDEOS, "DELETE", VIDEO + "/{id}", video) == told | {"id": video.id, "object": "video.deleted"}


@pytest.mark.parametrize(("form", "start"), [(RESPONSES, START), (BATCHES, BATCH_START), (VIDEOS, VIDEO_START)])
def test_the_report_card_can_read_the_answers(form, start):
    """Pending, completed and failed are told apart in all three, and SDKs find them by the same variables."""
    moments = [(0.0, "completed"), (9.9, "error"), (DURATION, "completed"), (DURATION, "error")]
    read = [form.read({"status": view(form, start, at, outcome=one).word}) for at, one in moments]
    assert read == ["pending", "pending", "completed", "error"]
    assert (form.mount, form.environment["OPENAI_BASE_URL"]) == ("openai", "{base}/v1")


def refusal(form, path, body):
    """Return the error that a start with this body is refused with."""
    found = reasons(route(form, "POST", path).accepts, body)
    return form.error(Problem(form.invalid, "The request is not as documented.", found)).body["error"]
