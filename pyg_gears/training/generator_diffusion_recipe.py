"""What a run can choose about the published structure model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.data.miniset_recipe import PairedViews
from pyg_gears.errors import expect

if TYPE_CHECKING:
    from pyg_gears.models import GeneratorDiffusion


class BudgetCurriculum(Configuration):
    """The noise rises by the share of the steps that are done: a fifth of the run is spent at the top."""

    kind: Literal["budget"] = "budget"
    min_stage: int = Field(default=50, ge=1)
    """Least steps of one of the four stages. Published: 500."""
    ramp: int = Field(default=50, ge=0)
    """Steps over which the largest noise moves to that of a new stage. Published: 300."""


class CompetenceCurriculum(Configuration):
    """The noise rises as the denoiser masters it, see :class:`pyg_gears.models.generator_diffusion.Competence`. Not measured."""

    kind: Literal["competence"] = "competence"
    every: int = Field(default=25, ge=1)
    """Steps between two judgements; six are needed for a promotion."""
    ramp: int = Field(default=50, ge=0)
    """Steps over which the largest noise moves to that of a new stage. Published: 300."""


CurriculumRecipe = Annotated[BudgetCurriculum | CompetenceCurriculum, Field(discriminator="kind")]


class LatentTermsRecipe(Configuration):
    """Weights of the losses that the model brings; the defaults are the published ones. 0 leaves a loss out."""

    score: float = Field(default=16.0, ge=0)
    """Denoising error."""
    gram: float = Field(default=1.0, ge=0)
    """Inner products of the denoised layout, of the cleanest half of the sets."""
    size: float = Field(default=2.0, ge=0)
    """Size of what the denoiser proposes at high noise."""
    neighborhood: float = Field(default=1.0, ge=0)
    """True neighbours among the near ones, of the cleanest two fifths."""
    local_scale: float = Field(default=0.1, ge=0)
    """Lengths of the edges to the true neighbours, as they are."""
    edge: float = Field(default=2.0, ge=0)
    """These lengths as shapes, of the cleanest three tenths."""
    subspace: float = Field(default=0.25, ge=0)
    """Variance outside the plane."""
    base_alignment: float = Field(default=10.0, ge=0)
    """The generator's shape after the best turn."""
    base_gram: float = Field(default=10.0, ge=0)
    """Its inner products."""
    base_size: float = Field(default=10.0, ge=0)
    """Its size and the lengths of its edges."""
    overlap_gram: float = Field(default=1.0, ge=0)
    """With ``model.pairs``: inner products of what two views share."""
    overlap_size: float = Field(default=0.5, ge=0)
    """With ``model.pairs``: its size."""
    overlap_neighbors: float = Field(default=1.0, ge=0)
    """With ``model.pairs``: its neighbours."""
    boost: bool = True
    """Raise the noisiest sets in the denoising error once the network is calibrated there. In both published scripts."""


class GeneratorDiffusionRecipe(Configuration):
    """:class:`pyg_gears.models.GeneratorDiffusion`, the published model.

    ``loss.*`` acts on the generator's planar layout, beside the model's own ``terms`` (published: all zero, as in the preset
    ``published_small``). It reads no edges: ``graph.*`` decides only which cells share a patch.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"gram_factor"})
    """Fields that its minisets must carry."""
    reads_edges: ClassVar[bool] = False
    """The true graph would change nothing for it."""

    kind: Literal["generator_diffusion"] = "generator_diffusion"
    channels: int = Field(default=64, ge=1)
    """Channels of the context. Published: 256."""
    dims: int = Field(default=32, ge=2)
    """Dimensions of the latent layout. Published: 32."""
    context_layers: int = Field(default=2, ge=1)
    """Set attention blocks of the context encoder. Published: 3."""
    generator_layers: int = Field(default=3, ge=0)
    """Set attention blocks of the generator. Published: 6 in the scripts, 2 in the class."""
    denoiser_layers: int = Field(default=2, ge=0)
    """Set attention blocks of the denoiser. Published: 4."""
    points: int = Field(default=16, ge=1)
    """Learned points of each block. Published: 128."""
    heads: int = Field(default=4, ge=1)
    """Attention heads. Published: 4."""
    distance_bins: int = Field(default=24, ge=3)
    """Bins of the denoiser's bias by distance. Published: 24."""
    angle_bins: int = Field(default=8, ge=1)
    """Bins of the angles between a point's neighbours. Published: 8."""
    angle_neighbors: int = Field(default=12, ge=2)
    """Neighbours whose angles are counted. Published: 12."""
    geometry: Literal["layout", "residual"] = "layout"
    """What the denoiser reads: the layout so far (distances, angles and the generator's coordinates), or the residual alone
    (published). With the latter the sampler made layouts of an unseen section worse at every epoch."""
    steps: int = Field(default=8, ge=0)
    """Noise levels of the sampler; 1 takes the residual's mean (``published_small``), 0 the generator alone. Published: 200."""
    guidance: float = Field(default=2.0, ge=0)
    """How far the condition is followed: 1 as it is, at half the cost (``published_small``). Published: 2."""
    start: float = Field(default=3.0, gt=0)
    """First noise level, in scales of the residuals; at most the largest one that the training has reached. Published: 3."""
    noise: float = Field(default=1.0, ge=0)
    """Initial noise of further samples (``reconstruct --samples``), as a share of that; the first sample has none."""
    planar_rounds: int = Field(default=20, ge=0)
    """Rounds of stress majorisation that fit the plane to the latent distances of a patch; 0 takes the two longest axes."""
    generator_rate: float = Field(default=5.0, gt=0)
    """Learning rate of the generator, as a multiple of ``training.lr``. Published: 5."""
    relative_noise: bool = True
    """Draw noise levels in units of the residuals' scale; published: absolute, so that 19 of 20 lie on the largest one."""
    low: float = Field(default=0.01, gt=0)
    """Least noise level, in RMS radii of a slide. Published: 0.01."""
    highest: float | None = Field(default=None, gt=0)
    """Largest noise level of the training, whatever the curriculum says. Published: 0.5 for one data set."""
    scale_share: float = Field(default=0.25, ge=0, le=1)
    """Share of the training after which the scale of the residuals is measured, once. Published: step 3000 of 100,000."""
    curriculum: CurriculumRecipe = BudgetCurriculum()
    """How the noise rises."""
    pairs: PairedViews | None = None
    """Draw minisets in pairs that share spots, for the overlap losses. In the paper; not in the release. Not measured."""
    terms: LatentTermsRecipe = LatentTermsRecipe()
    """The model's own losses."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        expect(
            self.channels % self.heads == 0,
            f"expected model.channels a multiple of model.heads, found {self.channels} and {self.heads}; change one.",
        )
        return self

    def build(self, in_channels: int) -> GeneratorDiffusion:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import GeneratorDiffusion
        from pyg_gears.models.generator_diffusion import Curriculum, TermWeights

        chosen = self.curriculum
        if isinstance(chosen, BudgetCurriculum):
            curriculum = Curriculum("budget", min_steps=chosen.min_stage, ramp=chosen.ramp)
        else:
            curriculum = Curriculum("competence", every=chosen.every, ramp=chosen.ramp)
        apart = {"kind", "curriculum", "pairs", "terms"}
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in apart}
        return GeneratorDiffusion(in_channels, **own, curriculum=curriculum, weights=TermWeights(**dict(self.terms)))
