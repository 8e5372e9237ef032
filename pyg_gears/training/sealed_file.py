"""Files of tensors and plain values that carry the digest of their own bytes."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import InputError
from pyg_gears.typing import FilePath

_MARK = b"pyg-gears sha256 "
_SEAL = len(_MARK) + 64


class SealedContent(NamedTuple):
    """What a file holds, and whether its bytes agree with the digest in it (None: it has none)."""

    content: Any
    sealed: bool | None


def write_sealed(path: FilePath, content: Any) -> None:
    """Write tensors and plain values, whole or not at all; the same content gives the same bytes.

    The file is the archive of ``torch.save`` (and ``torch.load`` reads it) with the SHA-256 of all bytes before it as the
    archive's comment.

    Raises:
        InputError: when the file cannot be written.
    """
    buffer = io.BytesIO()  # a file would put its temporary name into the archive
    torch.save(_plain(content, {}), buffer)
    archive = buffer.getvalue()[:-2] + struct.pack("<H", _SEAL)
    with whole_file(path) as part:
        part.write_bytes(archive + _MARK + hashlib.sha256(archive).hexdigest().encode())


def read_sealed(path: FilePath, what: str = "file of tensors", remedy: str = "make it again") -> SealedContent:
    """Read a file of tensors with ``weights_only=True``: nothing in it is executed.

    Args:
        path: The file.
        what: What an error calls it.
        remedy: What an error advises.

    Raises:
        InputError: for a file that cannot be read, or whose archive holds more than its size.
    """
    try:
        raw = Path(path).read_bytes()
        sealed = seal_holds(raw)
        if sealed is False:
            raise ValueError("its bytes do not agree with the checksum in it")
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > len(raw):
                raise ValueError("it is compressed, as torch never writes it")
            if sealed is None and archive.testzip() is not None:
                raise ValueError("its bytes do not agree with the checksums in it")
        content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and torch raise nearly anything for damaged bytes
        reason = (
            str(error).splitlines()[0] if isinstance(error, ValueError | OSError) and str(error) else "it is damaged"
        )
        raise InputError(f"expected a readable {what} at {path}, found that {reason}; {remedy}.") from error
    return SealedContent(content, sealed)


def read_kept(path: FilePath) -> Any | None:
    """The content of a file of :func:`write_sealed` from which a run can go on; None for a missing or damaged one."""
    try:
        content, sealed = read_sealed(path)
    except InputError:
        return None
    return content if sealed else None


def seal_holds(raw: bytes) -> bool | None:
    """Whether the bytes of a file agree with the digest at their end; None where there is none."""
    if raw[-_SEAL:-64] != _MARK:
        return None
    return hashlib.sha256(raw[:-_SEAL]).hexdigest().encode() == raw[-64:]


def _plain(value: Any, texts: dict[str, str]) -> Any:
    """The content in new containers: pickle's bytes must not depend on which equal values happen to be one object."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone(memory_format=torch.contiguous_format)
    if isinstance(value, str):
        return texts.setdefault(value, value)
    if isinstance(value, Mapping):
        return {_plain(key, texts): _plain(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, texts) for item in value]
    if type(value) is tuple:
        return tuple(_plain(item, texts) for item in value)
    return value
