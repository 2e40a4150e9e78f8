"""The demo from beginning to end: build, train, kill while saving, promote, return the dead, go home, compare, report.

Every number in its document is measured here and now; `checks` judges them, and a check that does not hold makes the
demo fail.
"""

from __future__ import annotations

import http.client
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drstack.assembly import assemble, served
from drstack.custody.make import ensure_keys, told
from drstack.custody.ring import open_keys
from drstack.demo import breaks, checks, zombie
from drstack.demo.account import Account, write_account
from drstack.demo.disaster import Killed, kill_while_saving, take_away
from drstack.demo.made_with import recovered_with
from drstack.demo.reference import compare, run_reference
from drstack.demo.rehearsal import rehearse
from drstack.demo.requests import SteadyClient, count, in_words
from drstack.demo.returned import own_tail, return_the_dead, still_standing
from drstack.demo.sites import await_step, stop_everything
from drstack.demo.stage import ENVIRONMENT, Stage
from drstack.demo.torn import incomplete_commits
from drstack.demo.trace import losses
from drstack.demo.voice import Voice
from drstack.demo.way_home import go_home
from drstack.errors import ActuatorFailed, DemoFailed, DrstackError
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.router.binary import find_caddy
from drstack.reconcile.after import Reconciler
from drstack.reconcile.stacks import Stack, open_engine, prepare
from drstack.reconcile.update import bring_up
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.spec.jobs import LocalJob
from replicator.repository.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.demo.breaks import Break
    from drstack.demo.rehearsal import Rehearsed
    from drstack.demo.requests import Outcome
    from drstack.demo.way_home import CameHome
    from drstack.demo.zombie import Offer
    from drstack.reconcile.run import Engine
    from drstack.recovery.world import World
    from drstack.spec import Environment, Strategy
    from replicator.crypto.keyring import Keyring

Doc = dict[str, Any]
_FAR_STEPS = 30
_HOME_STEPS = 20
_WAIT_S = 90.0
_PATIENCE_S: dict[Strategy, float] = {
    "active-active": 30.0,
    "active-passive": 0.0,
    "pilot-light": 0.0,
    "cloud-burst": 0.0,
}
"""How long the client asks again. With one active site it does not, so that every request that failed is counted."""


