"""Tiers: what is old and unread goes colder, what is read stays or comes back, and nothing leaves before it is there."""

from __future__ import annotations

import json
import threading
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import ReplicatorError
from replicator.log.entries import Drop, Pin
from replicator.log.replay import replay
from replicator.model import CommitId, Id
from replicator.repository.move import copy, let_go, reads_of
from replicator.repository.pinning import pinned
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.tiering import carry_out, look, tidy
from replicator.repository.verify import check_decoded, verify
from replicator.retention.policy import Policy
from replicator.retention.tiers import Shelf, Tier, place, read_tiers
from replicator.service.config import Destination, ServiceConfig, WatchedWorkload
from replicator.service.service import Service
from replicator.stores.archived import state, thaw
from replicator.stores.faults import FaultyStore
from replicator.stores.url import open_store
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import KillAt, Killed, contents, memory_store, push, repository
from tests.replicator.retention.logs import commit, opening

HOT = Tier(name="hot", url="mem:hot", keep=Policy(last=2), read_within_s=100.0, back_after_reads=2)
WARM = Tier(name="warm", url="mem:warm", keep=Policy(last=4), read_within_s=100.0)
COLD = Tier(name="cold", url="mem:cold")
TIERS = (HOT, WARM, COLD)


def shelf(tier: Tier, heights, attested=None, *more) -> Shelf:
    view = replay([opening(), *(commit(height) for height in sorted(heights)), *more])
    good = set(heights) if attested is None else attested
    return Shelf(tier, view, lambda each: each.what.height in good)


def told(placement) -> list[str]:
    return [f"{m.do} {m.commit} {m.source}>{m.target}" for m in placement.moves]


def test_what_is_beyond_a_tiers_policy_is_copied_first_and_dropped_once_it_is_there():
    every = {1, 2, 3}
    assert told(place([shelf(HOT, every), shelf(COLD, ())], {}, 0.0)) == ["copy 1.1 hot>cold"]
    assert told(place([shelf(HOT, every), shelf(COLD, {1}, attested=set())], {}, 0.0)) == ["copy 1.1 hot>cold"]
    assert told(place([shelf(HOT, every), shelf(COLD, {1})], {}, 0.0)) == ["drop 1.1 hot>cold"]


def test_what_was_read_lately_stays_and_what_is_read_often_comes_back():
    key = CommitId(1, 1)
    stays = place([shelf(HOT, {1, 2, 3}), shelf(COLD, ())], {key: [50.0]}, 100.0)
    assert told(stays) == []
    assert stays.stays["hot", key] == "read 50 s ago"
    assert told(place([shelf(HOT, {1, 2, 3}), shelf(COLD, ())], {key: [50.0]}, 151.0)) == ["copy 1.1 hot>cold"]
    away = [shelf(HOT, {2, 3}), shelf(COLD, {1})]
    assert told(place(away, {key: [90.0]}, 100.0)) == []
    back = place(away, {key: [90.0, 95.0]}, 100.0)
    assert told(back) == ["copy 1.1 cold>hot"]
    assert back.moves[0].reason == "read 2 times within 100 s"


def test_a_pin_a_hold_and_the_newest_with_its_receipts_never_leave_a_tier():
    pin = Pin(term=1, name="hold/case", commit=Id(term=1, height=1), reason="x")
    placement = place([shelf(HOT, {1, 2, 3, 4}, {1, 2}, pin), shelf(COLD, {1, 2, 3, 4})], {}, 0.0)
    assert told(placement) == []
    assert placement.stays["hot", CommitId(1, 1)] == "held as case"


