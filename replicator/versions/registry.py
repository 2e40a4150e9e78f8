"""Which run and which registered model of MLflow a training belongs to: what its environment says, and its tracking files.

No server is asked: the run's id is enough to find both there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from replicator.versions.asking import Unknown
from replicator.versions.document import RegistryModel
from replicator.versions.secrets import scrub_url

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = "DRSTACK_MODEL"
_MAX_BYTES = 1 << 20
_MAX_VERSIONS = 2000


def registry_model(environment: Mapping[str, str], run: str | None, folder: Path | None) -> RegistryModel:
    """`run`: the active run's id where the trainer's process knows it. `folder`: where `mlruns` would lie. Unknown."""
    uri = environment.get("MLFLOW_TRACKING_URI")
    run = run or environment.get("MLFLOW_RUN_ID")
    run = run if run and re.fullmatch(r"[0-9a-f]{32}", run) else None
    name, _, version = environment.get(MODEL, "").partition("/")
    tracking = _tracking(uri, folder)
    if run is None and not name:
        raise Unknown(f"neither MLFLOW_RUN_ID nor {MODEL} is set" if uri or tracking else "no MLflow is configured")
    if run is not None and not name and tracking is not None:
        name, version = _version_of(tracking, run)
    return RegistryModel(tracking=scrub_url(uri) if uri else None, run=run, name=name or None, version=version or None)


def _tracking(uri: str | None, folder: Path | None) -> Path | None:
    """The folder of a tracking store that consists of files."""
    if uri is None:
        there = folder / "mlruns" if folder is not None else None
        return there if there is not None and there.is_dir() else None
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


def _version_of(tracking: Path, run: str) -> tuple[str, str]:
    """(model, version) that was registered from the run, the newest; empty where none was."""
    import yaml  # noqa: PLC0415 - few need it, and every start of a service would wait for it

    found: list[tuple[int, str]] = []
    for count, path in enumerate(sorted(tracking.glob("models/*/version-*/meta.yaml"))):
        if count >= _MAX_VERSIONS:
            break
        try:
            with path.open("rb") as file:
                meta = yaml.safe_load(file.read(_MAX_BYTES))
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise Unknown(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
        fields = cast("dict[str, object]", meta) if isinstance(meta, dict) else {}
        if fields.get("run_id") == run:
            number = str(fields.get("version", ""))
            found.append((int(number) if number.isdigit() else 0, str(fields.get("name", path.parent.parent.name))))
    if not found:
        return "", ""
    newest = max(found)
    return newest[1], str(newest[0])
