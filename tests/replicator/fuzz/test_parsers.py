"""No parser crashes, hangs or takes memory without bound, whatever it is given.

10^5 cases over all parsers with DRSTACK_SOAK=1, 2 % of them otherwise. DRSTACK_SEED=n runs case n of each parser alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.formats.errors import FormatError
from replicator.formats.pickle_reader import read_pickle
from tests.replicator.fuzz.seeds import write_seeds
from tests.replicator.fuzz.targets import TARGETS, safetensors_header
from tools.cases import at_length, only_seed

SOAK = at_length()
ALL = 100_000
EACH = -(-ALL // len(TARGETS))
SHARE = ALL // 50 // len(TARGETS)
SEED = only_seed()


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Real files for each parser."""
    root = tmp_path_factory.mktemp("seeds")
    write_seeds(root)
    return root


def run(seeds, first, count, *target):
    command = [sys.executable, "-m", "tests.replicator.fuzz.run", str(seeds), str(first), str(count), *target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=7200 if SOAK else 120, check=False)
    assert done.returncode == 0, f"the interpreter ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.mark.faults("fuzz", SHARE * len(TARGETS), EACH * len(TARGETS))
@pytest.mark.timeout(7200 if SOAK else 300)
@pytest.mark.parametrize(
    "targets", [[each] for each in TARGETS] if SOAK else [[]], ids=lambda each: each[0] if each else "all"
)
def test_no_parser_does_anything_but_parse_or_refuse(seeds, targets, cases):
    """At length a process for each parser, so that one that fails hides no other."""
    first, count = (0, EACH if SOAK else SHARE) if SEED is None else (SEED, 1)
    found = run(seeds, first, count, *targets)
    cases.ran(count * len(targets or TARGETS), first, first + count - 1)
    if "seed" in found:
        cases.one(found["seed"])  # the one to run again
    assert "seed" not in found, f"DRSTACK_SEED={found['seed']} ({found['target']}): {found['error']}"
    assert found["cases"] == count * len(targets or TARGETS)
    assert targets or SEED is not None or 0 < found["refused"] < found["cases"], (
        "some cases must get past the first check"
    )


@pytest.mark.parametrize("target", list(TARGETS))
def test_every_parser_takes_the_files_that_cases_are_made_of(seeds, target, tmp_path):
    """Else the cases would say nothing."""
    check, may_raise = TARGETS[target]
    taken = 0
    for path in sorted((seeds / target).iterdir()):
        try:
            check(path.read_bytes(), tmp_path)
            taken += 1
        except may_raise:
            continue
    assert taken


@pytest.mark.slow
def test_a_parser_that_breaks_is_found(seeds, tmp_path):
    """The harness itself can fail: a parser with a plain bug is caught, with the seed that shows it again."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from tests.replicator.fuzz import run, targets\n"
        "def naive(body, _):\n"
        "    json.loads(body[8 : 8 + int.from_bytes(body[:8], 'little')])\n"
        "targets.TARGETS['safetensors'] = (naive, targets.FormatError)\n"
        "print(json.dumps(run.main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 'safetensors')))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

    def once(first, count):
        command = [sys.executable, str(broken), str(seeds), str(first), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
        return json.loads(done.stdout)

    found = once(0, 200)
    assert once(found["seed"], 1)["bytes"] == found["bytes"]


HEADERS = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.none(), st.integers(), st.text(max_size=5),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F32", "F4", "F8_E4M3", "I4", "BOOL", "?"]),
                "shape": st.lists(st.integers(-1, 2**65), max_size=4),
                "data_offsets": st.lists(st.integers(-1, 2**65), max_size=3),
            }
        ),
    ),
    max_size=5,
)  # fmt: skip


@settings(deadline=None, max_examples=5000 if SOAK else 200)
@given(HEADERS, st.integers(-5, 5))
def test_headers_that_are_json_but_no_headers(document, off):
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    try:
        safetensors_header(max(0, len(body) + off).to_bytes(8, "little") + body, Path())
    except FormatError:
        return


@settings(deadline=None, max_examples=20_000 if SOAK else 500)
@given(
    st.lists(
        st.sampled_from(
            [bytes([n]) for n in b"\x80\x95N\x88)KMJG\x8a\x8cXCB\x85\x86\x87(01t]}aesuc\x93R\x81bQ\x94qrhj"]
        ),
        max_size=60,
    )
)
def test_any_order_of_opcodes(codes):
    try:
        read_pickle(b"".join(codes) + b".", lambda _: True)
    except FormatError:
        return


def test_the_files_that_cases_are_made_of_are_the_same_every_time(seeds, tmp_path):
    """Else a seed would not make the case again that failed."""
    write_seeds(tmp_path)
    for target in TARGETS:
        for path in (seeds / target).iterdir():
            assert (tmp_path / target / path.name).read_bytes() == path.read_bytes(), f"{target}/{path.name}"
