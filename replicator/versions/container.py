"""The container that a process runs in, as far as it can truly know: most runtimes do not tell it its image's digest.

Said by whoever starts it (DRSTACK_IMAGE, or a variable that many platforms set), by Podman's own file, or not at all.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.versions.asking import Unknown
from replicator.versions.document import Container
from replicator.versions.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAID = (
    "DRSTACK_IMAGE", "CONTAINER_IMAGE_DIGEST", "CONTAINER_IMAGE", "IMAGE_DIGEST", "APPTAINER_CONTAINER",
    "SINGULARITY_CONTAINER",
)  # fmt: skip
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ID = re.compile(r"(?:docker|crio|cri-containerd|libpod|containers|sandboxes)[-/:](?:[a-z]+/)?([0-9a-f]{64})")
_MAX_BYTES = 1 << 20


def container_of(environment: Mapping[str, str], root: Path = Path("/")) -> Container:
    """Unknown outside of any container, and where nothing is said."""
    podman = _fields(_read(root / "run/.containerenv"))
    said = [environment[name] for name in _SAID if environment.get(name)]
    image = next((scrub(each) for each in [*said, podman.get("image", "")] if each), None)
    named = next((match[0] for each in said if (match := _DIGEST.search(each))), None)
    if named is None and re.fullmatch(r"[0-9a-f]{64}", podman.get("imageid", "")):
        named = f"sha256:{podman['imageid']}"
    places = _read(root / "proc/self/cgroup") + _read(root / "proc/self/mountinfo")
    found = _ID.search(places)
    if image is None and found is None:
        inside = (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()
        raise Unknown(
            "its runtime says nothing of the image: set DRSTACK_IMAGE" if inside else "no sign of a container"
        )
    return Container(digest=named, image=image, id=found[1] if found else None)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""  # not on this system, or not for us: nothing is said there


def _fields(text: str) -> dict[str, str]:
    return {match[1]: match[2] for match in re.finditer(r'^(\w+)="([^"]*)"$', text, re.MULTILINE)}
