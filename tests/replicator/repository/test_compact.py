"""Compaction: what is needed of old packs moves, what stood stands, and nothing kept is lost whatever interrupts it."""

from __future__ import annotations

import json
import random
import threading

import pytest
import structlog
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import KeyAbsent, KeyMissing, Sealed
from replicator.log.entries import Commit, Drop, Open
from replicator.model import CommitId, Id
from replicator.repository.compact import compact, usage_of
from replicator.repository.packs import pack_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.retain import removable
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored, verify
from replicator.retention.compaction import CompactionPolicy, plan_compaction
from replicator.retention.policy import Policy
from replicator.service.keeping import Keeping
from replicator.stores.faults import FaultyStore
from replicator.stores.url import open_store
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import KillAt, Killed, contents, push, repository

LOOSE = CompactionPolicy(min_live=0.8, spare=1)
GRACE_S = 100.0


def grow(west: Repository, folder, heights, *, each: int = 6) -> None:
    """Checkpoints of `each` files of which a new one replaces an old one at every step."""
    for height in heights:
        at = folder / f"step-{height}"
        at.mkdir(parents=True)
        for n in range(height, height + each):
            (at / f"w{n}").write_bytes(random.Random(n).randbytes(5000))
        (at / "step").write_text(str(height))
        wanted = push(height, height, attempt=f"a{height}", salt=height.to_bytes(16, "big"))
        ship(wanted, take_snapshot(at, sorted(path.name for path in at.iterdir())), west)


def drop(west: Repository, *heights: int, after: float = 0.0) -> None:
    ids = tuple(Id(term=1, height=height) for height in heights)
    west.log("gpt").append(lambda view: Drop(term=view.term, commits=ids, bytes_after=after, reason="test"))


def sweep(west: Repository, now: float = 1e12) -> None:
    packs, manifests = removable(west.log("gpt").view(), [], now)
    for key in [f"packs/{name[:2]}/{name}" for name in packs] + [f"manifests/{name[:2]}/{name}" for name in manifests]:
        west.store.delete(key)


def run(west: Repository, policy: CompactionPolicy = LOOSE, full=()):
    view = west.log("gpt").view()
    plan = plan_compaction(view, usage_of(west, view), policy, full=full)
    return plan, compact(west, "gpt", plan, view, grace_s=GRACE_S)


def all_whole(west: Repository) -> bool:
    view = west.log("gpt").view()
    return bool(view.accepted) and all(
        check_stored(west, each).ok and check_decoded(west, each).ok for each in view.in_order()
    )


def stored_bytes(west: Repository) -> int:
    return sum(west.store.size(key) for key in west.store.list("packs"))


@pytest.fixture
def west(tmp_path):
    made = repository()
    grow(made, tmp_path, range(1, 9))
    drop(made, 1, 2, 3)
    return made


def test_what_is_needed_of_sparse_packs_moves_and_the_rest_is_freed_after_the_grace(west, tmp_path):
    sweep(west)
    before, view = stored_bytes(west), west.log("gpt").view()
    west.clock = lambda: 1000.0
    plan, done = run(west)
    assert {str(key) for key in done.done} == {"1.4", "1.5", "1.6"}
    assert done.left == {}
    now = west.log("gpt").view()
    assert {key: each.what for key, each in now.accepted.items()} == {
        key: each.what for key, each in view.accepted.items()
    }
    assert now.accepted[CommitId(1, 8)].where == view.accepted[CommitId(1, 8)].where
    whole = stored_bytes(west)
    sweep(west, now=1099.0)
    assert stored_bytes(west) == whole > before
    sweep(west, now=1100.0)
    assert all_whole(west)
    assert before - stored_bytes(west) >= (plan.freed_bytes - plan.written_bytes) * 0.9 > 0
    for height in range(4, 9):
        restore(west, now.accepted[CommitId(1, height)], tmp_path / f"back-{height}")
        assert contents(tmp_path / f"back-{height}") == contents(tmp_path / f"step-{height}")
    assert run(west)[0].rewrites == ()


