"""The genes of a saved model, read in milliseconds: cells without them are refused before torch is loaded."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from pyg_gears.data.lacking_genes import check_lacking
from pyg_gears.data.slide import Slide
from pyg_gears.typing import FilePath


def check_model_genes(file: FilePath, cells: Slide) -> None:
    """Check that cells have the genes of a model; a file that tells none is left to the loader.

    Raises:
        InputError: when a tenth of the genes or more is missing.
    """
    genes = model_genes(file)
    if genes is not None:
        check_lacking(cells.name, cells.genes, genes)


def model_genes(file: FilePath) -> tuple[str, ...] | None:
    """Genes that the encoder of a model file reads; None for a file that does not tell."""
    try:
        with zipfile.ZipFile(Path(file)) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            content = _Plain(io.BytesIO(archive.read(name))).load()
        return _genes(content["encoder"])
    except Exception:  # a damaged pickle raises nearly anything; the loader says what is wrong
        return None


def _genes(state: Any) -> tuple[str, ...] | None:
    """The genes in the state of an encoder, or of the one that it stands on."""
    genes = state.get("genes")
    if genes is None:
        return _genes(state["front"])
    return tuple(genes) if genes and all(isinstance(gene, str) for gene in genes) else None


class _Nothing:
    """In the place of a tensor."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Plain(pickle.Unpickler):
    """Plain values alone: no class of the file is looked up, no tensor is read."""

    def find_class(self, module: str, name: str) -> Any:
        return dict if name == "OrderedDict" else _Nothing

    def persistent_load(self, pid: Any) -> Any:
        return _Nothing()
