import json
import subprocess
import sys

import pytest

from drstack.errors import KitUnusable
from drstack.kit import check, shelf
from drstack.kit.check import Now
from tests.drstack.kit.kits import MADE_AT, fill, make

pytestmark = pytest.mark.slow

SAME = Now("abc", "def", "0.1.0")
DAY = 86400.0


def judged(kit, now=SAME, at=MADE_AT + DAY):
    return check.check(kit, now=now, at=at, say=lambda _: None)


def test_a_whole_kit_of_today_is_neither_faulty_nor_stale(tmp_path):
    verdict = judged(make(tmp_path / "kit"))
    assert (verdict.faults, verdict.stale, verdict.age_s) == ((), (), DAY)


@pytest.mark.parametrize(
    ("now", "at", "words"),
    [
        (Now("other", "def", "0.1.0"), MADE_AT, "the environment file of local changed since"),
        (Now("abc", "other", "0.1.0"), MADE_AT, "requirements.lock changed since"),
        (Now("abc", "def", "0.2.0"), MADE_AT, "it holds drstack 0.1.0; 0.2.0 is installed here"),
        (Now(trust="abc"), MADE_AT, "the trust file changed since: keys were made, rotated or revoked"),
        (Now(), MADE_AT + 31 * DAY, "it is 31 days old, more than 30"),
        (SAME, MADE_AT - DAY, "in the future"),
    ],
)
def test_says_why_a_kit_is_stale(tmp_path, now, at, words):
    verdict = judged(make(tmp_path / "kit"), now, at)
    assert verdict.faults == ()
    [reason] = verdict.stale
    assert words in reason


def test_a_shelf_stands_for_its_newest_kit(tmp_path):
    for _ in range(2):
        shelf.place(tmp_path, fill, lambda _: None)
    assert judged(tmp_path).kit == tmp_path / "2"
    fact = check.fact(tmp_path, now=Now("other"), at=MADE_AT + 5)
    assert (fact.number, fact.age_s, len(fact.stale)) == (2, 5.0, 1)
    assert check.fact(tmp_path / "none", now=SAME, at=MADE_AT) is None


def test_a_damaged_file_is_named(tmp_path):
    kit = make(tmp_path / "kit")
    (kit / "RUNBOOK.md").write_text("what to d0\n")
    [fault] = judged(kit).faults
    assert fault.startswith("RUNBOOK.md: is damaged")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kit": 1}', '{"kit": 2}', "\0"])
def test_a_manifest_that_is_none_is_refused_by_name(tmp_path, content):
    kit = make(tmp_path / "kit")
    (kit / "kit.json").write_text(content)
    with pytest.raises(KitUnusable, match=r"kit\.json is damaged"):
        judged(kit)


def test_what_is_no_kit_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(KitUnusable, match="is no kit"):
            judged(path)


def command(*options, cwd):
    run = [sys.executable, "-m", "drstack", "kit", *map(str, options)]
    return subprocess.run(run, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_ends_with_a_code_for_each_verdict(tmp_path):
    kit = make(tmp_path / "kit")
    old = command("--check", kit, "--json", cwd=tmp_path)
    assert old.returncode == 37
    assert json.loads(old.stdout)["usable"] is True
    assert "next: Write a new one: drstack kit local --site west" in old.stderr
    whole = command("--check", kit, "--max-age", "36500d", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.startswith(f"{kit}: whole")
    (kit / "RUNBOOK.md").unlink()
    damaged = command("--check", kit, "--max-age", "36500d", cwd=tmp_path)
    assert (damaged.returncode, damaged.stdout) == (36, "")
    assert "RUNBOOK.md: is missing" in damaged.stderr
    for wrong in ((), ("local", "--check", kit), ("--check", kit, "--max-age", "old")):
        assert command(*wrong, cwd=tmp_path).returncode == 2
