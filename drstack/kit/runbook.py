"""What a kit's copy of the runbook has besides: how to make the kit ready, and what the kit cannot do.

Pure. Invariant: nothing here that the kit or its manifest does not say.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from drstack.report.blocks import Block, Commands, Heading, Listing, Mono, Paragraph
from drstack.runbook.book import Extra

if TYPE_CHECKING:
    from drstack.kit.manifest import Manifest

DRSTACK = "ready/drstack"
"""The command as it is typed in the kit's folder."""


def beside(told: Manifest) -> Extra:
    """For a kit of this manifest."""
    return Extra(
        DRSTACK, f"Recovery of {told.environment} at {told.site}, from the kit alone", tuple(_ready(told)), tuple(_cannot(told)),
        told.site,
    )  # fmt: skip


def _ready(told: Manifest) -> list[Block]:
    platform = told.platform
    machine = f"{platform.system} on {platform.machine}" + (f", glibc {platform.glibc}" if platform.glibc else "")
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(told.made_at))
    alone = "Everything below runs from this folder, without internet, checkout or the sites that are lost."
    fits = f"It needs {machine} and Python {platform.python}, and makes "
    blocks: list[Block] = [
        Paragraph(f"Written {made} from drstack {told.drstack}, for assignment {told.assignment}. {alone}"),
        Heading("Make the kit ready first (about a minute)"),
        Commands(("python3 start.py",)),
        Paragraph(
            "It verifies every file and refuses a damaged one by name (exit code 36: take the kit before this one)."
        ),
        Paragraph(
            (
                fits,
                Mono("ready/"),
                " here, or wherever ",
                Mono("--into FOLDER"),
                " says. Its last line is the command of 3.",
            )
        ),
    ]
    return [*blocks, *_keys(told)]


def _keys(told: Manifest) -> list[Block]:
    if not told.keys.included:
        return []
    return [
        Paragraph((
            "Repositories are encrypted and signed. Keys are looked for in ", Mono(f"{told.root}/keys/{told.environment}"),
            ", in the folder that DRSTACK_KEYS names, else in ", Mono("ready/keys"), ", which has the trust file already: bring ",
            Mono("promoter.key"), " there. If the site's own reader key is lost, bring a recipient back from its sheet:",
        )),
        Commands((f"{DRSTACK} checkpoints keys recover NAME --keys ready/keys",)),
    ]  # fmt: skip


def _cannot(told: Manifest) -> list[Block]:
    own = "Credentials are not in it: witness and stores are opened with your own. Pulumi's state needs the passphrase in "
    without = ", or the file that PULUMI_CONFIG_PASSPHRASE_FILE names; without it the promotion ends, and says NOT reconciled."
    return [
        Heading("What this kit cannot do"),
        Listing((
            told.training.why, told.engine.why, told.keys.why, (own, Mono(f"{told.root}/passphrase"), without),
            ("It does not prove who wrote it: ", Mono("kit.json"), " lists digests, and nothing is signed yet."),
        )),
        Heading("To see whether a kit is whole, without using it"),
        Commands(("python3 start.py --verify", "drstack kit --check FOLDER    # also whether it is what the environment says")),
        Paragraph(("From the repaired checkout, a new kit for the new standby: ", Mono(f"drstack kit {told.environment}"))),
    ]  # fmt: skip
