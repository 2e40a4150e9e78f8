"""A stack's config file: what drstack writes into it, and which encryption salt it holds.

Decides when the file changes. Invariant: what others wrote there stays. The salt follows the state: a checkout has
one config file for a stack, while every root folder has a state and a passphrase of its own, so that the file may
hold another root's salt. It is left alone where the file holds secrets that only that salt decrypts.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, cast

import yaml

from drstack.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SALT = "encryptionsalt"
Content = dict[str, object]


def aligned(content: Content, values: Mapping[str, str | None], *, salt: str | None, follow: bool) -> Content:
    """The content with these config values (None: without), and with `follow` the state's salt (None: without)."""
    result = deepcopy(content)
    config = cast("Content", result.get("config") or {})
    for name, value in values.items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = value
    result["config"] = config
    if follow and not _holds_secrets(config):
        result.pop(SALT, None)
        if salt is not None:
            result[SALT] = salt
    return result


def read_config(file: Path) -> Content:
    """The content; empty if there is no file. EngineFailed if it is not YAML."""
    try:
        content: object = yaml.safe_load(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise EngineFailed(f"{file} cannot be read: {error}", hint=f"Correct or remove {file}.") from error
    return cast("Content", content) if isinstance(content, dict) else {}


def write_config(file: Path, content: Content) -> None:
    """Replace the file as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    aside.replace(file)


def salt_in_state(checkpoint: Path) -> str | None:
    """The salt with which a stack's state in a folder is encrypted; None before its first update."""
    try:
        content: object = json.loads(checkpoint.read_bytes())
    except (OSError, ValueError):
        return None
    for name in ("checkpoint", "latest", "secrets_providers", "state", "salt"):
        if not isinstance(content, dict):
            return None
        content = cast("Content", content).get(name)
    return content if isinstance(content, str) else None


def _holds_secrets(value: object) -> bool:
    if isinstance(value, dict):
        fields = cast("Content", value)
        return "secure" in fields or any(map(_holds_secrets, fields.values()))
    return isinstance(value, list) and any(map(_holds_secrets, cast("list[object]", value)))
