"""The judgement: nothing is promoted on less than its invariant says, whatever it is told; and each bar has its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from drstack.automatic.judge import Running, Situation, Tried, View, judge
from drstack.automatic.policy import Policy
from drstack.automatic.sight import JobSeen, LeaseSeen, Sight, SiteSeen

POLICY = Policy(
    to="west", observers=("a", "b", "c"), after_s=60.0, looks=3, period_s=86400.0,
    repair=("reship", "replace", "restart"), attempts=3, lease_margin_s=4.0,
)  # fmt: skip
LOST = SiteSeen(reachable=False, why="no answer", for_s=70.0, looks=9, repository=False)
HERE = SiteSeen(reachable=True, for_s=900.0, looks=99, capacity=3, bound=3, health_for_s=900.0)
LEASE = LeaseSeen(n=7, term=1, for_s=30.0, still_for_s=70.0)


def sight(*, east=LOST, west=HERE, lease=LEASE, head_s=70.0, assignment=1):
    leases = {} if lease is None else {"gpt": lease}
    return Sight(
        assignment=assignment, sites={"east": east, "west": west}, heads_still_for_s={"gpt": head_s}, leases=leases
    )


def view(name, seen=None, **more):
    return View(name, seen or sight(), more.pop("age_s", 1.0), more.pop("promised_s", 15.0), **more)


def situation(*views, **more):
    told = {each.observer: each for each in views or (view("a"), view("b"))}
    return Situation(me="a", assignment=1, writes={"gpt": ("east", 1)}, ranks={"gpt": 2}, views=told, **more)


def test_two_observers_who_agree_long_enough_promote():
    verdict = judge(situation(), POLICY)
    assert (verdict.act, verdict.site, verdict.workloads, verdict.evidence) == ("promote", "east", ("gpt",), ("a", "b"))
    assert verdict.lost_for_s == 70.0


WAITS = {
    "one observer": ((view("a"),), "only a has lost sight"),
    "the other is silent": ((view("a"), view("b", age_s=16.0)), "only a has lost sight"),
    "the other is undeclared": ((view("a"), view("z")), "only a has lost sight"),
    "the other sits in the lost site": ((view("a"), view("b", at="east")), "only a has lost sight"),
    "the other is busy": ((view("a"), view("b", busy=True)), "only a has lost sight"),
    "a third sees it": ((view("a"), view("b"), view("c", sight(east=HERE))), "c sees east: a partition"),
    "a third saw it and fell silent": (
        (view("a"), view("b"), view("c", sight(east=HERE), age_s=59.0)),
        "c saw east 59 s ago, and has said nothing since",
    ),
    "an undeclared one sees it": ((view("a"), view("b"), view("z", sight(east=HERE))), "z sees east: a partition"),
    "one in the site sees it": ((view("a"), view("b"), view("c", sight(east=HERE), at="east")), "a partition"),
    "the standby is out of sight": ((view("a"), view("b", sight(west=LOST))), "b does not see west either"),
    "not long enough": ((view("a"), view("b", sight(east=LOST.model_copy(update={"for_s": 59.0})))), "59 of 60 s"),
    "too few looks": ((view("a"), view("b", sight(east=LOST.model_copy(update={"looks": 2})))), "2 of 3 looks"),
    "the lease may hold": (
        (view("a"), view("b", sight(lease=LEASE.model_copy(update={"still_for_s": 33.9})))),
        "b: the lease of gpt may still hold",
    ),
    "a checkpoint arrived": ((view("a"), view("b", sight(head_s=59.0))), "arrived less than 1m ago"),
    "the router is answered": (
        (view("a"), view("b", sight(east=LOST.model_copy(update={"serves": True})))),
        "the router is answered by east",
    ),
    "another assignment": ((view("a"), view("b", sight(assignment=2))), "b has not read assignment 1 yet"),
}


@pytest.mark.parametrize("case", WAITS)
def test_it_waits_and_says_why(case):
    views, said = WAITS[case]
    verdict = judge(situation(*views), POLICY)
    assert verdict.act == "wait"
    assert said in verdict.reason


def test_what_a_third_saw_long_ago_holds_nothing_up():
    assert judge(situation(view("a"), view("b"), view("c", sight(east=HERE), age_s=60.0)), POLICY).act == "promote"


def test_a_standby_whose_repository_is_out_of_reach_is_no_standby():
    cut = sight(west=HERE.model_copy(update={"repository": False}))
    assert "b does not see west" in judge(situation(view("a"), view("b", cut)), POLICY).reason


REFUSES = {
    "no lease": ({}, (view("a", sight(lease=None)), view("b", sight(lease=None))), "nobody holds a lease of gpt"),
    "a lease of another term": (
        {}, tuple(view(n, sight(lease=LEASE.model_copy(update={"term": 2}))) for n in "ab"), "nobody holds a lease"
    ),
    "a hold": ({"held": "ann: moving racks"}, (), "held off: ann: moving racks"),
    "the budget": ({"promoted_ages_s": (86399.0,)}, (), "was made in the last 1d"),
    "a promotion in the future": ({"promoted_ages_s": (-5.0,)}, (), "was made in the last"),
    "clocks": ({}, (view("a"), view("b", skew_s=-121.0)), "the clock of b differs"),
    "not ready": ({"not_ready": "the objective is 60 s"}, (), "west could not take over without a person"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSES)
def test_it_refuses_and_tells_a_person(case):
    more, views, said = REFUSES[case]
    verdict = judge(situation(*views, **more), POLICY)
    assert verdict.act == "refuse"
    assert said in verdict.reason


def test_what_another_does_is_left_to_it():
    assert judge(situation(running=Running("1-1", None)), POLICY).act == "wait"
    assert "b carries out" in judge(situation(running=Running("1-1", "b")), POLICY).reason
    assert judge(situation(running=Running("1-1", "b", paused=True)), POLICY).act == "wait"
    silent = situation(running=Running("1-1", "b", silent=True))
    assert judge(silent, POLICY).act == "resume"
    assert judge(situation(running=Running("1-1", "a")), POLICY).act == "resume"
    assert judge(situation(running=Running("1-1", "a", tried=5)), POLICY).act == "refuse"
    assert judge(situation(running=Running("1-1", "a"), held="ann: no"), POLICY).act == "refuse"


def test_the_standby_that_writes_is_never_promoted_away_from():
    told = replace(situation(view("a", sight(west=LOST, east=HERE)), view("b", sight(west=LOST, east=HERE))))
    told = replace(told, writes={"gpt": ("west", 2)})
    assert "no other site may take over" in judge(told, POLICY).reason


def broken(**changed):
    job = JobSeen(running=False, failure="exited 3", down_for_s=61.0)
    return HERE.model_copy(update={"jobs": {"gpt": job}, **changed})


def repaired(seen, policy=POLICY, **more):
    return judge(situation(view("a", sight(east=seen)), **more), policy)


def test_a_site_within_reach_is_repaired_and_never_promoted_away_from():
    assert (repaired(broken()).act, repaired(broken()).remedy) == ("repair", "restart")
    assert repaired(broken(replicator=False)).remedy == "reship"
    assert repaired(broken(capacity=1)).remedy == "replace"
    assert repaired(HERE).act == "wait"
    assert repaired(broken(looks=2)).act == "wait"
    assert repaired(broken(replicator=False, health_for_s=59.0)).remedy == "restart"
    running = JobSeen(running=True, failure="exited 3", still_for_s=900.0)
    assert repaired(HERE.model_copy(update={"jobs": {"gpt": running}})).act == "wait", "it may be slow"
    ended = JobSeen(running=False, still_for_s=900.0)
    assert repaired(HERE.model_copy(update={"jobs": {"gpt": ended}})).act == "wait", "it has ended well"


def test_repairs_are_bounded_and_then_a_person_is_told():
    tried = tuple(Tried("east", "restart", "gpt", age_s, "done") for age_s in (900.0, 600.0, 300.0))
    assert repaired(broken(), repairs=tried[:2]).act == "repair"
    assert "a person decides" in repaired(broken(), repairs=tried).reason
    assert repaired(broken(), repairs=(Tried("east", "restart", "gpt", 59.0, None),)).act == "wait"
    assert repaired(broken(), repairs=tuple(replace(each, age_s=9e5) for each in tried)).act == "repair"
    assert repaired(broken(), replace(POLICY, repair=("replace",))).act == "refuse"
    assert repaired(broken(), held="ann: no").act == "refuse"


def seen_as(site, **changed):
    """One observer's sight of a site is changed."""

    def change(each):
        told = each.sight.sites[site].model_copy(update=changed)
        return replace(each, sight=each.sight.model_copy(update={"sites": {**each.sight.sites, site: told}}))

    return change


