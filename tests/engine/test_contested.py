"""Operators, updates and sites that get into a promotion's way: real processes, the real engine, three local sites.

Each test begins where the one before it ended, with whoever writes by then; what is held up is held by SIGSTOP, and let go
once what it shall meet was seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal

import pytest

from drstack.demo.sites import resurrect
from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import WAIT_S
from tests.engine.sites import THREE, brought_up

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    with brought_up(tmp_path_factory.mktemp("contested"), THREE) as made:
        yield made


@contextlib.contextmanager
def held(*pids):
    """They stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def until(process, holds, what):
    assert Deadline(WAIT_S).until(lambda: holds() or process.poll() is not None, 0.02), what
    assert process.poll() is None, f"it ended before {what}: {process.communicate(timeout=30)}"


def journals(trio, base):
    return trio.witness.journals(base)


def at_once(trio, one, other):
    """Both sites promoted at once, by one operator each. Who won, and what both were told; None where they did not meet."""
    base = len(trio.witness.assignments())
    command = ("promote", "local", "--yes", "--json", "--no-reconcile", "--to")
    with trio.operator(*command, one, name="ana") as ana, trio.operator(*command, other, name="ben") as ben:
        assert Deadline(WAIT_S).until(lambda: journals(trio, base), 0.005)
        (journal, *_) = journals(trio, base)
        won, lost = (ana, ben) if journal.plan()["by"] == "ana" else (ben, ana)
        with held(won.pid):
            met = journal.ended() is None
            heard = lost.communicate(timeout=WAIT_S)
        ended = won.communicate(timeout=WAIT_S)
    assert (won.returncode, lost.returncode) == (0, 26) or not met, (ended, heard)
    return ("ana" if won is ana else "ben", ended, heard) if met else None


def test_of_two_operators_who_promote_to_different_sites_one_wins(trio):
    met = None
    while met is None:
        one, other = trio.others()
        met = at_once(trio, one, other)
    winner, (ended, _), (_, heard) = met
    assert json.loads(ended)["result"] == "promoted"
    assert f"begun by {winner} at " in heard
    assert "drstack resume local" in heard
    trio.stands({"ana": one, "ben": other}[winner])


def test_a_writer_that_comes_back_in_the_middle_writes_nothing_that_counts(trio):
    old, (target, _) = trio.writer(), trio.others()
    assert trio.has_recovery_point()
    before = len(trio.witness.assignments())
    out_of_reach = ("--skip-fence", old, "--reason", "its room burns")
    with held(*trio.running(old)):
        trio.died_after(
            "assign",
            "promote",
            "local",
            "--to",
            target,
            "--yes",
            "--no-reconcile",
            *out_of_reach,
            "--accept-data-loss",
            "1h",
        )
        sealed = trio.witness.journal(before, 1).outcome("seal gpt")["result"]
    last = trio.job(old).step
    assert trio.writes_no_more(old)
    assert Deadline(WAIT_S).until(lambda: (trio.job(old).step or 0) > last + 100, 0.2), (
        "it goes on computing, for nobody"
    )

    end = json.loads(trio.drstack("resume", "local", "--json", "--no-reconcile"))

    assert end["workloads"][0]["step"] == sealed["step"]
    assert [row["grade"] for row in end["fences"]] == ["assumed"]
    assert trio.job(target).resumed_step == sealed["step"]
    for site in trio.names:
        earlier = [each.what for each in trio.log(site).in_order() if each.what.term <= before]
        late = [what.step for what in earlier if what.height > sealed["heads"].get(str(what.term), 0)]
        assert not late, f"{site} has what {old} wrote after it was replaced"
    assert trio.job(old).ranks, "nobody could stop it"
    trio.up(old)
    trio.stands(target)


def test_an_update_that_was_begun_in_a_promotion_starts_nothing_that_it_stopped(trio):
    old, (_, target) = trio.writer(), trio.others()
    assert trio.has_recovery_point()
    trio.died_after(f"fence {old}", "promote", "local", "--to", target, "--yes", "--no-reconcile")
    trio.kill(old)  # its room has no power; it is back before the promotion goes on, and an update is run there

    trio.up(old)

    assert not trio.job(old).ranks
    assert trio.desired(old).fenced
    assert json.loads(trio.drstack("resume", "local", "--json", "--no-reconcile"))["result"] == "promoted"
    trio.stands(target)
    trio.up(old)
    assert trio.desired(old).fenced is None
    trio.stands(target)


def test_who_starts_a_lost_writer_by_hand_in_a_promotion_is_stood_down_afterwards(trio, monkeypatch):
    old, (target, _) = trio.writer(), trio.others()
    assert trio.has_recovery_point()
    desired = trio.site(old).desired.read_bytes()
    trio.kill(old)
    trio.died_after("assign", "promote", "local", "--to", target, "--yes", "--no-reconcile")
    trio.site(old).desired.write_bytes(desired)  # as a room without power keeps it, out of a fence's reach
    monkeypatch.setenv("DRSTACK_LEASH", trio.environ()["DRSTACK_LEASH"])
    resurrect(trio.site(old))
    assert trio.writes_no_more(old)
    assert json.loads(trio.drstack("resume", "local", "--json", "--no-reconcile"))["result"] == "promoted"
    trio.up(old)
    trio.stands(target)
    assert trio.job(old).ranks == 0


def test_neither_an_update_that_stands_still_nor_a_stale_one_undoes_a_promotion(trio):
    old, (target, other) = trio.writer(), trio.others()
    states = {site: json.loads(trio.pulumi("stack", "export", "-s", f"local.{site}")) for site in trio.names}
    assert trio.has_recovery_point()
    trio.declare(THREE.replace("every: 3s", "every: 4s"))
    locks = trio.root / "state" / ".pulumi" / "locks" / "organization" / "drstack" / f"local.{target}"
    with trio.operator("up", "local", "--site", target, "--yes") as updating:
        until(updating, lambda: list(locks.glob("*.json")), "the stack was locked")
        engine = json.loads(next(iter(locks.glob("*.json"))).read_text())["pid"]
        with held(engine):
            end, told = trio.promote(target)
        assert updating.wait(WAIT_S) == 0, updating.communicate(timeout=30)
    assert end["result"] == "promoted"
    assert "NOT reconciled" in told
    assert f"drstack up local --site {target}" in told
    trio.stands(target)

    trio.declare(THREE)
    for site, state in states.items():
        file = trio.folder / "state.json"
        file.write_text(json.dumps(state))
        trio.pulumi("stack", "import", "-s", f"local.{site}", "--file", str(file))
    generation = trio.job(target).generation
    for site in (old, target, other):
        trio.pulumi("up", "-y", "--skip-preview", "-s", f"local.{site}")
    trio.stands(target)
    assert trio.job(target).generation == generation
