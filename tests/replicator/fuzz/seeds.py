"""Sound bytes for each parser, which cases are made of: real files, the golden repositories, and what we write."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import torch
import zstandard
from safetensors.torch import save_file

from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.codec.plain import encode
from replicator.crypto.sheet import to_lines
from replicator.log.records import encode as encode_record
from replicator.model import PackRef
from replicator.repository.manifest import Block
from replicator.repository.progress import KeptProgress
from replicator.service.acknowledged import Word
from replicator.service.config import Destination, ServiceConfig, WatchedWorkload
from replicator.stores.cloud import memory_store
from tests.replicator.fuzz.state_targets import GOLDEN, encrypted, first
from tests.replicator.fuzz.targets import TARGETS

A_PART = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABrSAMimwiD6zmXCtPMKfcbQKpJbpCgO6crxZG3Ir+N"
"""For the golden repository's writers, sealed for `parts/x` with a salt of zeros."""
A_KEY = (
    b'{"version":1,"name":"writer","scope":"s","suite":"drstack-hybrid-1","roles":["writer"],"protection":'
    b'{"kind":"scrypt","n":16384,"r":8,"p":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","nonce":"AAAAAAAAAAAAAAAA"}'
    b',"secret":"fG4SX4MJH8KX5s4BTSpIp1TiL8gHOk7lvTrufnfMXfOP3y58kRxSk3Jz/A0nt69S"}'
)
"""Under the passphrase `secret`, by the least work that a key file may name."""
REAL = Path(__file__).parent / "real"
"""Made by torch once, as it writes names of folders and addresses of memory into these."""
PLAIN = GOLDEN / "repository"
CHECKOUT = Path(__file__).parents[3]


def write_seeds(root: Path) -> None:
    """The same bytes every time, so that a seed makes the same case."""
    torch.manual_seed(0)
    for target in TARGETS:
        (root / target).mkdir()
    _formats(root)
    _repository(root)
    _encrypted(root)
    _keys(root)
    _witness(root)
    _own_files(root)
    _neighbours(root)


def put(root: Path, target: str, *bodies: bytes) -> None:
    for body in bodies:
        (root / target / str(len(list((root / target).iterdir())))).write_bytes(body)


def state():
    model = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(3, 6)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 3, "rng": torch.get_rng_state()}


