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
from collections.abc import Iterator
from functools import partial
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
    "commit": "writer", "open": "promoter", "seal": "promoter", "pin": "promoter keeper", "unpin": "promoter keeper",
    "drop": "keeper", "compact": "keeper", "upgrade": "promoter keeper", "receipt": "verifier",
    "anchor": "keeper verifier",
}  # fmt: skip
LEVEL = 1
ID, REF, FILE = "term height", "digest size_bytes", "path mode mtime_ns size_bytes digest blocks hard_link"
FIELDS = {
    "open:": "term writer acknowledge heads counters assignment", "seal:": "term reason operation",
    "commit:": "term what where signatures again", "pin:": "term name commit reason", "unpin:": "term name reason",
    "drop:": "term commits bytes_after reason", "compact:": "term commit where bytes_after reason",
    "upgrade:": "term reader writer release reason", "commit": ID, "commits": ID, "parent": ID, "base": ID,
    "what": "workload name term height step attempt root size_bytes files saved_at parent counter findings beside "
    "versions point", "where": "manifest packs base shipped_bytes keys", "manifest": REF, "packs": REF,
    "signatures": "keyid sig", "findings": "reason tensor evidence", "point": "made reason paused_s participants",
    "participants": "name kind ok told facts", "run": "first counter", "anchor:": "slot digest term height",
    "versions": "by commit dirty data model lock container torch cuda driver gpu gpus world dtype",
    "manifest:": "format push files blocks packs tensors notes encryption links folders chunker beside",
    "files": FILE, "beside": FILE, "links": "path target", "folders": "path mode mtime_ns",
    "tensors": "name file offset length dtype shape global_shape offsets digest nan_count inf_count zero_fraction "
    "sum_squares", "encryption": "suite key workload block_key packs",
    "chunker": "name min_bytes average_bytes max_bytes",
}  # fmt: skip
"""What may be there, in a body (with a colon) and in what it holds; `assignment`, `heads`, `facts` hold what they like."""
unbase = partial(base64.b64decode, validate=True)


def digest(body: bytes) -> str:
    return blake3(body).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def once(pairs: list[tuple[str, object]]) -> dict:
    assert len(dict(pairs)) == len(pairs), "a field is there twice"
    return dict(pairs)


def parse(body: bytes) -> dict:
    """UTF-8 without a mark, no field twice, neither NaN nor Infinity."""
    return json.loads(body.decode(), object_pairs_hook=once, parse_constant={}.__getitem__)


def require_known(name: str, value: object) -> None:
    """Nothing is passed over that only a newer program knows."""
    if isinstance(value, list):
        for each in value:
            require_known(name, each)
    elif isinstance(value, dict) and name not in ("assignment", "heads", "facts"):
        if name not in FIELDS or not set(value) <= {*FIELDS[name].split()}:
            raise SystemExit(f"a newer version may have written it: {name} with {', '.join(value)}")
        for key, inner in value.items():
            require_known("run" if key == "counters" else key, [*inner.values()] if key == "counters" else inner)


def derive(secret: bytes, salt: bytes, label: str, length: int = 32) -> bytes:
    return HKDF(hashes.SHA512(), length, salt or None, f"{SUITE} {label}".encode()).derive(secret)


