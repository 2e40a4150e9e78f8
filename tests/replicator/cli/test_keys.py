"""The command of a repository that is encrypted and signed, as its people use it, each on a machine of their own."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.replicator.cli.rig import Shell
from tests.replicator.repository.rig import contents

KEPT = os.urandom(500_000)


@pytest.fixture
def office(tmp_path):
    """Where the repository was made: all keys."""
    shell = Shell(tmp_path / "office")
    made = shell("init", "--repo", repo(tmp_path), "--json")
    assert made.returncode == 0, made.stderr
    assert made.document["suite"] == "drstack-hybrid-1"
    return shell


def repo(tmp_path) -> str:
    return (tmp_path / "repo").as_uri()


def machine(office: Shell, tmp_path, name: str, *keys: str) -> Shell:
    """Another machine, that was given the trust file and some keys."""
    shell = Shell(tmp_path / name)
    shell.keys.mkdir(parents=True, exist_ok=True)
    for file in ("trust.json", *(f"{key}.key" for key in keys)):
        shutil.copy2(office.keys / file, shell.keys / file)
    return shell


def checkpoint(tmp_path, step: int):
    folder = tmp_path / f"step-{step}"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(50_000))
    return folder


@pytest.mark.slow
def test_from_init_to_ready_each_with_the_keys_that_they_need(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    trainer = machine(office, tmp_path, "trainer", "writer")
    source = checkpoint(tmp_path, 7)
    pushed = trainer("push", source, *at, "--workload", "gpt", "--step", 7)
    assert pushed.returncode == 0, pushed.stderr
    assert "NOT encrypted" not in pushed.stderr
    refused = trainer("restore", "latest", *at, "--to", tmp_path / "no")
    assert refused.returncode == 56
    assert "private key of no recipient (operator, escrow)" in refused.stderr
    assert not (tmp_path / "no").exists()
    listed = trainer("list", *at, "--json")
    assert listed.document["restored_by"] == []
    assert "NOT READY" in listed.stderr
    safe = machine(office, tmp_path, "safe", "escrow")
    restored = safe("restore", "latest", *at, "--to", tmp_path / "back", "--json")
    assert restored.returncode == 0, restored.stderr
    assert restored.document["pinned"] is False
    assert contents(tmp_path / "back") == contents(source)
    listed = trainer("list", *at, "--json")
    assert listed.document["restored_by"] == ["escrow"]
    assert "NOT READY" not in listed.stderr
    nobody = Shell(tmp_path / "nobody")
    assert nobody("list", *at).returncode == 56


def test_init_puts_no_key_into_the_repository_and_a_second_time_changes_nothing(office, tmp_path):
    before = {path: path.read_bytes() for path in office.keys.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {
        "trust.json", "writer.key", "keeper.key", "verifier.key", "promoter.key", "operator.key", "escrow.key",
        "operator.txt", "operator.html", "escrow.txt", "escrow.html",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in before if path.name != "trust.json")
    again = office("init", "--repo", repo(tmp_path), "--json")
    assert again.returncode == 0
    assert {path: path.read_bytes() for path in office.keys.rglob("*") if path.is_file()} == before
    assert [path.name for path in (tmp_path / "repo").rglob("*") if path.is_file()] == ["format.json"]
    inside = Shell(tmp_path / "other")("init", "--repo", (tmp_path / "r2").as_uri(), "--keys", tmp_path / "r2" / "keys")
    assert inside.returncode == 40
    assert "lies in the repository" in inside.stderr
    assert not (tmp_path / "r2" / "keys").exists()


def test_init_of_somebody_elses_encrypted_repository_needs_its_keys(office, tmp_path):
    other = Shell(tmp_path / "other")
    done = other("init", "--repo", repo(tmp_path))
    assert done.returncode == 56
    assert not other.keys.exists()


def test_a_plain_repository_is_made_only_when_asked_for_and_says_so(tmp_path):
    shell = Shell(tmp_path / "home")
    done = shell("init", "--repo", repo(tmp_path), "--crypto", "none")
    assert done.returncode == 0
    assert "NOT encrypted and NOT signed" in done.stderr
    assert not shell.keys.exists()
    assert shell("init", "--repo", repo(tmp_path)).returncode == 0
    refused = shell("init", "--repo", repo(tmp_path), "--crypto", "drstack-hybrid-1")
    assert refused.returncode in (56, 58)


def test_with_keys_at_hand_a_repository_that_they_do_not_list_is_refused(office, tmp_path):
    plain = (tmp_path / "plain").as_uri()
    assert Shell(tmp_path / "other")("init", "--repo", plain, "--crypto", "none").returncode == 0
    refused = office("push", checkpoint(tmp_path, 7), "--repo", plain, "--workload", "gpt", "--step", 7)
    assert refused.returncode == 58
    assert "does not know repository" in refused.stderr
    assert office("init", "--repo", plain, "--crypto", "none").returncode == 0
    assert office("list", "--repo", plain, "--workload", "gpt").returncode == 0


@pytest.mark.slow
def test_a_watcher_ships_encrypted_and_goes_on_after_a_restart_without_a_second_keyframe(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    trainer = machine(office, tmp_path, "trainer", "writer")
    runs = tmp_path / "gpt"
    for step in (10, 20):
        folder = runs / f"step-{step}"
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(os.urandom(10_000))
        (folder / "frozen.bin").write_bytes(KEPT)
        watched = trainer("watch", runs, *at, "--once", "--quiet", "0", "--workload", "gpt", "--json")
        assert watched.returncode == 0, watched.stderr
    rows = office("list", *at, "--json").document["checkpoints"]
    assert [row["step"] for row in rows] == [20, 10]
    assert rows[0]["shipped_bytes"] < rows[1]["shipped_bytes"] / 10
    assert office("verify", *at).returncode == 0
    done = office("restore", "latest", *at, "--to", tmp_path / "back")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "back") == contents(runs / "step-20")


def test_a_recipient_that_is_added_reads_what_was_stored_before_and_nothing_is_rewritten(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    source = checkpoint(tmp_path, 7)
    assert office("push", source, *at, "--workload", "gpt", "--step", 7).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "repo").rglob("*") if path.is_file()}
    added = office("keys", "add-recipient", "board", "--json")
    assert added.returncode == 0, added.stderr
    assert added.document["repositories"][0]["wrapped"] == 1
    assert office("keys", "add-recipient", "board", "--json").document["repositories"][0]["already"] == 1
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "repo").rglob("*") if path.is_file()}
    assert before.items() <= after.items()
    assert [path.name for path in after if path not in before] == ["board"]
    board = machine(office, tmp_path, "board", "board")
    assert board("restore", "latest", *at, "--to", tmp_path / "back").returncode == 0
    assert contents(tmp_path / "back") == contents(source)


def test_the_sheet_alone_with_the_trust_file_brings_a_recipient_back(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    source = checkpoint(tmp_path, 7)
    office("push", source, *at, "--workload", "gpt", "--step", 7)
    sheet = (office.keys / "sheets" / "escrow.txt").read_text()
    assert office("keys", "sheet", "escrow").stdout == sheet
    lines = [line[8:] for line in sheet.splitlines() if line[:6].strip() in ("1", "2", "3", "4")]
    assert len(lines) == 4
    survivor = machine(office, tmp_path, "survivor")
    mistyped = [lines[0], lines[1], lines[2][:-1] + ("A" if lines[2][-1] != "A" else "B"), lines[3]]
    wrong = survivor("keys", "recover", "escrow", stdin="\n".join(mistyped) + "\n")
    assert wrong.returncode == 57
    assert "line 3" in wrong.stderr
    assert survivor("keys", "recover", "operator", stdin="\n".join(lines) + "\n").returncode == 57
    assert survivor("keys", "recover", "escrow", stdin="\n".join(lines) + "\n").returncode == 0
    assert survivor("restore", "latest", *at, "--to", tmp_path / "back").returncode == 0
    assert contents(tmp_path / "back") == contents(source)


def test_a_rotated_writer_goes_on_and_the_old_key_is_refused(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    trainer = machine(office, tmp_path, "trainer", "writer")
    assert trainer("push", checkpoint(tmp_path, 7), *at, "--workload", "gpt", "--step", 7).returncode == 0
    rotated = office("keys", "rotate", "writer", "--to", "writer-2", "--reason", "stolen laptop")
    assert rotated.returncode == 0, rotated.stderr
    assert "stolen laptop" in office("keys", "list").stdout
    new = machine(office, tmp_path, "new", "writer-2")
    assert new("push", checkpoint(tmp_path, 8), *at, "--workload", "gpt", "--step", 8).returncode == 0
    thief = trainer("push", checkpoint(tmp_path, 9), *at, "--workload", "gpt", "--step", 9)
    assert thief.returncode == 59
    told = machine(office, tmp_path, "told", "writer")
    assert told("push", checkpoint(tmp_path, 10), *at, "--workload", "gpt", "--step", 10).returncode == 56
    assert [row["step"] for row in office("list", *at, "--json").document["checkpoints"]] == [8, 7]


@pytest.mark.slow
def test_recipients_under_a_passphrase_ask_for_it_and_say_where_to_put_it(tmp_path):
    shell = Shell(tmp_path / "home")
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple\n")
    at = ("--repo", repo(tmp_path))
    assert shell("init", *at, "--protect", f"passphrase-file:{file}").returncode == 0
    assert shell("push", checkpoint(tmp_path, 7), *at, "--workload", "gpt", "--step", 7).returncode == 0
    refused = shell("restore", "latest", *at, "--to", tmp_path / "back")
    assert refused.returncode == 57
    assert "DRSTACK_PASSPHRASE_FILE" in refused.stderr
    env = {"DRSTACK_PASSPHRASE_FILE": str(file)}
    assert shell("restore", "latest", *at, "--to", tmp_path / "back", env=env).returncode == 0
    assert b"correct horse" not in b"".join(p.read_bytes() for p in shell.home.rglob("*") if p.is_file())
    assert shell("init", "--repo", "x", "--protect", "rot13", "--keys", tmp_path / "k").returncode == 57


def test_who_keeps_an_encrypted_repository_needs_no_key_that_reads_it(office, tmp_path):
    at = ("--repo", repo(tmp_path))
    for step in (7, 8):
        assert office("push", checkpoint(tmp_path, step), *at, "--workload", "gpt", "--step", step).returncode == 0
    keeper = machine(office, tmp_path, "keeper", "keeper")
    held = keeper("hold", "step:7", *at, "--name", "case-7", "--reason", "asked for", "--by", "counsel")
    assert held.returncode == 0, held.stderr
    decided = keeper("retain", *at, "--keep-last", 1, "--dry-run", "--json")
    assert decided.returncode == 0, decided.stderr
    assert [(row["step"], row["keep"]) for row in decided.document["checkpoints"]] == [(8, True), (7, True)]
    assert keeper("unhold", *at, "--name", "case-7", "--reason", "settled", "--by", "counsel").returncode == 0
    dropped = keeper("retain", *at, "--keep-last", 1, "--json")
    assert dropped.returncode == 0, dropped.stderr
    unsigned = machine(office, tmp_path, "stranger")
    assert unsigned("hold", "step:8", *at, "--name", "x", "--reason", "x", "--by", "x").returncode == 56
    assert office("list", *at).returncode == 0
