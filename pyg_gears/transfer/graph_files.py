"""Pictures and graphs in files: PNG, JPEG, npz, and PyG ``Data`` saved by torch. Nothing in a file is executed."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import InputError, expect
from pyg_gears.transfer.signal_graph import SignalGraph, check_size, data_graph, picture_graph
from pyg_gears.typing import FilePath

PICTURES = (".png", ".jpg", ".jpeg")
KINDS = (*PICTURES, ".npz", ".pt")
LARGEST_FILE = 2**29
"""Bytes; a graph of the most nodes that are taken has far fewer."""


def read_graph(path: FilePath) -> SignalGraph:
    """Read a picture or a graph.

    Args:
        path: ``.png`` or ``.jpg`` (needs Pillow: extra ``transfer``); transparent places become white; ``.npz`` with ``picture``
            (h, w, c) or with ``x``, ``pos`` and ``edge_index``; ``.pt`` with a ``Data`` that has these three.

    Returns:
        The graph.

    Raises:
        InputError: for a missing, foreign, damaged or too large file, and as for
            :func:`pyg_gears.transfer.picture_graph` and :func:`pyg_gears.transfer.data_graph`.
        ImportError: for a picture without Pillow.
    """
    path = Path(path)
    check_kind(path)
    expect(path.is_file(), f"expected a file at {path}, found none; check the path.")
    expect(
        0 < path.stat().st_size <= LARGEST_FILE,
        f"expected a file of 1 byte to {LARGEST_FILE >> 20} MB, found {path} with {path.stat().st_size} bytes; "
        "pass a picture or a graph of this size.",
    )
    with _readable(path):
        if path.suffix.lower() in PICTURES:
            return _from_picture(path)
        return _from_npz(path) if path.suffix.lower() == ".npz" else _from_data(path)


def check_kind(path: FilePath, graph: SignalGraph | None = None) -> None:
    """Check that the ending is one that can be read or, with a graph, that the graph can be written so.

    Args:
        path: The file.
        graph: What is to be written, if anything.

    Raises:
        InputError: if it is not.
    """
    suffix = Path(path).suffix.lower()
    expect(suffix in KINDS, f"expected a file of {', '.join(KINDS)}, found {str(path)!r}; convert it or name another.")
    if graph is None:
        return
    expect(
        graph.size is not None or suffix not in PICTURES,
        f"expected .npz or .pt for a graph that is no picture, found {suffix}; name another file.",
    )
    channels = graph.signal.size(1)
    expect(
        suffix not in PICTURES or channels in (1, 3),
        f"expected 1 or 3 channels for {suffix}, found {channels}; write .npz instead.",
    )


def write_graph(path: FilePath, graph: SignalGraph, signal: Float[Tensor, "n c"]) -> None:
    """Write a graph with another signal; the format is that of the ending.

    Args:
        path: File, of an ending as for :func:`read_graph`; a public door writes it through a temporary one.
        graph: The graph.
        signal: Its signal, shape (n, c); pictures are clipped to [0, 1].
    """
    check_kind(path, graph)
    suffix, path = Path(path).suffix.lower(), Path(path)
    if suffix == ".pt":
        torch.save(Data(x=signal.float(), pos=graph.pos.float(), edge_index=graph.edge_index), path)
    elif suffix == ".npz" and graph.size is None:
        np.savez_compressed(path, x=signal.numpy(), pos=graph.pos.numpy(), edge_index=graph.edge_index.numpy())
    else:
        assert graph.size is not None
        picture = signal.reshape(*graph.size, -1).clamp(0, 1).numpy()
        if suffix == ".npz":
            np.savez_compressed(path, picture=picture)
        else:
            values = np.round(picture * 255).astype(np.uint8)
            _pillow().fromarray(values[..., 0] if values.shape[2] == 1 else values).save(path)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("PNG and JPEG need Pillow: pip install 'pyg-gears[transfer]'") from error
    return Image


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What a damaged file makes of its reader is said in one sentence."""
    try:
        yield
    except (InputError, ImportError, MemoryError):
        raise
    except Exception as error:  # readers of damaged files raise whatever comes
        raise InputError(
            f"expected a whole {path.suffix} file, found {path} that cannot be read ({type(error).__name__}); write it again."
        ) from error


def _from_picture(path: Path) -> SignalGraph:
    pillow = _pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures: they are refused below, before they are unpacked
        try:
            image = pillow.open(path)
        except pillow.DecompressionBombError:
            check_size(10**9, f"the many pixels of {path}")
            raise
    with image:
        check_size(image.width * image.height, f"{image.width} x {image.height} pixels in {path}")
        if image.mode.startswith("I;16"):
            values = np.asarray(image).astype(np.float64)[..., None] / 65535
        elif image.mode in ("1", "L"):
            values = np.asarray(image.convert("L"))[..., None] / 255.0
        else:
            rgba = np.asarray(image.convert("RGBA")) / 255.0
            values = rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])
    return picture_graph(torch.from_numpy(values))


def _from_npz(path: Path) -> SignalGraph:
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        first = "picture" if "picture" in names else "x"
        expect(
            first in names,
            f"expected picture, or x, pos and edge_index, in {path}, found {', '.join(sorted(names)) or 'nothing'}; add them.",
        )
        for name in sorted(names & {"picture", "x", "pos", "edge_index"}):
            expect(
                archive.getinfo(f"{name}.npy").file_size <= LARGEST_FILE,
                f"expected arrays of at most {LARGEST_FILE >> 20} MB, found a larger {name} in {path}; make it smaller.",
            )
    with np.load(path, allow_pickle=False) as arrays:
        if first == "picture":
            return picture_graph(torch.from_numpy(np.asarray(arrays["picture"], dtype=np.float64)))
        fields = {name: torch.from_numpy(arrays[name]) for name in ("x", "pos", "edge_index") if name in arrays}
    return data_graph(Data(**fields))


def _from_data(path: Path) -> SignalGraph:
    from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
    from torch_geometric.data.storage import GlobalStorage

    with torch.serialization.safe_globals([Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]):
        data = torch.load(path, weights_only=True)
    expect(isinstance(data, Data), f"expected a PyG Data in {path}, found {type(data).__name__}; save the Data itself.")
    return data_graph(data)
