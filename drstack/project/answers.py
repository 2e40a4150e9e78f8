"""What `drstack init` was told, and the environment that follows from it.

Decides what has a default and what must be told. Invariant: everything that is missing or wrong is told at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from drstack.errors import DrstackError
from drstack.spec.source import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Mapped = dict[str, object]
EXAMPLE = "gpt"
RECIPIENTS = ("recovery", "escrow")
_SMALL = ["--layers", 2, "--width", 128, "--heads", 4, "--context", 64, "--batch", 1]
_ARGUMENTS = [*_SMALL, "--every", 10, "--step-floor-s", 0.3, "--keep", 4]


class AnswersMissing(DrstackError):
    """Flags of drstack init are missing, or do not say what they should."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Answers:
    """Sites and workloads are as in the environment file; None and empty: not told."""

    environment: str | None = None
    strategy: str | None = None
    witness: str | None = None
    state: str | None = None
    sites: Mapping[str, Mapped] = field(default_factory=dict[str, Mapped])
    workloads: Mapping[str, Mapped] = field(default_factory=dict[str, Mapped])
    encrypted: bool = True

    @property
    def local(self) -> bool:
        """Whether all sites are on this machine."""
        return bool(self.sites) and all(site.get("platform") == "local" for site in self.sites.values())

    def document(self) -> Mapped:
        """The environment file's content."""
        return {
            "environment": self.environment,
            "strategy": self.strategy,
            "witness": self.witness or "file:witness",
            "state": self.state or "file:state",
            "sites": dict(self.sites),
            "workloads": dict(self.workloads),
            "replication": {"encrypt_to": list(RECIPIENTS)} if self.encrypted else {"crypto": "none"},
        }


def read_flags(
    *,
    environment: str | None,
    strategy: str | None,
    witness: str | None,
    state: str | None,
    sites: Sequence[str],
    workloads: Sequence[str],
    jobs: Sequence[str],
    checkpoints: Sequence[str],
) -> Answers:
    """Answers out of flags `NAME=VALUE`: a word, or YAML as in the environment file. AnswersMissing with all faults."""
    faults: list[str] = []
    declared = _pairs("--site", sites, "platform", faults)
    running = _pairs("--workload", workloads, "class", faults)
    for flag, inside, short, given in (
        ("--job", "job", "train", jobs),
        ("--checkpoints", "checkpoints", "every", checkpoints),
    ):
        for name, value in _pairs(flag, given, short, faults).items():
            if name in running:
                running[name][inside] = value
            else:
                faults.append(f"{flag} {name}=…: there is no --workload {name}=CLASS")
    for name, each in running.items():
        saves = each.get("checkpoints")
        if isinstance(saves, dict):
            each["checkpoints"] = {"path": f"checkpoints/{name}", **saves}
    if faults:
        raise AnswersMissing("; ".join(faults), hint="drstack init --help shows how each is written.")
    return Answers(environment, strategy, witness, state, declared, running)


def with_example(answers: Answers) -> Answers:
    """What was not told is taken from the example: two sites on this machine, and a small GPT that trains there."""
    example: Mapped = {
        "class": "training",
        "job": {"train": "examples.train", "ranks": 2, "args": _ARGUMENTS},
        "checkpoints": {"path": f"checkpoints/{EXAMPLE}", "every": "3s", "every_steps": 10},
        "rpo": "30s",
        "rto": "90s",
    }
    return Answers(
        answers.environment or "local",
        answers.strategy or "active-passive",
        answers.witness,
        answers.state,
        answers.sites or {site: {"platform": "local"} for site in ("east", "west")},
        answers.workloads or {EXAMPLE: example},
    )


def lacking(answers: Answers) -> list[str]:
    """The flags without which no environment file can be written."""
    found: list[str] = []
    if answers.environment is None:
        found.append("--environment NAME")
    if answers.strategy is None:
        found.append("--strategy active-passive|active-active|pilot-light|cloud-burst")
    if len(answers.sites) < 2:  # noqa: PLR2004 - a primary and a standby
        found.append("--site NAME=PLATFORM (twice or more)")
    if answers.sites and not answers.local:
        found += [
            flag for flag, told in (("--witness URL", answers.witness), ("--state URL", answers.state)) if not told
        ]
    if not answers.workloads:
        found.append("--workload NAME=CLASS")
    for name, each in answers.workloads.items():
        if each.get("class") in {"training", "inference"} and "job" not in each:
            found.append(f"--job {name}=MODULE")
        if each.get("class") == "training" and "checkpoints" not in each:
            found.append(f"--checkpoints {name}=INTERVAL")
    return found


def require_all(answers: Answers) -> None:
    """AnswersMissing, which names every flag that is missing."""
    if missing := lacking(answers):
        raise AnswersMissing(
            f"not told, and nobody can be asked without a terminal: {', '.join(missing)}",
            hint="Give these flags, or --example for an environment on this machine that trains a small GPT.",
        )


def _pairs(flag: str, given: Sequence[str], short: str, faults: list[str]) -> dict[str, Mapped]:
    """`east=local` as {east: {platform: local}}; a mapping stands for itself."""
    found: dict[str, Mapped] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[^\s={}]+", name) or not value.strip():
            faults.append(f"{flag} {text!r}: not NAME={short.upper()}")
            continue
        if name in found:
            faults.append(f"{flag} {name}=… stands twice")
            continue
        source = read(value, flag)
        if source.faults or isinstance(source.value, list):
            faults.append(f"{flag} {text!r}: neither a word nor a YAML mapping")
            continue
        found[name] = cast("Mapped", source.value) if isinstance(source.value, dict) else {short: value.strip()}
    return found
