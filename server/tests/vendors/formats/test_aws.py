import re

import pytest
from pydantic import ValidationError

from translation_server.jobs.delays import Fixed
from translation_server.jobs.model import Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import DELETE, LIST, POLL, START, ApiRequest, Jobs, Page, Problem
from translation_server.vendors.formats.aws import TRANSCRIBE
from translation_server.vendors.view import to_metadata, view_of

BASE = "http://127.0.0.1:8000/aws"
ACCEPTED = 1_795_538_368.391
BODY = {
    "TranscriptionJobName": "job-1",
    "LanguageCode": "en-US",
    "Media": {"MediaFileUri": "s3://b/a.mp4"},
    "Tags": [{"Key": "title", "Value": "A talk"}],
}
JSON = {"content-type": "application/x-amz-json-1.1"}


def request(body=BODY):
    """Return a request to the mount."""
    return ApiRequest("POST", BASE, "/", body=body)


def view(at=0.0, body=BODY, *, outcome=Status.COMPLETED):
    """Return the view of a job that takes ten seconds, so many of them after it was accepted."""
    start = request(body)
    metadata = to_metadata(TRANSCRIBE, start, name=TRANSCRIBE.named(start))
    simulation = Simulation(Fixed(10.0), 0.0, seed=1)
    job = simulation.accept(Draft("admin", ACCEPTED, outcome=outcome, metadata=metadata, number=1), 1)
    return view_of(job, ACCEPTED + at, TRANSCRIBE, start)


def route(kind):
    """Return the route for this."""
    return next(one for one in TRANSCRIBE.routes if one.kind is kind)


def job_of(at, body=BODY, **more):
    """Return what a poll tells of a job."""
    reply = route(POLL).answer(view(at, body, **more))
    assert reply.headers == JSON
    return reply.body["TranscriptionJob"]


PENDING = {
    "TranscriptionJobName": "job-1",
    "TranscriptionJobStatus": "QUEUED",
    "LanguageCode": "en-US",
    "MediaFormat": "mp4",
    "Media": {"MediaFileUri": "s3://b/a.mp4"},
    "CreationTime": ACCEPTED,
    "StartTime": ACCEPTED,
}


def test_a_job_is_told_as_recorded():
    """Pending, completed and failed, with moments as numbers and nothing that is null."""
    ended = PENDING | {"CompletionTime": ACCEPTED + 10.0}
    transcript = {"Transcript": {"TranscriptFileUri": f"{BASE}/files/job-1.json"}}
    reason = {"FailureReason": "The video could not be translated."}
    assert job_of(0.0) == PENDING
    assert job_of(5.0) == PENDING | {"TranscriptionJobStatus": "IN_PROGRESS"}
    assert job_of(11.0) == ended | {"TranscriptionJobStatus": "COMPLETED"} | transcript
    assert job_of(11.0, outcome=Status.ERROR) == ended | {"TranscriptionJobStatus": "FAILED"} | reason


def test_a_start_is_answered_as_a_poll():
    """With the job, by the name that the client chose."""
    reply = route(START).answer(Jobs([view()], request()))
    assert (reply.body, reply.headers) == ({"TranscriptionJob": PENDING}, JSON)
    assert TRANSCRIBE.named(request()) == "job-1"
    assert TRANSCRIBE.reuse == "conflict"


def test_a_status_is_read_from_an_answer():
    """Of the job, one level down."""
    assert [TRANSCRIBE.read({"TranscriptionJob": job_of(at)}) for at in (0.0, 5.0, 11.0)] == [
        *("pending", "pending", "completed")
    ]
    assert TRANSCRIBE.read({"TranscriptionJob": job_of(11.0, outcome=Status.ERROR)}) == "error"
    assert TRANSCRIBE.read({}) is None


def test_operations_are_told_apart_by_the_target():
    """All are POSTs to one path."""
    assert {(one.method, one.path) for one in TRANSCRIBE.routes} == {("POST", "/")}
    assert {one.kind: one.when["x-amz-target"] for one in TRANSCRIBE.routes} == {
        START: "Transcribe.StartTranscriptionJob",
        POLL: "Transcribe.GetTranscriptionJob",
        DELETE: "Transcribe.DeleteTranscriptionJob",
        LIST: "Transcribe.ListTranscriptionJobs",
    }


@pytest.mark.parametrize("kind", [POLL, DELETE])
def test_a_job_is_named_in_the_body(kind):
    """And a request that names none is refused."""
    assert route(kind).job(request({"TranscriptionJobName": "job-7"})) == "job-7"
    with pytest.raises(ValidationError):
        route(kind).accepts.model_validate({})


def test_a_deleted_job_leaves_an_empty_object():
    """With the content type of all answers."""
    reply = route(DELETE).answer(view())
    assert (reply.body, reply.headers) == ({}, JSON)


def test_a_name_is_never_taken_for_an_id():
    """Clients like UUIDs as names, and ids of the server's own jobs are UUIDs."""
    assert TRANSCRIBE.ids.decode("0190b1c2-0000-7000-8000-000000000001") is None


