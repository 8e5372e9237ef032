from __future__ import annotations

import codecs
import gzip
import sys
import types
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pyg_gears.data import read_cells, read_slide, write_layout
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.tenx_folder import contents, rows_of
from pyg_gears.errors import InputError

N, G = 40, 6
COUNTS = np.random.default_rng(0).poisson(2.0, (N, G)).astype(np.int32)
BARCODES = [f"ACGT-{i}" for i in range(N)]
GENES = ["MT-CO1", "ACTB", "GAPDH", "CD3", "CD4", "CD19"]


def matrix(file: h5py.File, counts: np.ndarray, name: str = "matrix", **lists: object) -> None:
    """Genes x barcodes, compressed by barcode."""
    stored, group = csr_matrix(counts), file.create_group(name)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(stored, part)
    group["shape"] = counts.shape[::-1]
    group["barcodes"] = np.array([f"ACGT-{i}" for i in range(len(counts))], dtype="S")
    for key, values in lists.items():
        group[key.replace("__", "/")] = np.array(values, dtype="S")


def tenx(folder: Path, counts: np.ndarray = COUNTS, genes: list[str] = GENES, **lists: object) -> Path:
    path = folder / "filtered_feature_bc_matrix.h5"
    with h5py.File(path, "w") as file:
        ids = [f"ENSG{i}" for i in range(len(genes))]
        matrix(file, counts, features__name=genes, features__id=ids, **lists)
    return path


def mtx(folder: Path, packed: bool = False, counts: np.ndarray = COUNTS) -> Path:
    folder.mkdir(parents=True)
    entries = [f"{g + 1} {i + 1} {counts[i, g]}" for i, g in np.argwhere(counts > 0)]
    files = {
        "matrix.mtx": ["%%MatrixMarket matrix coordinate integer general", "%", f"{G} {N} {len(entries)}", *entries],
        "barcodes.tsv": BARCODES,
        "features.tsv": [f"ENSG{i}\t{gene}\tGene Expression" for i, gene in enumerate(GENES)],
    }
    for name, lines in files.items():
        text = ("\n".join(lines) + "\n").encode()
        (folder / f"{name}{'.gz' if packed else ''}").write_bytes(gzip.compress(text) if packed else text)
    return folder


def positions(header: bool) -> str:
    """Every spot of the array, in another order than the matrix; y falls as x climbs."""
    lines = ["barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres"] if header else []
    order = np.random.default_rng(1).permutation(N)
    lines += [f"ACGT-{i},{int(i != 3)},{i // 8},{i % 8},{1000 - i},{10 * i + i % 3}" for i in order]
    return "\n".join([*lines, "TTTT-1,0,70,70,1,1"]) + "\n"


def ranger(folder: Path, name: str = "tissue_positions.csv", header: bool = True) -> Path:
    (folder / "spatial").mkdir(parents=True)
    tenx(folder)
    (folder / "spatial" / name).write_text(positions(header))
    return folder


def test_a_matrix_of_cell_ranger_3(tmp_path: Path) -> None:
    cells = read_cells(tenx(tmp_path))
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS)
    assert (cells.name, cells.genes, list(cells.cells)) == ("filtered_feature_bc_matrix", tuple(GENES), BARCODES)
    assert read_cells(tenx(tmp_path), gene_column="gene_ids").genes[:2] == ("ENSG0", "ENSG1")


def test_a_matrix_of_cell_ranger_2_has_one_genome(tmp_path: Path) -> None:
    path = tmp_path / "filtered_gene_bc_matrices_h5.h5"
    with h5py.File(path, "w") as file:
        matrix(file, COUNTS, "GRCh38", gene_names=GENES, genes=[f"ENSG{i}" for i in range(G)])
    np.testing.assert_array_equal(read_cells(path).counts.toarray(), COUNTS)
    with h5py.File(path, "a") as file:
        matrix(file, COUNTS, "mm10", gene_names=GENES, genes=[f"ENSM{i}" for i in range(G)])
    with pytest.raises(InputError, match=r"expected one matrix in .*, found GRCh38, mm10; export"):
        read_cells(path)


