"""Everything that the embedding can choose: from counts to H, one section per kind of encoder."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

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
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding


class InfoNCERecipe(Configuration):
    """Spatial InfoNCE: physical neighbours become the nearest in H."""

    weight: Positive = 1.0
    """Weight of the term."""
    temperature: Positive = 0.15
    """Temperature of the softmax over the batch."""
    neighbors: AtLeastOne = 20
    """Physical neighbours that are positives, k = 20 as published."""
    hard_negatives: NonNegative = 0.0
    """Extra weight, in the denominator, of the 20 spots that are near in H and far in space."""


class AdversaryRecipe(Configuration):
    """A classifier behind a gradient reversal whose strength rises over the training.

    Off by default, as in the published version 5: trained alignment of domains cost overlap with the tissue there (0.68 to
    0.25). The published predecessor used it against the modality.
    """

    weight: Positive = 1.0
    """Weight of the classifier's cross-entropy."""
    against: Literal["slides", "modality"] = "slides"
    """Domains to be told apart: slides, or spots and cells (which then take part in the training of the networks)."""


class SpatialFront(Configuration):
    """Components that vary smoothly over the training slides."""

    kind: Literal["spatial"] = "spatial"
    components: AtLeastTwo = 40
    """Components read by the networks."""


class PCAFront(Configuration):
    """Principal components of the training slides."""

    kind: Literal["pca"] = "pca"
    components: AtLeastTwo = 40
    """Components read by the networks."""


class GenesFront(Configuration):
    """The centred genes themselves. On two sections networks memorise the training spots (overlap 0.93; on new ones 0.21)."""

    kind: Literal["genes"] = "genes"


class ComponentEmbedding(EmbeddingSection):
    """What embeddings by components alone choose."""

    components: AtLeastTwo = 20
    """Components kept, the channels of H. On unseen sections 20 overlap more with the tissue than 50 (0.235 and 0.193)."""
    cross_fit: bool = True
    """Embed training spots by components that have not seen them, so that they are embedded no better than new cells."""


class SpatialEmbedding(ComponentEmbedding):
    """Components that vary smoothly over the training slides, without networks."""

    kind: Literal["spatial"] = "spatial"


class PCAEmbedding(ComponentEmbedding):
    """Principal components, without networks."""

    kind: Literal["pca"] = "pca"


class TrainedEmbedding(EmbeddingSection):
    """What the training of an encoder's networks chooses."""

    infonce: InfoNCERecipe | None = InfoNCERecipe()
    """Spatial InfoNCE. Without it the neighbours in H overlap by 2 % with those in the tissue (published figure)."""
    vicreg: VICRegRecipe | None = None
    """VICReg. Not measured beside InfoNCE on unseen sections."""
    adversary: AdversaryRecipe | None = None
    """A classifier that the networks are trained against."""
    norm: NonNegative = 0.0
    """Weight of the variance over slides of the logarithm of the mean length of H."""
    coral: NonNegative = 0.0
    """Weight of the difference of means and covariances (:func:`~pyg_gears.encoders.moment_distance`) of the directions of H,
    channels of mean square 1, mean over the pairs of slides."""
    mmd: NonNegative = 0.0
    """Weight of the difference of distributions (:func:`~pyg_gears.encoders.mmd`) of the same directions, of 128 spots of each
    slide."""
    noise: NonNegative = 0.4
    """Gaussian noise on the features of a view, in standard deviations of each."""
    dropout: Dropout = 0.0
    """Share of the features of a view set to zero (of genes: gene dropout)."""
    scale_jitter: NonNegative = 0.0
    """Standard deviation of the factor by which a whole spot's features are scaled in a view."""
    steps: AtLeastOne = 120
    """Optimisation steps."""
    evaluate_every: AtLeastOne = 20
    """Steps between measurements of the overlap on held-out spots."""
    keep: Literal["best", "last"] = "best"
    """The state that agrees best with the held-out spots (first and last included), or the last. The second round of a fit trains
    for as many steps."""
    batch_spots: Annotated[int, Field(ge=32)] = 512
    """Spots of a slide in one step at most: half of them one disc, half drawn over the slide; cells likewise, all drawn.
    1,024 are no better and take up to a fifth longer, see docs/defaults.md."""
    lr: Positive = 3e-3
    """Learning rate of AdamW, falling to zero by a cosine."""
    weight_decay: NonNegative = 1e-3
    """Weight decay of AdamW."""

    @model_validator(mode="after")
    def _has_a_loss(self) -> Self:
        if self.infonce is None and self.vicreg is None:
            raise ValueError("expected embedding.infonce or embedding.vicreg, found neither; set one of them.")
        return self