@given(
    st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)), st.sets(st.integers(1, 8)),
    st.dictionaries(st.integers(1, 8), st.lists(st.floats(0, 200), max_size=3)), st.floats(0, 400),
)  # fmt: skip
def test_nothing_is_dropped_but_what_the_next_colder_tier_holds_attested(hot, warm, cold, good, reads, now):
    shelves = [shelf(HOT, hot, good), shelf(WARM, warm, good), shelf(COLD, cold, good)]
    placement = place(shelves, {CommitId(1, height): times for height, times in reads.items()}, now)
    holds = {"hot": hot, "warm": warm, "cold": cold}
    for move in placement.moves:
        assert move.commit.height in holds[move.source]
        if move.do == "drop":
            assert move.commit.height in holds[move.target] & good
            assert all(now - at >= 100.0 for at in reads.get(move.commit.height, []))
    for name, heights in (("hot", hot), ("warm", warm)):
        left = heights - {m.commit.height for m in placement.moves if m.do == "drop" and m.source == name}
        assert bool(left) == bool(heights)


def grow(there: Repository, folder, heights) -> None:
    for height in heights:
        at = folder / f"step-{height}"
        at.mkdir(parents=True)
        (at / "same").write_bytes(b"same" * 20_000)
        (at / "own").write_bytes(str(height).encode() * 3000)
        wanted = push(height, height, attempt=f"a{height}", salt=height.to_bytes(16, "big"))
        accepted = ship(wanted, take_snapshot(at, ["own", "same"]), there)
        verify(there, "gpt", accepted, "west")


@pytest.fixture
def site(tmp_path):
    there = {"hot": repository(name="hot"), "cold": repository(name="cold")}
    grow(there["hot"], tmp_path, range(1, 5))
    return there


def run(site, now: float = 1e6):
    tiers = (HOT, COLD)
    tidy(tiers, site, "gpt")
    placement = look(tiers, site, "gpt", now)
    return [f"{e.move.do} {e.move.commit}" + (f": {e.why_not}" if e.why_not else "") for e in carry_out(
        placement, site, "gpt", "west", grace_s=0.0)]  # fmt: skip


def standing(there: Repository) -> set[str]:
    return {str(key) for key in there.log("gpt").view().accepted}


