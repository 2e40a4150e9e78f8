"""Writing a kit: decides which site it is for and where it goes, then gathers its parts.

Invariant: what cannot be had fails the writing with its name; nothing is left out in silence.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drstack.provider
from drstack.custody.ring import open_keys, private_parts
from drstack.errors import EngineFailed, EnvironmentUnknown, KitNotMade
from drstack.kit import closure, manifest, project, runbook, shelf, start, wheels
from drstack.kit.check import digest_of
from drstack.kit.own import checkout, own_wheel
from drstack.reconcile.engine import find_engine
from drstack.reconcile.settings import PASSPHRASE_FILE, passphrase_file
from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.runbook.gather import runbook as written
from drstack.spec import find_environment
from replicator.crypto.trust import write_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drstack.kit.manifest import Manifest
    from drstack.reconcile.engine import EngineTools
    from drstack.spec import Environment
    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness

LOCK = "requirements.lock"
_HOSTS = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
_NO_KEYS = "Repositories of this environment are neither encrypted nor signed: there are no keys to hold."
_KEYS = (
    "Repositories are encrypted and signed. The kit holds the trust file (keys/trust.json, public halves only) and no private "
    "key: a promotion needs promoter.key, and a recipient's (the site's own reader, or one from its sheet)."
)
_NO_ENGINE = (
    "The Pulumi engine was left out (--no-engine): a promotion ends, and Pulumi's part is left to `drstack up`."
)
_TRAINING = (
    "PyTorch and what the training needs are the site's own environment, which its jobs name; it is not in the kit."
)
_WITH_TRAINING = "PyTorch and safetensors are in the kit; the program of the training itself is the site's own."


@dataclass(frozen=True, slots=True)
class Asked:
    """`to` None: the site's own folder."""

    site: str | None = None
    to: Path | None = None
    engine: bool = True
    training: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What the witness says, read before anything is written."""

    assignment: Assignment
    environment_id: str | None
    descriptors: dict[str, dict[str, Any]]


def write_kit(
    declared: Environment, folder: Path, root: Path, witness: Witness, asked: Asked, say: Callable[[str], None]
) -> tuple[Path, Manifest]:
    """The kit and its manifest; `folder` is the project's. KitNotMade, WitnessUnreachable, EngineFailed."""
    known, keys = _read_witness(declared, witness), open_keys(declared, root)
    site = _site(declared, known.assignment, asked.site)
    where = asked.to.absolute() if asked.to else _shelf_of(site, known.descriptors[site])
    engine = _engine(folder) if asked.engine else None
    extras = [
        *(["local"] if known.descriptors[site].get("platform") == "local" else []),
        *(["pulumi"] if engine else []),
        *(["train"] if asked.training else []),
    ]
    source = checkout() or folder
    lock = source / LOCK
    pins = closure.pins(extras, closure.read_lock(lock) if lock.is_file() else None)
    found = wheels.wheels_for(pins, wheels.cache_folder(), say)

    def fill(kit: Path) -> None:
        say(f"writing {len(found) + 1} wheels{' and the engine' if engine else ''} to {where}")
        _put_wheels(kit, pins, found, say)
        if engine:
            _put_engine(engine, kit / "engine")
        project.copy_project(folder, declared.environment, _provider(), kit)
        _put_witness(kit / "witness", known)
        if keys is not None:
            write_trust(kit / "keys", keys.trust)
        (kit / "start.py").write_bytes(Path(start.__file__).read_bytes())
        made = _manifest(declared, folder, root, site, known, asked, engine, kit, lock, witness)
        page, _ = written(declared, root, runbook.beside(made))
        (kit / "RUNBOOK.md").write_text(as_markdown(page))
        (kit / "RUNBOOK.html").write_text(as_html(page))
        files = [passphrase_file(root), Path(os.environ.get(PASSPHRASE_FILE) or os.devnull)]
        secrets = project.known_secrets(os.environ, files) | private_parts(keys)
        project.refuse_secrets((kit / "project", kit / "witness", kit / "keys"), secrets)
        manifest.write(kit, made.model_copy(update={"files": manifest.list_files(kit)}))

    placed = shelf.place(where, fill, say)
    return placed, manifest.read(placed)


def _read_witness(declared: Environment, witness: Witness) -> _Known:
    current = witness.current()
    if current is None:
        raise KitNotMade(
            f"the witness knows no {declared.environment} yet: there is nothing to promote",
            hint=f"drstack up {declared.environment}, then write the kit.",
        )
    descriptors = {site: witness.descriptor(site) for site in declared.sites}
    return _Known(current, witness.environment_id(), {site: body for site, body in descriptors.items() if body})


