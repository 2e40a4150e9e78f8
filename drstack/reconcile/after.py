"""The last phase of a promotion: Pulumi's description of the target is brought up to what the actuators did.

It never raises: the work runs already, and what could not be reconciled is said and left to the next `drstack up`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import DrstackError, ExtraMissing
from drstack.reconcile.update import bring_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.reconcile.run import Engine


class Reconciler:
    """Ups the target's stack without refreshing it (DESIGN, rule 9). `engine` is found when it is first needed."""

    def __init__(self, environment: str, engine: Callable[[], Engine], *, timeout_s: float = 300.0) -> None:
        self._environment = environment
        self._engine = engine
        self._timeout_s = timeout_s

    def __call__(self, site: str) -> str:
        stack = f"{self._environment}.{site}"
        again = f"run: drstack up {self._environment} --site {site}"
        try:
            outcome = bring_up(self._engine(), stack, refresh=False, timeout_s=self._timeout_s).outcome
        except ExtraMissing as error:
            return f"NOT reconciled: {error}; {error.hint}, then {again}"
        except DrstackError as error:
            return f"NOT reconciled: {error}; {again}"
        changed = {what: count for what, count in outcome.changes.items() if count and what != "same"}
        return f"{stack}: {changed or 'nothing to change'}"
