"""`replicator keys …`: who can read a family of repositories, and whose word counts in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Protect, protection_of, say

if TYPE_CHECKING:
    from replicator.crypto.keyring import Keyring
    from replicator.crypto.trust import TrustedKey
    from replicator.repository.custody import Rewrapped
    from replicator.repository.repository import Repository

app = typer.Typer(help="Keys: who can read, and whose word counts.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The key's name, as `keys list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever reads the trust file later.")]


def _ring(folder: Path | None) -> Keyring:
    from replicator.crypto.keyring import Keyring, default_folder

    return Keyring(folder or default_folder())


@app.command("list")
def list_(keys: Keys = None, *, json: Json = False) -> None:
    """Show the keys that the trust file knows, which of them are at hand, and the repositories that they are for."""
    from replicator.crypto.keyfile import read_key
    from replicator.crypto.sheet import fingerprint

    ring = _ring(keys)
    here = set(ring.names())
    rows: list[dict[str, object]] = [
        {
            "name": key.name, "roles": list(key.roles), "fingerprint": fingerprint(key.public),
            "at_hand": key.name in here,
            "protection": read_key(ring.folder, key.name).protection.kind if key.name in here else None,
            "revoked": key.revoked.reason if key.revoked else None,
        }
        for key in ring.trust.keys
    ]  # fmt: skip
    repositories = [each.model_dump() for each in ring.trust.repositories]
    lines = [f"{ring.folder}: family {ring.trust.scope}, at least {ring.trust.suite}"]
    for row in rows:
        state = (
            f"REVOKED: {row['revoked']}" if row["revoked"] else f"here ({row['protection']})" if row["at_hand"] else ""
        )
        roles = ",".join(str(role) for role in row["roles"]) if isinstance(row["roles"], list) else ""  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        lines.append(f"  {row['name']!s:<16} {roles:<10} {row['fingerprint']}  {state}")
    lines += [f"  repository {each.id}  {each.suite:<18} {each.url}" for each in ring.trust.repositories]
    document: dict[str, object] = {
        "folder": str(ring.folder), "scope": ring.trust.scope, "suite": ring.trust.suite, "keys": rows,
        "repositories": repositories,
    }  # fmt: skip
    say(document, "\n".join(lines), as_json=json)


@app.command("add-recipient")
def add_recipient(name: Name, keys: Keys = None, protect: Protect = None, *, json: Json = False) -> None:
    """Make a recipient and let it read what is stored already, too. No data is rewritten. Again: goes on where it was.

    Needs the private key of a recipient that was there before.
    """
    from replicator.crypto.keyring import from_machine
    from replicator.repository.custody import create_key, family

    ring = _ring(keys)
    known = ring.trust.key(name)
    if known is None or not known.reads:
        create_key(ring, name, ("recipient",), how=protection_of(protect), unlocking=from_machine())
    done = _rewrap_all(ring, name, family(ring))
    lines = [f"{name} is a recipient. Bring {ring.folder}/trust.json to every writer; then, once, this command again:"]
    lines += ["what a writer pushed with the old file is wrapped to the old recipients only", *_told(done)]
    lines.append(f"print its sheet: replicator keys sheet {name} --keys {ring.folder}")
    say(_document(ring, name, done), "\n".join(lines), as_json=json)


@app.command()
def revoke(name: Name, reason: Reason, keys: Keys = None, *, json: Json = False) -> None:
    """End a key. What it signed so far stands; a record that it signs from now on blocks its log.

    A recipient that is revoked still reads what was written for it.
    """
    from replicator.repository.custody import family
    from replicator.repository.custody import revoke as end

    ring = _ring(keys)
    known = ring.trust.key(name)
    approves = known is not None and known.roles == ("approver",)  # signs no record of any log
    end(ring, name, reason, [] if approves else family(ring))
    text = f"{name} is revoked. Bring {ring.folder}/trust.json to every reader and writer."
    say(_document(ring, name, []), text, as_json=json)


@app.command()
def rotate(
    name: Name,
    to: Annotated[str, typer.Option("--to", help="The new key's name.")],
    keys: Keys = None,
    protect: Protect = None,
    reason: Reason = "rotated",
    *,
    json: Json = False,
) -> None:
    """Put a new key in a key's place: the same roles, the old one revoked, a recipient's share wrapped to the new one."""
    from replicator.crypto.keyring import from_machine
    from replicator.errors import KeyAbsent
    from replicator.repository.custody import create_key, family
    from replicator.repository.custody import revoke as end

    ring = _ring(keys)
    old, new = ring.trust.key(name), ring.trust.key(to)
    if old is None:
        raise KeyAbsent(f"the trust file knows no key {name}", hint="replicator keys list shows them.")
    if new is None:
        create_key(ring, to, old.roles, how=protection_of(protect), unlocking=from_machine())
    repositories = family(ring)
    done = _rewrap_all(ring, to, repositories) if "recipient" in old.roles else []
    end(ring, name, reason, repositories)
    text = [f"{to} is in the place of {name}. Bring {to}.key to where {name}.key was, and trust.json everywhere."]
    say(_document(ring, to, done), "\n".join([*text, *_told(done)]), as_json=json)


@app.command()
def sheet(
    name: Name, keys: Keys = None, *, html: Annotated[bool, typer.Option("--html", help="A page to print.")] = False
) -> None:
    """Print a recipient's recovery sheet on stdout: its private key, to be kept on paper."""
    from replicator.crypto.founding import sheet_of
    from replicator.crypto.sheet import as_html, as_text

    ring = _ring(keys)
    key = _recipient(ring, name)
    made = sheet_of(ring.trust, key, ring.seed(name))
    sys.stdout.write(as_html(made) if html else as_text(made))


