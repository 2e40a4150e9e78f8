"""A log that is too new is refused with the release that is needed, nothing is written to it, and only an act makes it so."""

from __future__ import annotations

import json

import pytest

from replicator.errors import RecordCorrupt, RepositoryUnknown, Sealed, TooNew, Untrusted
from replicator.log import level
from replicator.log.entries import Drop, Open, Upgrade
from replicator.log.replay import replay
from replicator.log.slots import SlotLog
from replicator.model import Id
from replicator.repository.compact import compact
from replicator.repository.format import initialise, read_format
from replicator.repository.manifest import decode, encode
from replicator.repository.move import copy, let_go
from replicator.repository.renew import renew
from replicator.repository.repair import repair
from replicator.repository.repository import Repository, random_token
from replicator.repository.ruling import Ruling, rule
from replicator.repository.ship import ship
from replicator.repository.verify import verify
from replicator.retention.compaction import Plan
from replicator.service.keeping import Keeping
from replicator.stores.cloud import memory_store
from tests.replicator.cli.rig import Shell
from tests.replicator.crypto.rig import Family
from tests.replicator.log.builders import commit, log_on, opened, put, seal
from tests.replicator.repository.rig import checkpoint, push, repository


def upgrade(term=1, reader=2, writer=2):
    return Upgrade(term=term, reader=reader, writer=writer, release="0.9", reason="test")


@pytest.fixture
def newer(monkeypatch):
    """A repository as a version of the future leaves it: upgraded, and then with an entry that nobody knows today."""

    def make(reader, writer):
        there = repository()
        monkeypatch.setattr(level, "LEVEL", 2)
        assert there.log("gpt").upgrade(reader, writer, release="0.9", reason="test")
        monkeypatch.setattr(level, "LEVEL", 1)
        if reader > 1:
            slots = SlotLog(there.store, "log/gpt", clock=lambda: 1.0, token=random_token)
            slots.append(lambda _: ("merge", {"term": 1, "of": [1]}))
        return Repository("west", there.store)

    return make


def everything(store):
    return sorted(key for top in ("log", "packs", "manifests", "parts", "receipts") for key in store.list(top))


def test_a_log_that_is_too_new_stays_so_however_often_one_log_is_asked(newer):
    log = newer(2, 2).log("gpt")
    for _ in range(2):
        with pytest.raises(TooNew, match="from entry 2 on"):
            log.view()


def test_levels_start_at_one_and_only_go_up():
    view = replay([opened(1), upgrade(reader=2, writer=3), upgrade(reader=1, writer=4), commit(1, 1)])
    assert (view.needs.reader, view.needs.writer) == (2, 4)
    assert replay([opened(1)]).needs == level.Needs()


def test_an_upgrade_that_is_void_upgrades_nothing():
    log = [opened(1), seal(1), upgrade(), opened(2)]
    assert replay(log).needs.reader == 1
    assert [void.kind for void in replay(log).void] == ["upgrade"]


def test_a_reader_below_the_level_reads_no_further_and_is_told_the_release(newer):
    with pytest.raises(TooNew, match="level 2 and up; this version knows 1") as raised:
        newer(2, 2).log("gpt").view()
    assert "0.9" in raised.value.hint
    assert raised.value.exit_code == 41


def test_whoever_may_only_read_writes_nothing_at_all(newer, tmp_path):
    there = newer(1, 2)
    before = everything(there.store)
    snapshot = checkpoint(tmp_path / "ck", 10)
    log = there.log("gpt")
    assert log.view().writable
    keeper = Keeping(there, "gpt", "west", 1, 0.0, 0.01)
    for act in (
        lambda: ship(push(1, 10), snapshot, there),
        lambda: log.seal(1, reason="promotion"),
        lambda: there.receipts.write("gpt", 1, "stored", "west", record="r", ok=True),
        log.require_writer,
    ):
        with pytest.raises(TooNew, match="nothing was written"):
            act()

    class Once:
        def __init__(self):
            self.left = 1

        def wait(self, _):
            self.left -= 1
            return self.left < 0

        is_set = staticmethod(lambda: False)

    keeper.run(Once())
    assert "nothing was written" in keeper.trouble
    assert everything(there.store) == before


