"""Key files, the trust file and the recovery sheet: what is read by others, damaged or of another is refused."""

from __future__ import annotations

import io
import json
import stat

import pytest

from replicator.cli.options import protection_of
from replicator.crypto.founding import found, sheet_of
from replicator.crypto.keyfile import read_key
from replicator.crypto.keyring import Keyring, find_keyring, from_machine
from replicator.crypto.sheet import as_html, as_text, from_lines, to_lines
from replicator.crypto.suites import DEFAULT, suite_named
from replicator.crypto.trust import Revocation, TrustedRepository, checked, read_trust
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError, Untrusted
from tests.replicator.crypto.rig import SCOPE, founded, only, ring, unlocking


def test_founding_makes_a_key_for_each_role_and_two_recipients(keys):
    trust = read_trust(keys)
    roles = {key.name: key.roles for key in trust.keys}
    assert roles == {
        "writer": ("writer",), "keeper": ("keeper",), "verifier": ("verifier",), "promoter": ("promoter",),
        "operator": ("recipient",), "escrow": ("recipient",),
    }  # fmt: skip
    assert ring(keys).names() == sorted(roles)
    seeds = {ring(keys).seed(name) for name in roles}
    assert len(seeds) == len(roles)


def test_private_keys_are_for_their_owner_alone_and_the_trust_file_holds_no_secret(keys):
    for path in keys.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["secret"] not in (keys / "trust.json").read_text()


def test_founding_never_overwrites_keys(tmp_path):
    founded(tmp_path / "k")
    before = {path.name: path.read_bytes() for path in (tmp_path / "k").iterdir()}
    with pytest.raises(ReplicatorError, match="holds keys already"):
        found(tmp_path / "k", scope="s", how=None, unlocking=unlocking())
    assert {path.name: path.read_bytes() for path in (tmp_path / "k").iterdir()} == before


def test_a_key_that_others_can_read_is_not_used(keys, tmp_path):
    folder = only(keys, tmp_path / "k", "writer")
    (folder / "writer.key").chmod(0o640)
    with pytest.raises(KeyLocked, match="can be read by others"):
        ring(folder).seed("writer")


def test_a_key_that_is_not_there_is_named_with_the_file_to_bring(keys, tmp_path):
    folder = only(keys, tmp_path / "k", "writer")
    with pytest.raises(KeyAbsent, match="may sign a drop") as caught:
        ring(folder).signer(("keeper",), "a drop")
    assert "keeper.key" in caught.value.hint
    with pytest.raises(KeyAbsent, match=r"operator\.key"):
        ring(folder).seed("operator")


@pytest.mark.slow
def test_a_passphrase_opens_the_recipients_keys_and_another_does_not(tmp_path):
    folder = founded(tmp_path / "k", how=b"correct horse")
    assert ring(folder, b"correct horse").seed("operator") != ring(folder).seed("writer")
    with pytest.raises(KeyLocked, match="not its passphrase"):
        ring(folder, b"correct house").seed("operator")


