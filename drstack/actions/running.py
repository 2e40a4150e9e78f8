"""Steps and checks that are programs: what their end means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.actions.filling import filled, variables
from drstack.actions.process import run
from drstack.actions.shown import last_line, told
from drstack.recovery.acting import Checked, Said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.actions.process import Ended
    from drstack.actions.secrets import Secrets
    from drstack.recovery.acting import Context
    from drstack.spec.steps import OwnStep

_NOT_DONE = 1


def act(argv: Sequence[str], step: OwnStep, context: Context, secrets: Secrets, root: Path, given: bytes = b"") -> Said:
    """Exit 0 is done, another is failed, and one that had to be ended is unknown: it may have done it."""
    ended = _run(argv, step, context, secrets, root, given)
    output = told(ended, secrets)
    result = {"output": output} if output else {}
    match ended.how:
        case "exit" if ended.code == 0:
            return Said("done", last_line(output) or "done", result)
        case "exit":
            return Said("failed", _with(f"exit {ended.code}", output), result)
        case "absent":
            return Said("failed", f"it cannot start: {ended.why}", result)
        case "timeout":
            return Said("unknown", _with(f"ended after {context.timeout_s:g} s, its time", output), result)
        case "signal":
            return Said("unknown", _with(f"killed by signal {ended.code}", output), result)
        case _:
            return Said("unknown", _with("nobody saw how it ended", output), result)


def check(argv: Sequence[str], step: OwnStep, context: Context, secrets: Secrets, root: Path) -> Checked:
    """Exit 0 is done, 1 is not done; anything else says nothing."""
    ended = _run(argv, step, context, secrets, root)
    output = told(ended, secrets)
    if ended.how == "exit" and ended.code in (0, _NOT_DONE):
        return Checked(ended.code == 0, last_line(output) or ("done" if ended.code == 0 else "not done"))
    how = {"exit": f"exit {ended.code}", "absent": f"it cannot start: {ended.why}"}.get(ended.how, ended.how)
    return Checked(None, _with(how, output))


def _run(
    argv: Sequence[str], step: OwnStep, context: Context, secrets: Secrets, root: Path, given: bytes = b""
) -> Ended:
    declared = {name: secrets.filled(filled(value, context)) for name, value in step.env.items()}
    return run(
        [filled(word, context) for word in argv], environment=variables(context, declared),
        folder=root / (step.folder or "."), timeout_s=context.timeout_s, given=given,
    )  # fmt: skip


def _with(how: str, output: str) -> str:
    return f"{how}: {output}" if output else how