def test_whoever_may_only_read_repairs_moves_compacts_and_removes_nothing_either(tmp_path):
    peer, there, other = repository(), repository(), repository()
    for n in (1, 2):
        for each in (peer, there):
            ship(push(n, 10 * n, attempt=f"a{n}"), checkpoint(tmp_path / f"ck-{n}", 10 * n), each)
    first, second = there.log("gpt").view().in_order()
    gone = f"manifests/{second.where.manifest.digest[:2]}/{second.where.manifest.digest}"
    there.store.delete(gone)
    there.log("gpt").append(lambda _: Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason=""))
    for each in (there, other):
        each.log("gpt").append(lambda view: upgrade(reader=1, writer=2) if view.needs.writer < 2 else None)
    there = Repository("west", there.store)
    before, before_other = everything(there.store), everything(other.store)
    keeper = Keeping(there, "gpt", "west", 1, 0.0, 0.01)
    for act in (
        lambda: repair(there, [peer], "operator", full=True),
        lambda: renew(there, peer, "gpt", second, grace_s=0.0),
        lambda: copy(peer, other, "gpt", peer.log("gpt").view().in_order()[0], "west"),
        lambda: let_go(peer, other, "gpt", first.what.id(), grace_s=0.0),
        lambda: compact(there, "gpt", Plan(term=1, rewrites=()), there.log("gpt").view(), grace_s=0.0),
        lambda: rule(there, "gpt", second, Ruling(released=False, reason="x", by="me", at=0.0)),
        keeper.let_go,
        keeper.sweep,
    ):
        with pytest.raises(TooNew, match="nothing was written"):
            act()
    assert everything(there.store) == before
    assert everything(other.store) == before_other


def test_an_older_log_is_read_and_written_and_stays_as_old_as_it_was(tmp_path, monkeypatch):
    there = repository()
    monkeypatch.setattr(level, "LEVEL", 2)
    accepted = ship(push(1, 10), checkpoint(tmp_path / "ck", 10), there)
    verify(there, "gpt", accepted, "west")
    assert there.log("gpt").view().needs == level.Needs()
    monkeypatch.setattr(level, "LEVEL", 1)
    assert len(Repository("west", there.store).log("gpt").view().accepted) == 1


def test_an_upgrade_is_made_once_and_not_in_a_sealed_term(monkeypatch):
    monkeypatch.setattr(level, "LEVEL", 2)
    log = log_on(memory_store())
    log.open(Open(term=1, writer="east"))
    assert log.upgrade(2, 2, release="0.9", reason="test")
    assert not log.upgrade(2, 2, release="0.9", reason="test")
    put(log, 1, 1)
    log.seal(1, reason="test")
    with pytest.raises(Sealed):
        log.upgrade(2, 3, release="0.9", reason="test")


def test_an_upgrade_is_the_promoters_or_keepers_to_sign(tmp_path, monkeypatch):
    monkeypatch.setattr(level, "LEVEL", 2)
    family = Family(tmp_path)
    from replicator.errors import KeyAbsent

    with pytest.raises(KeyAbsent, match="upgrade"):
        family.hand("writer").log("gpt").upgrade(2, 2, release="0.9", reason="test")
    assert family.hand("keeper").log("gpt").upgrade(2, 2, release="0.9", reason="test")
    assert family.hand().log("gpt").view().needs.writer == 2


def test_an_unknown_kind_or_field_is_said_to_be_perhaps_a_newer_versions():
    for kind, body in (("merge", {"term": 1}), ("seal", {"term": 1, "reason": "r", "operation": None, "more": 1})):
        store = memory_store()
        SlotLog(store, "log/gpt", clock=lambda: 1.0, token=random_token).append(lambda _, k=kind, b=body: (k, b))
        with pytest.raises(RecordCorrupt, match="a newer version may have written it"):
            log_on(store).view()


