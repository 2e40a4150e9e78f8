"""The status file: what the service does, as JSON, replaced whole. docs/replicator.md names its fields."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.service.anchoring import Anchoring
    from replicator.service.verifying import Verifying
    from replicator.service.workload import Workload


def status(
    site: str,
    workloads: Sequence[Workload],
    *,
    started_at: float,
    anchoring: Anchoring | None = None,
    verifying: Verifying | None = None,
) -> dict[str, object]:
    return {
        "site": site, "pid": os.getpid(), "at": time.time(), "started_at": started_at,
        "workloads": {
            w.watched.name: {
                "role": w.role, "term": w.term, "torn": w.intake.torn, "layout": w.intake.layout,
                "certainty": w.intake.certainty, "passed_over": w.intake.passed_over, "trouble": w.trouble,
                "sealed": w.ended_why, "pending": len(w.spool.entries()),
                "keeping": w.keeping.trouble, "verified": w.keeping.verified, "failed_receipts": w.keeping.failed,
                "destinations": {s.repository.name: asdict(s.status) for s in w.shippers},
            }
            for w in workloads
        },
        "anchors": None if anchoring is None else anchoring.document(),
        "verification": None if verifying is None else verifying.document(),
    }  # fmt: skip


def write_status(path: Path, document: dict[str, object]) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(json.dumps(document))
    staged.replace(path)
