"""drstack's own share of a promotion: 1 KB checkpoints, a site whose start does nothing, no fence that waits, no reconcile.

    python benchmarks/promotion_time.py [--runs 9] [--workloads 1] [--call-ms 0]

Counted from the facts to the last workload's start. Stores lie in local folders; `--call-ms` puts that many milliseconds
before each call to one, as a far bucket does (20 to 50).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNTED = "facts plan fence seal assign pin restore actuate start"
ONE = """
import pathlib, sys, time
sys.path.insert(0, {root!r})
from tests.drstack.recovery import fleet
from replicator.stores.local import LocalStore
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
folder = pathlib.Path({folder!r})

def store():
    made = folder / f"store-{{len(list(folder.iterdir()))}}"
    made.mkdir()
    return LocalStore(made)

class Far:
    def __init__(self, inner): self.inner = inner
    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if not callable(found): return found
        def call(*arguments):
            time.sleep({call_s!r})
            return found(*arguments)
        return call

fleet.memory_store = store
made = fleet.Fleet(folder / "sites", names=tuple(f"w{{n:02}}" for n in range({workloads})))
made.save()
if {call_s!r}: made.wrap = Far
end = promote(made.world(sleep=time.sleep), "west", Given(by="benchmark"))
print(sum(p["seconds"] for p in end["phases"] if p["name"] in {counted!r}.split()))
"""


def one(folder: Path, workloads: int, call_s: float) -> tuple[float, float]:
    """(whole process, facts to start), seconds."""
    code = ONE.format(root=str(ROOT), folder=str(folder), call_s=call_s, workloads=workloads, counted=COUNTED)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=600)
    return time.perf_counter() - began, float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="drstack's own share of a promotion.")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--workloads", type=int, default=1)
    parser.add_argument("--call-ms", type=float, default=0.0)
    told = parser.parse_args()
    rows: list[tuple[float, float]] = []
    for _ in range(told.runs):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(Path(folder), told.workloads, told.call_ms / 1000))
    whole, share = ([row[n] for row in rows] for n in (0, 1))
    sys.stdout.write(
        f"{told.workloads} workloads, {told.call_ms:g} ms a call: facts to start: min {min(share):.3f} median "
        f"{statistics.median(share):.3f} max {max(share):.3f} s; whole process with set-up: median "
        f"{statistics.median(whole):.3f} s; {told.runs} runs\n"
    )


if __name__ == "__main__":
    main()
