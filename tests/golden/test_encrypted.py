"""An encrypted and signed repository of this format stays readable, by us and by another program."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replicator.crypto.keyring import Keyring
from replicator.log.entries import from_record, to_record
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.verify import check_decoded, check_stored
from replicator.stores.local import LocalStore
from tests.golden.make import source
from tests.replicator.repository.rig import contents

HERE = Path(__file__).parent


@pytest.fixture
def golden(tmp_path):
    shutil.copytree(HERE / "encrypted", tmp_path / "golden")
    for path in (tmp_path / "golden" / "keys").glob("*.key"):
        path.chmod(0o600)  # a checkout does not keep it
    return tmp_path / "golden"


def ours(golden: Path) -> Repository:
    return Repository(
        "west", LocalStore(golden / "repository"), keys=Keyring(golden / "keys"), memory=golden / "memory"
    )


def theirs(golden: Path, target: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(golden / "repository"), "gpt", str(target), *keys],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("recipient", ["operator", "escrow"])
def test_the_second_reader_restores_the_same_for_each_recipient(golden, tmp_path, recipient):
    done = theirs(golden, tmp_path / "second", str(golden / "keys"), recipient)
    assert done.stdout.strip() == "40", done.stderr
    repository = ours(golden)
    restore(repository, select(repository, "gpt", "latest"), tmp_path / "ours")
    assert contents(tmp_path / "second") == contents(tmp_path / "ours") == contents(source(tmp_path / "made", 40))


def test_the_golden_log_says_what_it_said_and_who_said_it(golden):
    repository = ours(golden)
    log = repository.log("gpt")
    view = log.view()
    assert [str(key) for key in sorted(view.accepted)] == ["1.1", "2.1", "2.2"]
    assert [str(key) for key in view.dropped] == ["1.2"]
    signers = [record.signer for record in log._slots.read()]
    assert signers == [
        "promoter", "writer", "writer", "promoter", "writer", "promoter", "promoter", "writer", "writer", "keeper",
    ]  # fmt: skip
    for accepted in view.in_order():
        assert check_stored(repository, accepted).ok
        assert check_decoded(repository, accepted).ok
        assert all(repository.receipts.levels("gpt", accepted.slot, ("stored", "decoded")).values())
    for record in log._slots.read():
        assert to_record(from_record(record, "log/gpt")) == (record.kind, record.body)


def test_encoded_anew_by_a_keeper_it_is_read_by_each_recipient_and_carries_its_writers_word(tmp_path):
    shutil.copytree(HERE / "compacted-encrypted", tmp_path / "golden")
    for path in (tmp_path / "golden" / "keys").glob("*.key"):
        path.chmod(0o600)
    for recipient in ("operator", "escrow"):
        done = theirs(tmp_path / "golden", tmp_path / recipient, str(tmp_path / "golden" / "keys"), recipient)
        assert done.stdout.strip() == "30", done.stderr
        assert contents(tmp_path / recipient) == contents(source(tmp_path / f"made-{recipient}", 30))
    repository = ours(tmp_path / "golden")
    view = repository.log("gpt").view()
    assert len(view.replaced) == 2
    assert all(check_decoded(repository, accepted).ok for accepted in view.in_order())
    assert {repository.notary.vouched(a.what, a.signatures, "here") for a in view.in_order()} == {"writer"}


def test_the_second_reader_is_small():
    assert len((HERE / "reader.py").read_text().splitlines()) < 400


def test_the_second_reader_wants_the_keys(golden, tmp_path):
    assert theirs(golden, tmp_path / "second").returncode != 0


@pytest.mark.parametrize("folder", ["packs", "manifests", "log", "keys"])
def test_the_second_reader_notices_a_changed_byte(golden, tmp_path, folder):
    for path in (golden / "repository" / folder).rglob("*"):
        if path.is_file():
            body = bytearray(path.read_bytes())
            body[len(body) // 2] ^= 1
            path.write_bytes(bytes(body))
    assert theirs(golden, tmp_path / "second", str(golden / "keys"), "operator").returncode != 0


def test_the_second_reader_notices_a_missing_signature_and_a_role(golden, tmp_path):
    path = golden / "repository" / "log" / "gpt" / f"{8:020d}"
    envelope = json.loads(path.read_bytes())
    path.write_text(json.dumps({**envelope, "signatures": envelope["signatures"][:1]}))
    assert theirs(golden, tmp_path / "second", str(golden / "keys"), "operator").returncode != 0
    path.write_text(json.dumps(envelope))
    trust = json.loads((golden / "keys" / "trust.json").read_text())
    for key in trust["keys"]:
        key["roles"] = ["keeper"] if key["name"] == "writer" else key["roles"]
    (golden / "keys" / "trust.json").write_text(json.dumps(trust))
    assert theirs(golden, tmp_path / "second", str(golden / "keys"), "operator").returncode != 0


def test_every_signed_payload_names_what_it_is_bound_to(golden):
    trust = json.loads((golden / "keys" / "trust.json").read_text())
    bound = {"suite": trust["suite"], "environment": "golden", "repository": trust["repositories"][0]["id"]}
    for path in (golden / "repository" / "log").rglob("0*"):
        payload = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
        assert {name: payload[name] for name in bound} == bound