def test_a_synthetic_full_needs_nothing_of_any_other_checkpoint_and_the_source_is_not_read(west, tmp_path):
    for path in list(tmp_path.glob("step-6/*")):
        path.rename(tmp_path / path.name)
    plan, done = run(west, CompactionPolicy(min_live=0.01, spare=1), full=[CommitId(1, 6)])
    assert [(str(each.commit), each.full) for each in plan.rewrites] == [("1.6", True)]
    assert [str(key) for key in done.done] == ["1.6"]
    view = west.log("gpt").view()
    own = {pack.digest for pack in view.accepted[CommitId(1, 6)].where.packs}
    others = {p.digest for key, each in view.accepted.items() if key != CommitId(1, 6) for p in each.where.packs}
    assert not own & others
    assert view.accepted[CommitId(1, 6)].where.base is None
    assert len(own) == 1
    drop(west, 4, 5, 7)
    sweep(west)
    restore(west, view.accepted[CommitId(1, 6)], tmp_path / "back")
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"step", *(f"w{n}" for n in range(6, 12))}
    assert run(west, CompactionPolicy(min_live=0.01, spare=1), full=[CommitId(1, 6)])[0].passed_over == {
        "1.6": "it is self-contained already"
    }


def test_a_push_paused_across_a_compaction_and_its_grace_is_sent_anew_without_what_went(west, tmp_path):
    """It leans on what 1.8 needed of older packs; while it sleeps those are written anew, and removed."""
    slept: list[str] = []

    class Sleeps:
        def before(self, verb: str, key: str) -> None:
            if verb == "create" and key.startswith("log/") and not slept:
                slept.append(key)
                run(west, CompactionPolicy(min_live=1.0, spare=1), full=[])
                grow(west, tmp_path, [9])
                drop(west, 4, 5, 6, 7)
                run(west, CompactionPolicy(min_live=1.0, spare=1), full=[CommitId(1, 8)])
                sweep(west)

        def after(self, verb: str, key: str) -> None: ...

        def filter(self, key: str, body: bytes) -> bytes:
            return body

    slow = Repository("west", FaultyStore(west.store, Sleeps()))
    at = tmp_path / "late"
    at.mkdir()
    (at / "w8").write_bytes(random.Random(8).randbytes(5000))
    late = push(10, 10, attempt="late", salt=b"l" * 16)
    done = ship(late, take_snapshot(at, ["w8"]), slow)
    assert slept
    assert done is not None
    assert done.what.attempt == late.anew().attempt, "what it sent first leans on packs that were let go of"
    assert west.log("gpt").view().accepted[CommitId(1, 10)] == done
    assert all_whole(west)


def test_an_entry_of_a_writer_that_looks_at_nothing_is_void_once_its_packs_were_let_go_of(west):
    view = west.log("gpt").view()
    old = view.accepted[CommitId(1, 4)]
    run(west)
    what = old.what.model_copy(update={"height": 99})
    entry = Commit(term=1, what=what, where=old.where.model_copy(update={"base": None}))
    west.log("gpt")._slots.append(lambda _: ("commit", entry.model_dump(mode="json", exclude={"kind"})))
    assert "was let go of before it" in Repository("west", west.store).log("gpt").view().void[-1].reason


def test_what_is_pinned_or_among_the_newest_keeps_its_encoding_and_the_plan_says_so(west):
    west.log("gpt").pin("restore", CommitId(1, 5), reason="test", term=1)
    plan, done = run(west)
    assert (plan.rewrites, done.done) == ((), [])
    assert ["1.5 is pinned as restore" in why for why in plan.passed_over.values()] == [True]
    kept = run(west, CompactionPolicy(min_live=0.8, spare=9))[0].passed_over
    assert all("among the newest 9, which pushes lean on" in why or "pinned" in why for why in kept.values())


def test_a_restore_that_pinned_before_the_slot_was_won_keeps_what_it_reads(west):
    view = west.log("gpt").view()
    plan = plan_compaction(view, usage_of(west, view), LOOSE)
    west.log("gpt").pin("restore", CommitId(1, 5), reason="test", term=1)
    done = compact(west, "gpt", plan, view, grace_s=0.0)
    assert done.left == {"1.5": "it was pinned meanwhile as restore"}
    sweep(west)
    for pack in view.accepted[CommitId(1, 5)].where.packs:
        assert west.store.size(f"packs/{pack.digest[:2]}/{pack.digest}") == pack.size_bytes
    assert all_whole(west)


