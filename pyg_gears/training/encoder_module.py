"""One step of the encoder's networks, and their agreement with held-out tissue, as Lightning runs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import lightning
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pyg_gears.encoders import (
    DomainAdversary,
    ExpressionNetwork,
    far_pairs,
    mmd,
    moment_distance,
    neighbor_agreement,
    neighbors_within,
    reversal_strength,
    spatial_infonce,
    vicreg,
)
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.seeds import torch_stream
from pyg_gears.training.embedding_recipe import InfoNCERecipe, TrainedEmbedding
from pyg_gears.training.embedding_section_recipe import VICRegRecipe
from pyg_gears.training.schedules import cosine_rate
from pyg_gears.training.spot_draw import draw_spots

MMD_SPOTS = 128
"""Spots of each slide that the difference of distributions is computed from: it costs the square of them."""


class EncoderSlide(NamedTuple):
    """One slide as the encoder's training sees it.

    Attributes:
        features: Features of the front encoder, shape (n, f).
        pos: Positions, shape (n, 2), any unit.
    """

    features: Float[Tensor, "n f"]
    pos: Float[Tensor, "n 2"]


class KeptNetworks(NamedTuple):
    """The state of the networks that agrees best with held-out tissue.

    Attributes:
        overlap: Its overlap with the held-out tissue.
        step: Steps that it was trained for.
        state: State of all networks.
    """

    overlap: float
    step: int
    state: dict[str, Tensor]


class EncoderModule(lightning.LightningModule):
    """Train all networks side by side, each on its own spots, and note the state that agrees best with held-out tissue.

    Every random number follows from (seed, step), so that a resumed run repeats an unbroken one.

    Args:
        members: The networks.
        recipe: The recipe.
        slides: Training slides.
        unseen: Per member and slide the spots it must not be trained on, shape (n,) each.
        held_out: Slides (or the held-out part of each) on which the overlap is measured; without any, nothing is.
        cells: Features of cells, shape (m, f); given, they take part in the terms that need no positions (VICReg and an
            adversary against the modality).
        seed: Seed of views, batches and the adversaries' first weights.
    """

    def __init__(
        self,
        members: Sequence[ExpressionNetwork],
        recipe: TrainedEmbedding,
        slides: Sequence[EncoderSlide],
        unseen: Sequence[Sequence[Bool[Tensor, " n"]]],
        held_out: Sequence[EncoderSlide],
        *,
        cells: Float[Tensor, "m f"] | None = None,
        seed: int,
    ) -> None:
        super().__init__()
        self.members, self.recipe, self.seed = nn.ModuleList(members), recipe, seed
        self.adversaries = nn.ModuleList()
        if recipe.adversary is not None:
            domains = len(slides) if recipe.adversary.against == "slides" else 2
            generator = torch_stream(seed, "encoder adversaries")
            self.adversaries.extend(
                DomainAdversary(member.out_channels, domains, generator=generator) for member in members
            )
        self.best: KeptNetworks | None = None
        self._logged: dict[str, list[Tensor]] = {}
        self._held_out, self._slides, self._cells = held_out, slides, cells
        self._std = torch.cat([slide.features for slide in slides]).std(dim=0)
        neighbors = 0 if recipe.infonce is None else recipe.infonce.neighbors
        self._neighbors = [nearest_neighbors(slide.pos, neighbors).index for slide in slides if neighbors > 0]
        # A network that sees every spot (one fold) has none left out.
        self._rows = [
            [(torch.ones_like(part) if part.all() else ~part).nonzero()[:, 0] for part in parts] for parts in unseen
        ]

    def train_dataloader(self) -> DataLoader[int]:
        """The steps up to the next measurement; what a step draws follows from its number."""
        left = max(1, self.recipe.steps - self.global_step)  # asked for in every epoch, and once more after the last
        return DataLoader(range(min(left, self.recipe.evaluate_every)), batch_size=None)  # type: ignore[arg-type]

    def on_fit_start(self) -> None:
        """Measure the untrained state: training must beat it to count."""
        if self.best is None and self._held_out:
            self._keep_best()

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """The mean loss of all networks on one batch of every slide."""
        generator = torch_stream(self.seed, "encoder step", self.global_step)
        total: dict[str, Tensor] = {}
        for number, member in enumerate(self.members):
            for name, (weight, value) in self._terms(number, member, generator).items():
                total[name] = total.get(name, 0.0) + weight * value / len(self.members)
        loss = torch.stack(list(total.values())).sum()
        for name, value in (*total.items(), ("loss", loss)):
            self._note(name, value.detach())
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """After the last step of an epoch, log the means over its steps: a log of every step would take a tenth of the time."""
        if self.trainer.is_last_batch:
            for name, values in self._logged.items():
                mean = torch.stack(values).mean()
                self.log(name, mean, on_step=False, on_epoch=True, prog_bar=name == "loss", batch_size=1)
            self._logged = {}

    def val_dataloader(self) -> DataLoader[int]:
        """One pass: all held-out slides at once."""
        return DataLoader(range(1), batch_size=None)  # type: ignore[arg-type]

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Measure the overlap on held-out spots."""
        self.log("overlap", self._keep_best(), prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW with a rate that falls to zero by a cosine."""
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)

        def rate(step: int) -> float:
            return cosine_rate(step, recipe.steps, high=recipe.lr, low=0.0) / recipe.lr

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The best state travels with the last."""
        if self.best is not None:
            overlap, step, state = self.best
            checkpoint["best"] = {"overlap": overlap, "step": step, "members": state}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the best state."""
        if "best" in checkpoint:
            best = checkpoint["best"]
            self.best = KeptNetworks(float(best["overlap"]), int(best["step"]), best["members"])

    def _keep_best(self) -> float:
        """Mean overlap over the held-out slides, of all networks together (their cosine similarities averaged)."""
        values = []
        with torch.no_grad():
            for slide in self._held_out:
                features = slide.features.to(self.device)
                parts = [F.normalize(member(features), dim=1) for member in self.members]
                values.append(neighbor_agreement(torch.cat(parts, dim=1).cpu(), slide.pos).overlap)
        overlap = sum(values) / len(values)
        if self.best is None or overlap > self.best.overlap:
            state = {name: value.detach().cpu().clone() for name, value in self.members.state_dict().items()}
            self.best = KeptNetworks(overlap, self.global_step, state)
        return overlap

    def _note(self, name: str, value: Tensor) -> None:
        """Keep a figure of one step for the mean over the epoch."""
        self._logged.setdefault(name, []).append(value)

    def _terms(self, number: int, member: nn.Module, generator: torch.Generator) -> dict[str, tuple[float, Tensor]]:
        """Weighted loss terms of one network, each a mean over the slides (and the cells, where they take part)."""
        recipe, infonce = self.recipe, self.recipe.infonce
        drawn = [
            draw_spots(slide.pos, rows, recipe.batch_spots, generator)
            for slide, rows in zip(self._slides, self._rows[number], strict=True)
        ]
        features = [slide.features[rows] for slide, rows in zip(self._slides, drawn, strict=True)]
        if self._cells is not None:
            features.append(self._cells[torch.randperm(len(self._cells), generator=generator)[: recipe.batch_spots]])
        views = self._embedded(member, features, generator)
        spots = [a for a, _ in views[: len(drawn)]]
        terms = {}
        if infonce is not None:
            contrast = [
                self._infonce(infonce, *views[place], neighbors_within(self._neighbors[place], rows), slide.pos[rows])
                for place, (slide, rows) in enumerate(zip(self._slides, drawn, strict=True))
            ]
            terms["infonce"] = (infonce.weight, torch.stack(contrast).mean())
        if recipe.vicreg is not None:
            values = [self._vicreg(recipe.vicreg, a, b) for a, b in views]
            terms["vicreg"] = (recipe.vicreg.weight, torch.stack(values).mean())
        if recipe.adversary is not None:
            # Slides are domains of their own, or one domain together beside the cells.
            apart = recipe.adversary.against == "slides"
            domains = spots if apart else [torch.cat(spots), views[-1][0]]
            terms["adversary"] = (recipe.adversary.weight, self._adversary(number, domains))
        if recipe.norm > 0 and len(spots) > 1:
            lengths = torch.stack([x.norm(dim=1).mean().clamp(min=1e-12).log() for x in spots])
            terms["norm"] = (recipe.norm, lengths.var())
        if len(spots) > 1 and (recipe.coral > 0 or recipe.mmd > 0):
            terms |= self._alignment(number, spots)
        return terms

    @property
    def _progress(self) -> float:
        """Share of the steps that are done."""
        return self.global_step / self.recipe.steps

    def _infonce(self, recipe: InfoNCERecipe, a: Tensor, b: Tensor, near: Tensor, pos: Tensor) -> Tensor:
        far = far_pairs(pos, recipe.neighbors).to(self.device) if recipe.hard_negatives > 0 else None
        return spatial_infonce(
            a,
            b,
            near.to(self.device),
            temperature=recipe.temperature,
            hard_weight=recipe.hard_negatives,
            far=far,
        )

    def _vicreg(self, recipe: VICRegRecipe, a: Tensor, b: Tensor) -> Tensor:
        warm = min(1.0, self._progress / recipe.invariance_warmup) if recipe.invariance_warmup > 0 else 1.0
        parts = vicreg(a, b)
        kept = recipe.variance * parts.variance + recipe.covariance * parts.covariance
        return warm * recipe.invariance * parts.invariance + kept

    def _adversary(self, number: int, domains: Sequence[Tensor]) -> Tensor:
        domain = torch.cat([torch.full((len(x),), i, device=x.device) for i, x in enumerate(domains)])
        loss: Tensor = self.adversaries[number](torch.cat(list(domains)), domain, reversal_strength(self._progress))
        return loss

    def _alignment(self, number: int, slides: Sequence[Tensor]) -> dict[str, tuple[float, Tensor]]:
        """Differences of moments and of distributions, mean over the pairs of slides, of directions with channels of size one.

        Of directions, because only these are compared later: any difference of H as it is vanishes with its length.
        """
        recipe = self.recipe
        units = [F.normalize(x, dim=1) * x.size(1) ** 0.5 for x in slides]
        terms = {}
        if recipe.coral > 0:
            values = [moment_distance(a, b) for a, b in combinations(units, 2)]
            terms["coral"] = (recipe.coral, torch.stack(values).mean())
        if recipe.mmd > 0:
            # A stream of its own: views and batches are the same with and without the term.
            generator = torch_stream(self.seed, "encoder mmd", self.global_step, number)
            few = [x[torch.randperm(len(x), generator=generator)[:MMD_SPOTS].to(x.device)] for x in units]
            terms["mmd"] = (recipe.mmd, torch.stack([mmd(a, b) for a, b in combinations(few, 2)]).mean())
        return terms

    def _embedded(
        self, member: nn.Module, parts: Sequence[Tensor], generator: torch.Generator
    ) -> list[tuple[Tensor, Tensor]]:
        """Embeddings of two views of each part, all by one call of the network."""
        sizes = [len(part) for part in parts]
        a, b = member(self._views(torch.cat(list(parts)), generator).to(self.device)).chunk(2)
        return list(zip(a.split(sizes), b.split(sizes), strict=True))

    def _views(self, features: Float[Tensor, "n f"], generator: torch.Generator) -> Float[Tensor, "2n f"]:
        """Two views, one after the other; no number is drawn for what the recipe leaves out."""
        recipe, x = self.recipe, features.repeat(2, 1)
        if recipe.scale_jitter > 0:
            x = x * (1 + recipe.scale_jitter * torch.randn(len(x), 1, generator=generator))
        if recipe.noise > 0:
            x = x + recipe.noise * self._std * torch.randn(x.shape, generator=generator)
        if recipe.dropout > 0:
            x = x * (torch.rand(x.shape, generator=generator) >= recipe.dropout)
        return x
