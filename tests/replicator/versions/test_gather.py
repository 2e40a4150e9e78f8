"""What is gathered, from where, and what is said of the rest."""

from __future__ import annotations

import threading
import time

import pytest

from replicator.versions import document as documents
from replicator.versions.asking import Unknown, ask
from replicator.versions.code import repository_of
from replicator.versions.container import container_of
from replicator.versions.data import declared_data, dvc_data
from replicator.versions.differ import Match, differ
from replicator.versions.document import Code, Document, Run
from replicator.versions.gather import Gathering, Source
from replicator.versions.hardware import hardware_here
from replicator.versions.lock import installed_here, lock_files
from replicator.versions.registry import registry_model
from replicator.versions.software import software_here
from tests.replicator.versions.trees import git, tree

SMI = """#!/bin/sh
case "$1" in
--query-gpu*)
  echo '0, GPU-aa, NVIDIA H100 80GB HBM3, 81559, 9.0, 570.86.15'
  echo '1, GPU-bb, NVIDIA H100 80GB HBM3, 81559, 9.0, 570.86.15' ;;
*) echo '| NVIDIA-SMI 570.86.15   Driver Version: 570.86.15   CUDA Version: 12.8 |' ;;
esac
"""


def program(folder, text, name="nvidia-smi"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_gpus_and_driver_are_what_nvidia_smi_says_and_a_process_sees(tmp_path):
    environment = program(tmp_path / "bin", SMI)
    found = hardware_here(environment)
    assert (found.driver, found.cuda, len(found.gpus)) == ("570.86.15", "12.8", 2)
    assert (found.gpus[0].capability, found.gpus[0].memory_bytes) == ("9.0", 81559 << 20)
    assert len(hardware_here({**environment, "CUDA_VISIBLE_DEVICES": "GPU-bb"}).gpus) == 1
    assert hardware_here({**environment, "CUDA_VISIBLE_DEVICES": "-1"}).gpus == ()
    assert len(hardware_here({**environment, "CUDA_VISIBLE_DEVICES": "0,7,1"}).gpus) == 1  # none after an unknown one


def test_no_gpu_is_a_fact_and_one_that_nobody_can_ask_is_unknown(tmp_path):
    (tmp_path / "dev").mkdir()
    assert hardware_here({"PATH": str(tmp_path)}, tmp_path / "dev").gpus == ()
    (tmp_path / "dev" / "nvidia0").touch()
    with pytest.raises(Unknown, match="no nvidia-smi"):
        hardware_here({"PATH": str(tmp_path)}, tmp_path / "dev")
    with pytest.raises(Unknown, match="answered"):
        hardware_here(program(tmp_path / "bin", "#!/bin/sh\necho 'No devices were found, sorry'\n"))


def test_a_program_that_hangs_is_ended_in_time_and_its_error_is_shown_without_secrets(tmp_path):
    began = time.monotonic()
    with pytest.raises(Unknown, match="within"):
        ask(["/bin/sh", "-c", "exec sleep 60"], timeout_s=0.3)
    assert time.monotonic() - began < 30
    with pytest.raises(Unknown) as caught:
        ask(["/bin/sh", "-c", "echo fatal: https://u:s3cr3tpw@h/x >&2; exit 3"], timeout_s=10)
    assert str(caught.value) == "sh ended with 3: fatal: https://h/x"


def test_nobody_waits_for_an_answer_and_what_is_late_is_unknown(tmp_path):
    late = threading.Event()

    def slow():
        late.wait(30)
        raise Unknown("gave up")

    gathering = Gathering(
        Source("trainer", tree(tmp_path / "r"), environment={}, hardware=slow, software=software_here)
    )
    gathering.wait(0.2)
    early = gathering.now()
    assert early.document.hardware is None
    assert "not known yet" in early.document.unknown["hardware"]
    late.set()
    gathering.wait(30)
    known = gathering.now(Run(world=4))
    assert known.document.unknown["hardware"] == "gave up"
    assert known.versions.commit == git(tmp_path / "r", "rev-parse", "HEAD")
    assert known.versions.world == 4
    assert documents.decode(known.files[documents.NAME], "here") == known.document


def test_what_a_watcher_cannot_know_is_said_to_be_unknown(tmp_path):
    gathering = Gathering(Source("watch", tree(tmp_path / "r"), environment={}))
    gathering.wait(30)
    found = gathering.now()
    assert found.document.code.commit
    assert set(found.document.unknown) == {"data", "model", "container", "software", "hardware"}
    assert "only the trainer's own process" in found.document.unknown["software"]
    assert list(found.document.lock.files) == ["uv.lock"]
    assert found.versions.torch is None


def test_an_error_of_a_question_is_its_answer(tmp_path):
    def broken():
        raise RuntimeError("boom at https://u:s3cr3tpw@h/")

    gathering = Gathering(Source("trainer", tmp_path, environment={}, software=broken))
    gathering.wait(30)
    assert gathering.now().document.unknown["software"] == "RuntimeError: boom at https://h/"


def test_dvc_pins_the_data_by_the_hashes_in_its_files(tmp_path):
    folder = tree(tmp_path / "r")
    assert dvc_data(repository_of(folder)) is None
    (folder / "corpus.dvc").write_text("outs:\n- md5: aa11.dir\n  size: 5\n  path: corpus\n")
    (folder / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  tokenise:\n    deps:\n    - path: corpus\n      md5: aa11.dir\n"
        "    outs:\n    - path: tokens\n      hash: md5\n      md5: bb22\n"
    )
    first = dvc_data(repository_of(folder))
    assert first.entries == {"corpus": "md5:aa11.dir", "tokens": "md5:bb22"}
    (folder / "corpus.dvc").write_text("outs:\n- md5: cc33.dir\n  size: 5\n  path: corpus\n")
    (folder / "dvc.lock").unlink()
    assert dvc_data(repository_of(folder)).version != first.version
    (folder / "corpus.dvc").write_text("outs: [\n")
    with pytest.raises(Unknown, match="cannot be read"):
        dvc_data(repository_of(folder))


def test_declared_data_has_the_same_version_wherever_it_lies(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place / "corpus" / "deep").mkdir(parents=True)
        (tmp_path / place / "corpus" / "deep" / "x.txt").write_text("hello")
    first, second = (declared_data([tmp_path / place / "corpus"]) for place in ("a", "b"))
    assert first.version == second.version
    (tmp_path / "b" / "corpus" / "deep" / "x.txt").write_text("hellO")
    assert declared_data([tmp_path / "b" / "corpus"]).version != first.version
    with pytest.raises(Unknown, match="not there"):
        declared_data([tmp_path / "c"])


def test_of_a_large_file_size_and_samples_count(tmp_path, monkeypatch):
    monkeypatch.setattr("replicator.versions.data._WHOLE_BYTES", 1000)
    monkeypatch.setattr("replicator.versions.data._SAMPLE_BYTES", 100)
    path = tmp_path / "big"
    body = bytearray(10_000)
    path.write_bytes(body)
    first = declared_data([path]).version
    body[5000] = 1
    path.write_bytes(body)
    assert declared_data([path]).version != first


def test_lock_files_are_named_and_what_is_installed_names_no_origin(tmp_path):
    folder = tree(tmp_path / "r")
    assert list(lock_files(folder)) == ["uv.lock"]
    listed = installed_here({}).decode()
    assert "\nblake3==" in listed
    assert "://" not in listed


@pytest.mark.parametrize(
    ("environment", "files", "expected"),
    [
        ({"DRSTACK_IMAGE": f"u:p@r.example/gpt@sha256:{'a' * 64}"}, {}, ("sha256:" + "a" * 64, None)),
        ({"DRSTACK_IMAGE": "r.example/gpt:7"}, {}, (None, None)),
        ({}, {"run/.containerenv": f'engine="podman"\nimage="r/gpt:7"\nimageid="{"b" * 64}"\n'}, ("sha256:" + "b" * 64, None)),
        ({}, {"proc/self/cgroup": f"0::/system.slice/docker-{'c' * 64}.scope\n"}, (None, "c" * 64)),
        ({}, {"proc/self/mountinfo": f"1 2 /var/lib/docker/containers/{'d' * 64}/hostname /etc/hostname\n"}, (None, "d" * 64)),
    ],
)  # fmt: skip
def test_of_a_container_only_what_is_known_is_said(tmp_path, environment, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = container_of(environment, tmp_path)
    assert (found.digest, found.id) == expected


def test_outside_of_a_container_and_in_one_that_says_nothing_it_is_unknown(tmp_path):
    with pytest.raises(Unknown, match="no sign"):
        container_of({}, tmp_path)
    (tmp_path / ".dockerenv").touch()
    with pytest.raises(Unknown, match="DRSTACK_IMAGE"):
        container_of({}, tmp_path)


def test_the_registered_model_is_found_by_the_run_in_tracking_files(tmp_path):
    run = "ab" * 16
    for version, of in ((1, run), (2, run), (3, "cd" * 16)):
        meta = tmp_path / "mlruns" / "models" / "gpt" / f"version-{version}" / "meta.yaml"
        meta.parent.mkdir(parents=True)
        meta.write_text(f"name: gpt\nversion: '{version}'\nrun_id: {of}\n")
    found = registry_model({"MLFLOW_RUN_ID": run}, None, tmp_path)
    assert (found.name, found.version, found.run) == ("gpt", "2", run)
    remote = registry_model(
        {"MLFLOW_RUN_ID": run, "MLFLOW_TRACKING_URI": "https://u:s3cr3tpw@h/?t=s3cr3tpw"}, None, tmp_path
    )
    assert remote.tracking == "https://h/"
    assert "s3cr3tpw" not in remote.model_dump_json()
    assert registry_model({"DRSTACK_MODEL": "gpt/7"}, None, None).version == "7"
    with pytest.raises(Unknown, match="no MLflow"):
        registry_model({}, None, None)


def test_differences_are_same_other_or_unknown():
    code = Code(commit="a" * 40, dirty=False)
    then = Document(by="trainer", at=0, code=code, software=software_here())
    now = Document(by="launcher", at=0, code=code.model_copy(update={"dirty": True}), unknown={"software": "not asked"})
    rows = {row.about: row for row in differ(then, now)}
    assert rows["code"].match is Match.DIFFERS
    assert rows["python"].match is Match.UNKNOWN
    assert rows["python"].now == "unknown (not asked)"
    assert {row.about: row.match for row in differ(then, then)}["python"] is Match.SAME
