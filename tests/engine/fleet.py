"""A project with disks that a cloud-like provider makes, the real engine on it, and the world in which they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from drstack.errors import EngineFailed
from drstack.reconcile.engine import HINT
from drstack.reconcile.locks import FOLDER
from drstack.reconcile.lookup import ByPackage, Found
from drstack.reconcile.processes import processes, variables
from drstack.reconcile.project import read_project
from drstack.reconcile.run import Engine
from drstack.reconcile.stacks import open_engine
from tools.notrun import not_run

CHECKOUT = Path(__file__).parents[2]
STACK = "gpt.east"
PROJECT = """\
name: fleet
runtime: python
main: program
stackConfigDir: program
plugins:
  providers:
    - {name: cloudlet, path: plugin}
"""
PROGRAM = """\
import json, pathlib, pulumi

class Disk(pulumi.CustomResource):
    def __init__(self, name, props, opts=None):
        super().__init__("cloudlet:index:Disk", name, props, opts)

before = None
for name, props in json.loads(pathlib.Path(__file__).with_name("disks.json").read_text()).items():
    opts = pulumi.ResourceOptions(depends_on=[before] if before else [])
    before = Disk(name, {"name": name, **props}, opts)
"""
CALLER = """\
import json, sys
from pathlib import Path
from drstack.reconcile.project import read_project
from drstack.reconcile.run import Engine
folder = Path(sys.argv[1])
Engine(read_project(folder), folder / "root", json.loads(sys.argv[2]), print).up(sys.argv[3])
"""


class Fleet:
    """A project with disks, its engine, and the world in which the disks are."""

    def __init__(self, folder: Path, state: str) -> None:
        self.folder, self.world = folder, folder / "world"
        for made in (self.world / "disks", folder / "program", folder / "plugin"):
            made.mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "program" / "__main__.py").write_text(PROGRAM)
        plugin = folder / "plugin" / "pulumi-resource-cloudlet"
        plugin.write_text(f"#!{sys.executable}\n{(Path(__file__).with_name('cloudlet.py')).read_text()}")
        plugin.chmod(0o755)
        (folder / ".drstack").mkdir()
        record = CHECKOUT / ".drstack" / "engine.json"
        if record.exists():
            (folder / ".drstack" / "engine.json").write_text(record.read_text())
        self.told: list[str] = []
        declared = SimpleNamespace(state=state, environment="gpt")
        found = open_engine(declared, folder, folder / "root", inherited=os.environ)
        settings = {**found.settings, "CLOUDLET": str(self.world)}
        self.engine = Engine(read_project(folder), folder / "root", settings, self.told.append)
        self.engine.read(["stack", "init", STACK, "--no-select"])

    def declare(self, **disks: dict[str, object]) -> None:
        (self.folder / "program" / "disks.json").write_text(json.dumps(disks))

    def disks(self) -> list[str]:
        return sorted(file.name.partition(".")[0] for file in (self.world / "disks").iterdir())

    def find(self, urn: str, type_: str, inputs) -> Found | None:
        for file in (self.world / "disks").glob(f"{inputs['name']}.*"):
            if json.loads(file.read_text()).get("zone") == inputs.get("zone"):
                return Found(file.name, json.loads(file.read_text()))
        return None

    @property
    def lookup(self) -> ByPackage:
        return ByPackage({"cloudlet": self.find})

    def locks(self) -> list[Path]:
        return list((self.folder / "root" / "state" / FOLDER / "fleet" / STACK).glob("*.json"))

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, **self.engine.settings, **more}

    def processes(self) -> list[int]:
        return [p.pid for p in processes() if variables(p.pid).get("CLOUDLET") == str(self.world)]

    def kill_in(self, where: str, command: str = "up") -> None:
        """SIGKILL a bare `pulumi` while a provider's call is under way."""
        (self.world / "reached").unlink(missing_ok=True)
        (self.world / "hang").write_text(where)
        arguments = ["pulumi", command, "--stack", STACK, "--yes", "--skip-preview", "--non-interactive"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(arguments, cwd=self.folder, env=self.environ(), start_new_session=True, **quiet)
        self.wait((self.world / "reached").exists)
        self.wait(self.written_pending)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (self.world / "hang").unlink()
        assert self.locks(), "the killed engine leaves its lock"
        assert self.processes(), "the killed engine leaves its plugins"

    def written_pending(self) -> bool:
        state = self.folder / "root" / "state" / ".pulumi" / "stacks" / "fleet" / f"{STACK}.json"
        return bool(json.loads(state.read_text())["checkpoint"]["latest"].get("pending_operations"))

    def wait(self, what, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def settled(self) -> bool:
        """No lock, no process, nothing pending, and the state names exactly the disks that exist."""
        exported = self.engine.export(STACK)["deployment"]
        known = [each["id"] for each in exported.get("resources") or [] if each["type"] == "cloudlet:index:Disk"]
        there = [file.name for file in (self.world / "disks").iterdir()]
        pending = exported.get("pending_operations")
        return not self.locks() and not self.processes() and not pending and sorted(known) == sorted(there)


def usable(folder: Path, state: str) -> Fleet:
    try:
        return Fleet(folder, state)
    except EngineFailed as error:
        if error.hint == HINT:
            not_run(str(error))
        raise
