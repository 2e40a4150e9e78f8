"""What a replica is told. Decided before torch is imported, so that a wrong option answers at once."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("stored", "decoded", "proved")


@dataclass(frozen=True)
class Options:
    """`weights`: a folder of this replica's own. `port` 0: any that is free. `poll_s`: between looks for newer weights."""

    repository: str
    model: str
    receipts: tuple[str, ...]
    weights: Path
    port: int
    site: str
    poll_s: float
    at_once: int


def _receipts(text: str) -> tuple[str, ...]:
    levels = tuple(level for level in text.split(",") if level)
    if unknown := [level for level in levels if level not in LEVELS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no receipt; there are: {', '.join(LEVELS)}")
    return levels


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 3600 seconds")
    return value


def parse(argv: Sequence[str]) -> Options:
    """Options from the command line; exits 2 with the reason if they do not fit."""
    parser = argparse.ArgumentParser(
        prog="examples.serve",
        description="Serve the newest recovery point of a training run over HTTP.",
        epilog="Exit codes: 0 asked to stop, 2 usage, 1 anything else.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--repository", required=True, metavar="URL", help="the site's repository")
    add("--model", required=True, metavar="WORKLOAD", help="workload whose checkpoints are served")
    add(
        "--receipts", type=_receipts, default=("stored", "decoded"), help="what a recovery point needs (stored,decoded)"
    )
    add("--weights", required=True, type=Path, metavar="DIR", help="this replica's own folder, for restored files")
    add("--port", type=_port, default=0, help="loopback port; 0: any that is free (0)")
    add("--site", default="", help="name of the site, told in every answer")
    add("--poll-s", type=_seconds, default=1.0, help="seconds between looks for newer weights (1)")
    add("--at-once", type=_positive, default=16, help="requests that are worked on at a time; more get 503 (16)")
    given = parser.parse_args(argv)
    return Options(**vars(given))