def _formats(root: Path) -> None:
    tensors = {"w": torch.randn(3, 4), "b": torch.zeros(0), "s": torch.tensor(1.0), "h": torch.ones(5).bfloat16()}
    save_file(tensors, root / "safetensors" / "a", metadata={"format": "pt"})
    save_file(tensors, root / "safetensors-file" / "a")
    torch.save(tensors["w"], root / "torch-item" / "a")
    torch.save(torch.nn.Parameter(tensors["w"]), root / "torch-item" / "b")
    torch.save(state(), root / "torch-file" / "a")
    torch.save({"a": tensors["w"], "b": tensors["w"][1:], "c": 1}, root / "torch-file" / "b")
    put(root, "torch-file", (REAL / "legacy.pt").read_bytes())
    metadata = (REAL / "dcp.metadata").read_bytes()
    put(root, "dcp-metadata", metadata)
    archived = (root / "torch-item" / "a").read_bytes()
    put(root, "pickle", metadata, archived[archived.index(b"\x80\x02") :][:300])
    shards = {"w": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    put(root, "index", json.dumps({"metadata": {"total_size": 9}, "weight_map": shards}).encode())
    for path in sorted((CHECKOUT / "stacks" / "environments").glob("*.yaml")):
        put(root, "environment", path.read_bytes())


def _repository(root: Path) -> None:
    for path in sorted((PLAIN / "manifests").rglob("*/*")):
        put(root, "manifest", path.read_bytes())
        put(root, "manifest-text", zstandard.ZstdDecompressor().decompress(path.read_bytes()))
    for path in sorted((PLAIN / "log" / "gpt").iterdir()):
        put(root, "record", path.read_bytes())
        put(root, "payload", base64.b64decode(json.loads(path.read_bytes())["payload"]))
        put(root, "envelope", path.read_bytes())
    for path in sorted(each for each in (PLAIN / "parts").rglob("*") if each.is_file()):
        put(root, "part", path.read_bytes())
    put(root, "format", (PLAIN / "format.json").read_bytes())
    for coder, size in ((b"\0", 5000), (b"\1", 5000)):
        stored = encode(bytes(size))[1] if coder == b"\1" else bytes(size)
        put(root, "block", coder + size.to_bytes(6, "little") + stored)
    prefix = f"receipts/gpt/{2:020d}/decoded/west"
    for drill in (None, {"seconds": 1.0, "bytes": 5.0}):
        back = [{"level": "stored", "verifier": "west", "k": 1}]
        body = {"ok": True, "reason": None, "record": "r", "takes_back": back, "drill": drill}
        put(root, "receipt", encode_record(prefix, 1, None, "t", "receipt", 0.0, body))


def _encrypted(root: Path) -> None:
    folder, _ = encrypted()
    objects = folder / "repository"
    for path in sorted((objects / "log" / "gpt").iterdir())[:3]:
        put(root, "envelope", path.read_bytes())
    put(root, "signed-record", (objects / "log" / "gpt" / f"{1:020d}").read_bytes())
    put(root, "sealed-manifest", (objects / first("manifests")).read_bytes())
    put(root, "wrapped-key", (objects / first("keys")).read_bytes())
    put(root, "peers-part", A_PART)


def _keys(root: Path) -> None:
    folder, _ = encrypted()
    put(root, "trust-file", (folder / "keys" / "trust.json").read_bytes())
    put(root, "key-file", (folder / "keys" / "writer.key").read_bytes())
    put(root, "key-file", A_KEY)
    put(root, "recovery-sheet", "\n".join(to_lines(bytes(range(32)))).encode())


def _witness(root: Path) -> None:
    store = memory_store()
    witness = Witness(store, "env", clock=lambda: 0.0, token=lambda: "t")
    witness.found()
    part = WorkloadAssignment(writer="east", term=1, acknowledge=("near",))
    witness.assign(Assignment(number=1, workloads={"gpt": part}, cause="create"))
    witness.publish("east", {"site": "east", "url": "file:///x", "actuators": []})
    operation = witness.journal(1, 1)
    operation.begin({"target": "west", "steps": ["seal"]})
    put(root, "witness-format", store.get("env/format.json"))
    put(root, "assignment", store.get(f"env/assignments/{1:020d}"))
    put(root, "descriptor", store.get(f"env/descriptors/east/{1:020d}"))
    prefix = f"env/operations/{1:020d}-{1:020d}"
    put(root, "journal", store.get(f"{prefix}/{1:020d}"))
    ended = encode_record(prefix, 1, None, "t", "outcome", 0.0, {"step": "seal", "ok": True})
    put(root, "journal", ended)


def _own_files(root: Path) -> None:
    settings = ServiceConfig(
        site="east", own="east", spool="/spool", status_file="/status.json",
        destinations=(Destination(name="east", url="file:///store"),),
        workloads=(WatchedWorkload(name="gpt", path="/ck", rpo_s=60.0),),
    )  # fmt: skip
    put(root, "service-config", settings.model_dump_json().encode())
    systems = [
        {"kind": "commands", "name": "h", "before": ["true"], "after": ["true"]},
        {"kind": "mlflow", "artifacts": "/a", "sqlite": "/db"},
        {"kind": "csi", "name": "c", "namespace": "n", "snapshot_class": "s", "labels": {"a": "b"}},
    ]
    put(root, "point-file", json.dumps({"systems": systems}).encode())
    push = {
        "workload": "gpt", "name": "step-10", "term": 1, "height": 1, "step": 10, "attempt": "a", "salt": "00" * 16,
        "saved_at": 1.0, "parent": [1, 1], "findings": [{"reason": "nan", "tensor": "w", "evidence": "1"}],
        "signature": "s", "files": ["w"], "root": "r", "counter": "c", "versions": None, "point": None,
    }  # fmt: skip
    put(root, "spool-entry", json.dumps(push).encode())
    memory = {
        "born": 1, "heights": {"1": 8}, "newest": {"1": [20, 1.5]}, "signatures": ["s"], "reserved": {"s": [1, 2]},
    }  # fmt: skip
    put(root, "spool-memory", json.dumps(memory).encode())
    notes = root / "notes"
    kept = KeptProgress(notes)
    kept.note(PackRef(digest="ab" * 32, size_bytes=100), [Block("cd" * 32, 90, 0, 24, 80, "raw")])
    put(root, "push-progress", notes.read_bytes())
    put(root, "scrub-place", b'{"after":"packs/aa","round":1,"began_at":1.0,"damaged":{"packs/bb":"why"}}')
    put(root, "head-memory", json.dumps({"gpt": {"n": 3, "digest": "ab" * 32}}).encode())
    put(root, "seen", b"[2,17]")
    word = Word(outcome="acknowledged", workload="gpt", step=10, commit="1.1", by=("near",))
    put(root, "word", word.model_dump_json().encode())
    put(root, "store-url", b"bucket/prefix?region=eu-1&endpoint=http://127.0.0.1:9000")


def _neighbours(root: Path) -> None:
    """What clouds, trackers and trainers write."""
    put(root, "aws-notice", b'{"action":"terminate","time":"2026-01-01T00:00:00Z","noticeTime":"2026-01-01T00:00:00Z"}')
    event = {
        "EventId": "1", "EventType": "Preempt", "ResourceType": "VirtualMachine", "Resources": [],
        "EventStatus": "Scheduled", "NotBefore": "Mon, 19 Sep 2016 18:29:47 GMT",
    }  # fmt: skip
    put(root, "azure-notice", json.dumps({"DocumentIncarnation": 1, "Events": [event]}).encode())
    put(root, "dvc-file", b"outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  path: data.csv\n  hash: md5\n")
    put(root, "mlflow-meta", b"name: m\nrun_id: '00000000000000000000000000000000'\nversion: 3\n")
    included = {"included": True, "why": "w"}
    kit = {
        "kit": 1, "environment": "e", "environment_id": "i", "site": "east", "assignment": 1, "made_at": 1.0,
        "drstack": "1", "root": "r", "engine": included, "training": included, "keys": included,
        "platform": {"system": "Linux", "machine": "x86_64", "implementation": "cp", "python": "3.11"},
        "sources": {"environment": "e.yaml"}, "files": {"a": {"size": 1, "sha256": "ab" * 32}},
    }  # fmt: skip
    put(root, "kit-manifest", json.dumps(kit).encode())
    code = {"commit": "ab" * 20, "branch": "main", "dirty": False}
    put(root, "versions", json.dumps({"by": "watch", "at": 1.0, "code": code, "unknown": {"data": "none"}}).encode())
    start = {"event": "start", "attempt": "a", "resumed_step": None, "exact": None, "world": 1, "versions": {"t": "1"}}
    step = {"event": "step", "step": 1, "loss_hex": (0.5).hex(), "loss": 0.5}
    put(root, "losses", json.dumps(start).encode() + b"\n" + json.dumps(step).encode() + b"\n")
