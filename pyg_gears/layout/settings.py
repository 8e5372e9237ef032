"""What can be chosen about a layout, the fields that matter most first."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration


class SpreadRule(Configuration):
    """Which pairs of cells count, and how much, by the spread of their measurements as published.

    The spread of a pair is the distance between the 10 % and the 90 % quantile of its measurements over their median, below
    four measurements their standard deviation over it.
    """

    limit: Annotated[float, Field(ge=0)] = 0.30
    """Pairs with a larger spread are dropped."""
    sharpness: Annotated[float, Field(ge=0)] = 10.0
    """A pair with m measurements and spread s weighs m exp(-sharpness s^2) in the solve."""


class LayoutSettings(Configuration):
    """Settings of the patchwise, distance-first layout; the first six are the ones to try first.

    The candidate graph and its metric are no settings: they always follow the trained model.

    ``min_cover`` and ``fill`` were chosen on four held-out sections of mouse hippocampus and breast tumour. The fields of the
    stitching were chosen with a stand-in for the model: the true coordinates of a patch in a random gauge, plus noise. The
    figures below are its stress-1 (1500 cells, patches of 128, noise 0.4 of a patch's radius, one patch in 20 meaningless, no
    filling, mean of two seeds that differ by 0.007): 0.075 with the defaults. They rank settings of the stitching, not tissues.

    >>> LayoutSettings().change({"patch_size": 40}).shared_cells
    10
    """

    whole: ClassVar[str] = "the layout settings"

    samples: Annotated[int, Field(ge=1)] = 1
    """Predictions of every patch per model: the first without noise, the others with ``noise`` on the initial coordinates.
    Cost grows in proportion."""
    min_cover: Annotated[int, Field(ge=1)] = 8
    """Patches that hold every cell, at least. Cost grows in proportion; the noise of a distance falls with the root. 2, 4, 16:
    0.137, 0.097, 0.057."""
    patch_size: Annotated[int, Field(ge=8)] = 256
    """Cells per patch. Models are trained on 96 to 256 (`d7`: 384); a query of no more cells is predicted whole, as one patch."""
    fill: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Even-filling prior: the share of the way towards an evenly filled disc that every cell is moved, after near neighbours
    were refined. Predicted layouts contract to their middle; this corrects part of it and uses no slide."""
    refinement_rounds: Annotated[int, Field(ge=0)] = 50
    """Rounds in which the query's own expression graph refines near neighbours; 0 leaves them as the models have them.
    Spearman, Trust@20 and recall@15 of 11 unseen sections with 0, 25, 50, 100: 0.611, 0.811, 0.240; 0.612, 0.823, 0.270; 0.611,
    0.823, 0.270; 0.611, 0.823, 0.271; cells without good slides gain up to 100. 50 cost 0.6 ms of processor time per cell."""
    refinement_pull: Annotated[float, Field(ge=0)] = 0.1
    """How strongly the refinement is held to the layout before it, at full confidence. With 50 rounds 0.05, 0.1, 0.2:
    0.610 / 0.825 / 0.275, 0.611 / 0.823 / 0.270, 0.612 / 0.821 / 0.264."""
    global_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the cover given by patches drawn uniformly over all cells. They carry the long-range distances; any share
    above 0 puts every cell into two such patches at least. 0, 0.25, 1: 0.073, 0.069, 0.093; without any, a large tissue warps."""
    noise: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation of the noise of the further ``samples``, in the model's unit; None takes the level that the model
    was trained with (its attribute ``noise``)."""
    overlap: Annotated[int, Field(ge=0)] = 32
    """Cells that neighbouring local patches share, or a quarter of a patch where that is less. Of effect only where local
    patches fall into parts; none on the stand-in."""
    locality_neighbors: Annotated[int, Field(ge=1)] = 20
    """Neighbours per cell in the locality graph, before the mutual and the overlap condition. 8, 40: 0.067, 0.082."""
    jaccard: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Overlap of the two neighbour lists (Jaccard index) that an edge of the locality graph must exceed. 0, 0.2: 0.076, 0.074."""
    shared_neighbors: Annotated[int, Field(ge=0)] = 0
    """Neighbours in common that keep an edge of the locality graph whatever its Jaccard index; 0 leaves it to that alone.
    Published: 5, which decides nearly always. Not measured."""
    neighbors: Annotated[int, Field(ge=1)] = 12
    """Nearest neighbours of a cell within its patch whose distances are measured. 6, 24: 0.078, 0.071."""
    landmarks: Annotated[int, Field(ge=0)] = 8
    """Longer distances per cell and patch, to cells drawn from the patch; rounded up to an even number.
    0, 2, 16: 0.235, 0.110, 0.071."""
    scales: Literal["reconciled", "model"] = "reconciled"
    """Unit of a patch: reconciled between patches by what they measured in common, or the one that the model gave it, as
    published (then the model must have one: ``generator_diffusion``). Not measured."""
    min_support: Annotated[int, Field(ge=1)] = 2
    """Patches that must have measured a local pair for it to be kept (pairs that only global patches hold are exempt).
    1, 4: 0.078, 0.082."""
    max_dispersion: Annotated[float, Field(ge=0)] = 3.0
    """Pairs whose measurements scatter by more than this many times the median scatter are dropped. 1, no limit: 0.077,
    0.075."""
    spread: SpreadRule | None = None
    """The published rule for pairs in place of ``max_dispersion`` and of inverse variances. Not measured."""
    certainty: bool = False
    """Weigh votes by the model's certainty of each distance, for models that estimate it (``distance_egnn``). Acts where
    cells are predicted in patches; costs 12 bytes per pair of candidates and patch. her2st B3, one model, two layout seeds,
    Spearman and Trust@20 without and with: patches of 256 (of 298 cells) 0.506 / 0.774 and 0.506 / 0.774, of 128 0.507 /
    0.769 and 0.511 / 0.771."""
    huber: Annotated[float, Field(gt=0)] | None = None
    """Difference between a distance in the layout and the measured one from which it counts linearly, in RMS radii; None
    estimates it from the residuals. Published: 0.1. Not measured."""
    iterations: Annotated[int, Field(ge=1)] = 30
    """Rounds of the global solve at most; it stops when a round gains nothing. 5, 100: 0.079, 0.075."""
    anchor: Annotated[float, Field(ge=0)] = 1e-3
    """Pull of a cell to its start, relative to the pull of all its edges. 0, 0.1: 0.075, 0.182."""
    anchor_fade: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor of this pull from one round of the solve to the next. Published: 0.995 for each of 1000 small steps. Not
    measured."""
    batch_nodes: Annotated[int, Field(ge=1)] = 4096
    """Cells per forward pass at most (a larger patch is passed alone): memory, without influence beyond rounding."""
    shard_patches: Annotated[int, Field(ge=1)] = 32
    """Patches stored together when a shard folder is given: what a kill can lose. Without influence on the layout."""

    @classmethod
    def published(cls) -> LayoutSettings:
        """The published choices where they can be chosen here.

        Patches of 192 cells, six for every cell, all of them local; no reconciliation of scales; edges of the locality graph by
        five shared neighbours or a Jaccard index of 0.1; pairs by their spread; a fixed Huber threshold; an anchor that fades; no
        filling and no refinement of neighbours. docs/published.md lists what stays ours.
        """
        return cls(
            patch_size=192,
            min_cover=6,
            global_share=0.0,
            fill=0.0,
            refinement_rounds=0,
            locality_neighbors=40,
            jaccard=0.1,
            shared_neighbors=5,
            neighbors=15,
            landmarks=2,
            scales="model",
            spread=SpreadRule(),
            huber=0.1,
            anchor=0.05,
            anchor_fade=0.85,
            overlap=30,
        )

    @property
    def shared_cells(self) -> int:
        """The overlap asked of local patches of this size."""
        return min(self.overlap, self.patch_size // 4)

    @model_validator(mode="after")
    def _one_rule_for_pairs(self) -> Self:
        if self.spread is not None and self.max_dispersion != type(self).model_fields["max_dispersion"].default:
            raise ValueError(
                f"expected max_dispersion or spread, found max_dispersion={self.max_dispersion:g} beside spread; leave one out."
            )
        return self

    @model_validator(mode="after")
    def _noise_has_an_effect(self) -> Self:
        if self.noise is not None and self.samples == 1:
            raise ValueError(
                f"expected at least 2 samples with a noise of {self.noise}, found 1; raise samples or leave noise out."
            )
        return self