def leased_as(lease):
    return lambda each: replace(
        each, sight=each.sight.model_copy(update={"leases": {} if lease is None else {"gpt": lease}})
    )


def sighted(**changed):
    return lambda each: replace(each, sight=each.sight.model_copy(update=changed))


def stated(**changed):
    return lambda each: replace(each, **changed)


OF_A_VIEW = (
    seen_as("east", reachable=True), seen_as("east", for_s=59.0), seen_as("east", for_s=60.0), seen_as("east", looks=2),
    seen_as("east", looks=3), seen_as("east", serves=True), seen_as("west", reachable=False),
    seen_as("west", repository=False), leased_as(None), leased_as(LEASE.model_copy(update={"term": 2})),
    leased_as(LEASE.model_copy(update={"for_s": None})), leased_as(LEASE.model_copy(update={"still_for_s": 33.9})),
    leased_as(LEASE.model_copy(update={"still_for_s": 34.0})), sighted(heads_still_for_s={"gpt": 59.0}),
    sighted(assignment=2), stated(age_s=16.0), stated(at="east"), stated(at="west"), stated(busy=True),
    stated(skew_s=3600.0), stated(skew_s=119.0),
)  # fmt: skip
OF_ALL = (
    {"running": Running("1-1", None)}, {"running": Running("1-1", "b")}, {"held": "ann: no"},
    {"promoted_ages_s": (90000.0,)}, {"promoted_ages_s": (5.0,)}, {"promoted_ages_s": (-5.0,)}, {"not_ready": "no"},
)  # fmt: skip
VIEWS = st.dictionaries(
    st.sampled_from("abcz"), st.lists(st.sampled_from(OF_A_VIEW), max_size=2), min_size=1, max_size=4
)