def test_of_two_compactions_at_once_one_takes_effect_and_the_other_removes_what_it_made(west):
    view = west.log("gpt").view()
    plan = plan_compaction(view, usage_of(west, view), LOOSE)
    other = Repository("west", west.store)
    first = compact(west, "gpt", plan, view, grace_s=0.0)
    there = set(west.store.list("packs")) | set(west.store.list("manifests"))
    second = compact(other, "gpt", plan, view, grace_s=0.0)
    assert len(first.done) == 3
    assert second.left == dict.fromkeys(("1.4", "1.5", "1.6"), "another compaction was faster")
    assert set(west.store.list("packs")) | set(west.store.list("manifests")) == there
    sweep(west)
    assert all_whole(west)


def test_a_compaction_whose_term_ended_meanwhile_changes_nothing(west):
    view = west.log("gpt").view()
    plan = plan_compaction(view, usage_of(west, view), LOOSE)
    log = west.log("gpt")
    log.seal(1, reason="test")
    with pytest.raises(Sealed):
        compact(west, "gpt", plan, view, grace_s=0.0)
    log.open(Open(term=2, writer="west", heads={"1": 8}))
    with pytest.raises(Sealed):
        compact(west, "gpt", plan, view, grace_s=0.0)
    assert not log.view().replaced


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_every_write_what_stood_still_stands_and_the_next_run_goes_on(tmp_path, before):
    count = 0
    while True:
        west = repository()
        grow(west, tmp_path / str(count), range(1, 6), each=4)
        drop(west, 1, 2)
        sweep(west)
        killed = Repository("west", FaultyStore(west.store, KillAt(count, before=before)))
        try:
            run(killed)
        except Killed:
            sweep(west)
            assert all_whole(west), count
            assert len(run(west)[1].done) + len(west.log("gpt").view().replaced) > 0
            sweep(west)
            assert all_whole(west), count
            count += 1
            continue
        break
    assert count == 5  # a pack, two manifests, two entries


def test_what_the_store_gives_back_wrong_never_takes_effect(west):
    class Wrong:
        def before(self, verb: str, key: str) -> None: ...

        def after(self, verb: str, key: str) -> None: ...

        def filter(self, key: str, body: bytes) -> bytes:
            return body if key in there or key.startswith("log/") else bytes(len(body))

    there = set(west.store.list("packs")) | set(west.store.list("manifests")) | {"format.json"}
    lying = Repository("west", FaultyStore(west.store, Wrong()))
    view = lying.log("gpt").view()
    plan = plan_compaction(view, usage_of(lying, view), LOOSE)
    done = compact(lying, "gpt", plan, view, grace_s=0.0)
    assert done.done == []
    assert all("is not what" in why for why in done.left.values())
    assert set(done.left) == {"1.4", "1.5", "1.6"}
    assert set(west.store.list("packs")) <= there
    assert not west.log("gpt").view().replaced
    assert all_whole(west)


def test_encrypted_a_keeper_with_a_recipients_key_encodes_anew_and_the_writers_signature_stays(tmp_path):
    family = Family(tmp_path / "family")
    grow(family.hand("writer", memory="writer"), tmp_path, range(1, 9))
    drop(family.hand("keeper"), 1, 2, 3)
    keeper = family.hand("keeper", "operator")
    before = keeper.log("gpt").view()
    _, done = run(keeper, full=[CommitId(1, 6)])
    assert {str(key) for key in done.done} == {"1.4", "1.5", "1.6"}
    sweep(keeper)
    for recipient in ("operator", "escrow"):
        reader = family.hand(recipient)
        now = reader.log("gpt").view()
        assert now.accepted[CommitId(1, 5)].signatures == before.accepted[CommitId(1, 5)].signatures
        for height in range(4, 9):
            folder = tmp_path / f"{recipient}-{height}"
            restore(reader, now.accepted[CommitId(1, height)], folder)
            assert contents(folder) == contents(tmp_path / f"step-{height}")
    grow(family.hand("writer", memory="writer"), tmp_path, [9])
    assert now.accepted[CommitId(1, 8)].where.packs[-1] in family.all().log("gpt").view().in_order()[-1].where.packs
    assert all_whole(family.hand("escrow"))


