"""What an item is for, told from its name as trainers spell it.

Invariant: a name that says nothing is a model's; the kind only widens or narrows a rule, it never decides alone.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["optimizer", "loader", "rng", "scheduler", "model"]

PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("optimizer", re.compile(r"(^|[^a-z])optim(izer)?s?([^a-z]|$)|exp_avg|momentum_buffer|(^|[._/])opt_state[._/]")),
    ("rng", re.compile(r"(^|[^a-z])rng|rng_state|random_states?([^a-z]|$)")),
    ("loader", re.compile(r"(^|[^a-z])(data_?)?loader|(^|[^a-z])(sampler|dataset)s?([^a-z]|$)")),
    ("scheduler", re.compile(r"(^|[^a-z])(lr_?)?scheduler")),
)
RANK = re.compile(r"(rank|worker|shard|dp|tp|pp)([_-]?)[0-9]+")
NUMBER = re.compile(r"[0-9]+")


def kind_of(name: str) -> Kind:
    lower = name.lower()
    for kind, pattern in PATTERNS:
        if pattern.search(lower):
            return kind
    return "model"


def without_rank(name: str) -> str:
    """The name as every rank would spell it: a run may go on with fewer ranks."""
    return RANK.sub(r"\1\2#", name)


def without_numbers(name: str) -> str:
    return NUMBER.sub("#", name)
