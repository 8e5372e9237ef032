"""What a layout may be used for, in words: reliable, coarse only, or cannot tell, with the reason and what would help."""

from __future__ import annotations

from typing import NamedTuple

RELIABLE = 0.6
COARSE = 0.3
LOW_SHARE = 0.75
"""Share of counts, or of the features' length, below which it is the reason for a low confidence."""
FEW = 16
"""Cells below which their distance from the training spots cannot be told: of random parts of sections B3, C4, A4 and D4 that
lie near, 14 of 24 with 3 cells were called far, 6 of 24 with 8, 2 of 24 with 12, and none with 16, 24 or 40."""

USES = {
    "reliable": "distances and neighbourhoods of regions can be used, single neighbours with care",
    "coarse only": "only broad trends can be used: inner against outer, one side against the other",
    "cannot tell": "the slides say too little about where these cells lie; do not read places from this layout",
}


class LayoutVerdict(NamedTuple):
    """A verdict on the layout of a file.

    On 27 queries (quick, seed 0; 11 unseen sections, 6 of spots to single cells, 10 tumours of other patients) the 9 that were
    called reliable had a rank correlation with the truth of 0.48 to 0.78 (mean 0.66), the 8 of coarse only 0.33 to 0.54 (0.40),
    and the 10 of cannot tell 0.20 to 0.48 (0.31).

    Attributes:
        word: "reliable" (mean confidence of at least 0.6, 16 cells or more, not far from the training spots, two slides or more),
            "coarse only" (at least 0.3), or "cannot tell".
        reason: Why.
        remedy: What would help; empty for a reliable layout.
    """

    word: str
    reason: str
    remedy: str

    @property
    def use(self) -> str:
        """The word and what the layout may be used for, a sentence."""
        return f"{self.word.capitalize()}: {USES[self.word]}."

    @property
    def explanation(self) -> str:
        """Reason and remedy, one or two sentences."""
        return f"Reason: {self.reason}." + (f" What would help: {self.remedy}." if self.remedy else "")


def layout_verdict(
    confidence: float, *, cells: int, far: bool, depth: float, signal: float, held_out: float | None, slides: int
) -> LayoutVerdict:
    """The verdict, with the first reason that applies: few cells, far off in expression, few counts, weak signal, the slides.

    After a fit on one slide a layout is never called reliable, as no other slide has shown how far its confidence holds: on six
    pairs of STARmap sections (spots of one, cells of another; quick, seeds 0, 1, 2) it was 0.34, 0.50 and 0.46 on average for a
    rank correlation of 0.35 to 0.36.

    Args:
        confidence: Mean over the cells with a place.
        cells: Cells with a place. Fewer than 16 do not show whether they lie far off; their layout is never called reliable.
        far: Whether the cells lie farther from the training spots than other sections of a tissue do, see
            :attr:`~pyg_gears.encoders.DomainGap.far`; the layout is then never called reliable, as no slide at hand has shown
            what holds for such cells.
        depth: Mean share of the counts of a shallow training spot that the cells have, at most 1.
        signal: How much the cells' genes vary together, against the training spots, at most 1.
        held_out: Rank correlation that the fit reached on what it held out; None if not known.
        slides: Slides of the fit.
    """
    confidence = round(confidence, 2)  # as it is read
    held_back = far or cells < FEW
    word = "cannot tell" if confidence < COARSE else "coarse only" if confidence < RELIABLE or held_back else "reliable"
    mean = f"mean confidence {confidence:.2f}"
    if cells < FEW:
        return LayoutVerdict(
            word,
            f"{mean}, and {cells} cells do not show how far their expression lies from the training spots",
            f"{FEW} cells or more in the file",
        )
    if word == "reliable" and slides == 1:
        return LayoutVerdict(
            "coarse only", f"{mean}, but one slide does not show whether it holds on another", "a second slide"
        )
    if word == "reliable":
        return LayoutVerdict(word, mean, "")
    if far:
        return LayoutVerdict(
            word,
            f"{mean}, and expression lies far from the training spots",
            "slides of the same tissue, patient and platform",
        )
    if depth < LOW_SHARE:
        return LayoutVerdict(word, f"{mean}; cells have few counts", "deeper sequencing, or fewer and deeper cells")
    if signal < LOW_SHARE:
        return LayoutVerdict(
            word,
            f"{mean}; genes vary together less than on the slides",
            "slides of the same tissue, and a check of the gene names",
        )
    if held_out is not None and held_out < RELIABLE:
        return LayoutVerdict(
            word,
            f"{mean}; the slides themselves predict what was held out with a rank correlation of {held_out:.2f}",
            "more slides of the same region, or deeper ones",
        )
    return LayoutVerdict(
        word, f"{mean}; spots that resemble these cells lie far apart on the slides", "more slides of the same region"
    )
