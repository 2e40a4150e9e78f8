"""No parser crashes, hangs or takes memory without bound, whatever it is given.

10^5 cases over all parsers with DRSTACK_SOAK=1, 2 % of them otherwise. DRSTACK_SEED=n runs case n of each parser alone.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from replicator.formats.errors import FormatError
from replicator.formats.pickle_reader import read_pickle
from tests.replicator.fuzz.targets import TARGETS, safetensors_header

GOLDEN = Path(__file__).parents[2] / "golden" / "repository"
SOAK = os.environ.get("DRSTACK_SOAK") == "1"
ALL = 100_000
COUNT = -(-ALL // len(TARGETS)) if SOAK else ALL // 50 // len(TARGETS)
SEED = os.environ.get("DRSTACK_SEED")


def state():
    model = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(3, 6)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 3, "rng": torch.get_rng_state()}


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Real files for each parser."""
    root = tmp_path_factory.mktemp("seeds")
    for target in TARGETS:
        (root / target).mkdir()
    tensors = {"w": torch.randn(3, 4), "b": torch.zeros(0), "s": torch.tensor(1.0), "h": torch.ones(5).bfloat16()}
    save_file(tensors, root / "safetensors" / "a", metadata={"format": "pt"})
    save_file(tensors, root / "safetensors-file" / "a")
    torch.save(tensors["w"], root / "torch-item" / "a")
    torch.save(torch.nn.Parameter(tensors["w"]), root / "torch-item" / "b")
    torch.save(state(), root / "torch-file" / "a")
    torch.save({"a": tensors["w"], "b": tensors["w"][1:], "c": 1}, root / "torch-file" / "b")
    torch.save(tensors, root / "torch-file" / "c", _use_new_zipfile_serialization=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state(), storage_writer=FileSystemWriter(root / "dcp", sync_files=False), no_dist=True)
    metadata = (root / "dcp" / ".metadata").read_bytes()
    (root / "dcp-metadata" / "a").write_bytes(metadata)
    (root / "pickle" / "a").write_bytes(metadata)
    archived = (root / "torch-item" / "a").read_bytes()
    (root / "pickle" / "b").write_bytes(archived[archived.index(b"\x80\x02") :][:300])
    index = {
        "metadata": {"total_size": 9},
        "weight_map": {"w": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"},
    }
    (root / "index" / "a").write_text(json.dumps(index))
    for n, path in enumerate(sorted((GOLDEN / "manifests").rglob("*/*"))):
        (root / "manifest" / str(n)).write_bytes(path.read_bytes())
        (root / "manifest-text" / str(n)).write_bytes(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
    for path in sorted((GOLDEN / "log" / "gpt").iterdir()):
        (root / "record" / path.name).write_bytes(path.read_bytes())
        (root / "payload" / path.name).write_bytes(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    for n, path in enumerate(each for each in sorted((GOLDEN / "parts").rglob("*")) if each.is_file()):
        (root / "part" / str(n)).write_bytes(path.read_bytes())
    (root / "format" / "a").write_bytes((GOLDEN / "format.json").read_bytes())
    for path in sorted((Path(__file__).parents[3] / "stacks" / "environments").glob("*.yaml")):
        (root / "environment" / path.name).write_bytes(path.read_bytes())
    return root


def run(seeds, first, count, *target):
    command = [sys.executable, "-m", "tests.replicator.fuzz.run", str(seeds), str(first), str(count), *target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=7200 if SOAK else 120, check=False)
    assert done.returncode == 0, f"the interpreter ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


def test_no_parser_does_anything_but_parse_or_refuse(seeds):
    first, count = (int(SEED), 1) if SEED else (0, COUNT)
    found = run(seeds, first, count)
    assert "seed" not in found, f"DRSTACK_SEED={found['seed']} ({found['target']}): {found['error']}"
    assert found["cases"] == count * len(TARGETS)
    assert SEED or found["refused"] < found["cases"], "some cases must get past the first check"


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
