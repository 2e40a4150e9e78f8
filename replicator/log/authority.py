"""Whose signature a term takes: the keys that its assignment lists, for the entries that this binds (DESIGN, section 6).

Roles are the notary's to judge. Here is what only the log itself can say: which term an entry is of, and which keys the
`open` of that term lists. An assignment that lists none leaves it to the roles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from replicator.errors import SignatureRefused
from replicator.log.entries import Commit, Open

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.entries import Entry
    from replicator.log.notary import Notary, Signatures
    from replicator.log.records import Record
    from replicator.model import What

BOUND = frozenset({"commit", "drop", "compact"})
"""Kinds that only listed keys may sign. Who promotes signs the `open` that lists them; a restore may pin in any term."""


class Authority:
    """What a log said so far about keys. Feed it every record in order (`require`)."""

    def __init__(self, notary: Notary) -> None:
        self._notary = notary
        self._listed: dict[int, tuple[str, ...]] = {}

    def require(self, record: Record, entry: Entry, log: str) -> None:
        """SignatureRefused if the entry's signer, or who vouched for its checkpoint, may not in that term."""
        if isinstance(entry, Open):
            self._listed.setdefault(entry.term, listed_by(entry))
        if isinstance(entry, Commit):
            where = f"{log}/{record.n}"
            self._require(self._notary.vouched(entry.what, entry.signatures, where), entry.what.term, where)
        if entry.kind in BOUND and not (_copies(entry) and record.signer in self._notary.promoters()):
            self._require(record.signer, entry.term, f"{log}/{record.n}")

    def among(self, payload: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The names that may sign a payload that is about to be written; None where its role is enough."""
        listed = self._listed.get(payload["body"]["term"])
        if payload["kind"] not in BOUND or not listed:
            return None
        return (*listed, *self._notary.promoters()) if _copied(payload) else listed

    def vouch(self, what: What) -> Signatures:
        return self._notary.vouch(what, among=self._listed.get(what.term) or None)

    def _require(self, signer: str | None, term: int, where: str) -> None:
        listed = self._listed.get(term)
        if signer is not None and listed and signer not in listed:
            raise SignatureRefused(f"{where}: the assignment of term {term} does not list key {signer}")


def listed_by(entry: Open) -> tuple[str, ...]:
    """The keys that the assignment of an `open` lists for its term."""
    assignment = entry.assignment or {}
    workload: object = assignment.get("workload")
    keys: object = cast("Mapping[str, object]", workload).get("keys") if isinstance(workload, dict) else None
    return tuple(str(key) for key in cast("list[object]", keys)) if isinstance(keys, list | tuple) else ()


def _copied(payload: Mapping[str, Any]) -> bool:
    body = payload["body"]
    return payload["kind"] == "commit" and body["what"]["term"] < body["term"]


def _copies(entry: Entry) -> bool:
    """An older commit that is copied in: its writer vouched for it in its own term."""
    return isinstance(entry, Commit) and entry.what.term < entry.term
