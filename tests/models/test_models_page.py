"""The page on structure models: its model runs as it says, and it names every kind."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from pyg_gears.lab.models import contenders
from pyg_gears.testing import assert_batched_equals_single, random_graphs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_its_model_is_one_of_shapes(capsys) -> None:
    names: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE):
        exec(compile(block, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == "torch.Size([3, 3])\n"
    model, batch = names["model"].eval(), names["batch"]
    for parameter in model.move.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    turn = torch.tensor([[0.6, 0.8], [0.8, -0.6]])
    found = model(batch.x, batch.pos, batch.edge_index, batch.batch)
    moved = model(batch.x, batch.pos @ turn + 2.0, batch.edge_index, batch.batch)
    torch.testing.assert_close(moved, found, atol=1e-4, rtol=1e-4)

    def rows(graph):
        member = torch.zeros(graph.num_nodes, dtype=torch.long) if graph.batch is None else graph.batch
        return model(graph.x, graph.pos, graph.edge_index, member)

    assert_batched_equals_single(rows, random_graphs([12, 5, 20], channels=8), tol=1e-4)


def test_it_names_every_kind() -> None:
    text = PAGE.read_text()
    assert not [kind for kind in contenders() if f"`{kind}`" not in text]
