"""A Matrix Market folder of 10x Genomics: ``matrix.mtx``, ``barcodes.tsv`` and ``features.tsv``, packed or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.io import mmread
from scipy.sparse import csr_matrix

from pyg_gears.data.io.inspection.limits import ALWAYS_ALLOWED, MAX_RATIO, available_memory
from pyg_gears.data.io.tenx_matrix import tenx_anndata
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData


def is_tenx_folder(path: FilePath) -> bool:
    """Whether a folder holds a matrix in Matrix Market form."""
    return any((Path(path) / f"matrix.mtx{packed}").is_file() for packed in ("", ".gz"))


def read_tenx_folder(path: FilePath, name: str) -> AnnData:
    """Read a folder such as ``filtered_feature_bc_matrix``.

    Args:
        path: The folder.
        name: Name of the slide, for messages.

    Raises:
        InputError: for files that are missing, damaged, or disagree in size.
    """
    folder = Path(path)
    barcodes = _table(folder, "barcodes.tsv")
    features = _table(folder, "features.tsv", "genes.tsv")
    counts = _matrix(folder, len(features), len(barcodes))
    expect(
        all(features) and all(barcodes) and len({len(row) for row in features}) == 1,
        f"expected one barcode and one gene a line in {folder}, found empty or uneven lines; {_WRITE_AGAIN}.",
    )
    columns = {
        key: np.array(column, dtype=object)
        for key, column in zip(("id", "name", "feature_type"), zip(*features, strict=True), strict=False)
    }
    if "name" not in columns:
        columns["name"] = columns["id"]
    return tenx_anndata(name, counts, np.array([row[0] for row in barcodes], dtype=object), columns)


_WRITE_AGAIN = "copy the folder again from the output of Cell Ranger or Space Ranger"


def contents(folder: Path, *names: str) -> bytes:
    """Bytes of the first of the files that is there, packed (``.gz``) or not.

    What is packed may grow 200 times (to 1 GiB in any case), and never beyond the memory that is available. A link must
    not lead out of the folder.

    Raises:
        InputError: for a missing, damaged or too large file, or a link out of the folder.
    """
    found = [folder / f"{name}{packed}" for name in names for packed in ("", ".gz")]
    path = next((candidate for candidate in found if candidate.is_file()), None)
    if path is None:
        raise InputError(f"expected {names[0]} in {folder}, found none; {_WRITE_AGAIN}.")
    expect(
        folder.resolve() in path.resolve().parents,
        f"expected a file at {path}, found a link that leads out of the folder; copy the file there.",
    )
    most = min(max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size), available_memory())
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read(most + 1)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"expected a readable file at {path}, found a damaged one ({error}); {_WRITE_AGAIN}."
        ) from None
    expect(
        len(text) <= most,
        f"expected at most {most / 2**30:.0f} GiB in {path}, found more; {_WRITE_AGAIN}.",
    )
    return text


def rows_of(text: bytes, where: str, delimiter: str) -> list[list[str]]:
    """Rows of a small table of text; a byte order mark, with which Excel begins it, is no part of it.

    Raises:
        InputError: for text that is not UTF-8 or no table, or that has null characters, which no ``.h5ad`` can hold.
    """
    expect(b"\0" not in text, f"expected a table of text in {where}, found null characters in it; {_WRITE_AGAIN}.")
    try:
        return list(csv.reader(io.StringIO(text.decode("utf-8-sig")), delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        reason = "text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"expected a table of text in {where}, found {reason}; {_WRITE_AGAIN}.") from None


def _table(folder: Path, *names: str) -> list[list[str]]:
    return rows_of(contents(folder, *names), f"{folder}/{names[0]}", "\t")


def _matrix(folder: Path, genes: int, barcodes: int) -> csr_matrix:
    text = contents(folder, "matrix.mtx").removeprefix(codecs.BOM_UTF8)
    lines = (line for line in io.BytesIO(text) if not line.startswith(b"%") and line.strip())
    header = next(lines, b"").split()
    sizes = [int(size) for size in header] if all(size.isdigit() and len(size) < 19 for size in header) else []
    expect(
        sizes[:2] == [genes, barcodes] and len(sizes) == 3 and 4 * sizes[2] <= len(text),
        f"expected a matrix of {genes} genes x {barcodes} barcodes in {folder}, "
        f"found {b' '.join(header[:3]).decode(errors='replace')[:60]!r}; {_WRITE_AGAIN}.",
    )
    try:
        with warnings.catch_warnings():
            # SciPy 1.18 announces sparse arrays where it gives matrices; either becomes a csr_matrix here.
            warnings.simplefilter("ignore", DeprecationWarning)
            return csr_matrix(mmread(io.BytesIO(text)).T)
    except (ValueError, OverflowError, TypeError) as error:
        raise InputError(
            f"expected a readable matrix in {folder}, found a damaged one ({error}); {_WRITE_AGAIN}."
        ) from None