class LearnedEmbedding(TrainedEmbedding):
    """Small networks on components, each trained without some of the spots, averaged on spatial axes.

    The defaults were chosen by the neighbourhood overlap on unseen sections.
    """

    kind: Literal["learned"] = "learned"
    cross_fit: bool = True
    """Embed training spots by components and networks that have not seen them, so that they are embedded no better than new
    cells."""
    front: Annotated[SpatialFront | PCAFront | GenesFront, Field(discriminator="kind")] = SpatialFront()
    """Features that the networks read."""
    hidden: tuple[AtLeastOne, ...] = (64,)
    """Widths of the hidden layers; none leaves a linear map (of components) or a single layer (of genes)."""
    out_channels: AtLeastTwo = 32
    """Channels that the networks learn."""
    min_autocorrelation: Annotated[float, Field(ge=-1, le=1)] = 0.25
    """Axes of the embedding kept: Moran's I over the tissue of spots that the networks have not seen; -1 keeps all."""
    folds: AtLeastOne = 5
    """Parts of the training spots; one network per part, trained on the others. 1: one network, trained on all. ``quick`` has 3,
    as good in two thirds of the time (docs/defaults.md)."""
    repeats: AtLeastOne = 2
    """Different divisions into parts, ``folds`` networks each, whose axes stand side by side in H; ``quick`` has 1. A second one
    gains 0.007 in mean Spearman with ``standard``, 0.004 with ``quick`` (docs/defaults.md)."""

    @model_validator(mode="after")
    def _fits_its_front(self) -> Self:
        if not isinstance(self.front, GenesFront) and self.out_channels > self.front.components:
            raise ValueError(
                f"expected embedding.out_channels at most embedding.front.components, found {self.out_channels} of "
                f"{self.front.components}; lower the one or raise the other."
            )
        return self


class D7Embedding(TrainedEmbedding):
    """The encoder of the published method's successor (version 5): one network on all genes, its output kept as it is.

    On two sections it memorises the training spots. Not stated in the source, and ours: counts per 10,000, the
    temperature, the weight of hard negatives, the strengths of noise, dropout and jitter, AdamW with its decay and falling
    rate, batches of at most 1024 spots per slide.
    """

    kind: Literal["d7"] = "d7"
    genes: AtLeastTwo | None = None
    """Genes read; null for all shared genes, as published."""
    target_sum: Positive = 1e4
    """Counts per spot after scaling."""
    adapter: AdapterRecipe | None = AdapterRecipe(identity=1.0)
    """The adapter of cells, with the published weights 10, 10 and 1."""
    hidden: tuple[AtLeastOne, ...] = (512, 256)
    """Widths of the hidden layers, as published."""
    out_channels: AtLeastTwo = 128
    """Channels of H, as published."""
    infonce: InfoNCERecipe | None = InfoNCERecipe(weight=5.0, hard_negatives=1.0)
    """Spatial InfoNCE of weight 5, as published."""
    vicreg: VICRegRecipe | None = VICRegRecipe()
    """VICReg as published: 25 after a warm-up of 0.3, 50, 1."""
    norm: NonNegative = 5.0
    """Weight of the slide-norm term, as published (ratio of norms over the slides 1.038)."""
    noise: NonNegative = 0.1
    """Gaussian noise on the genes of a view, in standard deviations of each."""
    dropout: Dropout = 0.2
    """Gene dropout of a view."""
    scale_jitter: NonNegative = 0.2
    """Standard deviation of the factor by which a whole spot is scaled in a view."""
    steps: AtLeastOne = 1200
    """Optimisation steps, each over all slides: the published epochs."""
    batch_spots: Annotated[int, Field(ge=32)] = 1024
    """Spots of a slide in one step at most; the sources do not give it."""
    evaluate_every: AtLeastOne = 100
    """Steps between measurements of the overlap on held-out spots."""
    keep: Literal["best", "last"] = "last"
    """The last state, as published, or the one that agrees best with the held-out spots."""
    lr: Positive = 1e-4
    """Learning rate, as published."""


EmbeddingRecipe: TypeAlias = Annotated[
    LearnedEmbedding | SpatialEmbedding | PCAEmbedding | PublishedEmbedding | D7Embedding, Field(discriminator="kind")
]
"""The embedding section of a recipe, told apart by ``kind``."""
