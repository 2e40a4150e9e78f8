"""Several repositories make one checkpoint: what one lacks comes from another, never a byte that no digest vouches for."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from replicator.errors import DataCorrupt, NothingToRestore, RolledBack, StoreUnavailable
from replicator.log.entries import Open
from replicator.log.records import digest
from replicator.model import CommitId, PackRef
from replicator.repository.edge import EdgeCache
from replicator.repository.heads import HeadMemory, head_of
from replicator.repository.ladder import Ladder
from replicator.repository.manifest import encode
from replicator.repository.repository import Repository
from replicator.repository.restore import restore_from
from replicator.repository.select import parse
from replicator.repository.ship import ship
from replicator.repository.survey import choose, survey
from replicator.repository.verify import verify
from replicator.stores.cloud import memory_store
from replicator.stores.deadline import DeadlineStore
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository
from tests.replicator.repository.test_restore_goes_on import Reads


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 200_000)
    cut_every(64_000, monkeypatch)
    monkeypatch.setattr("replicator.repository.ladder.UNIT_BYTES", 128_000)


def corrupt(there, key):
    body = bytearray(there.store.get(key))
    body[len(body) // 2] ^= 1
    there.store.delete(key)
    there.store.create(key, bytes(body))


def keys(accepted, start=0, step=1):
    return [f"packs/{p.digest[:2]}/{p.digest}" for p in accepted.where.packs][start::step]


def pair(tmp_path, *, salts=(b"s" * 16, b"t" * 16)):
    """Hot and far hold one checkpoint in packs of their own."""
    snapshot = checkpoint(tmp_path / "a", 10, size=1_000_000)
    made = []
    for name, salt in zip(("hot", "far"), salts, strict=True):
        there = repository(memory_store(), name=name)
        made.append((there, ship(push(1, 10, salt=salt), snapshot, there)))
    return made


def test_blocks_damaged_or_missing_here_come_from_a_peer_that_packed_them_otherwise(tmp_path):
    hot, far = pair(tmp_path)
    corrupt(hot[0], keys(hot[1])[0])
    hot[0].store.delete(keys(hot[1])[2])
    corrupt(far[0], keys(far[1])[4])
    ladder = Ladder([hot, far])
    restore_from(ladder, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    first, second = ladder.rungs
    assert len(first.damaged) == 2
    assert set(first.damaged) == {hot[1].where.packs[0].digest, hot[1].where.packs[2].digest}
    assert first.read_bytes + second.read_bytes == hot[1].what.size_bytes
    assert 64_000 <= second.read_bytes < 500_000


def test_a_manifest_that_is_damaged_everywhere_but_in_one_repository_is_enough(tmp_path):
    hot, far = pair(tmp_path)
    manifest = hot[1].where.manifest.digest
    corrupt(hot[0], f"manifests/{manifest[:2]}/{manifest}")
    ladder = Ladder([hot, far])
    restore_from(ladder, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert manifest in ladder.rungs[0].damaged


def test_what_nobody_has_is_named_with_its_file_and_bytes(tmp_path):
    hot, far = pair(tmp_path, salts=(b"s" * 16, b"s" * 16))
    for there, accepted in (hot, far):
        corrupt(there, keys(accepted)[0])
    with pytest.raises(DataCorrupt, match=r"weights bytes \d+-\d+ cannot be read"):
        restore_from(Ladder([hot, far]), tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_peer_with_other_contents_under_the_same_name_gives_nothing(tmp_path):
    hot, far = pair(tmp_path)
    liar = repository(memory_store())
    other = ship(push(1, 10), checkpoint(tmp_path / "other", 10, size=1_000_000, seed=9), liar)
    found = survey([hot[0], liar, far[0]], "gpt")
    (copies,) = choose(found, parse("latest", now=0.0))
    assert [each.name for each, _ in copies] == ["hot", "far"]
    corrupt(hot[0], keys(hot[1])[0])
    ladder = Ladder([hot, (liar, other), far])
    restore_from(ladder, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert ladder.rungs[1].read_bytes == 0


def lying(there, accepted):
    """The commit with a manifest that lists the same files and puts two of their blocks the other way round."""
    manifest = there.manifest(accepted.where.manifest)
    file = next(each for each in manifest.files if each.path == "weights")
    turned = file.model_copy(update={"blocks": (file.blocks[1], file.blocks[0], *file.blocks[2:])})
    files = tuple(turned if each is file else each for each in manifest.files)
    stored = encode(manifest.model_copy(update={"files": files}))
    ref = PackRef(digest=digest(stored), size_bytes=len(stored))
    there.store.create(f"manifests/{ref.digest[:2]}/{ref.digest}", stored)
    return replace(accepted, where=accepted.where.model_copy(update={"manifest": ref}))


def test_a_manifest_that_lies_about_blocks_is_found_out_by_the_file_and_by_the_plan(tmp_path):
    hot, far = pair(tmp_path)
    with pytest.raises(DataCorrupt, match="weights is not what its commit says"):
        restore_from(Ladder([(hot[0], lying(*hot))]), tmp_path / "b")
    corrupt(hot[0], keys(hot[1])[0])
    liar = far[0], lying(*far)
    ladder = Ladder([hot, liar, far])
    restore_from(ladder, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert any("other bytes than the commit says" in why for why in ladder.rungs[1].damaged.values())


class Away:
    """Fails every read of packs, slowly or at once."""

    def __init__(self, wait=None):
        self.asked, self.wait = 0, wait

    def before(self, verb, key):
        if key.startswith("packs/"):
            self.asked += 1
            if self.wait is None:
                raise StoreUnavailable("503 Slow Down")
            self.wait.wait()

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


@pytest.mark.parametrize("hangs", [False, True])
def test_a_repository_that_does_not_answer_is_given_up_after_a_few_tries(tmp_path, hangs):
    hot, far = pair(tmp_path)
    gate = threading.Event() if hangs else None
    away = Away(gate)
    store = DeadlineStore(FaultyStore(hot[0].store, away), limit_s=0.2)
    ladder = Ladder([(Repository("hot", store), hot[1]), far])
    try:
        restore_from(ladder, tmp_path / "b")
    finally:
        if gate:
            gate.set()
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert ladder.rungs[0].gave_up is not None
    assert away.asked <= 3 + 8  # the failures that it takes, and what was under way meanwhile


def test_a_block_that_could_not_be_asked_for_is_not_called_damaged(tmp_path):
    hot, far = pair(tmp_path)
    corrupt(far[0], keys(far[1])[0])
    ladder = Ladder([(Repository("hot", FaultyStore(hot[0].store, Away())), hot[1]), far])
    with pytest.raises(StoreUnavailable):
        restore_from(ladder, tmp_path / "b")


def test_the_newest_of_all_is_chosen_and_the_older_follow(tmp_path):
    hot, far = repository(memory_store(), name="hot"), repository(memory_store(), name="far")
    first = checkpoint(tmp_path / "a", 10)
    second = checkpoint(tmp_path / "b", 20, seed=2)
    for there in (hot, far):
        ship(push(1, 10), first, there)
    newest = ship(push(2, 20, attempt="a2"), second, far)
    found = choose(survey([hot, far], "gpt"), parse("latest", now=0.0))
    assert [[each.name for each, _ in copies] for copies in found] == [["far"], ["hot", "far"]]
    corrupt(far, keys(newest)[0])
    verify(far, "gpt", newest, "far")
    found = choose(survey([hot, far], "gpt"), parse("latest", now=0.0))
    assert found[0][0][1].what.id() == CommitId(1, 1)
    assert choose(survey([hot, far], "gpt"), parse("1.2", now=0.0))[0][0][0].name == "far"


def test_a_copy_that_a_verifier_found_damaged_is_asked_last(tmp_path):
    hot, far = pair(tmp_path)
    corrupt(hot[0], keys(hot[1])[0])
    verify(hot[0], "gpt", hot[1], "hot")
    (copies,) = choose(survey([hot[0], far[0]], "gpt"), parse("latest", now=0.0))
    assert [each.name for each, _ in copies] == ["far", "hot"]


def test_what_the_newest_term_does_not_cover_stands_in_no_repository(tmp_path):
    hot, far = repository(memory_store(), name="hot"), repository(memory_store(), name="far")
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), far)
    far.log("gpt").open(Open(term=2, writer="west", heads={"1": 1}))
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), hot)
    ship(push(2, 20, attempt="zombie"), checkpoint(tmp_path / "z", 20, seed=5), hot)
    found = survey([hot, far], "gpt")
    assert choose(found, parse("latest", now=0.0))[0][0][1].what.id() == CommitId(1, 1)
    with pytest.raises(NothingToRestore):
        choose(found, parse("1.2", now=0.0))


def test_a_repository_that_was_rolled_back_chooses_nothing_and_gives_bytes(tmp_path):
    hot, far = pair(tmp_path)
    ship(push(2, 20, attempt="a2"), checkpoint(tmp_path / "c", 20, seed=3), hot[0])
    memory = HeadMemory(tmp_path / "heads")
    memory.remember(hot[0], "gpt")
    head = head_of(hot[0], "gpt")
    hot[0].store.delete(f"log/gpt/{head.n:020d}")
    back = Repository("hot", hot[0].store)
    found = survey([back], "gpt", memory)
    assert "slot 3 was seen before" in found.seen[0].why_not
    with pytest.raises(RolledBack):
        choose(found, parse("latest", now=0.0))
    assert choose(found, parse("1.1", now=0.0))
    corrupt(far[0], keys(far[1])[0])
    (copies,) = choose(survey([back, far[0]], "gpt", memory), parse("latest", now=0.0))
    restore_from(Ladder(copies), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_one_repository_of_several_may_be_unreadable_and_is_said_to_be_away(tmp_path):
    _, far = pair(tmp_path)
    broken = memory_store()
    broken.create("log/gpt/00000000000000000001", b"no record")
    found = survey([Repository("broken", broken), far[0]], "gpt")
    assert list(found.away) == ["memory://"]
    assert choose(found, parse("latest", now=0.0))
    with pytest.raises(StoreUnavailable):
        survey([Repository("broken", broken)], "gpt")


def test_what_the_edge_holds_is_not_fetched_again_and_never_believed(tmp_path):
    (hot, accepted), _ = pair(tmp_path)
    reads = Reads()
    there = Repository("hot", FaultyStore(hot.store, reads))
    cache = EdgeCache(tmp_path / "cache", 10_000_000)
    restore_from(Ladder([(there, accepted)], cache=cache), tmp_path / "b")
    assert reads.bytes >= 1_000_000
    reads.bytes = 0
    again = EdgeCache(tmp_path / "cache", 10_000_000)
    restore_from(Ladder([(there, accepted)], cache=again), tmp_path / "c")
    assert reads.bytes == 0
    assert again.hits == len(list((tmp_path / "cache").glob("??/*")))
    wrong = next(path for path in (tmp_path / "cache").glob("??/*") if path.stat().st_size == 64_000)
    wrong.write_bytes(b"x" * 64_000)
    restore_from(Ladder([(there, accepted)], cache=EdgeCache(tmp_path / "cache", 10_000_000)), tmp_path / "d")
    assert reads.bytes == 64_000
    assert contents(tmp_path / "d") == contents(tmp_path / "a")


def test_the_edge_lets_go_of_what_was_used_longest_ago_also_of_another_process(tmp_path):
    import os

    one, two = EdgeCache(tmp_path, 100_000), EdgeCache(tmp_path, 100_000)
    for n in range(8):
        (one, two)[n % 2].put(f"{n:064x}", 0, bytes(10_000))
        os.utime(tmp_path / f"{n:064x}"[:2] / f"{n:064x}-0", (1000 + n, 1000 + n))
    assert one.get(f"{0:064x}", 0) is not None
    for n in range(8, 30):
        (one, two)[n % 2].put(f"{n:064x}", 0, bytes(10_000))
        os.utime(tmp_path / f"{n:064x}"[:2] / f"{n:064x}-0", (1000 + n, 1000 + n))
        held = sum(path.stat().st_size for path in tmp_path.glob("??/*"))
        assert held <= 110_000
    assert one.get(f"{0:064x}", 0) is not None, "it was used, and newer ones were not"
    assert one.get(f"{1:064x}", 0) is None
    assert two.get(f"{29:064x}", 0) is not None


def test_a_cache_that_cannot_be_written_turns_itself_off(tmp_path):
    (hot, accepted), _ = pair(tmp_path)
    (tmp_path / "cache").write_text("a file")
    cache = EdgeCache(tmp_path / "cache", 10_000_000)
    restore_from(Ladder([(hot, accepted)], cache=cache), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert cache.trouble is not None
