import pytest

from drstack.errors import ActuatorFailed
from drstack.platforms.local.router.binary import find_caddy
from tools.servers import caddy


def program(path, version):
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{version} h1:x'\n" if version else "#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return path


def environ(tmp_path):
    return {"PATH": str(tmp_path / "bin"), "DRSTACK_CACHE": str(tmp_path / "cache")}


def test_the_one_on_path_is_taken_if_it_is_new_enough(tmp_path):
    onpath = program(tmp_path / "bin" / "caddy", "v2.8.0")
    program(tmp_path / "cache" / "caddy" / "2.11.9-linux-amd64" / "bin" / "caddy", "v2.11.9")
    assert find_caddy(environ(tmp_path)) == onpath


def test_one_that_is_too_old_or_broken_is_passed_over_for_the_newest_that_was_built(tmp_path):
    program(tmp_path / "bin" / "caddy", "v2.6.2")
    program(tmp_path / "cache" / "caddy" / "2.9.1-linux-amd64" / "bin" / "caddy", "v2.9.1")
    newest = program(tmp_path / "cache" / "caddy" / "2.11.9-linux-amd64" / "bin" / "caddy", "v2.11.9")
    program(tmp_path / "cache" / "caddy" / "2.12.0-linux-amd64" / "bin" / "caddy", None)
    assert find_caddy(environ(tmp_path)) == newest


def test_where_there_is_none_the_reasons_and_the_remedy_are_told(tmp_path):
    program(tmp_path / "bin" / "caddy", "v2.6.2")
    with pytest.raises(ActuatorFailed, match=r"is 2\.6\.2") as refused:
        find_caddy(environ(tmp_path))
    assert "make servers" in refused.value.hint


def test_what_is_built_is_where_it_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path / "cache"))
    built = program(caddy.folder() / "bin" / "caddy", f"v{caddy.VERSION}")
    assert find_caddy(environ(tmp_path)) == built
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert caddy.binary() == built
