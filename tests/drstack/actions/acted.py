"""One act of one step, without an operation around it."""

from __future__ import annotations

from drstack.actions.registry import LocalActions
from drstack.recovery.acting import Context
from drstack.spec.steps import OwnStep, document

CONTEXT = {
    "environment": "e", "operation": "1-1", "target": "west", "sources": ("east",), "workloads": ("a", "b"),
    "step": "x", "token": "e/1-1/x/0123", "timeout_s": 30.0,
}  # fmt: skip


def context(**changed):
    return Context(**{**CONTEXT, **changed})


def act(folder, declared, **changed):
    return LocalActions(lambda: folder).act(document(OwnStep.model_validate(declared)), context(**changed))


def check(folder, declared, **changed):
    return LocalActions(lambda: folder).check(document(OwnStep.model_validate(declared)), context(**changed))