def test_a_checkpoint_goes_cold_with_its_name_and_word_and_comes_back_when_it_is_read(site, tmp_path):
    assert run(site) == ["copy 1.1", "copy 1.2"]
    assert run(site) == ["drop 1.1", "drop 1.2"]
    assert (standing(site["hot"]), standing(site["cold"])) == ({"1.3", "1.4"}, {"1.1", "1.2"})
    assert run(site) == []
    cold = site["cold"].log("gpt").view().accepted[CommitId(1, 1)]
    assert cold.what == site["hot"].log("gpt").view().dropped[CommitId(1, 1)][0].what
    restore(site["cold"], cold, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-1")
    second = site["cold"].log("gpt").view().accepted[CommitId(1, 2)]
    assert second.where.base is not None
    assert second.where.shipped_bytes < second.what.size_bytes / 2
    for _ in range(2):
        with pinned(site["cold"], "gpt", cold, reason="test"):
            pass
    at = max(reads_of(site["cold"], "gpt")[CommitId(1, 1)])
    assert run(site, at + 1) == ["copy 1.1"]
    assert standing(site["hot"]) == {"1.1", "1.3", "1.4"}
    hot = site["hot"].log("gpt").view()
    assert check_decoded(site["hot"], hot.accepted[CommitId(1, 1)]).ok
    assert not hot.dropped.keys() & hot.accepted.keys()
    assert run(site, at + 1) == []
    assert run(site, at + 1000) == ["drop 1.1"]


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_every_write_a_checkpoint_is_always_in_a_tier_whole(tmp_path, before):
    for count in range(40):
        site = {"hot": repository(name="hot"), "cold": repository(name="cold")}
        grow(site["hot"], tmp_path / str(count), (1, 2, 3))
        kill = KillAt(count, before=before)
        killed = {name: Repository(name, FaultyStore(each.store, kill)) for name, each in site.items()}
        try:
            run(killed)
            run(killed)
        except Killed:
            pass
        else:
            break
        fresh = {name: Repository(name, each.store) for name, each in site.items()}
        whole = {
            str(key)
            for each in fresh.values()
            for key, accepted in each.log("gpt").view().accepted.items()
            if check_decoded(each, accepted).ok
        }
        assert whole == {"1.1", "1.2", "1.3"}, count
        for _ in range(3):
            run(fresh)
        assert not fresh["cold"].log("gpt").view().pins
        assert standing(fresh["hot"]) | standing(fresh["cold"]) == {"1.1", "1.2", "1.3"}
        assert {"1.2", "1.3"} <= standing(fresh["hot"])
    assert count == 8  # pack, manifest, commit, two receipts, pin, drop, unpin


def test_nothing_leaves_a_tier_while_the_colder_one_lost_it_or_somebody_reads_it_here(site):
    run(site)
    with pinned(site["hot"], "gpt", select(site["hot"], "gpt", "1.1"), reason="test") as held:
        assert held
        assert not let_go(site["hot"], site["cold"], "gpt", CommitId(1, 1), grace_s=0.0)
    gone = Drop(term=1, commits=(Id(term=1, height=2),), bytes_after=0.0, reason="test")
    site["cold"].log("gpt").append(lambda _: gone)
    assert not let_go(site["hot"], site["cold"], "gpt", CommitId(1, 2), grace_s=0.0)
    slot = site["cold"].log("gpt").view().accepted[CommitId(1, 1)].slot
    record = site["cold"].log("gpt").slot(slot).digest
    site["cold"].receipts.write("gpt", slot, "stored", "other", record=record, ok=False, reason="lost")
    assert not let_go(site["hot"], site["cold"], "gpt", CommitId(1, 1), grace_s=0.0)
    assert not site["cold"].log("gpt").view().pins
    assert {"1.1", "1.2"} <= standing(site["hot"])


def test_encrypted_tiers_wrap_to_the_recipients_anew_and_keep_the_writers_word(tmp_path):
    family = Family(tmp_path / "family")
    other = memory_store()
    family.add(other)
    grow(family.hand("writer", "verifier", "operator", memory="w"), tmp_path, (1, 2, 3))
    site = {"hot": family.all(), "cold": family.all(other)}
    assert run(site) == ["copy 1.1"]
    assert run(site) == ["drop 1.1"]
    reader = family.hand("escrow", store=other)
    there = reader.log("gpt").view().accepted[CommitId(1, 1)]
    restore(reader, there, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-1")
    assert reader.notary.vouched(there.what, there.signatures, "here") == "writer"
    plain = repository(name="cold")
    with pytest.raises(ReplicatorError, match="not encrypted alike"):
        copy(site["hot"], plain, "gpt", site["hot"].log("gpt").view().accepted[CommitId(1, 2)], "west")


def test_the_command_explains_moves_and_restores_the_hottest_first(tmp_path):
    for name in ("hot", "cold"):
        (tmp_path / name).mkdir()
        repository(open_store((tmp_path / name).as_uri()), name=name)
    grow(Repository("hot", open_store((tmp_path / "hot").as_uri())), tmp_path, range(1, 5))
    file = tmp_path / "tiers.json"
    file.write_text(json.dumps({"tiers": [
        {"name": "hot", "url": (tmp_path / "hot").as_uri(), "keep": {"last": 2}},
        {"name": "cold", "url": (tmp_path / "cold").as_uri()},
    ]}))  # fmt: skip

    def said(*words: str) -> dict:
        result = CliRunner().invoke(make_app(), [*words, "--json"])
        assert result.exception is None, result.exception
        return json.loads(result.stdout)

    first = said("tier", "--tiers", str(file), "--dry-run")
    assert [(m["do"], m["commit"], m["done"]) for m in first["moves"]] == [
        ("copy", "1.1", False),
        ("copy", "1.2", False),
    ]
    assert {s["commit"]: s["reason"] for s in first["stays"]}["1.4"].startswith("the newest with its receipts")
    assert all(m["done"] for m in said("tier", "--tiers", str(file))["moves"])
    assert [m["do"] for m in said("tier", "--tiers", str(file), "--grace", "0")["moves"]] == ["drop", "drop"]
    done = said("restore", "1.1", "--tiers", str(file), "--to", str(tmp_path / "back"))
    assert done["files"] == 2
    assert contents(tmp_path / "back") == contents(tmp_path / "step-1")
    newest = said("restore", "--tiers", str(file), "--to", str(tmp_path / "new"))
    assert newest["commit"] == "1.4"
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "Invalid JSON"), ('{"tiers": []}', "at least 1"),
        ('{"tiers": [{"name": "a", "url": "x"}, {"name": "b", "url": "y"}]}', "tier a: keep says what stays there"),
        ('{"tiers": [{"name": "a", "url": "x", "keep": {"last": 1}}, {"name": "a", "url": "y"}]}', "one name"),
    ],
)  # fmt: skip
def test_a_file_of_tiers_that_does_not_hold_is_refused_by_its_fields(tmp_path, text, fault):
    (tmp_path / "tiers.json").write_text(text)
    with pytest.raises(ReplicatorError, match=fault):
        read_tiers(tmp_path / "tiers.json")


