"""Does this work fit that machine? A pure judgement of memory, dtypes, compute capability, driver and number of ranks.

Invariant: it says `no` only for what cannot work by itself, `unknown` where a fact is missing, and `changed` where the
work runs otherwise than before. Sources of the limits: NVIDIA's CUDA compatibility guide (drivers for each major release;
a cubin runs on its own major capability, from its minor upwards; PTX runs on every later one), its table of data
types by compute capability, and its data sheets (dense bfloat16, without sparsity).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from replicator.versions.sharding import Sharding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.versions.document import Gpu

_GIB = 1 << 30
_USABLE = 0.97
"""What a process can have of a GPU's memory: the driver and a context take the rest."""
_FP8 = {"float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"}
_NEEDS = (
    ({"float4_e2m1fn_x2"}, (10, 0), "no", "fp4 arithmetic"),
    (_FP8, (8, 9), "no", "fp8 arithmetic"),
    ({"bfloat16"}, (8, 0), "changed", "bfloat16 arithmetic (slowly emulated before)"),
    ({"float16"}, (5, 3), "no", "float16 arithmetic"),
)
_DRIVERS = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
_TERAFLOPS = (
    ("GB200", 2500), ("B200", 2250), ("GH200", 989), ("H200", 989), ("H100 PCIE", 756), ("H100 NVL", 835), ("H100", 989),
    ("H800", 989), ("H20", 148), ("A100", 312), ("A800", 312), ("L40S", 362), ("L40", 181), ("L4", 121), ("A10G", 70),
    ("A10", 125), ("A30", 165), ("A40", 150), ("RTX 4090", 165), ("RTX 3090", 71),
)  # fmt: skip


class Answer(StrEnum):
    YES = "yes"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Reason:
    about: str
    answer: Answer
    why: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a checkpoint needs. None or empty: not known."""

    state_bytes: int
    """Of all tensors in it."""
    sharding: Sharding = field(default_factory=lambda: Sharding(None, None, reshards=None, why="not known"))
    dtypes: frozenset[str] = frozenset()
    world: int | None = None
    gpu: Gpu | None = None
    gpus: int | None = None
    """How many it ran on, on all nodes; 0: on none."""
    cuda: str | None = None
    archs: tuple[str, ...] = ()
    peak_bytes: int | None = None
    """The most that a rank was seen to use of its GPU."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is. `gpus` None: not known. `torch` None: none in the interpreter asked."""

    gpus: tuple[Gpu, ...] | None
    driver: str | None = None
    torch: str | None = None
    cuda: str | None = None
    archs: tuple[str, ...] = ()
    nodes: int = 1

    @property
    def count(self) -> int | None:
        return None if self.gpus is None else len(self.gpus) * self.nodes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst answer of all, and every reason.

    `speed`: of the work there, as a share of what it was, by the peak arithmetic of the GPUs alone; None where one of
    them is not known.
    """

    answer: Answer
    reasons: tuple[Reason, ...]
    speed: float | None = None

    @property
    def blocking(self) -> tuple[Reason, ...]:
        return tuple(each for each in self.reasons if each.answer is Answer.NO)


def fit(work: Work, machine: Machine) -> Verdict:
    """Every reason, worst first."""
    rank = list(Answer).index
    reasons = sorted(_reasons(work, machine), key=lambda each: -rank(each.answer))
    return Verdict(reasons[0].answer, tuple(reasons), _speed(work, machine))


def _reasons(work: Work, machine: Machine) -> Iterator[Reason]:
    if work.gpus == 0:
        yield Reason("gpu", Answer.YES, "it ran without a GPU")
        yield _world(work, None)
        return
    if machine.gpus is None:
        yield Reason("gpu", Answer.UNKNOWN, "which GPUs are there is not known")
    elif not machine.gpus:
        known = work.gpus is not None or work.gpu is not None
        was = f"it ran on {work.gpus or 'some'} x {work.gpu.name}" if work.gpu else "it ran on GPUs"
        answer = Answer.NO if known else Answer.UNKNOWN
        yield Reason("gpu", answer, f"there is no GPU; {was if known else 'whether it needs one is not known'}")
    else:
        yield _memory(work, machine)
        yield from _dtypes(work, machine.gpus)
        yield _kernels(work, machine)
    yield _driver(work, machine)
    yield _world(work, machine.count)


def _memory(work: Work, machine: Machine) -> Reason:
    """What a rank held before, and with another number of ranks its share of the state; else the least conceivable."""
    gpus = machine.gpus or ()
    smallest = min(gpu.memory_bytes for gpu in gpus)
    usable = int(smallest * _USABLE)
    ranks = machine.count or 1
    if work.peak_bytes is not None and work.world is not None:
        more = 0
        if work.sharding.sharded is not False and ranks != work.world:
            more = work.state_bytes // ranks - work.state_bytes // work.world
        need = work.peak_bytes + max(more, -work.peak_bytes)
        said = f"a rank needs about {_gib(need)} ({_gib(work.peak_bytes)} seen with {work.world} ranks)"
        if need > usable:
            return Reason("memory", Answer.NO, f"{said}, and the smallest GPU has {_gib(smallest)}")
        return Reason("memory", Answer.YES, f"{said} of {_gib(smallest)}")
    whole = work.sharding.sharded is False
    least = work.state_bytes if whole else work.state_bytes // ranks
    how = "each rank holds all of it" if whole else f"spread over {ranks} ranks"
    said = f"the state alone is {_gib(least)} a GPU ({_gib(work.state_bytes)}, {how})"
    if least > usable and not whole:
        return Reason("memory", Answer.NO, f"{said}, and the smallest has {_gib(smallest)}")
    if least > usable:
        return Reason(
            "memory", Answer.CHANGED, f"{said} of {_gib(smallest)}: it must be sharded or offloaded to run here"
        )
    if work.gpu is not None and work.world is not None and ranks >= work.world and smallest >= work.gpu.memory_bytes:
        return Reason("memory", Answer.YES, f"as many GPUs as before, none smaller than {_gib(work.gpu.memory_bytes)}")
    return Reason(
        "memory", Answer.UNKNOWN, f"{said} of {_gib(smallest)}; what gradients and activations take is not known"
    )


def _dtypes(work: Work, gpus: Sequence[Gpu]) -> Iterator[Reason]:
    capability = _lowest(gpus)
    if not work.dtypes:
        yield Reason("dtype", Answer.UNKNOWN, "which number formats it computes in is not known")
        return
    shown = ", ".join(sorted(work.dtypes))
    if capability is None:
        yield Reason("dtype", Answer.UNKNOWN, f"it uses {shown}; the compute capability here is not known")
        return
    lacking = [
        Reason(
            "dtype",
            Answer(answer),
            f"{what} needs compute capability {least[0]}.{least[1]}; here it is {_dot(capability)}",
        )
        for dtypes, least, answer, what in _NEEDS
        if dtypes & work.dtypes and capability < least
    ]
    yield from lacking or [Reason("dtype", Answer.YES, f"{shown} on compute capability {_dot(capability)}")]


def _kernels(work: Work, machine: Machine) -> Reason:
    """Whether torch's kernels were built for these GPUs: the torch at hand, else the one that the work ran with."""
    capability = _lowest(machine.gpus or ())
    archs = machine.archs or (() if machine.torch else work.archs)
    if capability is None or not archs:
        return Reason("capability", Answer.UNKNOWN, "which GPUs torch was built for is not known")
    for gpu in machine.gpus or ():
        here = _capability(gpu)
        if here is not None and not any(_runs(arch, here) for arch in archs):
            return Reason(
                "capability", Answer.NO, f"torch is built for {', '.join(archs)}, not for {gpu.name} ({_dot(here)})"
            )
    return Reason("capability", Answer.YES, f"torch has kernels for compute capability {_dot(capability)}")


