from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tools import command
from tools.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


def test_returns_what_the_program_printed(tmp_path: Path) -> None:
    said = command.run(["sh", "-c", "pwd; cat"], label="x", timeout_s=10, cwd=tmp_path, stdin="hello")
    assert said == f"{tmp_path}\nhello"


def test_says_how_it_ended_and_its_last_words() -> None:
    with pytest.raises(command.CommandFailed, match=r"exited 3: no room$"):
        command.run(["sh", "-c", "echo start >&2; echo no room >&2; exit 3"], label="x", timeout_s=10)


def test_says_that_it_could_not_start() -> None:
    with pytest.raises(command.CommandFailed, match="did not start"):
        command.run(["/no/such/program"], label="x", timeout_s=10)


def test_ends_a_program_that_takes_too_long(tmp_path: Path) -> None:
    late = tmp_path / "late"
    started = time.monotonic()
    with pytest.raises(command.CommandFailed, match="did not end within"):
        command.run(
            [sys.executable, "-c", f"import time; time.sleep(30); open({str(late)!r}, 'w')"], label="x", timeout_s=0.3
        )
    assert time.monotonic() - started < 10
    assert not late.exists()


def test_kills_a_program_that_ignores_the_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE_S", 0.2)
    with pytest.raises(command.CommandFailed, match="did not end within"):
        command.run(["sh", "-c", "trap '' INT; while :; do sleep 0.05; done"], label="x", timeout_s=0.3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_for(seconds: int, out: io.StringIO) -> None:
    now = [0.0]
    progress = Progress("building", out=out, clock=lambda: now[0])
    for second in range(seconds):
        now[0] = float(second)
        progress.tick("package")
    progress.close()


def test_says_nothing_of_what_is_soon_done() -> None:
    out = io.StringIO()
    run_for(2, out)
    assert out.getvalue() == ""


def test_writes_a_line_now_and_then_into_a_log() -> None:
    out = io.StringIO()
    run_for(40, out)
    assert out.getvalue().splitlines() == [
        "building: 2 s, package",
        "building: 17 s, package",
        "building: 32 s, package",
    ]


def test_rewrites_one_line_on_a_terminal_and_clears_it() -> None:
    out = Terminal()
    run_for(5, out)
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")
