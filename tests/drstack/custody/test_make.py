"""An environment's keys: made once, whole or not at all, and never for an environment whose keys are only not at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drstack.custody.make import ensure_keys, told, wanted_keys
from drstack.custody.ring import listed, open_keys, private_parts
from drstack.spec.keys import FOLDER, keys_folder, reads, site_of
from replicator.crypto.keyring import Keyring
from replicator.crypto.trust import read_trust
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError, Untrusted
from replicator.repository.custody import recover_key
from tests.drstack.spec.declared import LOCAL, parsed

ENCRYPTED = LOCAL + "replication: {encrypt_to: [recovery@acme, escrow]}\n"
SITE_KEYS = {f"{role}@{site}" for site in ("east", "west") for role in ("writer", "keeper", "verifier", "reader")}


@pytest.fixture(autouse=True)
def _no_folder_named(monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)


def make(root, text=ENCRYPTED, *, stands=False, how=None):
    return ensure_keys(parsed(text), root, stands=lambda: stands, how=how)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_keys_of_every_role_are_made_once_for_their_owner_alone(tmp_path):
    made = make(tmp_path)
    assert made.folder == tmp_path / "keys" / "demo"
    assert set(made.names) == {"promoter", "recovery@acme", "escrow"} | SITE_KEYS
    assert {path.name for path in made.folder.glob("*.key")} == {"promoter.key", "recovery@acme.key", "escrow.key"}
    assert {f"{key.name}" for key in read_trust(made.folder).keys} == set(made.names)
    for path in made.folder.rglob("*"):
        if path.is_file() and path.name != "trust.json":
            assert path.stat().st_mode & 0o077 == 0, path
    before = files(made.folder)
    again = make(tmp_path)
    assert again.names == ()
    assert told(again) == []
    assert files(made.folder) == before
    assert len(private_parts(open_keys(parsed(ENCRYPTED), tmp_path))) == len(made.names)
    assert [each.url for each in read_trust(made.folder).repositories] == [
        (tmp_path / "sites" / "demo" / site / "store").as_uri() for site in ("east", "west")
    ]


def test_a_sheet_brings_its_recipient_back(tmp_path):
    made = make(tmp_path)
    sheet = (made.sheets / "recovery@acme.txt").read_text()
    (made.folder / "recovery@acme.key").unlink()
    lines = [line.split(maxsplit=1)[1] for line in sheet.splitlines() if line.strip()[:1] in set("1234")]
    recover_key(Keyring(made.folder), "recovery@acme", lines)
    assert Keyring(made.folder).seed("recovery@acme")


def test_a_plain_environment_gets_none(tmp_path):
    assert make(tmp_path, LOCAL) is None
    assert make(tmp_path, LOCAL + "replication: {crypto: none}\n") is None
    assert open_keys(parsed(LOCAL), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_make_one_family(tmp_path):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: make(tmp_path), range(6)))
    assert sum(bool(each.names) for each in results) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["demo"]


def test_killed_while_it_makes_them_it_makes_them_whole_the_next_time(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "import drstack.custody.make as m\n"
        "m.write_sheets = lambda *_: os._exit(9)\n"
        "from tests.drstack.custody.test_make import make\n"
        "make(Path(sys.argv[1]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[3], check=False)
    assert killed.returncode == 9
    assert not (tmp_path / "keys" / "demo").exists()
    made = make(tmp_path)
    assert {path.name for path in made.sheets.glob("*.txt")} == {"recovery@acme.txt", "escrow.txt"}


def test_none_are_made_for_an_environment_that_stands(tmp_path):
    with pytest.raises(KeyAbsent, match="stands already") as told_:
        make(tmp_path, stands=True)
    assert "promoter.key" in told_.value.hint
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyAbsent, match=r"holds no trust\.json") as told_:
        open_keys(parsed(ENCRYPTED), tmp_path)
    assert "drstack keys make demo" in told_.value.hint


def test_a_site_that_is_declared_later_gets_keys_and_the_others_keep_theirs(tmp_path):
    folder = make(tmp_path).folder
    before = files(folder)
    more = ENCRYPTED.replace("  west:", "  north: {platform: local}\n  west:")
    made = make(tmp_path, more)
    assert set(made.names) == {f"{role}@north" for role in ("writer", "keeper", "verifier", "reader")}
    after = files(folder)
    assert {path: after[path] for path in before if path.name != "trust.json"} == {
        path: body for path, body in before.items() if path.name != "trust.json"
    }
    assert make(tmp_path, more).names == ()


def test_what_is_there_and_cannot_be_used_is_named_with_its_remedy(tmp_path):
    folder = make(tmp_path).folder
    with pytest.raises(KeyAbsent, match="encrypt_to names lawyer") as missing:
        make(tmp_path, ENCRYPTED.replace("escrow", "lawyer"))
    assert f"replicator keys add-recipient lawyer --keys {folder}" in missing.value.hint
    (folder / "promoter.key").chmod(0o644)
    with pytest.raises(KeyLocked, match="can be read by others"):
        make(tmp_path)
    (folder / "promoter.key").chmod(0o600)
    (folder / "promoter.key").write_text("{}")
    with pytest.raises(KeyLocked, match=r"promoter\.key: "):
        make(tmp_path)
    (folder / "trust.json").write_text("garbage")
    with pytest.raises(Untrusted, match=r"trust\.json"):
        make(tmp_path)


def test_a_folder_of_another_family_is_not_taken_for_the_environments(tmp_path, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "replicator", "init", "--repo", str(tmp_path / "alone"), "--keys", str(tmp_path / "k")],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv(FOLDER, str(tmp_path / "k"))
    with pytest.raises(KeyAbsent, match="encrypt_to names recovery@acme"):
        make(tmp_path)
    with pytest.raises(KeyAbsent, match="knows no key of any site"):
        make(tmp_path, ENCRYPTED.replace("recovery@acme", "operator"))
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    assert make(tmp_path).folder == tmp_path / "own"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    monkeypatch.setenv(FOLDER, str(tmp_path / "full"))
    with pytest.raises(ReplicatorError, match="holds files"):
        make(tmp_path)


def test_a_protected_recipients_key_opens_with_its_passphrase_only(tmp_path):
    folder = make(tmp_path, how=b"correct horse").folder
    kinds = {path.stem: json.loads(path.read_text())["protection"]["kind"] for path in folder.rglob("*.key")}
    assert {name for name, kind in kinds.items() if kind == "scrypt"} == {"recovery@acme", "escrow"}


def test_a_site_reads_only_where_something_makes_it():
    assert reads(parsed(ENCRYPTED), "west")
    bare = LOCAL + "replication: {encrypt_to: [a, b], receipts: {training: [stored]}}\n"
    assert not reads(parsed(bare), "west")
    assert not [each for each in wanted_keys(parsed(bare)) if each.name.startswith("reader")]
    proving = bare.replace("receipts", "prove: {every: 10m}, receipts")
    assert reads(parsed(proving), "west")


def test_an_assignment_lists_who_writes_and_every_keeper_and_verifier(tmp_path):
    make(tmp_path)
    trust = open_keys(parsed(ENCRYPTED), tmp_path).trust
    assert listed(trust, "east") == ("keeper@east", "keeper@west", "verifier@east", "verifier@west", "writer@east")
    assert site_of("recovery@acme") is None
    assert site_of("writer@east.12") == "east"
    assert keys_folder(parsed(ENCRYPTED), Path("/r"), {FOLDER: "/k"}) == Path("/k")
