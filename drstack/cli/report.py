"""`drstack report`: what past recoveries achieved, beside their objectives."""

from __future__ import annotations

import json as json_
import sys
from typing import Annotated, Any

import typer


def report(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List every operation with its recovery point and time, whether objectives were met, and the trend."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.recovery.history import document, past_operations

    declared = load(environment)
    told = document(environment, past_operations(open_witness(declared, local_root(project_root()))))
    sys.stdout.write(json_.dumps(told) + "\n" if json else _render(told))


def _render(told: dict[str, Any]) -> str:
    if not told["operations"]:
        return f"{told['environment']} has had no operation yet.\n"
    lines = [f"{'operation':<10} {'began (UTC)':<17} {'to':<10} {'result':<11} workload: lost, back"]
    for each in told["operations"]:
        lines.append(
            f"{each['operation']:<10} {_when(each['began_at']):<17} {each['target']:<10} {each['result']:<11} "
            + ("; ".join(_workload(one) for one in each["workloads"]))
            + (f" ({each['why']})" if each["why"] else "")
        )
    trend = told["trends"]
    if trend["recoveries"]:
        slowest = trend["slowest_phase"]
        lines.append(
            f"\n{trend['met']} of {trend['recoveries']} met their objectives; "
            f"lost {_trend(trend['rpo_s'])}; back after {_trend(trend['rto_s'])}; "
            f"most of it: {slowest['name']} ({slowest['median_s']:.1f} s)"
        )
    if trend["assumed_fences"]:
        lines.append(f"{trend['assumed_fences']} fences were assumed, not proven.")
    return "\n".join(lines) + "\n"


def _when(at: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M")


def _workload(one: dict[str, Any]) -> str:
    if one["met"] is None:
        return f"{one['workload']}: not recovered"
    from drstack.recovery.status import spell

    verdict = "met" if one["met"] else f"MISSED {spell(one['rpo_objective_s'])} / {spell(one['rto_objective_s'])}"
    return f"{one['workload']}: {spell(one['rpo_s'])}, {spell(one['rto_s'])}, {verdict}"


def _trend(trend: dict[str, Any]) -> str:
    from drstack.recovery.status import spell

    change = f", recently {trend['change']:.2f} times that" if trend["change"] is not None else ""
    return f"{spell(trend['median'])} (median; worst {spell(trend['worst'])}{change})"
