"""``pyg-gears transfer``: pictures and graphs in, one file out, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.cli import main
from pyg_gears.errors import InputError
from pyg_gears.spectral import grid_edges, grid_positions
from pyg_gears.transfer import (
    Strategy,
    data_graph,
    draw_boxes,
    draw_curves,
    picture_graph,
    read_graph,
    transfer,
    write_graph,
)

SIDE = 96


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures and graphs, good and bad."""
    from PIL import Image

    place = tmp_path_factory.mktemp("pictures")
    curves, boxes = draw_curves(SIDE), draw_boxes(SIDE)
    write_graph(place / "curves.png", picture_graph(curves), curves.reshape(-1, 3))
    np.savez(place / "boxes.npz", picture=boxes.numpy())
    Image.fromarray((boxes.numpy() * 255).astype(np.uint8)).save(place / "boxes.jpg", quality=95)
    Image.fromarray((boxes[..., 0].numpy() * 255).astype(np.uint8)).save(place / "grey.png")
    Image.new("RGB", (40, 40), "white").save(place / "white.png")
    Image.new("1", (8192, 8192)).save(place / "huge.png")
    np.savez(place / "empty.npz", picture=np.zeros((0, 4, 3)))
    np.savez(place / "flat.npz", picture=np.zeros((4, 4)))
    np.savez(place / "nan.npz", picture=np.full((20, 20, 1), np.nan))
    np.savez(place / "other.npz", gene=np.ones(3))
    (place / "none.png").write_bytes(b"")
    (place / "broken.png").write_bytes((place / "curves.png").read_bytes()[:200])
    (place / "broken.npz").write_bytes(b"PK no archive")
    (place / "text.pt").write_text("text")
    (place / "page.pdf").write_text("text")
    graph = Data(
        x=curves.reshape(-1, 3).float(), pos=grid_positions(SIDE, SIDE).float(), edge_index=grid_edges(SIDE, SIDE, 8)
    )
    torch.save(graph, place / "curves.pt")
    torch.save({"x": graph.x}, place / "dictionary.pt")
    torch.save(Data(x=graph.x, edge_index=graph.edge_index), place / "no_pos.pt")
    torch.save(Data(x=graph.x, pos=graph.pos[:, :1], edge_index=graph.edge_index), place / "line.pt")
    torch.save(Data(x=graph.x.flatten(), pos=graph.pos, edge_index=graph.edge_index), place / "vector.pt")
    torch.save(Data(x=graph.x, pos=graph.pos + torch.inf, edge_index=graph.edge_index), place / "lost.pt")
    return place


def test_a_picture_is_written_that_equals_the_function(folder, capsys) -> None:
    out = folder / "out.png"
    assert (
        run("transfer", folder / "curves.png", folder / "boxes.npz", "--out", out, "--strategy", "rotation=turn") == 0
    )
    assert "fragments placed in the last pass" in capsys.readouterr().out
    target, sample = read_graph(folder / "curves.png"), read_graph(folder / "boxes.npz")
    expected = transfer(target, sample, Strategy(rotation="turn")).signal
    assert (read_graph(out).signal - expected).abs().max() < 0.5 / 255 + 1e-6
    assert (expected != target.signal).any()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert run("transfer", folder / "curves.png", folder / "boxes.npz", "--out", out) == 2
    assert "expected a new file" in capsys.readouterr().err


def test_graphs_and_pictures_mix_and_formats_follow_the_ending(folder, capsys) -> None:
    out = folder / "out.pt"
    assert run("transfer", folder / "curves.pt", folder / "boxes.jpg", "--out", out, "--passes", "sc") == 0
    assert read_graph(out).size is None
    assert read_graph(out).pos.shape == (SIDE**2, 2)
    out = folder / "out.npz"
    assert run("transfer", folder / "curves.pt", folder / "boxes.npz", "--out", out) == 0
    assert set(np.load(out)) == {"x", "pos", "edge_index"}
    assert read_graph(out).signal.shape == (SIDE**2, 3)


