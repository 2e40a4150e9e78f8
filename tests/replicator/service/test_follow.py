"""`replicator watch PATH --repo URL` needs nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from replicator.errors import ReplicatorError, RepositoryUnknown, StoreUnavailable
from replicator.repository.repository import Repository
from replicator.repository.verify import check_decoded
from replicator.service.follow import Watch, follow
from replicator.service.holding import holding
from replicator.stores.url import open_store
from tests.replicator.layouts import builders

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path


def once(path: Path, url: str, **more: object) -> list[str]:
    told: list[str] = []
    follow(
        Watch(path, [url], once=True, quiet_s=0.2, **more),
        report=lambda _: None, tell=told.append, stop=threading.Event(),
    )  # fmt: skip
    return told


def steps(url: str, workload: str) -> list[int]:
    return [accepted.what.step for accepted in Repository(url, open_store(url)).log(workload).view().in_order()]


def until(condition, within_s: float = 120.0):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("it did not come about")


@pytest.fixture
def url(tmp_path):
    return (tmp_path / "backup" / "gpt").as_uri()


def test_it_makes_the_repository_names_the_workload_and_writes_nothing_into_the_folder(tmp_path, url):
    for step in (10, 20):
        builders.archive(tmp_path / "gpt" / "outputs" / f"model_{step}.pt")
    told = once(tmp_path / "gpt" / "outputs", url)
    assert told[0] == f"{url}: there was no repository; made one"
    assert told[1] == f"warning: {url} is NOT encrypted and NOT signed (crypto: none)"
    assert told[2].endswith("torch.save checkpoints, workload gpt")
    assert steps(url, "gpt") == [10, 20]
    assert sorted(path.name for path in (tmp_path / "gpt" / "outputs").iterdir()) == ["model_10.pt", "model_20.pt"]


def test_a_repository_that_it_shipped_to_is_never_made_anew(tmp_path, url):
    builders.archive(tmp_path / "gpt" / "model_10.pt")
    with pytest.raises(StoreUnavailable):
        once(tmp_path / "gpt", url, create=False)
    once(tmp_path / "gpt", url)
    shutil.rmtree(tmp_path / "backup")
    with pytest.raises(StoreUnavailable):
        once(tmp_path / "gpt", url)
    (tmp_path / "backup" / "gpt").mkdir(parents=True)
    with pytest.raises(RepositoryUnknown):
        once(tmp_path / "gpt", url)


def test_a_repository_that_comes_later_is_said_to_miss_what_went_before_and_gets_all_through_a_new_spool(tmp_path, url):
    builders.archive(tmp_path / "gpt" / "model_10.pt")
    later = (tmp_path / "other").as_uri()
    once(tmp_path / "gpt", url)
    assert not any("NEW checkpoints only" in each for each in once(tmp_path / "gpt", url))
    assert any(each.startswith(f"{later} gets NEW checkpoints only") for each in once(tmp_path / "gpt", later))
    assert steps(later, "gpt") == []
    once(tmp_path / "gpt", later, spool=tmp_path / "spool")
    assert steps(later, "gpt") == [10]


def test_each_run_of_a_folder_is_a_workload_of_its_own(tmp_path, url):
    for run in ("gpt-a", "gpt-b"):
        builders.archive(tmp_path / "runs" / run / "step_10" / "model.pt")
    with pytest.raises(ReplicatorError, match="names one run, and there are several") as refused:
        once(tmp_path / "runs", url, workload="gpt")
    assert "--workload NAME" in str(refused.value.hint)
    once(tmp_path / "runs", url)
    assert steps(url, "gpt-a") == steps(url, "gpt-b") == [10]


def test_two_runs_of_one_name_are_refused_with_the_remedy(tmp_path, url):
    for run in ("gpt a", "gpt_a"):
        builders.archive(tmp_path / "runs" / run / "step_10" / "model.pt")
    with pytest.raises(ReplicatorError, match="would both be workload gpt-a"):
        once(tmp_path / "runs", url)


def test_another_runs_checkpoints_are_not_continued_unasked(tmp_path, url):
    builders.archive(tmp_path / "here" / "gpt" / "model_10.pt")
    once(tmp_path / "here" / "gpt", url)
    builders.archive(tmp_path / "there" / "gpt" / "model_7.pt")
    with pytest.raises(ReplicatorError, match="holds checkpoints of a workload gpt already"):
        once(tmp_path / "there" / "gpt", url)
    once(tmp_path / "there" / "gpt", url, workload="gpt")
    assert steps(url, "gpt") == [10, 7]


def test_two_watchers_of_one_folder_are_refused(tmp_path, url):
    builders.archive(tmp_path / "gpt" / "model_10.pt")
    with holding(tmp_path / ".drstack-spool-gpt"), pytest.raises(ReplicatorError, match="another replicator ships"):
        once(tmp_path / "gpt", url)
    once(tmp_path / "gpt", url)
    assert steps(url, "gpt") == [10]


def test_it_waits_for_a_folder_takes_new_runs_and_follows_a_change_of_layout(tmp_path, url):
    told: list[str] = []
    stop = threading.Event()
    watch = Watch(tmp_path / "runs", [url], quiet_s=0.2)
    thread = threading.Thread(
        target=follow, args=(watch,), kwargs={"report": lambda _: None, "tell": told.append, "stop": stop}, daemon=True
    )
    thread.start()
    try:
        until(lambda: any("waiting for the first" in each for each in told))
        builders.archive(tmp_path / "runs" / "gpt-a" / "step_10" / "model.pt")
        until(lambda: steps(url, "gpt-a") == [10])
        builders.sharded(tmp_path / "runs" / "gpt-a" / "step-20")
        until(lambda: steps(url, "gpt-a") == [10, 20])
        builders.archive(tmp_path / "runs" / "gpt-b" / "step_5" / "model.pt")
        until(lambda: steps(url, "gpt-b") == [5])
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


PRUNER = """
import os, shutil, sys, time
import numpy as np
from safetensors.numpy import save_file
root = sys.argv[1]
for step in range(10, 410, 10):
    folder = f"{root}/step-{step}"
    os.makedirs(folder)
    for name in ("a", "b"):
        save_file({"w": np.random.default_rng(step).standard_normal(20000).astype(np.float32)}, f"{folder}/{name}.safetensors")
    np.random.default_rng(step).standard_normal(50).tofile(f"{root}/step-{max(10, step - 10)}/a.safetensors")
    if step > 20:
        shutil.rmtree(f"{root}/step-{step - 20}")
    time.sleep(0.01)
