"""Element types by torch's names, lower case without `torch.`.

Invariant: a dtype has an entry in `ITEM_BYTES` exactly where one element takes a whole number of bytes and its
meaning is known; every other name is legal to meet in a checkpoint, and its tensor stays opaque.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "bool": 1,
        "uint8": 1,
        "int8": 1,
        "uint16": 2,
        "int16": 2,
        "uint32": 4,
        "int32": 4,
        "uint64": 8,
        "int64": 8,
        "float8_e4m3fn": 1,
        "float8_e4m3fnuz": 1,
        "float8_e5m2": 1,
        "float8_e5m2fnuz": 1,
        "float8_e8m0fnu": 1,
        "float16": 2,
        "bfloat16": 2,
        "float32": 4,
        "float64": 8,
        "complex32": 4,
        "complex64": 8,
        "complex128": 16,
    }
)

FLOATS = frozenset(name for name in ITEM_BYTES if name.startswith(("float", "bfloat", "complex")))

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "float": "float32",
        "double": "float64",
        "half": "float16",
        "short": "int16",
        "int": "int32",
        "long": "int64",
        "chalf": "complex32",
        "cfloat": "complex64",
        "cdouble": "complex128",
    }
)

OPAQUE = frozenset(
    {"bcomplex32", "bit", "float4_e2m1fn_x2", "qint8", "quint8", "qint32", "quint4x2", "quint2x4"}
    | {f"{kind}{bits}" for kind in ("bits", "uint", "int") for bits in range(1, 8)}
    | {"bits8", "bits16", "bits1x8", "bits2x4", "bits4x2"}
)

SAFETENSORS: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool",
        "U8": "uint8",
        "I8": "int8",
        "U16": "uint16",
        "I16": "int16",
        "U32": "uint32",
        "I32": "int32",
        "U64": "uint64",
        "I64": "int64",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E4M3FNUZ": "float8_e4m3fnuz",
        "F8_E5M2": "float8_e5m2",
        "F8_E5M2FNUZ": "float8_e5m2fnuz",
        "F8_E8M0": "float8_e8m0fnu",
        "F16": "float16",
        "BF16": "bfloat16",
        "F32": "float32",
        "F64": "float64",
        "C64": "complex64",
    }
)

LEGACY_STORAGES: Mapping[str, str] = MappingProxyType(
    {
        "BoolStorage": "bool",
        "ByteStorage": "uint8",
        "CharStorage": "int8",
        "ShortStorage": "int16",
        "IntStorage": "int32",
        "LongStorage": "int64",
        "HalfStorage": "float16",
        "BFloat16Storage": "bfloat16",
        "FloatStorage": "float32",
        "DoubleStorage": "float64",
        "ComplexFloatStorage": "complex64",
        "ComplexDoubleStorage": "complex128",
    }
)


def is_dtype_name(name: str) -> bool:
    return name in ITEM_BYTES or name in ALIASES or name in OPAQUE


def canonical(name: str) -> str:
    return ALIASES.get(name, name)
