"""Keys: could somebody here sign a promotion, and read what it restores?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import seen, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation


def keys(situation: Situation) -> Iterator[Finding]:
    for site, held in situation.keys.items():
        evidence = seen(held.folder, situation.at)
        if not held.signs:
            locked = held.locked
            yield finding(
                "keys-locked" if locked else "promoter-absent",
                f"nobody here can sign a promotion to {site}: {held.why_not}",
                "name a file with its passphrase in DRSTACK_PASSPHRASE_FILE, or be there when it is asked for"
                if locked
                else f"copy promoter.key to {held.folder}, from where it is kept",
                unknown(held.folder) if locked else evidence, site=site, role="standby",
            )  # fmt: skip
        if not held.recipients:
            yield finding(
                "recipient-absent", f"no private key is at hand that reads what {site} holds",
                f"copy a recipient's key to {held.folder}, or from a sheet of paper: replicator keys recover NAME --keys "
                f"{held.folder}; or new keys for the site: drstack keys rotate {situation.environment} {site} --reason '…'",
                evidence, site=site, role="standby",
            )  # fmt: skip
        elif held.opened is False:
            yield finding(
                "recipient-useless", f"the keys at hand do not open what {site} holds: {held.why_closed}",
                f"copy the right recipient's key to {held.folder}", evidence, site=site, role="standby",
            )  # fmt: skip
    custody = situation.custody
    if custody is not None and custody.suite != "none" and not custody.ready:
        yield finding(
            "recipient-untried", "no recipient in custody has restored anything yet, so nobody knows that its key works",
            str(custody.command), unknown("notes of restores in the repositories"),
        )  # fmt: skip
