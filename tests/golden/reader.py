"""A second reader, written from docs/format.md alone: it imports nothing of the replicator.

    python tests/golden/reader.py REPOSITORY WORKLOAD FOLDER

Restores the newest checkpoint that stands and is not suspect.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import zstandard
from blake3 import blake3


def digest(body: bytes) -> str:
    return blake3(body).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def envelope(body: bytes) -> dict:
    outer = json.loads(body)
    assert outer["payloadType"] == "application/vnd.drstack.record+json"
    assert outer["signatures"] == []
    return json.loads(base64.b64decode(outer["payload"]))


def entries(repository: Path, workload: str) -> list[tuple[str, dict]]:
    """(kind, body) of every slot; a broken link or a gap ends in an error, never in a shorter log."""
    found, previous, n = [], None, 1
    while (path := repository / "log" / workload / f"{n:020d}").exists():
        body = path.read_bytes()
        record = envelope(body)
        assert (record["log"], record["n"], record["previous"]) == (f"log/{workload}", n, previous)
        found.append((record["kind"], record["body"]))
        previous, n = digest(body), n + 1
    return found


def key(identity: dict) -> tuple[int, int]:
    return identity["term"], identity["height"]


def voids(opening: dict, what: dict) -> bool:
    """Whether an open voids a commit of an earlier term: above the head, or counted by another than its run says."""
    term, height = str(what["term"]), what["height"]
    if height > opening["heads"].get(term, 0):
        return True
    runs = [run for run in opening.get("counters", {}).get(term, []) if run["first"] <= height]
    return bool(runs) and runs[-1]["counter"] != what.get("counter", what["root"])


def standing(log: list[tuple[str, dict]]) -> dict[tuple[int, int], dict]:
    """Commits that stand, by (term, height): the six rules of the page."""
    opened = sealed = 0
    opening: dict = {}
    stand: dict[tuple[int, int], dict] = {}
    dropped: dict[tuple[int, int], dict] = {}
    pins: dict[str, tuple[int, int]] = {}
    for kind, body in log:
        term = body["term"]
        if kind == "seal":
            sealed = max(sealed, term)
        elif term <= sealed:
            continue
        elif kind == "open":
            if term > opened:
                opened, opening = term, body
                stand = {k: c for k, c in stand.items() if not voids(opening, c["what"])}
                dropped = {k: c for k, c in dropped.items() if not voids(opening, c["what"])}
        elif term != opened:
            continue
        elif kind == "commit":
            base = body["where"]["base"]
            identity = key(body["what"])
            fresh = identity not in stand and identity not in dropped and identity[0] <= term
            if identity[0] < term and voids(opening, body["what"]):
                continue
            if fresh and (base is None or key(base) in stand):
                stand[identity] = body
        elif kind == "pin" and key(body["commit"]) in stand:
            pins[body["name"]] = key(body["commit"])
        elif kind == "unpin":
            pins.pop(body["name"], None)
        elif kind == "drop" and not {key(c) for c in body["commits"]} & set(pins.values()):
            for each in body["commits"]:
                if (gone := stand.pop(key(each), None)) is not None:
                    dropped[key(each)] = gone
        elif kind == "compact" and key(body["commit"]) in stand:
            stand[key(body["commit"])] = {**stand[key(body["commit"])], "where": body["where"]}
    return stand


def stored(repository: Path, folder: str, name: str) -> bytes:
    body = (repository / folder / name[:2] / name).read_bytes()
    assert digest(body) == name
    return body


def restore(repository: Path, workload: str, target: Path) -> dict:
    """Write the newest sound checkpoint's files to `target`; returns what the commit says of it."""
    form = json.loads((repository / "format.json").read_bytes())
    assert form["format"] == 1
    assert form["suites"] == {"crypto": "none", "signature": "none", "digest": "blake3"}
    sound = {k: c for k, c in standing(entries(repository, workload)).items() if not c["what"]["findings"]}
    commit = sound[max(sound)]
    packed = stored(repository, "manifests", commit["where"]["manifest"]["digest"])
    manifest = json.loads(zstandard.ZstdDecompressor().decompress(packed))
    rows = sorted([f["path"], f["mode"], f["mtime_ns"], f["size_bytes"], f["digest"]] for f in manifest["files"])
    assert digest(canonical(rows)) == commit["what"]["root"]
    kept = sorted(
        [f["path"], f["mode"], f["mtime_ns"], f["size_bytes"], f["digest"]] for f in manifest.get("beside", [])
    )
    assert commit["what"].get("beside") == (digest(canonical(kept)) if kept else None)
    packs = [stored(repository, "packs", pack["digest"]) for pack in manifest["packs"]]
    for file in manifest["files"]:
        body = b"".join(block(manifest["blocks"][index], packs) for index in file["blocks"])
        assert digest(body) == file["digest"]
        path = target / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        path.chmod(file["mode"])
        os.utime(path, ns=(file["mtime_ns"], file["mtime_ns"]))
    return commit["what"]


def block(row: list, packs: list[bytes]) -> bytes:
    name, size, pack, offset, length, coder = row
    body = packs[pack][offset : offset + length]
    if coder == "zstd":
        body = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    else:
        assert coder == "raw"
    assert len(body) == size
    assert digest(body) == name
    return body


if __name__ == "__main__":
    print(restore(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))["step"])
