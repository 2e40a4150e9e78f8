"""`drstack --help` beside a bare Typer application of as many commands: whole processes, in turn, as a ratio.

python benchmarks/help_time.py [PAIRS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import typer
app = typer.Typer()
{commands}
app()
"""


def bare_application(folder: Path, commands: int) -> Path:
    path = folder / "bare.py"
    bodies = "\n".join(
        f'@app.command()\ndef verb{n}(name: str, flag: bool = False) -> None:\n    "Do the {n}th thing."'
        for n in range(commands)
    )
    path.write_text(BARE.format(commands=bodies))
    return path


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - began


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    from drstack.cli.main import VERBS  # noqa: PLC0415 - counted, not timed

    commands = len(VERBS)
    with tempfile.TemporaryDirectory() as folder:
        bare = [sys.executable, str(bare_application(Path(folder), commands)), "--help"]
        ours = [sys.executable, "-m", "drstack", "--help"]
        seconds(bare), seconds(ours)
        rows = [(seconds(ours), seconds(bare)) for _ in range(pairs)]
    ratios = sorted(a / b for a, b in rows)
    print(
        f"drstack --help: {statistics.median(a for a, _ in rows):.3f} s, bare Typer with {commands} commands: "
        f"{statistics.median(b for _, b in rows):.3f} s; ratio min {ratios[0]:.2f} median {statistics.median(ratios):.2f} "
        f"max {ratios[-1]:.2f} over {pairs} pairs"
    )


if __name__ == "__main__":
    main()
