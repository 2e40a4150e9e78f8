"""What `{target}` and the like stand for in a step's texts, and the variables that its programs are given. Pure."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.acting import Context

_HANDED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Of the operator's environment; all else stays with the operator, credentials before all."""


def names(context: Context) -> dict[str, str]:
    return {
        "environment": context.environment,
        "operation": context.operation,
        "target": context.target,
        "from": ",".join(context.sources),
        "workloads": ",".join(context.workloads),
        "step": context.step,
        "token": context.token,
    }


def filled(text: str, context: Context) -> str:
    """The text with known names filled in; other braces stay, as JSON has them."""
    known = names(context)
    return re.sub(r"\{([a-z]+)\}", lambda found: known.get(found[1], found[0]), text)


def variables(
    context: Context, declared: Mapping[str, str], inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A clean environment: what programs need to run at all, what is declared, and the operation as DRSTACK_…"""
    around = os.environ if inherited is None else inherited
    told = {f"DRSTACK_{name.upper()}": value for name, value in names(context).items()}
    return {name: around[name] for name in _HANDED_ON if name in around} | dict(declared) | told
