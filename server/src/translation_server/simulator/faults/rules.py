"""Rules: which fault strikes which requests; in Python and as JSON. `rule_text` has their text form. Pure."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from translation_server.simulator.faults.fields import RuleError, Span, as_json, as_text, checked
from translation_server.simulator.faults.model import Fault, fault_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from translation_server.simulator.recording.exchange import Kind

_PLAIN: Final = re.compile(r'[^\s;"=\\]+')


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, and which requests it strikes: those to which all of this applies.

    Attributes:
        fault: What happens to them.
        kind: Those that are for this; None: for what the fault is about, which is everything for most faults.
        on_poll: The n-th poll of a job by its id, from 1, or a range of them: `(2, 5)`; None: any request.
        user: Those of this user.
        job: Those about the n-th job that their user started, from 1.
        after: Those about a job that is so many seconds old; at its start, it is 0 seconds old.
        within: Those about a job that is not older than so many seconds.
        rate: So many of them, drawn from the seed.
        times: So many of them at most, the first ones; see `per`.
        per: What `times` counts: strikes per `job`, so that concurrency does not matter, per `user`, or of the whole
            `server`, where the order of arrival decides who is struck. Requests that are about no single job are
            counted by their kind.

    Raises:
        RuleError: A value is not allowed.
    """

    fault: Fault
    kind: tuple[Kind, ...] | None = None
    on_poll: Span | None = None
    user: str | None = None
    job: int | None = None
    after: float | None = None
    within: float | None = None
    rate: float | None = None
    times: int | None = None
    per: str = "job"

    def __post_init__(self) -> None:
        for name in CONDITIONS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, checked(name, value))
        if self.after is not None and self.within is not None and self.after > self.within:
            raise RuleError("after", f"is {self.after:g}, and within is {self.within:g}: allowed is one up to within")

    def __str__(self) -> str:
        said = self._said()
        return " ".join([self.fault.name, *(f"{name}={_word(as_text(value))}" for name, value in said.items())])

    def as_json(self) -> dict[str, Any]:
        """The same as a flat JSON object, without what is not said."""
        return {"fault": self.fault.name} | {name: as_json(value) for name, value in self._said().items()}

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """The rule a flat JSON object stands for: `{"fault": "status", "code": 503, "times": 2}`.

        Raises:
            RuleError: A member is unknown, missing or not allowed.
        """
        if "fault" not in said:
            raise RuleError("fault", "is missing: it names what is to happen")
        kind = fault_named(said["fault"])
        own = [field.name for field in fields(kind)]
        given = {name: value for name, value in said.items() if name != "fault" and value is not None}
        check_names(given, (*own, *CONDITIONS))
        missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in given]
        if missing:
            raise RuleError(missing[0], f"is missing: {kind.name} needs it")
        fault = kind(**{name: value for name, value in given.items() if name in own})
        return cls(fault, **{name: value for name, value in given.items() if name not in own})  # type: ignore[arg-type]  # it checks them

    def _said(self) -> dict[str, object]:
        own = {field.name: getattr(self.fault, field.name) for field in fields(self.fault)}
        when = {name: getattr(self, name) for name in CONDITIONS if (name, getattr(self, name)) != ("per", "job")}
        return {name: value for name, value in (own | when).items() if value is not None}


CONDITIONS: Final = tuple(field.name for field in fields(Rule) if field.name != "fault")


def check_names(given: Iterable[str], allowed: tuple[str, ...]) -> None:
    """Raise `RuleError` at a name that is not allowed."""
    for name in given:
        if name not in allowed:
            raise RuleError(name[:100], f"is not a name here: allowed are {', '.join(allowed)}")


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
