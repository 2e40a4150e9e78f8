"""What only the trainer's process knows of its versions: the torch it loaded, its ranks, its GPU's memory, its MLflow run.

Nothing here initialises a GPU or asks over a network.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.train import ranks
from replicator.versions.document import Run, Software
from replicator.versions.gather import Gathering, Source
from replicator.versions.software import software_here

if TYPE_CHECKING:
    from collections.abc import Sequence


_gathered: list[Gathering] = []
_gathering = threading.Lock()


def gathering(outputs: Sequence[Path]) -> Gathering:
    """Asks beside the training what it is made with, once for a process. `outputs`: where it writes."""
    with _gathering:
        if not _gathered:
            _gathered.append(_begin(outputs))
        return _gathered[0]


def _begin(outputs: Sequence[Path]) -> Gathering:
    source = Source.of_this_process("trainer", program(), outputs=[path.absolute() for path in outputs])
    run = _mlflow_run()
    return Gathering(replace(source, software=_software, mlflow_run=lambda: run))


def program() -> Path:
    """The folder of the program that trains: of its main file, else where it was started."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    path = Path(main).absolute() if main else None
    return path.parent if path is not None and path.is_file() else Path.cwd()


def run_now(*, dtypes: Sequence[str] = (), layout: str | None = None) -> Run:
    """How the training runs at this moment: ranks, and the most memory that its GPU held."""
    local = os.environ.get("LOCAL_WORLD_SIZE", "")
    return Run(
        world=_world(), local_world=int(local) if local.isdigit() else None, dtypes=tuple(sorted(set(dtypes))),
        layout=layout, peak_memory_bytes=_peak(),
    )  # fmt: skip


def _world() -> int:
    if ranks.grouped():
        from torch import distributed  # noqa: PLC0415

        return distributed.get_world_size()
    return ranks.launched_ranks()


def _peak() -> int | None:
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_reserved()) or None


def _software() -> Software:
    """As the files say, and what the loaded torch says of itself."""
    found = software_here()
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return found
    begun = torch.cuda.is_initialized()  # asked before that, CUDA would begin here, and not survive a fork
    cudnn = torch.backends.cudnn.version() if begun else None
    archs = tuple(torch.cuda.get_arch_list()) if begun else ()
    return found.model_copy(
        update={
            "torch": str(torch.__version__), "cuda": torch.version.cuda, "archs": archs,
            "cudnn": str(cudnn) if cudnn else found.cudnn,
        }
    )  # fmt: skip


def _mlflow_run() -> str | None:
    """The active run of this thread, where the trainer uses MLflow."""
    mlflow: Any = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow is not None and hasattr(mlflow, "active_run") else None
    return str(active.info.run_id) if active is not None else None
