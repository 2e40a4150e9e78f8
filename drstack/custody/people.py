"""Keys of people who approve: each makes their own, and others trust its public half.

Invariant: a person has one key that counts at a time. Nobody's private half is made, or asked for, on another's behalf; the
public half comes as a file that names role and person, and is compared by its fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from drstack.custody.make import extend
from drstack.spec.keys import APPROVER, key_name, number_of, person_of
from replicator.crypto.founding import Wanted
from replicator.crypto.keyfile import SUFFIX
from replicator.crypto.keyring import locked
from replicator.crypto.trust import TrustedKey, write_whole
from replicator.errors import KeyAbsent, ReplicatorError, Untrusted
from replicator.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.crypto.keyring import Keyring
    from replicator.crypto.trust import Trust

PEOPLE = "people"
"""Below an operator's keys: where people's own keys are made, a folder each."""
PUBLIC = ".public.json"


@dataclass(frozen=True, slots=True)
class Person:
    """`file`: the private key, which is for this person alone. `public`: what everybody else needs. `made`: by this call."""

    name: str
    key: TrustedKey
    file: Path
    public: Path
    made: bool


def home_of(keys: Path, person: str) -> Path:
    """Where this person's key is looked for, if nobody says where it is."""
    return keys / PEOPLE / person


def make_person(ring: Keyring, person: str, *, to: Path | None = None, how: bytes | str | None = None) -> Person:
    """The person's key, made if none of theirs counts. `how` protects it (`replicator.crypto.protection`). ReplicatorError."""
    folder = (to or home_of(ring.folder, person)).absolute()
    known = counting(ring.trust, person)
    name = known.name if known is not None else key_name(APPROVER, person, _next(ring.trust, person))
    if known is None:
        extend(ring, [Wanted(name, APPROVER, str(folder), on_paper=True)], how=how)
        known = ring.trust.key(name)
    if known is None:
        raise KeyAbsent(f"{name} was made, and the trust file does not know it")
    public = folder / f"{name}{PUBLIC}"
    made = not public.exists()
    if made and (folder / f"{name}{SUFFIX}").exists():
        write_whole(public, (known.model_dump_json(indent=1) + "\n").encode(), mode=0o644)
    return Person(person, known, folder / f"{name}{SUFFIX}", public, made)


def counting(trust: Trust, person: str) -> TrustedKey | None:
    """The person's key that counts; None where they have none, or revoked ones only."""
    return next((key for key in trust.keys if person_of(key.name) == person and key.revoked is None), None)


def _next(trust: Trust, person: str) -> int:
    return max((number_of(key.name) for key in trust.keys if person_of(key.name) == person), default=0) + 1


def read_public(path: Path) -> TrustedKey:
    """A person's public half from its file. Untrusted where it is anything else."""
    try:
        key = read_json(TrustedKey, path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        raise Untrusted(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
    except OSError as error:
        raise KeyAbsent(
            f"{path}: {error.strerror or error}",
            hint="It is the public half that drstack keys approver ENV NAME made on that person's machine, and named.",
        ) from error
    if key.roles != (APPROVER,) or person_of(key.name) is None or key.revoked is not None:
        raise Untrusted(
            f"{path} is the public half of {key.name} ({', '.join(key.roles)}), not of a person who approves",
            hint="drstack keys approver ENV NAME makes such a key, and its file.",
        )
    return key


def trust_person(ring: Keyring, key: TrustedKey) -> bool:
    """List a person's public half in the trust file. Whether it was not there. ReplicatorError, Untrusted."""
    with locked(ring.folder):
        there = ring.trust.key(key.name)
        if there is not None and there.public == key.public:
            return False
        other = there or counting(ring.trust, person_of(key.name) or "")
        if other is not None:
            raise ReplicatorError(
                f"{person_of(key.name)} has a key already, {other.name}, and this is another one",
                hint=f"If that one is lost: replicator keys revoke {other.name} --keys {ring.folder} --reason '…'; then again.",
            )
        ring.replace(ring.trust.with_key(key))
    return True


def folders_of(keys: Path | None, person: str | None, told: Path | None) -> Sequence[Path]:
    """Where a person's private key may lie: the file or folder that they name, else their own below the keys."""
    if told is not None:
        return (told.parent if told.suffix == SUFFIX else told,)
    home = home_of(keys, person) if keys is not None and person is not None else None
    return (home,) if home is not None and home.is_dir() else ()
