"""The published encoder's part of a recipe: an embedding in which spots and cells, or slides, can't be told apart."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.training.embedding_section_recipe import (
    AdapterRecipe,
    AtLeastOne,
    AtLeastTwo,
    Dropout,
    EmbeddingSection,
    NonNegative,
    Positive,
    VICRegRecipe,
)

Share = Annotated[float, Field(ge=0, le=1)]


class DomainAdversaryRecipe(Configuration):
    """A classifier of the domains behind a gradient reversal, trained several steps for one of the encoder."""

    weight: Positive = 50.0
    """Weight of its cross-entropy in the encoder's loss."""
    steps: AtLeastOne = 10
    """Steps of the classifier on each batch before the encoder's."""
    rate: Positive = 3.0
    """Its learning rate, as a multiple of the encoder's."""
    hidden: tuple[AtLeastOne, ...] = (256, 256)
    """Widths of its hidden layers. Published: 256, and 512 for mouse."""
    dropout: Dropout = 0.1
    """Its dropout. Published: 0.1, and 0.2 for mouse."""
    weight_decay: NonNegative = 1e-4
    """Its weight decay."""


class MutualRecipe(Configuration):
    """InfoNCE between mutual nearest neighbours of two domains, in every batch anew."""

    weight: Positive = 4.0
    """Weight of the term, reached at ``end``."""
    least: Annotated[float, Field(ge=-1, le=1)] = 0.2
    """Cosine that a pair must have."""
    temperature: Positive = 0.07
    """Temperature of the softmax over the batch."""
    begin: Share = 0.1
    """Share of the steps before the term."""
    end: Share = 0.3
    """Share of the steps after which it has its full weight. Published: steps 100 to 300 of 1000."""


class ConsistencyRecipe(Configuration):
    """Neighbours in expression stay neighbours in H."""

    weight: Positive = 10.0
    """Weight of the term, from the first step on."""
    neighbors: AtLeastOne = 15
    """Nearest neighbours in expression, over spots and cells together (cosine)."""
    refresh: AtLeastOne = 50
    """Steps after which the neighbours' embeddings are computed anew."""


class PatientsRecipe(Configuration):
    """Slides of different patients get the same means and covariances."""

    of: dict[str, str] = Field(default={})
    """Patient of each training slide, by the slide's name; two patients at least. (Published: patients of the cells.)"""
    weight: Positive = 50.0
    """Weight of the term, reached with the ramp."""


class MixingRecipe(Configuration):
    """The state is kept in which the neighbours of a spot or cell tell least of its domain."""

    begin: Share = 0.25
    """Share of the steps before the first look. Published: step 250 of 1000, so that runs under 301 steps had none; here the
    last step is always looked at."""
    neighbors: AtLeastOne = 20
    """Neighbours that vote (cosine)."""
    sample: AtLeastTwo = 2000
    """Rows of each domain at most."""


class PublishedEmbedding(EmbeddingSection):
    """The encoder as published: one network on uncentred genes, trained to mix domains, blind to every position.

    With cells (``--cells``) the domains are spots and cells; the cells may be those to be laid out (transductive). Without any
    the domains are the training slides (inductive), of which there must be two. Losses beside VICReg: an adversary, differences
    of moments and of distributions, mutual neighbours, neighbours in expression, patients. Mended or different: ramps and the
    choice of the state are shares of the run instead of steps of one length of run; the batch is balanced by slide on both
    sides; the domains that the probe looks at have one size.
    """

    kind: Literal["published"] = "published"
    genes: AtLeastTwo | None = 2000
    """Genes read: the most variable ones of the training slides; null for all shared genes. Published: 2000 shared ones, 343 for
    mouse."""
    target_sum: Positive = 1e4
    """Counts per spot after scaling. Published: 10,000 for mouse, elsewhere the slide's median."""
    adapter: AdapterRecipe | None = None
    """An adapter of cells beside the encoder, which is to make it needless; null as published."""
    hidden: tuple[AtLeastOne, ...] = (512, 256)
    """Widths of the hidden layers."""
    out_channels: AtLeastTwo = 128
    """Channels of H."""
    layer_dropout: Dropout = 0.1
    """Dropout of the hidden layers."""
    vicreg: VICRegRecipe = VICRegRecipe(variance=25.0, covariance=2.0, invariance_warmup=0.0)
    """VICReg between two views: 25, 25 and 1. Published is the covariance' sum over the views, ours the mean: hence 2."""
    adversary: DomainAdversaryRecipe | None = DomainAdversaryRecipe()
    """The adversary of the domains; its reversal rises with the ramp."""
    coral: NonNegative = 1.0
    """Weight of the difference of means and covariances, of the normalised H and of H as it is, reached with the ramp."""
    mmd: NonNegative = 20.0
    """Weight of the difference of distributions on the unit sphere, reached with the ramp."""
    mutual: MutualRecipe | None = MutualRecipe()
    """Mutual neighbours of two domains."""
    consistency: ConsistencyRecipe | None = ConsistencyRecipe()
    """Neighbours in expression."""
    patients: PatientsRecipe | None = None
    """Patients of the slides, where these differ."""
    ramp_begin: Share = 0.05
    """Share of the steps before adversary, differences and patients act."""
    ramp_end: Share = 0.25
    """Share of the steps after which they act in full. Published: steps 50 to 250 of 1000."""
    noise: NonNegative = 0.01
    """Noise of a view on the logarithm. Published: 0.01, and 0.02 for mouse."""
    dropout: Dropout = 0.2
    """Gene dropout of a view. Published: 0.2, and 0.3 for mouse."""
    scale_jitter: Share = 0.1
    """By how much the depth varies between views, uniformly. Published: 0.1, and 0.2 for mouse."""
    steps: AtLeastOne = 1000
    """Optimisation steps, the published epochs of one batch. Published: 1000, and 1200 for mouse."""
    evaluate_every: AtLeastOne = 100
    """Steps between two looks at the mixing."""
    selection: MixingRecipe | None = MixingRecipe()
    """Which state is kept: the best mixed one, or null for the last."""
    batch_spots: Annotated[int, Field(ge=32)] = 256
    """Spots and cells in one step, each domain with its equal part."""
    lr: Positive = 1e-3
    """Learning rate of Adam, falling to zero by a cosine. Published: 1e-3 in both scripts, 1e-4 in the class."""
    clip: Positive = 1.0
    """Largest norm of the gradient."""
