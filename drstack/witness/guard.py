"""What trouble of a log on the witness is called by those who read and write there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from drstack.errors import WitnessUnreachable, WitnessUnsound
from replicator.errors import RecordCorrupt, StoreError, TermRegressed

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

PUT_BACK = "Put the record back: docs/operations/witness.md"


@contextmanager
def guarded(url: str) -> Generator[None]:
    """WitnessUnreachable where the store failed; WitnessUnsound where what it has cannot be."""
    try:
        yield
    except (RecordCorrupt, TermRegressed) as error:
        raise WitnessUnsound(str(error), hint=PUT_BACK) from error
    except StoreError as error:
        raise WitnessUnreachable(f"witness {url}: {error}") from error


def object_in(body: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A field that is an object; None where it is anything else."""
    found: object = body.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
