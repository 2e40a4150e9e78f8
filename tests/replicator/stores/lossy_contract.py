"""What `claim` makes of lost answers and lost requests on any store behind HTTP.

A subclass gives `proxy`, `direct`, a store, and `lossy`, the same store through the proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown
from replicator.log.claim import Claim, claim

if TYPE_CHECKING:
    from replicator.stores.store import ObjectStore
    from tests.replicator.stores.lossy_proxy import LossyProxy


class LossyContract:
    def test_what_was_written_is_found_to_be_ours_when_its_answer_was_lost(
        self, lossy: ObjectStore, proxy: LossyProxy, direct: ObjectStore
    ) -> None:
        proxy.then = "answer"
        with pytest.raises((OutcomeUnknown, KeyExists)):
            lossy.create("log/w/1", b"mine")
        assert direct.get("log/w/1") == b"mine"
        assert claim(lossy, "log/w/2", b"mine", sleep=lambda _: None).ours

    def test_a_rivals_slot_is_lost_also_when_the_answer_is(
        self, lossy: ObjectStore, proxy: LossyProxy, direct: ObjectStore
    ) -> None:
        direct.create("log/w/1", b"theirs")
        proxy.then = "answer"
        assert claim(lossy, "log/w/1", b"mine", sleep=lambda _: None) == Claim(ours=False, found=b"theirs")

    def test_a_request_that_never_arrived_leaves_nothing_and_is_sent_again(
        self, lossy: ObjectStore, proxy: LossyProxy, direct: ObjectStore
    ) -> None:
        proxy.then = "request"
        with pytest.raises(OutcomeUnknown):
            lossy.create("log/w/1", b"mine")
        with pytest.raises(KeyMissing):
            direct.get("log/w/1")

        def heal(_: float) -> None:
            proxy.then = "none"

        assert claim(lossy, "log/w/1", b"mine", sleep=heal).ours
        assert direct.get("log/w/1") == b"mine"
