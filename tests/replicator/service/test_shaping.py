"""Who sends when, how fast, and what makes room: decided purely, then seen on a service."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

from replicator.errors import StoreUnavailable
from replicator.repository.pinning import pinned
from replicator.repository.repository import Repository
from replicator.service.config import Destination
from replicator.service.pace import Pace, Sample, adjust
from replicator.service.room import Held, skip, total
from replicator.service.service import Service
from replicator.service.shaped import ShapedStore
from replicator.service.uplink import Lane, Uplink, Want, choose, pack_bytes, started
from replicator.service.yielding import FRESH_S, LONGEST_S, PeerWatch, Pins, told_by
from replicator.stores.cloud import memory_store
from replicator.stores.url import open_store
from tests.replicator.service.test_service import config, repository, running, save, steps, until

MB = 1e6


def well(pace: Pace) -> Sample:
    return Sample(int(pace.rate), 1.0, 0.01)


def test_a_link_that_carries_it_is_climbed_by_steps_up_to_the_ceiling():
    pace = Pace.within(0.0, 10 * MB)
    seen = [pace.rate]
    for _ in range(20):
        pace = adjust(pace, well(pace))
        seen.append(pace.rate)
    assert seen[1] - seen[0] == pytest.approx(seen[2] - seen[1])
    assert seen[-1] == 10 * MB


@pytest.mark.parametrize(
    "sample", [Sample(int(MB), 1.0, 0.01), Sample(int(8 * MB), 1.0, 0.2), Sample(int(8 * MB), 1.0, failed=True)]
)
def test_what_the_link_does_not_carry_is_taken_back_by_a_share(sample):
    pace = replace(Pace.within(0.0, 10 * MB), rate=8 * MB, answers_in_s=0.01)
    assert adjust(pace, sample).rate <= 0.7 * 8 * MB


@given(st.floats(0, 1e7), st.lists(st.tuples(st.integers(1, 10**8), st.floats(1e-3, 1e3), st.booleans())))
def test_it_never_leaves_floor_and_ceiling(floor, samples):
    pace = Pace.within(floor, 1e7)
    for size, seconds, failed in samples:
        pace = adjust(pace, Sample(size, seconds, 0.01, failed))
        assert max(floor, 1e5) <= pace.rate <= 1e7


def lanes(**more: Lane) -> dict[str, Lane]:
    return {"near": Lane(), "far": Lane(), **more}


def pick(waiting, lanes_, *, now=10.0, free_at=0.0, held=False):
    return choose(waiting, lanes_, now=now, free_at=free_at, held=held)


SOON, LATE = Want("far", 100.0, 2), Want("near", 200.0, 1)


def test_the_nearest_deadline_goes_first_whatever_its_destination():
    assert pick([LATE, SOON], lanes()) == SOON
    assert pick([Want("far", float("inf"), 1), Want("near", float("inf"), 2)], lanes()).order == 1


def test_a_destination_short_of_its_floor_goes_before_deadlines_until_it_has_had_it():
    near = Lane(floor=MB)
    assert pick([LATE, SOON], lanes(near=near)) == LATE
    assert pick([LATE, SOON], lanes(near=replace(started(near, int(5 * MB), 10.0), busy=False)), now=11.0) == SOON


def test_nobody_waits_for_a_destination_that_is_busy_held_or_paced():
    for far in (Lane(busy=True), Lane(held=True), Lane(free_at=11.0)):
        assert pick([LATE, SOON], lanes(far=far)) == LATE
    assert pick([SOON], lanes(far=Lane(busy=True))) is None


def test_a_hold_and_the_sites_own_ceiling_stop_everybody():
    assert pick([LATE, SOON], lanes(), held=True) is None
    assert pick([LATE, SOON], lanes(), free_at=10.1) is None


def test_a_pace_spaces_writes_by_their_size():
    assert started(Lane(Pace(2 * MB, 0, 4 * MB)), int(MB), 10.0).free_at == 10.5


def test_packs_are_as_large_as_goes_through_in_less_than_a_second():
    assert pack_bytes(Lane()) == 256 * 1024
    assert pack_bytes(Lane(rate_seen=10 * MB)) == 4_000_000
    assert pack_bytes(Lane(rate_seen=1e12)) == 16 * 1024 * 1024
    assert pack_bytes(Lane(rate_seen=1e12, pace=Pace(MB, 0, MB))) == 400_000


class Slow:
    """Writes take until they are let go; who writes is noted."""

    def __init__(self):
        self.keys, self.go = [], threading.Event()

    def create(self, key, body):
        self.keys.append(key)
        self.go.wait(10)


def test_threads_write_in_the_order_of_their_deadlines_and_records_do_not_wait():
    uplink, slow = Uplink(time.monotonic, lanes={"far": Lane()}), Slow()
    stores = {at: ShapedStore(slow, uplink, "far", lambda at=at: at) for at in (1.0, 2.0, 3.0)}
    threads = []
    for at in (2.0, 3.0, 1.0):
        threads.append(threading.Thread(target=stores[at].create, args=(f"pack-{at}", b"x" * 100_000)))
        threads[-1].start()
        until(lambda: len(uplink._waiting) + len(slow.keys) == len(threads))
    record = threading.Thread(target=stores[3.0].create, args=("log", b"x"))
    record.start()
    until(lambda: slow.keys == ["pack-2.0", "log"])
    slow.go.set()
    for thread in [*threads, record]:
        thread.join(10)
    assert slow.keys == ["pack-2.0", "log", "pack-1.0", "pack-3.0"]


def test_who_waits_when_the_service_ends_is_told():
    uplink = Uplink(time.monotonic, lanes={"far": Lane()})
    uplink.hold("a restore")
    threading.Timer(0.1, uplink.close).start()
    with pytest.raises(StoreUnavailable, match="next start"):
        ShapedStore(memory_store(), uplink, "far", lambda: 1.0).create("a", b"x" * 100_000)


def test_pins_of_restores_hold_and_old_ones_do_not():
    now = [0.0]
    pins = Pins(lambda: now[0])
    assert pins.reason("gpt", ["read-left-by-somebody-killed"]) is None
    assert pins.reason("gpt", ["read-left-by-somebody-killed", "keep-this"]) is None
    assert "promotion-1" in pins.reason("gpt", ["promotion-1-1.4"])
    assert pins.reason("bert", []) is None
    now[0] = LONGEST_S - 1
    assert pins.reason("gpt", ["promotion-1-1.4"])
    now[0] = LONGEST_S + 1
    assert pins.reason("gpt", ["promotion-1-1.4"]) is None
    assert pins.reason("gpt", ["read-2"])


def test_a_file_holds_while_it_is_touched(tmp_path):
    file = tmp_path / "hold"
    assert told_by(file, time.time()) is None
    file.write_text("restoring bert")
    assert told_by(file, time.time()) == "restoring bert"
    os.utime(file, (time.time() - FRESH_S - 1,) * 2)
    assert told_by(file, time.time()) is None


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "east").mkdir()
    return {name: repository(tmp_path / "stores" / name, name) for name in ("east", "west")}


def status(tmp_path):
    file = tmp_path / "east.json"
    return json.loads(file.read_text())["workloads"]["gpt"] if file.exists() else {"pending": 0}


def test_nothing_large_is_sent_while_the_hold_file_is_there(tmp_path, stores):
    hold = tmp_path / "hold"
    hold.write_text("restoring bert")
    with running(config(tmp_path, hold_file=str(hold), drain_s=0.0)):
        save(tmp_path, 10)
        until(lambda: status(tmp_path)["pending"] == 1)
        time.sleep(0.5)
        assert steps(tmp_path, "east") == steps(tmp_path, "west") == []
        hold.unlink()
        until(lambda: steps(tmp_path, "west") == [10])


@pytest.mark.slow
def test_whoever_restores_at_this_site_has_the_link_meanwhile(tmp_path, stores):
    with running(config(tmp_path, drain_s=0.0)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == steps(tmp_path, "east") == [10])
        there = repository(tmp_path / "stores" / "east", "east")
        with pinned(there, "gpt", there.log("gpt").view().in_order()[0], reason="restore"):
            time.sleep(0.2)
            save(tmp_path, 20)
            until(lambda: status(tmp_path)["pending"] == 1)
            time.sleep(0.5)
            assert steps(tmp_path, "east") == steps(tmp_path, "west") == [10]
        until(lambda: steps(tmp_path, "west") == [10, 20])


def test_a_peer_that_restores_gets_nothing_large_until_it_is_done(tmp_path, stores):
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
    uplink, pins = Uplink(time.monotonic, lanes=lanes()), Pins(time.monotonic)
    watch = PeerWatch(repository(tmp_path / "stores" / "west", "far"), ["gpt"], uplink, lambda: True)
    there = repository(tmp_path / "stores" / "west", "west")
    watch._look(pins)
    with pinned(there, "gpt", there.log("gpt").view().in_order()[0], reason="restore"):
        watch._look(pins)
        assert (uplink.lanes["far"].held, uplink.lanes["near"].held, uplink.held) == (True, False, None)
    watch._look(pins)
    assert not uplink.lanes["far"].held


def held(key, size, saved_at, *, stays=False):
    return Held(key, size, saved_at, stays)


def test_the_oldest_make_room_and_what_must_stay_stays():
    there = [held("new", 5, 3.0, stays=True), held("mid", 5, 2.0), held("old", 5, 1.0)]
    assert skip(there, 15) == []
    assert skip(there, 10) == ["old"]
    assert skip(there, 4) == ["old", "mid"]


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 100), st.booleans()), max_size=12), st.integers(0, 500))
def test_room_is_made_where_it_can_be_and_no_more_than_needed(rows, limit):
    there = [held(str(n), *row[:2], stays=row[2]) for n, row in enumerate(rows)]
    going = skip(there, limit)
    left = [each for each in there if each.key not in going]
    assert total(left) <= limit or all(each.stays for each in left)
    assert not any(each.stays for each in there if each.key in going)
    if going:
        last = next(each for each in there if each.key == going[-1])
        assert total(left) + last.size_bytes > limit


def test_a_full_spool_skips_the_oldest_whole_and_says_so(tmp_path, stores):
    settings = config(tmp_path, spool_limit_bytes=900_000)
    service = Service(settings)
    service.look()
    service._workloads[0].spool.number_above(1, 0)
    (tmp_path / "stores" / "west").rename(tmp_path / "away")
    with capture_logs() as said:
        for step in (10, 20, 30):
            save(tmp_path, step)
            for _ in range(3):
                service.look()
            service._workloads[0].shippers[0].ship_pending(threading.Event())
    skipped = [(each["step"], each["destination"]) for each in said if each["event"] == "checkpoint skipped"]
    assert skipped == [(10, "west")]
    assert [entry.push.step for entry in service._workloads[0].spool.entries()] == [30, 20]
    (tmp_path / "away").rename(tmp_path / "stores" / "west")
    service._workloads[0].shippers[1].ship_pending(threading.Event())
    assert steps(tmp_path, "west") == [20, 30]


def test_a_floor_above_the_ceiling_is_refused():
    with pytest.raises(ValidationError, match="above ceiling"):
        Destination(name="a", url="file:///a", floor_bytes_per_s=2, ceiling_bytes_per_s=1)


def test_a_ceiling_is_kept(tmp_path, stores):
    """400 kB in packs of 256 KiB at 1 MB/s: the second begins a quarter of a second after the first."""
    far = Destination(name="west", url=(tmp_path / "stores" / "west").as_uri(), ceiling_bytes_per_s=MB)
    settings = config(tmp_path)
    service = Service(settings.model_copy(update={"destinations": (settings.destinations[0], far)}))
    lane = service._uplink.lanes["west"]
    assert lane.pace == Pace.within(0.0, MB)
    save(tmp_path, 10)
    for _ in range(3):
        service.look()
    service._workloads[0].shippers[1].ship_pending(threading.Event())
    assert service._uplink.lanes["west"].free_at - lane.free_at > 0.5
    assert Repository("west", open_store(far.url)).log("gpt").view().in_order()