CASES = {
    "white.png curves.png --out o.png": "expected a signal with structure, found one colour everywhere",
    "curves.png white.png --out o.png": "expected a signal with structure, found one colour everywhere",
    "curves.png grey.png --out o.png": "expected the same channels in target and sample, found 3 and 1",
    "huge.png curves.png --out o.png": "expected at most 1,048,576 nodes (1024 x 1024 pixels), found 8192 x 8192 pixels",
    "empty.npz curves.png --out o.png": "expected a picture of height x width x channels, found 0 x 4 x 3",
    "flat.npz curves.png --out o.png": "expected a picture of height x width x channels, found 4 x 4",
    "nan.npz curves.png --out o.png": "expected finite values in signal, found NaN or infinity",
    "other.npz curves.png --out o.png": "expected picture, or x, pos and edge_index, in other.npz, found gene",
    "none.png curves.png --out o.png": "expected a file of 1 byte to 512 MB, found none.png with 0 bytes",
    "broken.png curves.png --out o.png": "expected a whole .png file, found broken.png that cannot be read",
    "broken.npz curves.png --out o.png": "expected a whole .npz file, found broken.npz that cannot be read",
    "text.pt curves.png --out o.png": "expected a whole .pt file, found text.pt that cannot be read",
    "page.pdf curves.png --out o.png": "expected a file of .png, .jpg, .jpeg, .npz, .pt, found 'page.pdf'",
    "missing.png curves.png --out o.png": "expected a file at missing.png, found none",
    "curves.png boxes.npz --out o.tif": "expected a file of .png, .jpg, .jpeg, .npz, .pt, found 'o.tif'",
    "curves.pt boxes.npz --out o.png": "expected .npz or .pt for a graph that is no picture, found .png",
    "dictionary.pt boxes.npz --out o.pt": "expected a PyG Data in dictionary.pt, found dict",
    "no_pos.pt boxes.npz --out o.pt": "expected Data with x, pos and edge_index, found no pos",
    "line.pt boxes.npz --out o.pt": "expected pos of shape (9216, 2), found (9216, 1)",
    "vector.pt boxes.npz --out o.pt": "expected x of shape (n, c), found (27648,)",
    "lost.pt boxes.npz --out o.pt": "expected finite values in pos, found NaN or infinity",
    "curves.png boxes.npz --out o.png --passes cx": "expected passes of the letters c (cross) and s (self), found 'cx'",
    "curves.png boxes.npz --out o.png --strategy rotation": "expected KEY=VALUE for --strategy, found 'rotation'",
    "curves.png boxes.npz --out o.png --strategy rotate=none": "found 'rotate' (did you mean 'rotation'?)",
    "curves.png boxes.npz --out o.png --strategy rotation=up": "rotation to be one of none, turn, curve, axes, found 'up'",
    "curves.png boxes.npz --out o.png --strategy k=many": "expected a number for k, found 'many'",
    "curves.png boxes.npz --out o.png --strategy blend=0": "expected blend in (0, 1], found 0",
    "curves.png boxes.npz --out o.png --strategy quantile=1": "expected quantile in [0, 1), found 1",
}


@pytest.mark.parametrize("line", CASES)
def test_bad_input_is_refused_in_one_sentence(line, folder, monkeypatch, capsys) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert run("transfer", *line.split()) == 2
    said = capsys.readouterr().err
    assert CASES[line] in said
    assert len(said.strip().splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_a_pickle_that_would_run_code_is_not_run(folder, monkeypatch, capsys) -> None:
    class Harmful:
        def __reduce__(self):
            return (Path.touch, (folder / "harm",))

    torch.save(Harmful(), folder / "harmful.pt")
    monkeypatch.chdir(folder)
    assert run("transfer", "harmful.pt", "boxes.npz", "--out", "o.pt") == 2
    assert "expected a whole .pt file" in capsys.readouterr().err
    assert not (folder / "harm").exists()


def test_transparent_places_are_white_and_depths_agree(tmp_path) -> None:
    from PIL import Image

    values = np.zeros((20, 20, 4), dtype=np.uint8)
    values[5:9, 4:15, 3] = 255
    Image.fromarray(values).save(tmp_path / "clear.png")
    found = read_graph(tmp_path / "clear.png").signal.reshape(20, 20, 3)
    assert found[0, 0].tolist() == [1, 1, 1]
    assert found[6, 6].tolist() == [0, 0, 0]
    Image.fromarray((np.eye(20) * 65535).astype(np.uint16)).save(tmp_path / "deep.png")
    assert torch.equal(read_graph(tmp_path / "deep.png").signal.reshape(20, 20), torch.eye(20).double())


def test_two_channels_are_no_picture_file(tmp_path) -> None:
    graph = picture_graph(torch.rand(20, 20, 2))
    with pytest.raises(InputError, match=r"expected 1 or 3 channels for \.png, found 2"):
        write_graph(tmp_path / "o.png", graph, graph.signal)
    write_graph(tmp_path / "o.npz", graph, graph.signal)
    assert torch.equal(read_graph(tmp_path / "o.npz").signal, graph.signal)


def test_too_large_a_graph_or_archive_is_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(InputError, match=r"expected at most 1,048,576 nodes .*, found 1048577 nodes"):
        data_graph(Data(x=torch.ones(2**20 + 1, 1), pos=torch.ones(2**20 + 1, 2), edge_index=torch.zeros(2, 0).long()))
    np.savez_compressed(tmp_path / "bomb.npz", picture=np.zeros((400, 400, 1)))
    monkeypatch.setattr("pyg_gears.transfer.graph_files.LARGEST_FILE", 2**20)
    with pytest.raises(InputError, match="expected arrays of at most 1 MB, found a larger picture"):
        read_graph(tmp_path / "bomb.npz")


def test_without_pillow_one_line_says_what_to_install(folder, monkeypatch, capsys) -> None:
    import sys

    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert run("transfer", "curves.png", "boxes.npz", "--out", "o.npz") == 2
    assert "pip install 'pyg-gears[transfer]'" in capsys.readouterr().err
