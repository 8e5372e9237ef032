"""Edge masks and explainers of PyG act on every layer, whatever layout it would take."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.explain import AttentionExplainer, Explainer, GNNExplainer, fidelity
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks

from pyg_gears.graphs import candidate_graph
from pyg_gears.models.gate_smoothing import GateSmoothing
from pyg_gears.nn import AttentionBias, EdgeGate, EGNNConv, GateFormer, IPAConv
from pyg_gears.nn.observed import is_observed

C, N = 4, 14
X = torch.randn(N, C, generator=torch.Generator().manual_seed(0))
POS = torch.randn(N, 2, generator=torch.Generator().manual_seed(1))
EDGES = candidate_graph(X, 4)[
    :, torch.randperm(candidate_graph(X, 4).size(1), generator=torch.Generator().manual_seed(2))
]
LAYERS = {
    **{
        layout: lambda layout=layout: IPAConv(C, 2, 4, layout=layout, geo="rbf") for layout in ("auto", "edge", "dense")
    },
    "egnn": lambda: EGNNConv(C),
    "former": lambda: GateFormer(C, 8, heads=2),
    "gate": lambda: EdgeGate(C, 8),
    "heads": lambda: EdgeGate(C, 8, heads=2),
    "smoothing": GateSmoothing,
}


def layer(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    built = LAYERS[name]()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return built.eval()


def run(module: torch.nn.Module) -> list[torch.Tensor]:
    if isinstance(module, GateSmoothing):
        return [module(POS, AttentionBias(EDGES, N))[0]]
    found = module(X, EDGES) if isinstance(module, EdgeGate | GateFormer) else module(X, POS, EDGES)
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("name", LAYERS)
def test_masks(name: str) -> None:
    module = layer(name)
    wrapped, plain = torch.nn.ModuleList([module]), run(module)
    set_masks(wrapped, torch.ones(EDGES.size(1)), EDGES, apply_sigmoid=False)
    torch.testing.assert_close(run(module), plain, atol=1e-5, rtol=1e-4)  # nothing is hidden
    mask = torch.zeros(EDGES.size(1), requires_grad=True)
    set_masks(wrapped, mask, EDGES, apply_sigmoid=False)
    hidden = run(module)
    assert (hidden[0] - plain[0]).abs().max() > 1e-3
    if name in ("auto", "edge", "dense", "egnn", "smoothing"):
        torch.testing.assert_close(hidden[-1], POS)  # nothing is heard, nothing moves
    else:
        assert (hidden[0] == 0).all()
    half = torch.full_like(mask, 0.5).requires_grad_()
    set_masks(wrapped, half, EDGES, apply_sigmoid=False)
    (gradient,) = torch.autograd.grad(run(module)[0].sin().sum(), half)
    assert (gradient != 0).any()
    clear_masks(wrapped)
    assert not is_observed(module)
    torch.testing.assert_close(run(module), plain)


def test_a_masked_edge_is_weaker_and_the_others_stay() -> None:
    """The mask scales a message after the softmax, as in PyG's own attention layers."""
    module, edge = layer("dense"), 3
    target = int(EDGES[1, edge])
    plain = run(module)
    mask = torch.ones(EDGES.size(1)).index_fill(0, torch.tensor([edge]), 0.0)
    set_masks(torch.nn.ModuleList([module]), mask, EDGES, apply_sigmoid=False)
    changed = (run(module)[0] - plain[0]).abs().amax(dim=1) > 1e-5
    assert changed.nonzero().flatten().tolist() == [target]


class Nodes(torch.nn.Module):
    """A node classifier around one layer, gated where it can be."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.conv, self.gate, self.head = layer(name), layer("gate"), torch.nn.Linear(C, 3)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, pos: torch.Tensor) -> torch.Tensor:
        if isinstance(self.conv, IPAConv):
            return self.head(self.conv(x, pos, edge_index, self.gate(x, edge_index))[0])
        if isinstance(self.conv, EGNNConv):
            return self.head(self.conv(x, pos, edge_index)[0])
        weight = self.conv(x, edge_index).sigmoid()[:, None]
        return self.head(torch.zeros_like(x).index_add(0, edge_index[1], weight * x[edge_index[0]]))


def explainer(model: torch.nn.Module, algorithm: object) -> Explainer:
    return Explainer(
        model.eval(),
        algorithm,
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
    )


@pytest.mark.parametrize("name", ["auto", "dense", "egnn", "former", "gate"])
def test_gnn_explainer_and_fidelity(name: str) -> None:
    torch.manual_seed(0)
    asked = explainer(Nodes(name), GNNExplainer(epochs=3))
    explanation = asked(X, EDGES, pos=POS, index=2)
    assert explanation.edge_mask.shape == (EDGES.size(1),)
    assert explanation.edge_mask.max() > 0
    assert all(0 <= part <= 1 for part in fidelity(asked, explanation))


@pytest.mark.parametrize("name", ["auto", "dense", "former"])
def test_attention_explainer(name: str) -> None:
    model = Nodes(name)
    found = explainer(model, AttentionExplainer(reduce="mean"))(X, EDGES, pos=POS).edge_mask
    if isinstance(model.conv, IPAConv):
        terms = model.conv(X, POS, EDGES, model.gate(X, EDGES), return_terms=True)[2]
        torch.testing.assert_close(found, terms.alpha.mean(dim=1))
    else:
        received = torch.zeros(N).index_add(0, EDGES[1], found)
        torch.testing.assert_close(received, torch.ones(N))
    assert not is_observed(model.conv)