save_file({"w": np.arange(9, dtype=np.float32)}, f"{root}/step-400/a.safetensors")
"""


@pytest.mark.slow
def test_a_trainer_that_prunes_and_rewrites_while_it_is_read_harms_nothing(tmp_path, url):
    run = tmp_path / "gpt"
    run.mkdir()
    watcher = subprocess.Popen(
        [sys.executable, "-m", "replicator", "watch", str(run), "--repo", url, "--quiet", "0.5", "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        subprocess.run([sys.executable, "-c", PRUNER, str(run)], check=True, timeout=300)
        until(lambda: (tmp_path / "backup" / "gpt" / "format.json").exists() and 400 in steps(url, "gpt"))
    finally:
        watcher.terminate()
        watcher.wait(60)
    there = Repository(url, open_store(url))
    commits = there.log("gpt").view().in_order()
    assert all(check_decoded(there, accepted).ok for accepted in commits)
    assert commits[-1].what.step == 400
    back = tmp_path / "back" / "step-400"
    done = subprocess.run(
        [sys.executable, "-m", "replicator", "restore", "latest", "--repo", url, "--to", str(back), "--json"],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (said["step"], said["layout"]) == (400, "safetensors")
    assert said["resume"] == f"safetensors.torch.load_file({str(back / 'a.safetensors')!r})"
