"""Making an environment's keys: all of them at once, whole or not at all, and never a second time.

Invariant: no key that exists is replaced, and none is made for an environment that stands already and whose keys are
only not at hand: they would be other keys.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.custody.ring import SITES
from drstack.spec.keys import PROMOTER, SIGNING, key_name, keys_folder, number_of, site_of, site_roles
from drstack.spec.sites import LocalSite
from replicator.crypto.founding import Wanted, found, make, write_sheets
from replicator.crypto.keyfile import make_key, read_key, write_key
from replicator.crypto.keyring import Keyring, from_machine, locked
from replicator.crypto.trust import FILE, TrustedRepository
from replicator.errors import KeyAbsent, ReplicatorError
from replicator.repository.repository import random_token
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from drstack.spec import Environment
    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust, TrustedKey


@dataclass(frozen=True, slots=True)
class Made:
    """`names`: the keys that this call made; none where all were there. `sheets`: where recovery sheets lie, if it made any."""

    folder: Path
    names: tuple[str, ...]
    sheets: Path | None = None


def ensure_keys(
    environment: Environment, root: Path, *, stands: Callable[[], bool], how: bytes | str | None = None
) -> Made | None:
    """Have the environment's keys; None where nothing is encrypted. `how` protects the recipients' keys.

    `stands` is asked only where there are none: whether the environment was founded already. KeyAbsent then; KeyLocked,
    Untrusted where what is there cannot be used.
    """
    folder = keys_folder(environment, root)
    if folder is None:
        return None
    if (folder / FILE).is_file():
        return _completed(environment, folder)
    if stands():
        raise KeyAbsent(
            f"environment {environment.environment} stands already, and {folder} holds no {FILE}",
            hint=f"Copy {FILE} and promoter.key of those who made it there, or name their folder in DRSTACK_KEYS. If it was "
            "made without keys, it stays so: take encrypt_to out of the file, or make another environment.",
        )
    return _founded(environment, root, folder, how)


def wanted_keys(environment: Environment) -> list[Wanted]:
    """Every key of the environment, and where its private half is made."""
    found: list[Wanted] = [Wanted(PROMOTER, "promoter")]
    found += [Wanted(name, "recipient", on_paper=True) for name in environment.replication.encrypt_to]
    for site in environment.sites:
        found += [
            Wanted(key_name(role, site), _role(role), f"{SITES}/{site}") for role in site_roles(environment, site)
        ]
    return found


def _role(name: str) -> Role:
    roles: dict[str, Role] = {"writer": "writer", "keeper": "keeper", "verifier": "verifier"}
    return roles.get(name, "recipient")


def _founded(environment: Environment, root: Path, folder: Path, how: bytes | str | None) -> Made:
    staged = folder.with_name(f".{folder.name}.{random_token()[:12]}.new")
    try:
        made = found(
            staged, scope=random_token(), how=how, unlocking=from_machine(), suite=environment.replication.suite,
            wanted=wanted_keys(environment), repositories=_repositories(environment, root),
        )  # fmt: skip
        write_sheets(staged, made.trust, made.seeds)
        try:
            staged.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if (folder / FILE).is_file():  # somebody else made them meanwhile
                return _completed(environment, folder)
            raise ReplicatorError(
                f"{folder} holds files and no {FILE}", hint="Move them away, or name another folder in DRSTACK_KEYS."
            ) from error
    except OSError as error:
        raise ReplicatorError(f"{folder}: {error.strerror or error}", hint="Check that folder and its disk.") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Made(folder, tuple(made.files), folder / "sheets")


def _repositories(environment: Environment, root: Path) -> list[TrustedRepository]:
    """Local sites' repositories, with ids that are drawn now: the trust file is whole before anything is stored."""
    local = {name: site for name, site in environment.sites.items() if isinstance(site, LocalSite)}
    urls = [open_store((root / site.folder / "store").absolute().as_uri()).url for site in local.values()]
    return [TrustedRepository(id=random_token(), url=url, suite=environment.replication.suite) for url in urls]


