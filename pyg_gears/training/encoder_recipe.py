"""Everything that the training of the expression encoder can choose, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_gears.errors import expect
from pyg_gears.training.configuration import check_choice, check_range

FRONTS = ("spatial", "pca", "genes")


@dataclass(frozen=True)
class EncoderRecipe:
    """The learned embedding, used with ``embedding.kind=learned``.

    The defaults were chosen by the neighbourhood overlap on sections that nothing was fitted on. The encoder as published is
    ``front=genes, hidden=[512, 256], out_channels=128, infonce=5, vicreg=1, lr=1e-4, folds=1`` with more steps: on two
    sections it learns the training spots by heart.
    """

    front: str = "spatial"
    """Features that the networks read: components ("spatial" or "pca") or the centred "genes" themselves."""
    front_components: int = 40
    """Components read."""
    hidden: tuple[int, ...] = (64,)
    """Widths of the hidden layers; none leaves a linear map (of components) or a single layer (of genes)."""
    out_channels: int = 32
    """Channels that the networks learn."""
    min_autocorrelation: float = 0.25
    """Axes of the embedding kept: Moran's I over the tissue of spots that the networks have not seen; -1 keeps all."""
    infonce: float = 1.0
    """Weight of the spatial InfoNCE loss."""
    vicreg: float = 0.0
    """Weight of the VICReg loss."""
    invariance: float = 25.0
    """Weight of the invariance term inside VICReg, reached after ``invariance_warmup``."""
    variance: float = 50.0
    """Weight of the variance term inside VICReg."""
    covariance: float = 1.0
    """Weight of the covariance term inside VICReg."""
    invariance_warmup: float = 0.3
    """Share of the steps over which the invariance weight rises linearly from 0."""
    adversary: float = 0.0
    """Weight of a slide classifier behind a gradient reversal."""
    norm: float = 0.0
    """Weight of the variance over slides of the logarithm of the mean length of H."""
    temperature: float = 0.15
    """Temperature of InfoNCE."""
    neighbors: int = 20
    """Physical neighbours that are positives."""
    hard_negatives: float = 0.0
    """Extra weight of the 20 most similar far spots in the denominator."""
    noise: float = 0.4
    """Gaussian noise on the features of a view, in standard deviations of each."""
    dropout: float = 0.0
    """Share of the features of a view set to zero (of genes: gene dropout)."""
    scale_jitter: float = 0.0
    """Standard deviation of the factor by which a whole spot's features are scaled in a view."""
    folds: int = 5
    """Parts of the training spots; one network per part, trained on the others. 1: one network, trained on all."""
    repeats: int = 2
    """Different divisions into parts, ``folds`` networks each."""
    blocks: bool = False
    """Parts are contiguous regions of each slide, not random spots."""
    steps: int = 120
    """Optimisation steps."""
    evaluate_every: int = 20
    """Steps between measurements of the overlap on held-out spots; the best state is kept, first and last included."""
    batch_spots: int = 1024
    """Spots of a slide in one step at most: half of them one disc, half drawn over the slide."""
    lr: float = 3e-3
    """Learning rate of AdamW, falling to zero by a cosine."""
    weight_decay: float = 1e-3
    """Weight decay of AdamW."""

    def __post_init__(self) -> None:
        check_choice("encoder.front", self.front, FRONTS)
        for name, low in (
            ("front_components", 2),
            ("out_channels", 2),
            ("neighbors", 1),
            ("folds", 1),
            ("repeats", 1),
            ("steps", 1),
            ("evaluate_every", 1),
            ("batch_spots", 32),
        ):
            check_range(f"encoder.{name}", getattr(self, name), low)
        for name in (
            "infonce",
            "vicreg",
            "invariance",
            "variance",
            "covariance",
            "adversary",
            "norm",
            "hard_negatives",
            "noise",
            "scale_jitter",
            "weight_decay",
        ):
            check_range(f"encoder.{name}", getattr(self, name), 0)
        check_range("encoder.min_autocorrelation", self.min_autocorrelation, -1, 1)
        check_range("encoder.invariance_warmup", self.invariance_warmup, 0, 1)
        check_range("encoder.dropout", self.dropout, 0, 0.95)
        for name in ("temperature", "lr"):
            value = getattr(self, name)
            expect(value > 0, f"expected encoder.{name} above 0, found {value}; change the recipe.")
        expect(
            all(isinstance(width, int) and width > 0 for width in self.hidden),
            f"expected encoder.hidden to list widths above 0, found {list(self.hidden)}; write for example [64].",
        )
        expect(
            self.infonce > 0 or self.vicreg > 0,
            "expected encoder.infonce or encoder.vicreg above 0, found both 0; set one of them.",
        )
        expect(
            self.front == "genes" or self.out_channels <= self.front_components,
            f"expected encoder.out_channels at most front_components, found {self.out_channels} of "
            f"{self.front_components}; lower the one or raise the other.",
        )
