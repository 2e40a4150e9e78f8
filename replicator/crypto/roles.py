"""Which role may sign what. A key signs its roles' entries only (DESIGN, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["writer", "keeper", "verifier", "promoter", "recipient", "approver"]
SIGNERS: tuple[Role, ...] = ("writer", "keeper", "verifier", "promoter")
"""Who signs entries. An approver, a person, signs statements only (`replicator.crypto.statements`)."""

PART = "part"
WHAT = "what"
RESTORED = "restored"
ANCHOR = "anchor"

_ROLES: dict[str, tuple[Role, ...]] = {
    PART: ("writer",),
    WHAT: ("writer",),
    "commit": ("writer",),
    "seal": ("promoter",),
    "open": ("promoter",),
    "pin": ("promoter", "keeper"),
    "unpin": ("promoter", "keeper"),
    "drop": ("keeper",),
    "compact": ("keeper",),
    "upgrade": ("promoter", "keeper"),
    "receipt": ("verifier",),
    RESTORED: ("recipient",),
    ANCHOR: ("keeper", "verifier"),
}


def signers(kind: str, body: Mapping[str, Any]) -> tuple[Role, ...]:
    """The roles that may sign an entry of `kind`, the likeliest first; none for a kind that is unknown.

    The first push to a repository of its own opens term 1, so its writer may. An older commit that is copied in keeps
    its writer's signature over *what*; a promoter may sign the entry around it.
    """
    allowed = _ROLES.get(kind, ())
    if kind == "open" and body.get("term") == 1 and body.get("assignment") is None:
        return (*allowed, "writer")
    if kind == "commit" and _is_copy(body):
        return (*allowed, "promoter")
    return allowed


def _is_copy(body: Mapping[str, Any]) -> bool:
    what: object = body.get("what")
    if not isinstance(what, dict):
        return False
    of: object = what.get("term")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    term: object = body.get("term")
    return isinstance(of, int) and isinstance(term, int) and of < term