def _site(declared: Environment, current: Assignment, asked: str | None) -> str:
    """The site that is asked for, else the only one that writes nothing."""
    if asked is not None:
        if asked not in declared.sites:
            raise EnvironmentUnknown(
                f"environment {declared.environment} has no site {asked!r}",
                hint=f"Its sites are: {', '.join(declared.sites)}.",
            )
        return asked
    writers = {part.writer for part in current.workloads.values()}
    idle = [site for site in declared.sites if site not in writers]
    if len(idle) != 1:
        raise KitNotMade(
            f"which site is the kit for? {', '.join(idle or declared.sites)} could be promoted", hint="Say --site SITE."
        )
    return idle[0]


def _shelf_of(site: str, descriptor: Mapping[str, Any]) -> Path:
    folder = descriptor.get("folder")
    if descriptor.get("platform") != "local" or not folder:
        raise KitNotMade(
            f"site {site} is on {descriptor.get('platform')}: no folder there can be reached from here",
            hint="Write the kit to a folder with --to PATH and carry it there.",
        )
    if not Path(folder).is_dir():
        raise KitNotMade(
            f"the folder of site {site}, {folder}, is not there", hint="drstack up makes it; or use --to PATH."
        )
    return Path(folder) / "kit"


def _engine(folder: Path) -> EngineTools:
    try:
        return find_engine(folder)
    except EngineFailed as error:
        raise KitNotMade(
            f"the kit needs the engine: {error}", hint="make engine; or leave it out with --no-engine."
        ) from error


def _provider() -> Path:
    [base] = drstack.provider.__path__
    return Path(base) / "bin"


def _put_wheels(kit: Path, pins: tuple[closure.Pin, ...], found: tuple[Path, ...], say: Callable[[str], None]) -> None:
    folder = kit / "wheels"
    folder.mkdir()
    for path in found:
        wheels.copy(path, folder / path.name)
    own = own_wheel(folder, say)
    name, version = wheels.named(own)
    every = [*pins, closure.Pin(name, version)]
    paths = [*(folder / path.name for path in found), own]
    (kit / "requirements.txt").write_text(wheels.requirements(every, paths))


def _put_engine(engine: EngineTools, target: Path) -> None:
    target.mkdir()
    for name in _HOSTS:
        program = (engine.bin / name).resolve()
        if program.is_file():
            shutil.copy2(program, target / name)
    if not (target / "pulumi-language-python").is_file():
        raise KitNotMade(
            f"{engine.bin} has no pulumi-language-python of its own",
            hint="make engine; or leave it out with --no-engine.",
        )


def _put_witness(target: Path, known: _Known) -> None:
    (target / "descriptors").mkdir(parents=True)
    _write_json(target / "assignment.json", known.assignment.model_dump(mode="json"))
    for site, body in known.descriptors.items():
        _write_json(target / "descriptors" / f"{site}.json", body)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def _manifest(
    declared: Environment, folder: Path, root: Path, site: str, known: _Known, asked: Asked, engine: EngineTools | None,
    kit: Path, lock: Path, witness: Witness,
) -> Manifest:  # fmt: skip
    here, encrypted = start.this_platform(), declared.replication.encrypted
    names = [path.name for path in (kit / "wheels").iterdir()]
    return manifest.Manifest(
        environment=declared.environment, environment_id=known.environment_id, site=site,
        assignment=known.assignment.number, made_at=witness.now(), drstack=importlib.metadata.version("drstack"),
        root=str(root.absolute()),
        platform=manifest.Platform(
            system=here["system"], machine=here["machine"], implementation=here["implementation"],
            python=f"{sys.version_info[0]}.{sys.version_info[1]}", glibc=wheels.glibc_needed(names),
        ),
        engine=manifest.EnginePart(
            included=engine is not None, version=engine.version if engine else None,
            why=f"Pulumi {engine.version} is in the kit; plugins of clouds are not." if engine else _NO_ENGINE,
        ),
        training=manifest.Included(included=asked.training, why=_WITH_TRAINING if asked.training else _TRAINING),
        keys=manifest.Included(included=encrypted, why=_KEYS if encrypted else _NO_KEYS),
        sources=manifest.Sources(
            environment=digest_of(find_environment(declared.environment, folder)) or "", lock=digest_of(lock)
        ),
        files={},
    )  # fmt: skip
