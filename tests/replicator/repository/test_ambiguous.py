"""JSON that two readers could take in different ways is read by none: a field that is there twice, a number that is none."""

from __future__ import annotations

import json

import pytest
import zstandard

from replicator.errors import DataCorrupt
from replicator.repository import manifest as manifests

DIGEST = "0" * 64
FILE = {"path": "a", "mode": 420, "mtime_ns": 1, "size_bytes": 1, "digest": DIGEST, "blocks": [0]}
TENSOR = {
    "name": "w", "file": "a", "offset": 0, "length": 1, "dtype": "uint8", "shape": [1], "digest": DIGEST,
    "nan_count": 0, "inf_count": 0, "zero_fraction": 0.5, "sum_squares": 1.0,
}  # fmt: skip
MANIFEST = {
    "push": "00",
    "files": [FILE],
    "blocks": [[DIGEST, 1, 0, 0, 1, "raw"]],
    "packs": [{"digest": DIGEST, "size_bytes": 1}],
    "tensors": [TENSOR],
    "links": [{"path": "b", "target": "a"}],
    "folders": [{"path": "c", "mode": 493, "mtime_ns": 1}],
    "chunker": {"name": "fastcdc", "min_bytes": 1, "average_bytes": 2, "max_bytes": 3},
}
TEXT = json.dumps(MANIFEST, separators=(",", ":"))
TWICE = [
    ('{"push":"00"', '{"push":"11","push":"00"'),
    ('"mode":420', '"mode":438,"mode":420'),
    ('"nan_count":0', '"nan_count":7,"nan_count":0'),
    ('"size_bytes":1}]', '"size_bytes":9,"size_bytes":1}]'),
    ('"target":"a"', '"target":"z","target":"a"'),
    ('"mode":493', '"mode":511,"mode":493'),
    ('"min_bytes":1', '"min_bytes":9,"min_bytes":1'),
]


def read(text: str) -> manifests.Manifest:
    return manifests.decode(zstandard.ZstdCompressor().compress(text.encode()), "m")


@pytest.mark.parametrize("text", [TEXT, json.dumps(MANIFEST), json.dumps(MANIFEST, indent=2)])
def test_what_every_reader_takes_alike_is_read(text):
    assert read(text).files[0].path == "a"


@pytest.mark.parametrize("path", ['a":b', "a\\", 'a\\":', " a", '"', "é"])
def test_a_path_may_look_like_the_end_of_a_field(path):
    text = json.dumps(MANIFEST | {"files": [FILE | {"path": path}], "tensors": [TENSOR | {"file": path}], "links": []})
    assert read(text).files[0].path == path


@pytest.mark.parametrize(("once", "twice"), TWICE)
def test_a_field_that_is_there_twice_makes_a_manifest_unreadable(once, twice):
    assert TEXT.count(once) == 1
    with pytest.raises(DataCorrupt, match="is there twice"):
        read(TEXT.replace(once, twice))


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\r"])
@pytest.mark.parametrize(("once", "twice"), TWICE)
def test_a_blank_before_another_colon_does_not_hide_it(once, twice, blank):
    text = TEXT.replace(once, twice).replace('"zero_fraction":', f'"zero_fraction"{blank}:')
    with pytest.raises(DataCorrupt, match="is there twice"):
        read(text)


def test_a_missing_optional_field_does_not_hide_it():
    text = TEXT.replace('"mode":420', '"mode":438,"mode":420')
    text = text[: text.index(',"links"')] + "}"
    with pytest.raises(DataCorrupt, match="mode is there twice"):
        read(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_makes_a_manifest_unreadable(number):
    for field in ('"zero_fraction":0.5', '"sum_squares":1.0'):
        with pytest.raises(DataCorrupt):
            read(TEXT.replace(field, field.split(":")[0] + ":" + number))
