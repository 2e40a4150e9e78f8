"""Two sites that serve behind a real Caddy: what becomes of requests when a site dies, is fenced, or gets another share."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from drstack.demo.requests import SteadyClient, count
from drstack.errors import ActuatorFailed, StepFailed
from drstack.platforms.local import jobs, pool, processes, replicas
from drstack.platforms.local.desired import Program, Serving, read_desired
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import SiteRecord, claim
from drstack.platforms.local.router import process
from drstack.platforms.local.router.admin import Admin
from drstack.platforms.local.router.place import Weights, router_place
from drstack.platforms.local.router.router import LocalRouter
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from drstack.platforms.registry import open_site
from drstack.recovery.traffic import Traffic
from drstack.recovery.world import World
from drstack.witness.assignment import Assignment, WorkloadAssignment
from tests.drstack.recovery.world import Quiet
from tools.notrun import not_run
from tools.servers import ServerUnavailable, caddy

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[5]
PATIENCE_S = 90
HALVES = {"east": 50, "west": 50}


class Rig:
    """Two sites of one replica each and their router; `sick` and `fails` hold a file for each site that is."""

    def __init__(self, folder: Path, fifo: str) -> None:
        self.sick, self.fails = folder / "sick", folder / "fails"
        self.place = router_place(folder / "routers" / "a 100%")
        self.sites = {name: site_folder(folder / "sites" / name) for name in HALVES}
        self._fifo = fifo
        for path in (self.sick, self.fails):
            path.mkdir()

    def build(self) -> None:
        args = ("--sick-while", str(self.sick), "--fails-while", str(self.fails))
        env = {"PYTHONPATH": str(ROOT)}
        module = "tests.drstack.platforms.local.answering"
        program = Program(module, (), args, env, "serving/chat", serving=Serving("gpt", ("stored", "decoded")))
        for name, folder in self.sites.items():
            claim(folder, SiteRecord("test", None, name, f"o/p/test.{name}"))
            folder.make()
            Supervisor(folder).ensure(fifo=self._fifo)
            pool.ensure_pool(folder, pool.Bounds(0, 2), initial_slots=1, writes=())
            jobs.define(folder, jobs.JobDefinition("chat", 1, program))
            replicas.keep_ports(folder, "chat", 1)
            replicas.ensure(folder, "chat", deadline_s=PATIENCE_S)
            self.url = process.ensure_router(
                self.place,
                name,
                {"chat": replicas.ports(folder, "chat")},
                Weights(1, {"chat": HALVES}),
                fifo=self._fifo,
            )["chat"]

    @property
    def router(self) -> LocalRouter:
        return LocalRouter(self.place)

    def until(self, holds) -> None:
        assert Deadline(PATIENCE_S).until(holds, 0.05)

    def healthy(self) -> dict[str, bool]:
        return dict(self.router.observe(deadline_s=5).healthy["chat"])

    def kill(self, name: str) -> None:
        """SIGKILL everything of a site."""
        while victims := [seen.pid for seen in processes.of_site(self.sites[name]) if seen.ours]:
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def site(self, name: str):
        folder = self.sites[name]
        return open_site({
            "version": 1, "platform": "local", "environment": "test", "site": name, "owner": f"o/p/test.{name}",
            "folder": str(folder.path), "repository": folder.store.as_uri(), "capacity": {"minimum": 0, "maximum": 2},
            "workloads": {},
        })  # fmt: skip

    def traffic(self, number: int, weights: dict[str, int]) -> Traffic:
        part = WorkloadAssignment(writer="east", term=1, serves=weights)
        world = World(
            environment="test", witness=None, sites={name: self.site(name) for name in self.sites}, repositories={},
            needs={}, clock=time.time, sleep=time.sleep, progress=Quiet(), router=self.router, serving=("chat",),
        )  # fmt: skip
        return Traffic(world, Assignment(number=number, workloads={"chat": part}, cause="promote"))

    def close(self) -> None:
        for folder in (*self.sites.values(), self.place.processes):
            assert not [seen for seen in processes.end(folder, deadline_s=30) if seen.ours]


@pytest.fixture
def rig(tmp_path, leash):
    try:
        caddy.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    made = Rig(tmp_path, leash)
    try:
        made.build()
        made.until(lambda: all(made.healthy().values()))
        yield made
    finally:
        made.close()


def sites_that_answer(url: str, times: int = 20) -> Counter:
    """Clients without cookies."""
    return Counter(SteadyClient(url).ask()[1] for _ in range(times))


def test_with_two_active_sites_the_death_of_one_loses_no_request_of_a_client_that_retries(rig):
    client = SteadyClient(rig.url, every_s=0.02, patience_s=30, sessions=24)  # so many that both are home to some
    client.start()
    rig.until(lambda: len(client.so_far()) >= 60)
    homes = {outcome.site for outcome in client.so_far()}
    assert homes == {"east", "west"}
    first = client.so_far()[:8]

    rig.kill("west")
    died_at = time.time()
    rig.until(lambda: sum(each.sent_at > died_at for each in client.so_far()) >= 120)
    outcomes = client.stop()
    seen = count(outcomes)
    assert (seen.failed, seen.sent == len(outcomes)) == (0, True)
    assert {each.site for each in outcomes if each.sent_at > died_at + 1} == {"east"}
    assert {each.site for each in first} <= {"east", "west"}

    # A killed supervisord restarts nothing by itself; as after a power cut, the site's own files say what runs.
    Supervisor(rig.sites["west"]).ensure(fifo=rig._fifo)
    pool.settle(rig.sites["west"], lambda: 1, deadline_s=PATIENCE_S)
    rig.until(lambda: set(sites_that_answer(rig.url)) == {"east", "west"})

    # A fence stops the replicas too; taken back, the site serves again.
    west = rig.site("west")
    assert west.fence(deadline_s=30).grade in ("proven", "assumed")
    rig.until(lambda: rig.healthy() == {"east": True, "west": False})
    assert set(sites_that_answer(rig.url)) == {"east"}
    west.set_capacity(1, deadline_s=PATIENCE_S)
    west.serve("chat", deadline_s=PATIENCE_S)
    rig.until(lambda: set(sites_that_answer(rig.url)) == {"east", "west"})
    west.serve("chat", deadline_s=PATIENCE_S)
    assert read_desired(rig.sites["west"]).jobs["chat"].generation == 2


def test_a_session_stays_at_its_site_and_shares_are_as_assigned(rig):
    client = SteadyClient(rig.url)
    assert len({client.ask()[1] for _ in range(20)}) == 1
    rig.router.set_weights("chat", {"east": 75, "west": 25}, assignment=2, deadline_s=10)
    assert sites_that_answer(rig.url, 40) == {"east": 30, "west": 10}
    rig.router.set_weights("chat", {"east": 0, "west": 100}, assignment=2, deadline_s=10)
    assert [client.ask()[1] for _ in range(5)] == ["west"] * 5
    with pytest.raises(ActuatorFailed, match="turned for assignment 2 already"):
        rig.router.set_weights("chat", HALVES, assignment=1, deadline_s=10)
    with pytest.raises(ActuatorFailed, match="somebody else turned it meanwhile"):
        rig.router.set_weights("chat", HALVES, assignment=2, deadline_s=10, instead_of={"east": 75, "west": 25})
    assert set(sites_that_answer(rig.url)) == {"west"}

    # The router itself dies: it comes back as it was told last.
    os.kill(Supervisor(rig.place.processes).programs()["caddy"].pid, signal.SIGKILL)
    rig.until(lambda: Admin(rig.place.admin()).answers() and SteadyClient(rig.url).ask()[0] == 200)
    assert set(sites_that_answer(rig.url)) == {"west"}

    # A replica dies: its slot starts it again on its port.
    port = replicas.ports(rig.sites["west"], "chat")
    slot = rig.sites["west"].slot(0).read_text()
    os.kill(int(slot.partition('"child": ')[2].partition(",")[0]), signal.SIGKILL)
    rig.until(lambda: rig.sites["west"].slot(0).read_text() != slot and rig.healthy()["west"])
    assert replicas.ports(rig.sites["west"], "chat") == port
    assert read_desired(rig.sites["west"]).jobs["chat"].generation == 1

    # Declaring again turns nothing, whatever the assignment said when the router was made (rule 10).
    ports = {"chat": port}
    process.ensure_router(rig.place, "west", ports, Weights(5, {"chat": HALVES}), fifo=rig._fifo)
    assert rig.place.weights() == Weights(2, {"chat": {"east": 0, "west": 100}})
    process.withdraw(rig.place, "east")
    assert set(sites_that_answer(rig.url)) == {"west"}
    process.withdraw(rig.place, "west")
    assert not rig.place.path.exists()
    assert not [seen for seen in processes.of_site(rig.place.processes) if seen.ours]


def test_shares_are_shifted_in_steps_and_taken_back_where_errors_rise(rig):
    client = SteadyClient(rig.url, every_s=0.02, patience_s=30)  # a connection made as shares change may be reset
    client.start()
    rig.router.set_weights("chat", {"east": 100, "west": 0}, assignment=2, deadline_s=10)
    assert rig.traffic(3, {"east": 0, "west": 100}).move_now()["moved"]["chat"] == [
        {"east": 90, "west": 10}, {"east": 50, "west": 50}, {"east": 0, "west": 100}
    ]  # fmt: skip
    assert count(client.stop()).failed == 0

    (rig.fails / "east").touch()
    client = SteadyClient(rig.url, every_s=0.02, sessions=1000)
    client.start()
    with pytest.raises(StepFailed, match=r"was taken back to east 0 %, west 100 %: at east 10 %, west 90 % .* error"):
        rig.traffic(4, {"east": 100, "west": 0}).settle()
    client.stop()
    assert set(sites_that_answer(rig.url)) == {"west"}

    (rig.fails / "east").unlink()
    (rig.sick / "east").touch()
    told = rig.traffic(5, {"east": 100, "west": 0}).move_now()
    assert told["moved"] == {}
    assert "another one answers" in told["left"]["chat"]
    assert set(sites_that_answer(rig.url)) == {"west"}

    (rig.sick / "east").unlink()
    rig.kill("west")
    traffic = rig.traffic(6, {"east": 100, "west": 0})
    assert traffic.move_now()["moved"]["chat"] == [{"east": 100, "west": 0}]
    assert traffic.settle() == {"chat": {"east": 100, "west": 0}}
    assert set(sites_that_answer(rig.url)) == {"east"}
