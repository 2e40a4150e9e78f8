"""The project in a kit: what a promotion and Pulumi read of it, and nothing else.

Decides which files go in: the one environment with its schema, the stacks' program, their settings. Invariant: no
secret in the clear, whatever lies in the project's folder: stack settings hold ciphertext, and a file that holds a
secret known to this process is refused by name.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, cast

import yaml

from drstack.errors import KitNotMade

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PROVIDER = "provider"
_ENVIRONMENTS = "stacks/environments"
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSPHRASE|TOKEN|CREDENTIAL|ACCOUNT_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
_SECRET_SHAPE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
_LEAST = 8
"""A shorter value would be found by chance."""


def copy_project(project: Path, environment: str, provider: Path, kit: Path) -> None:
    """Write `project/` of the kit; `provider` is the folder of the plugin's executable. KitNotMade."""
    target = kit / "project"
    (target / _ENVIRONMENTS).mkdir(parents=True)
    shutil.copytree(provider, target / PROVIDER)
    _write_settings(project / "Pulumi.yaml", target / "Pulumi.yaml")
    for path in sorted((project / "stacks").rglob("*.py")):
        copied = target / path.relative_to(project)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
    for name in (f"{environment}.yaml", "environment.schema.json"):
        if (project / _ENVIRONMENTS / name).is_file():
            shutil.copyfile(project / _ENVIRONMENTS / name, target / _ENVIRONMENTS / name)
    for path in (
        *project.glob(f"stacks/Pulumi.{environment}.yaml"),
        *project.glob(f"stacks/Pulumi.{environment}.*.yaml"),
    ):
        shutil.copyfile(path, target / "stacks" / path.name)


def refuse_secrets(folders: Iterable[Path], known: Iterable[str]) -> None:
    """KitNotMade if a file there holds one of the known secrets, or a private key."""
    values = [value.encode() for value in known if len(value) >= _LEAST]
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            if _SECRET_SHAPE.search(content) or any(value in content for value in values):
                raise KitNotMade(
                    f"{path.relative_to(folder.parent)} holds a secret in the clear; a kit may be copied anywhere",
                    hint=f"Take it out of {path.name} (pulumi config set --secret for a stack), then write the kit again.",
                )


def known_secrets(environ: Mapping[str, str], files: Iterable[Path]) -> frozenset[str]:
    """Values of secret-looking variables, and what the files hold that can be read."""
    found = {value.strip() for name, value in environ.items() if _SECRET_NAME.search(name) and not _is_path(value)}
    for file in files:
        if file.is_file():
            found.add(file.read_text(errors="replace").strip())
    return frozenset(found - {""})


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~", "./"))


def _write_settings(source: Path, target: Path) -> None:
    """Pulumi.yaml, with the plugins where they lie in the kit."""
    try:
        content: object = yaml.safe_load(source.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise KitNotMade(f"{source} cannot be read: {error}", hint=f"Restore {source} from version control.") from error
    settings = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    for plugin in settings.get("plugins", {}).get("providers", []):
        if plugin.get("name") in {"drstack", "drstack-components"}:
            plugin["path"] = PROVIDER
    target.write_text(yaml.safe_dump(settings, sort_keys=False))
