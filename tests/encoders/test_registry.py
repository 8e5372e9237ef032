from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
import pytest
import torch

from pyg_gears import encoders
from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    Encoder,
    ExpressionNetwork,
    LearnedEncoder,
    LogGenes,
    Normalization,
    PublishedEncoder,
    encoder_from_state,
    register_encoder,
)
from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.encoders.registry import ENCODERS


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("gradient", slides=2, cells=40, seed=0, spots=60, genes=40).slides


@pytest.fixture(scope="module")
def fitted(slides) -> dict[type, Encoder]:
    """One fitted encoder of every class."""
    components, (features,) = ComponentEncoder.fit_transform(
        slides[:1], n_components=8, kind="spatial", normalization=Normalization(1000.0)
    )
    genes, _ = CenteredGenes.fit_transform(slides[:1], normalization=Normalization(), unit=False)
    plain = LogGenes(slides[0].genes, Normalization())
    generator = torch.Generator().manual_seed(0)
    network = ExpressionNetwork(40, 5, (7,), residual=False, generator=generator)
    members = [ExpressionNetwork(8, 6, (), residual=True)]
    everything, graph = [torch.ones(60, dtype=torch.bool)], neighbor_graph(slides[0].pos)
    learned, _ = LearnedEncoder.assemble(components, members, [features], [everything], [graph])
    return {type(e): e for e in (components, genes, plain, learned, PublishedEncoder(genes, network))}


def public_encoders() -> list[type]:
    found = [getattr(encoders, name) for name in encoders.__all__]
    return [c for c in found if isinstance(c, type) and c is not Encoder and Encoder in c.__mro__]


@pytest.mark.parametrize("kind", public_encoders(), ids=lambda kind: kind.__name__)
def test_every_encoder_of_the_package_is_rebuilt_from_its_state(slides, fitted, kind: type) -> None:
    assert ENCODERS[kind.type_name] is kind
    encoder = fitted[kind]
    file = io.BytesIO()
    torch.save(encoder.state(), file)
    file.seek(0)
    again = encoder_from_state(torch.load(file, weights_only=True))
    assert type(again) is kind
    assert again.genes == encoder.genes == slides[0].genes
    assert again.out_channels == encoder.out_channels == encoder.encode(slides[1]).size(1)
    for a, b in zip(again.embed(slides[1]), encoder.embed(slides[1]), strict=True):
        assert torch.equal(a, b)
        assert a.dtype == torch.float32
        assert not a.requires_grad
    assert torch.equal(encoder.encode(slides[1]), encoder.embed(slides[1]).x)
    assert torch.equal(encoder.features(slides[1]), encoder.embed(slides[1]).features)


def test_a_class_of_ones_own_joins_and_a_taken_name_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("pyg_gears.encoders.registry.ENCODERS", dict(ENCODERS))

    class Own(ComponentEncoder):
        type_name: ClassVar[str] = "own"

    assert register_encoder(Own) is Own
    state = {
        "type": "own",
        "genes": ["a", "b"],
        "components": torch.eye(2),
        "scale": 1.0,
        "normalization": {},
        "depth": 1.0,
    }
    assert type(encoder_from_state(state)) is Own
    with pytest.raises(ValueError, match="expected an encoder name of its own, found 'own' taken by Own; rename it"):

        @register_encoder
        class Other(Encoder):
            type_name: ClassVar[str] = "own"


def test_other_states_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"expected the state of an encoder among .*, found 'gene' \(did you mean 'genes'"
    ):
        encoder_from_state({"type": "gene"})
    with pytest.raises(ValueError, match="found 'None'; fit the model again"):
        encoder_from_state({})
    assert np.all([name == kind.type_name for name, kind in ENCODERS.items()])
