"""The control API, `/simulator/…`: faults, incidents and the clock of a running server, for tests in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

import orjson
from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI looks at what the endpoints take

from translation_server.http import parameters
from translation_server.http.answers import Answer
from translation_server.http.bodies import read_json
from translation_server.http.problems import ProblemError
from translation_server.http.representation import timestamp
from translation_server.simulator import openapi
from translation_server.simulator.clocks import MovableClock, SteppedClock
from translation_server.simulator.emptying import delete_all_jobs
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.incidents import LIBRARY, rules_in
from translation_server.simulator.faults.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.service.service import Service
    from translation_server.simulator.faults.active_rules import Standing
    from translation_server.simulator.simulator import Simulator

_JSON = (b"content-type", b"application/json")

control = APIRouter(prefix="/simulator", tags=["simulator"])


@control.get("/faults", **openapi.FAULTS)
async def list_faults(request: Request) -> Answer:
    """List what goes wrong, in the order in which it is asked."""
    _refuse_query(request)
    return _standing(_simulator(request).faults.list())


@control.post("/faults", **openapi.ADD)
async def add_faults(request: Request) -> Answer:
    """Let something go wrong from now on: a rule in JSON, or several in text."""
    body = await _body(request)
    try:
        rules = _rules(body)
        added = [_simulator(request).faults.add(rule) for rule in rules]
    except RuleError as error:
        _refuse(error)
    return _standing(added, 201)


@control.delete("/faults", **openapi.FAULTS)
async def clear_faults(request: Request) -> Answer:
    """Let nothing go wrong any more."""
    _refuse_query(request)
    _simulator(request).faults.clear()
    return _standing(())


@control.delete("/faults/{fault_id}", **openapi.REMOVE)
async def remove_fault(request: Request, fault_id: str) -> Answer:
    """Take one rule away."""
    _refuse_query(request)
    faults = _simulator(request).faults
    try:
        faults.remove(int(fault_id) if fault_id.isdecimal() and len(fault_id) < 10 else 0)  # noqa: PLR2004 - no id is longer
    except LookupError:
        raise ProblemError(404, "There is no such fault.") from None
    return _standing(faults.list())


@control.get("/incidents", **openapi.INCIDENTS)
async def list_incidents(request: Request) -> Answer:
    """List the incidents there are: what happens in each, and what it teaches."""
    _refuse_query(request)
    told = [
        {"name": one.name, "happens": one.happens, "teaches": one.teaches, "rules": "; ".join(map(str, one.rules))}
        for one in LIBRARY.values()
    ]
    return _json({"incidents": told})


@control.post("/incidents/{name}", **openapi.BEGIN)
async def begin_incident(request: Request, name: str) -> Answer:
    """Let an incident happen from now on."""
    await _body(request, none=True)
    try:
        added = _simulator(request).begin(name)
    except RuleError as error:
        raise ProblemError(404, f"There is no such incident: {error.message}.") from None
    return _standing(added, 201)


@control.get("/clock", **openapi.CLOCK)
async def show_clock(request: Request) -> Answer:
    """Tell what time it is on the server."""
    _refuse_query(request)
    return _time(request)


@control.post("/clock", **openapi.ADVANCE)
async def move_clock(request: Request) -> Answer:
    """Let time pass at once: so many seconds, or until something happens."""
    return await _advance(request, _seconds(await _body(request)))


@control.post("/reset", **openapi.RESET)
async def reset(request: Request) -> Answer:
    """Go back to the first faults and forget what was recorded; jobs stay, unless they are to go as well."""
    body = await _body(request)
    if body.keys() - {"jobs"} or not isinstance(body.get("jobs", False), bool):
        _refuse(RuleError("jobs", "is the only member, and allowed are true and false"))
    simulator = _simulator(request)
    deleted = 0
    if body.get("jobs"):
        owners = {request.scope["user"], *(job.owner for job in simulator.exchanges.jobs().values())}
        deleted = await delete_all_jobs(_service(request), owners)
    simulator.reset()
    return _json({"jobs_deleted": deleted})


async def _advance(request: Request, seconds: float | None) -> Answer:
    """Move the clock; no number: to the next event."""
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
    return _time(request, advanced=seconds)


def _seconds(body: dict[str, object]) -> float | None:
    """How far the clock shall go; None: to the next event."""
    [(name, value)] = body.items() if len(body) == 1 else [("", None)]
    if name == "advance" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if name != "advance_to_next_event" or value is not True:
        _refuse(RuleError("advance", "must be a number of seconds; or else advance_to_next_event must be true"))
    return None


_IMMOVABLE = "This server's clock goes with the machine's time and cannot be moved: start it with CLOCK_SPEED=0."


def _time(request: Request, **more: float) -> Answer:
    clock = _simulator(request).clock
    now = clock.now()
    can = {"stands_still": isinstance(clock, SteppedClock), "can_be_advanced": isinstance(clock, MovableClock)}
    return _json({"now": now, "time": timestamp(now), "speed": clock.speed, **can, **more})


def _rules(body: dict[str, object]) -> tuple[Rule, ...]:
    if "rules" not in body:
        return (Rule.from_json(body),)
    text, *more = body.values()
    if more or not isinstance(text, str) or not (rules := rules_in(text)):
        raise RuleError("rules", "must be a text of one rule or several, and the only member")
    return rules


async def _body(request: Request, *, none: bool = False) -> dict[str, object]:
    _refuse_query(request)
    body = await read_json(request, request.app.state.settings.max_body_bytes, waiters=_service(request).waiters) or {}
    if none and body:
        _refuse(RuleError(next(iter(body))[:100], "is not known here: no body is needed"))
    return body


def _refuse_query(request: Request) -> None:
    parameters.read_query(request.scope)


def _refuse(error: RuleError) -> NoReturn:
    raise ProblemError(422, str(error), errors=[{"field": error.field, "message": error.message}]) from None


def _standing(found: Iterable[Standing], status: int = 200) -> Answer:
    told = [
        {"id": one.number, "struck": one.struck, "text": str(one.rule), "rule": one.rule.as_json()} for one in found
    ]
    return _json({"faults": told}, status)


def _json(content: object, status: int = 200) -> Answer:
    return Answer(orjson.dumps(content), (_JSON,), status)


def _simulator(request: Request) -> Simulator:
    return cast("Simulator", request.app.state.simulator)


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)