@app.command()
def recover(name: Name, keys: Keys = None, protect: Protect = None, *, json: Json = False) -> None:
    """Make a recipient's key file from the four lines of its recovery sheet, read from stdin; trust.json must be there."""
    from replicator.crypto.sheet import LINES
    from replicator.repository.custody import recover_key

    ring = _ring(keys)
    _recipient(ring, name)
    lines: list[str] = []
    while len(lines) < LINES:
        if sys.stdin.isatty():
            sys.stderr.write(f"line {len(lines) + 1}: ")
            sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed:
            break
        if typed.strip():
            lines.append(typed.strip())
    path = recover_key(ring, name, lines, how=protection_of(protect))
    say({"name": name, "path": str(path)}, f"{path} is there: {name} reads again", as_json=json)


@app.command()
def trust(
    repo: Annotated[str, typer.Option("--repo", help="The repository's URL.")],
    identity: Annotated[str, typer.Option("--id", help="Its id, from a source other than the repository itself.")],
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """List a repository in the trust file that was made elsewhere with the same keys."""
    from replicator.crypto.trust import TrustedRepository
    from replicator.errors import Untrusted
    from replicator.repository.format import read_format
    from replicator.stores.url import open_store

    ring = _ring(keys)
    store = open_store(repo)
    found = read_format(store)
    if found.repository != identity:
        raise Untrusted(f"{store.url} holds repository {found.repository}, not {identity}")
    ring.admit(TrustedRepository(id=identity, url=store.url, suite=ring.trust.suite))
    say({"repository": identity, "url": store.url}, f"{store.url} is listed in the trust file", as_json=json)


def _recipient(ring: Keyring, name: str) -> TrustedKey:
    from replicator.errors import KeyAbsent

    known = ring.trust.key(name)
    if known is None or "recipient" not in known.roles:
        raise KeyAbsent(f"the trust file knows no recipient {name}", hint="replicator keys list shows them.")
    return known


def _rewrap_all(ring: Keyring, name: str, repositories: list[Repository]) -> list[Rewrapped]:
    from replicator.repository.custody import rewrap

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rwrapping keys: {done} of {of}" + ("\n" if done == of else ""))

    return [rewrap(ring, each, name, progress) for each in repositories]


def _told(done: list[Rewrapped]) -> list[str]:
    return [f"  {each.url}: {each.wrapped} keys wrapped, {each.already} were" for each in done]


def _document(ring: Keyring, name: str, done: list[Rewrapped]) -> dict[str, object]:
    return {
        "name": name, "keys": str(ring.folder),
        "repositories": [{"url": each.url, "wrapped": each.wrapped, "already": each.already} for each in done],
    }  # fmt: skip
