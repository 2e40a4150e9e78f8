"""Leases of a local site: its holder, its slots, and what happens when either of them stands still. Real processes."""

import json
import os
import signal
import time
from contextlib import suppress

import pytest

from drstack.platforms.local import holder as holding_process
from drstack.platforms.local import jobs, lease, processes, programs
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.holder import Holder
from drstack.platforms.local.holding import ensure_holder, holder_drift, remove_holder
from drstack.platforms.local.lease import Held, HolderConfig
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from replicator.stores.url import open_store


def witness(url):
    return Witness(open_store(url), "test", clock=time.time, token=random_token)


def assign(url, number, writer, operation=None):
    part = WorkloadAssignment(writer=writer, term=number)
    made = Assignment(number=number, workloads={"gpt": part}, cause="create" if number == 1 else "promote")
    witness(url).assign(made.model_copy(update={"operation": operation}))


@pytest.fixture
def url(tmp_path):
    (tmp_path / "witness").mkdir()
    made = (tmp_path / "witness").as_uri()
    witness(made).found()
    assign(made, 1, "east")
    return made


def config(url, ttl_s=3.0):
    return HolderConfig(
        witness=url, environment="test", ttl_s=ttl_s, renew_s=ttl_s / 3, pause_s=ttl_s / 10, workloads=("gpt",)
    )


@pytest.fixture
def bare(tmp_path):
    made = site_folder(tmp_path / "bare")
    made.make()
    made.pool.mkdir(parents=True, exist_ok=True)
    return made


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(lease, "now", made)
    return made


def told(bare, settings):
    bare.lease_config.write_text(settings.model_dump_json())
    return bare


def test_without_leases_anything_may_run_and_with_them_nothing_that_has_none(bare, url):
    assert lease.may_run(bare, "gpt")
    told(bare, config(url))
    assert not lease.may_run(bare, "gpt")
    assert lease.may_run(bare, "what needs none")


def test_it_may_run_until_the_bound_for_pauses_before_the_end(bare, url, clock):
    told(bare, config(url, ttl_s=30))
    lease.write_held(bare, {"gpt": Held(term=1, until=130.0)})
    clock.now = 126.9
    assert lease.may_run(bare, "gpt")
    clock.now = 127.0
    assert not lease.may_run(bare, "gpt")


@pytest.mark.parametrize("damage", ["another boot", "no file", "no json", "no field", "no folder", "no settings"])
def test_doubt_is_no_lease(bare, url, clock, damage):
    told(bare, config(url, ttl_s=30))
    lease.write_held(bare, {"gpt": Held(term=1, until=130.0)})
    assert lease.may_run(bare, "gpt")
    if damage == "another boot":
        bare.leases.write_text(json.dumps({**json.loads(bare.leases.read_text()), "boot": "another"}))
    elif damage == "no file":
        bare.leases.unlink()
    elif damage == "no json":
        bare.leases.write_text("{")
    elif damage == "no field":
        bare.leases.write_text(json.dumps({"boot": lease.boot(), "workloads": {"gpt": {"until": 1e9}}}))
    elif damage == "no settings":
        bare.lease_config.write_text("{}")
    else:
        bare.path.rename(bare.path.with_name("taken away"))
    assert not lease.may_run(bare, "gpt")


def test_a_holder_counts_from_before_it_sent_the_renewal(bare, url, clock):
    holder = Holder(bare, "east", config(url, ttl_s=30), witness(url), now=clock)
    slow = witness(url).leases("gpt")
    hold = slow.hold

    def late(**given):
        clock.now += 7
        return hold(**given)

    slow.hold = late
    holder._logs["gpt"] = slow
    holder.turn()
    assert lease.read_held(bare)["gpt"].until == 130.0


def test_a_shorter_time_to_live_says_for_how_long_the_old_lease_is_still_believed(bare, url, clock):
    Holder(bare, "east", config(url, ttl_s=300), witness(url), now=clock).turn()
    clock.now = 110.0
    Holder(bare, "east", config(url, ttl_s=30), witness(url), now=clock).turn()
    assert witness(url).leases("gpt").last().for_s == 290.0
    assert lease.read_held(bare)["gpt"].until == 400.0


def test_a_witness_that_is_away_renews_nothing_and_raises_nothing(bare, url, clock, tmp_path):
    told(bare, config(url, ttl_s=30))
    holder = Holder(bare, "east", config(url, ttl_s=30), witness(url), now=clock)
    holder.turn()
    (tmp_path / "witness").rename(tmp_path / "away")
    clock.now = 115.0
    holder.turn()
    assert lease.read_held(bare)["gpt"].until == 130.0
    clock.now = 128.0
    assert not lease.may_run(bare, "gpt")
    (tmp_path / "away").rename(tmp_path / "witness")
    holder.turn()
    assert lease.may_run(bare, "gpt")


def test_a_take_ends_it_at_once_and_an_operation_that_has_ended_gives_it_back(bare, url, clock):
    told(bare, config(url, ttl_s=30))
    holder = Holder(bare, "east", config(url, ttl_s=30), witness(url), now=clock)
    holder.turn()
    journal = witness(url).journal(1, 1)
    journal.begin({"target": "west"})
    witness(url).leases("gpt").take(term=1, operation="1-1")
    clock.now += 11
    holder.turn()
    assert not lease.may_run(bare, "gpt")
    journal.end({"result": "abandoned"})
    holder.turn()
    assert lease.may_run(bare, "gpt")


