"""Objects that a store keeps offline (S3's GLACIER and DEEP_ARCHIVE): told as that, with what brings them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from replicator.errors import ObjectArchived

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.stores.s3_control import S3Control

OFFLINE = ("GLACIER", "DEEP_ARCHIVE")
_SIGNS = ("InvalidObjectState", "not valid for the object's storage class")


def archived_error(url: str, key: str, error: BaseException) -> ObjectArchived | None:
    """The error that an answer about an archived object is; None where it says something else."""
    told: BaseException | None = error
    while told is not None:
        if any(sign in str(told) for sign in _SIGNS):
            return ObjectArchived(
                f"{url}: {key} is archived: it can be read hours after it was asked for",
                hint=f"Ask for it: replicator thaw SELECTOR --repo '{url}'; restore when it says that all is there.",
            )
        told = told.__cause__
    return None


def state(control: S3Control, key: str) -> str:
    """`online`, `archived`, `thawing` or `thawed`. KeyMissing, StoreUnavailable."""
    told = control.ask("head_object", key)
    if str(told.get("StorageClass", "STANDARD")) not in OFFLINE:
        return "online"
    restore = str(told.get("Restore", ""))
    if not restore:
        return "archived"
    return "thawing" if 'ongoing-request="true"' in restore else "thawed"


def thaw(control: S3Control, keys: Iterable[str], *, days: int, tier: str) -> dict[str, int]:
    """Ask for what is archived; how many objects are in each state now."""
    counts: dict[str, int] = {}
    for key in keys:
        now = state(control, key)
        if now == "archived":
            request: dict[str, Any] = {"Days": days, "GlacierJobParameters": {"Tier": tier.capitalize()}}
            control.ask("restore_object", key, RestoreRequest=cast("Any", request))
            now = "thawing"
        counts[now] = counts.get(now, 0) + 1
    return counts
