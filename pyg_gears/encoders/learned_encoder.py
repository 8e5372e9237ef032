"""The learned embedding: a few small networks on top of gene components, averaged within each division of the spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.linalg import orthogonal_procrustes
from torch import Tensor, nn

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.registry import encoder_from_state, register_encoder
from pyg_gears.errors import expect
from pyg_gears.graphs import morans_i

ALIGNMENT_ROUNDS = 3
MIN_AXES = 2
"""Axes kept however little autocorrelation they have."""


@register_encoder
class LearnedEncoder(Encoder):
    r"""Networks that were trained without some of the spots each, and agree on one basis per division of the spots.

    .. math:: H = \frac1{\rho M} \sum_m \frac{h_m(f)}{\|h_m(f)\|}\, R_m

    with f the front encoder's features, h_m the networks, R_m rotations onto the axes of the network's division, of which only
    the spatial ones are kept, and :math:`\rho` one number that gives the training slides unit mean square. Divisions have axes of
    their own, side by side: R_m is zero on those of the others. The networks learn by cosine, so only the direction of h counts.
    Frozen: the same input gives the same output.

    Args:
        front: What makes features of expression.
        members: The networks.
        rotations: R_m, shape (d, c) each; the columns that are not zero are orthonormal.
        scale: The number :math:`\rho`.
    """

    type_name: ClassVar[str] = "expression"

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
        divisions: int = 1,
        min_autocorrelation: float = 0.25,
    ) -> tuple[LearnedEncoder, list[Float[Tensor, "n c"]]]:
        r"""Bring the members onto common axes, drop what is not spatial, and embed the training slides as if they were new.

        Networks trained apart differ by a rotation, which cosine similarity leaves open; each is rotated onto the
        mean of its division (Procrustes, a few rounds). The axes are those along which the out-of-bag embedding X varies most
        smoothly over the tissue, and only axes with enough spatial autocorrelation (Moran's I over all slides) are kept:

        .. math:: I_k = \frac{v_k^T (\sum_s X_s^T W_s X_s)\, v_k}{v_k^T (\sum_s X_s^T X_s)\, v_k}

        An axis without spatial structure on spots that no network saw has none on new cells either; left in, it is one more
        input by which the structure model can recognise training spots.

        Several divisions of the spots give as many embeddings. Side by side they place unseen sections better than one, unlike
        their mean (docs/defaults.md).

        Args:
            front: What made the features.
            members: The trained networks, those of one division after those of another.
            features: Features of the training slides, themselves cross-fitted, shape (n, f) each.
            unseen: Per member and slide the spots that the member was not trained on, shape (n,) each; every spot is
                unseen by at least one of each division.
            graphs: Neighbour graph W of each training slide (:func:`neighbor_graph`), (n, n) each.
            divisions: How many divisions the members are of, as many of each.
            min_autocorrelation: Axes below are dropped, two at least of a division are kept; -1 keeps all.

        Returns:
            The encoder, and the out-of-bag embeddings: each training spot by the members that did not see it.

        Source: generalised Procrustes analysis, Gower 1975; out-of-bag estimates, Breiman 1996; the axes are those of
        MULTISPATI, Dray, Said and Debias 2008.

        Raises:
            InputError: for divisions of unequal size.
        """
        expect(
            divisions > 0 and len(members) % divisions == 0,
            f"expected as many members in each of {divisions} divisions, found {len(members)} in all; name them all.",
        )
        pooled, sizes = torch.cat(list(features)), [len(x) for x in features]
        with torch.no_grad():
            outputs = [_directions(member.eval(), pooled) for member in members]
        mask = torch.stack([torch.cat(list(part)) for part in unseen]).to(pooled)
        count = len(members) // divisions
        rotations, mean, out_of_bag = [], [], []
        for first in range(0, len(members), count):
            division = slice(first, first + count)
            turns, average, crossed = _common_axes(outputs[division], mask[division])
            axes = _smooth_axes(crossed.split(sizes), graphs, min_autocorrelation)
            rotations.append([turn @ axes for turn in turns])
            mean.append(average @ axes)
            out_of_bag.append(crossed @ axes)
        scale = max(float(torch.cat(mean, dim=1).square().mean().sqrt()), 1e-12)
        encoder = cls(front, members, _side_by_side(rotations), scale / divisions)
        return encoder, list((torch.cat(out_of_bag, dim=1) / scale).split(sizes))

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self.front.genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.rotations[0].size(1)

    @torch.no_grad()
    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell, float32; the features are those of the front encoder.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        return self.embed_features(self.front.encode(slide))

    @torch.no_grad()
    def embed_features(self, features: Float[Tensor, "n f"]) -> EmbeddingOutput:
        """Embed spots of which the front encoder's features are known already."""
        total = torch.zeros(features.size(0), self.out_channels)
        for member, rotation in zip(self.members, self.rotations, strict=True):
            total += _directions(member, features) @ rotation
        return EmbeddingOutput(total / (len(self.members) * self.scale), features)

    def borrow(self, embedded: EmbeddingOutput, depth_ratio: float) -> EmbeddingOutput:
        """Embed the front encoder's features once more, those of shallow cells averaged with their neighbours'."""
        front = EmbeddingOutput(embedded.features, embedded.features)
        lent = self.front.borrow(front, depth_ratio).features
        return embedded if lent is embedded.features else self.embed_features(lent)

    def depths(self, slide: Slide) -> Float[np.ndarray, " n"]:
        """Counts that the front encoder's features of every spot or cell rest on."""
        return self.front.depths(slide)

    def depth_ratio(self, slide: Slide) -> float:
        """Median count of the spots or cells over that of the training spots, in the encoder's genes."""
        return self.front.depth_ratio(slide)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "front": dict(self.front.state()),
            "members": [dict(member.state_dict()) for member in self.members],
            "rotations": self.rotations,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LearnedEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(
            encoder_from_state(state["front"]),
            [ExpressionNetwork.from_state_dict(values) for values in state["members"]],
            state["rotations"],
            state["scale"],
        )


def _common_axes(outputs: Sequence[Tensor], mask: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Rotations of networks onto their mean, (d, d) each, the mean, and that of the networks that a spot is unseen by, (m, d)."""
    mean = outputs[0]
    for _ in range(ALIGNMENT_ROUNDS):
        rotations = [_rotation(output, mean) for output in outputs]
        aligned = torch.stack([output @ r for output, r in zip(outputs, rotations, strict=True)])
        mean = aligned.mean(dim=0)
    return rotations, mean, (aligned * mask[..., None]).sum(dim=0) / mask.sum(dim=0)[:, None]


def _side_by_side(divisions: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The rotations of every division, (d, c_i) each, onto columns of its own: shape (d, c) each, c the sum of the c_i."""
    ends = np.cumsum([0, *(rotations[0].size(1) for rotations in divisions)]).tolist()
    return [
        F.pad(rotation, (ends[number], ends[-1] - ends[number + 1]))
        for number, rotations in enumerate(divisions)
        for rotation in rotations
    ]


def _rotation(x: Tensor, target: Tensor) -> Tensor:
    """The rotation (or reflection) of the axes that brings x closest to the target."""
    rotation, _ = orthogonal_procrustes(x.double().numpy(), target.double().numpy())
    return torch.from_numpy(rotation).to(x)


def _directions(member: nn.Module, features: Tensor) -> Tensor:
    """The network's output on the unit sphere."""
    return F.normalize(member(features), dim=1)


def _smooth_axes(slides: Sequence[Tensor], graphs: Sequence[sparse.csr_array], least: float) -> Tensor:
    """Orthonormal axes (d, c) by falling spatial covariance, those with too little autocorrelation left out."""
    values = np.concatenate([(x - x.mean(dim=0)).double().numpy() for x in slides])
    graph = sparse.csr_array(sparse.block_diag(graphs))
    smooth = values.T @ (graph @ values)
    axes = np.linalg.eigh((smooth + smooth.T) / 2).eigenvectors[:, ::-1]
    kept = morans_i(values @ axes, graph) > least
    kept[:MIN_AXES] = True
    axes = axes[:, kept]
    sign = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return torch.from_numpy((axes * sign).astype(np.float32))
