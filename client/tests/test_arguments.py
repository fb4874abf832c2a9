"""Bad arguments: a ``TypeError`` or ``ValueError`` that names the argument and what is allowed, and no request."""

from __future__ import annotations

import math
import ssl
from typing import get_type_hints

import pytest

from translation_client import PollingConfig, TranslationStatusClient
from translation_client._core.schedule import PollingArguments

NO_NUMBERS = ["5", True, []]
OUT_OF_RANGE = [-1, -0.5, math.nan, math.inf, -math.inf, 10**400]
NO_COUNTS = [1.5, "3", True, math.nan]


def rows(message, *, types=(), values=()):
    """The values with the error each must raise: those of a wrong type, those of the right type that are wrong."""
    return [
        *((value, TypeError, message) for value in types),
        *((value, ValueError, message) for value in values),
    ]


CONSTRUCTOR = {
    "base_url": [
        *rows(
            "base_url must be",
            types=(None, 8000, b"http://x"),
            values=(
                *("", "127.0.0.1:8000", "ftp://h", "http://", "http://h:99999", "http://[::1"),
                *("http://h?a=1", "http://h#a", "http://h h", "http://h:x"),
            ),
        ),
        *rows("base_url must not contain credentials", values=["http://user:secretpassword@h"]),
    ],
    "username": [
        *rows("username must be a string", types=[5]),
        *rows("username must not be empty", values=[""]),
        *rows("username must not contain a colon", values=["a:b"]),
        *rows("username must not contain control characters", values=["a\nb"]),
        *rows("valid Unicode", values=["a\ud800"]),
    ],
    "password": [
        *rows("password must be a string$", types=[b"bytes", 5]),
        *rows("password must not be empty", values=[""]),
        *rows("password must not contain control characters", values=["a\x00b"]),
        *rows("valid Unicode", values=["a\udfff"]),
    ],
    "initial_delay": rows("initial_delay must be", types=[*NO_NUMBERS, None], values=[*OUT_OF_RANGE, 0]),
    "max_delay": rows("max_delay must be", types=[*NO_NUMBERS, None], values=[*OUT_OF_RANGE, 0, 0.1]),
    "backoff_factor": rows("backoff_factor must be", types=NO_NUMBERS, values=[*OUT_OF_RANGE, 0, 0.9]),
    "jitter": rows("jitter must be", types=[*NO_NUMBERS, None], values=[*OUT_OF_RANGE, 1.1]),
    "timeout": rows("timeout must be", types=NO_NUMBERS, values=OUT_OF_RANGE),
    "max_retries": rows("max_retries must be", types=NO_COUNTS, values=[-1]),
    "max_polls": rows("max_polls must be", types=NO_COUNTS, values=[-1, 0]),
    "polling": rows("polling must be a PollingConfig", types=[{}, 5, "fast", PollingConfig]),
    "on_status_change": rows("on_status_change must be callable", types=[5, "print", []]),
    "on_completion": rows("on_completion must be callable", types=[5, "print", []]),
    "verify": [
        *rows("verify must be a bool, the path of a CA bundle, or an ssl.SSLContext", types=[None, 5, b"path", ssl]),
        *rows("verify must be the path of a file or folder", values=["/nowhere/ca.pem"]),
    ],
    "max_retrys": rows("there is no argument max_retrys", types=[3]),
}


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"), [(name, *row) for name, table in CONSTRUCTOR.items() for row in table]
)
def test_a_bad_argument_of_the_constructor_is_named(side_class, name, value, kind, message):
    """Every value that cannot be meant is refused when the client is made, not in the middle of a wait."""
    arguments = {"base_url": "http://127.0.0.1:1", "username": "admin", "password": "canary-9f3a", name: value}
    with pytest.raises(kind, match=message) as caught:
        side_class.client_class(**arguments)
    assert "canary-9f3a" not in str(caught.value)
    assert "secretpassword" not in str(caught.value)


def test_the_polling_arguments_of_a_client_are_those_of_the_configuration():
    """Names and types that type checkers see for a client are those of ``PollingConfig``, in the same order."""
    declared = get_type_hints(PollingConfig)
    assert list(get_type_hints(PollingArguments).items()) == list(declared.items())


@pytest.mark.parametrize(("name", "variable"), [("username", "API_USERNAME"), ("password", "API_PASSWORD")])
def test_missing_credentials_are_named(side_class, monkeypatch, name, variable):
    """Without credentials anywhere, the message says where they can come from."""
    monkeypatch.delenv(variable, raising=False)
    given = {"username": "admin", "password": "pw"} | {name: None}
    with pytest.raises(ValueError, match=f"{name} is missing.*{variable}"):
        side_class.client_class("http://127.0.0.1:1", **given)


