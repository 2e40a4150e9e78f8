"""Carries out users' own steps on this machine: which module does which kind.

Invariant: nothing is raised for trouble, and no secret is told: what happened is one of four words with a masked line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.actions import running
from drstack.actions.executor import gone, this
from drstack.actions.secrets import Secrets
from drstack.errors import DrstackError
from drstack.recovery.acting import Checked, Said
from drstack.spec.steps import OwnStep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.recovery.acting import Context, Doc


class LocalActions:
    """`root`: gives the project's folder, once it is needed."""

    def __init__(self, root: Callable[[], Path]) -> None:
        self._find = root

    @property
    def _root(self) -> Path:
        return self._find()

    def act(self, definition: Doc, context: Context) -> Said:
        secrets = Secrets(self._root)
        try:
            said = self._act(OwnStep.model_validate(definition), context, secrets)
        except DrstackError as error:
            said = Said("failed", str(error))
        return Said(said.word, secrets.masked(said.detail), said.result)

    def _act(self, step: OwnStep, context: Context, secrets: Secrets) -> Said:
        if step.shell is not None:
            return running.act(step.shell, step, context, secrets, self._root)
        return Said("failed", f"this version carries out no {step.kind}")

    def check(self, definition: Doc, context: Context) -> Checked:
        secrets = Secrets(self._root)
        step = OwnStep.model_validate(definition)
        try:
            said = self._check(step, context, secrets)
        except DrstackError as error:
            said = Checked(None, str(error))
        return Checked(said.done, secrets.masked(said.detail))

    def _check(self, step: OwnStep, context: Context, secrets: Secrets) -> Checked:
        if step.check is not None:
            return running.check(step.check, step, context, secrets, self._root)
        return Checked(None, "it has no check")

    def tell(self, definition: Doc, context: Context, message: Doc) -> Said:
        del definition, context, message
        return Said("failed", "not yet")

    def executor(self) -> Doc:
        return this()

    def gone(self, executor: Doc) -> bool:
        return gone(executor)
