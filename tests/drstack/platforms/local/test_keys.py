"""What a local site holds: its own keys and nobody else's, and a trust file that follows the operator's."""

import pytest

from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.keys import forget_keys, place_keys, site_keys, spread_trust
from drstack.platforms.local.launch import set_keys
from replicator.crypto.trust import TrustedRepository, read_trust
from replicator.errors import KeyAbsent, KeyLocked
from tests.drstack.recovery.world import found_keys


@pytest.fixture
def keys(tmp_path):
    return found_keys(tmp_path / "operator", ("east", "west"))


def test_a_site_gets_its_own_keys_for_its_user_alone_and_a_second_time_nothing(tmp_path, keys):
    folder = SiteFolder(tmp_path / "west")
    ring = place_keys(folder, keys.folder, "west")
    assert ring.names() == ["keeper@west", "reader@west", "verifier@west", "writer@west"]
    assert folder.keys.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.keys.glob("*.key"))
    before = {path: path.stat().st_mtime_ns for path in folder.keys.iterdir()}
    place_keys(folder, keys.folder, "west")
    assert {path: path.stat().st_mtime_ns for path in folder.keys.iterdir()} == before
    with pytest.raises(KeyAbsent):
        ring.signer(("promoter",), "a seal")


def test_a_key_that_is_nowhere_or_is_another_is_named(tmp_path, keys):
    folder = SiteFolder(tmp_path / "west")
    made = keys.folder / "sites" / "west" / "writer@west.key"
    made.rename(tmp_path / "writer.key")
    with pytest.raises(KeyAbsent, match=r"site west has no writer@west\.key") as told:
        place_keys(folder, keys.folder, "west")
    assert "drstack keys rotate ENV west" in told.value.hint
    (tmp_path / "writer.key").rename(made)
    place_keys(folder, keys.folder, "west")
    other = found_keys(tmp_path / "other", ("west",)).folder / "sites" / "west" / "writer@west.key"
    (folder.keys / "writer@west.key").write_bytes(other.read_bytes())
    with pytest.raises(KeyLocked, match="is not the one that"):
        place_keys(folder, keys.folder, "west")
    (folder.keys / "writer@west.key").write_text("garbage")
    with pytest.raises(KeyLocked, match=r"writer@west\.key"):
        place_keys(folder, keys.folder, "west")
    with pytest.raises(KeyAbsent, match="no key of site north"):
        place_keys(folder, keys.folder, "north")


def test_the_trust_file_reaches_every_site_and_those_who_run_read_it_anew(tmp_path, keys):
    folder = SiteFolder(tmp_path / "west")
    running = place_keys(folder, keys.folder, "west")
    keys.admit(TrustedRepository(id="a", url=folder.store.as_uri(), suite=keys.trust.suite))
    assert running.trust.repositories == ()
    assert spread_trust(keys.trust) == [str(folder.path)]
    assert [each.id for each in running.trust.repositories] == ["a"]
    assert spread_trust(keys.trust) == []
    assert read_trust(folder.keys) == keys.trust


def test_a_key_that_is_forgotten_signs_no_more_for_who_runs(tmp_path, keys):
    folder = SiteFolder(tmp_path / "west")
    running = place_keys(folder, keys.folder, "west")
    assert running.signer(("keeper",), "a drop").name == "keeper@west"
    forget_keys(folder, ["keeper@west"])
    with pytest.raises(KeyAbsent):
        running.signer(("keeper",), "a drop")


def test_programs_of_a_site_use_its_keys_and_never_those_of_who_started_them(tmp_path, keys):
    folder = SiteFolder(tmp_path / "west")
    env = {"DRSTACK_KEYS": "/of/the/operator"}
    set_keys(env, folder, {})
    assert env == {}
    assert site_keys(folder) is None
    place_keys(folder, keys.folder, "west")
    set_keys(env, folder, {})
    assert env == {"DRSTACK_KEYS": str(folder.keys)}
    env = {"DRSTACK_KEYS": "/of/the/job"}
    set_keys(env, folder, dict(env))
    assert env == {"DRSTACK_KEYS": "/of/the/job"}
