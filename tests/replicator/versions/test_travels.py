"""Versions travel with a checkpoint: in its commit and beside it, through every way of shipping, and back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import typer
import zstandard

from replicator.cli.main import make_app
from replicator.errors import DataCorrupt, DestinationOccupied, DoesNotFit, NothingToRestore, ReplicatorError
from replicator.log.records import digest
from replicator.model import PackRef
from replicator.repository import manifest as manifests
from replicator.repository.beside import read_beside
from replicator.repository.establish import open_at
from replicator.repository.packs import manifest_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.verify import check_decoded
from replicator.service.intake import Intake
from replicator.service.once import push_once
from replicator.service.spool import Spool
from replicator.stores.url import open_store
from replicator.train.running import gathering
from replicator.train.shipper import Shipper
from replicator.versions import document as documents
from replicator.versions.checkout import check_out
from replicator.versions.document import Document, Gpu, Hardware
from replicator.versions.explain import explain, versions_of
from tests.replicator.train.rig import made, saved
from tests.replicator.versions.trees import changed, contents, git, tree

GOLDEN = Path(__file__).parents[2] / "golden"
SECRET = "s3cr3tpw"
H100 = Gpu(name="NVIDIA H100", memory_bytes=80 << 30, capability="9.0")


@pytest.fixture
def project(tmp_path):
    folder = tree(tmp_path / "project")
    git(folder, "remote", "add", "origin", f"https://ann:{SECRET}@example.org/gpt.git")
    return changed(folder)


def newest(url):
    repository = Repository("there", open_store(url))
    return repository, repository.log("gpt").view().in_order()[-1]


def pushed(project, url, step=5):
    push_once(saved(project / "outputs", step), [open_at(url, None)], workload="gpt", step=step, writer="standalone")
    return newest(url)


@pytest.fixture
def replicator(capsys):
    """A verb's stdout; its errors are raised. Without the group, which would send the log of all tests to its stderr."""

    def run(verb, *arguments):
        capsys.readouterr()
        command = typer.main.get_command(make_app()).commands[verb]
        try:
            command.main([str(each) for each in arguments], standalone_mode=False)
        finally:
            run.said = capsys.readouterr().out
        return run.said

    return run