def made(views, changed, me):
    told = {}
    for name, changes in views.items():
        told[name] = view(name)
        for change in changes:
            told[name] = change(told[name])
    merged = {key: value for each in changed for key, value in each.items()}
    return replace(situation(*told.values(), **merged), me=me)


SITUATIONS = st.builds(made, VIEWS, st.lists(st.sampled_from(OF_ALL), max_size=1), st.sampled_from("aab"))


@settings(max_examples=1000, deadline=None)
@given(SITUATIONS)
def test_nothing_is_promoted_on_less_than_its_invariant_says(told):
    verdict = judge(told, POLICY)
    if verdict.act != "promote":
        return
    heard = {name: each for name, each in told.views.items() if each.age_s <= each.promised_s and not each.busy}
    counting = [each for name, each in heard.items() if name in POLICY.observers and each.at != "east"]
    assert len(counting) >= 2
    assert told.running is None
    assert told.held is None
    assert told.not_ready is None
    assert not any(age_s < POLICY.period_s for age_s in told.promoted_ages_s)
    for each in heard.values():
        assert not each.sight.sites["east"].reachable
        assert not each.sight.sites["east"].serves
    for each in counting:
        lease = each.sight.leases["gpt"]
        assert lease.term == 1
        assert lease.still_for_s >= lease.for_s + POLICY.lease_margin_s
        assert each.sight.sites["west"].reachable
        assert each.sight.sites["west"].repository
        assert each.sight.sites["east"].for_s >= POLICY.after_s
        assert each.sight.sites["east"].looks >= POLICY.looks
        assert abs(each.skew_s) <= 120
        assert each.sight.assignment == 1


def test_such_situations_do_promote():
    assert find(SITUATIONS, lambda told: judge(told, POLICY).act == "promote").views


@settings(max_examples=300, deadline=None)
@given(SITUATIONS)
def test_where_it_is_off_nothing_is_done(told):
    assert judge(told, replace(POLICY, automatic=False)).act == "wait"
