"""Readiness of real local sites: what is broken shows as its finding, and goes once its remedy was carried out.

The service looks all the while, and is still there at the end.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from drstack.provider.repositories import keys_at, open_with
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, Project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]").replace("rpo: 30s", "rpo: 1h") + (
    "replication: {encrypt_to: [recovery, escrow], prove: {every: 1s, steps: 2, timeout: 60s}}\n"
    "approvals: {fence: {of: [ann], at_least: 1}}\n"
)
LONG_S = 120


class Watched:
    """An environment whose readiness the service judges every second."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.log = project.folder / "serve.log"
        command = [sys.executable, "-m", "drstack", "serve", "local", "--every", "1", "--listen", "127.0.0.1:0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=project.folder, env=project.environ(), stdin=subprocess.DEVNULL, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        assert Deadline(LONG_S).until(lambda: b"listening on port" in self.log.read_bytes(), 0.1)
        self.port = int(re.search(r"listening on port (\d+)", self.log.read_text())[1])

    def ask(self, path: str) -> str:
        assert self.process.poll() is None, self.log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def found(self) -> dict[str, dict]:
        try:
            return {each["id"]: each for each in json.loads(self.ask("/readiness.json"))["findings"]}
        except urllib.error.HTTPError:  # nothing was judged yet
            return {}

    def shows(self, id_: str) -> dict:
        assert Deadline(LONG_S).until(lambda: id_ in self.found(), 0.2), f"{id_} was not found: {sorted(self.found())}"
        return self.found().get(id_) or self.shows(id_)

    def is_rid_of(self, *ids: str) -> None:
        self.looked_anew()
        assert Deadline(LONG_S).until(lambda: not set(ids) & set(self.found()), 0.2), [self.found().get(i) for i in ids]

    def looked_anew(self) -> None:
        """Until a judgement that began after now."""
        before = self.count()
        assert Deadline(LONG_S).until(lambda: self.count() >= before + 2, 0.1)

    def count(self) -> float:
        told = re.search(r"^drstack_judgements_total\{[^}]*\} (\S+)$", self.ask("/metrics"), re.MULTILINE)
        return float(told[1]) if told else 0.0

    def carry_out(self, remedy: str, **instead: str) -> None:
        """Run the first command of a remedy, as it is printed."""
        for word, by in instead.items():
            remedy = remedy.replace(word, by)
        verb, *arguments = shlex.split(re.split(r", and | \(|, once ", remedy)[0])
        done = self.drstack(*arguments, verb=verb)
        assert done.returncode == 0, f"{remedy}: {done.returncode}\n{done.stdout}\n{done.stderr}"

    def drstack(self, *arguments: str, verb: str = "drstack") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", verb, *arguments], cwd=self.project.folder, env=self.project.environ(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def watched(tmp_path):
    project = Project(tmp_path)
    project.declare(DECLARED)
    made = None
    try:
        made = Watched(project)
        yield made
    finally:
        if made is not None and made.process.poll() is None:
            made.process.kill()
            made.process.wait(30)
        project.close()


def test_what_is_broken_shows_and_goes_with_its_remedy(watched):
    begins(watched)
    practises(watched)
    loses_parts_of_the_standby(watched)
    loses_keys_and_stores(watched)
    assert json.loads(watched.ask("/readyz"))["ready"]
    assert watched.end() == 0
    events = [json.loads(line) for line in watched.log.read_text().splitlines() if line.startswith("{")]
    assert events[-1]["event"] == "ended"
    assert not [each for each in events if each["event"] == "could not look"], "something was not foreseen"


def begins(watched):
    """From nothing to a recovery point."""
    assert "drstack keys make local" in watched.shows("keys-unusable")["remedy"]
    watched.project.drstack("keys", "make", "local")
    watched.shows("witness-unreachable")
    refused = watched.drstack("status", "local", "--require-ready", "1")
    assert refused.returncode == 84
    assert "Readiness 0 of 100: NOT READY" in refused.stdout
    assert "1 was asked for: witness file:" in refused.stderr
    watched.project.drstack("up", "local", "--yes")
    watched.is_rid_of("witness-unreachable", "descriptor-absent", "recovery-point-none")
    watched.carry_out(watched.shows("approvers-lacking")["remedy"])
    watched.is_rid_of("approvers-lacking")


def practises(watched):
    """What was never tried is, and an operator takes a break meanwhile."""
    project = watched.project
    for id_ in ("recipient-untried", "drill-never"):
        watched.carry_out(watched.shows(id_)["remedy"])
    watched.is_rid_of("recipient-untried", "drill-never")
    assert "never shown" in watched.shows("capacity-unproved")["what"]
    assert watched.shows("never-timed")["evidence"]["certainty"] == "supposed"
    watched.carry_out(watched.found()["never-timed"]["remedy"])
    watched.is_rid_of("capacity-unproved", "never-timed")
    assert re.search(r"back in [\d.]+ (± [\d.]+ )?s at west", project.drstack("status", "local"))
    project.died_after("capacity west", "switchover", "local", "--to", "west", "--yes")
    watched.shows("operation-unfinished")
    project.drstack("pause", "local", "--reason", "a look first")
    assert "a look first" in watched.shows("operation-paused")["what"]
    watched.carry_out(watched.found()["operation-paused"]["remedy"])
    watched.is_rid_of("operation-paused", "operation-unfinished")
    assert project.witness.current().writer("gpt") == "west", "from here on east stands by"


def loses_parts_of_the_standby(watched):
    east = watched.project.site("east")
    Supervisor(east).stop("replicator")
    Supervisor(east).stop("slot-0")
    for id_ in ("capacity-down", "site-drift", "replicator-down"):
        watched.shows(id_)
    os.kill(Supervisor(east).pid(), signal.SIGKILL)
    watched.carry_out(watched.shows("site-unreachable")["remedy"])
    watched.is_rid_of("site-unreachable", "replicator-down", "capacity-down", "site-drift")


def loses_keys_and_stores(watched):
    project, east = watched.project, watched.project.site("east")
    keys = project.root / "keys" / "local"
    taken = [keys / "recovery.key", keys / "escrow.key", east.keys / "reader@east.key", keys / "promoter.key"]
    for key in taken:
        key.rename(key.with_suffix(".gone"))
    watched.shows("recipient-absent")
    assert "copy promoter.key" in watched.shows("promoter-absent")["remedy"]
    for key in taken:
        key.with_suffix(".gone").rename(key)
    watched.is_rid_of("recipient-absent", "promoter-absent")

    for id_, folder in {"repository-unreachable": east.store, "witness-unreachable": project.root / "witness"}.items():
        folder.rename(folder.with_name("aside"))
        watched.shows(id_)
        folder.with_name("aside").rename(folder)
        watched.is_rid_of(id_)

    replicators = [Supervisor(project.site(name)) for name in ("west", "east")]
    for each in replicators:  # the writer's too, or it writes on where the log is cut off
        each.stop("replicator")
        assert each.stopped("replicator", within_s=30)
    cut_from = anchored_slot(project)
    gone = {slot: slot.read_bytes() for slot in sorted((east.store / "log" / "gpt").iterdir())[cut_from - 1 :]}
    for slot in gone:
        slot.unlink()
    assert "replicator repair --repo" in watched.shows("rolled-back")["remedy"]
    for slot, body in gone.items():  # as a copy of the repository would give them back
        slot.write_bytes(body)
    watched.is_rid_of("rolled-back")
    for each in replicators:
        each.start("replicator")
    watched.is_rid_of("replicator-down")


def anchored_slot(project):
    """How far the east's log was told to the witness; nobody can miss what comes after it."""
    keys = keys_at(str(project.root / "keys" / "local"), "local")
    east = open_with(project.site("east").store.as_uri(), keys, "east")
    return project.witness.anchored(east, "gpt").anchor.slot
