"""What a zarr array says about itself, formats 2 and 3: sizes, and codecs of which some could execute code."""

from __future__ import annotations

import json
from math import prod
from typing import Any, NamedTuple

from pyg_gears.data.io.inspection.node import Unfit, printable

# Codecs that only pack numbers and text. "pickle" executes what the file says; others need plug-ins.
_CODECS = {"blosc", "zstd", "lz4", "zlib", "gzip", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "crc32"}
_CODECS |= {"vlen-utf8", "vlen-bytes", "bytes", "transpose", "crc32c", "sharding_indexed", "adler32"}
_MAX_SIZE = 2**48


class ArrayMetadata(NamedTuple):
    """Sizes of an array.

    Attributes:
        shape: Of the array.
        chunk: Number of values in a chunk.
    """

    shape: tuple[int, ...]
    chunk: int


def parse(raw: bytes, where: str) -> dict[str, Any]:
    """A metadata file.

    Raises:
        Unfit: when it is no JSON object.
    """
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unfit(f"the metadata of {where} is no JSON") from None
    if not isinstance(found, dict):
        raise Unfit(f"the metadata of {where} is no JSON object")
    return found


def array_metadata(found: dict[str, Any], where: str) -> ArrayMetadata:
    """Sizes of an array from ``.zarray`` or ``zarr.json``.

    Raises:
        Unfit: for sizes that are none, codecs that are not known, and chunks kept under other names.
    """
    codecs, grid = found.get("codecs"), found.get("chunks")
    if found.get("zarr_format") == 3:
        grid = _inner(found.get("chunk_grid"), "chunk_shape", where)
        separator = _inner(found.get("chunk_key_encoding"), "separator", where, "/")
        if found.get("storage_transformers"):
            raise Unfit(f"{where} has storage transformers")
    else:
        codecs = [*(found.get("filters") or []), *filter(None, [found.get("compressor")])]
        separator = found.get("dimension_separator", ".")
    if separator not in ("/", "."):
        raise Unfit(f"{where} keeps its chunks under unknown names")
    _check_codecs(codecs, where)
    sizes = [_sizes(found.get("shape"), where), _sizes(grid, where)]
    if len(sizes[0]) != len(sizes[1]) or 0 in sizes[1]:
        raise Unfit(f"the sizes of {where} and of its chunks disagree")
    return ArrayMetadata(sizes[0], prod(sizes[1]))


def _check_codecs(codecs: Any, where: str) -> None:
    if not isinstance(codecs, list):
        raise Unfit(f"the codecs of {where} are no list")
    for codec in codecs:
        name = codec.get("id", codec.get("name")) if isinstance(codec, dict) else codec
        if name not in _CODECS:
            raise Unfit(f"{where} is packed with the unknown codec {printable(str(name))}")
        inner = codec.get("configuration") if isinstance(codec, dict) else None
        for key in ("codecs", "index_codecs"):
            if isinstance(inner, dict) and key in inner:
                _check_codecs(inner[key], where)


def _inner(found: Any, key: str, where: str, default: Any = None) -> Any:
    inner = found.get("configuration", {}) if isinstance(found, dict) else None
    if not isinstance(inner, dict):
        raise Unfit(f"the metadata of {where} is incomplete")
    return inner.get(key, default)


def _sizes(found: Any, where: str) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(size) is int and 0 <= size <= _MAX_SIZE for size in found):
        raise Unfit(f"the shape of {where} is no list of sizes")
    return tuple(found)