@pytest.mark.parametrize(
    ("media", "told"),
    [
        ({"Media": {"MediaFileUri": "https://example.com/talk.WAV?x=1.mp3"}}, "wav"),
        ({"Media": {"MediaFileUri": "s3://b/talk"}}, "mp4"),
        ({"Media": {"MediaFileUri": "s3://b/talk.docx"}}, "mp4"),
        ({"MediaFormat": "flac"}, "flac"),
    ],
)
def test_the_format_of_the_media_is_given_or_guessed(media, told):
    """From the extension, where it is one of Transcribe's."""
    assert job_of(0.0, BODY | media)["MediaFormat"] == told


def test_what_was_asked_for_is_told_back():
    """Members that the job has in the same form as its start."""
    more = {"IdentifyLanguage": True, "Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2}}
    body = {name: value for name, value in BODY.items() if name != "LanguageCode"} | more
    told = job_of(0.0, body)
    assert told.items() >= more.items()
    assert "LanguageCode" not in told


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"TranscriptionJobName": None}, ("TranscriptionJobName",)),
        ({"TranscriptionJobName": "a b"}, ("TranscriptionJobName",)),
        ({"TranscriptionJobName": "x" * 201}, ("TranscriptionJobName",)),
        ({"Media": {}}, ("Media", "MediaFileUri")),
        ({"Media": {"MediaFileUri": "ftp://b/a.mp4"}}, ("Media", "MediaFileUri")),
        ({"MediaFormat": "avi"}, ("MediaFormat",)),
        ({"LanguageCode": "english"}, ("LanguageCode",)),
        ({"LanguageCode": None}, ()),
        ({"IdentifyLanguage": True}, ()),
        ({"Tags": []}, ("Tags",)),
        ({"Tags": [{"Key": "title"}]}, ("Tags", 0, "Value")),
    ],
)
def test_a_start_that_transcribe_refuses_is_refused(change, place):
    """At the place that is wrong."""
    route(START).accepts.model_validate(BODY | {"OutputBucketName": "mine", "MediaFormat": "mp4"})
    with pytest.raises(ValidationError) as caught:
        route(START).accepts.model_validate(BODY | change)
    assert [one["loc"] for one in caught.value.errors()] == [place]


def test_a_list_goes_on_by_a_token():
    """The token is the name of its last job; the status that was wanted is told back."""
    asked = request({"Status": "COMPLETED", "MaxResults": 1})
    reply = route(LIST).answer(Jobs([view(11.0)], asked, more=True))
    assert reply.headers == JSON
    assert reply.body == {
        "Status": "COMPLETED",
        "NextToken": "job-1",
        "TranscriptionJobSummaries": [
            {
                "TranscriptionJobName": "job-1",
                "CreationTime": ACCEPTED,
                "StartTime": ACCEPTED,
                "CompletionTime": ACCEPTED + 10.0,
                "LanguageCode": "en-US",
                "TranscriptionJobStatus": "COMPLETED",
                "OutputLocationType": "SERVICE_BUCKET",
            }
        ],
    }
    assert route(LIST).answer(Jobs([], request({}))).body == {"TranscriptionJobSummaries": []}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, True),
        ({"Status": "QUEUED"}, True),
        ({"Status": "FAILED"}, False),
        ({"JobNameContains": "ob-"}, True),
        ({"JobNameContains": "other"}, False),
        ({"Status": "FAILED", "JobNameContains": "job"}, False),
    ],
)
def test_a_list_can_be_of_some_jobs_only(wanted, found):
    """By status, by a part of the name, or by both."""
    route(LIST).accepts.model_validate(wanted)
    assert route(LIST).match(view(), request(wanted)) is found


def test_a_list_is_asked_for_in_pieces_by_its_body():
    """Of five jobs, if it does not say; other lists are by the query."""
    page = route(LIST).page
    assert page.wanted(request({"MaxResults": 2, "NextToken": "job-1"})) == ("2", "job-1")
    assert (page.wanted(request({})), page.default) == ((None, None), 5)
    by_query = ApiRequest("GET", BASE, "/", query={"limit": "3", "after": "a"}, body={"limit": 9})
    assert Page().wanted(by_query) == ("3", "a")
    with pytest.raises(ValidationError):
        route(LIST).accepts.model_validate({"MaxResults": 101})


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (400, 400, "BadRequestException"),
        (401, 400, "UnrecognizedClientException"),
        (403, 400, "AccessDeniedException"),
        (404, 400, "BadRequestException"),
        (409, 409, "ConflictException"),
        (429, 429, "LimitExceededException"),
        (500, 500, "InternalFailureException"),
        (503, 503, "InternalFailureException"),
    ],
)
def test_a_refusal_is_an_exception_by_name(status, answered, code):
    """With the statuses of Transcribe's own service model."""
    reply = TRANSCRIBE.error(Problem(status, "Why."))
    assert (reply.body, reply.status, reply.headers) == ({"__type": code, "Message": "Why."}, answered, JSON)


@pytest.mark.parametrize("key", ["admin:secretpassword", "eve:a/b=c"])
def test_the_access_key_id_is_the_key(key):
    """In the credential of Signature Version 4, whatever the signature."""
    header = (
        f"AWS4-HMAC-SHA256 Credential={key}/20261125/us-east-1/transcribe/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0123abcd"
    )
    ((name, pattern),) = TRANSCRIBE.keys
    assert (name, re.fullmatch(pattern, header)[1]) == ("authorization", key)
    assert re.fullmatch(pattern, f"Bearer {key}") is None
