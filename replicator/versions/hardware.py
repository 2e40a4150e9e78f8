"""The GPUs and the driver of this machine, as nvidia-smi says. No GPU is a fact; a GPU that nobody can ask is unknown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.versions.asking import Unknown, ask
from replicator.versions.document import Gpu, Hardware

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 10.0
_COLUMNS = "index,uuid,name,memory.total,compute_cap,driver_version"
_MIB = 1 << 20


def hardware_here(environment: Mapping[str, str], devices: Path = Path("/dev")) -> Hardware:
    """The GPUs that a process with this environment sees. Unknown if there are some and nvidia-smi does not answer."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        there = sorted(path.name for path in [*devices.glob("nvidia[0-9]*"), *devices.glob("kfd")])
        if there:
            raise Unknown(f"/dev/{there[0]} is there, and no nvidia-smi to ask")
        return Hardware()
    answer = ask([program, f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits"], timeout_s=TIMEOUT_S)
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.decode(errors="replace").splitlines() if line]
    driver, gpus = _parse(rows, environment.get("CUDA_VISIBLE_DEVICES"))
    return Hardware(driver=driver, cuda=_cuda(program), gpus=tuple(gpus))


def _parse(rows: Sequence[Sequence[str]], visible: str | None) -> tuple[str | None, list[Gpu]]:
    found: list[tuple[str, str, Gpu]] = []
    driver: str | None = None
    for row in rows:
        try:
            index, uuid, name, memory, capability, driver = row
            gpu = Gpu(name=name, memory_bytes=int(memory) * _MIB, capability=_known(capability))
        except ValueError as error:
            raise Unknown(f"nvidia-smi answered {', '.join(row)!r}") from error
        found.append((index, uuid, gpu))
    if visible is None:
        return driver, [gpu for _, _, gpu in found]
    chosen: list[Gpu] = []
    for each in visible.split(","):
        named = [gpu for index, uuid, gpu in found if each.strip() == index or (each and uuid.startswith(each.strip()))]
        if not named:
            break  # as CUDA does: what follows an unknown name is not seen
        chosen.append(named[0])
    return driver, chosen


def _known(cell: str) -> str | None:
    return cell if re.fullmatch(r"\d+\.\d+", cell) else None


def _cuda(program: str) -> str | None:
    try:
        header = ask([program], timeout_s=TIMEOUT_S).decode(errors="replace")
    except Unknown:
        return None
    found = re.search(r"CUDA(?: UMD)? Version\s*:\s*(\d+\.\d+)", header)
    return found[1] if found else None
