"""One step of the published encoder, and the mixing of its domains, as Lightning runs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pyg_gears.encoders import (
    NormalizedNetwork,
    domain_draw,
    expression_view,
    group_distance,
    mixing_probe,
    mmd,
    moment_distance,
    mutual_infonce,
    neighbor_consistency,
    reverse_gradient,
    vicreg,
)
from pyg_gears.encoders.domain_distances import median_bandwidths
from pyg_gears.graphs import knn
from pyg_gears.seeds import torch_stream
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding
from pyg_gears.training.schedules import cosine_rate, delayed_ramp

BANDWIDTHS = (0.5, 1.0, 2.0, 4.0)


class PublishedEncoderModule(lightning.LightningModule):
    """Train the encoder until the domains of its embedding can't be told apart, and keep the best mixed state.

    Every random number follows from (seed, step), so that a resumed run repeats an unbroken one.

    Args:
        network: The encoder's network.
        recipe: The recipe.
        domains: Per domain the features of each of its slides, shape (n, g) each; at least two domains.
        patient: Number of each slide's patient, in the order of the first domain's slides (or, where every slide is a domain of
            its own, of the domains); None without the term.
        seed: Seed of views, batches, dropout and the adversary's first weights.
    """

    def __init__(
        self,
        network: NormalizedNetwork,
        recipe: PublishedEmbedding,
        domains: Sequence[Sequence[Float[Tensor, "n g"]]],
        patient: Sequence[int] | None,
        *,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # the adversary takes steps of its own
        self.network, self.recipe, self.seed = network, recipe, seed
        self._x = torch.cat([x for slides in domains for x in slides])
        rows = iter(torch.arange(len(self._x)).split([len(x) for slides in domains for x in slides]))
        self._rows = [[next(rows) for _ in slides] for slides in domains]
        self._patient = None
        if patient is not None:
            known = [part for slides in self._rows for part in slides][: len(patient)]
            self._patient = torch.full((len(self._x),), -1)
            for part, number in zip(known, patient, strict=True):
                self._patient[part] = number
        self.adversary: NormalizedNetwork | None = None
        if recipe.adversary is not None:
            chosen, generator = recipe.adversary, torch_stream(seed, "encoder adversary")
            self.adversary = NormalizedNetwork(
                network.out_channels,
                len(domains),
                chosen.hidden,
                dropout=chosen.dropout,
                norm=False,
                generator=generator,
            )
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.step: Tensor
        size = (len(self._x), network.out_channels) if recipe.consistency is not None else (0, network.out_channels)
        self.register_buffer("cache", torch.zeros(size))
        self.cache: Tensor
        if recipe.consistency is not None:
            self._near = knn(self._x, recipe.consistency.neighbors, metric="cosine").index

    def train_dataloader(self) -> DataLoader[int]:
        """The steps up to the next look at the mixing; what a step draws follows from its number."""
        left = max(1, self.recipe.steps - int(self.step))  # asked for in every epoch, and once more after the last
        return DataLoader(range(min(left, self.recipe.evaluate_every)), batch_size=None)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        """Adam for the encoder and, with an adversary, one for that."""
        optimizers = [torch.optim.Adam(self.network.parameters(), lr=self.recipe.lr)]
        if self.adversary is not None and self.recipe.adversary is not None:
            chosen = self.recipe.adversary
            rate = self.recipe.lr * chosen.rate
            optimizers.append(torch.optim.Adam(self.adversary.parameters(), lr=rate, weight_decay=chosen.weight_decay))
        return optimizers

    def training_step(self, batch: Any, batch_index: int) -> None:
        """The adversary's steps on one balanced batch, then the encoder's."""
        recipe, step = self.recipe, int(self.step)
        generator = torch_stream(self.seed, "encoder step", step)
        if recipe.consistency is not None and step % recipe.consistency.refresh == 0:
            self.cache.copy_(self._embedded(self._x))
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        factor = cosine_rate(step, recipe.steps, high=1.0, low=0.0)
        rates = [1.0] if recipe.adversary is None else [1.0, recipe.adversary.rate]
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = recipe.lr * rate * factor
        drawn = domain_draw(self._rows, recipe.batch_spots, generator)
        rows = torch.cat(drawn)
        x = self._x[rows].to(self.device)
        z = self.network(x, generator)
        sizes = [len(part) for part in drawn]
        if self.adversary is not None:
            self._train_adversary(optimizers[1], z.detach(), sizes, generator)
        terms = self._terms(x, z, rows, sizes, generator)
        loss = torch.stack([weight * value for weight, value in terms.values()]).sum()
        optimizers[0].zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        optimizers[0].step()
        self.step += 1
        for name, (weight, value) in terms.items():
            self.log(name, weight * value.detach(), on_step=False, on_epoch=True, batch_size=1)
        self.log("loss", loss.detach(), on_step=False, on_epoch=True, prog_bar=True, batch_size=1)

    def val_dataloader(self) -> DataLoader[int]:
        """One pass: all domains at once."""
        return DataLoader(range(1), batch_size=None)  # type: ignore[arg-type]

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Guess domains by neighbours; keep the state if that never worked less well and the embedding has not collapsed."""
        chosen, step = self.recipe.selection, int(self.step)
        if chosen is None:
            return
        generator = torch_stream(self.seed, "encoder mixing", step)
        x = self._embedded(self._x).cpu()
        found = mixing_probe(
            [x[torch.cat(slides)] for slides in self._rows],
            neighbors=chosen.neighbors,
            sample=chosen.sample,
            generator=generator,
        )
        self.log("mixing", found.accuracy, prog_bar=True, batch_size=1)
        due = step >= chosen.begin * self.recipe.steps
        better = self.best is None or found.accuracy < self.best[0]
        if due and better and not found.collapsed:
            state = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
            self.best = (found.accuracy, state)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The best state travels with the last."""
        if self.best is not None:
            checkpoint["best"] = {"mixing": self.best[0], "network": self.best[1]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the best state."""
        if "best" in checkpoint:
            self.best = (float(checkpoint["best"]["mixing"]), checkpoint["best"]["network"])

    def _train_adversary(self, optimizer: Any, z: Tensor, sizes: list[int], generator: torch.Generator) -> None:
        assert self.adversary is not None
        assert self.recipe.adversary is not None
        for _ in range(self.recipe.adversary.steps):
            optimizer.zero_grad()
            self.manual_backward(F.cross_entropy(self.adversary(_normalized(z), generator), _labels(sizes, z)))
            optimizer.step()

    def _terms(
        self, x: Tensor, z: Tensor, rows: Int[Tensor, " b"], sizes: list[int], generator: torch.Generator
    ) -> dict[str, tuple[float, Tensor]]:
        """Weighted terms of the encoder's loss."""
        recipe, progress = self.recipe, int(self.step) / self.recipe.steps
        ramp = delayed_ramp(progress, recipe.ramp_begin, recipe.ramp_end)
        terms = {"vicreg": (recipe.vicreg.weight, self._vicreg(x, progress, generator))}
        unit = _normalized(z)
        pairs = list(combinations(range(len(sizes)), 2))
        raw, parts = z.split(sizes), unit.split(sizes)
        if recipe.adversary is not None and self.adversary is not None:
            guess = self.adversary(reverse_gradient(unit, ramp), generator)
            terms["adversary"] = (recipe.adversary.weight, F.cross_entropy(guess, _labels(sizes, z)))
        if recipe.coral > 0 and ramp > 0:
            values = [moment_distance(parts[a], parts[b]) + moment_distance(raw[a], raw[b]) for a, b in pairs]
            terms["coral"] = (recipe.coral * ramp, torch.stack(values).mean())
        if recipe.mmd > 0 and ramp > 0:
            sphere = F.normalize(unit, dim=1).split(sizes)
            terms["mmd"] = (recipe.mmd * ramp, torch.stack([_mmd(sphere[a], sphere[b]) for a, b in pairs]).mean())
        if recipe.mutual is not None:
            chosen = recipe.mutual
            weight = chosen.weight * delayed_ramp(progress, chosen.begin, chosen.end)
            if weight > 0:
                options = {"least": chosen.least, "temperature": chosen.temperature}
                values = [mutual_infonce(raw[a], raw[b], **options) for a, b in pairs]
                terms["mutual"] = (weight, torch.stack(values).mean())
        if recipe.consistency is not None:
            near = neighbor_consistency(z, self.cache, self._near[rows].to(self.device))
            terms["consistency"] = (recipe.consistency.weight, near)
        if recipe.patients is not None and self._patient is not None and ramp > 0:
            patient = self._patient[rows]
            known = (patient >= 0).to(self.device)
            value = group_distance(unit[known], patient[patient >= 0].to(self.device))
            terms["patients"] = (recipe.patients.weight * ramp, value)
        return terms

    def _vicreg(self, x: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        recipe = self.recipe
        a, b = (
            self.network(
                expression_view(
                    x, dropout=recipe.dropout, jitter=recipe.scale_jitter, noise=recipe.noise, generator=generator
                ),
                generator,
            )
            for _ in range(2)
        )
        parts, chosen = vicreg(a, b), recipe.vicreg
        warm = min(1.0, progress / chosen.invariance_warmup) if chosen.invariance_warmup > 0 else 1.0
        kept = chosen.variance * parts.variance + chosen.covariance * parts.covariance
        return warm * chosen.invariance * parts.invariance + kept

    @torch.no_grad()
    def _embedded(self, x: Tensor) -> Tensor:
        """All rows without dropout; the mode stays as it was."""
        training = self.network.training
        self.network.eval()
        found = torch.cat([self.network(part.to(self.device)) for part in x.split(4096)])
        self.network.train(training)
        return found


def _normalized(z: Tensor) -> Tensor:
    return F.layer_norm(z, z.shape[1:])


def _labels(sizes: list[int], like: Tensor) -> Tensor:
    return torch.arange(len(sizes), device=like.device).repeat_interleave(torch.tensor(sizes, device=like.device))


def _mmd(x: Tensor, y: Tensor) -> Tensor:
    return mmd(x, y, median_bandwidths(x, y, BANDWIDTHS))