def test_features_that_are_no_genes_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    kinds = ["Gene Expression"] * 4 + ["Antibody Capture", "CRISPR Guide Capture"]
    with pytest.warns(
        UserWarning, match=r"2 features that are not gene expression are left out \(Antibody Capture, CRISPR"
    ):
        cells = read_cells(tenx(tmp_path, features__feature_type=kinds))
    assert cells.genes == tuple(GENES[:4])
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS[:, :4])
    with pytest.raises(InputError, match="features of type Gene Expression, found 'Peaks'"):
        read_cells(tenx(tmp_path, features__feature_type=["Peaks"] * G))


def test_empty_barcodes_of_a_raw_matrix_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    raw = np.concatenate([COUNTS, np.zeros((100, G), np.int32)])[np.random.default_rng(2).permutation(N + 100)]
    with pytest.warns(UserWarning, match="100 barcodes without a count are left out; this looks like a raw matrix"):
        cells = read_cells(tenx(tmp_path, raw))
    np.testing.assert_array_equal(cells.counts.toarray(), raw[raw.sum(1) > 0])


def test_gene_names_that_occur_again_are_numbered_with_a_sentence(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="2 gene names occur again and are numbered"):
        cells = read_cells(tenx(tmp_path, genes=["A", "B", "A", "C", "B", "D"]))
    assert cells.genes == ("A", "B", "A-1", "C", "B-1", "D")