def _runs(arch: str, capability: tuple[int, int]) -> bool:
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", arch)
    if match is None:
        return False
    built = (int(match[2]), int(match[3]))
    if match[4] == "a":
        return built == capability
    if match[1] == "compute" and not match[4]:
        return built <= capability
    return built[0] == capability[0] and built[1] <= capability[1]


def _driver(work: Work, machine: Machine) -> Reason:
    cuda = machine.cuda or (None if machine.torch else work.cuda)
    major = int(cuda.partition(".")[0]) if cuda and re.match(r"\d+\.", cuda) else None
    driver = tuple(int(part) for part in re.findall(r"\d+", machine.driver or "")[:2])
    if major is None or not driver:
        return Reason(
            "driver", Answer.UNKNOWN, f"driver {machine.driver or 'unknown'}, torch's CUDA {cuda or 'unknown'}"
        )
    least = _DRIVERS.get(major)
    if least is None:
        return Reason("driver", Answer.UNKNOWN, f"what CUDA {cuda} needs of driver {machine.driver} is not known")
    if driver < least:
        return Reason(
            "driver", Answer.NO, f"CUDA {cuda} needs driver {least[0]}.{least[1]} or newer; here it is {machine.driver}"
        )
    return Reason("driver", Answer.YES, f"driver {machine.driver} runs CUDA {cuda}")


def _world(work: Work, ranks: int | None) -> Reason:
    if work.world is None or ranks is None or ranks == 0:
        there = "" if ranks is None else f" of {ranks} GPUs"
        known = work.world is not None and work.gpus == 0
        why = (
            f"{work.world} ranks, which need no GPU"
            if known
            else f"{work.world or 'an unknown number of'} ranks{there}"
        )
        return Reason("world size", Answer.YES if known else Answer.UNKNOWN, why)
    if ranks >= work.world:
        return Reason("world size", Answer.YES, f"{work.world} ranks on {ranks} GPUs")
    said = f"it ran with {work.world} ranks, and there are {ranks} GPUs"
    if work.sharding.reshards is None:
        return Reason("world size", Answer.UNKNOWN, f"{said}: {work.sharding.why}")
    if not work.sharding.reshards:
        return Reason("world size", Answer.NO, f"{said}: {work.sharding.why}")
    return Reason(
        "world size", Answer.CHANGED, f"{said}: {work.sharding.why}; keep the global batch by accumulating gradients"
    )


def _speed(work: Work, machine: Machine) -> float | None:
    count = machine.count
    before = _teraflops(work.gpu) if work.gpu else None
    if before is None or not work.gpus or not count or not machine.gpus:
        return None
    each = [_teraflops(gpu) for gpu in machine.gpus]
    known = [rate for rate in each if rate is not None]
    if len(known) < len(each):
        return None
    used = min(count, work.world or count)
    return round(min(known) * used / (before * min(work.gpus, work.world or work.gpus)), 2)


def _teraflops(gpu: Gpu) -> int | None:
    name = gpu.name.upper().replace("-", " ")
    return next((rate for mark, rate in _TERAFLOPS if re.search(rf"\b{mark}\b", name)), None)


def _lowest(gpus: Sequence[Gpu]) -> tuple[int, int] | None:
    known = [_capability(gpu) for gpu in gpus]
    return None if not known or None in known else min(each for each in known if each is not None)


def _capability(gpu: Gpu) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d+)\.(\d+)", gpu.capability or "")
    return (int(match[1]), int(match[2])) if match else None


def _dot(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"
