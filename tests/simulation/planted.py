"""Design bugs that the simulation of operations has to find, each put in place of the code that is right."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from drstack.platforms.local.desired import Desired
from drstack.recovery import control, lifting, sealing
from drstack.recovery.owning import Owning
from drstack.recovery.switchover import Switchover
from drstack.witness.journal import Journal
from replicator.log import replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from drstack.recovery.steps import Step

Doc = dict[str, Any]


def _ship_without_waiting(self: Switchover, step: Step) -> Doc:
    """Moves before the last checkpoint and its receipts have arrived."""
    workload = self._planned(step.subject)
    return {"commit": [0, 0], "detail": f"{workload['name']} will come"}


def _seal_target_alone(world: Any, plan: Doc, workload: Doc, operation: str) -> Doc:
    """Seals where the work goes, and not where it may have been acknowledged."""
    return _SEAL(world, plan, {**workload, "seal": [plan["target"]]}, operation)


def _opens_nothing(_world: Any, _fact: Any, _by: str, _reason: str) -> None:
    """Gives a sealed workload back to its writer without a term in which that may write."""


def _all_skippable(plan: Doc) -> list[Step]:
    return [replace(step, skippable=True) for step in _STEPS(plan) or []]


def _goes_on(_self: Journal, _records: object) -> None:
    """Heeds neither an end nor a pause."""


def _guesses(_self: Owning, _now: object, _step: Step) -> None:
    """Takes what nobody knows the outcome of for not done."""


def _nobody_took(_world: object, _fact: object, _journal: object) -> None:
    """Starts what was stopped again, whoever has fenced it since."""


def _all_stands(_opening: object, _what: object) -> None:
    """Lets stand what a writer committed alone, after its term had been ended by others."""


def _whoever_comes(_desired: object, _order: object, _site: object, _workload: object = "") -> None:
    """Starts at a site what was told to start before its last fence."""


def _nobody_runs(_world: object) -> None:
    """Lifts a fence while an operation decides where the work runs."""


_SEAL, _STEPS = sealing.seal, control.steps_of


@dataclass(frozen=True, slots=True)
class Planted:
    """`sign`: what the promise that it breaks says; `seed`: one that finds it; `wrong`: what is put in place of what."""

    sign: str
    seed: int
    wrong: tuple[tuple[object, str, object], ...]


PLANTED = {
    "a switchover moves before the receipts": Planted(
        "switchover: ", 6, ((Switchover, "_ship", _ship_without_waiting),)
    ),
    "seals only the target": Planted("unsealed, which acknowledges", 68, ((sealing, "seal", _seal_target_alone),)),
    "an abort opens no new term": Planted("gave back", 59, ((control, "_open_anew", _opens_nothing),)),
    "a seal may be left out": Planted("was left out", 453, ((control, "steps_of", _all_skippable),)),
    "begun after the end, or while it is paused": Planted("rule 12: ", 9, ((Journal, "_require_running", _goes_on),)),
    "a resume does again what may have been bought": Planted("rule 13: ", 74, ((Owning, "_require_known", _guesses),)),
    "an old tail is not void": Planted("stood below no seal", 40, ((replay, "uncovered", _all_stands),)),
    "a fence is lifted while an operation runs": Planted(
        "rule 7: ",
        188,
        (
            (lifting, "_require_nobody", _nobody_runs),
            (control, "_taken_by", _nobody_took),
            (control, "_require_last", _nobody_took),
            (Desired, "require_admitted", _whoever_comes),
        ),
    ),
}
OPERATION_BUGS = tuple(PLANTED)


@contextlib.contextmanager
def planted(bug: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for owner, name, wrong in PLANTED[bug].wrong if bug else ():
            patch: AbstractContextManager[object] = mock.patch.object(owner, name, wrong)
            stack.enter_context(patch)
        yield
