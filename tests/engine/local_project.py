"""A project with local sites of its own, run by the real engine; nothing of it outlives the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from drstack.errors import EngineFailed
from drstack.platforms.local import processes, teardown
from drstack.platforms.local.desired import Desired, read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.waiting import Deadline
from drstack.platforms.registry import open_site
from drstack.provider.reach import open_witness
from drstack.reconcile.engine import find_engine
from tools.notrun import not_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drstack.recovery.ports import JobObservation
    from drstack.witness.journal import Journal

CHECKOUT = Path(__file__).parents[2]
SLEEPER = CHECKOUT / "tests" / "drstack" / "platforms" / "local" / "sleeper.py"
COUNTER = CHECKOUT / "tests" / "drstack" / "kit" / "counter.py"
TIMEOUT_S = 180
WAIT_S = 90
ENVIRONMENT = f"""\
environment: local
strategy: active-passive
witness: file:witness
state: file:state
sites:
  east: {{platform: local, slots: 3, capacity: 1}}
  west: {{platform: local, slots: 3, capacity: 1, on_destroy: delete}}
workloads:
  gpt:
    class: training
    job: {{command: [python, {SLEEPER}], ranks: 2}}
    checkpoints: {{path: checkpoints/gpt, every: 3s}}
    rpo: 30s
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder / "project", folder / "root"
        (self.folder / "stacks" / "environments").mkdir(parents=True)
        (self.root / "state").mkdir(parents=True)
        shutil.copy(CHECKOUT / "stacks" / "__main__.py", self.folder / "stacks")
        described = (CHECKOUT / "Pulumi.yaml").read_text()
        relative = "path: drstack/provider/bin"
        assert relative in described
        (self.folder / "Pulumi.yaml").write_text(described.replace(relative, f"path: {CHECKOUT}/drstack/provider/bin"))
        self.sites = self.root / "sites" / "local"
        self.declare(ENVIRONMENT)
        self._fifo = folder / "leash"
        os.mkfifo(self._fifo)
        self._leash = os.open(self._fifo, os.O_RDWR)
        try:
            self._engine = find_engine(CHECKOUT)
        except EngineFailed as error:
            not_run(f"the Pulumi engine: {error}")

    def declare(self, text: str) -> None:
        (self.folder / "stacks" / "environments" / "local.yaml").write_text(text)

    def site(self, name: str) -> SiteFolder:
        return site_folder(self.sites / name)

    def desired(self, name: str) -> Desired:
        found = read_desired(self.site(name))
        assert found is not None
        return found

    @property
    def witness(self):
        return open_witness((self.root / "witness").as_uri(), "local")

    def open(self, name: str):
        return open_site(self.witness.descriptor(name))

    def job(self, site: str, workload: str = "gpt") -> JobObservation:
        return self.open(site).observe(deadline_s=10).jobs[workload]

    def status(self) -> dict[str, Any]:
        return json.loads(self.drstack("status", "local", "--json"))

    def recovery_point(self, workload: str = "gpt") -> dict[str, Any] | None:
        return self.status()["workloads"][workload]["recovery_point"]

    def has_recovery_point(self, workload: str = "gpt") -> bool:
        """Whether there is one, or comes to be."""
        return Deadline(WAIT_S).until(lambda: self.recovery_point(workload) is not None, 0.5)

    def makes_steps(self, site: str, above: int = 0, workload: str = "gpt") -> bool:
        """Whether a run there makes steps past `above`, or comes to."""

        def holds() -> bool:
            seen = self.job(site, workload)
            return seen.running and (seen.first_step or 0) > above

        return Deadline(WAIT_S).until(holds, 0.2)

    def running(self, name: str) -> dict[int, str]:
        return {seen.pid: seen.command for seen in processes.of_site(self.site(name)) if seen.ours}

    def kill(self, site: str) -> None:
        """SIGKILL every process of a site, supervisord first."""

        def dead() -> bool:
            running = self.running(site)
            for pid in sorted(running, key=lambda each: "supervisord" not in running[each]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not running

        assert Deadline(WAIT_S).until(dead, 0.05), f"{site} does not die: {self.running(site)}"

    def lose(self, site: str) -> None:
        """Kill every process of a site and take its folder."""
        self.kill(site)
        shutil.rmtree(self.site(site).path)

    def pulumi(self, *arguments: str, succeeds: bool = True) -> str:
        """What the command printed; in a session of its own, ended after TIMEOUT_S."""
        command = [str(self._engine.pulumi), *arguments, "--non-interactive", "--color", "never"]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        assert (process.returncode == 0) == succeeds, f"{' '.join(arguments)} exited {process.returncode}:\n{printed}"
        return printed

    @contextlib.contextmanager
    def updating(self, stack: str):
        """A bare `pulumi up` as a process of its own."""
        command = [str(self._engine.pulumi), "up", "-y", "--skip-preview", "-s", stack, "--non-interactive"]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(30)

    def init(self, stack: str) -> None:
        self.pulumi("stack", "init", stack, "--no-select")

    def up(self, stack: str, *more: str, succeeds: bool = True) -> str:
        return self.pulumi("up", "-y", "--skip-preview", "-s", stack, *more, succeeds=succeeds)

    def refresh(self, stack: str) -> str:
        return self.pulumi("refresh", "-y", "--skip-preview", "--diff", "-s", stack)

    def destroy(self, stack: str) -> str:
        return self.pulumi("destroy", "-y", "--skip-preview", "-s", stack)

    def state(self, stack: str) -> dict[str, dict[str, object]]:
        """Outputs of the stack's resources, by type and name."""
        exported = json.loads(self.pulumi("stack", "export", "-s", stack))
        resources = exported["deployment"].get("resources", [])
        return {f"{r['type']} {r['urn'].rpartition('::')[2]}": r.get("outputs", {}) for r in resources}

    def rewrite(self, stack: str, change: Callable[[str], str]) -> None:
        """Put another state in place of the stack's, as another version would have left it."""
        before = self.pulumi("stack", "export", "-s", stack)
        after = self.folder / "state.json"
        after.write_text(change(before))
        assert after.read_text() != before
        self.pulumi("stack", "import", "-s", stack, "--file", str(after))

    def drstack(self, *arguments: str) -> str:
        """What the command printed on stdout."""
        return self.told(*arguments, exits=0)[0]

    def told(self, *arguments: str, exits: int, operator: str | None = None) -> tuple[str, str]:
        """What the command printed on stdout, and on stderr."""
        with self.operator(*arguments, name=operator) as process:
            out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == exits, f"{arguments} exited {process.returncode}:\n{out}\n{err}"
        return out, err

    @contextlib.contextmanager
    def operator(self, *arguments: str, name: str | None = None, via: tuple[str, ...] = ("-m", "drstack")):
        """The command as a process of its own, which does not outlive the block. `via`: the module that runs it."""
        named = {} if name is None else {"DRSTACK_OPERATOR": name}
        process = subprocess.Popen(
            [sys.executable, *via, *arguments], cwd=self.folder, env=self.environ() | named, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=30)

    def died_after(self, step: str, *arguments: str) -> Journal:
        """The operation of an operator who was killed once that step had its outcome."""
        base = len(self.witness.assignments())
        with self.operator(*arguments) as process:
            while not (found := self.witness.journals(base)) or found[-1].outcome(step) is None:
                if process.poll() is not None:
                    pytest.fail(f"it ended before {step}: {process.communicate(timeout=30)}")
                time.sleep(0.02)
        return found[-1]

    def close(self) -> None:
        os.close(self._leash)
        for site in sorted(self.sites.iterdir()) if self.sites.is_dir() else ():
            teardown.end_processes(site_folder(site), deadline_s=5)

    def environ(self) -> dict[str, str]:
        hidden = ("PULUMI_", "DRSTACK_", "VIRTUAL_ENV")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(hidden)},
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(self._engine.bin), os.environ["PATH"])),
            "VIRTUAL_ENV": sys.prefix,
            "PULUMI_BACKEND_URL": (self.root / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "a test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "DRSTACK_ROOT": str(self.root),
            "DRSTACK_LEASH": str(self._fifo),
        }


@contextlib.contextmanager
def local_project(folder: Path, declared: str = ENVIRONMENT) -> Iterator[Project]:
    """A project that declares this environment; nothing that it started outlives the block."""
    with contextlib.closing(Project(folder)) as made:
        made.declare(declared)
        yield made


def refused(project: Project, *arguments: str) -> tuple[int, str]:
    """A command that has to fail: its exit code, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "drstack", *arguments], cwd=project.folder, env=project.environ(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    return done.returncode, done.stderr