@pytest.mark.parametrize(
    "twice", [{"timeout": 600.0}, {"initial_delay": 1.0, "max_polls": 3}, {"jitter": 0}, {"backoff_factor": 2}], ids=str
)
def test_polling_excludes_the_single_arguments(side_class, twice):
    """Given both ways, nobody knows which is meant; the message names the arguments."""
    with pytest.raises(ValueError, match=f"give {', '.join(twice)} in polling"):
        side_class.client_class("http://127.0.0.1:1", "admin", "pw", polling=PollingConfig(), **twice)


IDS_OF_WRONG_TYPE = [5, b"j1", ["j1"]]
WRONG_IDS = ["", "a/b", "a?b", "a#b", "a%b", "a b", "a\\b", "a\nb", "..", ".", "x" * 256, "\ud800"]

JOB_ID = rows("job_id must be", types=IDS_OF_WRONG_TYPE, values=WRONG_IDS)
NO_ID = rows("job_id must be", types=[None])
JOB_IDS = [
    *rows("job_ids must be", types=[5, "j1", None]),
    *rows("job_id must be", types=[[5], [None]], values=[["j1", ""], ["a/b"]]),
]
TIMEOUT = rows("timeout must be", types=NO_NUMBERS, values=OUT_OF_RANGE)


def keyword(method, arguments, name, table):
    """Calls of the method with one bad keyword argument."""
    return [(method, arguments, {name: value}, kind, message) for value, kind, message in table]


METHODS = [
    *((m, [v], {}, kind, text) for m in ("get_job", "cancel_job") for v, kind, text in (*JOB_ID, *NO_ID)),
    *((m, [v], {}, kind, text) for m in ("wait", "get_status") for v, kind, text in JOB_ID),
    ("wait_for_completion", ["a/b"], {}, ValueError, "job_id must be"),
    *((m, [v], {}, kind, text) for m in ("as_completed", "wait_all") for v, kind, text in JOB_IDS),
    *keyword("wait", ["j1"], "timeout", TIMEOUT),
    *keyword("start_job", [], "timeout", TIMEOUT),
    *((m, [["j1"]], {"timeout": -1}, ValueError, "timeout must be") for m in ("as_completed", "wait_all")),
    *(("wait", ["j1"], {name: 5}, TypeError, f"{name} must be callable") for name in ("on_poll", "on_completion")),
    *(("wait_all", [["j1"]], {n: 5}, TypeError, f"{n} must be") for n in ("on_status_change", "on_completion")),
    *keyword(
        *("start_job", [], "video_length"),
        rows("video_length must be", types=NO_NUMBERS, values=[*OUT_OF_RANGE, 0]),
    ),
    *keyword("start_job", [], "metadata", rows("metadata must be a mapping", types=[5, "a=b", [("a", 1)]])),
    *keyword(
        *("start_job", [], "metadata"),
        rows("metadata cannot be sent", types=[{"a": {1}}, {"a": b""}], values=[{"a": math.nan}]),
    ),
    *keyword("start_job", [], "simulate", rows("simulate cannot", types=[{"duration": object()}])),
    *keyword(
        *("start_job", [], "idempotency_key"),
        rows("idempotency_key must", types=[5, b"key"], values=("", 'a"b', "é", "x" * 256)),
    ),
    *(
        (method, [value], {}, kind, message)
        for method in ("list_jobs", "iter_jobs")
        for value, kind, message in rows("status must be one of", types=[5], values=("done", "", "PENDING"))
    ),
    *(
        row
        for method in ("list_jobs", "iter_jobs")
        for row in keyword(method, [], "limit", rows("limit must be a whole number", types=NO_COUNTS, values=[-1, 0]))
    ),
]


@pytest.mark.parametrize(("method", "arguments", "keywords", "kind", "message"), METHODS)
def test_a_bad_argument_of_a_method_is_named_and_nothing_is_sent(  # noqa: PLR0913, PLR0917 - one row of the table
    shared_side, method, arguments, keywords, kind, message
):
    """No request is made for what cannot be meant."""
    client, server = shared_side
    before = server.connections
    with pytest.raises(kind, match=message):
        getattr(client, method)(*arguments, **keywords)
    assert server.connections == before


@pytest.mark.parametrize("name", ["on_status_change", "on_completion"])
def test_a_coroutine_function_is_refused_by_the_client_that_cannot_await(name):
    """Called, but never awaited, it would do nothing, and only a warning would tell."""

    async def callback(job):
        pass

    message = f"{name} must be an ordinary function; AsyncTranslationStatusClient awaits others"
    with pytest.raises(TypeError, match=message):
        TranslationStatusClient("http://127.0.0.1:1", "admin", "pw", **{name: callback})
    client = TranslationStatusClient("http://127.0.0.1:1", "admin", "pw")
    for method, ids in (("wait", "j1"), ("wait_for_completion", "j1"), ("wait_all", ["j1"])):
        with pytest.raises(TypeError, match=message):
            getattr(client, method)(ids, **{name: callback})
