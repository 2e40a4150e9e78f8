"""How an attempt ends, on a real repository: what is said of a checkpoint, what is not, and that nothing stays behind."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drstack.errors import ActuatorFailed
from drstack.proving.history import History
from drstack.proving.ports import Replay
from drstack.proving.prove import LONGEST
from drstack.proving.prover import FIRST_WAIT_S, Prover, Settings
from replicator.model import Finding
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from tests.replicator.repository import rig

ON = {"torch": "2.14"}


def loss(step):
    return 10.0 / step


@dataclass
class Scripted:
    """A standby whose runs end as the test says; without a script they are what a sound checkpoint gives."""

    folder: Path
    site: str = "west"
    script: list[Replay] = field(default_factory=list)
    runs: list[tuple[int, int | None, int]] = field(default_factory=list)
    busy: str | None = None
    rooms: int = 0
    opened: int = 0
    during: object = None

    def wanted(self):
        return self.busy

    @contextmanager
    def room(self, workload):
        self.rooms += 1
        self.opened += 1
        place = self.folder / str(self.opened)
        place.mkdir(parents=True)
        self.checkpoints = place
        try:
            yield self
        finally:
            self.rooms -= 1

    def run(self, *, ranks, resume_step, steps, deadline_s, give_way):
        self.runs.append((ranks, resume_step, steps))
        if callable(self.during):
            self.during()
        if (why := give_way()) is not None:
            return Replay("gave way", why)
        if self.script:
            return self.script.pop(0)
        return sound(resume_step or 0, steps)


def sound(step, steps=5, **changed):
    losses = {n: loss(n) for n in range(step + 1, step + steps + 1)}
    return Replay("done", "", step or None, True, ON, losses | changed.pop("losses", {}))


CRASH = Replay("crashed", "rank 0 exited 1: boom")


def save(repository, folder, step, *, attempt="a", resumed=None, exact=None, log=True, receipts=True, findings=()):
    """A checkpoint of `step`, every tenth of which is saved, with the losses of the ten before."""
    source = folder / f"step-{step:08d}-{attempt}"
    source.mkdir(parents=True)
    (source / "weights").write_bytes(f"{step}{attempt}".encode() * 64)
    files = ["weights"]
    if log:
        start = {
            "event": "start",
            "attempt": attempt,
            "resumed_step": resumed,
            "exact": exact,
            "world": 2,
            "versions": ON,
        }
        rows = [{"event": "step", "step": n, "loss_hex": loss(n).hex()} for n in range(max(1, step - 9), step + 1)]
        (source / "losses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (start, *rows)))
        files.append("losses.jsonl")
    snapshot = take_snapshot(source, files)
    height = len(repository.log("gpt").view().accepted) + 1
    push = Push("gpt", source.name, 1, height, step, f"push{height}", b"s" * 16, snapshot.saved_at, findings=findings)
    accepted = ship(push, snapshot, repository)
    if receipts:
        verify(repository, "gpt", accepted, "west")
    return accepted


class World:
    def __init__(self, folder):
        self.folder = folder
        self.repository = rig.repository(name="west")
        self.standby = Scripted(folder / "rooms")
        self.now = 1000.0
        self.prover = Prover(
            self.repository, self.standby, History(folder / "proofs.jsonl"), Settings(), clock=lambda: self.now
        )

    def save(self, *steps, **how):
        return [save(self.repository, self.folder / "source", step, **how) for step in steps][-1]

    def turn(self, selector=None):
        return self.prover.turn("gpt", selector)

    def word(self, accepted):
        return self.repository.receipts.verdict("gpt", accepted.slot, "proved")

    def nothing_stays(self):
        assert self.repository.log("gpt").view().pins == {}
        assert self.standby.rooms == 0


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_the_newest_that_can_be_proved_is_and_then_nothing_is_left_to_do(world):
    world.save(10, 20, 30)
    outcome = world.turn()
    assert (outcome.result, outcome.step, outcome.commit) == ("proved", 20, "1.2")
    assert world.standby.runs == [(2, 20, 5)]
    assert world.turn().settled
    assert len(world.standby.runs) == 1
    world.nothing_stays()
    world.save(40)
    assert world.turn().step == 30


def test_a_pin_holds_the_checkpoint_while_it_is_tried(world):
    seen = []
    world.save(10, 20)
    world.standby.during = lambda: seen.append(dict(world.repository.log("gpt").view().pins))
    world.turn()
    assert [set(pins.values()) for pins in seen] == [{(1, 1)}]
    world.nothing_stays()


@pytest.mark.parametrize(
    ("script", "result", "said"),
    [
        ([sound(10, losses={12: 9.9})] * 2, "failed", "step 12: "),
        ([sound(10, losses={12: 9.9}), sound(10, losses={12: 9.8})], "unknown", "does not compute the same twice"),
        ([sound(10, losses={12: 9.9}), sound(10)], "unknown", "does not compute the same twice"),
        ([sound(10, losses={12: 9.9}), CRASH], "unknown", "a second replay crashed"),
        ([CRASH, sound(10)], "proved", "bit for bit"),
        ([CRASH, CRASH, sound(0, 1)], "failed", "cannot resume it, and begins well without it: rank 0 exited 1: boom"),
        ([CRASH, CRASH, CRASH], "unknown", "does not run at west, with a checkpoint or without"),
        ([Replay("killed", "rank 0 by signal 9: out of memory")], "unknown", "the replay killed: rank 0 by signal 9"),
        ([Replay("timed out", "it has made no step")], "unknown", "timed out: it has made no step"),
        ([Replay("not started", "no GPU is idle")], "unknown", "not started: no GPU is idle"),
        ([Replay("done", "", None, None, ON, {n: loss(n) for n in range(11, 16)})], "failed", "resumed from nothing"),
        ([Replay("gave way", "a job wants the slot")], "gave way", "a job wants the slot"),
    ],
)
def test_how_it_ends_says_what_it_says_of_the_checkpoint(world, script, result, said):
    accepted = world.save(10)
    world.save(20)
    world.standby.script = list(script)
    outcome = world.turn()
    assert (outcome.result, outcome.step) == (result, 10), outcome
    assert said in outcome.reason
    word = world.word(accepted)
    assert (None if word is None else word.ok) == {"proved": True, "failed": False}.get(result)
    assert word is None or word.reason == outcome.reason
    world.nothing_stays()


def test_damaged_bytes_are_said_of_the_checkpoint_and_a_store_out_of_reach_is_not(world):
    accepted = world.save(10)
    world.save(20)
    world.turn("step:10")
    pack = next(key for key in world.repository.store.list("packs"))
    for key in world.repository.store.list("packs"):
        world.repository.store.delete(key)
    outcome = world.turn("step:10")
    assert pack
    assert (outcome.result, world.word(accepted).ok) == ("failed", False), outcome
    assert "cannot be restored whole" in outcome.reason
    world.nothing_stays()


def test_a_site_without_the_job_says_nothing_of_the_checkpoint(world):
    accepted = world.save(10)
    world.save(20)

    @contextmanager
    def no_room(workload):
        raise ActuatorFailed("west: gpt has no job here")
        yield

    world.standby.room = no_room
    outcome = world.turn()
    assert (outcome.result, world.word(accepted)) == ("unknown", None)
    assert "gpt has no job here" in outcome.reason
    world.nothing_stays()


def test_what_could_not_be_tried_waits_longer_each_time_and_an_older_one_takes_its_turn(world):
    world.save(10, 20, 30)
    world.standby.script = [Replay("timed out", "slow")]
    assert (world.turn().step, world.turn().step) == (20, 10)
    world.now += FIRST_WAIT_S + 1
    world.standby.script = [Replay("timed out", "slow")]
    assert (world.turn().step, world.turn().settled) == (20, True)
    world.now += FIRST_WAIT_S + 1
    assert world.turn().settled
    world.now += FIRST_WAIT_S
    assert (world.turn().result, len(world.standby.runs)) == ("proved", 4)


def test_what_failed_is_not_tried_again_by_itself_and_is_when_it_is_named(world):
    world.save(10, 20, 30)
    world.standby.script = [sound(20, losses={22: 1.0})] * 2
    assert (world.turn().result, world.turn().step) == ("failed", 10)
    found = world.turn()
    assert (found.settled, "step 10 is proved" in found.reason) == (False, True)
    assert world.turn("step:20").result == "proved"
    assert world.word(world.repository.log("gpt").view().in_order()[1]).ok, "the last word counts"


def test_suspect_and_unverified_checkpoints_are_passed_over(world):
    world.save(10)
    world.save(20, findings=(Finding(reason="nan", tensor="w", evidence="x"),))
    world.save(30, receipts=False)
    world.save(40)
    assert world.turn().step == 10


def test_checkpoints_without_losses_are_not_provable_and_that_is_said(world):
    world.save(10, 20, log=False)
    outcome = world.turn()
    assert (outcome.result, world.standby.runs) == ("not provable", [])
    assert "no losses logged" in outcome.reason


def test_a_seal_while_it_runs_ends_it_and_the_pin_goes_in_the_next_term(world, monkeypatch):
    from replicator.log.entries import Open

    monkeypatch.setattr("drstack.proving.prover._LOOK_S", 0.0)
    accepted = world.save(10)
    world.save(20)
    log = rig.Repository("west", world.repository.store).log("gpt")
    world.standby.during = lambda: log.seal(1, reason="promotion")
    outcome = world.turn()
    assert (outcome.result, world.word(accepted)) == ("gave way", None)
    assert "sealed" in outcome.reason
    world.standby.during = None
    log.open(Open(term=2, writer="east", heads={"1": 2}))
    assert len(world.repository.log("gpt").view().pins) == 1
    world.turn()
    world.nothing_stays()


def test_a_prover_that_was_killed_leaves_a_pin_that_the_next_turn_lets_go(world):
    world.save(10, 20)
    log = world.repository.log("gpt")
    for name in ("proving-west-dead", "mine"):
        log.pin(name, log.view().in_order()[0].what.id(), reason="test", term=1)
    world.turn()
    assert set(world.repository.log("gpt").view().pins) == {"mine"}


def test_what_is_remembered_of_checkpoints_goes_with_them(world):
    from replicator.log.entries import Drop
    from replicator.model import Id

    world.save(10, 20, 30)
    world.turn()
    assert len(world.prover._logs) == 2
    drop = Drop(term=1, commits=(Id(term=1, height=1), Id(term=1, height=2)), bytes_after=0.0, reason="test")
    world.repository.log("gpt").append(lambda _: drop)
    world.turn()
    assert len(world.prover._logs) == 1


def test_a_job_that_says_very_much_fills_no_receipt(world):
    accepted = world.save(10)
    world.save(20)
    world.standby.script = [Replay("crashed", "x" * 10_000)] * 2 + [sound(0, 1)]
    assert world.turn().result == "failed"
    assert len(world.word(accepted).reason) == LONGEST


def test_a_torn_history_loses_no_more_than_its_torn_line(world):
    world.save(10, 20)
    world.turn()
    with (world.folder / "proofs.jsonl").open("a") as file:
        file.write('{"at": 1, "outco')
    world.save(30)
    world.turn()
    assert [row.outcome.step for row in world.prover.history.read()] == [10, 20]
