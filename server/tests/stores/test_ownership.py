"""Another user's job looks exactly like an unknown one: on every route of the API's document, byte for byte.

Two worlds are asked the same by a prying user: one in which eve has jobs, and one in which nobody but the prying user
has any. A route, or a parameter, that is added to the document is asked as well, or this file says what is missing.
"""

import itertools

import pytest

METHODS = {"get", "post", "put", "patch", "delete"}
KEY = "eves-key"
FOR_OPERATORS = "/metrics"  # counts the jobs of all users; tells nothing about any
SECRETS = ("eve", KEY, "eves video")


@pytest.fixture
async def worlds(open_api, clock, tmp_path):
    """Return the two worlds, and what the prying user knows of eve's jobs in the first."""
    with_eve, without = [
        await open_api(clock=type(clock)(), database_url=f"sqlite:///{tmp_path}/{name}.db", random_seed=1)
        for name in ("with", "without")
    ]
    known = await eves_jobs(with_eve)
    for world in (with_eve, without):
        await start(world.admin, 1)
        await start(world.admin, 1000)
        clock_of(world).advance(5)
        await world.admin.get("/jobs")
    await with_eve.eve.get("/jobs")
    return with_eve, without, known


def clock_of(world):
    return world.service.clock


async def start(client, seconds, **headers):
    body = {
        "metadata": {"title": "eves video"} if headers else {},
        "simulate": {"duration": seconds, "outcome": "completed"},
    }
    answer = await client.post("/jobs", json=body, headers=headers)
    assert answer.status_code == 202
    return answer.json()["job_id"]


async def eves_jobs(world):
    """Return what a prying user may know of eve's jobs: ids, a key, an entity tag, a cursor."""
    pending = await start(world.eve, 1000, **{"Idempotency-Key": KEY})
    ended = await start(world.eve, 1)
    cancelled = await start(world.eve, 1000)
    await world.eve.delete(f"/jobs/{cancelled}")
    tag = (await world.eve.get(f"/jobs/{pending}")).headers["etag"]
    cursor = (await world.eve.get("/jobs?limit=1")).json()["next_cursor"]
    return {"ids": [pending, ended, cancelled], "tag": tag, "cursor": cursor}


def prying(known, identity):
    """Return, for each parameter there is, the values with which somebody could pry."""
    return {
        "wait": ["0"],
        "Prefer": ["wait=0"],
        "If-None-Match": [known["tag"], "*"],
        "Idempotency-Key": [KEY],
        "status": ["pending", "completed", "error"],
        "limit": ["1", "1000"],
        "cursor": [known["cursor"]],
        "Last-Event-ID": [f"{identity}-0", f"{identity}-1"],
        "since": ["0"],
        "job_id": known["ids"],
    }


def bodies(known):
    """Return the bodies with which somebody could pry, by the name of their schema."""
    return {
        "NewJob": [
            None,
            {},
            {"metadata": {"job_id": known["ids"][0]}},
            {"simulate": {"duration": 1000, "outcome": "completed"}},
        ],
        "JobQuery": [{"job_ids": known["ids"]}],
    }


