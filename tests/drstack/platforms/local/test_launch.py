import sys
from dataclasses import replace

from drstack.platforms.local.desired import DesiredJob, Program
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.launch import device_of, plan_launch

MODULE = Program("examples.train", (), ("--every", "10"), {"OMP_NUM_THREADS": "2"}, "checkpoints/gpt")
JOB = DesiredJob(True, 1, "t", True, 30, 2, (0, 1), 4000, "run", 0, MODULE)
FOLDER = site_folder("/srv/east")


def launch(job=JOB, **changed):
    given = {"rank": 1, "attempt": 2, "port": 4001, "resume_step": 30, "device": None,
             "inherited": {"PATH": "/bin", "DRSTACK_RESUME_STEP": "9"}}  # fmt: skip
    return plan_launch(FOLDER, "gpt", job, **(given | changed))


def test_a_module_is_given_its_checkpoints_and_metrics():
    assert launch().argv == (
        sys.executable, "-m", "examples.train", "--checkpoints", "/srv/east/checkpoints/gpt",
        "--metrics", "/srv/east/metrics/gpt.jsonl", "--every", "10",
    )  # fmt: skip


def test_a_rank_has_the_variables_that_torchrun_would_set():
    env = launch().env
    expected = {
        "RANK": "1", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": "4001", "TORCHELASTIC_RUN_ID": "run", "DRSTACK_ATTEMPT": "run.2",
                "DRSTACK_RESUME_STEP": "30", "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "PATH": "/bin",
    }  # fmt: skip
    assert {name: env[name] for name in expected} == expected


def test_a_resumed_step_of_an_earlier_life_is_not_inherited():
    assert "DRSTACK_RESUME_STEP" not in launch(resume_step=None).env


def test_a_rank_whose_saves_wait_is_told_whom_to_ask():
    asked = replace(MODULE, env={"DRSTACK_ACKNOWLEDGE": "near"})
    assert launch(replace(JOB, program=asked)).env["DRSTACK_ACKNOWLEDGED"] == "/srv/east/spool/gpt"
    assert "DRSTACK_ACKNOWLEDGED" not in launch().env


def test_python_in_a_command_is_the_interpreter_that_runs_the_site():
    program = replace(MODULE, module=None, command=("python", "-m", "x"), args=("y",))
    assert launch(replace(JOB, program=program)).argv == (sys.executable, "-m", "x", "y")


def test_ranks_never_mix_cpu_and_gpu():
    assert [device_of(slot, (1, 2), "auto", 2) for slot in (1, 2)] == [None, None]


def test_a_slot_has_the_gpu_of_its_number_where_there_is_one():
    assert [device_of(slot, (0, 1), "auto", 2) for slot in (0, 1)] == [0, 1]
    assert device_of(0, (0,), "cpu", 2) is None
    assert launch(device=1).env["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_declared_interpreter_runs_the_module_and_a_python_command():
    declared = replace(MODULE, python="/opt/train/bin/python")
    assert launch(replace(JOB, program=declared)).argv[0] == "/opt/train/bin/python"
    command = replace(declared, module=None, command=("python3", "-m", "x"))
    assert launch(replace(JOB, program=command)).argv[:2] == ("/opt/train/bin/python", "-m")


def test_the_job_s_modules_come_before_those_that_the_site_was_given():
    program = replace(MODULE, env={"PYTHONPATH": "/project"})
    inherited = {"PYTHONPATH": "/mine"}
    assert launch(replace(JOB, program=program), inherited=inherited).env["PYTHONPATH"] == "/project:/mine"
    assert launch(inherited=inherited).env["PYTHONPATH"] == "/mine"
    assert "PYTHONPATH" not in launch().env
