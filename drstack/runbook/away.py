"""What the runbook says of a witness that is away: how it comes back, and how work goes on without it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.report.blocks import Block, Heading, Listing, Mono, Paragraph, noted
from drstack.runbook.chapter import command
from drstack.runbook.lost import able, first

if TYPE_CHECKING:
    from drstack.runbook.lost import Lost

_CERTAIN = (
    "It goes on only if the lost site can be stopped for certain: every fence has to be proven, by its machines or its platform. "
    "Else it ends with exit code 88 before anything is sealed; the same command tries again."
)
_LEASED = "Work that runs under leases is not promoted without the witness, which alone gives them. Move the witness: another "


def away(drstack: str, name: str, every: tuple[Lost, ...], witness: str, *, site: str | None) -> list[Block]:
    """`drstack`: the command as it is typed; `witness`: its address; `site`: the one that this copy is for."""
    unsound = "If it is called unsound (exit code 23): put back the object that the message names, from its versions or a copy."
    stays = (
        f"It is at {witness}. Work that runs goes on without it. A promotion ends with exit code 22 until it is back."
    )
    return [
        Heading("The witness is away"),
        Paragraph(stays),
        Listing((
            "Can this machine reach it? Address, credentials, network path. Try from another place.",
            f"{unsound} Never remove one.",
            ("Is it lost, empty or older than it was: ", Mono(f"{drstack} witness repair {name} --reason '…'"), " puts it back."),
            (
                "Once it answers, type the same command again. ", Mono(f"{drstack} status {name}"),
                " says whether it does; while it does not, who runs what.",
            ),
        )),
        *_without(drstack, name, every, site),
    ]  # fmt: skip


def _without(drstack: str, name: str, every: tuple[Lost, ...], site: str | None) -> list[Block]:
    """Going on while it is away: how, or why not."""
    way = first(every, site)
    if way is None:
        return []
    title = Heading("If a site is lost meanwhile, and its work cannot wait", level=3)
    repair = Mono(f"{drstack} witness repair {name} --reason '…'")
    if any(step.act == "lease" for each in able(every) if each.plan for step in each.plan.steps):
        place = " in the environment file, an empty place outside all sites; then "
        return [title, Paragraph((_LEASED, Mono("witness:"), place, repair, "."))]
    typed = f"{command(name, way, drstack)} --without-witness --reason '…'"
    others = ", a recovery kit. For another site: its own command of 3, with the same added."
    behind = "Once the witness is back, every command ends with exit code 23 until "
    return [
        title,
        noted((f"{typed} --plan --as tree", "touches nothing"), (typed, "again at any time")),
        Listing((
            _CERTAIN,
            ("On a machine that never saw the witness add ", Mono("--kit PATH"), others),
            "It cannot be paused or aborted, no step left out, and Pulumi's part is not done.",
            (behind, repair, "; then ", Mono(f"{drstack} up {name} --refresh"), "."),
        )),
    ]  # fmt: skip
