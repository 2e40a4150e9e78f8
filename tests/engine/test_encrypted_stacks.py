"""An encrypted environment on the real engine: made, used, its keys rotated, its disaster survived, and no secret told."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.platforms.local import processes
from drstack.platforms.local.waiting import Deadline
from drstack.provider.repositories import open_with
from replicator.crypto.keyring import Keyring
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, TIMEOUT_S, local_project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
TOLD = ENVIRONMENT.replace(str(SLEEPER), str(COUNTER)).replace("rpo: 30s", "rpo: 1h") + (
    "replication: {encrypt_to: [recovery, escrow], prove: {every: 1s, steps: 2, timeout: 60s}}\n"
)
LONG_S = 90


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path, TOLD) as made:
        yield made


def ring(project) -> Keyring:
    return Keyring(project.root / "keys" / "local")


def repository(project, site):
    return open_with((project.site(site).store).as_uri(), ring(project))


def signers(project, site) -> dict[str, set[str]]:
    """Who signed each kind of record in a site's repository."""
    there = repository(project, site)
    log = there.log("gpt")
    log.view()
    found: dict[str, set[str]] = {}
    for record in log._slots.read():
        found.setdefault(record.kind, set()).add(record.signer)
    for key in there.store.list("receipts"):
        _, workload, slot, level, verifier, _ = key.split("/")
        for record in there.receipts._log(workload, int(slot), level, verifier).read():
            found.setdefault(level, set()).add(record.signer)
    return found


def secrets_of(project) -> dict[str, list[bytes]]:
    found = {}
    for path in (project.root / "keys").rglob("*.key"):
        text = json.loads(path.read_text())["secret"]
        found[path.name] = [text.encode(), base64.b64decode(text), base64.b64decode(text).hex().encode()]
    return found


def told_where(project, secrets) -> list[str]:
    """Every file but the keys' own, and every process of the sites, that holds a secret."""
    found = []
    for folder in (project.root, project.folder):
        for path in (Path(where, name) for where, _, names in os.walk(folder) for name in names):
            if path.suffix != ".key" and path.parent.name != "sheets":
                try:
                    body = path.read_bytes()
                except OSError:  # a file on its way, or a socket
                    continue
                found += [f"{path}: {name}" for name, forms in secrets.items() if any(form in body for form in forms)]
    for site in ("east", "west"):
        for pid in project.running(site):
            body = b"".join(Path(f"/proc/{pid}/{what}").read_bytes() for what in ("cmdline", "environ"))
            found += [f"{pid}: {name}" for name, forms in secrets.items() if any(form in body for form in forms)]
    return found


def status(project):
    return json.loads(project.drstack("status", "local", "--json"))


def newest_term(project, site) -> int:
    return max((key.term for key in repository(project, site).log("gpt").view().accepted), default=0)


def test_an_environment_is_made_with_keys_and_goes_through_a_rotation_and_a_disaster_with_them(project, tmp_path):
    project.init("local")
    refused = project.up("local", succeeds=False)
    assert f"{project.root}/keys/local holds no trust.json" in refused
    assert "drstack keys make local" in refused
    project.drstack("keys", "make", "local")
    before = {path: path.read_bytes() for path in (project.root / "keys").rglob("*") if path.is_file()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in before if path.name != "trust.json")
    assert "nothing was made" in project.drstack("keys", "make", "local")
    assert {path: path.read_bytes() for path in (project.root / "keys").rglob("*") if path.is_file()} == before
    project.up("local")
    assert {path.name for path in project.site("west").keys.iterdir() if path.is_file()} == {
        "trust.json", "writer@west.key", "keeper@west.key", "verifier@west.key", "reader@west.key",
    }  # fmt: skip

    def proved():
        return "proved" in signers(project, "west")

    assert Deadline(LONG_S).until(proved, 0.5), signers(project, "west")
    assert signers(project, "west") | {"pin": 0, "unpin": 0} == {
        "open": {"promoter"}, "commit": {"writer@east"}, "stored": {"verifier@west"}, "decoded": {"verifier@west"},
        "proved": {"verifier@west"}, "pin": 0, "unpin": 0,
    }  # fmt: skip
    assert "+-" not in project.up("local")

    protection = status(project)["protection"]
    assert (protection["suite"], protection["ready"]) == ("drstack-hybrid-1", False)
    shown = project.drstack("status", "local")
    assert "NOT READY" in shown
    command = shlex.split(protection["command"])
    subprocess.run(
        [sys.executable, "-m", *command], cwd=project.folder, env=project.environ(), check=True, timeout=TIMEOUT_S
    )
    assert status(project)["protection"]["restored_by"] == ["recovery"]

    told = json.loads(project.drstack("keys", "rotate", "local", "east", "--reason", "stolen", "--json"))
    assert (told["assignment"], told["left"]) == (2, [])
    assert "writer@east" in told["revoked"]
    assert Deadline(LONG_S).until(lambda: newest_term(project, "west") == 2, 0.5), "training goes on under the new keys"
    assert signers(project, "west")["commit"] == {"writer@east", "writer@east.2"}
    assert {path.name for path in project.site("east").keys.glob("*.key")} == {
        f"{role}@east.2.key" for role in ("writer", "keeper", "verifier", "reader")
    }
    assert Deadline(LONG_S).until(lambda: attested(project, 2), 0.5)
    assert told_where(project, secrets_of(project)) == []

    processes.end(project.site("east"), deadline_s=10)
    project.site("east").path.rename(tmp_path / "lost")
    for name in ("recovery", "escrow"):  # both are in their safes
        shutil.move(project.root / "keys" / "local" / f"{name}.key", tmp_path / f"{name}.key")
    end = json.loads(project.drstack("promote", "local", "--to", "west", "--yes", "--json"))
    assert end["result"] == "promoted"
    assert project.witness.current().workloads["gpt"].keys == (
        "keeper@east.2", "keeper@west", "verifier@east.2", "verifier@west", "writer@west",
    )  # fmt: skip
    assert Deadline(LONG_S).until(lambda: newest_term(project, "west") == 3, 0.5)
    assert told_where(project, secrets_of(project)) == []


def attested(project, term) -> bool:
    """Whether something of the term is a recovery point at the standby."""
    there = repository(project, "west")
    return any(
        each.what.term == term and all(there.receipts.levels("gpt", each.slot, ("stored", "decoded")).values())
        for each in there.log("gpt").view().in_order()
    )
