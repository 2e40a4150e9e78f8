"""Carries out users' own steps on this machine: which module does which kind.

Invariant: nothing is raised for trouble, and no secret is told: what happened is one of four words with a masked line.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from drstack.actions import dns, http, notify, postgresql, running
from drstack.actions.executor import gone, this
from drstack.actions.filling import filled
from drstack.actions.secrets import Secrets
from drstack.errors import DrstackError, StepFailed
from drstack.extras import require
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
        if step.http is not None:
            return http.act(step.http, context, secrets)
        if step.postgresql is not None:
            return postgresql.act(step.postgresql, context, secrets)
        if step.dns is not None:
            return dns.act(step.dns, context, secrets)
        if step.notify is not None:
            message = {
                "moment": "step",
                "text": f"{context.environment}: {context.step} of operation {context.operation}",
            }
            said = notify.tell(step.notify, context, message, secrets)
            return Said("done", said.detail if said.word == "done" else f"NOT told: {said.detail}", said.result)
        argv, given = self._program(step, context, secrets)
        return running.act(argv, step, context, secrets, self._root, given)

    def _program(self, step: OwnStep, context: Context, secrets: Secrets) -> tuple[tuple[str, ...], bytes]:
        """What is run, and what it reads on standard input."""
        if step.python is not None:
            arguments = {name: filled(value, context) for name, value in step.args.items()}
            return (sys.executable, "-m", "drstack.actions.called", step.python), json.dumps(arguments).encode()
        if step.ansible is not None:
            require("ansible", what="a step that runs a playbook")
            told = step.ansible
            wanted = {
                "folder": str((self._root / (step.folder or ".")).absolute()), "playbook": filled(told.playbook, context),
                "inventory": told.inventory, "limit": told.limit and filled(told.limit, context), "tags": list(told.tags),
                "vars": {name: secrets.filled(filled(value, context)) for name, value in told.vars.items()},
            }  # fmt: skip
            return (sys.executable, "-m", "drstack.actions.playbook"), json.dumps(wanted).encode()
        if step.shell is None:
            raise StepFailed(f"nobody carries out a step of the kind {step.kind}")
        return step.shell, b""

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
        if step.check_http is not None:
            return http.check(step.check_http, context, secrets)
        return Checked(None, "it has no check")

    def tell(self, definition: Doc, context: Context, message: Doc) -> Said:
        secrets = Secrets(self._root)
        told = OwnStep.model_validate(definition).notify
        if told is None:
            return Said("failed", "it is no notice")
        try:
            said = notify.tell(told, context, message, secrets)
        except DrstackError as error:
            said = Said("failed", str(error))
        return Said(said.word, secrets.masked(said.detail))

    def executor(self) -> Doc:
        return this()

    def gone(self, executor: Doc) -> bool:
        return gone(executor)
