"""The text of an environment file.

Decides the layout and the comments. Invariant: the text says exactly what the document says, to a reader of YAML 1.2.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]*[A-Za-z0-9_/]|[A-Za-z]|\d+(?:ms|s|m|h|d|%|[KMGT]i?B)")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_TOP = """\
# yaml-language-server: $schema=./environment.schema.json
# Where the work runs, and what must survive the loss of a site. `drstack check {name}` tells every fault of this file.
environment: {name}
# active-passive: a share of the standby runs, and the rest when it is needed. pilot-light, cloud-burst: nothing does.
# active-active: every site is at full size.
strategy: {strategy}

# Both lie outside all sites, so that the loss of a site takes neither. The witness says who writes; state is Pulumi's.
# A relative `file:` address lies in .drstack/local of the project, or in DRSTACK_ROOT. A copy of the project elsewhere has a
# witness of its own, which knows nothing of this one and gives out the same numbers: for more than one place write a whole one.
witness: {witness}
state: {state}

# The first site writes first; later the witness says which (drstack status {name}). Set `primary` for another.
sites:
{sites}

# rpo: the most work that may be lost. rto: the longest until the workload runs again. Each has a default by class.
workloads:
{workloads}

replication:
  # Checkpoints that each site's repository keeps, besides pinned ones.
  keep: 20
{protection}
"""
_ENCRYPTED = """\
  # Whoever may decrypt, in custodies apart from each other. Keys are made by `drstack keys make {name}`, or the first `up`;
  # docs/operations/keys.md says who keeps which. It cannot be changed once the environment stands.
  encrypt_to: {recipients}"""
_PLAIN_TEXT = """\
  # Neither encrypted nor signed: whoever reaches a store reads the checkpoints, whoever writes there can forge them.
  # For keys instead, before the environment stands: encrypt_to: [recovery, escrow]
  crypto: none"""


def environment_text(document: Mapping[str, object]) -> str:
    """The file; sites stand on one line each, workloads on one line for each field."""
    sites = cast("dict[str, object]", document["sites"])
    workloads = cast("dict[str, dict[str, object]]", document["workloads"])
    recipients = cast("dict[str, object]", document["replication"]).get("encrypt_to")
    protection = _ENCRYPTED if recipients else _PLAIN_TEXT
    return _TOP.format(
        name=_flow(document["environment"]),
        strategy=_flow(document["strategy"]),
        witness=_flow(document["witness"]),
        state=_flow(document["state"]),
        sites="\n".join(f"  {_flow(name)}: {_flow(site)}" for name, site in sites.items()),
        workloads="\n".join(
            "\n".join((f"  {_flow(name)}:", *(f"    {_flow(field)}: {_flow(value)}" for field, value in each.items())))
            for name, each in workloads.items()
        ),
        protection=protection.format(name=_flow(document["environment"]), recipients=_flow(recipients or [])),
    )


def _flow(value: object) -> str:
    """A value as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in cast("dict[str, object]", value).items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in cast("list[object]", value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return '"' + "".join(map(_escaped, value)) + '"' if isinstance(value, str) else json.dumps(value)


def _escaped(character: str) -> str:
    """As it stands between double quotes of YAML, which knows no pairs of surrogates."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
