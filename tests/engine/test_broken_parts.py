"""What breaks under a promotion: the standby itself, Pulumi's state, half of the capacity, the operator's clock.

Real processes, the real engine, two local sites; each test begins where the one before it ended.
"""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import WAIT_S
from tests.engine.sites import TWO, brought_up

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]
SKEWED = str(Path(__file__).with_name("skewed.py"))
HOUR = 3600


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with brought_up(tmp_path_factory.mktemp("broken"), TWO) as made:
        yield made


def test_a_standby_that_dies_in_a_move_has_its_capacity_again(pair):
    old, (target,) = pair.writer(), pair.others()
    pair.died_after(f"capacity {target}", "switchover", "local", "--to", target, "--yes", "--no-reconcile")
    pair.kill(target)
    _, told = pair.told("resume", "local", "--no-reconcile", exits=28)
    pair.heal(told)
    assert pair.desired(target).slots == 1, "it came back as the standby that it was"
    end = json.loads(pair.drstack("resume", "local", "--json", "--no-reconcile"))
    assert (end["result"], end["workloads"][0]["rpo_s"]) == ("switched over", 0.0)
    pair.stands(target)
    assert pair.desired(old).slots == 1


def test_a_standby_that_dies_once_it_was_started_is_not_waited_for(pair):
    target, before = pair.others()[0], len(pair.witness.assignments())
    assert pair.has_recovery_point()
    pair.died_after("start gpt", "promote", "local", "--to", target, "--yes", "--no-reconcile")
    pair.kill(target)
    for _ in range(2):
        _, told = pair.promote(target, "--no-reconcile", exits=28)
        assert "gpt did not reach step" in told
        assert f"{target} went away" in told
    pair.heal(told)
    end, _ = pair.promote(target, "--no-reconcile")
    assert end["result"] == "promoted"
    assert len(pair.witness.assignments()) == before + 1
    pair.stands(target)


def test_half_of_the_capacity_is_refused_and_the_work_goes_on_where_it_fits(pair):
    (target,) = pair.others()
    pair.up(target)
    assert pair.has_recovery_point()
    log = pair.site(target).log("slot-0")
    Supervisor(pair.site(target)).stop("slot-0")
    assert Deadline(WAIT_S).until(lambda: pair.open(target).observe(deadline_s=10).capacity == 0, 0.1)
    aside = log.rename(log.with_suffix(".aside"))
    log.mkdir()
    end, told = pair.promote(target, "--no-reconcile")
    assert "2 of 3 slots run and are held; slot-0 not as wanted" in told
    assert "2 of 3 slots, which is enough" in told
    assert end["result"] == "promoted"
    pair.stands(target)
    log.rmdir()
    aside.rename(log)
    pair.open(target).set_capacity(3, deadline_s=60)
    assert pair.open(target).observe(deadline_s=10).capacity == 3


def test_without_the_state_backend_a_promotion_ends_and_says_what_is_left(pair):
    old, (target,) = pair.writer(), pair.others()
    assert pair.has_recovery_point()
    state = pair.root / "state"
    away = state.rename(pair.root / "away")
    state.write_text("what was mounted here is not\n")
    end, told = pair.promote(target)
    assert end["result"] == "promoted"
    assert "NOT reconciled" in told
    assert f"run: drstack up local --site {target}" in told
    pair.stands(target)
    _, refused = pair.told("up", "local", "--yes", exits=30)
    assert str(state) in refused
    state.unlink()
    away.rename(state)
    pair.drstack("up", "local", "--site", target, "--yes")
    pair.up(old)
    pair.stands(target)


def test_a_promotion_mends_what_a_killed_update_left_in_the_state(pair):
    (target,) = pair.others()
    assert pair.has_recovery_point()
    pair.rewrite(f"local.{target}", with_a_pending_descriptor)
    locks = pair.root / "state" / ".pulumi" / "locks" / "organization" / "drstack" / f"local.{target}"
    with pair.updating(f"local.{target}") as update:
        assert Deadline(WAIT_S).until(lambda: list(locks.glob("*.json")), 0.01)
        update.send_signal(signal.SIGKILL)
        update.wait(10)
    assert list(locks.glob("*.json")), "the lock of the dead stays"
    assert "currently locked" in pair.pulumi("up", "-y", "--skip-preview", "-s", f"local.{target}", succeeds=False)
    end, told = pair.promote(target)
    assert end["result"] == "promoted"
    assert f"local.{target}: " in told
    assert "NOT reconciled" not in told
    assert not list(locks.glob("*.json"))
    exported = json.loads(pair.pulumi("stack", "export", "-s", f"local.{target}"))
    assert not exported["deployment"].get("pending_operations")
    pair.stands(target)


def with_a_pending_descriptor(state):
    """As an engine leaves it that was killed while it made the last resource."""
    told = json.loads(state)
    resources = told["deployment"]["resources"]
    made = next(each for each in resources if each["type"] == "drstack:witness:SiteDescriptor")
    resources.remove(made)
    left = {name: value for name, value in made.items() if name not in ("id", "outputs")}
    told["deployment"]["pending_operations"] = [{"resource": left, "type": "creating"}]
    return json.dumps(told)


@pytest.mark.parametrize("ahead_s", [-HOUR, HOUR])
def test_an_operator_whose_clock_is_off_by_an_hour_is_told_and_understates_nothing(pair, ahead_s):
    (target,) = pair.others()
    pair.up(target)
    assert pair.has_recovery_point()
    if ahead_s > 0:
        pair.kill(pair.writer())  # else both sites' clocks outvote the operator's
    with pair.operator(str(ahead_s), "promote", "local", "--to", target, "--plan", via=(SKEWED,)) as planning:
        planned, told = planning.communicate(timeout=WAIT_S)
    apart = rf"this machine's clock is (1 h 0 min|59 min \d+ s) {'ahead of' if ahead_s > 0 else 'behind'} {target}'s"
    assert re.search(apart, planned + told)
    more = ()
    if ahead_s > 0:
        assert planning.returncode == 24, "one clock against one: the loss may be an hour"
        assert "--failed-at TIME" in told
        more = ("--failed-at", str(pair.site(pair.writer()).metrics("gpt").stat().st_mtime))
    command = ("promote", "local", "--to", target, "--yes", "--json", "--no-reconcile", *more)
    with pair.operator(str(ahead_s), *command, via=(SKEWED,)) as promoting:
        out, told = promoting.communicate(timeout=2 * WAIT_S)
    assert promoting.returncode == 0, told
    end = json.loads(out)
    assert any(re.match(apart, each) for each in end["clocks"])
    assert 0 <= end["workloads"][0]["rpo_s"] < HOUR / 2
    assert all(number >= 0 for number in numbers(end)), end
    assert pair.drstack("report", "local", "--json")
    pair.stands(target)


def numbers(told):
    """Every number in a document."""
    if isinstance(told, dict | list):
        for each in told.values() if isinstance(told, dict) else told:
            yield from numbers(each)
    elif isinstance(told, int | float):
        yield told
