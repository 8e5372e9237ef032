"""Damage to files and stores: bytes, and elements of HDF5."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Rng = np.random.Generator


def flip(raw: bytearray, rng: Rng) -> str:
    places = rng.integers(len(raw), size=int(rng.choice([1, 4, 32, 256])))
    for place in places:
        raw[place] ^= 1 << int(rng.integers(8))
    return f"{len(places)} bits flipped, the first in byte {places[0]}"


def overwrite(raw: bytearray, rng: Rng) -> str:
    first, length = int(rng.integers(len(raw))), int(rng.choice([1, 8, 64, 512, 3000]))
    fill = int(rng.choice([0, 255]))
    raw[first : first + length] = bytes([fill]) * len(raw[first : first + length])
    return f"bytes {first} to {first + length} set to {fill}"


def truncate(raw: bytearray, rng: Rng) -> str:
    length = int(rng.integers(len(raw)))
    del raw[length:]
    return f"truncated to {length} bytes"


def shuffle_blocks(raw: bytearray, rng: Rng) -> str:
    size = int(rng.choice([8, 64, 512]))
    one, other = (int(place) for place in rng.integers(max(1, len(raw) - size), size=2))
    raw[one : one + size] = raw[other : other + size]
    return f"bytes {other} to {other + size} copied to {one}"


BYTES: tuple[Callable[[bytearray, Rng], str], ...] = (flip, overwrite, overwrite, truncate, shuffle_blocks)


def damage_bytes(path: Path, rng: Rng) -> str:
    """Damage one file, or one file of a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
        path = files[rng.integers(len(files))]
    raw = bytearray(path.read_bytes())
    what = BYTES[rng.integers(len(BYTES))](raw, rng)
    path.write_bytes(raw)
    return f"{path.name}: {what}"


def damage_elements(path: Path, rng: Rng) -> str:
    """Remove, rename, retype, reshape or relabel one to three elements of an HDF5 file."""
    done = []
    with h5py.File(path, "r+") as file:
        for _ in range(int(rng.integers(1, 4))):
            names: list[str] = []
            file.visit(names.append)
            if not names:
                break
            name = names[rng.integers(len(names))]
            done.append(f"{name} {EDITS[rng.integers(len(EDITS))](file, name, rng)}")
    return ", ".join(done)


def _remove(file: h5py.File, name: str, rng: Rng) -> str:
    del file[name]
    return "removed"


def _rename(file: h5py.File, name: str, rng: Rng) -> str:
    file.move(name, f"{name}_")
    return "renamed"


def _retype(file: h5py.File, name: str, rng: Rng) -> str:
    dtype = rng.choice(["i1", "u8", "f2", "f8", ">i4", "?", "S3", "c16"])
    return _replace(file, name, lambda values: values.astype(dtype), f"as {dtype}")


def _reshape(file: h5py.File, name: str, rng: Rng) -> str:
    shapes = [
        lambda v: v[..., None],
        lambda v: v[:-1],
        lambda v: v.ravel()[:1].reshape(()),
        lambda v: np.repeat(v, 2, 0),
    ]
    number = int(rng.integers(len(shapes)))
    return _replace(file, name, shapes[number], f"reshaped ({number})")


def _values(file: h5py.File, name: str, rng: Rng) -> str:
    value = rng.choice([-1, 1, 127, 2**31 - 1, np.inf, np.nan])

    def changed(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        with np.errstate(all="ignore"):
            values.reshape(-1)[rng.integers(max(values.size, 1))] = np.float64(value).astype(values.dtype)
        return values

    return _replace(file, name, changed, f"given a {value}")


def _attribute(file: h5py.File, name: str, rng: Rng) -> str:
    names = list(file[name].attrs)
    if not names:
        return "kept"
    key = names[rng.integers(len(names))]
    values = [None, 3, "evil", np.array([1, 2, 3]), np.array(["_index", "x"], dtype=object), -1.5, b"\xff", [2**40, 1]]
    value = values[rng.integers(len(values))]
    del file[name].attrs[key]
    if value is not None:
        file[name].attrs[key] = value
    return f"attribute {key} set to {value!r}"


def _link(file: h5py.File, name: str, rng: Rng) -> str:
    targets = [h5py.SoftLink("/X"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/passwd", "/"), file["/"]]
    number = int(rng.integers(len(targets)))
    del file[name]
    file[name] = targets[number]
    return f"linked elsewhere ({number})"


def _replace(file: h5py.File, name: str, change: Callable[[np.ndarray], np.ndarray], said: str) -> str:
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        return "kept"
    attrs = dict(found.attrs)
    try:
        values = change(np.asarray(found[()]))
        del file[name]
        file[name] = values
    except (TypeError, ValueError, IndexError):
        return "kept"
    file[name].attrs.update(attrs)
    return said


EDITS = (_remove, _rename, _retype, _reshape, _values, _values, _attribute, _attribute, _link)