@pytest.mark.parametrize("names", [("keeper",), ("keeper", "writer", "verifier", "promoter")])
def test_encrypted_a_keeper_without_a_recipients_key_cannot_and_is_told_what_it_takes(tmp_path, names):
    family = Family(tmp_path / "family")
    grow(family.hand("writer"), tmp_path, range(1, 5))
    drop(family.hand("keeper"), 1, 2)
    there = everything(family.store)
    keeper = family.hand(*names)
    with pytest.raises(KeyAbsent, match="compaction reads what it encodes anew") as told:
        run(keeper)
    assert "recipient" in str(told.value.hint)
    reader = family.hand("operator")
    view = reader.log("gpt").view()
    plan = plan_compaction(
        view, usage_of(reader, view), CompactionPolicy(min_live=0.01, spare=1), full=[CommitId(1, 3)]
    )
    assert plan.rewrites
    with pytest.raises(KeyAbsent, match="private key of no recipient"):
        compact(keeper, "gpt", plan, view, grace_s=GRACE_S)
    assert everything(family.store) == there


def everything(store) -> dict[str, bytes]:
    folders = ("log", "parts", "packs", "manifests", "keys", "receipts")
    return {key: store.get(key) for folder in folders for key in store.list(folder)}


def test_encrypted_a_recipient_without_the_keepers_key_writes_nothing(tmp_path):
    family = Family(tmp_path / "family")
    grow(family.hand("writer", memory="writer"), tmp_path, range(1, 9))
    drop(family.hand("keeper"), 1, 2, 3)
    there = {key for kind in ("packs", "manifests", "keys") for key in family.store.list(kind)}
    with pytest.raises(KeyAbsent, match="role keeper"):
        run(family.hand("operator", "writer"))
    assert {key for kind in ("packs", "manifests", "keys") for key in family.store.list(kind)} == there


def test_a_verifier_that_looked_before_a_compaction_finds_no_damage(west):
    old = west.log("gpt").view().accepted[CommitId(1, 4)]
    run(west)
    sweep(west)
    assert not check_stored(west, old).ok
    assert all(verdict.ok for verdict in verify(west, "gpt", old, "west"))
    assert not west.receipts.damaged("gpt", old.slot)


def test_the_service_compacts_once_a_day_reads_back_what_it_made_and_keeps_the_old_bytes_while_they_are_doubted(west):
    now = [1000.0]
    west.clock = lambda: now[0]
    keeping = Keeping(west, "gpt", "west", Policy(last=9), GRACE_S, 1.0, compacts=LOOSE)
    keeping.verify_new(threading.Event())
    keeping.compact()
    assert (keeping.verified, keeping.compacted) == (5, 3)
    keeping.verify_new(threading.Event())
    assert keeping.verified == 8
    (moved,) = {pack for each in west.log("gpt").view().replaced for pack in each.where.packs} - {
        pack for each in west.log("gpt").view().in_order() for pack in each.where.packs
    }
    slot = west.log("gpt").view().accepted[CommitId(1, 4)].slot
    record = west.log("gpt").slot(slot).digest
    west.receipts.write("gpt", slot, "decoded", "east", record=record, ok=False, reason="test")
    now[0] += GRACE_S
    keeping.let_go()
    assert west.store.size(pack_key(moved.digest)) == moved.size_bytes
    west.receipts.write("gpt", slot, "decoded", "east", record=record, ok=True)
    keeping.let_go()
    with pytest.raises(KeyMissing):
        west.store.size(pack_key(moved.digest))
    assert all_whole(west)


def test_the_command_says_what_it_would_do_does_it_and_finds_nothing_more(tmp_path):
    (tmp_path / "store").mkdir()
    url = (tmp_path / "store").as_uri()
    there = repository(open_store(url))
    grow(there, tmp_path, range(1, 9))
    drop(there, 1, 2, 3)

    def told(*more: str) -> dict:
        words = ["compact", "--repo", url, "--min-live", "0.8", "--spare", "1", "--json", *more]
        result = CliRunner().invoke(make_app(), words)
        assert result.exception is None, result.exception
        return json.loads(result.stdout)

    first = told("--dry-run", "--full", "step:6")
    assert [(each["commit"], each["full"]) for each in first["checkpoints"]] == [
        ("1.6", True), ("1.4", False), ("1.5", False),
    ]  # fmt: skip
    assert first["compacted"] == []
    assert sorted(told("--full", "step:6")["compacted"]) == ["1.4", "1.5", "1.6"]
    assert told()["checkpoints"] == []
    lines = CliRunner().invoke(make_app(), ["compact", "--repo", url]).stdout
    assert "nothing is worth compacting" in lines
    structlog.reset_defaults()
