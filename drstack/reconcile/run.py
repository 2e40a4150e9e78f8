"""Pulumi's commands, each on a leash, within a time limit, with its progress told.

Decides how the command line is called and what counts as failure. Invariant: no secret stands in an argument, and
state that passes through here has its secrets as ciphertext.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from drstack.errors import EngineFailed
from drstack.reconcile.events import Story
from drstack.reconcile.leashed import run_leashed
from drstack.reconcile.processes import RUN_ID
from drstack.reconcile.runs import Run, new_run, recorded
from drstack.reconcile.settings import dropped
from drstack.reconcile.telling import Telling, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.reconcile.project import Project

READ_TIMEOUT_S = 120.0
CHANGE_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation did. `changes` counts resources by what was done to them: create, update, delete, same."""

    stack: str
    operation: str
    changes: Mapping[str, int]
    duration_s: float
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return any(count for what, count in self.changes.items() if what not in {"same", "read"})


def silent(_: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Engine:
    """The engine on one project and backend. `settings` are those of `drstack.reconcile.settings`."""

    project: Project
    local_root: Path
    settings: Mapping[str, str]
    say: Callable[[str], None] = silent

    @property
    def path_folders(self) -> list[str]:
        """What stands before the caller's PATH."""
        return self.settings["PATH"].split(os.pathsep)[:2]

    def up(
        self, stack: str, *, refresh: bool = False, targets: Sequence[str] = (), timeout_s: float = CHANGE_TIMEOUT_S
    ) -> Outcome:
        """Bring the stack to what the program says; `targets` are URNs. EngineFailed."""
        chosen = [f"--refresh={str(refresh).lower()}", *(f"--target={urn}" for urn in targets)]
        return self._operate("up", stack, ["--yes", "--skip-preview", *chosen], timeout_s)

    def preview(self, stack: str, *, refresh: bool = False, timeout_s: float = CHANGE_TIMEOUT_S) -> Outcome:
        """What `up` would do. EngineFailed."""
        return self._operate("preview", stack, [f"--refresh={str(refresh).lower()}"], timeout_s)

    def refresh(self, stack: str, *, timeout_s: float = CHANGE_TIMEOUT_S) -> Outcome:
        """Bring the state to what the providers see. EngineFailed."""
        return self._operate("refresh", stack, ["--yes", "--skip-preview"], timeout_s)

    def destroy(self, stack: str, *, timeout_s: float = CHANGE_TIMEOUT_S) -> Outcome:
        """Delete all that the stack holds; the stack itself stays. EngineFailed."""
        return self._operate("destroy", stack, ["--yes", "--skip-preview"], timeout_s)

    def outputs(self, stack: str) -> dict[str, object]:
        """The stack's outputs; a secret one reads `[secret]`. EngineFailed."""
        return cast("dict[str, object]", json.loads(self.read(["stack", "output", "--json", "--stack", stack])))

    def export(self, stack: str) -> dict[str, object]:
        """The stack's state, secrets as ciphertext. EngineFailed."""
        return cast("dict[str, object]", json.loads(self.read(["stack", "export", "--stack", stack])))

    def restore(self, stack: str, state: Mapping[str, object]) -> None:
        """Replace the stack's state with one from `export`. EngineFailed."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state.json"
            file.write_text(json.dumps(state))
            self.read(["stack", "import", "--file", str(file), "--stack", stack])

    def resources(self) -> dict[str, int]:
        """The project's stacks in this backend, and how many resources each holds. EngineFailed."""
        rows = cast("list[dict[str, object]]", json.loads(self.read(["stack", "ls", "--json"])))
        counts = {str(row["name"]).rpartition("/")[2]: row.get("resourceCount") for row in rows}
        return {name: count if isinstance(count, int) else 0 for name, count in counts.items()}

    def read(self, arguments: Sequence[str], *, timeout_s: float = READ_TIMEOUT_S) -> str:
        """What a short command prints. EngineFailed."""
        return self._run(arguments, Telling(Story(), self.say, " ".join(arguments[:2])), "", timeout_s)

    def _operate(self, operation: str, stack: str, options: Sequence[str], timeout_s: float) -> Outcome:
        story, began = Story(), time.monotonic()
        arguments = [operation, "--stack", stack, "--suppress-progress", *options]
        self._run(arguments, Telling(story, self.say, f"{operation} {stack}"), stack, timeout_s, log=True)
        return Outcome(stack, operation, story.changes, time.monotonic() - began, tuple(story.warnings))

    def _run(
        self, arguments: Sequence[str], telling: Telling, stack: str, timeout_s: float, *, log: bool = False
    ) -> str:
        run = new_run(stack, telling.label)
        command = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        with recorded(self.local_root, run) as folder:
            if log:
                telling.log = folder / "events"
                telling.log.touch(mode=0o600)
                command += ["--event-log", str(telling.log)]
            ended = run_leashed(
                command, cwd=self.project.root, environ=self._environ(run), timeout_s=timeout_s, tick=telling.tick
            )
        if ended.code is None:
            raise EngineFailed(
                f"pulumi {telling.label} did not end within {timeout_s:.0f} s and was ended",
                hint="Look at what it waited for, then run the command again: finished resources are kept.",
            )
        if ended.code != 0:
            raise failure(telling, ended, stack)
        return ended.printed

    def _environ(self, run: Run) -> dict[str, str]:
        unset = dropped(self.settings)
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        # --event-log is one of the engine's debug commands; Pulumi's own Automation API reads it too.
        return inherited | {**self.settings, RUN_ID: run.run_id, "PULUMI_DEBUG_COMMANDS": "true"}
