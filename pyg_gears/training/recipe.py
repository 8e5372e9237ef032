"""Everything that a fit can choose, section by section; the recipe travels inside the saved model."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.data.miniset_recipe import MinisetRecipe, PairedViews
from pyg_gears.errors import expect, nearest_name
from pyg_gears.training.embedding_recipe import EmbeddingRecipe, LearnedEmbedding
from pyg_gears.training.generator_diffusion_recipe import GeneratorDiffusionRecipe
from pyg_gears.training.graph_recipe import GraphRecipe
from pyg_gears.training.loss_recipe import LossRecipe
from pyg_gears.training.model_recipe import IPALiteRecipe, ModelRecipe
from pyg_gears.training.presets import PRESETS
from pyg_gears.training.regression_recipe import RegressionRecipe
from pyg_gears.training.training_recipe import TrainingRecipe


class Recipe(Configuration):
    """A whole fit.

    The fields to try first are ``training.members``, ``minisets.count``, ``embedding.kind``, ``training.final_epochs`` and
    ``graph.k``; docs/recipe.md ranks the rest.
    """

    embedding: EmbeddingRecipe = LearnedEmbedding()
    minisets: MinisetRecipe = MinisetRecipe(max_size=256)
    graph: GraphRecipe = GraphRecipe()
    model: ModelRecipe = IPALiteRecipe()
    loss: LossRecipe = LossRecipe()
    training: TrainingRecipe = TrainingRecipe()
    regressions: RegressionRecipe | None = RegressionRecipe()
    """Simple regressions that vote beside the structure models; null for none."""

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """The recipe named "quick", "standard", "thorough", "d7", "published" or "published_small".

        On one thread and three sections of 1100 spots, one of them held out in the first round, quick takes less than a minute of
        CPU and standard four times as long; thorough averages three models of standard. "d7" is the successor
        of the published method as its sources describe it (encoder v5, D7, their loss and schedule; called "published" until
        0.2). "published" is the published system at its published size (100,000 steps, meant for a GPU; a test takes one step of
        it), "published_small" its model, generator and residual diffusion, in a size for two cores, on the package's encoder:
        three minutes of CPU on two sections of 1100 spots.

        Raises:
            InputError: for another name.
        """
        expect(
            name in PRESETS,
            f"expected a preset among {', '.join(PRESETS)}, found {name!r}{nearest_name(name, PRESETS)}; name one.",
        )
        return cls.read(PRESETS[name])

    @property
    def views(self) -> PairedViews | None:
        """How training minisets are drawn in pairs, where a loss compares two views; None where none does."""
        if self.loss.overlap is not None:
            return self.loss.overlap.views
        found: PairedViews | None = getattr(self.model, "pairs", None)
        return found

    @model_validator(mode="after")
    def _a_set_has_no_edges(self) -> Self:
        if not getattr(self.model, "reads_edges", True) and (
            self.training.edges == "true" or self.loss.distill is not None
        ):
            found = "training.edges=true" if self.training.edges == "true" else "loss.distill"
            raise ValueError(
                f"expected a model that reads edges with {found}, found {self.model.kind}; the true graph would change "
                "nothing: leave it out."
            )
        return self

    @model_validator(mode="after")
    def _one_kind_of_overlap_loss(self) -> Self:
        if getattr(self.model, "pairs", None) is not None and self.loss.overlap is not None:
            raise ValueError(
                "expected model.pairs or loss.overlap, found both; leave out loss.overlap: the model has overlap losses of "
                "its own."
            )
        return self

    @model_validator(mode="after")
    def _a_curriculum_counts_batches(self) -> Self:
        if isinstance(self.model, GeneratorDiffusionRecipe) and self.training.devices > 1:
            raise ValueError(
                f"expected training.devices=1 with model.kind=generator_diffusion, found {self.training.devices}; its curriculum "
                "follows every single batch: set it to 1."
            )
        return self

    @model_validator(mode="after")
    def _pairs_can_be_drawn(self) -> Self:
        views, name = self.views, "model.pairs" if self.loss.overlap is None else "loss.overlap"
        if views is not None and views.kinds is not None and self.minisets.geodesic is None:
            kinds = f"{name}.kinds" if self.loss.overlap is None else f"{name}.views.kinds"
            raise ValueError(
                f"expected minisets.geodesic with {kinds}, found none; set minisets.geodesic, or leave the kinds out."
            )
        if views is not None and self.minisets.count % 2:
            raise ValueError(f"expected an even minisets.count with {name}, found {self.minisets.count}; add one.")
        return self

    @model_validator(mode="after")
    def _terms_have_what_they_need(self) -> Self:
        gate = getattr(self.model, "gate", None)
        if gate is not None and gate.trust > 0 and self.training.pretraining is None:
            raise ValueError(
                "expected training.pretraining with model.gate.trust above 0, found none; trust compares with the "
                "pretrained gate: set training.pretraining, or trust to 0."
            )
        if self.graph.projection and gate is not None and gate.projection is not None:
            raise ValueError(
                "expected graph.projection or model.gate.projection, found both; candidates are searched in one of them: set "
                "graph.projection to 0, or model.gate.projection to null."
            )
        return self
