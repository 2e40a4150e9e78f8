"""What a run is asked to do. Decided before torch is imported, so that a wrong option answers at once.

Invariant: `Options` is consistent; nothing after `parse` needs to check one option against another.
"""

import argparse
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESUME_STEP = "DRSTACK_RESUME_STEP"
REPLAY_STEPS = "DRSTACK_REPLAY_STEPS"
ATTEMPT = "DRSTACK_ATTEMPT"
ACKNOWLEDGED = "DRSTACK_ACKNOWLEDGED"
LONGEST_FLOOR_S = 60


@dataclass(frozen=True)
class ModelSize:
    """Shape of the network; a checkpoint resumes only into the same one."""

    layers: int
    width: int
    heads: int
    context: int


@dataclass(frozen=True)
class Options:
    """One run's settings. `steps` 0: without end. `every` 0: never write. `keep` 0: prune nothing.

    `started_at` is the Unix time at which the process began, for the report of its start-up.
    """

    run: str
    checkpoints: Path | None
    metrics: Path | None
    steps: int
    every: int
    keep: int
    require_step: int | None
    seed: int
    batch: int
    step_floor_s: float
    size: ModelSize
    started_at: float
    attempt: str
    """What this start is called in metrics and checkpoints."""
    acknowledged: Path | None = None
    """The replicator's spool that says when a save is acknowledged; None: saves wait for nobody."""

    def ends_at(self, step: int) -> bool:
        """Whether nothing is left to do once `step` is done."""
        return 0 < self.steps <= step


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{value} is less than {least}")
    return value


def _count(text: str) -> int:
    return _whole(text, 0)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_FLOOR_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {LONGEST_FLOOR_S} seconds")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="examples.train",
        description="Train a small GPT on Python's own documentation, with checkpoints that resume bit for bit.",
        epilog="Exit codes: 0 done, 2 usage, 66 refused to resume, 75 stopped by a signal: resume me.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", default="gpt", help="name of the run, kept in its checkpoints (gpt)")
    add("--checkpoints", type=Path, metavar="DIR", help="folder of step-<8 digits>/, seen by all ranks")
    add("--metrics", type=Path, metavar="FILE", help="JSON lines are appended here (else to stdout)")
    add("--steps", type=_count, default=0, help="stop after this step of the run; 0: without end (0)")
    add("--every", type=_count, default=10, help="steps between checkpoints; 0: write none (10)")
    add("--keep", type=_count, default=0, help="complete checkpoints to keep; 0: all (0)")
    add("--require-step", type=_positive, help=f"resume exactly this step or exit 66 (${RESUME_STEP})")
    add("--seed", type=_count, default=1234, help="of weights, dropout and the order of the text (1234)")
    add("--batch", type=_positive, default=4, help="windows of text per rank and step (4)")
    add("--step-floor-s", type=_seconds, default=0.0, help="least wall time of a step, by sleeping (0)")
    add("--layers", type=_positive, default=4, help="transformer blocks (4)")
    add("--width", type=_positive, default=192, help="size of the residual stream (192)")
    add("--heads", type=_positive, default=6, help="attention heads, a divisor of the width (6)")
    add("--context", type=_positive, default=128, help="bytes of text per window (128)")
    return parser


def parse(argv: Sequence[str], environ: Mapping[str, str], started_at: float) -> Options:
    """Options from the command line and the environment; exits 2 with the reason if they do not fit."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.width % given.heads:
        parser.error(f"argument --heads: {given.heads} does not divide --width {given.width}")
    if given.every and given.checkpoints is None:
        parser.error("argument --checkpoints: needed unless --every is 0")
    if given.require_step is None and (text := environ.get(RESUME_STEP, "")):
        try:
            given.require_step = _positive(text)
        except argparse.ArgumentTypeError as error:
            parser.error(f"${RESUME_STEP}: {error}")
    if given.require_step is not None and given.checkpoints is None:
        parser.error("argument --checkpoints: needed to resume a required step")
    if text := environ.get(REPLAY_STEPS, ""):
        try:
            given.steps, given.every = _positive(text) + (given.require_step or 0), 0
        except argparse.ArgumentTypeError as error:
            parser.error(f"${REPLAY_STEPS}: {error}")
    return Options(
        run=given.run,
        checkpoints=given.checkpoints,
        metrics=given.metrics,
        steps=given.steps,
        every=given.every,
        keep=given.keep,
        require_step=given.require_step,
        seed=given.seed,
        batch=given.batch,
        step_floor_s=0.0 if environ.get(REPLAY_STEPS) else given.step_floor_s,
        size=ModelSize(given.layers, given.width, given.heads, given.context),
        started_at=started_at,
        attempt=environ.get(ATTEMPT) or secrets.token_hex(8),
        acknowledged=Path(environ[ACKNOWLEDGED]) if environ.get(ACKNOWLEDGED) else None,
    )
