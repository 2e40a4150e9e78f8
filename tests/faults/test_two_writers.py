"""Two replicators that both believe they write, and one that was stopped, sealed, and goes on: real processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from replicator.log.entries import Drop
from replicator.model import Id
from replicator.repository.packs import pack_key
from replicator.repository.retain import removable
from replicator.repository.ship import ship
from replicator.repository.verify import check_decoded
from replicator.service.config import Destination
from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tests.faults.storm import credentials, storm
from tests.faults.tensors import write_tensors
from tests.faults.weather import Weather
from tests.replicator.repository.rig import checkpoint, push

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.faults("paused writers", 1, 40)
def test_a_writer_stopped_anywhere_and_sealed_commits_nothing_when_it_wakes(tmp_path, cases):
    """It is stopped at a random moment of a push, west is promoted and commits, and only then it goes on."""
    in_push = 0
    for seed in cases.seeds():
        dice, root = random.Random(seed), tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            site = Site(root, sky).prepare()
            sky.weather(Weather(seed=seed, delayed=1.0, longest_s=0.3))
            process = site.start()
            assert until(site.is_up, 240)
            site.save(10)
            assert until(lambda site=site: site.steps("west") == [10], 60)
            site.save(20)
            time.sleep(dice.uniform(0.0, 1.5))
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            site.begin_term(2, writer="west")
            in_push += 20 not in site.steps("west") or 20 not in site.steps("east")
            stood = {name: site.steps(name) for name in NAMES}
            for n, name in enumerate(NAMES):
                salt = bytes([n]) * 16
                ship(push(1, 99, term=2, salt=salt, attempt="w"), checkpoint(root / "w", 99), site.here(name))
            process.send_signal(signal.SIGCONT)
            site.save(30)
            refused = until(lambda site=site: site.status()["role"] == "standby", 60)
            time.sleep(1.0)
            site.kill()
            said = f"seed {seed}, {site.root / 'stderr'}"
            for name in NAMES:
                assert site.steps(name) == [*stood[name], 99], f"{name} took a zombie's commit: {said}"
                view = site.here(name).log("gpt").view()
                assert all(check_decoded(site.here(name), each).ok for each in view.in_order()), said
                assert [each for each in view.void if each.kind == "commit"] == [], f"it wrote above the seal: {said}"
            assert refused, f"it still believes that it writes: {site.status()}, {said}"
    cases.found(f"0 zombie commits; {in_push} were stopped before both sites had the checkpoint")


@pytest.mark.faults("two writers", 1, 20)
def test_two_replicators_with_spools_of_their_own_harm_nothing_and_name_who_counted(tmp_path, cases):
    """As after a node was replaced, and the old one was not dead. The next promotion goes by who counted."""
    for seed in cases.seeds():
        dice, root = random.Random(seed), tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            site = Site(root, sky).prepare()
            twin = Site(root, sky)
            reader = Reader(site)
            sky.weather(Weather(seed=seed, delayed=0.5, longest_s=0.2, lost=0.1))
            with reader.reading():
                site.start()
                assert until(site.is_up, 240)
                twin.prepare(spool=str(root / "east" / "spool-of-twin"), status_file=str(root / "twin.json"))
                twin.start()
                for n in range(1, 5):
                    site.save(n * 10)
                    time.sleep(dice.uniform(0.0, 1.5))
                sky.calm()
                arrived = until(lambda site=site: all(40 in site.steps(name) for name in NAMES), 90)
                time.sleep(1.0)
            site.kill()
            twin.kill()
            found = [each for each in is_sound(site, reader, counters=2) if "shipped twice" not in each]
            assert found == [], f"seed {seed}, {root / 'stderr'}"
            assert arrived, f"seed {seed}: {[site.steps(name) for name in NAMES]}, {root / 'stderr'}"


def test_a_second_replicator_on_one_spool_is_refused_and_harms_nothing(tmp_path):
    site = Site(tmp_path).prepare()
    site.start()
    assert until(site.is_up, 240)
    command = [sys.executable, "-m", "replicator", "run", "--config", str(site.settings)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, env=credentials(), check=False)
    assert second.returncode != 0
    assert "spool" in second.stderr
    assert "in use" in second.stderr
    site.save(10)
    assert until(lambda: all(site.steps(name) == [10] for name in NAMES), 60)
    site.kill()
    site.start()
    assert until(site.is_up, 240), "a killed replicator holds its spool no longer"
    site.kill(signal.SIGTERM)


@pytest.mark.faults("paused pushes", 1, 6)
def test_a_push_stopped_across_a_drop_and_its_grace_commits_nothing_that_lacks_bytes(tmp_path, cases):
    """Its base is dropped and its bytes are removed while it stands still: what it then commits is whole."""
    for seed in cases.seeds():
        root = tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            site = Site(root).prepare()
            site.redirect("west", Destination(name="west", url=sky.url("west"), ceiling_bytes_per_s=3e6))
            folder = root / "east" / "ck"
            size = 12 << 20
            write_tensors(folder / "step-00000010" / "model.safetensors", size, seed=1)
            process = site.start()
            assert until(lambda site=site: site.steps("west") == [10], 60)
            before = sky.counts().body_bytes
            half_new(folder, size)
            assert until(lambda sky=sky, before=before: sky.counts().body_bytes > before + size // 8, 60)
            process.send_signal(signal.SIGSTOP)
            there = site.here("west")
            assert site.steps("west") == [10], "stopped too late to show anything"
            ship(push(50, 50, attempt="other"), checkpoint(root / "other", 50), there)
            there.log("gpt").append(
                lambda view: Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="test")
            )
            packs, _ = removable(there.log("gpt").view(), [], now=time.time())
            assert packs
            for name in packs:
                there.store.delete(pack_key(name))
            process.send_signal(signal.SIGCONT)
            assert until(lambda site=site: 20 in site.steps("west"), 90), f"seed {seed}: {site.status()}"
            site.kill()
            for name in NAMES:
                for accepted in site.here(name).log("gpt").view().in_order():
                    assert check_decoded(site.here(name), accepted).ok, f"seed {seed}: {name} {accepted.what.step}"


def half_new(folder, size):
    """Step 20: half of step 10's tensors as they were, half of them new."""
    old = (folder / "step-00000010" / "model.safetensors").read_bytes()
    write_tensors(folder / ".new" / "model.safetensors", size, seed=2)
    new = (folder / ".new" / "model.safetensors").read_bytes()
    body = old[: len(old) // 2] + new[len(old) // 2 :]
    (folder / ".new" / "model.safetensors").write_bytes(body)
    (folder / ".new").rename(folder / "step-00000020")
