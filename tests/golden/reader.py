"""A second reader, written from docs/format.md alone: it imports nothing of the replicator.

    python tests/golden/reader.py REPOSITORY WORKLOAD FOLDER [KEYS RECIPIENT] [WITNESS/ENVIRONMENT/heads/SITE]

Restores the newest checkpoint that stands and is not suspect; from an encrypted repository with the private key of a
recipient, by the word of a trust file. With a witness, only if the log reaches as far as its anchor says.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RECORD = "application/vnd.drstack.record+json"
WHAT = "application/vnd.drstack.what+json"
SUITE = "drstack-hybrid-1"
ROLES = {
    "commit": {"writer"}, "seal": {"promoter"}, "open": {"promoter"}, "pin": {"promoter", "keeper"},
    "unpin": {"promoter", "keeper"}, "drop": {"keeper"}, "compact": {"keeper"},
    "anchor": {"keeper", "verifier"},
}  # fmt: skip


def digest(body: bytes) -> str:
    return blake3(body).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def derive(secret: bytes, salt: bytes, label: str, length: int = 32) -> bytes:
    return HKDF(hashes.SHA512(), length, salt or None, f"{SUITE} {label}".encode()).derive(secret)


def pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


@dataclass
class Repository:
    """`trust` and `seed` are None in one that is plain."""

    path: Path
    trust: dict | None = None
    recipient: str = ""
    seed: bytes = b""
    secrets: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        form = json.loads((self.path / "format.json").read_bytes())
        assert form["format"] == 1
        assert form["suites"]["digest"] == "blake3"
        suite = SUITE if self.trust else "none"
        assert (form["suites"]["crypto"], form["suites"]["signature"]) == (suite, suite)
        self.id = form["repository"]
        if self.trust:
            assert self.trust["suite"] == SUITE
            assert self.id in {each["id"] for each in self.trust["repositories"]}

    def signer(self, message: bytes, signatures: list[dict]) -> dict:
        """The key of the trust file that made both signatures."""
        found = {each["keyid"].rpartition("#")[2]: base64.b64decode(each["sig"]) for each in signatures}
        (name,) = {each["keyid"].rpartition("#")[0] for each in signatures}
        assert set(found) == {"ed25519", "ml-dsa-65"}
        (key,) = [each for each in self.trust["keys"] if each["name"] == name]
        public = {name: base64.b64decode(half) for name, half in key["public"].items()}
        Ed25519PublicKey.from_public_bytes(public["ed25519"]).verify(found["ed25519"], message)
        MLDSA65PublicKey.from_public_bytes(public["ml-dsa-65"]).verify(found["ml-dsa-65"], message, SUITE.encode())
        return key

    def envelope(self, body: bytes) -> dict:
        outer = json.loads(body)
        assert outer["payloadType"] == RECORD
        raw = base64.b64decode(outer["payload"])
        payload = json.loads(raw)
        if not self.trust:
            assert outer["signatures"] == []
            return payload
        key = self.signer(pae(RECORD, raw), outer["signatures"])
        assert (payload["suite"], payload["environment"]) == (SUITE, self.trust["scope"])
        assert payload["repository"] == self.id
        if key["revoked"]:
            assert payload["n"] <= key["revoked"]["through"].get(f"{self.id}/{payload['log']}", 0)
        kind, said = payload["kind"], payload["body"]
        roles = set(ROLES[kind])
        if kind == "open" and said["term"] == 1 and said["assignment"] is None:
            roles.add("writer")
        if kind == "commit":
            roles |= {"promoter"} if said["what"]["term"] < said["term"] else set()
            told = {"suite": SUITE, "environment": self.trust["scope"], "what": said["what"]}
            assert "writer" in self.signer(pae(WHAT, canonical(told)), said["signatures"])["roles"]
        assert roles & set(key["roles"])
        return {**payload, "signer": key["name"], "promotes": "promoter" in key["roles"]}

    def secret(self, key: str) -> bytes:
        """A key-encryption key, unwrapped."""
        if key not in self.secrets:
            kem = MLKEM768PrivateKey.from_seed_bytes(derive(self.seed, b"", "ml-kem-768", 64))
            ecdh = X25519PrivateKey.from_private_bytes(derive(self.seed, b"", "x25519"))
            info = {"suite": SUITE, "environment": self.trust["scope"], "key": key, "recipient": self.recipient}
            suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
            wrapped = (self.path / "keys" / key / self.recipient).read_bytes()
            secret = suite.decrypt(wrapped, hpke.MLKEM768X25519PrivateKey(kem, ecdh), canonical(info))
            assert derive(secret, b"", "key id")[:16].hex() == key
            self.secrets[key] = secret
        return self.secrets[key]

    def stored(self, folder: str, name: str) -> bytes:
        body = (self.path / folder / name[:2] / name).read_bytes()
        assert digest(body) == name
        return body

    def manifest(self, name: str) -> dict:
        body = self.stored("manifests", name)
        if self.trust:
            assert body[:8] == b"DRMANI2\n"
            start = 12 + int.from_bytes(body[8:12], "big")
            head = json.loads(body[12:start])
            assert (head["suite"], head["environment"]) == (SUITE, self.trust["scope"])
            key = derive(self.secret(head["key"]), bytes.fromhex(head["salt"]), "manifest")
            body = AESGCM(key).decrypt(bytes(12), body[start:], body[:start])
        return json.loads(zstandard.ZstdDecompressor().decompress(body))

    def block(self, manifest: dict, index: int, packs: list[bytes]) -> bytes:
        name, size, pack, offset, length, coder = manifest["blocks"][index]
        body = packs[pack][offset : offset + length]
        if self.trust:
            told = manifest["encryption"]
            key, salt = told["packs"][pack]
            context = {
                "suite": SUITE, "environment": self.trust["scope"], "workload": told["workload"], "block": name,
                "coder": coder, "size_bytes": size,
            }  # fmt: skip
            opened = AESGCM(derive(self.secret(key), bytes.fromhex(salt), "pack"))
            body = opened.decrypt(offset.to_bytes(12, "big"), body, canonical(context))
        if coder == "zstd":
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
        else:
            assert coder == "raw"
        assert len(body) == size
        plain = blake3(body).digest()
        if self.trust:
            plain = blake3(plain, key=bytes.fromhex(manifest["encryption"]["block_key"])).digest()
        assert plain.hex() == name
        return body


def entries(repository: Repository, workload: str) -> list[tuple[str, dict]]:
    """(kind, body) of every slot; a broken link or a gap ends in an error, never in a shorter log."""
    found, previous, n, listed = [], None, 1, {}
    while (path := repository.path / "log" / workload / f"{n:020d}").exists():
        body = path.read_bytes()
        record = repository.envelope(body)
        assert (record["log"], record["n"], record["previous"]) == (f"log/{workload}", n, previous)
        kind, said = record["kind"], record["body"]
        if kind == "open":
            keys = ((said["assignment"] or {}).get("workload") or {}).get("keys")
            listed.setdefault(said["term"], keys or [])
        if kind in ("commit", "drop", "compact") and listed.get(said["term"]) and "signer" in record:
            copied = kind == "commit" and said["what"]["term"] < said["term"] and record["promotes"]
            assert copied or record["signer"] in listed[said["term"]]
        found.append((kind, {**said, "slot": n, "record": digest(body)}))
        previous, n = digest(body), n + 1
    return found


def require_anchored(repository: Repository, workload: str, heads: Path) -> None:
    """The log holds the record that the last anchor names; anchors never go back."""
    slot, previous, n = 0, None, 1
    while (path := heads / workload / repository.id / f"{n:020d}").exists():
        record = repository.envelope(path.read_bytes())
        log = f"{heads.parent.parent.name}/heads/{heads.name}/{workload}/{repository.id}"
        assert (record["log"], record["n"], record["previous"], record["kind"]) == (log, n, previous, "anchor")
        said = record["body"]
        assert said["slot"] > slot
        slot, previous, n = said["slot"], digest(path.read_bytes()), n + 1
    held = repository.path / "log" / workload / f"{slot:020d}"
    if slot and not (held.exists() and digest(held.read_bytes()) == said["digest"]):
        raise SystemExit(f"rolled back: slot {slot} of {workload} is not what is anchored")


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
    named: set[str] = set()
    judged = False
    taken: dict[tuple[int, int], int] = {}
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
            again = body.get("again")
            judged = judged or again is not None
            known = identity in dropped if again is None else taken.get(identity) != again or identity not in dropped
            fresh = identity not in stand and not known and identity[0] <= term
            fresh = fresh and not (judged and let_go(body["where"], named, stand))
            if identity[0] < term and voids(opening, body["what"]):
                continue
            if fresh and (base is None or key(base) in stand):
                stand[identity] = body
                dropped.pop(identity, None)
                named |= needs(body["where"])
        elif kind == "pin" and key(body["commit"]) in stand:
            pins.setdefault(body["name"], key(body["commit"]))
        elif kind == "unpin":
            pins.pop(body["name"], None)
        elif kind == "drop" and not {key(c) for c in body["commits"]} & set(pins.values()):
            for each in body["commits"]:
                if (gone := stand.pop(key(each), None)) is not None:
                    dropped[key(each)], taken[key(each)] = gone, body["slot"]
        elif kind == "compact":
            identity, judged = key(body["commit"]), True
            if identity in stand and identity not in pins.values() and compacts(body["where"], identity, named, stand):
                stand[identity] = {**stand[identity], "where": body["where"]}
                named |= needs(body["where"])
    return stand


def needs(where: dict) -> set[str]:
    return {where["manifest"]["digest"], *(pack["digest"] for pack in where["packs"])}


def let_go(where: dict, named: set[str], stand: dict[tuple[int, int], dict]) -> bool:
    """Whether it needs something that was named once and is needed by nothing that stands."""
    return bool(needs(where) & named - {each for commit in stand.values() for each in needs(commit["where"])})


def compacts(where: dict, identity: tuple[int, int], named: set[str], stand: dict[tuple[int, int], dict]) -> bool:
    base, found = where["base"], not let_go(where, named, stand)
    while base is not None:
        if key(base) not in stand:
            return found and base is not where["base"]
        found = found and key(base) != identity
        base = stand[key(base)]["where"]["base"] if found else None
    return found


def left(log: list[tuple[str, dict]], identity: tuple[int, int]) -> bool:
    """Whether a later term began from an earlier checkpoint than this one, or from another branch."""
    began = {body["term"]: ((body["assignment"] or {}).get("workload") or {}).get("head") for _, body in opens(log)}
    upper = max(began, default=0)
    while (head := began.get(upper)) is not None and head["term"] < upper:
        if head["term"] < identity[0] < upper or (identity[0] == head["term"] and identity > key(head)):
            return True
        upper = head["term"]
    return False


def opens(log: list[tuple[str, dict]]) -> list[tuple[str, dict]]:
    """The first open of each term, lowest term last, so that it is the one that counts."""
    return [entry for entry in reversed(log) if entry[0] == "open"]


def suspect(repository: Repository, workload: str, commit: dict) -> bool:
    """People's last word about the commit's record, else whether it has findings."""
    said = f"{workload}/{commit['slot']:020d}/admission/people"
    words = [repository.envelope(path.read_bytes()) for path in sorted((repository.path / "receipts" / said).glob("*"))]
    words = [word["body"] for word in words if word["body"]["record"] == commit["record"]]
    return not words[-1]["ok"] if words else bool(commit["what"]["findings"])


def listed(files: list[dict]) -> list[list]:
    return [[each["path"], each["mode"], each["mtime_ns"], each["size_bytes"], each["digest"]] for each in files]


def restore(repository: Repository, workload: str, target: Path) -> dict:
    """Write the newest sound checkpoint's files to `target`; returns what the commit says of it."""
    log = entries(repository, workload)
    sound = {k: c for k, c in standing(log).items() if not suspect(repository, workload, c)}
    commit = sound[max(sound, key=lambda identity: (not left(log, identity), identity))]
    manifest = repository.manifest(commit["where"]["manifest"]["digest"])
    rows = listed(manifest["files"])
    rows += [[each["path"], each["target"]] for each in manifest.get("links", [])]
    rows += [[each["path"], each["mode"], each["mtime_ns"]] for each in manifest.get("folders", [])]
    assert digest(canonical(sorted(rows, key=lambda row: row[0]))) == commit["what"]["root"]
    kept = sorted(listed(manifest.get("beside", [])))
    assert commit["what"].get("beside") == (digest(canonical(kept)) if kept else None)
    packs = [repository.stored("packs", pack["digest"]) for pack in manifest["packs"]]
    for file in manifest["files"]:
        body = b"".join(repository.block(manifest, index, packs) for index in file["blocks"])
        assert digest(body) == file["digest"]
        path = target / on_disk(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        path.chmod(file["mode"])
        os.utime(path, ns=(file["mtime_ns"], file["mtime_ns"]))
    for each in manifest.get("folders", []):
        path = target / on_disk(each["path"])
        path.mkdir(parents=True)
        path.chmod(each["mode"])
        os.utime(path, ns=(each["mtime_ns"], each["mtime_ns"]))
    for each in manifest.get("links", []):
        path = target / on_disk(each["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(on_disk(each["target"]))
        assert path.resolve().is_relative_to(target.resolve())
    return commit["what"]


def opened(path: Path, keys: Path | None, recipient: str) -> Repository:
    if keys is None:
        return Repository(path)
    private = json.loads((keys / f"{recipient}.key").read_bytes())
    assert private["protection"] == {"kind": "none"}
    trust = json.loads((keys / "trust.json").read_bytes())
    return Repository(path, trust, recipient, base64.b64decode(private["secret"]))


def on_disk(name: str) -> str:
    """A NUL and two hex digits are a byte that is not UTF-8."""
    first, *rest = name.split("\0")
    return os.fsdecode(first.encode() + b"".join(bytes([int(each[:2], 16)]) + each[2:].encode() for each in rest))


if __name__ == "__main__":
    where, name, to, *more = sys.argv[1:]
    heads = Path(more.pop()) if len(more) % 2 else None
    held = (Path(more[0]), more[1]) if more else (None, "")
    there = opened(Path(where), *held)
    if heads is not None:
        require_anchored(there, name, heads)
    print(restore(there, name, Path(to))["step"])
