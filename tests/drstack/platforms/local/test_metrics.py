import json

from drstack.platforms.local.metrics import RunFacts, read_run


def lines(*events):
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def start(attempt, resumed):
    return {"event": "start", "attempt": attempt, "resumed_step": resumed, "at": 1.0}


def step(n, at):
    return {"event": "step", "step": n, "at": at}


def test_tells_a_generation_from_the_one_before(tmp_path):
    path = tmp_path / "m"
    before = lines(start("old.0", None), step(1, 2.0), step(2, 3.0))
    path.write_bytes(before + lines(step(3, 3.5), start("new.0", 2), start("new.1", 2), step(3, 5.0), step(4, 6.0)))
    assert read_run(path, offset=len(before), rdzv_id="new") == RunFacts(2, 3, 5.0, 4, 6.0)


def test_a_generation_that_made_no_step_yet_has_the_last_step_of_the_one_before(tmp_path):
    path = tmp_path / "m"
    before = lines(start("old.0", None), step(9, 2.0))
    path.write_bytes(before + b'{"event": "sta')
    assert read_run(path, offset=len(before), rdzv_id="new") == RunFacts(None, None, None, 9, 2.0)


def test_no_file_is_no_run(tmp_path):
    assert read_run(tmp_path / "m", offset=10, rdzv_id="x") == RunFacts()


def test_the_last_step_is_found_behind_a_long_file(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(lines(start("a.0", None), *(step(n, float(n)) for n in range(60_000))))
    facts = read_run(path, offset=0, rdzv_id="a")
    assert (facts.first_step, facts.step) == (0, 59_999)
