"""Every parser of bytes that somebody else may have written, and what it may raise. Nothing here imports torch."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.spec.faults import EnvironmentInvalid
from drstack.spec.loader import parse_environment
from replicator.errors import ReplicatorError
from replicator.formats import parse
from replicator.formats.dcp_metadata import decode_metadata
from replicator.formats.errors import FormatError
from replicator.formats.pickle_reader import read_pickle
from replicator.formats.safetensors import read_header
from replicator.formats.source import Source
from replicator.formats.tensors import byte_length
from replicator.formats.torch_archive import DIRECTORY_BUDGET_BYTES, find_tensor
from replicator.log.entries import from_record
from replicator.log.notary import UNSIGNED
from replicator.log.records import decode as decode_record
from replicator.repository.cipher import PLAIN
from replicator.repository.format import read_format
from replicator.repository.manifest import decode as decode_manifest
from replicator.repository.ship import Push, _read_part  # pyright: ignore[reportPrivateUsage]
from tests.replicator.fuzz.state_targets import STATE_TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class OneObject:
    """A plain repository whose store answers every key with the same bytes."""

    url = "fuzz:"
    notary = UNSIGNED
    cipher = PLAIN

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.store = self

    def get(self, _: str) -> bytes:
        return self.body


@contextmanager
def opened(body: bytes) -> Generator[Source]:
    fd = os.memfd_create("fuzz")
    try:
        os.write(fd, body)
        yield Source(fd, "fuzz", len(body))
    finally:
        os.close(fd)


def safetensors_header(body: bytes, _: Path) -> None:
    with opened(body) as source:
        header = read_header(source)
    for entry in header.entries:
        assert 0 <= entry.begin <= entry.end <= header.total_bytes


def torch_item(body: bytes, _: Path) -> None:
    with opened(body) as source:
        found = find_tensor(source.window(0, len(body), budget_bytes=DIRECTORY_BUDGET_BYTES))
        assert found.length == byte_length(found.dtype, found.shape)
        source.read(found.offset, found.length)


def pickle(body: bytes, _: Path) -> None:
    read_pickle(body, lambda _: True)


def dcp_metadata(body: bytes, _: Path) -> None:
    for item in decode_metadata(body).items:
        assert item.offset >= 0
        assert item.length >= 0


def folder_of(name: str) -> Callable[[bytes, Path], None]:
    """The file as a checkpoint of its own: `parse` raises nothing, and no two ranges share a byte."""

    def check(body: bytes, folder: Path) -> None:
        (folder / name).write_bytes(body)
        parsed = parse(folder, [name])
        end = 0
        ranges = [(t.offset, t.length) for t in parsed.tensors] + [(o.offset, o.length) for o in parsed.objects]
        for offset, length in sorted(each for each in ranges if each[1]):
            assert offset >= end, "two ranges share a byte"
            end = offset + length
            assert end <= len(body), "a range ends past its file"
        json.dumps(parsed.notes, ensure_ascii=False).encode("utf-8", "surrogateescape")

    return check


def manifest(body: bytes, _: Path) -> None:
    decode_manifest(body, "fuzz")


def manifest_text(body: bytes, _: Path) -> None:
    import zstandard

    decode_manifest(zstandard.ZstdCompressor(level=1).compress(body), "fuzz")


def record(body: bytes, _: Path) -> None:
    from_record(decode_record(body, "log/gpt", 3), "log/gpt")


def payload(body: bytes, _: Path) -> None:
    """A record whose envelope is sound."""
    from base64 import b64encode

    from replicator.log.records import PAYLOAD_TYPE

    outer = {"payloadType": PAYLOAD_TYPE, "payload": b64encode(body).decode(), "signatures": []}
    record(json.dumps(outer).encode(), Path())


def part(body: bytes, _: Path) -> None:
    push = Push("gpt", "step-10", 1, 1, 10, "1.1", b"s" * 16, 1.0)
    _read_part(push, OneObject(body), 0)  # pyright: ignore[reportArgumentType]


def format_file(body: bytes, _: Path) -> None:
    read_format(OneObject(body))  # pyright: ignore[reportArgumentType]


def environment(body: bytes, _: Path) -> None:
    parse_environment(body, Path("fuzz.yaml"))


TARGETS: dict[str, tuple[Callable[[bytes, Path], None], type[Exception] | tuple[type[Exception], ...]]] = {
    "safetensors": (safetensors_header, FormatError),
    "safetensors-file": (folder_of("model.safetensors"), FormatError),
    "torch-item": (torch_item, FormatError),
    "torch-file": (folder_of("model.pt"), FormatError),
    "pickle": (pickle, FormatError),
    "dcp-metadata": (dcp_metadata, FormatError),
    "index": (folder_of("model.safetensors.index.json"), FormatError),
    "manifest": (manifest, ReplicatorError),
    "manifest-text": (manifest_text, ReplicatorError),
    "record": (record, ReplicatorError),
    "payload": (payload, ReplicatorError),
    "part": (part, ReplicatorError),
    "format": (format_file, ReplicatorError),
    "environment": (environment, EnvironmentInvalid),
    **STATE_TARGETS,
}
