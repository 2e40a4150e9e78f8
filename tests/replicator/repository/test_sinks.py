"""Restored bytes past the page cache and through it: the same file either way, with its holes, wherever it begins."""

from __future__ import annotations

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replicator.heap import keep_freed_blocks
from replicator.repository import sinks
from replicator.repository.placing import HOLE_BYTES

HOLE = bytes(3 * HOLE_BYTES)
SHM = Path("/dev/shm")


@pytest.fixture
def beside():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(sinks, "BUFFER_BYTES", 2 * HOLE_BYTES)
    monkeypatch.setattr(sinks, "DIRECT_BYTES", 1)


def pieces_of(body, rng):
    at = 0
    while at < len(body):
        length = rng.choice([1, 7, 4096, 5000, HOLE_BYTES, HOLE_BYTES + 1, 300_000])
        yield body[at : at + length]
        at += length


def written(path, body, kept, beside, rng, kind=None):
    """The file after its first `kept` bytes were there already."""
    path.write_bytes(body[:kept])
    with path.open("r+b") as out:
        os.lseek(out.fileno(), kept, os.SEEK_SET)
        to = sinks.sink(path, out.fileno(), kept, len(body), beside)
        assert kind is None or isinstance(to, kind)
        try:
            for piece in pieces_of(body[kept:], rng):
                to.put(piece)
            to.finish()
        finally:
            to.close()
        os.ftruncate(out.fileno(), len(body))
    return path.read_bytes()


def direct_here(folder):
    probe = folder / "probe"
    probe.write_bytes(b"")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 2 * HOLE_BYTES, 2 * HOLE_BYTES + 1, 1_000_003])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5])
def test_a_file_is_what_was_put_whatever_its_size_and_wherever_it_goes_on(tmp_path, beside, size, share):
    rng = random.Random(size)
    body = rng.randbytes(size)
    kind = sinks.Direct if direct_here(tmp_path) else None
    assert written(tmp_path / "f", body, int(size * share), beside, rng, kind) == body


@pytest.mark.parametrize("kept", [0, 1, HOLE_BYTES + 5])
def test_zeros_are_holes_both_ways(tmp_path, beside, monkeypatch, kept):
    body = random.Random(1).randbytes(HOLE_BYTES) + 4 * HOLE + b"x" * 5000 + HOLE + bytes(3)
    direct = tmp_path / "direct"
    assert written(direct, body, kept, beside, random.Random(2)) == body
    monkeypatch.setattr(sinks, "DIRECT_BYTES", 1 << 40)
    cached = tmp_path / "cached"
    assert written(cached, body, kept, beside, random.Random(2), sinks.Buffered) == body
    assert all(path.stat().st_blocks * 512 < len(body) - 3 * len(HOLE) for path in (direct, cached))


@pytest.mark.skipif(not SHM.is_dir(), reason="no /dev/shm")
def test_a_file_system_that_is_all_cache_takes_it_too(beside):
    path = SHM / f"drstack-sink-{os.getpid()}"
    try:
        body = random.Random(3).randbytes(700_001)
        assert written(path, body, 4097, beside, random.Random(4)) == body
    finally:
        path.unlink()


def test_a_disk_of_another_alignment_is_written_through_the_cache(tmp_path, beside, monkeypatch):
    real = os.pwrite
    refused = []

    def pwrite(descriptor, data, offset):
        if not through(descriptor):
            refused.append(offset)
            raise OSError(errno.EINVAL, "alignment")
        return real(descriptor, data, offset)

    def through(descriptor):
        flags = int(Path(f"/proc/self/fdinfo/{descriptor}").read_text().split("flags:")[1].split()[0], 8)
        return not flags & os.O_DIRECT

    monkeypatch.setattr(os, "pwrite", pwrite)
    body = random.Random(5).randbytes(500_000)
    assert written(tmp_path / "f", body, 0, beside, random.Random(6)) == body
    assert refused or not direct_here(tmp_path)


def test_a_write_that_fails_is_raised_at_the_latest_when_it_is_finished(tmp_path, beside, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if not direct_here(tmp_path):
        pytest.skip("this file system has no direct writes")
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "f", random.Random(7).randbytes(500_000), 0, beside, random.Random(8))


def test_nothing_is_left_open(tmp_path, beside):
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    written(tmp_path / "f", random.Random(9).randbytes(500_000), 10, beside, random.Random(10))
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before


def test_the_c_library_is_told_where_it_is_glibc():
    assert keep_freed_blocks() is ("CS_GNU_LIBC_VERSION" in os.confstr_names)
