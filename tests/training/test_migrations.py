from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch_geometric.data import Data

from pyg_gears import load
from pyg_gears.data import Slide
from pyg_gears.errors import InputError
from pyg_gears.training import Recipe
from pyg_gears.training.migrations import FORMAT, upgrade

FORMAT_3 = Path(__file__).parent / "format_3"
"""A model that pyg-gears 0.1 fitted and saved, and what it computed for its cells."""


def test_a_model_of_format_3_gives_what_it_gave() -> None:
    fitted, expected = load(FORMAT_3), np.load(FORMAT_3 / "expected.npz")
    counts = csr_array(expected["counts"].astype(np.float32))
    names = tuple(f"cell_{i}" for i in range(counts.shape[0]))
    cells = Slide("cells", counts, tuple(map(str, expected["genes"])), names)
    # These cells are shallow, and at the time encoders lent to such cells by themselves.
    x = fitted.encoder.borrow(fitted.encoder.embed(cells), fitted.encoder.depth_ratio(cells)).x
    np.testing.assert_allclose(x.numpy(), expected["x"], atol=1e-5)
    graph = fitted.candidates(Data(x=torch.tensor(expected["x"])))
    np.testing.assert_array_equal(graph.edge_index.numpy(), expected["edge_index"])
    with torch.no_grad():
        output = fitted.members[0](graph)
    np.testing.assert_allclose(output.gate_logits.numpy(), expected["gate"], atol=1e-5)
    np.testing.assert_allclose(output.pos.numpy(), expected["pos"], atol=1e-5)
    stored = content()["calibration"]
    assert (fitted.calibration.scatter, fitted.calibration.confidence) == (
        tuple(stored["spread"]),
        tuple(stored["confidence"]),
    )
    found = fitted.reconstruct(cells, progress=False)
    assert found.pos.shape == (60, 2)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


def content() -> dict:
    return torch.load(FORMAT_3 / "model.pt", weights_only=True)


def test_what_cannot_be_read_names_who_can() -> None:
    old = content()
    old["recipe"]["model"]["kind"] = "ipa_r"
    with pytest.raises(InputError, match=r"found the ipa_r of format 3, .* read it with pyg-gears 0.1"):
        upgrade(old, "model.pt")
    old = content()
    old["recipe"]["gate"]["kind"] = "former"
    with pytest.raises(InputError, match="found the gate of kind former of format 3"):
        upgrade(old, "model.pt")
    old = content()
    old["recipe"]["embedding"]["zscore"] = True
    with pytest.raises(InputError, match=r"found one of z-scored genes; read it with pyg-gears 0.1"):
        upgrade(old, "model.pt")
    with pytest.raises(InputError, match=f"expected a model of format 3 to {FORMAT} .*found 99; read it with a newer"):
        upgrade({"format": 99}, "model.pt")
    with pytest.raises(InputError, match="found 1; fit it again with this version"):
        upgrade({"format": 1}, "model.pt")


def test_nothing_is_known_of_the_genes_of_older_models() -> None:
    found = upgrade(content(), "model.pt")
    assert found["training_genes"] is None
    four = {**found, "format": 4}
    del four["training_genes"]
    assert upgrade(four, "model.pt") == found
    assert load(FORMAT_3).training_genes is None


def test_terms_without_weight_and_unused_fields_are_left_out() -> None:
    found = upgrade(content(), "model.pt")
    recipe = found["recipe"]
    assert found["format"] == FORMAT
    assert recipe["embedding"]["vicreg"] is None
    assert recipe["model"]["geo"] is None
    assert recipe["loss"]["distill"] is None
    assert recipe["training"]["members"] == 1
    assert recipe["training"]["pretraining"]["steps"] == 2


def test_the_encoder_that_was_called_published_is_that_of_d7() -> None:
    six = {**upgrade(content(), "model.pt"), "format": 6}
    assert upgrade(six, "model.pt")["recipe"] == six["recipe"]  # other kinds stay
    old = {"kind": "published", "hidden": [8], "infonce": {"weight": 2.0}}
    six = {**six, "recipe": {**six["recipe"], "embedding": old}, "encoder": {"type": "published", "network": {}}}
    found = upgrade(six, "model.pt")
    chosen = Recipe.read(found["recipe"]).embedding
    assert (chosen.kind, chosen.hidden, chosen.infonce.weight) == ("d7", (8,), 2.0)
    assert found["encoder"]["architecture"] == "plain"
    assert old["kind"] == "published"  # the content that came in is not changed
