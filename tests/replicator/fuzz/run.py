"""python -m tests.replicator.fuzz.run SEEDS FIRST COUNT [TARGET]: cases FIRST … of every target, under limits.

Prints, as JSON, how many were run and refused, and the first case that did anything but parse or raise what it may.
A process of its own, so that memory is bounded by the kernel and a crash of the interpreter is seen.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tests.replicator.fuzz.mutations import mutated
from tests.replicator.fuzz.targets import TARGETS

MEMORY_BYTES = 2 << 30
CASE_S = 20.0


def main(seeds: Path, first: int, count: int, only: str | None) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, _too_slow)
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for target, (check, may_raise) in TARGETS.items():
            if only not in (None, target):
                continue
            bodies = [path.read_bytes() for path in sorted((seeds / target).iterdir())]
            for number in range(first, first + count):
                body = mutated(random.Random(f"{target}:{number}"), bodies)
                signal.setitimer(signal.ITIMER_REAL, CASE_S)
                try:
                    check(body, Path(folder))
                except may_raise:
                    refused += 1
                except BaseException:  # noqa: BLE001 - it is the finding
                    return {
                        "target": target,
                        "seed": number,
                        "error": traceback.format_exc()[-2000:],
                        "bytes": body.hex(),
                    }
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    return {"cases": count * (len(TARGETS) if only is None else 1), "refused": refused}


def _too_slow(_number: int, _frame: object) -> None:
    raise TimeoutError(f"one case took more than {CASE_S:g} s")


if __name__ == "__main__":
    where, start, many, *one = sys.argv[1:]
    sys.stdout.write(json.dumps(main(Path(where), int(start), int(many), one[0] if one else None)))
