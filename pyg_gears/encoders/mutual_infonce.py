"""InfoNCE between two domains without labels: mutual nearest neighbours are the positives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders.domain_distances import check_domains
from pyg_gears.errors import expect


def mutual_infonce(
    x: Float[Tensor, "n c"], y: Float[Tensor, "m c"], *, least: float = 0.2, temperature: float = 0.07
) -> Float[Tensor, ""]:
    r"""Draw mutual nearest neighbours of two domains together, against all others of the batch.

    .. math:: -\frac1{2|M|} \sum_{(i, j) \in M} \Big( \log \frac{e^{S_{ij} / \tau}}{\sum_l e^{S_{il} / \tau}}
        + \log \frac{e^{S_{ij} / \tau}}{\sum_l e^{S_{lj} / \tau}} \Big), \quad S_{ij} = \cos(x_i, y_j)

    M are the pairs that are each other's nearest by S, with S at least ``least``.

    Args:
        x: Embeddings of one domain, shape (n, c), at least two rows.
        y: Embeddings of the other, shape (m, c), at least two rows.
        least: Cosine below which a pair is no positive, in [-1, 1].
        temperature: tau, above 0.

    Returns:
        The loss; 0 (with a gradient) where there is no pair.

    Raises:
        InputError: for another number of channels, fewer than two rows, or a number out of its range.

    Source: Oord, Li and Vinyals, 2018, with the mutual nearest neighbours of Haghverdi et al., Batch effects in single-cell
    RNA-sequencing data are corrected by matching mutual nearest neighbors, 2018; the local term of the published GEARS encoder.
    """
    check_domains(x, y)
    expect(temperature > 0, f"expected a temperature above 0, found {temperature}; 0.07 is published.")
    expect(-1 <= least <= 1, f"expected a least cosine in [-1, 1], found {least}; 0.2 is published.")
    similarity = F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    best, column = similarity.detach().max(dim=1)
    row = similarity.detach().argmax(dim=0)
    chosen = ((row[column] == torch.arange(len(x), device=row.device)) & (best >= least)).nonzero()[:, 0]
    partner = column[chosen]
    logits = similarity / temperature
    forth = logits.log_softmax(dim=1)[chosen, partner]
    back = logits.log_softmax(dim=0)[chosen, partner]
    return -(forth + back).sum() / (2 * max(1, len(chosen)))
