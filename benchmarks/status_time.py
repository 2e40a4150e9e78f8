"""`drstack status` and a plan, of many workloads over several sites: real repositories in local folders, a few checkpoints each.

    python benchmarks/status_time.py [WORKLOADS] [SITES] [RUNS]

A look begins with nothing read yet, as a new process does; importing Python's modules is not counted. In one process:
facts (every log, its receipts and anchors), the status document, the readiness judgement, and a plan of a promotion.
`round trips` is what a far store would add: the same look with 20 ms put before every call of a store.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from drstack.readiness.drills import last_drill  # noqa: E402
from drstack.readiness.judge import judge  # noqa: E402
from drstack.readiness.situation import Situation  # noqa: E402
from drstack.readiness.timings import Past  # noqa: E402
from drstack.recovery.conduct import look  # noqa: E402
from drstack.recovery.operation import unfinished  # noqa: E402
from drstack.recovery.plan import Given, plan_promotion  # noqa: E402
from drstack.recovery.status import status  # noqa: E402
from tests.drstack.recovery.fleet import Fleet  # noqa: E402

if TYPE_CHECKING:
    from replicator.stores.store import ObjectStore

CHECKPOINTS = 8
FAR_S = 0.02


class Far:
    """A store that answers 20 ms later."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.calls = 0

    @property
    def url(self) -> str:
        return self._inner.url.replace("file:", "far:")

    def __getattr__(self, name: str) -> object:
        call = getattr(self._inner, name)

        def later(*arguments: object, **named: object) -> object:
            self.calls += 1
            time.sleep(FAR_S)
            return call(*arguments, **named)

        return later


def made(folder: Path, workloads: int, sites: int) -> Fleet:
    places = tuple(f"site{n}" for n in range(sites))
    fleet = Fleet(folder, names=tuple(f"w{n:02d}" for n in range(workloads)), places=places, on_disk=True)
    for site in fleet.sites.values():
        site.bound = site.capacity = 2 * workloads
    for n in range(1, CHECKPOINTS + 1):
        fleet.save(step=10 * n)
    return fleet


def one(fleet: Fleet) -> dict[str, float]:
    """Seconds of each part."""
    world = fleet.world()
    began = time.perf_counter()
    running = unfinished(world.witness)
    facts = look(world)
    looked = time.perf_counter()
    status("e", facts, world.needs, running.identity if running else None)
    told = time.perf_counter()
    situation = Situation(
        "e", facts.at, world.witness.url, facts, world.needs, timings=Past().timings(world.witness, {}),
        drills=last_drill(world.witness, facts.sites, {}),
    )  # fmt: skip
    judge(situation)
    judged = time.perf_counter()
    plan_promotion(
        "e", facts, "site1", world.needs, Given(by="benchmark", reason="it takes as long as it takes", data_loss_s=1e9)
    )
    planned = time.perf_counter()
    return {
        "facts": looked - began, "document": told - looked, "readiness": judged - told, "status": judged - began,
        "plan": planned - judged,
    }  # fmt: skip


def main() -> None:
    workloads, sites, runs = (int(sys.argv[n]) if len(sys.argv) > n else d for n, d in ((1, 50), (2, 4), (3, 7)))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as where:
        fleet = made(Path(where), workloads, sites)
        one(fleet)
        rows = [one(fleet) for _ in range(runs)]
        fleet.wrap = Far
        far = [one(fleet)["status"] for _ in range(min(3, runs))]
    print(f"{workloads} workloads over {sites} sites, {CHECKPOINTS} checkpoints each, {runs} runs; seconds:")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"  {name:<10} min {min(values):.3f} median {statistics.median(values):.3f} max {max(values):.3f}")
    near = statistics.median(row["status"] for row in rows)
    print(
        f"  status with stores {FAR_S * 1000:.0f} ms away: median {statistics.median(far):.3f} "
        f"({(statistics.median(far) - near) / FAR_S:.0f} round trips one after another)"
    )


if __name__ == "__main__":
    main()