@pytest.mark.parametrize(
    ("part", "values", "text"),
    [
        ("indices", np.full(3, 10**8), "values, 3 indices"),
        ("indptr", np.zeros(N + 1, int), "indptr ends at 0"),
        ("barcodes", np.array([b"a"]), r"barcodes has shape \(1,\) for 40 barcodes"),
        ("features/name", np.array([b"a"]), r"features/name has shape \(1,\) for 6 genes"),
        ("features/name", np.arange(G), "features/name is no text"),
        ("shape", np.array([1, 2, 3]), "shape of matrix is no pair of sizes"),
    ],
)
def test_damaged_matrices(part: str, values: np.ndarray, text: str, tmp_path: Path) -> None:
    path = tenx(tmp_path)
    with h5py.File(path, "a") as file:
        del file[f"matrix/{part}"]
        file[f"matrix/{part}"] = values
    with pytest.raises(InputError, match=text):
        read_cells(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_matrix_market(packed: bool, tmp_path: Path) -> None:
    folder = mtx(tmp_path / "sample", packed)
    for _ in range(2):
        cells = read_cells(folder)
        np.testing.assert_array_equal(cells.counts.toarray(), COUNTS)
        assert (cells.name, cells.genes, list(cells.cells)) == ("sample", tuple(GENES), BARCODES)
        for path in folder.iterdir():  # unpacked and saved again on Windows
            text = codecs.BOM_UTF8 + (gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
            path.write_bytes(gzip.compress(text) if packed else text)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no features": (lambda f: (f / "features.tsv").unlink(), "expected features.tsv in .*, found none"),
    "no text": (lambda f: (f / "features.tsv").write_bytes(b"\xff\n" * G), "found text that is not UTF-8"),
    "uneven": (lambda f: (f / "features.tsv").write_text("a\tb\n" * 5 + "c\n"), "found empty or uneven lines"),
    "fewer barcodes": (lambda f: (f / "barcodes.tsv").write_text("a\nb\n"), "6 genes x 2 barcodes in .*, found '6 40"),
    "huge": (
        lambda f: (f / "matrix.mtx").write_text(
            f"%%MatrixMarket matrix coordinate integer general\n{G} {N} {10**15}\n"
        ),
        "6 genes x 40 barcodes in .*, found '6 40 1000000000000000'",
    ),
    "outside": (
        lambda f: (f / "matrix.mtx").write_text(
            f"%%MatrixMarket matrix coordinate integer general\n{G} {N} 1\n999 1 1\n"
        ),
        "expected a readable matrix in .*, found a damaged one",
    ),
    "link": (
        lambda f: ((f / "features.tsv").unlink(), (f / "features.tsv").symlink_to("/etc/hostname")),
        "found a link that leads out of the folder",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders_of_matrix_market(case: str, tmp_path: Path) -> None:
    edit, text = BROKEN[case]
    folder = mtx(tmp_path / "sample")
    edit(folder)
    with pytest.raises(InputError, match=text):
        read_cells(folder)


def test_packed_files_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyg_gears.data.io.tenx_folder.ALWAYS_ALLOWED", 10**5)
    (tmp_path / "matrix.mtx.gz").write_bytes(gzip.compress(bytes(10**7)))
    with pytest.raises(InputError, match=r"expected at most .* GiB in .*, found more"):
        contents(tmp_path, "matrix.mtx")
    (tmp_path / "matrix.mtx.gz").write_bytes(gzip.compress(b"text" * 100)[:20])
    with pytest.raises(InputError, match=r"readable file at .*, found a damaged one"):
        contents(tmp_path, "matrix.mtx")


@pytest.mark.parametrize(("name", "header"), [("tissue_positions.csv", True), ("tissue_positions_list.csv", False)])
@pytest.mark.parametrize("outs", [False, True])
def test_a_folder_of_space_ranger(name: str, header: bool, outs: bool, tmp_path: Path) -> None:
    folder = ranger(tmp_path / "sample" / "outs", name, header)
    # The spot off the tissue is left out, as from any file.
    with pytest.warns(UserWarning, match="tissue"):
        slide = read_slide(folder if outs else folder.parent)
    kept = [i for i in range(N) if i != 3]
    assert slide.name == "sample"
    assert list(slide.cells) == [BARCODES[i] for i in kept]
    np.testing.assert_array_equal(slide.counts.toarray(), COUNTS[kept])
    np.testing.assert_array_equal(slide.pos, [[10 * i + i % 3, 1000 - i] for i in kept])


def test_a_folder_of_space_ranger_with_a_matrix_market_folder(tmp_path: Path) -> None:
    folder = ranger(tmp_path / "sample")
    (folder / "filtered_feature_bc_matrix.h5").unlink()
    mtx(folder / "filtered_feature_bc_matrix", packed=True)
    with pytest.warns(UserWarning, match="tissue"):
        assert read_slide(folder).counts.shape == (N - 1, G)


def test_a_matrix_alone_is_told_of_the_folder_with_its_positions(tmp_path: Path) -> None:
    ranger(tmp_path / "sample")
    matrix = next((tmp_path / "sample").rglob("filtered_feature_bc_matrix*"))
    with pytest.raises(
        InputError, match=rf"positions in obsm\['spatial'\], found .*; pass the folder {matrix.parent}, whose"
    ):
        read_slide(matrix)
    alone = tenx(tmp_path)
    with pytest.raises(
        InputError, match=r"found none; pass the folder of Space Ranger that has this matrix and spatial/ in it"
    ):
        read_slide(alone)


def test_a_matrix_without_positions_is_told_the_way_to_them(tmp_path: Path) -> None:
    prefixed = tenx(tmp_path).rename(tmp_path / "V1_Brain_filtered_feature_bc_matrix.h5")
    (tmp_path / "spatial").mkdir()
    with pytest.raises(
        InputError, match=rf"rename it to filtered_feature_bc_matrix.h5 and pass the folder {tmp_path}, whose spatial/"
    ):
        read_slide(prefixed)
    (tmp_path / "packed" / "outs").mkdir(parents=True)
    tenx(tmp_path / "packed" / "outs")
    (tmp_path / "packed" / "outs" / "spatial.tar.gz").touch()
    with pytest.raises(InputError, match=r"found none; unpack .*/packed/outs/spatial.tar.gz, or add them"):
        read_slide(tmp_path / "packed")
    for name, remedy in (
        ("cell_feature_matrix.h5", "spatialdata_io.xenium"),
        ("filtered_feature_cell_matrix.h5", "put the centroids of cell_segmentations.geojson into"),
    ):
        cells = tenx(tmp_path).rename(tmp_path / name)
        with pytest.raises(InputError, match=rf"positions in obsm\['spatial'\], found none; .*{remedy}"):
            read_slide(cells)


def test_folders_of_segmented_cells_name_the_matrix(tmp_path: Path) -> None:
    for name in ("xenium/cell_feature_matrix.h5", "hd/outs/segmented_outputs/filtered_feature_cell_matrix.h5"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
        folder = tmp_path / name.split("/")[0]
        with pytest.raises(
            InputError, match=rf"found a folder with {path.relative_to(folder)}; as cells pass this file; for a slide"
        ):
            read_slide(folder)


def test_warnings_about_a_folder_bear_the_name_of_its_slide(tmp_path: Path) -> None:
    for name in ("A1", "B1"):
        (tmp_path / name).mkdir()
        tenx(tmp_path / name, genes=["A", "B", "A", "C", "B", "D"])
        with pytest.warns(UserWarning, match=f"^{name}: 2 gene names occur again"):
            read_cells(tmp_path / name)


@pytest.mark.parametrize("header", [True, False])
def test_positions_that_a_spreadsheet_has_saved(header: bool, tmp_path: Path) -> None:
    text = "\ufeff" + positions(header).replace("\n", "\r\n") + "\r\n"
    folder = ranger(tmp_path / "sample")
    (folder / "spatial" / "tissue_positions.csv").write_bytes(text.encode())
    with pytest.warns(UserWarning, match="tissue"):
        assert read_slide(folder).counts.shape == (N - 1, G)
    (folder / "spatial" / "tissue_positions.csv").write_text(text.replace(",", ";")[1:])
    with pytest.raises(InputError, match=r"with commas between them in .*, found the line '.*;.*'; pass the folder"):
        read_slide(folder)


def test_a_folder_of_cell_ranger_holds_cells_alone(tmp_path: Path) -> None:
    (tmp_path / "sample").mkdir()
    tenx(tmp_path / "sample")
    assert read_cells(tmp_path / "sample").name == "sample"
    with pytest.raises(InputError, match=r"expected positions in obsm\['spatial'\], found none"):
        read_slide(tmp_path / "sample")


SPATIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (
        lambda f: (f / "spatial/tissue_positions.csv").unlink(),
        "expected tissue_positions.csv in .*, found none",
    ),
    "other columns": (
        lambda f: (f / "spatial/tissue_positions.csv").write_text("barcode,x\na,1\n"),
        "expected the columns",
    ),
    "text": (
        lambda f: (f / "spatial/tissue_positions.csv").write_text(positions(True).replace("1000,0", "left,0")),
        "expected numbers in column pxl_row_in_fullres of .*, found text or gaps",
    ),
    "fractions": (
        lambda f: (f / "spatial/tissue_positions.csv").write_text(positions(True).replace(",1,0,0,", ",0.5,0,0,")),
        "expected whole numbers in column in_tissue of .*, found fractions",
    ),
    "other barcodes": (
        lambda f: (f / "spatial/tissue_positions.csv").write_text(positions(True).replace("ACGT-7,", "AAAA-7,")),
        "expected a position for each of 40 barcodes in .*, found 1 without one",
    ),
    "link": (
        lambda f: (
            (f / "spatial/tissue_positions.csv").unlink(),
            (f / "spatial/tissue_positions.csv").symlink_to("/etc/passwd"),
        ),
        "found a link that leads out of the folder",
    ),
    "linked matrix": (
        lambda f: (
            (f / "filtered_feature_bc_matrix.h5").rename(f.parent / "elsewhere.h5"),
            (f / "filtered_feature_bc_matrix.h5").symlink_to(f.parent / "elsewhere.h5"),
        ),
        "found a link that leads out of the folder",
    ),
    "other HDF5": (
        lambda f: anndata.AnnData(COUNTS.astype(float)).write_h5ad(f / "filtered_feature_bc_matrix.h5"),
        "expected a matrix of 10x Genomics at .*, found other HDF5",
    ),
}


@pytest.mark.parametrize("case", SPATIAL)
def test_broken_folders_of_space_ranger(case: str, tmp_path: Path) -> None:
    edit, text = SPATIAL[case]
    folder = ranger(tmp_path / "sample")
    edit(folder)
    with pytest.raises(InputError, match=text):
        read_slide(folder)


def test_bins_of_visium_hd_are_named(tmp_path: Path) -> None:
    (tmp_path / "outs" / "binned_outputs" / "square_008um").mkdir(parents=True)
    with pytest.raises(InputError, match=r"found a folder with bins of several sizes \(square_008um\); pass one"):
        read_slide(tmp_path)
    with pytest.raises(InputError, match=r"found a folder with bins of several sizes \(square_008um\); pass one"):
        read_slide(tmp_path / "outs" / "binned_outputs")


def test_positions_in_parquet_need_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ranger(tmp_path / "square_008um")
    (folder / "spatial" / "tissue_positions.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InputError, match=r"expected the package pyarrow .*; install it with pip install 'pyg-gears\[io\]'"
    ):
        read_slide(folder)
    # pyarrow itself may be missing here; what it does is to give columns by name.
    rows = [line.split(",") for line in positions(True).splitlines()]
    columns = {key: list(values) for key, values in zip(rows[0], zip(*rows[1:], strict=True), strict=True)}

    class Column(list):  # type: ignore[type-arg]
        to_pylist = list.copy

    def read_table(path: Path, columns: list[str], memory_map: bool) -> dict[str, Column]:
        if path.read_bytes() != b"PAR1":
            raise OSError("no parquet")
        return {key: Column(known[key]) for key in columns}

    known, rows_told = columns, [N]
    fake, parquet = types.ModuleType("pyarrow"), types.ModuleType("pyarrow.parquet")
    fake.ArrowException, fake.parquet, parquet.read_table = ValueError, parquet, read_table
    parquet.read_metadata = lambda path: types.SimpleNamespace(num_rows=rows_told[0])
    monkeypatch.setitem(sys.modules, "pyarrow", fake)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    with pytest.warns(UserWarning, match="tissue"):
        assert read_slide(folder).pos[5].tolist() == [60, 994]
    rows_told[0] = 10**12
    with pytest.raises(InputError, match=r"positions that fit into memory in .*, found 1000000000000 barcodes"):
        read_slide(folder)
    rows_told[0] = N
    (folder / "spatial" / "tissue_positions.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"expected positions of barcodes in .*, found no parquet"):
        read_slide(folder)
    (folder / "spatial" / "tissue_positions.parquet").unlink()
    (folder / "spatial" / "tissue_positions.parquet").symlink_to(tmp_path)
    assert read_cells(folder).name == "square_008um"


def test_layouts_of_other_formats_are_h5ad(tmp_path: Path) -> None:
    from scipy.sparse import csr_array

    path = tenx(tmp_path)
    parts = {"pos": np.ones((N, 2)), "confidence": np.ones(N), "distances": csr_array(np.eye(N)), "info": {}}
    write_layout(tmp_path / "layout.h5ad", path, **parts)
    layout = anndata.read_h5ad(tmp_path / "layout.h5ad")
    np.testing.assert_array_equal(layout.X.toarray(), COUNTS)
    assert list(layout.var["gene_ids"]) == [f"ENSG{i}" for i in range(G)]
    with open_source(path) as source:
        assert source.where == str(path)


def test_null_characters_in_a_table_of_text_are_found_before_anything_is_written() -> None:
    with pytest.raises(InputError, match="expected a table of text in t, found null characters in it"):
        rows_of(b"a\tb\nc\0\td\n", "t", "\t")


def test_a_folder_is_named_as_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranger(tmp_path / "run" / "outs")
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "outs").symlink_to(tmp_path / "run" / "outs")
    assert read_cells(tmp_path / "sample").name == read_cells(tmp_path / "sample" / "outs").name == "sample"
    monkeypatch.chdir(tmp_path / "run" / "outs")
    assert read_cells(".").name == read_cells("..").name == "run"
    monkeypatch.chdir(mtx(tmp_path / "counts"))
    assert read_cells(".").name == "counts"
