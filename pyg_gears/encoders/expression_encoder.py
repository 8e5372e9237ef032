"""The learned embedding: a few small networks on top of gene components, averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import sparse
from torch import Tensor, nn

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centered_genes import CenteredGenes
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.pca import PCAEncoder
from pyg_gears.errors import expect

ALIGNMENT_ROUNDS = 3
TYPES: dict[str, Any] = {"components": PCAEncoder, "genes": CenteredGenes}


class ExpressionEncoder:
    r"""Networks that were trained without some of the spots each, and agree on one basis.

    .. math:: H = \frac1{\rho M} \sum_m \frac{h_m(f)}{\|h_m(f)\|}\, R_m

    with f the front encoder's features, h_m the networks, R_m rotations onto common axes, of which only the spatial ones are
    kept, and :math:`\rho` one number that gives the training slides unit mean square. The networks learn by cosine, so only
    the direction of h counts. Frozen: the same input gives the same output.

    Args:
        front: What makes features of expression.
        members: The networks.
        rotations: R_m with orthonormal columns, shape (d, c) each.
        scale: The number :math:`\rho`.
    """

    def __init__(
        self,
        front: Encoder,
        members: Sequence[ExpressionNetwork],
        rotations: Sequence[Float[Tensor, "d c"]],
        scale: float,
    ) -> None:
        self.front = front
        self.members = nn.ModuleList(members).eval().requires_grad_(False)
        self.rotations = list(rotations)
        self.scale = float(scale)

    @classmethod
    def assemble(
        cls,
        front: Encoder,
        members: Sequence[ExpressionNetwork],
        features: Sequence[Float[Tensor, "n f"]],
        unseen: Sequence[Sequence[Bool[Tensor, " n"]]],
        graphs: Sequence[sparse.csr_array],
        *,
        min_autocorrelation: float = 0.25,
    ) -> tuple[ExpressionEncoder, list[Float[Tensor, "n c"]]]:
        r"""Bring the members onto common axes, drop what is not spatial, and embed the training slides as if they were new.

        Networks trained apart differ by a rotation, about which cosine similarity says nothing; each is rotated onto the
        mean of all (Procrustes, a few rounds). The axes are those along which the out-of-bag embedding X varies most
        smoothly over the tissue, and only axes with enough spatial autocorrelation (Moran's I) are kept:

        .. math:: I_k = \frac{v_k^T (\sum_s X_s^T W_s X_s)\, v_k}{v_k^T (\sum_s X_s^T X_s)\, v_k}

        An axis that says nothing about place on spots that no network saw says nothing on new cells either; left in, it is
        one more input by which the structure model can tell training spots apart.

        Args:
            front: What made the features.
            members: The trained networks.
            features: Features of the training slides, themselves cross-fitted, shape (n, f) each.
            unseen: Per member and slide the spots that the member was not trained on, shape (n,) each; every spot is
                unseen by at least one.
            graphs: Neighbour graph W of each training slide (:func:`neighbor_graph`), (n, n) each.
            min_autocorrelation: Axes below are dropped, two at least are kept; -1 keeps all.

        Returns:
            The encoder, and the out-of-bag embeddings: each training spot by the members that did not see it.

        Source: generalised Procrustes analysis, Gower 1975; out-of-bag estimates, Breiman 1996; the axes are those of
        MULTISPATI, Dray, Said and Debias 2008.
        """
        pooled, sizes = torch.cat(list(features)), [len(x) for x in features]
        with torch.no_grad():
            outputs = [_directions(member.eval(), pooled) for member in members]
        rotations, mean = [torch.eye(outputs[0].size(1))] * len(outputs), outputs[0]
        for _ in range(ALIGNMENT_ROUNDS):
            rotations = [_rotation(output, mean) for output in outputs]
            mean = torch.stack([output @ r for output, r in zip(outputs, rotations, strict=True)]).mean(dim=0)
        mask = torch.stack([torch.cat(list(part)) for part in unseen]).to(pooled)
        aligned = torch.stack([output @ r for output, r in zip(outputs, rotations, strict=True)])
        out_of_bag = (aligned * mask[..., None]).sum(dim=0) / mask.sum(dim=0)[:, None]

        axes = _smooth_axes(out_of_bag.split(sizes), graphs, min_autocorrelation)
        rotations, mean, out_of_bag = [rotation @ axes for rotation in rotations], mean @ axes, out_of_bag @ axes
        scale = max(float(mean.square().mean().sqrt()), 1e-12)
        return cls(front, members, rotations, scale), list((out_of_bag / scale).split(sizes))

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self.front.genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.rotations[0].size(1)

    @torch.no_grad()
    def encode(self, slide: Slide) -> Float[Tensor, "n c"]:
        """Embed every spot or cell, float32.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        return self.embed(self.front.encode(slide))

    @torch.no_grad()
    def embed(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n c"]:
        """Embed features of the front encoder."""
        total = torch.zeros(features.size(0), self.out_channels)
        for member, rotation in zip(self.members, self.rotations, strict=True):
            total += _directions(member, features) @ rotation
        return total / (len(self.members) * self.scale)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": "expression",
            "front": dict(self.front.state()),
            "members": [dict(member.state_dict()) for member in self.members],
            "rotations": self.rotations,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ExpressionEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(
            encoder_from_state(state["front"]),
            [_network(values) for values in state["members"]],
            state["rotations"],
            state["scale"],
        )


def encoder_from_state(state: Mapping[str, Any]) -> Encoder:
    """Build the encoder whose ``state()`` this is, whatever its class.

    Raises:
        InputError: for a state of no known encoder.
    """
    types = {**TYPES, "expression": ExpressionEncoder}
    kind = state.get("type")
    expect(
        kind in types,
        f"expected the state of an encoder among {', '.join(types)}, found {kind!r}; fit the model again.",
    )
    encoder: Encoder = types[str(kind)].from_state(state)
    return encoder


def embed_slide(encoder: Encoder, slide: Slide) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n f"]]:
    """The embedding of a slide, and what the encoder's networks read; the embedding twice where there are none.

    The networks answer with a direction whatever they are given. Whether expression has any structure, and whether cells
    resemble the training spots, is still visible before them.
    """
    if not isinstance(encoder, ExpressionEncoder):
        x = encoder.encode(slide)
        return x, x
    features = encoder.front.encode(slide)
    return encoder.embed(features), features


def _network(state: Mapping[str, Tensor]) -> ExpressionNetwork:
    """A network with the widths of its weights."""
    linear = state.get("linear.weight")
    layers = [value for name, value in state.items() if name.startswith("mlp.") and name.endswith("weight")]
    first, last = (linear, linear) if linear is not None else (layers[0], layers[-1])
    hidden = [layer.size(0) for layer in layers[:-1]]
    network = ExpressionNetwork(first.size(1), last.size(0), hidden, residual=linear is not None)
    network.load_state_dict(dict(state))
    return network


def _rotation(x: Tensor, target: Tensor) -> Tensor:
    """The rotation (or reflection) of the axes that brings x closest to the target."""
    u, _, vt = torch.linalg.svd((x.T @ target).double())
    return (u @ vt).to(x)


def _directions(member: nn.Module, features: Tensor) -> Tensor:
    """The network's output on the unit sphere."""
    return F.normalize(member(features), dim=1)


def _smooth_axes(slides: Sequence[Tensor], graphs: Sequence[sparse.csr_array], least: float) -> Tensor:
    """Orthonormal axes (d, c) by falling spatial covariance, those with too little autocorrelation left out."""
    d = slides[0].size(1)
    smooth, variance = np.zeros((d, d)), np.zeros((d, d))
    for x, graph in zip(slides, graphs, strict=True):
        values = (x - x.mean(dim=0)).double().numpy()
        smooth += values.T @ (graph @ values)
        variance += values.T @ values
    axes = np.linalg.eigh((smooth + smooth.T) / 2).eigenvectors[:, ::-1]
    along = np.einsum("dk,de,ek->k", axes, variance, axes)
    autocorrelation = np.einsum("dk,de,ek->k", axes, smooth, axes) / np.maximum(along, 1e-300)
    autocorrelation[:2] = np.inf
    axes = axes[:, autocorrelation > least]
    sign = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return torch.from_numpy((axes * sign).astype(np.float32))
