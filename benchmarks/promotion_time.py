"""drstack's own share of a promotion: a 1 KB checkpoint, stores in local folders, a site whose start does nothing.

    python benchmarks/promotion_time.py [RUNS]

Counted from before the command's process starts to the end of the phase `start`; no fence that waits, no reconcile.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def one(folder: Path) -> tuple[float, float]:
    """(whole process, facts to start), seconds."""
    code = f"""
import sys, pathlib
sys.path.insert(0, {str(ROOT)!r})
from tests.drstack.recovery.world import Rig
from replicator.stores.local import LocalStore
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
folder = pathlib.Path({str(folder)!r})
stores = {{}}
for name in ("east", "west", "witness"):
    (folder / name).mkdir()
    stores[name] = LocalStore(folder / name)
rig = Rig(folder / "sites", stores=stores)
rig.save(10)
end = promote(rig.world(), "west", Given(by="benchmark"))
counted = "facts plan fence seal assign pin restore actuate start".split()
print(sum(p["seconds"] for p in end["phases"] if p["name"] in counted))
"""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    return time.perf_counter() - began, float(done.stdout.split()[-1])


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    rows: list[tuple[float, float]] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(Path(folder)))
    whole, share = ([row[n] for row in rows] for n in (0, 1))
    print(
        f"facts to start: min {min(share):.3f} median {statistics.median(share):.3f} max {max(share):.3f} s; "
        f"whole process with set-up: median {statistics.median(whole):.3f} s; {runs} runs"
    )


if __name__ == "__main__":
    main()
