"""The OpenAPI document is complete, and every answer is as it says."""

import asyncio
from typing import get_args

import orjson
import pytest
from pydantic import BaseModel

from translation_server.http import schemas

MODELS = {model.__name__: model for model in (schemas.Job, schemas.JobList, schemas.Problem, schemas.Health)}
OPERATIONS = {
    ("post", "/start"),
    ("post", "/jobs"),
    ("get", "/status/{job_id}"),
    ("get", "/jobs/{job_id}"),
    ("get", "/status"),
    ("get", "/jobs"),
    ("post", "/jobs/query"),
    ("delete", "/jobs/{job_id}"),
    ("get", "/events"),
    ("get", "/metrics"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
}
ALWAYS = {
    *("content-length", "content-type", "x-request-id", "cache-control", "x-content-type-options"),
    *("referrer-policy", "content-security-policy"),
}


@pytest.fixture
async def document(api):
    return (await api.admin.get("/openapi.json")).json()


def every_value(tree):
    """Everything in a JSON document, at any depth."""
    yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from every_value(item)


async def test_every_operation_is_there(document):
    """No address is left out, and none is invented."""
    assert {(method, path) for path, item in document["paths"].items() for method in item} == OPERATIONS


async def test_every_reference_leads_somewhere(document):
    """Whatever is referred to is defined."""
    references = [value["$ref"] for value in every_value(document) if isinstance(value, dict) and "$ref" in value]
    assert references
    for reference in references:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


async def test_every_operation_has_a_name_and_says_what_it_does(document):
    """Ids are unique, and each operation has a summary and tells of every answer."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert all(answer["description"] for answer in operation["responses"].values())


async def test_both_names_of_an_operation_say_the_same(document):
    """The twins differ in their ids only."""
    paths = document["paths"]
    for one, other, method in (("/start", "/jobs", "post"), ("/status/{job_id}", "/jobs/{job_id}", "get")):
        first, second = ({**paths[path][method], "operationId": None} for path in (one, other))
        assert first == second


async def test_who_may_do_what(document):
    """Everything needs Basic authentication, except the health checks."""
    assert document["security"] == [{"basic": []}]
    assert document["components"]["securitySchemes"]["basic"]["scheme"] == "basic"
    open_ = {path for path, item in document["paths"].items() if item.get("get", {}).get("security") == []}
    assert open_ == {"/health/live", "/health/ready"}


async def test_every_field_is_explained(document):
    """Each field of what is sent and answered has a description, but for those that explain themselves."""
    unexplained = {
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, content in schema.get("properties", {}).items()
        if "description" not in content and "$ref" not in content
    }
    assert unexplained == {"JobList.jobs", "Health.status", "FieldProblem.field", "FieldProblem.message"}


def check(document, method, path, answer):
    """Fail unless the answer is one the document tells of: status, headers, type and shape."""
    told = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in told, f"{method} {path} answered {answer.status_code}"
    response = told[str(answer.status_code)]
    assert set(answer.headers) - ALWAYS <= {name.lower() for name in response.get("headers", ())}
    if answer.status_code == 304:
        assert answer.content == b""
        return
    ((kind, content),) = response["content"].items()
    assert answer.headers["content-type"] == kind
    check_shape(MODELS[content["schema"]["$ref"].rpartition("/")[2]], answer.json())


def check_shape(model: type[BaseModel], content) -> None:
    """No field is missing, none too many, none of another type."""
    model.model_validate_json(orjson.dumps(content))
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required <= set(content) <= set(model.model_fields)
    for name, value in content.items():
        annotation = model.model_fields[name].annotation
        for one in (annotation, *get_args(annotation)):
            if isinstance(one, type) and issubclass(one, BaseModel) and value is not None:
                for item in value if isinstance(value, list) else [value]:
                    check_shape(one, item)


async def scenario(api, clock):
    """Requests of every kind, with the operation each belongs to."""
    job = (await api.admin.post("/start", json={"simulate": {"duration": 5, "outcome": "error"}})).json()
    done = (await api.admin.post("/start", json={"simulate": {"duration": 1, "outcome": "completed"}})).json()
    clock.advance(2)
    one, other = job["job_id"], done["job_id"]
    tag = {"If-None-Match": "*"}
    long = {"Content-Length": "99999999", "Content-Type": "application/json"}
    return [
        ("post", "/start", {}),
        ("post", "/jobs", {"json": {"video_length": 3}, "headers": {"Idempotency-Key": "k"}}),
        ("post", "/jobs", {"json": {"video_length": 3}, "headers": {"Idempotency-Key": "k"}}),
        ("post", "/start", {"headers": {"Idempotency-Key": "k"}}),
        ("post", "/start", {"json": {"x": 1}}),
        ("post", "/start", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        ("post", "/start", {"content": b"{}"}),
        ("post", "/start", {"content": b"{}", "headers": long}),
        ("post", "/start", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
        ("get", "/status/{job_id}", {"url": f"/status/{one}"}),
        ("get", "/jobs/{job_id}", {"url": f"/jobs/{other}?wait=5"}),
        ("get", "/jobs/{job_id}", {"url": f"/jobs/{one}", "headers": tag}),
        ("get", "/jobs/{job_id}", {"url": f"/jobs/{one}?wait=x"}),
        ("get", "/status/{job_id}", {"url": "/status/unknown"}),
        ("get", "/status", {}),
        ("get", "/jobs", {}),
        ("get", "/jobs", {"url": "/jobs?limit=1"}),
        ("get", "/jobs", {"url": "/jobs?limit=0"}),
        ("post", "/jobs/query", {"json": {"job_ids": [one, other]}}),
        ("post", "/jobs/query", {"json": {}}),
        ("delete", "/jobs/{job_id}", {"url": f"/jobs/{one}"}),
        ("delete", "/jobs/{job_id}", {"url": f"/jobs/{other}"}),
        ("delete", "/jobs/{job_id}", {"url": "/jobs/unknown"}),
        ("get", "/events", {"url": "/events?since=x"}),
        ("get", "/health/live", {}),
        ("get", "/health/ready", {}),
    ]


async def test_every_answer_is_as_documented(api, document, clock):
    """Requests of every kind, right and wrong, get answers the document tells of, to the last field and header."""
    met = set()
    for method, path, request in await scenario(api, clock):
        url = request.pop("url", path)
        answer = await api.admin.request(method, url, **request)
        check(document, method, path, answer)
        met.add(answer.status_code)
    assert met == {200, 202, 304, 400, 403, 404, 409, 413, 415, 422}


async def test_refusals_are_as_documented(open_api, document):
    """So are those for missing credentials, wrong methods, too much at a time, and a server about to stop."""
    api = await open_api(max_pending_jobs=1, max_waiters=1)
    await api.admin.post("/start")
    check(document, "post", "/start", await api.admin.post("/start"))
    check(document, "get", "/jobs", await api.admin.get("/jobs", auth=("admin", "wrong")))
    check(document, "get", "/status", await api.admin.put("/status"))
    waiting = asyncio.create_task(api.admin.get("/status?wait=9"))
    await api.waiters(1)
    check(document, "get", "/status", await api.admin.get("/status?wait=9"))
    check(document, "get", "/events", await api.admin.get("/events"))
    api.service.waiters.stop()
    check(document, "get", "/status", await waiting)
    check(document, "get", "/health/ready", await api.admin.get("/health/ready"))
