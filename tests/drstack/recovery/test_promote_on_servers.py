"""Promotions whose witness lies on a real server: one assignment wins, and everybody is told the same one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store
from replicator.stores.retry import RetryingStore
from tests.drstack.recovery.world import Rig
from tests.replicator.stores.contract import fresh_names
from tests.replicator.stores.gcs_server import fake_gcs
from tests.replicator.stores.s3_servers import credentials, minio_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore

pytestmark = pytest.mark.server
SERVERS = {"minio": minio_server, "fake-gcs-server": fake_gcs}
WRITERS = 6
name = fresh_names()


@pytest.fixture(scope="module", params=list(SERVERS))
def open_witness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ObjectStore]]:
    """Opens a bucket anew, as another operator would."""
    folder = tmp_path_factory.mktemp(request.param)
    with credentials(), SERVERS[request.param](folder) as server:
        made: set[str] = set()

        def opened(bucket: str) -> ObjectStore:
            if bucket not in made:
                server.make_bucket(bucket)
                made.add(bucket)
            return RetryingStore(server.store(bucket, "witness", timeout_s=60.0))

        yield opened


def test_of_six_operators_that_assign_at_once_one_wins_and_all_are_told_of_it(
    open_witness: Callable[[str], ObjectStore],
) -> None:
    bucket = name()
    open_witness(bucket)
    told: list[Assignment] = []
    ready = threading.Barrier(WRITERS)

    def operate(n: int) -> None:
        witness = Witness(open_witness(bucket), "e", clock=time.time, token=random_token)
        for number in range(1, 4):
            part = WorkloadAssignment(writer=f"site-{n}", term=number)
            ready.wait(120)
            told.append(witness.assign(Assignment(number=number, workloads={"gpt": part}, cause="create")))

    threads = [threading.Thread(target=operate, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    stands = Witness(open_witness(bucket), "e", clock=time.time, token=random_token).assignments()
    assert [each.number for each in stands] == [1, 2, 3]
    assert len(told) == 3 * WRITERS
    assert all(each == stands[each.number - 1] for each in told)


def test_two_promotions_at_once_have_one_end(open_witness: Callable[[str], ObjectStore], tmp_path) -> None:
    bucket = name()
    rig = Rig(tmp_path, {"east": memory_store(), "west": memory_store(), "witness": open_witness(bucket)})
    rig.save(10)
    ends, errors = [], []

    def run() -> None:
        try:
            ends.append(promote(rig.world(), "west", Given(by="test")))
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert errors == []
    assert {end["number"] for end in ends} == {2}
    assert len(rig.witness().assignments()) == 2
    assert len(rig.sites["west"].starts) == 1
    assert rig.witness().current().workloads["gpt"].writer == "west"