class Demo:
    """One demo in one directory. `source` is the project that it copies."""

    def __init__(
        self,
        source: Path,
        directory: Path,
        report: Path,
        seed: int,
        kill_after_steps: int,
        *,
        strategy: str | None = None,
    ) -> None:
        self._stage = Stage(directory, source, seed)
        self._report = report
        self._strategy = strategy
        self._kill_after = kill_after_steps
        self._voice = Voice()
        self._offers: list[Offer] = []
        self._client: SteadyClient | None = None
        self._keys: Keyring | None = None

    def run(self, fault: Break | None, *, keep: bool) -> tuple[Doc, list[str]]:
        """Play it. Returns the document and what did not hold. DemoFailed where it could not be played to its end."""
        try:
            environment = self._stage.prepare(serve=self._router_to_be_had(), strategy=self._strategy)
            return self._play(environment, fault)
        except DrstackError as error:
            if fault is not None and not isinstance(error, DemoFailed):
                raise DemoFailed(f"{fault}: {error}", hint=error.hint) from error
            raise
        finally:
            self._tidy_up(keep=keep)

    def _play(self, environment: Environment, fault: Break | None) -> tuple[Doc, list[str]]:
        workload, lost, target = _cast(environment)
        engine = open_engine(environment, self._stage.project, self._stage.root, inherited=os.environ)
        self._make_keys(environment)
        prepare(engine, environment, [Stack(f"{ENVIRONMENT}.{site}", site) for site in environment.sites])
        for site in environment.sites:
            outcome = bring_up(engine, f"{ENVIRONMENT}.{site}").outcome
            self._voice.say(
                f"pulumi up {outcome.stack}: {sum(outcome.changes.values())} resources, {outcome.duration_s:.1f} s"
            )
        self._voice.say(f"{lost} trains {workload}; waiting for step {self._kill_after}")
        answered = self._send_requests(environment, target)
        rehearsed = self._rehearse(environment, workload, target)
        killed = kill_while_saving(
            self._stage.site(lost), workload, after_step=self._kill_after, deadline_s=_WAIT_S, say=self._voice.say
        )
        take_away(self._stage.site(lost), self._stage.lost / lost)
        self._voice.say(
            f"{lost} is gone: {killed.processes} processes killed at step {killed.step}, "
            f"{len(killed.files)} files of {killed.checkpoint} on the disk, its folder taken away"
        )
        world = self._world(environment, target, fault, lambda: engine)
        if fault in ("verify", "restore"):
            self._damage(world, workload, target, fault)
        end = promote(world, target, Given(by="demo", reason="the demo killed it", failed_at=killed.at))
        resumed = end["workloads"][0]["step"]
        self._voice.say(f"{target} writes now; letting it train to step {resumed + _FAR_STEPS}")
        offers, torn_offered = return_the_dead(
            self._stage.lost / lost, self._stage.site(lost), workload, deadline_s=_WAIT_S, say=self._voice.say
        )
        self._offers.extend(offers)
        await_step(self._stage.site(target), workload, resumed + _FAR_STEPS, deadline_s=_WAIT_S)
        home = self._go_home(world, engine, workload, lost)
        outcomes = self._stop_requests()
        if outcomes is not None:
            self._voice.say(f"requests for {answered}: {in_words(count(outcomes))}")
        stop_everything([self._stage.site(name) for name in environment.sites])
        torn_seen = incomplete_commits(world.repositories[target], workload, self._stage.directory / "reference")
        made = self._steps_made(workload, target, lost, home)
        last = max(made)
        self._voice.say("running the same training without a disaster, to compare")
        job = environment.workloads[workload].job
        assert isinstance(job, LocalJob)  # noqa: S101 — local sites run local jobs only
        reference = run_reference(
            self._stage.directory / "reference" / "run", self._stage.source, job.args, ranks=job.ranks, steps=last,
            seed=self._stage.seed + (1 if fault == "reference" else 0), tick=lambda: None,
        )  # fmt: skip
        comparison = compare(made, losses(reference), after=resumed)
        accepted = sum(offer.accepted for offer in self._offers) + still_standing(world, workload)
        account = Account(
            environment=environment, stage=self._stage, killed=killed, end=end, target=target, lost=lost,
            workload=workload, offers=tuple(self._offers), zombie_accepted=accepted, torn_offered=torn_offered,
            torn_seen=torn_seen, comparison=comparison, last_step=last, home=home, requests=outcomes,
            rehearsed=rehearsed, keys=self._keys,
            versions=recovered_with(world.repositories[target], workload, end, self._stage.source),
        )  # fmt: skip
        document = write_account(account, self._report)
        return document, checks.failures(document)

    def _make_keys(self, environment: Environment) -> None:
        made = ensure_keys(environment, self._stage.root, stands=lambda: False)
        for line in told(made) if made is not None else ["NOTHING IS ENCRYPTED OR SIGNED (crypto: none)"]:
            self._voice.say(line)
        self._keys = open_keys(environment, self._stage.root)

    def _rehearse(self, environment: Environment, workload: str, target: str) -> Rehearsed | None:
        """Have one recipient come back from paper and restore, before it has to."""
        if self._keys is None:
            return None
        recipient = environment.replication.encrypt_to[0]
        done = rehearse(
            self._keys.folder, recipient, site_folder(self._stage.site(target)).store.as_uri(), workload,
            environment.replication.demanded(environment.workloads[workload].class_),
            self._stage.directory / "rehearsal", deadline_s=_WAIT_S,
        )  # fmt: skip
        self._voice.say(
            f"rehearsal: {recipient} came back from its sheet and restored step {done.step} from {target}: ready"
        )
        return done

    def _router_to_be_had(self) -> bool:
        try:
            find_caddy()
        except ActuatorFailed as error:
            self._voice.say(f"NOTHING IS SERVED in this demo, and no requests are counted: {error}. {error.hint}")
            return False
        return True

    def _send_requests(self, environment: Environment, target: str) -> str | None:
        """Begin to send requests, once the first is answered. Returns the workload that they are for."""
        names = served(environment)
        if not names:
            return None
        router = assemble(environment, self._stage.root, target, progress=self._voice).router
        if router is None:
            raise DemoFailed(f"{names[0]} is served, and no site says where its router is")
        url = router.observe(deadline_s=5.0).urls[names[0]]
        client, began = SteadyClient(url, patience_s=_PATIENCE_S[environment.strategy], sessions=10), time.monotonic()
        while client.ask()[0] != http.client.OK:
            if time.monotonic() - began > _WAIT_S:
                raise DemoFailed(f"{names[0]} at {url} answered nothing within {_WAIT_S:g} s")
            time.sleep(0.2)
        client.start()
        self._client = client
        self._voice.say(f"{names[0]} answers at {url}; 10 requests a second from now on")
        return names[0]

    def _stop_requests(self) -> list[Outcome] | None:
        client, self._client = self._client, None
        return None if client is None else client.stop()

    def _world(self, environment: Environment, target: str, fault: Break | None, engine: Any) -> World:
        voice = self._voice
        demo = self

        class Hooked:
            def begin(self, step: str) -> None:
                voice.begin(step)

            def end(self, step: str, seconds: float, detail: str) -> None:
                voice.end(step, seconds, detail)
                if step.startswith("seal "):
                    demo.offer_at_the_seal()

        world = assemble(
            environment, self._stage.root, target, progress=Hooked(), reconcile=Reconciler(ENVIRONMENT, engine)
        )
        if fault == "seal":
            world = replace(world, repositories={n: breaks.sealless(r) for n, r in world.repositories.items()})
        theirs = [self._stage.lost / environment.primary / "keys"] if environment.replication.encrypted else []
        dangerous = assemble(environment, self._stage.root, target, progress=Hooked(), holding=theirs)
        self._dangerous = (dangerous, target)
        return world

    def offer_at_the_seal(self) -> None:
        """A writer that was paused right before its commit wakes between the seals and the assignment."""
        world, target = self._dangerous
        workload = next(iter(world.needs))
        offer = zombie.offer_once(world.repositories[target], workload, 1)
        self._offers.append(offer)
        self._voice.say(
            f"             a paused writer offers {offer.what}: {'ACCEPTED' if offer.accepted else 'refused'}"
        )
        if offer.accepted:
            raise DemoFailed(f"seal: {offer.what} of the replaced writer was accepted after the seals")

    def _damage(self, world: World, workload: str, target: str, fault: Break) -> None:
        store = site_folder(self._stage.site(target)).store
        self._await_receipts(world, workload, target)
        count = breaks.damage_packs(store)
        self._voice.say(f"planted fault: a byte flipped in each of {count} packs of {target}")
        if fault == "verify":
            repository = world.repositories[target]
            for accepted in repository.log(workload).view().in_order():
                verify(repository, workload, accepted, "demo")

    def _await_receipts(self, world: World, workload: str, target: str) -> None:
        repository, ends = world.repositories[target], time.monotonic() + _WAIT_S
        while time.monotonic() < ends:
            commits = repository.log(workload).view().in_order()
            if all(all(repository.receipts.levels(workload, c.slot, ("stored", "decoded")).values()) for c in commits):
                return
            time.sleep(0.2)
        raise DemoFailed(f"{target} wrote no receipts within {_WAIT_S:g} s")

    def _go_home(self, world: World, engine: Engine, workload: str, lost: str) -> CameHome:
        """Have the lost site stand by again, and move the work back to it. DemoFailed."""
        bring_up(engine, f"{ENVIRONMENT}.{lost}", refresh=True)
        self._voice.say(f"{lost} stands by again; the work goes home, and the operator is killed in between")
        home = go_home(
            self._stage.project, ENVIRONMENT, workload, world.witness, seed=self._stage.seed, say=self._voice.say
        )
        tail = own_tail(world, workload, lost)
        self._offers.extend(tail)
        self._voice.say(
            f"{lost} writes again, from step {home.resumed_step}: nothing lost, stood still for {home.end['rto_s']:.1f} s; "
            f"{len(tail)} commits that it alone had are void"
        )
        await_step(self._stage.site(lost), workload, home.resumed_step + _HOME_STEPS, deadline_s=_WAIT_S)
        return home

    def _steps_made(self, workload: str, target: str, lost: str, home: CameHome) -> dict[int, str]:
        """Losses of the steps that count: the target's until it was stopped, then those made at home again."""
        there = losses(site_folder(self._stage.site(target)).metrics(workload))
        here = losses(site_folder(self._stage.site(lost)).metrics(workload), since=home.began_at)
        return {step: loss for step, loss in there.items() if step <= home.resumed_step} | here

    def _tidy_up(self, *, keep: bool) -> None:
        self._stop_requests()
        with suppress(KeyError):
            stands = [path for kept in ("sites/*/*", "routers/*") for path in self._stage.root.glob(kept)]
            stop_everything([path for path in stands if path.is_dir()])
        if not keep:
            self._stage.clear()
        self._stage.release()
        os.environ.pop("DRSTACK_LEASH", None)


def _cast(environment: Environment) -> tuple[str, str, str]:
    """(workload, the site that dies, the site that takes over)."""
    workload = next(iter(environment.workloads))
    lost = environment.primary
    return workload, lost, next(name for name in environment.sites if name != lost)


__all__ = ["Demo", "Killed"]
