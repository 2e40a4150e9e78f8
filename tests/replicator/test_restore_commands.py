"""The commands as a user types them: a disaster, and the way back from several repositories."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from replicator.cli.amounts import seconds, size_bytes
from replicator.cli.main import make_app
from replicator.cli.progress import Meter, progress
from replicator.errors import (
    DataCorrupt,
    NothingToRestore,
    NotRepaired,
    PartRefused,
    ReplicatorError,
    RolledBack,
    StoreUnavailable,
)  # fmt: skip
from replicator.repository.packs import manifest_key
from replicator.repository.repository import Repository
from replicator.stores.url import open_store


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def place(tmp_path):
    for step in (1, 2):
        folder = tmp_path / f"step-{step}"
        folder.mkdir()
        (folder / "weights").write_bytes(bytes([step]) * 50_000 + b"tail")
        (folder / "config.json").write_text("{}")
    for name in ("hot", "far"):
        run("init", "--repo", str(tmp_path / name), "--crypto", "none")
    for step in (1, 2):
        both = ["--repo", str(tmp_path / "hot"), "--repo", str(tmp_path / "far")]
        run("push", str(tmp_path / f"step-{step}"), *both, "--workload", "gpt", "--step", str(step))
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(make_app(), [str(each) for each in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def document(*arguments):
    return json.loads(run(*arguments, "--json").stdout.strip().splitlines()[-1])


def hurt(folder):
    for pack in (folder / "packs").glob("*/*"):
        body = bytearray(pack.read_bytes())
        for at in (*range(30, 60), len(body) - 10):  # a file of the checkpoint, and what is kept beside it
            body[at] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(bytes(body))


def test_a_damaged_hot_repository_is_no_hindrance_while_a_far_one_is_whole(place):
    hurt(place / "hot")
    with pytest.raises(DataCorrupt) as error:
        run("restore", "latest", "--repo", place / "hot", "--to", place / "out")
    assert "--salvage" in error.value.hint
    gone = (place / "nowhere").as_uri()
    told = document(
        "restore", "latest", "--repo", place / "hot", "--repo", gone, "--repo", place / "far", "--to", place / "out",
        "--cache", place / "cache", "--timeout", "20s",
    )  # fmt: skip
    assert (told["commit"], told["part"]) == ("1.2", False)
    assert list(told["away"]) == [gone]
    assert [bool(each["damaged"]) for each in told["from"]] == [True, False]
    assert told["from"][1]["bytes"] > 0
    assert (place / "out" / "weights").read_bytes() == (place / "step-2" / "weights").read_bytes()
    again = document("restore", "latest", "--repo", place / "far", "--to", place / "out2", "--cache", place / "cache")
    assert again["cache"]["hits"] > 0


def test_an_older_one_is_taken_only_if_asked_for(place):
    newest = document("list", "--repo", place / "hot")["checkpoints"][0]
    assert newest["step"] == 2
    for name in ("hot", "far"):
        store = open_store(str(place / name))
        manifest = Repository(name, store).log("gpt").view().in_order()[-1].where.manifest.digest
        store.delete(manifest_key(manifest))
    with pytest.raises(DataCorrupt):
        run("restore", "latest", "--repo", place / "hot", "--repo", place / "far", "--to", place / "out")
    told = document("restore", "latest", "--repo", place / "hot", "--to", place / "out", "--or-older")
    assert told["commit"] == "1.1"
    assert [each["commit"] for each in told["passed_over"]] == ["1.2"]


def test_parts_are_asked_for_by_name_and_refused_by_name(place):
    told = document("restore", "step:1", "--repo", place / "hot", "--to", place / "out", "--files", "*.json")
    assert (told["files"], told["part"], told["resume"]) == (1, True, None)
    for wrong in (
        ["--files", "*.bin"],
        ["--ranks", "0"],
        ["--ranks", "x"],
        ["--tensor", "w"],
        ["--files", "*", "--ranks", "0"],
    ):
        with pytest.raises(PartRefused):
            run("restore", "latest", "--repo", place / "hot", "--to", place / "no", *wrong)
    assert not (place / "no").exists()


def test_a_salvage_says_what_is_lost(place):
    hurt(place / "hot")
    told = document("restore", "latest", "--repo", place / "hot", "--salvage", place / "saved")
    assert told["complete"] is False
    assert told["damaged"][0]["lost"]
    with pytest.raises(ReplicatorError, match="restore to where"):
        run("restore", "latest", "--repo", place / "hot")


@pytest.mark.slow
def test_found_by_scrub_repaired_from_a_peer_and_drilled(place):
    hurt(place / "hot")
    with pytest.raises(DataCorrupt, match="objects are damaged"):
        run("scrub", "--repo", place / "hot", "--bytes", "1GB", "--for", "1m")
    with pytest.raises(DataCorrupt):
        run("verify", "--repo", place / "hot", "--receipts")
    plan = document("repair", "--repo", place / "hot", "--from", place / "far", "--plan")
    assert plan["left"]
    with pytest.raises(NothingToRestore):
        run("restore", "latest", "--repo", place / "hot", "--to", place / "out")
    with pytest.raises(NotRepaired):
        run("repair", "--repo", place / "hot", "--from", place / "hot")
    told = document("repair", "--repo", place / "hot", "--from", place / "far")
    assert set(told["repaired"]) == set(plan["left"])
    assert len(told["whole"]) == 2
    assert document("verify", "--repo", place / "hot", "--receipts")["damaged"] == []
    assert document("verify", "--repo", place / "hot", "--sample", "10")["damaged"] == []
    assert document("restore", "latest", "--repo", place / "hot", "--to", place / "out")["commit"] == "1.2"
    drilled = document("drill", "--repo", place / "hot", "--scratch", place / "scratch")
    assert drilled["ok"] is True
    assert {each["commit"] for each in drilled["next"]} == {"1.1", "1.2"}
    assert document("scrub", "--repo", place / "hot")["damaged"] == {}


def test_a_rolled_back_log_is_refused_until_a_copy_puts_it_back(place):
    shutil.copytree(place / "hot", place / "copy")
    slots = sorted((place / "hot" / "log" / "gpt").iterdir())
    for slot in slots[2:]:
        slot.unlink()
    for command in (
        ["restore", "latest", "--repo", place / "hot", "--to", place / "out"],
        ["verify", "--repo", place / "hot"],
        ["push", place / "step-2", "--repo", place / "hot", "--workload", "gpt", "--step", "2"],
        ["repair", "--repo", place / "hot", "--from", place / "far"],
    ):
        with pytest.raises(RolledBack, match=r"was seen before|still is rolled back"):
            run(*command)
    assert "was seen before" in document("list", "--repo", place / "hot")["rolled_back"]
    told = document("repair", "--repo", place / "hot", "--from", place / "copy")
    assert told["log"]["gpt"]["slots"] == list(range(3, len(slots) + 1))
    assert document("restore", "latest", "--repo", place / "hot", "--to", place / "out")["commit"] == "1.2"


def test_with_no_repository_left_it_says_so(place):
    with pytest.raises(StoreUnavailable):
        run("restore", "latest", "--repo", "/nowhere/a", "--repo", "/nowhere/b", "--to", place / "out")


@pytest.mark.parametrize(
    ("text", "size"), [("50GB", 50 * 10**9), ("1.5MiB", 3 << 19), ("1000", 1000), ("7 kb", 7000), ("0", 0)]
)
def test_sizes_are_written_as_people_do(text, size):
    assert size_bytes(text, "--x") == size
    assert seconds("15m", "--y") == 900
    for wrong in ("", "x", "5XB", "-1"):
        with pytest.raises(ReplicatorError):
            size_bytes(wrong, "--x")
        with pytest.raises(ReplicatorError):
            seconds(wrong, "--y")


def test_what_is_left_is_told_by_the_rate_of_the_last_half_minute(capsys, monkeypatch):
    now = [0.0]
    meter = Meter(1000, clock=lambda: now[0])
    assert meter.eta_s() is None
    for _ in range(10):
        now[0] += 10.0
        meter.add(10)
    for _ in range(4):
        now[0] += 10.0
        meter.add(100)
    assert meter.eta_s() == pytest.approx(50.0, rel=0.3)
    assert "50 %" in str(meter)
    monkeypatch.setattr("replicator.cli.progress.EVERY_S", 0.01)
    with progress("restoring", 100) as advance:
        advance(50)
        import time

        time.sleep(0.1)
    assert "restoring: 50 %, 50 of 100 bytes" in capsys.readouterr().err
