"""RPO 0: a save returns when the acknowledging set has it, with receipts; never because nobody answered."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import NotAcknowledged, Sealed
from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import ship
from replicator.repository.verify import verify
from replicator.service.acknowledged import FOLDER, Word, Words, await_word, believed
from replicator.service.acknowledging import judge
from replicator.service.attestation import Attestation
from replicator.service.config import Destination
from replicator.service.service import Service
from replicator.stores.url import make_folder, open_store
from tests.replicator.repository.rig import checkpoint, push
from tests.replicator.repository.rig import repository as memory_repository
from tests.replicator.service.test_service import config, repository, running, save, steps, until

pytestmark = pytest.mark.slow


def opened(tmp_path, acknowledge=("west",)):
    for name in ("east", "west"):
        url = (tmp_path / "stores" / name).as_uri()
        make_folder(url)
        store = open_store(url)
        initialise(store, environment="e", witness=None, clock=time.time, token=random_token)
        Repository(name, store).log("gpt").open(Open(term=1, writer="east", acknowledge=acknowledge))
    for site in ("east", "west"):
        (tmp_path / site).mkdir()


def folder(tmp_path, step):
    return tmp_path / "east" / "ck" / f"step-{step:08d}"


def spool(tmp_path):
    return tmp_path / "east" / "spool" / "gpt"


class Waiting:
    """A save that waits, in a thread as in a trainer."""

    def __init__(self, tmp_path, step):
        self.word, self.error = None, None
        self.thread = threading.Thread(target=self.run, args=(tmp_path, step), daemon=True)
        self.thread.start()

    def run(self, tmp_path, step):
        try:
            self.word = await_word(folder(tmp_path, step), spool(tmp_path), timeout_s=60)
        except Exception as error:  # noqa: BLE001
            self.error = error

    def returns(self):
        self.thread.join(30)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.word


def test_a_save_returns_when_the_near_sites_verifier_attested_it(tmp_path):
    opened(tmp_path)
    with running(config(tmp_path)), running(config(tmp_path, "west")):
        save(tmp_path, 10)
        word = Waiting(tmp_path, 10).returns()
    assert (word.outcome, word.by, word.commit) == ("acknowledged", ("west",), "1.1")
    there = repository(tmp_path / "stores" / "west", "west")
    slot = there.log("gpt").view().in_order()[0].slot
    assert all(there.receipts.levels("gpt", slot, ("stored", "decoded")).values())


def test_a_commit_without_receipts_acknowledges_nothing(tmp_path):
    opened(tmp_path)
    with running(config(tmp_path)):
        save(tmp_path, 10)
        waiting = Waiting(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        time.sleep(0.7)
        assert waiting.thread.is_alive()
        there = repository(tmp_path / "stores" / "west", "west")
        verify(there, "gpt", there.log("gpt").view().in_order()[0], "west")
        assert waiting.returns().by == ("west",)


def test_the_near_store_killed_in_the_middle_of_a_save_stalls_it_until_it_is_back(tmp_path):
    opened(tmp_path)
    slow = Destination(name="west", url=(tmp_path / "stores" / "west").as_uri(), ceiling_bytes_per_s=200_000)
    settings = config(tmp_path, drain_s=0.0)
    settings = settings.model_copy(update={"destinations": (settings.destinations[0], slow)})
    store, away = tmp_path / "stores" / "west", tmp_path / "away"
    with running(settings), running(config(tmp_path, "west")):
        save(tmp_path, 10)
        waiting = Waiting(tmp_path, 10)
        until(lambda: list(store.glob("packs/*/*")))
        store.rename(away)
        until(lambda: steps(tmp_path, "east") == [10])
        time.sleep(1.0)
        assert waiting.thread.is_alive(), "RPO 0 became asynchronous"
        assert not list((spool(tmp_path) / FOLDER).glob("*"))
        away.rename(store)
        assert waiting.returns().by == ("west",)
    assert steps(tmp_path, "west") == [10]


def test_a_seal_before_the_receipts_were_believed_ends_the_wait_without_an_acknowledgement(tmp_path):
    opened(tmp_path)
    with running(config(tmp_path)):
        save(tmp_path, 10)
        waiting = Waiting(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        there = repository(tmp_path / "stores" / "west", "west")
        accepted = there.log("gpt").view().in_order()[0]
        there.log("gpt").seal(1, reason="promotion")
        verify(there, "gpt", accepted, "west")
        with pytest.raises(Sealed, match="sealed before the receipts"):
            waiting.returns()


def test_a_replicator_that_was_killed_between_commit_and_receipts_still_tells(tmp_path):
    opened(tmp_path)
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == steps(tmp_path, "east") == [10])
    assert not list((spool(tmp_path) / FOLDER).glob("*"))
    with running(config(tmp_path)), running(config(tmp_path, "west")):
        assert Waiting(tmp_path, 10).returns().by == ("west",)
        until(lambda: not list(spool(tmp_path).glob("1.1-*")))


def test_where_nobody_must_acknowledge_the_spool_is_enough_and_is_said_to_be(tmp_path):
    opened(tmp_path, acknowledge=())
    with running(config(tmp_path)):
        save(tmp_path, 10)
        done = subprocess.run(
            [sys.executable, "-m", "replicator", "wait", str(folder(tmp_path, 10)), "--spool", str(spool(tmp_path)),
             "--timeout", "30"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nobody must; it is in the spool" in done.stdout


def test_the_writers_own_store_and_a_site_that_is_no_destination_never_acknowledge(tmp_path):
    opened(tmp_path, acknowledge=("east", "north"))
    with running(config(tmp_path)), running(config(tmp_path, "west")):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        with pytest.raises(NotAcknowledged, match=r"after 0\.5 s"):
            await_word(folder(tmp_path, 10), spool(tmp_path), timeout_s=0.5)
    service = Service(config(tmp_path))
    service.look()
    assert "north must acknowledge, and is no destination" in service._workloads[0].acknowledging.trouble


def attestation(there, **more):
    timer = iter(range(0, 10**6, 100)).__next__
    return Attestation(there, "gpt", ("stored", "decoded"), timer, urgent=True, **more)


def test_receipts_count_only_where_the_log_is_still_open_after_them(tmp_path):
    there = memory_repository()
    accepted = [ship(push(n, n * 10, attempt=f"a{n}"), checkpoint(tmp_path / str(n), n), there) for n in (1, 2)]
    looks = attestation(there)
    for each in accepted:
        looks.expect(each)
    assert looks.look() is None
    assert not looks.attested
    verify(there, "gpt", accepted[1], "west")
    assert looks.look() is None
    assert looks.attested == {accepted[1].what.id()}
    verify(there, "gpt", accepted[0], "west")
    there.log("gpt").seal(1, reason="promotion")
    assert looks.look()[0] == 1
    assert looks.attested == {accepted[1].what.id()}


def test_a_receipt_that_says_damaged_attests_nothing(tmp_path):
    there = memory_repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "1", 1), there)
    looks = attestation(there)
    looks.expect(accepted)
    verify(there, "gpt", accepted, "west")
    record = there.log("gpt").slot(accepted.slot).digest
    there.receipts.write("gpt", accepted.slot, "decoded", "north", record=record, ok=False, reason="a bit")
    looks.look()
    assert not looks.attested


def test_where_nobody_verifies_it_looks_itself(tmp_path):
    there = memory_repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "1", 1), there)
    looks = Attestation(there, "gpt", ("stored",), iter(range(0, 10**6, 100)).__next__, verifier="standalone")
    looks.expect(accepted)
    looks.look()
    assert looks.attested == {accepted.what.id()}
    there.store.delete(f"packs/{accepted.where.packs[0].digest[:2]}/{accepted.where.packs[0].digest}")
    again = Attestation(there, "gpt", ("stored",), iter(range(0, 10**6, 100)).__next__, verifier="standalone")
    again.expect(accepted)
    again.look()
    assert not again.attested


MARKS = ("committed", "refused: x", "skipped: y")


@given(
    st.sets(st.sampled_from("abc")), st.dictionaries(st.sampled_from("abc"), st.sampled_from(MARKS)),
    st.sets(st.sampled_from("abc")), st.one_of(st.none(), st.just("over")),
)  # fmt: skip
def test_nothing_but_all_receipts_acknowledges(wanted, marks, attested, ended):
    judged = judge(wanted, marks, attested, ended=ended)
    assert (judged is not None and judged[0] == "acknowledged") == (wanted <= attested)
    if judged is None:
        assert ended is None
        assert all(marks.get(name, "committed") == "committed" for name in wanted)


@pytest.mark.parametrize(("outcome", "error"), [("sealed", Sealed), ("given-up", NotAcknowledged)])
def test_a_word_that_says_no_is_an_error_for_who_waits(outcome, error):
    with pytest.raises(error, match="step 10 of gpt"):
        believed(Word(outcome=outcome, workload="gpt", step=10, commit="1.1", why="because"))


def test_words_are_kept_for_the_newest_saves_only(tmp_path):
    words = Words(tmp_path)
    for n in range(70):
        words.tell(f"s{n}", Word(outcome="acknowledged", workload="gpt", step=n, commit=f"1.{n + 1}"))
    assert len(list((tmp_path / FOLDER).glob("*.json"))) == 64
    assert words.told("s69").step == 69
    assert words.told("s0") is None
