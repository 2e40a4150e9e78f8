"""The page that a person reads at 3 a.m.: the exact commands from the kit alone, and what the kit cannot do.

Pure. Invariant: nothing on the page that the kit, its manifest or the environment file does not say.
"""

from __future__ import annotations

import time
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from drstack.spec import objectives
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.kit.manifest import Manifest
    from drstack.spec import Environment

TEMPLATE = Path(__file__).with_name("runbook.md.txt")


def runbook(told: Manifest, declared: Environment, descriptors: Mapping[str, Mapping[str, Any]], witness: str) -> str:
    """`witness` is its address, resolved."""
    platform = told.platform
    return Template(TEMPLATE.read_text()).substitute(
        environment=told.environment,
        site=told.site,
        made_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(told.made_at)),
        drstack=told.drstack,
        assignment=told.assignment,
        machine=f"{platform.system} on {platform.machine}" + (f", glibc {platform.glibc}" if platform.glibc else ""),
        python=platform.python,
        witness=witness,
        root=told.root,
        objectives=_objectives(declared),
        places="\n".join([f"- witness: {witness}", f"- state of Pulumi: {declared.state}", *_places(descriptors)]),
        training=told.training.why,
        engine=told.engine.why,
        keys=told.keys.why,
        keys_needed=_keys_needed(told),
    )


def _keys_needed(told: Manifest) -> str:
    if not told.keys.included:
        return ""
    return (
        f"Repositories are encrypted and signed. Keys are looked for in `{told.root}/keys/{told.environment}`, in the folder "
        "that DRSTACK_KEYS names,\nelse in `ready/keys`, which has the trust file already: bring `promoter.key` there. If the "
        "site's own reader key is lost,\nbring a recipient back from its sheet:\n\n"
        "    ready/drstack checkpoints keys recover NAME --keys ready/keys\n"
    )


def _objectives(declared: Environment) -> str:
    rows = ["| workload | class | most work that may be lost | longest until it runs again |", "|---|---|---|---|"]
    for name, workload in declared.workloads.items():
        goal = objectives(workload)
        rows.append(f"| {name} | {workload.class_} | {_span(goal.rpo_s)} | {_span(goal.rto_s)} |")
    return "\n".join(rows)


def _span(seconds: float | None) -> str:
    return "not declared" if seconds is None else format_duration(seconds)


def _places(descriptors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"- site {site}: {body.get('folder', body.get('platform'))}; repository {body.get('repository')}"
        for site, body in descriptors.items()
    ]
