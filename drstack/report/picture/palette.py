"""Colours that people with any colour vision tell apart (after Okabe and Ito), and letters that every machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drstack.report.record import RecoveryRecord

SITES = ("#0072b2", "#00805d", "#8a5a00", "#7b3f98")
"""The writer before, the writer now, others."""
ALARM, INK, SOFT, GRID, GOOD = "#c1121f", "#16202b", "#526170", "#e3e8ed", "#0b6b4f"
LOST_BAND, BACK_BAND, IDLE = "#fbe3dc", "#e8eef6", "#9aa6b2"
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 13, "text.color": INK, "text.parse_math": False,
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.labelsize": 14, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "xtick.labelsize": 13, "ytick.labelsize": 13, "figure.facecolor": "white",
    "savefig.facecolor": "white",
}  # fmt: skip


def colour(record: RecoveryRecord, site: str) -> str:
    place = record.sites.index(site) if site in record.sites else len(record.sites)
    return SITES[min(place, len(SITES) - 1)]


def short(text: str, most: int) -> str:
    """One printable line of at most `most` characters."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= most else line[: most - 1] + "…"
