"""A term takes the keys that its assignment lists, and a key that was revoked vouches on only for what others sign."""

from __future__ import annotations

import time

import pytest

from replicator.crypto.notary import KeyNotary
from replicator.crypto.suites import DEFAULT
from replicator.crypto.trust import Revocation, read_trust, write_trust
from replicator.errors import KeyAbsent, KeyRevoked, SignatureRefused
from replicator.log.entries import Commit, Compact, Drop, Open, to_record
from replicator.model import CommitId, Id
from replicator.repository.custody import create_key
from replicator.repository.retain import removable
from tests.replicator.crypto.rig import appended, committed, ring, unlocking
from tests.replicator.log.builders import what, where
from tests.replicator.repository.rig import memory_store

FIRST = Id(term=1, height=1)


def second_term(family, *listed: str, term: int = 2):
    """A term whose assignment lists these keys."""
    log = family.all().log("gpt")
    log.seal(term - 1, reason="promotion")
    keys = {"term": term, "workload": {"keys": list(listed)}}
    log.open(Open(term=term, writer="west", heads={"1": 1, "2": 1}, assignment=keys))
    return log


def added(family, name: str, *roles: str) -> None:
    create_key(ring(family.keys), name, roles, how=None, unlocking=unlocking())


def revoked(family, name: str, slots: int) -> None:
    trust = read_trust(family.keys)
    ended = Revocation(at=time.time(), reason="stolen", through={f"{family.id}/log/gpt": slots})
    write_trust(family.keys, trust.with_key(trust.key(name).model_copy(update={"revoked": ended})))


def by_hand(family, name: str, entry: Commit) -> Commit:
    """What the holder of a key vouches for, whatever the product would sign."""
    said = KeyNotary(ring(family.keys), repository=family.id, suite=DEFAULT)
    key = read_trust(family.keys).key(name)
    return entry.model_copy(update={"signatures": said._sign(key, said._said(entry.what))})


@pytest.mark.parametrize(
    "entry",
    [
        Drop(term=2, commits=(FIRST,), bytes_after=0.0, reason="mine"),
        Compact(term=2, commit=FIRST, where=where(name="mine"), bytes_after=0.0),
    ],
    ids=lambda entry: entry.kind,
)
def test_a_keeper_that_the_assignment_does_not_list_drops_and_compacts_nothing(family, entry):
    committed(family)
    added(family, "west-keeper", "keeper")
    second_term(family, "writer", "west-keeper")
    with pytest.raises(KeyAbsent, match=f"may sign a {entry.kind}"):
        family.hand("keeper").log("gpt").append(lambda _: entry)
    view = family.hand().log("gpt").view()
    assert (list(view.accepted), removable(view, [], 9e9)) == ([CommitId(1, 1)], (set(), set()))
    appended(family, *to_record(entry), by="keeper")
    with pytest.raises(SignatureRefused, match="the assignment of term 2 does not list key keeper"):
        family.hand().log("gpt").view()


def test_a_keeper_that_the_assignment_lists_drops(family):
    committed(family)
    added(family, "west-keeper", "keeper")
    second_term(family, "writer", "west-keeper")
    entry = Drop(term=2, commits=(FIRST,), bytes_after=0.0, reason="ours")
    assert family.hand("west-keeper").log("gpt").append(lambda _: entry) is not None
    assert list(family.hand().log("gpt").view().dropped) == [CommitId(1, 1)]


@pytest.mark.parametrize(("by", "stands"), [("writer", False), ("west-writer", True)])
def test_a_promoter_copies_no_word_of_a_writer_that_the_checkpoints_own_term_did_not_list(family, by, stands):
    added(family, "west-writer", "writer")
    second_term(family, "west-writer")
    log = second_term(family, term=3)
    entry = by_hand(family, by, Commit(term=3, what=what(2, 1), where=where()))
    assert log.view().term == 3
    appended(family, *to_record(entry), by="promoter")
    if stands:
        assert list(family.hand().log("gpt").view().accepted) == [CommitId(2, 1)]
        return
    with pytest.raises(SignatureRefused, match="the assignment of term 2 does not list key writer"):
        family.hand().log("gpt").view()


def test_what_a_revoked_key_vouched_for_is_copied_by_a_promoter_and_stands(family):
    committed(family)
    there = family.all().log("gpt").view().accepted[CommitId(1, 1)]
    revoked(family, "writer", 2)
    other = memory_store()
    family.add(other)
    copied = family.hand("promoter", store=other).log("gpt")
    copied.open(Open(term=2, writer="west", heads={"1": 1}))
    copied.append(lambda _: Commit(term=2, what=there.what, where=where(name="n"), signatures=there.signatures))
    assert list(family.hand(store=other).log("gpt").view().accepted) == [CommitId(1, 1)]


def test_what_a_revoked_key_vouches_for_later_counts_only_where_a_key_that_counts_signs_the_record(family):
    added(family, "west-writer", "writer")
    revoked(family, "writer", 1)
    entry = by_hand(family, "writer", Commit(term=1, what=what(1, 1), where=where()))
    slot = family.all().log("gpt").view().slots + 1
    appended(family, *to_record(entry), by="west-writer")
    assert list(family.hand().log("gpt").view().accepted) == [CommitId(1, 1)]
    family.store.delete(f"log/gpt/{slot:020d}")
    appended(family, *to_record(entry), by="writer")
    with pytest.raises(KeyRevoked, match="was revoked before it"):
        family.hand().log("gpt").view()


def test_what_a_revoked_key_vouches_for_later_counts_in_no_term_that_does_not_list_it(family):
    added(family, "west-writer", "writer")
    revoked(family, "writer", 1)
    second_term(family, "west-writer")
    entry = by_hand(family, "writer", Commit(term=2, what=what(2, 1), where=where()))
    appended(family, *to_record(entry), by="west-writer")
    with pytest.raises(SignatureRefused, match="does not list key writer"):
        family.hand().log("gpt").view()
