"""A study as `energyctl compare --json` prints it: docs/compare.md. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from energyctl.analysis.compare.comparison import Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.factor_sentences import correlation_sentence, factor_sentence
from energyctl.analysis.compare.factors import FactorEffect, per_doubling
from energyctl.analysis.compare.overall import Overall
from energyctl.analysis.compare.samples import Block
from energyctl.analysis.compare.sentences import (
    below,
    named,
    overall_sentence,
    sentence,
)
from energyctl.analysis.compare.study import Study

SCHEMA = 2


def document(study: Study) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "settings": {**asdict(study.options), "alpha": study.options.alpha},
        "by": study.by,
        "measures": list(study.measures),
        "comparisons": [_comparison(one) for one in study.comparisons],
        "factors": [_factor(one) for one in study.factors],
        "overall": [_overall(one) for one in study.overalls],
        "correlations": [
            {**asdict(one), "sentence": named(None, correlation_sentence(one))}
            for one in study.correlations
        ],
        "notes": study.notes,
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    effect, ratios = found.found, found.ratio is not None
    back = _back(ratios)
    low, high = found.simultaneous
    meter = found.meter
    return {
        "training": found.training,
        "measure": found.measure,
        "unit": found.unit,
        "design": found.sample.design,
        "a": asdict(found.a),
        "b": asdict(found.b),
        "weights": {found.a.name: -1, found.b.name: 1},
        "n": effect.n,
        "blocks": [_block(one, ratios) for one in found.sample.blocks],
        "left_out": list(found.sample.left_out),
        "ratio": None
        if found.ratio is None
        else {
            **_interval(found.ratio, math.exp),
            "simultaneous_low": _through(low, math.exp),
            "simultaneous_high": _through(high, math.exp),
        },
        "difference": _interval(found.difference, float),
        "at_most": _through(effect.at_most, back),
        "at_least": _through(effect.at_least, back),
        "sd_log": found.ratio and found.ratio.sd,
        "p": effect.p,
        "p_adjusted": found.p_adjusted,
        "family_size": found.family_size,
        "p_flip": found.p_flip,
        "p_rank": found.p_rank,
        "more_in": found.more_in,
        "leave_one_out": found.leave_one_out and [back(one) for one in found.leave_one_out],
        "turned_by": found.turned_by,
        "position": None
        if found.position is None
        else {**_interval(found.position, back), "p": found.position.p},
        "meter": meter and {**asdict(meter), "whole": meter.whole},
        "beyond_meters": found.beyond_meters,
        "time_order": found.time_order and asdict(found.time_order),
        "drawn_anew": list(found.drawn),
        "margin": found.options.margin if ratios else None,
        "needed": {f"{share:g}": found.needed(share) for share in (0.01, 0.02, 0.05, 0.1)},
        "verdict": found.verdict,
        "sentence": named(None, sentence(found)),
        "below": below(found),
    }


def _factor(found: FactorEffect) -> dict[str, Any]:
    ratio = found.kind == "interaction"
    effect = found.effect
    return {
        "kind": found.kind,
        "training": found.training,
        "measure": found.measure,
        "factor": found.factor,
        "groups": found.groups and list(found.groups),
        "weights": dict(found.weights),
        "n": effect.n,
        "blocks": list(found.blocks),
        "ratio" if ratio else "exponent": _interval(effect, _back(ratio)),
        "turn": found.turn and found.turn._asdict(),
        "per_doubling": None if ratio else per_doubling(effect.mean),
        "sd_log": effect.sd,
        "p": effect.p,
        "p_adjusted": found.p_adjusted,
        "family_size": found.family_size,
        "p_flip": found.p_flip,
        "verdict": found.verdict,
        "sentence": named(None, factor_sentence(found)),
    }


def _overall(found: Overall) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "a": found.a,
        "b": found.b,
        "trainings": found.trainings,
        "ratio": _interval(found.like, math.exp),
        "these": _interval(found.these, math.exp),
        "least": found.least,
        "most": found.most,
        "p": found.like.p,
        "p_adjusted": found.p_adjusted,
        "family_size": found.family_size,
        "confounded": found.confounded,
        "verdict": found.verdict,
        "sentence": named(None, overall_sentence(found)),
    }


def _block(block: Block, ratios: bool) -> dict[str, Any]:
    a, b = block.values
    ratio = math.exp(block.log_ratio()) if ratios else None
    return {
        "name": block.name,
        "runs": list(block.runs),
        "started": block.started,
        "a": a,
        "b": b,
        "ratio": ratio,
        "second": block.second,
    }


def _interval(found: Effect, back: Callable[[float], float]) -> dict[str, Any]:
    return {
        "value": back(found.mean),
        "low": _through(found.low, back),
        "high": _through(found.high, back),
        "missing": found.missing,
    }


def _back(ratios: bool) -> Callable[[float], float]:
    """From the scale of what is found."""
    return math.exp if ratios else float


def _through(value: float | None, back: Callable[[float], float]) -> float | None:
    return None if value is None else back(value)
