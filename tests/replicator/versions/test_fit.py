"""Does this work fit that machine: every reason, on cases whose answer is known."""

from __future__ import annotations

import pytest

from replicator.versions.document import Gpu
from replicator.versions.fit import Answer, Machine, Work, fit
from replicator.versions.sharding import Sharding, sharding_of

GIB = 1 << 30
H100 = Gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * GIB, capability="9.0")
A100 = Gpu(name="NVIDIA A100-SXM4-40GB", memory_bytes=40 * GIB, capability="8.0")
T4 = Gpu(name="Tesla T4", memory_bytes=15 * GIB, capability="7.5")
B200 = Gpu(name="NVIDIA B200", memory_bytes=180 * GIB, capability="10.0")
SHARDED = Sharding(sharded=True, world=8, reshards=True, why="DCP reshards as it loads")
ZERO = Sharding(sharded=True, world=8, reshards=False, why="ZeRO shards")
WHOLE = Sharding(sharded=False, world=None, reshards=True, why="it is whole")
ARCHS = ("sm_80", "sm_90")


def work(**more):
    known = {
        "state_bytes": 200 * GIB, "sharding": SHARDED, "dtypes": frozenset({"bfloat16"}), "world": 8, "gpu": H100,
        "gpus": 8, "cuda": "12.8", "archs": ARCHS,
    }  # fmt: skip
    return Work(**{**known, **more})


def machine(gpu=H100, count=8, **more):
    known = {"driver": "570.86.15", "torch": "2.9.0", "cuda": "12.8", "archs": ARCHS}
    return Machine(gpus=(gpu,) * count, **{**known, **more})


def answer(verdict, about):
    return next(reason.answer for reason in verdict.reasons if reason.about == about)


def test_the_same_machine_fits_and_every_reason_says_so():
    verdict = fit(work(), machine())
    assert verdict.answer is Answer.YES
    assert verdict.speed == 1.0
    assert not verdict.blocking


@pytest.mark.parametrize(
    ("about", "then", "now"),
    [
        ("gpu", work(), machine(count=0)),
        ("memory", work(state_bytes=400 * GIB), machine(A100)),
        ("memory", work(peak_bytes=70 * GIB), machine(A100)),
        ("dtype", work(dtypes=frozenset({"float8_e4m3fn"})), machine(A100)),
        ("capability", work(), machine(B200)),
        ("capability", work(), machine(T4)),
        ("driver", work(), machine(driver="470.10")),
        ("driver", work(), machine(driver="570.10", cuda="13.0")),
        ("world size", work(sharding=ZERO), machine(count=4)),
    ],
)
def test_what_cannot_work_is_refused_for_its_reason(about, then, now):
    verdict = fit(then, now)
    assert about in [reason.about for reason in verdict.blocking]
    assert verdict.reasons[0].answer is Answer.NO


@pytest.mark.parametrize(
    ("about", "then", "now", "expected"),
    [
        ("world size", work(), machine(count=4), Answer.CHANGED),
        ("dtype", work(), machine(T4, archs=("sm_75",)), Answer.CHANGED),
        ("memory", work(sharding=WHOLE, state_bytes=60 * GIB), machine(A100), Answer.CHANGED),
        ("memory", work(state_bytes=100 * GIB), machine(A100, count=8), Answer.UNKNOWN),
        ("capability", work(), machine(B200, archs=("sm_90", "compute_90")), Answer.YES),
        ("capability", work(), machine(archs=(), torch=None), Answer.YES),
        ("capability", work(), machine(B200, archs=("sm_90a",)), Answer.NO),
        ("capability", work(), machine(archs=()), Answer.UNKNOWN),
        ("driver", work(), machine(driver=None), Answer.UNKNOWN),
        ("world size", work(world=None), machine(), Answer.UNKNOWN),
        ("dtype", work(dtypes=frozenset()), machine(), Answer.UNKNOWN),
    ],
)
def test_what_runs_otherwise_or_is_not_known_is_not_refused(about, then, now, expected):
    assert answer(fit(then, now), about) is expected


def test_what_a_rank_held_grows_by_its_share_of_the_state_where_ranks_are_fewer():
    then = work(state_bytes=160 * GIB, peak_bytes=50 * GIB)
    assert answer(fit(then, machine(count=8)), "memory") is Answer.YES
    assert answer(fit(then, machine(count=4)), "memory") is Answer.YES  # 50 + 40 - 20 of 80
    assert answer(fit(then, machine(count=2)), "memory") is Answer.NO  # 50 + 80 - 20


def test_work_without_a_gpu_fits_everywhere():
    assert fit(work(gpus=0, gpu=None, world=2), machine(count=0)).answer is Answer.YES


def test_of_a_machine_without_a_gpu_nothing_is_refused_where_nobody_knows_what_the_work_needs():
    assert fit(Work(state_bytes=1), machine(count=0)).answer is Answer.UNKNOWN


def test_speed_is_by_the_slowest_gpu_and_the_ranks_in_use():
    assert fit(work(), machine(A100, count=8)).speed == 0.32
    assert fit(work(), machine(count=16)).speed == 1.0
    assert fit(work(gpu=Gpu(name="Unheard of", memory_bytes=1)), machine()).speed is None


@pytest.mark.parametrize(
    ("files", "sharded", "world", "reshards"),
    [
        (["model.safetensors", "trainer_state.json"], False, None, True),
        (["model.safetensors", "rng_state_0.pth", "rng_state_1.pth"], None, 2, True),
        ([".metadata", "__0_0.distcp", "__1_0.distcp", "__1_1.distcp"], True, 2, True),
        (["global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", "global_step5/zero_pp_rank_1_mp_rank_00_optim_states.pt"],
         True, 2, False),
        (["global_step5/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"], True, 1, False),
        (["iter_0000005/mp_rank_00/model_optim_rng.pt", "iter_0000005/mp_rank_01/model_optim_rng.pt"], True, None, False),
        (["iter_0000005/.metadata", "iter_0000005/__0_0.distcp"], True, 1, True),
    ],
)  # fmt: skip
def test_names_of_files_tell_how_a_checkpoint_is_spread(files, sharded, world, reshards):
    found = sharding_of(files)
    assert (found.sharded, found.world, found.reshards) == (sharded, world, reshards)
