"""`drstack init` as a user meets it: flags, questions, what is in the way."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from drstack.project.answers import AnswersMissing, lacking, read_flags, require_all, with_example
from drstack.project.content import File, compose, project_name
from drstack.project.environment_file import environment_text
from drstack.project.place import FilesInTheWay, place
from drstack.spec import EnvironmentInvalid, parse_environment
from drstack.spec.source import read

CHECKOUT = Path(__file__).parents[3]
NOTHING = {
    "environment": None, "strategy": None, "witness": None, "state": None, "sites": (), "workloads": (), "jobs": (),
    "checkpoints": (),
}  # fmt: skip
FLAGS = {
    **NOTHING, "environment": "prod", "strategy": "active-passive", "sites": ("east=local", "west=local"),
    "workloads": ("gpt=training",), "jobs": ("gpt=my.train",), "checkpoints": ("gpt=45m",),
}  # fmt: skip


def composed(**changed):
    return compose(read_flags(**{**FLAGS, **changed}), name="p", ci="github", example=False)


def environment(files, name="prod"):
    path = PurePosixPath(f"stacks/environments/{name}.yaml")
    return parse_environment(files[path].content, Path(path), name=name)


def init(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "drstack", "init", *arguments], cwd=cwd, text=True, capture_output=True, timeout=60,
        check=False, stdin=subprocess.DEVNULL, **more,
    )  # fmt: skip


def test_what_flags_say_is_what_the_file_declares():
    declared = environment(composed(sites=("east=local", "west={platform: local, slots: 2}")))
    assert (declared.strategy, declared.primary, declared.witness, declared.state) == (
        "active-passive", "east", "file:witness", "file:state",
    )  # fmt: skip
    assert declared.sites["west"].slots == 2
    work = declared.workloads["gpt"]
    assert (work.class_, work.job.train, work.checkpoints.path) == ("training", "my.train", "checkpoints/gpt")
    assert work.checkpoints.every == 2700


def test_clouds_need_a_witness_and_a_state():
    clouds = {
        "sites": (
            "east={platform: aws, region: us-east-1, adopt: {cluster: c}}",
            "west={platform: gcp, region: us-west4}",
        ),
        "jobs": ("gpt={jobset: ml/gpt}",),
    }
    assert lacking(read_flags(**{**FLAGS, **clouds})) == ["--witness URL", "--state URL"]
    stores = {"witness": "s3://w?region=eu-central-1", "state": "s3://s?region=eu-central-1"}
    declared = environment(composed(**clouds, **stores))
    assert declared.sites["east"].adopt.cluster == "c"
    assert declared.witness == stores["witness"]


def test_everything_that_is_missing_is_told_at_once():
    with pytest.raises(AnswersMissing) as told:
        require_all(read_flags(**NOTHING))
    for flag in ("--environment NAME", "--strategy", "--site NAME=PLATFORM", "--workload NAME=CLASS"):
        assert flag in str(told.value)
    with pytest.raises(AnswersMissing) as told:
        require_all(read_flags(**{**FLAGS, "jobs": (), "checkpoints": ()}))
    assert "--job gpt=MODULE, --checkpoints gpt=INTERVAL" in str(told.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"sites": ("east",)}, "--site 'east': not NAME=PLATFORM"),
        ({"sites": ("east=local", "east=local")}, "--site east=… stands twice"),
        ({"sites": ("east=[local]",)}, "neither a word nor a YAML mapping"),
        ({"sites": ("east={platform: local",)}, "neither a word nor a YAML mapping"),
        ({"jobs": ("chat=my.train",)}, "there is no --workload chat=CLASS"),
    ],
)
def test_a_flag_that_does_not_say_what_it_should_is_named(flags, said):
    with pytest.raises(AnswersMissing) as told:
        read_flags(**{**FLAGS, **flags})
    assert said in str(told.value)


def test_an_environment_that_does_not_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(EnvironmentInvalid) as told:
        composed(sites=("east=locl", "west=local"), checkpoints=("gpt=often",))
    assert len(told.value.faults) == 2
    refused = init("here", "--example", "--environment", "../up", cwd=tmp_path)
    assert refused.returncode == 21
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=12), max_size=3))
def test_any_text_survives_the_file(value, items):
    document = with_example(read_flags(**NOTHING)).document()
    document["workloads"] = {"gpt": {"class": "training", "job": {"train": "m", "args": items, "env": {"X": value}}}}
    source = read(environment_text(document), "x.yaml")
    assert source.faults == []
    assert source.value["workloads"] == document["workloads"]


def test_ci_and_pulumi_files_are_sound_and_name_no_path_of_this_machine():
    for ci, file in (("github", ".github/workflows/drstack.yml"), ("gitlab", ".gitlab-ci.yml")):
        files = compose(with_example(read_flags(**NOTHING)), name="p", ci=ci, example=True)
        text = files[PurePosixPath(file)].content.decode()
        assert yaml.safe_load(text)
        assert "drstack check local" in text
        assert text.count("pulumi preview -s local.") == 2
        assert b"drstack[pulumi,local,policies,train]==" in files[PurePosixPath("requirements.txt")].content
        for path, each in files.items():
            assert b"%%" not in each.content, path
            assert str(CHECKOUT).encode() not in each.content, path
    pulumi = yaml.safe_load(files[PurePosixPath("Pulumi.yaml")].content)
    plugin = PurePosixPath(pulumi["plugins"]["providers"][0]["path"]) / "pulumi-resource-drstack"
    assert files[plugin].executable


def test_the_checkout_itself_is_such_a_project():
    files = composed()
    for path in ("stacks/__main__.py", "policies/__main__.py", "policies/PulumiPolicy.yaml", "policies/run"):
        assert (CHECKOUT / path).read_bytes() == files[PurePosixPath(path)].content, path
    assert os.access(CHECKOUT / "policies" / "run", os.X_OK)


@pytest.mark.slow
def test_twice_is_as_once_and_what_is_in_the_way_is_named(tmp_path):
    first = init("here", "--example", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Pulumi.yaml" in json.loads(first.stdout)["made"]
    again = init("here", "--example", "--json", cwd=tmp_path)
    assert (again.returncode, json.loads(again.stdout)["made"]) == (0, [])

    (tmp_path / "here" / "README.md").write_text("mine\n")
    (tmp_path / "here" / "policies" / "run").unlink()
    refused = init("here", "--example", cwd=tmp_path)
    assert refused.returncode == 39
    assert refused.stderr.splitlines()[0].endswith("would be: README.md")
    assert (tmp_path / "here" / "README.md").read_text() == "mine\n"
    assert not (tmp_path / "here" / "policies" / "run").exists()

    missing = init("there", cwd=tmp_path)
    assert missing.returncode == 2
    assert not (tmp_path / "there").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["here"]


def test_a_folder_that_holds_other_things_keeps_them(tmp_path):
    (tmp_path / "notes.txt").write_text("mine\n")
    files = {PurePosixPath("a/b"): File(b"1"), PurePosixPath("c"): File(b"2", executable=True)}
    assert place(files, tmp_path) == ("a/b", "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "notes.txt"]
    assert (tmp_path / "c").stat().st_mode & 0o111
    (tmp_path / "c").unlink()
    assert place(files, tmp_path) == ("c",)


def test_one_that_cannot_be_written_leaves_none(tmp_path):
    (tmp_path / "c").symlink_to("nowhere")
    with pytest.raises(FilesInTheWay, match=r"would be: c$"):
        place({PurePosixPath("a"): File(b"1"), PurePosixPath("c"): File(b"2")}, tmp_path)
    (tmp_path / "f").write_text("a file")
    with pytest.raises(FilesInTheWay, match=r"would be: f$"):
        place({PurePosixPath("a"): File(b"1"), PurePosixPath("f/g"): File(b"2")}, tmp_path)
    assert not (tmp_path / "a").exists()


def test_a_name_for_pulumi_comes_from_the_folder(tmp_path):
    assert project_name(tmp_path / "my project!") == "my-project"
    assert project_name(Path("/")) == "drstack"


def play(answers: str, cwd: Path) -> tuple[int, str]:
    """`drstack init here` at a terminal, with these lines typed."""
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "drstack", "init", "here"], cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    said, ends = b"", time.monotonic() + 60
    try:
        while time.monotonic() < ends:
            if select.select([ours], [], [], 1)[0]:
                try:
                    said += os.read(ours, 4096)
                except OSError:  # its end was closed
                    break
        return asked.wait(10), said.decode()
    finally:
        asked.kill()
        asked.wait(10)
        os.close(ours)


@pytest.mark.slow
def test_at_a_terminal_it_asks_and_enter_takes_the_example(tmp_path):
    code, said = play("\n" * 7, tmp_path)
    assert code == 0, said
    assert (tmp_path / "here" / "examples" / "train" / "model.py").exists()


def test_answers_at_a_terminal_make_the_environment(tmp_path):
    sites, workload = ("a", "local", "b", "elsewhere", "local"), ("llm", "training", "n", "", "my.train", "", "1h")
    typed = ("prod", "pilot-light", *sites, "n", *workload)
    code, said = play("".join(f"{line}\n" for line in typed), tmp_path)
    assert code == 0, said
    assert "select one of the available options" in said
    text = (tmp_path / "here" / "stacks" / "environments" / "prod.yaml").read_text()
    declared = parse_environment(text, Path("prod.yaml"))
    assert (declared.strategy, list(declared.sites), declared.workloads["llm"].job.train) == (
        "pilot-light", ["a", "b"], "my.train",
    )  # fmt: skip
    assert not (tmp_path / "here" / "examples").exists()
