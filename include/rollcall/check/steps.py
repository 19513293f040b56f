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
    """A mistake people make, seen here.

    :param mistake: a key of `MISTAKES`.
    :param values: what its sentences leave open; never a secret or a person.
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
        """What the district does on its screen; none where it is ours to put right.

        :param connection: how the district finds ours among others.
        """
        values = {**self.values, "connection": connection}
        return tuple(action.format_map(values) for action in MISTAKES[self.mistake].actions)


@dataclass(frozen=True)
class Step:
    """One thing that was tried.

    :param name: of the step, the same in every check: `token`, `base_url`, a collection's name, …
    :param ms: milliseconds it took, 0 where nothing was asked.
    :param said: what came, in a sentence.
    :param remedy: what to do about it, and who can do it.
    :param recognised: the mistakes behind it, where they are known ones.
    """

    name: str
    outcome: Outcome
    ms: int
    message: str
    remedy: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True)
class StepResult:
    """What a look brought, before it has a name and a time. With `recognised` mistakes their sentences come first."""

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
    """After the step taken last nothing else can be tried."""


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

        :param needed: all that follows rests on it.
        :raises Stopped: it failed and is needed, or the provider does not answer at all.
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
        """Name what could not be tried any more."""
        done = {step.name for step in self.done}
        why = f"not tried: {self.done[-1].name.replace('_', ' ')} failed"
        self.done += [StepResult(why, "skipped").step(name, 0) for name in names if name not in done]


def _run_step(look: Callable[[], StepResult]) -> tuple[StepResult, bool]:
    """What was found, or why not; and whether it is because the provider does not answer."""
    try:
        return look(), False
    except RollcallError as error:
        return StepResult(error.message, "fail", error.remedy), isinstance(error, ProviderUnavailable)


@dataclass(frozen=True)
class School:
    """A school the connection shares; `students` and `teachers` where asking was cheap and the provider counts."""

    sourced_id: str
    name: str
    students: int | None = None
    teachers: int | None = None


@dataclass(frozen=True)
class CheckReport:
    """A check from beginning to end.

    :param district: its id; `name` is what people call it.
    :param source: where the connection was found; empty in Airflow.
    :param client_id: shown in letters, so that a district finds the connection; empty unless it certainly is one.
    :param is_classic: whether it is a Consumer Key of Infinite Campus's classic screen, `is_campus` whether Campus.
    :param rows: per collection how many records the provider counts, None where it does not count.
    :param profile: what was learned; None where the service was not reached.
    :param changes: what is different from the profile before, in words.
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
