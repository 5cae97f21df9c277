"""Where the words of phases stand above a plot of a known width, so that none meets another. Pure.

A phase that is too narrow for its words has a number there, and a key below the plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.results.tables import Row

GAP = 2.0
"""Least room between two labels, in the units of the width."""


@dataclass(frozen=True)
class PhaseLabel:
    """text: words or a number. middle: of the label; at: of its phase; both along the width."""

    text: str
    middle: float
    at: float
    size: float


@dataclass(frozen=True)
class PhaseLabels:
    """labels: from left to right. keys: words of a phase → number and words, of those that have a
    number."""

    labels: Sequence[PhaseLabel]
    keys: dict[str, str]

    def key_lines(self, letters: int) -> list[str]:
        """The keys in lines of so many characters, each key whole."""
        lines = list[str]()
        for key in self.keys.values():
            if lines and len(lines[-1]) + len(key) + 3 <= letters:
                lines[-1] += f" · {key}"
            else:
                lines.append(key)
        return lines


def phase_labels(phases: Sequence[Row], width: float, letter: float) -> PhaseLabels:
    """phases: label, start and end of each, in order of time; letter: width of a character."""
    phases = _merged(phases)
    if not phases:
        return PhaseLabels((), {})
    begin = min(one["start"] for one in phases)
    scale = width / ((max(one["end"] for one in phases) - begin) or 1.0)
    ends = [(scale * (one["start"] - begin), scale * (one["end"] - begin)) for one in phases]
    narrow = [
        letter * len(one["label"]) + GAP > end - start
        for one, (start, end) in zip(phases, ends, strict=True)
    ]
    numbered = dict.fromkeys(
        one["label"] for one, short in zip(phases, narrow, strict=True) if short
    )
    numbers = {words: str(number) for number, words in enumerate(numbered, 1)}
    texts = [
        numbers[one["label"]] if short else one["label"]
        for one, short in zip(phases, narrow, strict=True)
    ]
    sizes = [letter * len(text) for text in texts]
    middles = [(start + end) / 2 for start, end in ends]
    placed = _apart(middles, sizes, width)
    labels = [PhaseLabel(*label) for label in zip(texts, placed, middles, sizes, strict=True)]
    return PhaseLabels(labels, {words: f"{number} {words}" for words, number in numbers.items()})


def _merged(phases: Sequence[Row]) -> list[Row]:
    """Those of the same words that follow each other as one."""
    merged = list[Row]()
    for one in phases:
        if merged and merged[-1]["label"] == one["label"]:
            merged[-1] = {**merged[-1], "end": one["end"]}
        else:
            merged.append(one)
    return merged


def _apart(middles: Sequence[float], sizes: Sequence[float], width: float) -> list[float]:
    """Each as near its middle as those before allow; what is over at the right is pushed back."""
    placed, free = list[float](), -GAP
    for middle, size in zip(middles, sizes, strict=True):
        placed.append(max(middle, free + GAP + size / 2))
        free = placed[-1] + size / 2
    limit = width + GAP
    for at in reversed(range(len(placed))):
        placed[at] = min(placed[at], limit - GAP - sizes[at] / 2)
        limit = placed[at] - sizes[at] / 2
    return placed