def pae(kind: str, payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


class Repository:
    """Encrypted and signed where there is a folder of `keys`: the trust file, and the private key of `recipient`."""

    def __init__(self, path: Path, keys: Path | None = None, recipient: str = "") -> None:
        self.path, self.recipient, self.secrets = path, recipient, {}
        self.trust = parse((keys / "trust.json").read_bytes()) if keys else None
        form = parse((path / "format.json").read_bytes())
        suite = SUITE if self.trust else "none"
        assert (form["format"], form["suites"]) == (1, {"crypto": suite, "signature": suite, "digest": "blake3"})
        self.id = form["repository"]
        if keys:
            private = parse((keys / f"{recipient}.key").read_bytes())
            assert (self.trust["version"], self.trust["suite"], private["protection"]) == (1, SUITE, {"kind": "none"})
            assert self.id in {each["id"] for each in self.trust["repositories"]}
            self.seed = unbase(private["secret"])
            self.bound = {"suite": SUITE, "environment": self.trust["scope"]}

    def signer(self, message: bytes, signatures: list[dict]) -> dict:
        """The key of the trust file that made both signatures."""
        found = {each["keyid"].rpartition("#")[2]: unbase(each["sig"]) for each in signatures}
        (name,) = {each["keyid"].rpartition("#")[0] for each in signatures}
        assert set(found) == {"ed25519", "ml-dsa-65"}
        (key,) = [each for each in self.trust["keys"] if each["name"] == name]
        public = {name: unbase(half) for name, half in key["public"].items()}
        Ed25519PublicKey.from_public_bytes(public["ed25519"]).verify(found["ed25519"], message)
        MLDSA65PublicKey.from_public_bytes(public["ml-dsa-65"]).verify(found["ml-dsa-65"], message, SUITE.encode())
        return key

    def envelope(self, body: bytes) -> dict:
        outer = parse(body)
        assert outer["payloadType"] == RECORD
        raw = unbase(outer["payload"])
        payload = parse(raw)
        if not self.trust:
            assert outer["signatures"] == []
            return {**payload, "signer": None, "revoked": False, "vouches": None}
        key = self.signer(pae(RECORD, raw), outer["signatures"])
        assert {**payload, **self.bound, "repository": self.id} == payload
        kind, said, vouches = payload["kind"], payload["body"], None
        through = (key["revoked"] or {}).get("through", {}).get(f"{self.id}/{payload['log']}", 0)
        revoked = bool(key["revoked"]) and payload["n"] > through
        assert not revoked or kind == "anchor", "its key was revoked before it"
        roles = {*ROLES[kind].split()}
        if kind == "open" and said["term"] == 1 and said["assignment"] is None:
            roles.add("writer")
        if kind == "commit":
            roles |= {"promoter"} if said["what"]["term"] < said["term"] else set()
            vouches = self.signer(pae(WHAT, canonical({**self.bound, "what": said["what"]})), said["signatures"])
            assert "writer" in vouches["roles"]
        assert roles & set(key["roles"])
        return {**payload, "signer": key, "revoked": revoked, "vouches": vouches}

    def secret(self, key: str) -> bytes:
        """A key-encryption key, unwrapped."""
        if key not in self.secrets:
            kem = MLKEM768PrivateKey.from_seed_bytes(derive(self.seed, b"", "ml-kem-768", 64))
            ecdh = X25519PrivateKey.from_private_bytes(derive(self.seed, b"", "x25519"))
            info = {**self.bound, "key": key, "recipient": self.recipient}
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
            head = parse(body[12:start])
            assert {**head, **self.bound} == head
            key = derive(self.secret(head["key"]), bytes.fromhex(head["salt"]), "manifest")
            body = AESGCM(key).decrypt(bytes(12), body[start:], body[:start])
        found = parse(zstandard.ZstdDecompressor().decompress(body))
        require_known("manifest:", found)
        assert found["format"] == 1
        return found

    def block(self, manifest: dict, index: int, packs: list[bytes]) -> bytes:
        name, size, pack, offset, length, coder = manifest["blocks"][index]
        body = packs[pack][offset : offset + length]
        if self.trust:
            told = manifest["encryption"]
            key, salt = told["packs"][pack]
            context = {"workload": told["workload"], "block": name, "coder": coder, "size_bytes": size}
            opened = AESGCM(derive(self.secret(key), bytes.fromhex(salt), "pack"))
            body = opened.decrypt(offset.to_bytes(12, "big"), body, canonical({**self.bound, **context}))
        if coder == "zstd":
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
        assert (coder in ("zstd", "raw"), len(body)) == (True, size)
        plain = blake3(body).digest()
        if self.trust:
            plain = blake3(plain, key=bytes.fromhex(manifest["encryption"]["block_key"])).digest()
        assert plain.hex() == name
        return body


def records(repository: Repository, log: str, folder: Path) -> Iterator[tuple[dict, str]]:
    """Each record and its digest; a broken link, or one of another log, ends in an error, never in a shorter log."""
    previous, n = None, 1
    while (path := folder / f"{n:020d}").exists():
        body = path.read_bytes()
        record = repository.envelope(body)
        assert (record["log"], record["n"], record["previous"]) == (log, n, previous)
        previous, n = digest(body), n + 1
        yield record, previous


def entries(repository: Repository, workload: str) -> list[tuple[str, dict]]:
    """(kind, body) of every slot, each signed by a key that the assignment of its term lists, where it lists any."""
    found: list[tuple[str, dict]] = []
    listed = {}
    for record, named in records(repository, f"log/{workload}", repository.path / "log" / workload):
        kind, said, by, vouches = (record[name] for name in ("kind", "body", "signer", "vouches"))
        require_known(f"{kind}:", said)
        if kind == "open":
            keys = ((said["assignment"] or {}).get("workload") or {}).get("keys")
            listed.setdefault(said["term"], keys or [])
        if vouches and (names := listed.get(said["what"]["term"])):
            assert vouches["name"] in names
        if by and kind in ("commit", "drop", "compact") and (names := listed.get(said["term"])):
            copied = kind == "commit" and said["what"]["term"] < said["term"] and "promoter" in by["roles"]
            assert copied or by["name"] in names
        found.append((kind, {**said, "slot": record["n"], "record": named}))
        if kind == "upgrade":
            standing(found)
    return found


def require_anchored(repository: Repository, workload: str, heads: Path) -> None:
    """The log holds the record that the last anchor names; anchors never go back."""
    last, log = {"slot": 0}, f"{heads.parent.parent.name}/heads/{heads.name}/{workload}/{repository.id}"
    for record, _ in records(repository, log, heads / workload / repository.id):
        assert record["kind"] == "anchor"
        if not record["revoked"]:
            require_known("anchor:", record["body"])
            assert record["body"]["slot"] > last["slot"]
            last = record["body"]
    held = repository.path / "log" / workload / f"{last['slot']:020d}"
    if last["slot"] and not (held.exists() and digest(held.read_bytes()) == last["digest"]):
        raise SystemExit(f"rolled back: slot {last['slot']} of {workload} is not what is anchored")


def key(identity: dict) -> tuple[int, int]:
    return identity["term"], identity["height"]


def voids(opening: dict, what: dict) -> bool:
    """Whether an open voids a commit of an earlier term: above the head, or counted by another than its run says."""
    term, height = str(what["term"]), what["height"]
    runs = [run for run in opening.get("counters", {}).get(term, []) if run["first"] <= height]
    another = bool(runs) and runs[-1]["counter"] != what.get("counter", what["root"])
    return another or height > opening["heads"].get(term, 0)


def standing(log: list[tuple[str, dict]]) -> dict[tuple[int, int], dict]:
    """Commits that stand, by (term, height): the nine rules of the page."""
    opened = sealed = 0
    judged, named = False, set()
    opening, stand, dropped, taken, pins = {}, {}, {}, {}, {}
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
        elif kind == "upgrade":
            if body["reader"] > LEVEL:
                raise SystemExit(f"it takes level {body['reader']} to read on: use {body['release']} or newer")
        elif kind == "commit":
            base = body["where"]["base"]
            identity = key(body["what"])
            again = body.get("again")
            judged = judged or again is not None
            known = identity in dropped if again is None else taken.get(identity) != again or identity not in dropped
            fresh = identity not in stand and not known and identity[0] <= term
            fresh = fresh and not (judged and let_go(body["where"], named, stand))
            fresh = fresh and not (identity[0] < term and voids(opening, body["what"]))
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
    opens = [body for kind, body in reversed(log) if kind == "open"]  # the first of each term counts
    began = {body["term"]: ((body["assignment"] or {}).get("workload") or {}).get("head") for body in opens}
    upper = max(began, default=0)
    while (head := began.get(upper)) is not None and head["term"] < upper:
        if head["term"] < identity[0] < upper or (identity[0] == head["term"] and identity > key(head)):
            return True
        upper = head["term"]
    return False


def suspect(repository: Repository, workload: str, commit: dict) -> bool:
    """People's last word about the commit's record, else whether it has findings."""
    log = f"receipts/{workload}/{commit['slot']:020d}/admission/people"
    words = [word["body"] for word, _ in records(repository, log, repository.path / log) if word["kind"] == "receipt"]
    words = [word for word in words if word["record"] == commit["record"]]
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
    names = [row[0] for row in rows] + [file["hard_link"] for file in manifest["files"] if file.get("hard_link")]
    assert not any({"", "..", "."} & set(name.split("/")) for name in names), "a path that leaves the checkpoint"
    assert digest(canonical(sorted(rows, key=lambda row: row[0]))) == commit["what"]["root"]
    kept = sorted(listed(manifest.get("beside", [])))
    assert commit["what"].get("beside") == (digest(canonical(kept)) if kept else None)
    packs = [repository.stored("packs", pack["digest"]) for pack in manifest["packs"]]
    for file in manifest["files"]:
        body = b"".join(repository.block(manifest, index, packs) for index in file["blocks"])
        assert digest(body) == file["digest"]
        path = target / on_disk(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(target / on_disk(file["hard_link"]), path) if file.get("hard_link") else path.write_bytes(body)
    for each in manifest.get("folders", []):
        (target / on_disk(each["path"])).mkdir(parents=True)
    for each in [*manifest["files"], *manifest.get("folders", [])]:
        (target / on_disk(each["path"])).chmod(each["mode"])
        os.utime(target / on_disk(each["path"]), ns=(each["mtime_ns"], each["mtime_ns"]))
    for each in manifest.get("links", []):
        path = target / on_disk(each["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(on_disk(each["target"]))
        assert path.resolve().is_relative_to(target.resolve())
    return commit["what"]


def on_disk(name: str) -> str:
    """A NUL and two hex digits are a byte that is not UTF-8."""
    first, *rest = name.split("\0")
    return os.fsdecode(first.encode() + b"".join(bytes([int(each[:2], 16)]) + each[2:].encode() for each in rest))


if __name__ == "__main__":
    where, name, to, *more = sys.argv[1:]
    heads = Path(more.pop()) if len(more) % 2 else None
    there = Repository(Path(where), Path(more[0]), more[1]) if more else Repository(Path(where))
    if heads is not None:
        require_anchored(there, name, heads)
    print(restore(there, name, Path(to))["step"])
