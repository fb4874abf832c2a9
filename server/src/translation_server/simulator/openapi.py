"""The OpenAPI description of ``/simulator/…``; the schemas of rules are made from their declarations."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from translation_server.http.openapi import problem, query_parameter
from translation_server.http.parameters import LIMIT
from translation_server.simulator.fates import FATE_FIELDS
from translation_server.simulator.faults.fields import FIELDS, Field
from translation_server.simulator.faults.incidents import ALL
from translation_server.simulator.faults.model import FAULTS as KINDS
from translation_server.simulator.faults.rules import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from translation_server.simulator.faults.model import Fault

_Json = dict[str, Any]


def _object(properties: _Json, *, required: tuple[str, ...] | None = None, **more: object) -> _Json:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, **more}


def _field(name: str, declared: Mapping[str, Field] = FIELDS) -> _Json:
    return {**declared[name].schema, "description": f"Allowed: {declared[name].allowed}."}


def _rule(kind: type[Fault]) -> _Json:
    """Return the schema of a rule with this fault."""
    own = {field.name: _field(field.name) for field in fields(kind)}
    needed = tuple(field.name for field in fields(kind) if field.default is MISSING)
    conditions = {name: _field(name) for name in CONDITIONS}
    about = (kind.__doc__ or "").partition("\n")[0]
    properties = {"fault": {"const": kind.name}, **own, **conditions}
    return _object(properties, required=("fault", *needed), title=kind.name, description=about)


_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "number"}
_FLAG: Final = {"type": "boolean"}
_RULE: Final = {"oneOf": [_rule(kind) for kind in KINDS.values()]}
_RULES: Final = _object(
    {"rules": {**_TEXT, "description": "As in the variable FAULTS.", "examples": ["503 retry_after=1 times=2"]}},
    title="text",
    additionalProperties=False,
)
_FAULT: Final = _object(
    {
        "id": {"type": "integer", "description": "The number by which the rule is removed."},
        "struck": {"type": "integer", "description": "How many requests the rule has affected."},
        "text": {**_TEXT, "description": "The rule as text."},
        "rule": {"type": "object", "description": "The rule as JSON."},
    }
)
_FATE: Final = {name: _field(name, FATE_FIELDS) for name in FATE_FIELDS}
_FATES: Final = _object(
    {"rules": {**_TEXT, "examples": ["fate outcome=error duration=2 times=3"]}},
    title="text",
    additionalProperties=False,
)
_ONE_FATE: Final = _object(
    {
        "id": {"type": "integer", "description": "The number by which the fate is removed."},
        "given": {"type": "integer", "description": "How many jobs have got it."},
        "text": {**_TEXT, "description": "The fate as text."},
        "fate": {"type": "object", "description": "The fate as JSON."},
    }
)
_CLOCK: Final = {
    "now": {**_NUMBER, "description": "Seconds since 1970."},
    "time": {**_TEXT, "format": "date-time"},
    "speed": {**_NUMBER, "description": "Seconds of the server that pass in one of the machine; 1 if it stands still."},
    "stands_still": _FLAG,
    "can_be_advanced": _FLAG,
}
_INCIDENT: Final = _object(dict.fromkeys(("name", "happens", "teaches", "rules"), _TEXT))
_LISTED: Final = _object({"faults": {"type": "array", "items": _FAULT}})
_LISTED_FATES: Final = _object({"fates": {"type": "array", "items": _ONE_FATE}})
_COMMON: Final = {
    401: problem("Credentials are missing or wrong."),
    405: problem("The address does not support this method."),
    422: problem("A parameter or member is not as documented; `errors` names each."),
    429: problem("Too many requests, or too many failed logins."),
}
_WITH_BODY: Final = {
    400: problem("The body is not JSON."),
    403: problem("A page of another site made the browser send this."),
    408: problem("The body did not arrive in time."),
    413: problem("The body is too large."),
    415: problem("The body is not declared as JSON in UTF-8."),
}


def _answer(description: str, schema: _Json) -> _Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _json_or_text(description: str, headers: _Json | None = None) -> _Json:
    content = {"application/json": {"schema": {"type": "object"}}, "text/plain": {"schema": _TEXT}}
    return {"description": description, "content": content, "headers": headers or {}}


def _operation(
    responses: Mapping[int, _Json],
    body: _Json | None = None,
    *,
    required: bool = True,
    parameters: tuple[_Json, ...] = (),
) -> _Json:
    extra: _Json = {}
    if body is not None:
        extra["requestBody"] = {"content": {"application/json": {"schema": body}}, "required": required}
    if parameters:
        extra["parameters"] = list(parameters)
    documented = _COMMON | (_WITH_BODY if body is not None else {}) | dict(responses)
    told = {"status_code": min(responses), "responses": documented}
    return told | {"openapi_extra": extra, "response_model": None}


FAULTS: Final = _operation({200: _answer("The active rules.", _LISTED), 403: _WITH_BODY[403]})
ADD: Final = _operation({201: _answer("The rules that were added.", _LISTED)}, {"oneOf": [*_RULE["oneOf"], _RULES]})
REMOVE: Final = _operation(
    {200: _answer("The rules that are left.", _LISTED), 403: _WITH_BODY[403], 404: problem("There is no such fault.")}
)
INCIDENTS: Final = _operation(
    {200: _answer("Every incident.", _object({"incidents": {"type": "array", "items": _INCIDENT}}))}
)
BEGIN: Final = _operation(
    {201: _answer("The rules that were added.", _LISTED), 404: problem(f"Not one of {', '.join(ALL)}.")},
    {"type": "object", "maxProperties": 0},
    required=False,
)
FATES: Final = _operation({200: _answer("The fates.", _LISTED_FATES), 403: _WITH_BODY[403]})
ADD_FATE: Final = _operation(
    {201: _answer("The fates that were added.", _LISTED_FATES)},
    {
        "oneOf": [
            _object(
                _FATE,
                required=(),
                title="fate",
                additionalProperties=False,
                anyOf=[{"required": ["outcome"]}, {"required": ["duration"]}],
            ),
            _FATES,
        ]
    },
)
REMOVE_FATE: Final = _operation(
    {
        200: _answer("The fates that are left.", _LISTED_FATES),
        403: _WITH_BODY[403],
        404: problem("There is no such fate."),
    }
)
CLOCK: Final = _operation({200: _answer("The time on the server.", _object(_CLOCK))})
ADVANCE: Final = _operation(
    {
        200: _answer("The time now, and the seconds that passed.", _object({**_CLOCK, "advanced": _NUMBER})),
        409: problem("The clock follows the machine's, or there is no next event."),
    },
    {
        "oneOf": [
            _object({"advance": {**_NUMBER, "minimum": 0, "description": "Seconds."}}, additionalProperties=False),
            _object({"advance_to_next_event": {"const": True}}, additionalProperties=False),
        ]
    },
)
RESET: Final = _operation(
    {200: _answer("The number of jobs that were deleted.", _object({"jobs_deleted": {"type": "integer"}}))},
    _object({"jobs": {**_FLAG, "default": False}}, required=(), additionalProperties=False),
    required=False,
)
_CLEAN: Final = {"description": "Whether there is no complaint.", "schema": {**_TEXT, "enum": ["true", "false"]}}
REPORT: Final = _operation({200: _json_or_text("The report card.", {"X-Report-Clean": _CLEAN})})
REQUESTS: Final = _operation(
    {200: _json_or_text("The last requests, oldest first; moments in seconds since 1970.")},
    parameters=(query_parameter(LIMIT),),
)
