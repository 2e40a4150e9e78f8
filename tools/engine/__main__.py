"""`make engine`: finds, fetches or builds a Pulumi engine, and records which one this checkout uses."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tools import cache, interruption
from tools.engine import build, kept, onpath, record, release
from tools.engine.choice import Choice, NoEngine, Way, choose
from tools.engine.version import OLDEST

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).parents[2]
ORIGINS = {"path": "from PATH", "release": "from the release archive", "go": "built through the Go module proxy"}
REMEDY = f"""\
Any one of these is enough, then `make engine` again:
  - install Pulumi {OLDEST} or newer with its Python host, and have it on PATH;
  - let this machine reach {release.RELEASES};
  - install Go (1.21 or newer) and set GOPROXY to a module proxy that this machine reaches."""


def ways() -> list[Way]:
    fetch = partial(release.fetch, host=cache.host())
    return [
        Way("PATH", onpath.take),
        Way("cache", kept.take),
        Way("release archive", lambda: kept.make("release", fetch)),
        Way("Go module proxy", lambda: kept.make("go", build.build)),
    ]


def line(choice: Choice) -> str:
    engine = choice.engine
    why = "; ".join([engine.why, *choice.reasons])
    return f"engine: pulumi {engine.version} {ORIGINS[engine.way]}, in {engine.bin} ({why})"


def main(ways: Sequence[Way], checkout: Path) -> int:
    try:
        choice = choose(ways)
    except NoEngine as error:
        record.forget(checkout)
        print("engine: no Pulumi engine can be had on this machine.", file=sys.stderr)
        print("\n".join(f"  {reason}" for reason in error.reasons), file=sys.stderr)
        print(REMEDY, file=sys.stderr)
        return 1
    record.write(choice, checkout)
    print(line(choice))
    return 0


if __name__ == "__main__":
    interruption.as_exit()
    sys.exit(main(ways(), CHECKOUT))