@pytest.mark.parametrize(
    "told",
    [
        {"format": 2},
        {"format": 2, "release": "0.9"},
        {"suites": {"crypto": "drstack-hybrid-2", "signature": "drstack-hybrid-2"}},
        {"suites": {"crypto": "none", "signature": "drstack-hybrid-2"}},
        {"suites": {"digest": "blake4"}},
        {"suites": {"chunks": "x"}},
    ],
)
def test_a_repository_of_another_format_is_refused_and_nothing_is_made_there(told):
    store = memory_store()
    body = {
        "format": 1,
        "repository": "r",
        "environment": None,
        "witness": None,
        "created_at": 0.0,
        "suites": {},
    } | told
    store.create("format.json", json.dumps(body).encode())
    with pytest.raises(TooNew) as raised:
        read_format(store)
    assert "0.9" in raised.value.hint or "release" not in told
    with pytest.raises(TooNew):
        initialise(store, environment=None, witness=None, clock=lambda: 0.0, token=random_token)
    assert everything(store) == []
    assert isinstance(raised.value, RepositoryUnknown)
    assert raised.value.exit_code == 41


@pytest.mark.parametrize("change", [{"format": 2}, {"deltas": []}])
def test_a_manifest_that_is_too_new_is_not_called_damaged(tmp_path, change):
    import zstandard

    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "ck", 10), there)
    body = json.loads(zstandard.ZstdDecompressor().decompress(encode(there.manifest(accepted.where.manifest)), 1 << 20))
    later = zstandard.ZstdCompressor().compress(json.dumps({**body, **change}).encode())
    with pytest.raises(TooNew):
        decode(later, "m")


def test_the_command_says_that_there_is_nothing_to_do_and_raises_a_level_where_there_is(tmp_path, monkeypatch):
    machine = Shell(tmp_path / "home")
    (tmp_path / "repo").mkdir()
    url = (tmp_path / "repo").as_uri()
    assert machine("init", "--repo", url, "--crypto", "none").returncode == 0
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "w").write_bytes(b"x" * 1000)
    done = machine("push", tmp_path / "ck", "--repo", url, "--workload", "gpt", "--step", "1")
    assert done.returncode == 0, done
    said = machine("upgrade", "--repo", url, "--reason", "r", "--json").document
    assert said == {"level": 1, "workloads": {"gpt": {"reader": 1, "writer": 1, "upgraded": False}}}
    monkeypatch.setattr(level, "LEVEL", 2)
    assert machine("upgrade", "--repo", url, "--reason", "r", "--json").document["workloads"]["gpt"]["upgraded"] is True
    monkeypatch.setattr(level, "LEVEL", 1)
    refused = machine("restore", "latest", "--repo", url, "--to", tmp_path / "out")
    assert refused.returncode == 41, refused
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suites", [{"crypto": "drstack-hybrid-2", "signature": "drstack-hybrid-2"}, {"chunks": "x"}])
def test_a_repository_of_a_later_suite_is_named_with_what_to_use_and_nothing_is_written_there(tmp_path, suites):
    machine = Shell(tmp_path / "home")
    folder = tmp_path / "repo"
    folder.mkdir()
    told = {"format": 1, "repository": "r", "environment": None, "witness": None, "created_at": 0.0, "suites": suites}
    (folder / "format.json").write_text(json.dumps(told))
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "w").write_bytes(b"x")
    pushed = ("push", tmp_path / "ck", "--workload", "gpt", "--step", "1")
    for act in (("list",), ("restore", "latest", "--to", tmp_path / "out"), pushed):
        refused = machine(*act, "--repo", folder.as_uri())
        assert refused.returncode == 41, refused
        assert f"{folder.as_uri()} uses suites that this version does not know" in refused.stderr
        assert "Use a newer drstack for it." in refused.stderr
    assert [path.name for path in folder.rglob("*")] == ["format.json"]


def test_a_trust_file_that_demands_a_later_suite_is_named_with_what_to_use(tmp_path):
    family = Family(tmp_path)
    trust = json.loads((family.keys / "trust.json").read_text())
    listed = [{**each, "suite": "drstack-hybrid-2"} for each in trust["repositories"]]
    for later in ({**trust, "suite": "drstack-hybrid-2"}, {**trust, "repositories": listed}):
        (family.keys / "trust.json").write_text(json.dumps(later))
        with pytest.raises(Untrusted, match="suite 'drstack-hybrid-2' is unknown") as raised:
            family.hand("operator").format()
        assert raised.value.hint == "Use a newer drstack for it."
