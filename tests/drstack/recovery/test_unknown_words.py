"""A person's signed word with a field that this version does not know is nobody's: it may say the opposite."""

from __future__ import annotations

import time

import pytest

from drstack.recovery import words
from drstack.recovery.quorum import Refused, Signed
from replicator.crypto.statements import make_statement
from replicator.errors import RecordCorrupt
from tests.drstack.recovery.people import Office
from tests.drstack.recovery.world import Rig

COMMON = {"environment": "e", "environment_id": "i", "kind": "promote", "plan": "0" * 64, "id": "1", "at": time.time()}
WORDS = {
    words.APPROVAL_TYPE: ({"expires_at": time.time() + 60}, words.read_approval),
    words.BREAK_GLASS_TYPE: ({"reason": "r"}, words.read_break),
    words.SIGN_OFF_TYPE: ({"operation": "1-1"}, words.read_sign_off),
}


@pytest.mark.parametrize("of", WORDS)
def test_it_is_nobody_s_word(tmp_path, of):
    keys = Office(Rig(tmp_path, encrypted=True)).world("alice").keys
    key = words.key_of(keys, "alice", "a word")
    more, read = WORDS[of]
    said = {**COMMON, "person": "alice", **more}
    known = read(keys.trust, make_statement(keys, key, of, said), "here")
    assert known.person == "alice"
    later = make_statement(keys, key, of, {**said, "unheard": 1})
    if read is words.read_approval:
        assert isinstance(known, Signed)
        assert isinstance(read(keys.trust, later, "here"), Refused)
        return
    with pytest.raises(RecordCorrupt):
        read(keys.trust, later, "here")
