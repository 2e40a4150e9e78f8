"""A promotion from the kit alone: no route, no checkout, no caches, and the site that wrote gone with its folder."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from drstack.custody.ring import private_parts
from drstack.kit import shelf
from drstack.kit.wheels import cache_folder
from drstack.platforms.local import processes
from drstack.platforms.local.waiting import Deadline
from replicator.crypto.keyring import Keyring
from tests.engine.local_project import CHECKOUT, COUNTER, Project
from tools.notrun import not_run

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
ENVIRONMENT = """\
environment: local
strategy: active-passive
witness: file:witness
state: file:state
sites:
  east: {{platform: local, slots: 2, capacity: 1, python: {python}}}
  west: {{platform: local, slots: 2, capacity: 1, python: {python}}}
workloads:
  gpt:
    class: training
    job: {{command: [python, {program}], ranks: 2}}
    checkpoints: {{path: checkpoints/gpt, every: 3s}}
    rpo: 1h
replication: {{encrypt_to: [recovery, escrow]}}
"""
LOOPBACK_UP = "import fcntl,socket,struct;fcntl.ioctl(socket.socket(),0x8914,struct.pack('16sH22x',b'lo',0x41))"
NO_ROUTE = """\
import errno, pathlib, socket
assert len(pathlib.Path("/proc/net/route").read_text().splitlines()) == 1
with socket.socket() as s:
    assert s.connect_ex(("192.0.2.1", 443)) == errno.ENETUNREACH
