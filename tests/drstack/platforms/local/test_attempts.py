from drstack.platforms.local.attempts import LONGEST_WAIT_S, Attempt, after_failure, note_failure, read_attempt
from drstack.platforms.local.desired import DesiredJob, Program
from drstack.platforms.local.folder import site_folder

JOB = DesiredJob(True, 4, "t", False, None, 2, (0, 1), 4000, "run", 0, Program("m", (), (), {}, "checkpoints/x"))


def test_each_attempt_waits_longer_up_to_a_bound():
    attempt, waits = Attempt(4, 0, 4000), []
    for _ in range(10):
        attempt = after_failure(attempt, "why", now=100.0, port=1)
        waits.append(attempt.not_before - 100.0)
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_WAIT_S


def test_after_a_calm_while_a_failure_counts_as_the_first():
    attempt = after_failure(Attempt(4, 3, 1, not_before=10.0, began_at=5.0, in_a_row=6), "why", now=500.0, port=2)
    assert (attempt.number, attempt.in_a_row, attempt.not_before) == (4, 1, 500.5)


def test_a_failure_counts_once_however_many_ranks_it_took(tmp_path):
    folder = site_folder(tmp_path)
    folder.run.mkdir()
    first = read_attempt(folder, "gpt", JOB)
    note_failure(folder, "gpt", JOB, first, "rank 0")
    note_failure(folder, "gpt", JOB, first, "rank 1")
    stands = read_attempt(folder, "gpt", JOB)
    assert (stands.number, stands.failure) == (1, "rank 0")
    assert stands.port != 4000


def test_a_generation_begins_without_the_failures_of_the_one_before(tmp_path):
    folder = site_folder(tmp_path)
    folder.run.mkdir()
    note_failure(folder, "gpt", JOB, read_attempt(folder, "gpt", JOB), "why")
    from dataclasses import replace

    assert read_attempt(folder, "gpt", replace(JOB, generation=5)) == Attempt(5, 0, 4000)
