"""How much a training and its background hinder each other, over all pairs. Pure.

The pairs and their figures are of `results/pairs`: tables and `energyctl.load` have them, too.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from energyctl.analysis.interference.means import CONFIDENCE, MEANS, Means, means_of
from energyctl.analysis.interference.sentences import sentence
from energyctl.results.pairs import Pairs

__all__ = ["Means", "document", "means_of", "sentence", "sentences"]


def sentences(means: list[Means]) -> list[str]:
    """One for each training and condition."""
    several = len({one.training for one in means}) > 1
    return [(f"{one.training}: " if several else "") + sentence(one) for one in means]


def document(found: Pairs) -> dict[str, Any]:
    """As ``attribute --json`` prints it: docs/interference.md."""
    return {
        "pairs": [pair.document() for pair in found.pairs],
        "means": [_mean(one) for one in means_of(found.pairs)],
        "notes": list(found.notes),
    }


def _mean(one: Means) -> dict[str, Any]:
    return {
        "training": one.training,
        "condition": one.condition,
        "n": one.n,
        "of": one.of,
        "confidence": CONFIDENCE,
        **{name: asdict(getattr(one, name)) for name in MEANS},
        "sentence": sentence(one),
    }
