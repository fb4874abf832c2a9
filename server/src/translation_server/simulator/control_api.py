"""The API of the simulator itself, ``/simulator/…``, for tests in any language.

Faults, incidents, fates and the clock of a running server can be set; the record of what arrived and the report card
can be read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn, cast

import orjson
from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI resolves the annotations of endpoints

from translation_server.http import parameters
from translation_server.http.answers import Answer
from translation_server.http.bodies import read_json
from translation_server.http.problems import ProblemError
from translation_server.http.representation import timestamp
from translation_server.jobs.model import Status
from translation_server.service.errors import AlreadyEndedError, UnknownJobError
from translation_server.service.retention import forget
from translation_server.simulator import openapi
from translation_server.simulator.clocks import MovableClock, SteppedClock
from translation_server.simulator.fates import FateRule, parse_fates
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.incidents import LIBRARY, rules_in
from translation_server.simulator.faults.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.service.service import Service
    from translation_server.simulator.fates import ActiveFate
    from translation_server.simulator.faults.matching import ActiveRule
    from translation_server.simulator.simulator import Simulator

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_IMMOVABLE: Final = "This server's clock follows the machine's and cannot be moved: start it with CLOCK_SPEED=0."
_PAGE: Final = 500
_AFTER_EVERY_END: Final = 1e12  # seconds since 1970
_MOST_DIGITS: Final = 9  # of the number of a rule or a fate

control = APIRouter(prefix="/simulator", tags=["simulator"])


@control.get("/faults", **openapi.FAULTS)
async def list_faults(request: Request) -> Answer:
    """List the active rules, in the order in which they are tried."""
    _refuse_query(request)
    return _answer_rules(_simulator(request).faults.list())


@control.post("/faults", **openapi.ADD)
async def add_faults(request: Request) -> Answer:
    """Add one rule as JSON, or several as text."""
    body = await _read_body(request)
    try:
        added = [_simulator(request).faults.add(rule) for rule in _rules_of(body)]
    except RuleError as error:
        _refuse(error)
    return _answer_rules(added, 201)


@control.delete("/faults", **openapi.FAULTS)
async def clear_faults(request: Request) -> Answer:
    """Remove every rule."""
    _refuse_query(request)
    _simulator(request).faults.clear()
    return _answer_rules(())


@control.delete("/faults/{fault_id}", **openapi.REMOVE)
async def remove_fault(request: Request, fault_id: str) -> Answer:
    """Remove one rule."""
    _refuse_query(request)
    faults = _simulator(request).faults
    try:
        faults.remove(_number(fault_id))
    except LookupError:
        raise ProblemError(404, "There is no such fault.") from None
    return _answer_rules(faults.list())


@control.get("/incidents", **openapi.INCIDENTS)
async def list_incidents(request: Request) -> Answer:
    """List the incidents: what happens in each, and what it teaches."""
    _refuse_query(request)
    incidents = [
        {"name": one.name, "happens": one.happens, "teaches": one.teaches, "rules": "; ".join(map(str, one.rules))}
        for one in LIBRARY.values()
    ]
    return _answer_json({"incidents": incidents})


@control.post("/incidents/{name}", **openapi.BEGIN)
async def begin_incident(request: Request, name: str) -> Answer:
    """Begin an incident."""
    if body := await _read_body(request):
        _refuse(RuleError(next(iter(body))[:100], "is not known here: no body is needed"))
    try:
        added = _simulator(request).begin(name)
    except RuleError as error:
        raise ProblemError(404, f"There is no such incident: {error.message}.") from None
    return _answer_rules(added, 201)


@control.get("/fates", **openapi.FATES)
async def list_fates(request: Request) -> Answer:
    """List the fates, in the order in which they are tried."""
    _refuse_query(request)
    return _answer_fates(_simulator(request).fates.list())


@control.post("/fates", **openapi.ADD_FATE)
async def add_fates(request: Request) -> Answer:
    """Decide about jobs that are started from now on: add one fate as JSON, or several as text."""
    body = await _read_body(request)
    try:
        rules = parse_fates(text) if (text := _text_of(body)) else (FateRule.from_json(body),)
        added = [_simulator(request).fates.add(rule) for rule in rules]
    except RuleError as error:
        _refuse(error)
    return _answer_fates(added, 201)


@control.delete("/fates", **openapi.FATES)
async def clear_fates(request: Request) -> Answer:
    """Remove every fate."""
    _refuse_query(request)
    _simulator(request).fates.clear()
    return _answer_fates(())


@control.delete("/fates/{fate_id}", **openapi.REMOVE_FATE)
async def remove_fate(request: Request, fate_id: str) -> Answer:
    """Remove one fate."""
    _refuse_query(request)
    fates = _simulator(request).fates
    try:
        fates.remove(_number(fate_id))
    except LookupError:
        raise ProblemError(404, "There is no such fate.") from None
    return _answer_fates(fates.list())


@control.get("/clock", **openapi.CLOCK)
async def show_clock(request: Request) -> Answer:
    """Show the time on the server."""
    _refuse_query(request)
    return _answer_clock(request)


@control.post("/clock", **openapi.ADVANCE)
async def move_clock(request: Request) -> Answer:
    """Advance the clock by a number of seconds, or to the next event."""
    return await _advance(request, _seconds_of(await _read_body(request)))


@control.post("/reset", **openapi.RESET)
async def reset(request: Request) -> Answer:
    """Restore the first faults and fates, and clear the record; with ``"jobs": true``, delete the jobs as well."""
    body = await _read_body(request)
    if body.keys() - {"jobs"} or not isinstance(body.get("jobs", False), bool):
        _refuse(RuleError("jobs", "is the only member, and allowed are true and false"))
    simulator = _simulator(request)
    deleted = 0
    if body.get("jobs"):
        owners = {request.scope["user"], *(job.owner for job in simulator.exchanges.jobs().values())}
        deleted = await _delete_all_jobs(_service(request), owners)
    simulator.reset()
    return _answer_json({"jobs_deleted": deleted})


@control.get("/report", **openapi.REPORT)
async def report(request: Request) -> Answer:
    """Judge how the clients have behaved so far."""
    _refuse_query(request)
    card = _simulator(request).report()
    clean = (b"x-report-clean", b"true" if card.is_clean else b"false")
    if _wants_text(request):
        return Answer(f"{card}\n".encode(), (_TEXT, clean))
    return Answer(card.to_json().encode(), (_JSON, clean))


@control.get("/requests", **openapi.REQUESTS)
async def requests(request: Request) -> Answer:
    """List the requests that arrived, oldest first."""
    last = parameters.LIMIT.value(parameters.read_query(request.scope, parameters.LIMIT))
    found = _simulator(request).requests[-last:]
    if _wants_text(request):
        return Answer("".join(f"{one}\n" for one in found).encode(), (_TEXT,))
    return Answer(orjson.dumps({"requests": found}, default=tuple), (_JSON,))


async def _advance(request: Request, seconds: float | None) -> Answer:
    """Advance the clock by ``seconds``, or to the next event if that is None."""
    clock = _simulator(request).clock
    if not isinstance(clock, MovableClock):
        raise ProblemError(409, _IMMOVABLE)
    try:
        if seconds is None:
            end = await _service(request).next_end()
            seconds = clock.advance_to_next_event(lambda: end)
        else:
            clock.advance(seconds)
    except LookupError as error:
        raise ProblemError(409, f"{error}.".capitalize()) from None
    except ValueError as error:
        _refuse(RuleError("advance", str(error)))
    return _answer_clock(request, advanced=seconds)


async def _delete_all_jobs(service: Service, owners: Iterable[str]) -> int:
    """Cancel the pending jobs of these owners, then delete every job that has ended; return the number deleted.

    No user of a real service can do this. It is for two tests that share a server.
    """
    for owner in owners:
        while (pending := await service.page(owner, Status.PENDING, None, _PAGE)) and pending.jobs:
            for job in pending.jobs:
                with suppress(AlreadyEndedError, UnknownJobError):  # it has ended meanwhile
                    await service.cancel(owner, job.job_id)
    return await forget(service, _AFTER_EVERY_END)


def _seconds_of(body: dict[str, object]) -> float | None:
    """Return by how many seconds the clock is to be advanced; None: to the next event."""
    [(name, value)] = body.items() if len(body) == 1 else [("", None)]
    if name == "advance" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if name != "advance_to_next_event" or value is not True:
        _refuse(RuleError("advance", "must be a number of seconds; or else advance_to_next_event must be true"))
    return None


def _rules_of(body: dict[str, object]) -> tuple[Rule, ...]:
    return rules_in(text) if (text := _text_of(body)) else (Rule.from_json(body),)


def _text_of(body: dict[str, object]) -> str | None:
    """Return the text in which rules are written; None: the members are those of one rule."""
    if "rules" not in body:
        return None
    text, *more = body.values()
    if more or not isinstance(text, str) or not text.strip("; \t\r\n"):
        raise RuleError("rules", "must be a text of one rule or several, and the only member")
    return text


def _number(text: str) -> int:
    """Return the number that a path ends with; 0, which nothing has, if it is none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


