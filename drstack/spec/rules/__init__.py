"""Rules between the parts of an environment.

Decides which declarations contradict each other. Invariant: every rule runs where every part that it reads holds, and
all findings are gathered.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from drstack.spec.rules.approvals import APPROVALS
from drstack.spec.rules.drills import DRILLS
from drstack.spec.rules.objectives import OBJECTIVES
from drstack.spec.rules.promotion import PROMOTION
from drstack.spec.rules.replication import REPLICATION
from drstack.spec.rules.sites import SITES
from drstack.spec.rules.steps import STEPS
from drstack.spec.rules.workloads import WORKLOADS

if TYPE_CHECKING:
    from drstack.spec.draft import Draft
    from drstack.spec.rules.finding import Finding

RULES = (*SITES, *WORKLOADS, *REPLICATION, *OBJECTIVES, *PROMOTION, *DRILLS, *STEPS, *APPROVALS)


def judge(draft: Draft) -> tuple[Finding, ...]:
    return tuple(chain.from_iterable(rule(draft) for rule in RULES))
