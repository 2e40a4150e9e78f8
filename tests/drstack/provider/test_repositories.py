"""A site's repository is made with the environment's keys, and what is of other keys, or of none, is never taken over."""

import json
import shutil
import subprocess
import sys

import pytest

from drstack.custody.make import ensure_keys
from drstack.custody.ring import open_keys
from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.keys import place_keys
from drstack.provider.environment import DeclaredWorkload, found_environment
from drstack.provider.reach import open_witness
from drstack.provider.repositories import keys_at, make_or_find, open_with, require_ours
from drstack.provider.roles import RolesArguments, get_roles
from drstack.recovery.admission import bring_up_to
from replicator.errors import KeyAbsent, Untrusted
from tests.drstack.spec.declared import LOCAL, parsed

ENCRYPTED = parsed(LOCAL + "replication: {encrypt_to: [recovery, escrow]}\n")
ENV = {"environment": "id", "witness": "file:///w", "name": "east"}


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.delenv("DRSTACK_KEYS", raising=False)
    ensure_keys(ENCRYPTED, tmp_path, stands=lambda: False)
    return open_keys(ENCRYPTED, tmp_path)


def store(tmp_path, site="east"):
    folder = tmp_path / "sites" / "demo" / site / "store"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def alone(tmp_path, *more):
    """A repository that `replicator init` made, of a family of its own, or plain."""
    url = store(tmp_path).as_uri()
    done = subprocess.run(
        [sys.executable, "-m", "replicator", "init", "--repo", url, "--keys", str(tmp_path / "other"), *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return url


def test_it_gets_the_id_that_the_trust_file_had_for_it_and_made_twice_it_is_one(tmp_path, keys):
    url = store(tmp_path).as_uri()
    listed = {each.url: each.id for each in keys.trust.repositories}
    for _ in range(2):
        assert make_or_find(url, keys, **ENV).format().repository == listed[url]
    assert json.loads((store(tmp_path) / "format.json").read_text())["suites"]["crypto"] == "drstack-hybrid-1"


def test_one_that_is_made_again_gets_a_new_id_which_every_site_learns_before(tmp_path, keys):
    url = store(tmp_path).as_uri()
    west = SiteFolder(store(tmp_path, "west").parent)
    place_keys(west, keys.folder, "west")
    witness = open_witness((tmp_path / "witness").as_uri(), "demo")
    found_environment(witness, {"gpt": DeclaredWorkload("east", keys=("writer@east",))}, [url], ("east",), keys)
    first = make_or_find(url, keys, **ENV)
    bring_up_to(witness.current(), "gpt", first)
    before = first.format().repository
    shutil.rmtree(store(tmp_path))
    store(tmp_path)
    again = make_or_find(url, keys, **ENV)
    identity = again.format().repository
    assert identity != before
    listed = {each.url: each.id for each in place_keys(west, keys.folder, "west").trust.repositories}
    assert listed[url] == identity
    assert bring_up_to(witness.current(), "gpt", again).term == 1


@pytest.mark.parametrize("more", [(), ("--crypto", "none")])
def test_a_repository_of_other_keys_or_of_none_is_refused_and_the_way_is_told(tmp_path, keys, more):
    url = alone(tmp_path, *more)
    for look in (
        lambda: make_or_find(url, keys, **ENV),
        lambda: found_environment(
            open_witness((tmp_path / "w").as_uri(), "demo"), {"gpt": DeclaredWorkload("east")}, [url], ("east",), keys
        ),
    ):
        with pytest.raises(Untrusted) as told:
            look()
        assert "replicator push --writer SITE" in told.value.hint
        assert "folder" in told.value.hint


def test_an_environment_without_keys_says_what_an_encrypted_repository_is_to_it(tmp_path):
    url = alone(tmp_path)
    with pytest.raises(KeyAbsent, match="the environment file names no recipients") as told:
        make_or_find(url, None, **ENV)
    assert "encrypt_to" in told.value.hint


def test_a_plain_environment_stays_as_it_was(tmp_path):
    url = store(tmp_path).as_uri()
    assert make_or_find(url, None, **ENV).format().suites.crypto == "none"
    assert require_ours(open_with(url, None)).environment == "id"


def test_a_machine_without_keys_previews_by_the_witness_alone(tmp_path, keys):
    url, witness = store(tmp_path).as_uri(), (tmp_path / "witness").as_uri()
    found_environment(open_witness(witness, "demo"), {"gpt": DeclaredWorkload("east")}, [url], ("east",), keys)
    bring_up_to(open_witness(witness, "demo").current(), "gpt", make_or_find(url, keys, **ENV))
    asked = RolesArguments(
        witness=witness, environment="demo", site="east", repository=url, primary="west", workloads=("gpt",),
        keys=str(tmp_path / "nowhere"),
    )  # fmt: skip
    assert get_roles(asked).roles == {"gpt": "writer"}
    with pytest.raises(KeyAbsent, match=r"holds no trust\.json"):
        keys_at(str(tmp_path / "nowhere"), "demo")
    shutil.rmtree(tmp_path / "witness")
    assert get_roles(asked).roles == {"gpt": "unknown"}
    assert get_roles(asked.model_copy(update={"keys": str(keys.folder)})).roles == {"gpt": "writer"}