async def _read_body(request: Request) -> dict[str, object]:
    _refuse_query(request)
    limit, waiters = request.app.state.settings.max_body_bytes, _service(request).waiters
    return await read_json(request, limit, waiters=waiters) or {}


def _refuse_query(request: Request) -> None:
    parameters.read_query(request.scope)


def _refuse(error: RuleError) -> NoReturn:
    raise ProblemError(422, str(error), errors=[{"field": error.field, "message": error.message}]) from None


def _wants_text(request: Request) -> bool:
    """Return whether ``Accept`` names text before any JSON (RFC 9110, section 12.5.1, without weights)."""
    accepted = request.headers.get("accept", "")
    return "text/plain" in accepted.partition("application/json")[0]


def _answer_rules(rules: Iterable[ActiveRule], status: int = 200) -> Answer:
    faults = [
        {"id": one.number, "struck": one.struck, "text": str(one.rule), "rule": one.rule.as_json()} for one in rules
    ]
    return _answer_json({"faults": faults}, status)


def _answer_fates(active: Iterable[ActiveFate], status: int = 200) -> Answer:
    fates = [
        {"id": one.number, "given": one.given, "text": str(one.rule), "fate": one.rule.as_json()} for one in active
    ]
    return _answer_json({"fates": fates}, status)


def _answer_clock(request: Request, **more: float) -> Answer:
    clock = _simulator(request).clock
    now = clock.now()
    can = {"stands_still": isinstance(clock, SteppedClock), "can_be_advanced": isinstance(clock, MovableClock)}
    return _answer_json({"now": now, "time": timestamp(now), "speed": clock.speed, **can, **more})


def _answer_json(content: object, status: int = 200) -> Answer:
    return Answer(orjson.dumps(content), (_JSON,), status)


def _simulator(request: Request) -> Simulator:
    return cast("Simulator", request.app.state.simulator)


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)
