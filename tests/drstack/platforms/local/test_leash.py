import os
import time

import pytest

from drstack.platforms.local import processes
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

pytestmark = pytest.mark.slow


def test_a_site_ends_within_seconds_of_whoever_held_its_leash(tmp_path, folder, site):
    site.set_capacity(2, deadline_s=20)
    site.start_job("gpt", token="t1", resume_step=None, deadline_s=20)
    second = tmp_path / "second leash"
    os.mkfifo(second)
    holder = os.open(second, os.O_RDWR)
    Supervisor(folder).ensure(fifo=str(second))
    assert Deadline(5).until(lambda: any("second leash" in seen.command for seen in processes.of_site(folder)))
    let_go_at = time.monotonic()
    os.close(holder)
    ours = lambda: [seen for seen in processes.of_site(folder) if seen.ours]  # noqa: E731
    assert Deadline(8).until(lambda: not ours(), 0.1), ours()
    assert time.monotonic() - let_go_at < 6


def test_a_leash_that_is_not_there_ends_the_site(tmp_path, folder):
    Supervisor(folder).ensure(fifo=str(tmp_path / "never made"))
    ours = lambda: [seen for seen in processes.of_site(folder) if seen.ours]  # noqa: E731
    assert Deadline(8).until(lambda: not ours(), 0.1), ours()
