"""Bad arguments: a ``ValueError`` that names the argument and what is allowed, and no request."""

from __future__ import annotations

import math

import pytest

from translation_client import PollingConfig, TranslationStatusClient

NO_NUMBER = [-1, -0.5, math.nan, math.inf, -math.inf, "5", True, [], 10**400]
NO_COUNT = [-1, 1.5, "3", True, math.nan]

CONSTRUCTOR = [
    *(("base_url", value, "base_url must be") for value in (None, 8000, b"http://x", "", "127.0.0.1:8000")),
    *(("base_url", value, "base_url must be") for value in ("ftp://h", "http://", "http://h:99999", "http://[::1")),
    *(("base_url", value, "base_url must be") for value in ("http://h?a=1", "http://h#a", "http://h h", "http://h:x")),
    ("base_url", "http://user:secretpassword@h", "base_url must not contain credentials"),
    ("username", "", "username must be text that is not empty"),
    ("username", "a:b", "username must not contain a colon"),
    ("username", "a\nb", "username must not contain control characters"),
    ("username", "a\ud800", "valid Unicode"),
    ("username", 5, "username must be text"),
    ("password", "", "password must be text that is not empty"),
    ("password", b"bytes", "password must be text"),
    ("password", "a\x00b", "password must not contain control characters"),
    ("password", "a\udfff", "valid Unicode"),
    *(("initial_delay", value, "initial_delay must be") for value in (*NO_NUMBER, 0, None)),
    *(("max_delay", value, "max_delay must be") for value in (*NO_NUMBER, 0, None, 0.1)),
    *(("backoff_factor", value, "backoff_factor must be") for value in (*NO_NUMBER, 0, 0.9)),
    *(("jitter", value, "jitter must be") for value in (*NO_NUMBER, 1.1, None)),
    *(("timeout", value, "timeout must be") for value in NO_NUMBER),
    *(("max_retries", value, "max_retries must be") for value in NO_COUNT),
    *(("max_polls", value, "max_polls must be") for value in (*NO_COUNT, 0)),
    *(("polling", value, "polling must be a PollingConfig") for value in ({}, 5, "fast", PollingConfig)),
    *(("on_status_change", value, "on_status_change must be callable") for value in (5, "print", [])),
    *(("on_completion", value, "on_completion must be callable") for value in (5, "print", [])),
]


@pytest.mark.parametrize(("name", "value", "message"), CONSTRUCTOR)
def test_a_bad_argument_of_the_constructor_is_named(side_class, name, value, message):
    """Every value that cannot be meant is refused when the client is made, not in the middle of a wait."""
    arguments = {"base_url": "http://127.0.0.1:1", "username": "admin", "password": "canary-9f3a", name: value}
    with pytest.raises(ValueError, match=message) as caught:
        side_class.client_class(**arguments)
    assert "canary-9f3a" not in str(caught.value)
    assert "secretpassword" not in str(caught.value)


@pytest.mark.parametrize(("name", "variable"), [("username", "API_USERNAME"), ("password", "API_PASSWORD")])
def test_missing_credentials_are_named(side_class, monkeypatch, name, variable):
    """Without credentials anywhere, the message says where they can come from."""
    monkeypatch.delenv(variable, raising=False)
    given = {"username": "admin", "password": "pw"} | {name: None}
    with pytest.raises(ValueError, match=f"{name} is missing.*{variable}"):
        side_class.client_class("http://127.0.0.1:1", **given)


@pytest.mark.parametrize(
    "twice", [{"timeout": 5}, {"initial_delay": 1.0, "max_polls": 3}, {"jitter": 0}, {"backoff_factor": 2}], ids=str
)
def test_polling_excludes_the_single_arguments(side_class, twice):
    """Given both ways, nobody knows which is meant; the message names the arguments."""
    with pytest.raises(ValueError, match=f"give {', '.join(twice)} in polling"):
        side_class.client_class("http://127.0.0.1:1", "admin", "pw", polling=PollingConfig(), **twice)


NO_ID = ["", "a/b", "a?b", "a#b", "a%b", "a b", "a\\b", "a\nb", "..", ".", "x" * 256, "\ud800", 5, b"j1", ["j1"]]
NO_IDS = [5, "j1", None, [5], ["j1", ""], ["a/b"], [None]]

METHODS = [
    *((method, [value], {}, "job_id must be") for method in ("get_job", "cancel_job") for value in (*NO_ID, None)),
    *((method, [value], {}, "job_id must be") for method in ("wait", "get_status") for value in NO_ID),
    ("wait_for_completion", ["a/b"], {}, "job_id must be"),
    *((method, [value], {}, "job_id") for method in ("as_completed", "wait_all") for value in NO_IDS),
    *(("wait", ["j1"], {"timeout": value}, "timeout must be") for value in NO_NUMBER),
    *(("start_job", [], {"timeout": value}, "timeout must be") for value in NO_NUMBER),
    *((method, [["j1"]], {"timeout": -1}, "timeout must be") for method in ("as_completed", "wait_all")),
    *(("wait", ["j1"], {name: 5}, f"{name} must be callable") for name in ("on_poll", "on_completion")),
    *(("wait_all", [["j1"]], {name: 5}, f"{name} must be") for name in ("on_status_change", "on_completion")),
    *(("start_job", [], {"video_length": value}, "video_length must be") for value in (*NO_NUMBER, 0)),
    *(("start_job", [], {"metadata": value}, "metadata cannot") for value in ({"a": {1}}, {"a": math.nan}, {"a": b""})),
    ("start_job", [], {"simulate": {"duration": object()}}, "simulate cannot"),
    *(("start_job", [], {"idempotency_key": value}, "idempotency_key must") for value in ("", 'a"b', "é", "x" * 256)),
    *(("list_jobs", [value], {}, "status must be one of") for value in ("done", "", "PENDING", 5)),
    *(("list_jobs", [], {"limit": value}, "limit must be a whole number") for value in (*NO_COUNT, 0)),
]


@pytest.mark.parametrize(("method", "arguments", "keywords", "message"), METHODS)
def test_a_bad_argument_of_a_method_is_named_and_nothing_is_sent(shared_side, method, arguments, keywords, message):
    """No request is made for what cannot be meant."""
    client, server = shared_side
    before = server.connections
    with pytest.raises(ValueError, match=message):
        getattr(client, method)(*arguments, **keywords)
    assert server.connections == before


@pytest.mark.parametrize("name", ["on_status_change", "on_completion"])
def test_a_coroutine_function_is_refused_by_the_client_that_cannot_await(name):
    """Called, but never awaited, it would do nothing, and only a warning would tell."""

    async def callback(job):
        pass

    message = f"{name} must be an ordinary function; AsyncTranslationStatusClient awaits others"
    with pytest.raises(ValueError, match=message):
        TranslationStatusClient("http://127.0.0.1:1", "admin", "pw", **{name: callback})
    client = TranslationStatusClient("http://127.0.0.1:1", "admin", "pw")
    for method, ids in (("wait", "j1"), ("wait_for_completion", "j1"), ("wait_all", ["j1"])):
        with pytest.raises(ValueError, match=message):
            getattr(client, method)(ids, **{name: callback})
