"""`make lock`: compiles pyproject.toml into requirements.lock, and requirements-cpu.lock where that can be had.

Neither holds a download address. What is locked stays as it is unless `--upgrade` or `-P name` is given.
"""

from __future__ import annotations

import sys

from tools import command, interruption
from tools.setup import CHECKOUT, SetupFailed, torch, uv

TIMEOUT_S = 900.0
COMPILE = (
    *("pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--all-extras", "--group", "dev", "pyproject.toml"),
)


def main(options: list[str]) -> int:
    interruption.as_exit()
    try:
        program = uv.find()
        _compile([program, *COMPILE, *options, "-o", torch.ANY.name])
        print(f"lock: {torch.ANY.name}")
        reason = torch.unreachable(program)
        if reason is None:
            _compile([program, *COMPILE, *options, *torch.BACKEND, "-o", torch.CPU.name])
            print(f"lock: {torch.CPU.name}")
        else:
            print(f"lock: {torch.CPU.name} stays as it is: {reason}")
    except (SetupFailed, command.CommandFailed) as error:
        print(f"lock: {error}", file=sys.stderr)
        return 1
    return 0


def _compile(argv: list[str]) -> None:
    command.run(argv, label="compiling the lock", timeout_s=TIMEOUT_S, cwd=CHECKOUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
