"""Drills of an environment that trains, with the real engine: passed, killed at any moment, and cut by a real promotion."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import time

import pytest

from drstack.drills.parts import practised
from drstack.platforms.local.guests import HOST, marked
from drstack.platforms.local.waiting import Deadline
from drstack.provider.reach import open_witness
from drstack.recovery.steps import promotion_steps
from replicator.crypto.keyring import Keyring
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore
from tests.engine.killing import of
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, WAIT_S, local_project
from tools.cases import at_length

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
DECLARED = ENVIRONMENT.replace(str(SLEEPER), str(COUNTER)).replace("rpo: 30s", "rpo: 1h") + (
    "replication: {encrypt_to: [recovery, escrow]}\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with local_project(tmp_path_factory.mktemp("drill"), DECLARED) as made:
        made.drstack("keys", "make", "local")
        for site in ("local.west", "local.east"):
            made.init(site)
            made.up(site)
        assert made.has_recovery_point()
        yield made


def west_log(project):
    """What the log in west says, to who has the trust file alone."""
    keys = Keyring(project.root / "keys" / "local")
    memory = project.folder / "seen"
    return Repository("west", LocalStore(project.site("west").store), keys=keys, memory=memory).log("gpt").view()


def drills(project):
    return project.witness.drills().all()


def folder(project):
    return next(iter(sorted((project.root / "drills").glob("local--drill-*"))), None)


def guests(project):
    return marked(HOST, project.site("west").path)


@contextlib.contextmanager
def drilling(project):
    """A drill that runs; whoever leaves the block ends its operator."""
    with project.operator("drill", "local", "--json") as process:
        yield process


def until(process, holds, what):
    ends = time.monotonic() + WAIT_S
    while not holds():
        assert process.poll() is None, f"the drill ended before {what}: {process.stderr.read()}"
        assert time.monotonic() < ends, f"{what} did not come about"
        time.sleep(0.02)


def began(count, project):
    return lambda: len(drills(project)) > count


def playing(project, step, kind="intent"):
    """Whether the drill's own journal has that record of a step."""

    def holds():
        found = folder(project)
        if found is None or not (found / "witness").exists():
            return False
        witness = open_witness((found / "witness").as_uri(), found.name)
        journals = witness.journals(1) if witness.assignments() else []
        return any((r.kind, r.body.get("step", "")) == (kind, step) for j in journals for r in j.records())

    return holds


def fingerprint(project):
    """Digest of every file of the real environment that nothing but an operation or an operator changes."""
    kept = [
        project.root / "witness" / "local" / name
        for name in ("format.json", "assignments", "descriptors", "operations")
    ]
    for site in ("east", "west"):
        here = project.site(site)
        kept += [here.pool, here.keys, here.record, here.run / "programs", here.replicator_config]
    kept += [project.site("west").path / "checkpoints", project.root / "keys", project.root / "state"]
    files = [
        path for each in kept for path in ([each] if each.is_file() else sorted(each.rglob("*"))) if path.is_file()
    ]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(".lock") and "seen" not in path.parts
    }


def store(project, site):
    found = LocalStore(project.site(site).store)
    return {
        key: hashlib.sha256(found.get(key)).hexdigest()
        for prefix in ("log", "packs", "manifests")
        for key in found.list(prefix)
    }


def test_a_full_drill_passes_and_changes_nothing_but_its_record_and_its_pins(project):
    before, stored, seen = fingerprint(project), {s: store(project, s) for s in ("east", "west")}, project.job("east")

    told = json.loads(project.drstack("drill", "local", "--json"))

    assert told["result"] == "passed", told["findings"]
    assert (told["lost"], told["site"], told["workloads"]) == ("east", "west", ["gpt"])
    assert told["confined"] is True
    (measured,) = told["objectives"]
    assert measured["rpo_met"]
    assert measured["rto_met"]
    assert measured["step"] > 0
    assert [each["id"] for each in told["steps"]] == STEPS
    assert all(each["failure"] is None and each["took_s"] >= 0 for each in told["steps"])

    assert fingerprint(project) == before
    for site, then in stored.items():
        now = store(project, site)
        assert {key: now.get(key) for key in then if key.startswith("log/")} == {
            k: v for k, v in then.items() if k.startswith("log/")
        }
    after = project.job("east")
    assert after.running
    assert after.generation == seen.generation
    assert after.step > seen.step
    assert folder(project) is None
    assert not guests(project)
    assert not [name for name in west_log(project).pins if "drill" in name]
    (record,) = drills(project)
    assert record.result == "passed"
    assert record.ended["report"].startswith(f"# Drill {record.id} of local: passed")
    assert project.drstack("drill", "local", "--show", record.id) == record.ended["report"]


MOMENTS = {
    "its record is written": lambda project, count: began(count, project),
    "its site is made": lambda project, _: lambda: any((project.root / "drills").glob("*/sites/west/run/socket")),
    "its job is started": lambda project, _: playing(project, "start gpt"),
}  # fmt: skip


STEPS = [step.id for step in practised(promotion_steps("west", [of("gpt")], ["east"], {}, alone=False), None)]
POINTS = [("plan", ""), *((kind, step) for step in STEPS for kind in ("intent", "outcome"))]
random.Random(6).shuffle(POINTS)


def left_nothing(project, before):
    """The operator is gone: so is all that ran, and one command removes the rest of it."""
    assert Deadline(WAIT_S).until(lambda: not guests(project), 0.1), guests(project)
    assert Deadline(WAIT_S).until(lambda: folder(project) is None, 0.1), "its folder stays"

    removed = json.loads(project.drstack("drill", "local", "--clean-up", "--json"))

    last = drills(project)[-1]
    assert removed["record"] == last.id
    assert last.result == "killed"
    assert removed["kept"] == []
    assert folder(project) is None
    assert not [pin for pin in removed["pins"] if last.id not in pin]
    view = west_log(project)
    assert not [name for name in view.pins if "drill" in name]
    assert fingerprint(project) == before
    assert project.job("east").running


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_operator_who_is_killed_leaves_nothing_that_runs_and_the_rest_is_removed(project, moment):
    count, before = len(drills(project)), fingerprint(project)
    with drilling(project) as process:
        until(process, MOMENTS[moment](project, count), moment)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    left_nothing(project, before)


@pytest.mark.faults("killed drills", 1, len(POINTS))
@pytest.mark.timeout(7200 if at_length() else 600)
def test_an_operator_who_is_killed_after_any_record_of_the_play_leaves_nothing(project, cases):
    for seed in cases.seeds():
        kind, step = POINTS[seed]
        before = fingerprint(project)
        with drilling(project) as process:
            until(process, playing(project, step, kind), f"{kind} {step}")
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        left_nothing(project, before)


def test_a_real_promotion_takes_what_a_drill_uses_though_all_of_the_drill_hangs(project):
    with drilling(project) as process:
        until(process, playing(project, "capacity west"), "the drill's capacity")
        for pid in (process.pid, *guests(project)):
            os.kill(pid, signal.SIGSTOP)
        assert guests(project)

        end = json.loads(project.drstack("promote", "local", "--to", "west", "--yes", "--no-reconcile", "--json"))

        assert end["result"] == "promoted"
        assert not guests(project)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 86, err
    assert json.loads(out)["result"] == "gave way"
    assert folder(project) is None
    assert project.witness.current().writer("gpt") == "west"
    west = project.job("west")
    assert west.running
    assert west.resumed_step == end["workloads"][0]["step"]