def test_the_service_moves_by_its_configuration_unattended(tmp_path):
    for name in ("hot", "cold", "run"):
        (tmp_path / name).mkdir()
    urls = {name: (tmp_path / name).as_uri() for name in ("hot", "cold")}
    there = {name: repository(open_store(url), name=name) for name, url in urls.items()}
    grow(there["hot"], tmp_path / "saved", range(1, 5))
    config = ServiceConfig(
        site="west", own="hot", destinations=(Destination(name="hot", url=urls["hot"]),),
        workloads=(WatchedWorkload(name="gpt", path=str(tmp_path / "run")),), spool=str(tmp_path / "spool"),
        status_file=str(tmp_path / "status.json"), tier_every_s=0.2, poll_s=0.05, drain_s=0.0,
        tiers=(Tier(name="hot", url=urls["hot"], keep=Policy(last=2)), Tier(name="cold", url=urls["cold"])),
    )  # fmt: skip
    stop = threading.Event()
    thread = threading.Thread(target=Service(config).run, args=(stop,), daemon=True)
    thread.start()
    ends = time.monotonic() + 60
    while time.monotonic() < ends and standing(Repository("hot", open_store(urls["hot"]))) != {"1.3", "1.4"}:
        time.sleep(0.1)
    stop.set()
    thread.join(30)
    assert standing(Repository("hot", open_store(urls["hot"]))) == {"1.3", "1.4"}
    assert standing(Repository("cold", open_store(urls["cold"]))) == {"1.1", "1.2"}
    structlog.reset_defaults()


def test_tiers_of_a_service_that_do_not_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match="keep says what stays there"):
        ServiceConfig(
            site="west", own="hot", destinations=(), workloads=(), spool="s", status_file="f",
            tiers=(Tier(name="hot", url="a"), Tier(name="cold", url="b")),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "online"), ({"StorageClass": "GLACIER_IR"}, "online"), ({"StorageClass": "GLACIER"}, "archived"),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, "thawing"),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="x"'}, "thawed"),
    ],
)  # fmt: skip
def test_what_an_archive_holds_is_told_apart_and_asked_for_once(headers, expected):
    asked: list[str] = []

    class Control:
        def ask(self, verb, key, **given):
            asked.append(verb)
            return headers

    assert state(Control(), "k") == expected
    counts = thaw(Control(), ["k"], days=7, tier="bulk")
    assert counts == {"thawing" if expected == "archived" else expected: 1}
    assert asked.count("restore_object") == (expected == "archived")
