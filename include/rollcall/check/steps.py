"""What a check consists of: named steps, each with an outcome, a time and a remedy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rollcall.check.mistakes import MISTAKES
from rollcall.check.profile import Org, ProviderProfile
from rollcall.errors import RollcallError
from rollcall.oneroster.errors import ProviderUnavailable

Outcome = Literal["pass", "fail", "warning", "skipped"]

#: The step that warns about another copy of the connection. It is about our side only.
OTHER_COPY = "other_copy"

#: How the message of a step begins that could not be tried, because one before it failed.
NOT_TRIED = "not tried"

#: Steps whose title is not their name.
_TITLES = {
    "connection": "Credentials",
    "dns": "Address",
    "tls": "Certificate",
    "token": "Sign-in",
    "base_url": "Base URL",
    "page_size": "Page size",
    "delta_filter": "Changes only",
    "district": "District",
}


def step_title(name: str) -> str:
    """What a person reads for a step: `Sign-in`, `Academic sessions`."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


@dataclass(frozen=True)
class Diagnosis:
    """A known mistake in this connection.

    :param mistake: a key of `MISTAKES`.
    :param values: the values in its sentences; never a secret or a person.
    """

    mistake: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        return MISTAKES[self.mistake].outcome

    @property
    def message(self) -> str:
        return MISTAKES[self.mistake].message.format_map(self.values)

    @property
    def remedy(self) -> str:
        return MISTAKES[self.mistake].remedy.format_map(self.values)

    @property
    def reply_request(self) -> str:
        return MISTAKES[self.mistake].reply_request.format_map(self.values)

    def actions(self, connection: str) -> tuple[str, ...]:
        """What the district does on its screen; empty if we fix it.

        :param connection: how the district finds our connection.
        """
        values = {**self.values, "connection": connection}
        return tuple(action.format_map(values) for action in MISTAKES[self.mistake].actions)


@dataclass(frozen=True)
class Step:
    """One step of a check.

    :param name: the same in every check: `token`, `base_url`, a collection's name, …
    :param ms: milliseconds; 0 without a request.
    :param message: the result, in a sentence.
    :param remedy: what to do, and who can do it.
    :param diagnoses: the known mistakes behind it.
    """

    name: str
    outcome: Outcome
    ms: int
    message: str
    remedy: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True)
class StepResult:
    """The result of a step, before it has a name and a time. The sentences of its diagnoses come first."""

    message: str = ""
    outcome: Outcome = "pass"
    remedy: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()

    def step(self, name: str, seconds: float) -> Step:
        outcomes = {self.outcome, *(diagnosis.outcome for diagnosis in self.diagnoses)}
        worst: Outcome = "fail" if "fail" in outcomes else "warning" if "warning" in outcomes else self.outcome
        said = " ".join(filter(None, [*(diagnosis.message for diagnosis in self.diagnoses), self.message]))
        remedy = " ".join(filter(None, [*(diagnosis.remedy for diagnosis in self.diagnoses), self.remedy]))
        return Step(name, worst, round(seconds * 1000), said, remedy, self.diagnoses)


class CheckStopped(Exception):
    """Nothing else can be tried after the last step."""


#: Called after each step with all steps so far.
Watch = Callable[[Sequence[Step]], None]


class StepRunner:
    """The steps so far.

    :param watch: called after each step, so that a person sees it when it ends.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.done: list[Step] = []
        self._watch = watch

    def take(self, name: str, look: Callable[[], StepResult], *, needed: bool = False) -> None:
        """Take a step.

        :param needed: the steps that follow depend on it.
        :raises CheckStopped: it failed and is needed, or the provider does not respond.
        """
        began = time.perf_counter()
        found, is_away = _run_step(look)
        step = found.step(name, time.perf_counter() - began)
        self.done.append(step)
        if self._watch is not None:
            self._watch(self.done)
        if step.outcome == "fail" and (needed or is_away):
            raise CheckStopped

    def skip_remaining(self, names: list[str]) -> None:
        """Record the steps that could not be tried."""
        done = {step.name for step in self.done}
        why = f"{NOT_TRIED}: {self.done[-1].name.replace('_', ' ')} failed"
        self.done += [StepResult(why, "skipped").step(name, 0) for name in names if name not in done]


def _run_step(look: Callable[[], StepResult]) -> tuple[StepResult, bool]:
    """The result, and whether the provider does not respond."""
    try:
        return look(), False
    except RollcallError as error:
        return StepResult(error.message, "fail", error.remedy), isinstance(error, ProviderUnavailable)


@dataclass(frozen=True)
class School:
    """A school that the connection shares. `students` and `teachers` are None if they were not counted."""

    sourced_id: str
    name: str
    students: int | None = None
    teachers: int | None = None


@dataclass(frozen=True)
class CheckReport:
    """The result of a check.

    :param district: the ID. `name` is the display name.
    :param source: where the connection was found; empty in Airflow.
    :param client_id: for the email, so that the district finds it; empty unless it certainly is not a secret.
    :param is_classic: whether it is a Consumer Key. `is_campus`: whether it is Infinite Campus.
    :param rows: the provider's total per collection; None if it sends no totals.
    :param profile: what was learned; None if the service was not reached.
    :param changes: differences from the last profile, in words.
    """

    district: str
    name: str
    conn_id: str
    checked_at: datetime
    steps: tuple[Step, ...]
    source: str = ""
    client_id: str = ""
    is_classic: bool = False
    is_campus: bool = True
    rows: Mapping[str, int | None] = field(default_factory=dict)
    schools: tuple[School, ...] = ()
    profile: ProviderProfile | None = None
    changes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no step failed; warnings are allowed."""
        return not self.failed

    @property
    def failed(self) -> list[Step]:
        return [step for step in self.steps if step.outcome == "fail"]

    @property
    def district_org(self) -> Org | None:
        return self.profile.district_org if self.profile else None