def test_a_passphrase_comes_from_a_file_that_is_named_and_is_no_argument_itself(tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    file.write_bytes(b"correct horse\r\nanother line")
    assert protection_of(f"passphrase-file:{file}") == b"correct horse"
    for wrong in ("passphrase-file:", "passphrase:correct horse", "correct horse"):
        with pytest.raises(KeyLocked, match="is not known"):
            protection_of(wrong)
    monkeypatch.setenv("DRSTACK_PASSPHRASE_FILE", str(file))
    assert from_machine().passphrase("operator") == b"correct horse"
    monkeypatch.delenv("DRSTACK_PASSPHRASE_FILE")
    monkeypatch.setenv("DRSTACK_PASSPHRASE", "correct horse")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    with pytest.raises(KeyLocked, match="is under a passphrase"):
        from_machine().passphrase("operator")


def test_each_guess_of_a_passphrase_costs_64_mib(tmp_path):
    folder = founded(tmp_path / "k", how=b"correct horse")
    for name in ("operator", "escrow"):
        told = json.loads((folder / f"{name}.key").read_text())["protection"]
        assert told["kind"] == "scrypt"
        assert 128 * told["n"] * told["r"] == 64 * 1024 * 1024


def test_a_seed_under_another_keys_name_is_refused(tmp_path):
    folder = founded(tmp_path / "k", how=b"secret")
    operator, escrow = (json.loads((folder / f"{name}.key").read_text()) for name in ("operator", "escrow"))
    moved = {**operator, "secret": escrow["secret"], "protection": escrow["protection"]}
    (folder / "operator.key").write_text(json.dumps(moved))
    with pytest.raises(KeyLocked, match="not its passphrase, or its file was changed"):
        ring(folder, b"secret").seed("operator")


def test_a_private_key_that_the_trust_file_names_otherwise_is_refused(keys, tmp_path):
    folder = only(keys, tmp_path / "k", "writer")
    other = founded(tmp_path / "other")
    (folder / "writer.key").write_bytes((other / "writer.key").read_bytes())
    with pytest.raises(KeyLocked, match="is not the one"):
        ring(folder).seed("writer")


@pytest.mark.parametrize("text", ["", "{}", '{"version":2}', "[1]"])
def test_a_damaged_key_file_names_itself_and_the_field(keys, tmp_path, text):
    folder = only(keys, tmp_path / "k", "writer")
    (folder / "writer.key").write_text(text)
    with pytest.raises(KeyLocked, match=r"writer\.key"):
        read_key(folder, "writer")


def test_a_field_that_is_there_twice_is_named_in_key_and_trust_file(keys, tmp_path):
    folder = only(keys, tmp_path / "k", "writer")
    for path, read in (
        (folder / "writer.key", lambda: read_key(folder, "writer")),
        (folder / "trust.json", lambda: read_trust(folder)),
    ):
        whole = path.read_text()
        field = next(iter(json.loads(whole)))
        path.write_text(whole.replace("{", '{"' + field + '": null, ', 1))
        with pytest.raises(ReplicatorError, match=rf"{path.name}.*{field} is there twice"):
            read()
        path.write_text(whole)


def test_where_nobody_names_keys_there_may_be_none_but_named_ones_must_be_there(tmp_path, monkeypatch):
    monkeypatch.delenv("DRSTACK_KEYS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_keyring() is None
    with pytest.raises(KeyAbsent):
        find_keyring(tmp_path / "nowhere")
    monkeypatch.setenv("DRSTACK_KEYS", str(tmp_path / "nowhere"))
    with pytest.raises(KeyAbsent):
        find_keyring()
    monkeypatch.setenv("DRSTACK_KEYS", str(founded(tmp_path / "drstack" / "keys")))
    assert isinstance(find_keyring(), Keyring)


def test_a_repository_below_the_suite_of_the_trust_file_is_refused(keys):
    trust = read_trust(keys).listing(TrustedRepository(id="r1", url="file:///r1", suite=DEFAULT))
    assert trust.admit("r1", DEFAULT, "file:///r1") == DEFAULT
    with pytest.raises(Untrusted, match="demands"):
        trust.admit("r1", "none", "file:///r1")
    with pytest.raises(Untrusted, match="does not know repository r2"):
        trust.admit("r2", DEFAULT, "file:///r2")
    with pytest.raises(Untrusted, match="lists it with suite"):
        trust.listing(TrustedRepository(id="r1", url="file:///r1", suite="none"))
    plain = trust.listing(TrustedRepository(id="r3", url="file:///r3", suite="none"))
    assert plain.admit("r3", "none", "file:///r3") == "none"


def test_a_trust_file_with_less_than_two_recipients_is_none(keys):
    trust = read_trust(keys)
    gone = trust.key("escrow").model_copy(update={"revoked": Revocation(at=1.0, reason="lost")})
    with pytest.raises(Untrusted, match="fewer than 2 recipients"):
        trust.with_key(gone)


def test_a_trust_file_with_a_short_public_key_names_the_key(keys):
    document = json.loads((keys / "trust.json").read_text())
    document["keys"][0]["public"]["ed25519"] = "AAAA"
    with pytest.raises(Untrusted, match="writer: its public halves"):
        checked(document)


def test_a_sheet_gives_the_seed_back_however_it_is_typed():
    seed = bytes(range(32))
    lines = list(to_lines(seed))
    assert from_lines(lines) == seed
    assert from_lines([line.lower().replace(" ", "-").replace("0", "o").replace("1", "l") for line in lines]) == seed


def test_every_mistyped_letter_is_found_in_its_line():
    lines = list(to_lines(bytes(range(32))))
    for at, letter in enumerate(lines[2]):
        if letter != " ":
            typed = [*lines]
            typed[2] = lines[2][:at] + ("7" if letter != "7" else "8") + lines[2][at + 1 :]
            with pytest.raises(KeyLocked, match="line 3"):
                from_lines(typed)
    with pytest.raises(KeyLocked, match="line 1"):
        from_lines([lines[1], lines[0], *lines[2:]])
    with pytest.raises(KeyLocked, match="4 lines"):
        from_lines(lines[:3])


def test_both_sheets_hold_the_lines_and_the_fingerprint(keys):
    trust = read_trust(keys)
    seed = ring(keys).seed("escrow")
    sheet = sheet_of(trust, trust.key("escrow"), seed)
    for text in (as_text(sheet), as_html(sheet)):
        assert all(line in text for line in sheet.lines)
        assert sheet.fingerprint in text
        assert SCOPE in text
    assert suite_named(DEFAULT).public(from_lines(list(sheet.lines))) == trust.key("escrow").public
