"""Which code a run is made of, and that no secret comes along."""

from __future__ import annotations

import os

import pytest

from replicator.repository.establish import open_at
from replicator.service.once import push_once
from replicator.versions.asking import Unknown
from replicator.versions.code import MAX_NEW_FILE_BYTES, gather_code, repository_of
from replicator.versions.secrets import holds_secret, scrub_url
from tests.replicator.train.rig import made, saved
from tests.replicator.versions.trees import changed, git, tree


def every_file(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_clean_tree_is_its_commit(tmp_path):
    folder = tree(tmp_path / "r")
    code, patch = gather_code(repository_of(folder))
    assert (code.commit, code.branch, code.dirty) == (git(folder, "rev-parse", "HEAD"), "main", False)
    assert patch is None


def test_what_a_tree_holds_on_top_is_a_patch_and_the_repository_is_not_touched(tmp_path):
    folder = changed(tree(tmp_path / "r"))
    before = every_file(folder)
    code, patch = gather_code(repository_of(folder / "new"))
    assert every_file(folder) == before
    assert code.dirty
    assert code.patch == "kept"
    assert b"+print(3)" in patch
    assert b"GIT binary patch" in patch
    assert b"+x = 1" in patch


def test_a_change_within_the_second_of_its_commit_is_in_the_patch(tmp_path):
    """Git tells such a change by the index's own time, which a copy of the index must keep."""
    folder, program = tree(tmp_path / "r"), tmp_path / "r" / "train.py"
    git(folder, "config", "core.trustctime", "false")
    second = (1_790_000_000, 1_790_000_000)
    program.write_text("print(1)\nprint(2)\n")
    os.utime(program, second)
    git(folder, "update-index", "--refresh")
    program.write_text("print(1)\nprint(3)\n")
    for path in (program, folder / ".git" / "index"):
        os.utime(path, second)
    assert b"+print(3)" in gather_code(repository_of(folder))[1]


def test_what_the_run_writes_is_no_code(tmp_path):
    folder = tree(tmp_path / "r")
    (folder / "runs").mkdir()
    (folder / "runs" / "state.json").write_text("{}")
    assert gather_code(repository_of(folder))[0].dirty
    assert not gather_code(repository_of(folder), [folder / "runs"])[0].dirty


def test_spools_repositories_and_what_tools_leave_are_no_code(tmp_path):
    folder = tree(tmp_path / "r")
    backup = open_at(made(folder / "backup"), None)
    push_once(saved(folder / "outputs", 5), [backup], workload="gpt", step=5, writer="standalone")
    for name in (".drstack-spool-outputs/push.json", "mlruns/0/meta.yaml", "pkg/__pycache__/x.txt"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("{}")
    code, patch = gather_code(repository_of(folder))
    assert patch is None
    assert not code.dirty
    assert code.notes == ()


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://ann:s3cr3tpw@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://ghp_abcdefghijklmnopqrstuvwxyz0123456789@example.org/b.git?token=s3cr3tpw#s3cr3tpw", "https://example.org/b.git"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
    ],
)  # fmt: skip
def test_credentials_of_a_remote_stay_out(tmp_path, remote, shown):
    folder = tree(tmp_path / "r")
    git(folder, "remote", "add", "origin", remote)
    code, _ = gather_code(repository_of(folder))
    assert code.remote == shown == scrub_url(remote)
    assert "s3cr3tpw" not in code.model_dump_json()


def test_changes_that_hold_secrets_are_left_out_by_name(tmp_path):
    folder = changed(tree(tmp_path / "r"))
    (folder / "uv.lock").write_text('index = "https://ann:s3cr3tpw@example.org/simple"\n')
    (folder / ".env").write_text("TOKEN=s3cr3tpw\n")
    (folder / "deploy.key").write_text("s3cr3tpw\n")
    code, patch = gather_code(repository_of(folder))
    assert b"s3cr3tpw" not in patch
    assert b"+print(3)" in patch
    assert code.patch == "partial"
    notes = " ".join(code.notes)
    assert "uv.lock" in notes
    assert ".env" in notes
    assert "deploy.key" in notes


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----", "AKIAABCDEFGHIJKLMNOP", "hf_" + "a" * 34, "postgresql://u:pw@h/db",
        'api_key = "abcdefgh12345"', "ghp_" + "a" * 36,
    ],
)  # fmt: skip
def test_shapes_of_secrets_are_known(text):
    assert holds_secret(f"+{text}\n")


@pytest.mark.parametrize(
    "text", ["token = tokenizer(x)", 'pad_token = "<pad>"', "https://example.org/a@b", 'password = os.environ["PW"]']
)
def test_code_about_secrets_is_none(text):
    assert not holds_secret(f"+{text}\n")


def test_large_and_binary_files_that_git_does_not_know_are_named_and_not_kept(tmp_path):
    folder = tree(tmp_path / "r")
    (folder / "big.txt").write_text("x" * (MAX_NEW_FILE_BYTES + 1))
    (folder / "core").write_bytes(b"\0" * 10)
    code, patch = gather_code(repository_of(folder))
    assert patch is None
    assert not code.dirty
    assert "big.txt" in code.notes[0]
    assert "core" in code.notes[0]


def test_a_patch_that_is_too_large_is_left_out_and_said(tmp_path, monkeypatch):
    folder = changed(tree(tmp_path / "r"))
    monkeypatch.setattr("replicator.versions.code.MAX_PATCH_BYTES", 500)
    code, patch = gather_code(repository_of(folder))
    assert patch is None
    assert code.patch == "left out"
    assert code.dirty
    assert "not kept" in code.notes[0]


def test_submodules_are_named_with_their_commits_and_what_changed_in_them_is_said(tmp_path):
    inner, folder = tree(tmp_path / "inner"), tree(tmp_path / "r")
    git(folder, "submodule", "--quiet", "add", str(inner), "lib")
    git(folder, "commit", "--quiet", "-m", "lib")
    clean, _ = gather_code(repository_of(folder))
    assert [(each.path, each.commit, each.dirty) for each in clean.submodules] == [
        ("lib", git(inner, "rev-parse", "HEAD"), False)
    ]
    assert not clean.dirty
    (folder / "lib" / "train.py").write_text("other\n")
    code, _ = gather_code(repository_of(folder))
    assert code.submodules[0].dirty
    assert code.dirty
    assert "lib" in code.notes[0]


def test_where_there_is_no_repository_the_code_is_unknown(tmp_path):
    with pytest.raises(Unknown, match="not a git repository"):
        gather_code(repository_of(tmp_path))
