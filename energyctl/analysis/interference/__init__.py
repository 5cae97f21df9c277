"""How much a training and its background hinder each other, over all pairs. Pure.

The pairs and their figures are of `results/pairs`: tables and `energyctl.load` have them, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from energyctl.analysis.interference.means import CONFIDENCE, MEANS, Means, means_of
from energyctl.analysis.interference.sentences import sentence
from energyctl.analysis.interference.share_means import ShareMeans, by_domain, share_means
from energyctl.results.pairs import PARTS, Pairs

__all__ = ["Means", "document", "means_of", "sentence", "sentences"]


def sentences(means: Sequence[Means]) -> list[str]:
    """One for each training and condition."""
    several = len({one.training for one in means}) > 1
    return [(f"{one.training}: " if several else "") + sentence(one) for one in means]


def document(found: Pairs) -> dict[str, Any]:
    """As ``attribute --json`` prints it: docs/interference.md."""
    shares = share_means(found.pairs, by_domain)
    return {
        "pairs": [pair.document() for pair in found.pairs],
        "means": [_mean(one, shares) for one in means_of(found.pairs)],
        "notes": list(found.notes),
    }


def _mean(one: Means, shares: list[ShareMeans]) -> dict[str, Any]:
    own = [s for s in shares if (s.training, s.condition) == (one.training, one.condition)]
    return {
        "training": one.training,
        "condition": one.condition,
        "n": one.n,
        "of": one.of,
        "confidence": CONFIDENCE,
        **{name: asdict(getattr(one, name)) for name in MEANS},
        "sentence": sentence(one),
        "domains": {one.domains[0]: _shares(one) for one in own},
    }


def _shares(found: ShareMeans) -> dict[str, Any]:
    means = {f"{part}_joules": asdict(getattr(found, part)) for part in ("total", *PARTS)}
    return {
        **means,
        "foreground_uncertainty_joules": found.foreground_off,
        "background_uncertainty_joules": found.background_off,
    }