def requests_of(path, operation, known, identity):
    """Return the requests of one operation: each parameter alone, for each id, with each body."""
    values = prying(known, identity)
    parameters = [parameter for parameter in operation.get("parameters", []) if parameter["in"] != "path"]
    assert {parameter["name"] for parameter in parameters} <= values.keys(), "say how to pry with the new parameter"
    options = [{}]
    for parameter in parameters:
        place = "params" if parameter["in"] == "query" else "headers"
        options += [{place: {parameter["name"]: value}} for value in values[parameter["name"]]]
    schema = operation.get("requestBody", {"content": {"application/json": {"schema": {"$ref": ""}}}})
    name = schema["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert not name or name in bodies(known), "say how to pry with the new body"
    contents = [{"json": body} if body is not None else {} for body in bodies(known)[name]] if name else [{}]
    assert path.count("{") == path.count("{job_id}"), "say how to pry with the new part of the path"
    paths = [path.replace("{job_id}", job_id) for job_id in known["ids"]] if "{" in path else [path]
    for one, option, content in itertools.product(paths, options, contents):
        yield one, option | content


def operations(world):
    """Return every operation of the document but the streams, which have a test of their own."""
    for path, methods in world.app.openapi()["paths"].items():
        for method in METHODS & methods.keys():
            if path != "/events":
                yield method, path, methods[method]


async def told(world, method, path, arguments):
    """Return everything in the answer, without what differs between the worlds by chance."""
    if method == "get":
        await world.eve.request(method, path, **arguments)  # so that whatever remembers answers remembers hers
    answer = await world.admin.request(method, path, **arguments)
    mine = [job["job_id"] for job in (await world.admin.get("/jobs?limit=1000")).json()["jobs"]]
    text = f"{answer.status_code} {sorted(answer.headers.items())} {answer.text}"
    text = text.replace(answer.headers["x-request-id"], "«request»")
    for number, job_id in enumerate(reversed(mine)):
        text = text.replace(job_id, f"«mine {number}»")
    return text


async def test_every_route(worlds):
    """Whatever is requested, with anything known of another user's jobs, the answer is that of a world without them."""
    with_eve, without, known = worlds
    asked = 0
    for method, path, operation in operations(with_eve):
        if path == FOR_OPERATORS:
            continue
        for one, arguments in requests_of(path, operation, known, "00000000"):
            answers = [await told(world, method, one, arguments) for world in (with_eve, without)]
            assert answers[0] == answers[1], f"{method} {one} {arguments}"
            assert not [secret for secret in SECRETS if secret in answers[0].replace(KEY, "")]
            asked += 1
    assert asked > 60


async def test_nothing_was_changed(worlds):
    """After all the prying, the jobs of the other user are as they were, and none was added."""
    with_eve, _, known = worlds
    before = (await with_eve.eve.get("/jobs")).content
    for method, path, operation in operations(with_eve):
        for one, arguments in requests_of(path, operation, known, "00000000"):
            await with_eve.admin.request(method, one, **arguments)
    assert (await with_eve.eve.get("/jobs")).content == before


async def test_figures_for_operators(worlds):
    """The metrics count what all users do, and name no user and no job."""
    with_eve, _, known = worlds
    answer = await with_eve.admin.get(FOR_OPERATORS)
    assert not [secret for secret in (*SECRETS, "admin", *known["ids"]) if secret in answer.text]


@pytest.mark.parametrize("query", ["", "since=0", "job_id={0}", "job_id={0}&job_id={1}", "since=0&job_id={1}"])
@pytest.mark.parametrize("place", [None, 0, 1])
async def test_streams(worlds, connect, query, place):
    """A stream reports only the user's own jobs, wherever it begins and whosever job it is asked for."""
    seen = []
    for world in worlds[:2]:
        identity = world.service.store.identity
        last_id = "" if place is None else f"{identity}-{place}"
        stream = await connect(world, query.format(*worlds[2]["ids"]), last_id)
        await world.eve.delete(f"/jobs/{worlds[2]['ids'][0]}")
        mine = await start(world.admin, 1)
        clock_of(world).advance(2)
        await world.admin.get(f"/jobs/{mine}")
        told_of = (
            [] if "job_id" in query else [await stream.job() for _ in range(2 if since_the_start(query, place) else 1)]
        )
        seen.append([{name: value for name, value in job.items() if name != "job_id"} for job in told_of])
        assert stream.silent
        seen[-1].append(stream.last_id.replace(identity, "«store»"))
    assert seen[0] == seen[1]


def since_the_start(query, place):
    """Return whether a stream replays the prying user's job that ended before it began."""
    return place == 0 or (place is None and "since" in query)


async def test_keys(worlds):
    """An idempotency key is its user's own: to another user it is new, with any body."""
    with_eve, _, known = worlds
    mine = await start(with_eve.admin, 7, **{"Idempotency-Key": KEY})
    assert mine not in known["ids"]
    assert (await with_eve.admin.get(f"/jobs/{mine}")).json()["metadata"] == {"title": "eves video"}
    assert await start(with_eve.eve, 1000, **{"Idempotency-Key": KEY}) == known["ids"][0]