def _completed(environment: Environment, folder: Path) -> Made:
    """What is there, judged; keys of sites that were declared since are made. KeyAbsent, KeyLocked, Untrusted."""
    ring = Keyring(folder)
    known = {key.name: key for key in ring.trust.keys}
    lacking = [name for name in environment.replication.encrypt_to if name not in known or not known[name].reads]
    if lacking:
        raise KeyAbsent(
            f"encrypt_to names {lacking[0]}, which {folder / FILE} does not know as a recipient",
            hint=f"replicator keys add-recipient {lacking[0]} --keys {folder}; then drstack up {environment.environment}.",
        )
    if not any("promoter" in key.roles and key.revoked is None for key in known.values()):
        raise KeyAbsent(f"{folder / FILE} knows no promoter", hint="It is not this environment's: see DRSTACK_KEYS.")
    for name in ring.names():
        read_key(folder, name)
    held = {(_role_of(name), site_of(name)) for name, key in known.items() if key.revoked is None}
    missing = [
        Wanted(key_name(role, site, _number(known, site)), _role(role), f"{SITES}/{site}")
        for site in environment.sites
        for role in site_roles(environment, site)
        if (role, site) not in held
    ]
    if not missing:
        return Made(folder, ())
    if not any(role in SIGNING and site is not None for role, site in held):
        raise KeyAbsent(
            f"{folder / FILE} knows no key of any site of {environment.environment}: it is of other repositories",
            hint="Name the environment's own folder in DRSTACK_KEYS, or unset it.",
        )
    return extend(ring, missing)


def _number(known: Iterable[str], site: str) -> int:
    """The keys of a site are rotated together, and carry one number."""
    return max((number_of(name) for name in known if site_of(name) == site), default=1)


def _role_of(name: str) -> str:
    return name.partition("@")[0]


def extend(ring: Keyring, missing: Sequence[Wanted], *, how: bytes | str | None = None) -> Made:
    """Make these keys in an operator's folder, but those that are there. `how` protects those in custody."""
    with locked(ring.folder):
        trust = ring.trust
        missing = [each for each in missing if trust.key(each.name) is None]
        for each in missing:
            trust = trust.with_key(_taken_up(ring.folder, trust, each) or _new(ring.folder, trust, each, how))
        ring.replace(trust)
    return Made(ring.folder, tuple(each.name for each in missing))


def _taken_up(folder: Path, trust: Trust, wanted: Wanted) -> TrustedKey | None:
    """The key that a try made which was interrupted before it told the trust file."""
    try:
        file, unlocking = read_key(folder / wanted.below, wanted.name), from_machine()
    except KeyAbsent:
        return None
    seed = file.seed(unlocking)
    return make_key(
        file.name, file.roles, scope=trust.scope, suite=trust.suite, seed=seed, how=None, unlocking=unlocking
    )[1]


def _new(folder: Path, trust: Trust, wanted: Wanted, how: bytes | str | None) -> TrustedKey:
    [made] = make([wanted], scope=trust.scope, suite=trust.suite, how=how, unlocking=from_machine())
    write_key(folder / wanted.below, made.file)
    return made.public


def told(made: Made) -> list[str]:
    """What to do with keys that were just made, line by line; nothing where none were."""
    if not made.names:
        return []
    if made.sheets is None:
        return [f"made keys {', '.join(made.names)} in {made.folder}"]
    return [
        f"made the environment's keys in {made.folder}; none is in a site yet, and nobody else has them",
        f"  print  {made.sheets}/*.html: a sheet for each recipient; keep them apart from each other, then delete {made.sheets}",
        f"  move   one recipient's .key to another custody, and a copy of {FILE} with each (it is not secret)",
        f"  keep   {made.folder}/promoter.key: without it nobody promotes; {made.folder}/{SITES}/ is what each site gets",
        "not ready before a recipient has restored something: drstack status shows the command",
    ]
