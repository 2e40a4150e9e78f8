"""`make bench`: all benchmarks, one after another, into one report.

python -m benchmarks [--quick] [--only NAME …] [--rounds N] [--big-gib N] [--work DIR] [--to FILE]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.plan import SECTIONS, Amounts, sections
from benchmarks.report import render
from benchmarks.stage import Stage
from tools.peers.programs import PEERS, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
VERSION_ARGUMENTS = {"restic": "version", "rclone": "version", "borg": "--version", "zstd": "--version"}


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures drstack beside its peers.")
    add = parser.add_argument
    add("--quick", action="store_true", help="tiny data, one round: shows that all of it works, measures nothing")
    add("--only", action="append", choices=SECTIONS, help="these sections only; repeat it")
    add("--rounds", type=int, default=9, help="counted rounds for each figure (9)")
    add("--big-gib", type=int, default=10, help="size of the file whose push shows the peak of memory (10)")
    add("--work", type=Path, help="working folder, about 40 GB; what was made in it is used again (a temporary one)")
    add("--kept", type=Path, help="folder of sections as JSON: those that are there are not measured again")
    add("--to", type=Path, help="the report (benchmarks/REPORT.md; with --quick stdout)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    given = options(argv)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    work = given.work or Path(tempfile.mkdtemp(prefix="drstack-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    programs = {name: path for name in PEERS if (path := kept(name)) is not None}
    try:
        text = measure(given, work.resolve(), programs)
    finally:
        if given.work is None:
            shutil.rmtree(work, ignore_errors=True)
    to = given.to or (None if given.quick else ROOT / "benchmarks" / "REPORT.md")
    if to is None:
        sys.stdout.write(text)
    else:
        to.write_text(text)
        print(f"written to {to}")
    return 0


def measure(given: argparse.Namespace, work: Path, programs: dict[str, Path]) -> str:
    """The report. Load is told as it was at the beginning and at the end."""
    stage = Stage(work, 1 if given.quick else given.rounds, given.quick, programs)
    amounts = Amounts.quick() if given.quick else Amounts.whole(given.big_gib)
    before = machine.load()
    told = list(sections(stage, amounts, given.only, given.kept))
    peers = [(name, machine.said([str(path), VERSION_ARGUMENTS[name]])) for name, path in programs.items()]
    facts = machine.facts(work, peers)
    missing = sorted(set(PEERS) - set(programs))
    facts.append(("load (1, 5, 15 min)", f"{before} at the beginning, {machine.load()} at the end"))
    if os.getloadavg()[1] > (os.cpu_count() or 1):
        facts.append(
            ("noise", "OTHER WORK WAS RUNNING: times are long, and spread; ratios are of rounds that it met alike")
        )
    if missing:
        facts.append(("not to be had here", ", ".join(missing)))
    return render(told, facts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