def test_a_push_names_its_code_keeps_the_patch_and_no_credential(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    assert accepted.what.versions.commit == git(project, "rev-parse", "HEAD")
    assert accepted.what.versions.dirty
    patch = read_beside(repository, accepted, documents.PATCH)
    assert b"+print(3)" in patch
    then = versions_of(repository, accepted)
    assert then.code.remote == "https://example.org/gpt.git"
    files = [path for path in (tmp_path / "repo").rglob("*") if path.is_file()]
    stored = b"".join(
        zstandard.ZstdDecompressor().decompress(path.read_bytes()) if "manifests" in path.parts else path.read_bytes()
        for path in files
    )
    kept = b"".join(
        read_beside(repository, accepted, file.path) for file in repository.manifest(accepted.where.manifest).beside
    )
    assert SECRET.encode() not in stored + kept


def test_what_lies_beside_is_not_written_among_the_trainers_files(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    restore(repository, accepted, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(project / "outputs" / "checkpoint-5")
    assert accepted.what.files == 2


def test_the_second_reader_restores_it_and_checks_what_is_listed_beside(project, tmp_path):
    url = made(tmp_path / "repo")
    _, accepted = pushed(project, url)
    reader = [sys.executable, GOLDEN / "reader.py", tmp_path / "repo", "gpt"]
    subprocess.run([*reader, tmp_path / "back"], check=True, capture_output=True, timeout=60)
    assert contents(tmp_path / "back") == contents(project / "outputs" / "checkpoint-5")
    assert accepted.what.beside


def test_versions_do_not_make_a_checkpoint_lean_on_another(project, tmp_path):
    url = made(tmp_path / "repo")
    pushed(project, url, 5)
    _, second = pushed(project, url, 6)
    assert second.where.base is None


def test_list_shows_versions_without_reading_packs(project, tmp_path, replicator):
    url = made(tmp_path / "repo")
    pushed(project, url)
    for pack in (tmp_path / "repo" / "packs").rglob("*"):
        if pack.is_file():
            pack.unlink()
    [row] = json.loads(replicator("list", "--repo", url, "--json"))["checkpoints"]
    assert row["versions"]["commit"] == git(project, "rev-parse", "HEAD")
    assert f"code {row['versions']['commit'][:12]}+" in replicator("list", "--repo", url)


def test_a_manifest_that_lists_other_files_beside_is_damaged(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    assert check_decoded(repository, accepted).ok
    manifest = repository.manifest(accepted.where.manifest)
    forged = manifests.encode(manifest.model_copy(update={"beside": manifest.beside[:1]}))
    ref = PackRef(digest=digest(forged), size_bytes=len(forged))
    repository.store.create(manifest_key(ref.digest), forged)
    moved = replace(accepted, where=accepted.where.model_copy(update={"manifest": ref}))
    assert not check_decoded(repository, moved).ok
    with pytest.raises(DataCorrupt, match="beside"):
        read_beside(repository, moved, documents.PATCH)


def test_a_damaged_patch_fails_the_verifier(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    manifest = repository.manifest(accepted.where.manifest)
    patch = next(file for file in manifest.beside if file.path == documents.PATCH)
    block = manifest.blocks[patch.blocks[0]]
    [pack] = list((tmp_path / "repo" / "packs").rglob(manifest.packs[block.pack].digest))
    body = bytearray(pack.read_bytes())
    body[block.offset + block.stored_bytes // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(body)
    assert not check_decoded(repository, accepted).ok


def test_a_watched_folder_has_the_versions_of_the_repository_that_it_lies_in(project, tmp_path):
    saved(project / "outputs", 5)
    spool = Spool(tmp_path / "spool")
    (project / "outputs").rename(tmp_path / "outputs")  # away from its code
    intake = Intake("gpt", tmp_path / "outputs", spool, lambda: "ab" * 16, quiet_s=0.0, code=project)
    entries = [entry for _ in range(3) for entry in intake.look(1, [])]
    assert entries[0].push.versions.by == "watch"
    assert entries[0].push.versions.commit == git(project, "rev-parse", "HEAD")
    again = Spool(tmp_path / "spool")
    [entry] = again.entries()
    assert entry.push == entries[0].push
    names = [file.path for file in again.snapshot(entry).beside.entries]
    assert names == [documents.PATCH, documents.NAME]
    renumbered = again.renumber(entry, 7, lambda: "cd" * 16)
    [taken_up] = Spool(tmp_path / "spool").entries()
    assert taken_up == renumbered
    assert [file.path for file in Spool(tmp_path / "spool").snapshot(taken_up).beside.entries] == names


def test_a_trainer_says_what_only_it_knows(project, tmp_path):
    url = made(tmp_path / "repo")
    shipper = Shipper(url, workload="gpt", spool=tmp_path / "spool", versions=gathering([project / "outputs"]))
    assert shipper.submit(saved(project / "outputs", 5), 5)
    assert shipper.wait(60) == ()
    shipper.close()
    repository, accepted = newest(url)
    then = versions_of(repository, accepted)
    assert then.by == "trainer"
    assert then.software.torch == accepted.what.versions.torch
    assert then.lock.installed
    assert read_beside(repository, accepted, documents.INSTALLED).startswith(b"# python 3.")


def test_an_older_commit_says_that_everything_is_unknown():
    repository = Repository("old", open_store((GOLDEN / "repository").as_uri()))
    workload = repository.workloads()[0]
    accepted = repository.log(workload).view().in_order()[-1]
    found = explain(repository, accepted, Document(by="launcher", at=time.time(), hardware=Hardware()))
    assert "without versions" in found.then.unknown["code"]
    assert not found.verdict.blocking


def test_explain_shows_what_differs_and_what_is_the_same(project, tmp_path, monkeypatch, replicator):
    url = made(tmp_path / "repo")
    pushed(project, url)
    monkeypatch.chdir(project)
    (project / "train.py").write_text("print(1)\nprint(2)\nprint(4)\n")
    assert "with changes, patch kept" in replicator("restore", "--repo", url, "--explain")
    document = json.loads(replicator("restore", "latest", "--repo", url, "--explain", "--json"))
    rows = {row["about"]: row["match"] for row in document["explain"]["differences"]}
    assert rows["lock"] == "same"
    assert rows["torch"] == "unknown"


@pytest.mark.slow
def test_work_that_needs_gpus_is_refused_where_there_is_none_unless_told_otherwise(
    project, tmp_path, monkeypatch, replicator
):
    url = made(tmp_path / "repo")
    monkeypatch.setattr("replicator.versions.watched.Source", _with_gpus)
    pushed(project, url)
    monkeypatch.setattr("replicator.versions.gather.hardware_here", lambda environment: Hardware())
    with pytest.raises(DoesNotFit) as refused:
        replicator("restore", "--repo", url, "--explain", "--to", tmp_path / "back")
    assert refused.value.exit_code == 73
    assert "there is no GPU; it ran on 8 x NVIDIA H100" in replicator.said
    assert not (tmp_path / "back").exists()
    with pytest.raises(ReplicatorError, match="--anyway"):
        replicator("restore", "--repo", url, "--explain", "--anyway", "--to", tmp_path / "back")
    told = replicator(
        "restore",
        "--repo",
        url,
        "--explain",
        "--anyway",
        "--reason",
        "looking at it",
        "--to",
        tmp_path / "back",
        "--json",
    )
    assert json.loads(told)["anyway"] == "looking at it"
    assert (tmp_path / "back").is_dir()


def _with_gpus(*given):
    from replicator.versions.gather import Source

    return Source(*given, hardware=lambda: Hardware(driver="570.10", gpus=(H100,) * 8))


def test_the_code_comes_back_as_it_was(project, tmp_path, monkeypatch, replicator):
    url = made(tmp_path / "repo")
    pushed(project, url)
    wanted = {name: body for name, body in contents(project).items() if not name.startswith("outputs/")}
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    replicator("restore", "--repo", url, "--with-code", tmp_path / "clone")
    assert contents(tmp_path / "clone") == wanted
    monkeypatch.chdir(project)
    replicator("restore", "--repo", url, "--with-code", tmp_path / "tree")
    assert contents(tmp_path / "tree") == wanted


def test_nobodys_changes_are_lost_for_the_code(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    then = versions_of(repository, accepted)
    before = contents(project)
    with pytest.raises(DestinationOccupied, match="nobody has committed"):
        check_out(repository, accepted, then, project, near=tmp_path)
    assert contents(project) == before
    with pytest.raises(NothingToRestore, match="is no clone"):
        check_out(repository, accepted, then, tmp_path / "absent", near=tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    with pytest.raises(DestinationOccupied):
        check_out(repository, accepted, then, tmp_path / "other", near=project)


def test_a_patch_that_does_not_apply_leaves_the_folder_as_it_was(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "-m", "second")
    (tmp_path / "clone" / "train.py").write_text("all of it is other\n")
    git(tmp_path / "clone", "commit", "--quiet", "-am", "third")
    there = git(tmp_path / "clone", "rev-parse", "HEAD")
    then = versions_of(repository, accepted)
    wrong = then.model_copy(update={"code": then.code.model_copy(update={"commit": there})})
    before = contents(tmp_path / "clone")
    with pytest.raises(Exception, match="does not apply"):
        check_out(repository, accepted, wrong, tmp_path / "clone", near=tmp_path)
    assert contents(tmp_path / "clone") == before
    assert git(tmp_path / "clone", "symbolic-ref", "--short", "HEAD") == "main"


def test_a_commit_that_nobody_has_is_named_with_where_it_came_from(project, tmp_path):
    url = made(tmp_path / "repo")
    repository, accepted = pushed(project, url)
    git(tmp_path, "init", "--quiet", "stranger")
    stranger = tmp_path / "stranger"
    (stranger / "x").touch()
    git(stranger, "add", ".")
    git(stranger, "commit", "--quiet", "-m", "another")
    with pytest.raises(NothingToRestore, match=r"made from https://example.org/gpt.git"):
        check_out(repository, accepted, versions_of(repository, accepted), stranger, near=tmp_path)
