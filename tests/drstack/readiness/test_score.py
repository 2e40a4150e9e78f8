"""A finding more never raises a score: of a pair, of a workload, of the environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drstack.readiness.catalogue import CATALOGUE, finding
from drstack.readiness.finding import FIRST, SEVERITIES, Finding, counts, score, worst_first
from drstack.readiness.judge import judge
from drstack.recovery.evidence import unknown
from tests.drstack.readiness.test_judge import BAD

NAMES = st.sampled_from([None, "gpt", "chat"])
FINDINGS = st.builds(
    Finding, id=st.sampled_from(sorted(CATALOGUE)), severity=st.sampled_from(SEVERITIES), what=st.just("x"),
    remedy=st.just("y"), evidence=st.just(unknown("z")), workload=NAMES, site=st.sampled_from([None, "east", "west"]),
    role=st.sampled_from([None, "standby", "writer", "any"]),
)  # fmt: skip


@given(st.lists(FINDINGS), FINDINGS)
def test_a_finding_more_never_raises_a_score(found, more):
    assert 0 <= score([*found, more]) <= score(found) <= 100


@given(st.lists(FINDINGS))
def test_nothing_but_notes_keeps_a_hundred_and_one_blocking_leaves_nothing(found):
    severities = {each.severity for each in found}
    assert (score(found) == 100) == (severities <= {"note"})
    if "blocking" in severities:
        assert score(found) == 0
    assert sum(counts(found).values()) == len(found)
    ranks = [(f.id not in FIRST, SEVERITIES.index(f.severity)) for f in worst_first(found)]
    assert ranks == sorted(ranks)


@given(st.lists(st.sampled_from(sorted(set(BAD) - {"no-standby"})), min_size=1, max_size=1), FINDINGS)
def test_a_judgement_with_one_more_scores_no_higher(bad, more):
    import drstack.readiness.judge as judging

    situation = BAD[bad[0]]()
    before = judge(situation)
    kept = judging.CHECKS
    judging.CHECKS = (*kept, lambda _: iter([more]))
    try:
        after = judge(situation)
    finally:
        judging.CHECKS = kept
    assert after.score <= before.score
    for name, each in before.workloads.items():
        assert after.workloads[name].score <= each.score
        for site, standby in each.standbys.items():
            assert after.workloads[name].standbys[site].score <= standby.score


@given(FINDINGS)
def test_what_is_found_at_a_site_touches_those_who_need_it(each):
    assert not Finding.touches(each, "gpt", "north", "south") or each.site is None or each.role == "any"
    if each.workload == "chat":
        assert not each.touches("gpt", "east", "west")


def test_an_unknown_finding_is_refused():
    try:
        finding("made-up", "x", "y", unknown("z"))
    except KeyError:
        return
    raise AssertionError("a finding that no page lists was made")
