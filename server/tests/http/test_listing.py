"""Many jobs in one answer."""

import pytest


async def start(client, **simulate):
    answer = await client.post("/start", json={"simulate": simulate})
    return answer.json()["job_id"]


async def test_listing(api, clock):
    """Newest first, by status, page by page until there is no next one."""
    ids = [await start(api.admin, duration=10 * n, outcome="completed") for n in range(5)]
    clock.advance(15)
    pages = [(await api.admin.get("/jobs", params={"limit": 2})).json()]
    while cursor := pages[-1]["next_cursor"]:
        pages.append((await api.admin.get("/jobs", params={"limit": 2, "cursor": cursor})).json())
    assert [len(page["jobs"]) for page in pages] == [2, 2, 1]
    assert [job["job_id"] for page in pages for job in page["jobs"]] == ids[::-1]
    for status, count in (("pending", 3), ("completed", 2), ("error", 0)):
        jobs = (await api.admin.get("/jobs", params={"status": status})).json()["jobs"]
        assert [job["status"] for job in jobs] == [status] * count


async def test_asking_for_many(api, clock):
    """The jobs come in the order asked; unknown ones are left out, whatever their names are."""
    ids = [await start(api.admin, duration=n) for n in (1, 50, 1)]
    clock.advance(2)
    answer = await api.admin.post("/jobs/query", json={"job_ids": [ids[2], "?", "ü", "", ids[1], ids[0]]})
    assert [job["job_id"] for job in answer.json()["jobs"]] == [ids[2], ids[1], ids[0]]
    assert [job["status"] == "pending" for job in answer.json()["jobs"]] == [False, True, False]


@pytest.mark.parametrize("body", [None, {}, {"job_ids": "x"}, {"job_ids": [1]}, {"job_ids": ["x"] * 10_001}])
async def test_asking_for_many_in_other_words(api, body):
    """Up to 10,000 ids, as text; anything else is refused."""
    answer = await api.admin.post("/jobs/query", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("job_ids")


async def test_asking_for_ten_thousand(api):
    """The limit on a body leaves room for as many ids as are allowed."""
    answer = await api.admin.post("/jobs/query", json={"job_ids": ["0" * 36] * 10_000})
    assert answer.json() == {"jobs": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("status=done", "status"),
        ("cursor=x", "cursor"),
        ("page=2", "page"),
    ],
)
async def test_listing_in_other_words(api, query, field):
    """A parameter that makes no sense is named."""
    answer = await api.admin.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_cursor_of_no_job(api):
    """Only what an answer gave is a cursor: not the id of another user's job, nor of none."""
    theirs = await start(api.eve, duration=50)
    answers = [await api.admin.get("/jobs", params={"cursor": cursor}) for cursor in (theirs, "0" * 36)]
    assert answers[0].content == answers[1].content
    assert (answers[0].status_code, answers[0].json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_page_stays_put_while_jobs_are_started(api):
    """A cursor goes on where the page ended, however many jobs have come since."""
    ids = [await start(api.admin, duration=50) for _ in range(4)]
    page = (await api.admin.get("/jobs", params={"limit": 2})).json()
    await start(api.admin, duration=50)
    rest = (await api.admin.get("/jobs", params={"cursor": page["next_cursor"]})).json()
    assert [job["job_id"] for job in rest["jobs"]] == ids[1::-1]
    assert rest["next_cursor"] is None