assert not pathlib.Path({checkout!r}, "drstack").exists()
"""


class Isolated:
    """Runs commands in namespaces of their own: only loopback, and neither checkout nor caches."""

    def __init__(self, folder: Path, leash: Path) -> None:
        (folder / "home").mkdir()
        self.told = ""
        """What the last command wrote to stderr."""
        self._environ = {
            "PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(folder / "home"),
            "DRSTACK_LEASH": str(leash),
        }
        self._python = f"{sys.base_prefix}/bin/python3"
        self._unshare = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        try:
            self.run(self._python, "-c", NO_ROUTE.format(checkout=str(CHECKOUT)))
        except (FileNotFoundError, AssertionError) as error:
            not_run(f"network and mount namespaces: {error}")

    def run(self, *command: str | Path, code: int = 0) -> str:
        """What it printed."""
        hidden = [f"mount -t tmpfs tmpfs {shlex.quote(str(path))}" for path in (CHECKOUT, cache_folder().parent)]
        steps = [*hidden, f"{self._python} -c {shlex.quote(LOOPBACK_UP)}", 'exec "$@"']
        done = subprocess.run(
            [*self._unshare, "sh", "-c", " && ".join(steps), "sh", *map(str, command)],
            env=self._environ, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        self.told = done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    training = tmp_path / "training"
    venv.create(training, symlinks=True)
    program = shutil.copy(COUNTER, training)
    operator = tmp_path / "operator"
    venv.create(operator, symlinks=True)
    [packages] = operator.glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    made.declare(ENVIRONMENT.format(python=training / "bin" / "python", program=program))
    try:
        yield made
    finally:
        made.close()


def drstack(project, *arguments, code=0):
    """By an operator whose Python environment is not there any more when the disaster comes."""
    operator = project.folder.parent / "operator"
    environ = {**project.environ(), "VIRTUAL_ENV": str(operator)}
    done = subprocess.run(
        [operator / "bin" / "python", "-m", "drstack", *arguments], cwd=project.folder, env=environ,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{arguments} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout if code == 0 else done.stderr


def keys(project):
    return Keyring(project.root / "keys" / "local")


def attested(project):
    """Whether the standby holds a recovery point with its own receipt."""
    store = project.site("west").store
    return (
        any((store / "receipts" / "gpt").glob("*/decoded/west/*")) if (store / "receipts" / "gpt").is_dir() else False
    )


def events(project, site):
    return [json.loads(line) for line in project.site(site).metrics("gpt").read_text().splitlines()]


def test_a_standby_is_promoted_from_the_kit_alone(project, tmp_path):
    isolated = Isolated(tmp_path, tmp_path / "leash")
    drstack(project, "up", "local", "--yes")
    told = json.loads(drstack(project, "kit", "local", "--json"))
    kit = Path(told["path"])
    assert kit == project.site("west").path / "kit" / "1"
    assert drstack(project, "kit", "--check", str(kit.parent)).startswith(f"{kit}: whole")
    assert "ready/drstack promote local --to west\n" in (kit / "RUNBOOK.md").read_text()
    secrets = [
        (project.root / "passphrase").read_bytes().strip(),
        *(each.encode() for each in private_parts(keys(project))),
    ]
    assert len(secrets) == 1 + 11
    held = [path for path in kit.rglob("*") if path.is_file() and any(each in path.read_bytes() for each in secrets)]
    assert held == []
    assert told["keys"]["included"] is True
    assert (kit / "keys" / "trust.json").read_bytes() == (project.root / "keys" / "local" / "trust.json").read_bytes()

    ring = keys(project)
    ring.replace(ring.trust.model_copy(update={"repositories": ring.trust.repositories[::-1]}))
    assert "the trust file changed since" in drstack(project, "kit", "--check", str(kit.parent), code=37)
    ring.replace(ring.trust.model_copy(update={"repositories": ring.trust.repositories[::-1]}))

    for path in (*(kit / "engine").iterdir(), *(kit / "project" / "provider").iterdir()):
        path.chmod(0o644)  # an object store keeps no run bits

    assert Deadline(90).until(lambda: attested(project), 0.2)
    processes.end(project.site("east"), deadline_s=10)
    project.site("east").path.rename(tmp_path / "lost")
    assert project.site("west").interpreter.read_text() == f"{tmp_path}/operator/bin/python\n"
    shutil.rmtree(tmp_path / "operator")
    (project.root / "keys").rename(tmp_path / "safe")  # the operator's machine is gone too, and so are both recipients

    command = shlex.split(isolated.run("python3", kit / "start.py").splitlines()[-1])
    assert command == [str(kit / "ready" / "drstack"), "promote", "local", "--to", "west"]
    before = len(project.witness.assignments())
    isolated.run(*command, "--json", code=56)
    assert f"{kit}/ready/keys has no key that may sign a promotion to west" in isolated.told
    assert "next: Copy promoter.key there." in isolated.told
    assert len(project.witness.assignments()) == before
    shutil.copy2(tmp_path / "safe" / "local" / "promoter.key", kit / "ready" / "keys")
    end = json.loads(isolated.run(*command, "--json"))
    assert end["result"] == "promoted"
    assert "local.west: " in isolated.told
    assert "NOT reconciled" not in isolated.told
    assert project.witness.current().writer("gpt") == "west"
    [start] = [event for event in events(project, "west") if event["event"] == "start" and event["resumed_step"]]
    assert start["by"] == str(tmp_path / "training" / "bin" / "python")
    assert start["resumed_step"] == end["workloads"][0]["step"]
    assert Deadline(60).until(lambda: events(project, "west")[-1]["step"] > start["resumed_step"] + 10, 0.2)
    assert project.site("west").interpreter.read_text().startswith(f"{kit}/ready/venv/")
    assert shelf.numbers(kit.parent) == (1,)
    assert json.loads(isolated.run(*command, "--json"))["already"]
    assert isolated.run("python3", kit / "start.py").splitlines()[-1] == shlex.join(command)


def test_a_standby_is_promoted_from_the_kit_alone_while_the_witness_is_away_too(project, tmp_path):
    isolated = Isolated(tmp_path, tmp_path / "leash")
    drstack(project, "up", "local", "--yes")
    kit = Path(json.loads(drstack(project, "kit", "local", "--no-engine", "--json"))["path"])
    assert Deadline(90).until(lambda: attested(project), 0.2)
    processes.end(project.site("east"), deadline_s=10)
    shutil.rmtree(tmp_path / "operator")
    (project.root / "keys").rename(tmp_path / "safe")
    witness = (project.root / "witness").rename(tmp_path / "away")
    shutil.rmtree(project.root / "seen", ignore_errors=True)

    command = shlex.split(isolated.run("python3", kit / "start.py").splitlines()[-1])
    shutil.copy2(tmp_path / "safe" / "local" / "promoter.key", kit / "ready" / "keys")
    isolated.run(*command, code=22)
    without = [*command, "--without-witness", "--reason", "its account is closed", "--json"]
    isolated.run(*without, code=21)
    assert "--without-witness --kit PATH" in isolated.told
    end = json.loads(isolated.run(*without, "--kit", kit.parent))
    assert (end["result"], [each["grade"] for each in end["fences"]]) == ("promoted", ["proven"])
    [start] = [event for event in events(project, "west") if event["event"] == "start" and event["resumed_step"]]
    assert start["resumed_step"] == end["workloads"][0]["step"]
    assert Deadline(60).until(lambda: events(project, "west")[-1]["step"] > start["resumed_step"] + 10, 0.2)

    witness.rename(project.root / "witness")
    isolated.run(command[0], "witness", "repair", "local", "--reason", "it is open again")
    assert project.witness.current().writer("gpt") == "west"
    assert json.loads(isolated.run(*command, "--json"))["already"]