@pytest.mark.slow
def test_what_another_site_wrote_since_is_not_wanted_any_more_but_a_newer_start_is(folder, site, url):
    site.set_capacity(2, deadline_s=20)
    ensure_holder(folder, config(url))
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert Deadline(20).until(lambda: lease.read_held(folder)["gpt"].generation == 1, 0.1)
    assign(url, 2, "west")
    assert Deadline(20).until(lambda: not read_desired(folder).jobs["gpt"].running, 0.1)
    assert Deadline(20).until(lambda: not jobs.ranks_running(folder, "gpt"), 0.1)
    assign(url, 3, "east")
    site.start_job("gpt", token="t2", resume_step=None, deadline_s=20)
    assert Deadline(20).until(lambda: lease.read_held(folder)["gpt"].generation == 2, 0.1)
    assert read_desired(folder).jobs["gpt"].running


def started(folder, site, url):
    site.set_capacity(2, deadline_s=20)
    ensure_holder(folder, config(url))
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    assert Deadline(20).until(lambda: (site.observe(deadline_s=5).jobs["gpt"].step or 0) > 3, 0.1)


def pid_of(folder, name):
    return Supervisor(folder).programs()[name].pid


@pytest.mark.slow
def test_work_runs_only_under_a_lease_and_stops_when_its_holder_stands_still(folder, site, url):
    started(folder, site, url)
    pid = pid_of(folder, programs.HOLDER)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert Deadline(20).until(lambda: not jobs.ranks_running(folder, "gpt"), 0.1)
        reached = site.observe(deadline_s=5).jobs["gpt"].step
        time.sleep(1.0)
        assert site.observe(deadline_s=5).jobs["gpt"].step == reached
    finally:
        os.kill(pid, signal.SIGCONT)
    assert Deadline(30).until(lambda: len(jobs.ranks_running(folder, "gpt")) == 2, 0.1)
    assert "not renewed" in site.observe(deadline_s=5).jobs["gpt"].failure


@pytest.mark.slow
def test_ranks_whose_slots_stand_still_are_ended_by_the_holder(folder, site, url, tmp_path):
    started(folder, site, url)
    slots = [pid_of(folder, programs.slot_name(index)) for index in range(2)]
    children = [json.loads(folder.slot(index).read_text())["child"] for index in range(2)]
    for pid in slots:
        os.kill(pid, signal.SIGSTOP)
    try:
        (tmp_path / "witness").rename(tmp_path / "away")
        assert Deadline(20).until(lambda: not any(processes.alive(pid) for pid in children), 0.1)
    finally:
        (tmp_path / "away").rename(tmp_path / "witness")
        for pid in slots:
            os.kill(pid, signal.SIGCONT)


def signalled(pids, number):
    """Those that are still there: a site has short-lived ones too."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.slow
def test_a_site_that_stood_still_as_a_whole_runs_nothing_once_its_lease_was_taken(folder, site, url):
    started(folder, site, url)
    every = [seen.pid for seen in processes.of_site(folder) if seen.ours]
    children = [json.loads(folder.slot(index).read_text())["child"] for index in range(2)]
    assert set(children) < set(every)
    signalled(every, signal.SIGSTOP)
    try:
        witness(url).journal(1, 1).begin({"target": "west"})
        witness(url).leases("gpt").take(term=1, operation="1-1")
        time.sleep(4)  # past the time-to-live: whoever took the lease starts elsewhere from here on
    finally:
        signalled(every, signal.SIGCONT)
    assert Deadline(20).until(lambda: not any(processes.alive(pid) for pid in children), 0.05)
    assert Deadline(20).until(lambda: site.observe(deadline_s=5).reachable, 0.1), "its supervisord answers again"
    reached = site.observe(deadline_s=5).jobs["gpt"].step
    time.sleep(2)
    assert not jobs.ranks_running(folder, "gpt"), "nothing is started without a lease"
    assert site.observe(deadline_s=5).jobs["gpt"].step == reached


@pytest.mark.slow
def test_the_program_is_told_and_forgotten(folder, site, url):
    site.set_capacity(2, deadline_s=20)
    ensure_holder(folder, config(url))
    assert Deadline(20).until(lambda: holder_drift(folder, config(url)) == [], 0.1)
    assert holder_drift(folder, None) == ["the holder of leases was told otherwise"]
    first = pid_of(folder, programs.HOLDER)
    ensure_holder(folder, config(url))
    assert pid_of(folder, programs.HOLDER) == first
    ensure_holder(folder, config(url, ttl_s=6.0))
    assert pid_of(folder, programs.HOLDER) != first
    remove_holder(folder)
    assert not folder.lease_config.exists()
    assert holder_drift(folder, None) == []
    assert lease.may_run(folder, "gpt")


def test_the_guard_ends_nothing_that_may_run(bare, url, clock):
    told(bare, config(url, ttl_s=30))
    lease.write_held(bare, {"gpt": Held(term=1, until=130.0)})
    bare.slot(0).write_text(json.dumps({"workload": "gpt", "child": os.getpid(), "rank": 0}))
    assert holding_process.guard(bare, ("gpt",)) == []
    clock.now = 129.0
    assert holding_process.guard(bare, ("gpt",)) == [os.getpid()]
