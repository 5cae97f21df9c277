"""What a factor does, and how a measure goes with a number, in plain sentences."""

from __future__ import annotations

import math

from energyctl.analysis.compare.correlation import Correlation
from energyctl.analysis.compare.factors import FactorEffect, Turn, per_doubling
from energyctl.analysis.compare.measures import name_of
from energyctl.analysis.compare.sentences import family_words, level_words, p_text
from energyctl.results.machine_settings import name_in_words
from energyctl.text import (
    count,
    more_or_less,
    more_or_less_between,
    with_uncertainty,
)


def factor_sentence(found: FactorEffect) -> str:
    """How a difference depends on a factor, or how the measure goes with it."""
    if found.kind == "interaction":
        return _interaction(found)
    measure, effect = name_of(found.measure), found.effect
    what = measure
    if found.groups is not None:
        what = f"the ratio of {measure}, {found.groups[1]} to {found.groups[0]},"
    if found.turn is not None:
        return _turned(found, found.turn)
    open_ = found.verdict == "open"
    low, high = found.simultaneous if open_ else (effect.low, effect.high)
    half = None if low is None or high is None else (high - low) / 2
    exponent = with_uncertainty(effect.mean, half)[0]
    doubled = more_or_less(per_doubling(effect.mean))
    factor = _the(found.factor)
    goes = f"goes with {factor} to the power of {exponent}, {doubled} for its double"
    if low is None or high is None:
        return f"{what} {goes} ({_blocks(found)}, no interval: {effect.missing})."
    edges = " to ".join(with_uncertainty(edge, half)[0] for edge in (low, high))
    if open_:
        return (
            f"whether {what} goes with {factor} is open: to a power of {edges} "
            f"({level_words(found.options)}; {_blocks(found)}{family_words(found)})."
        )
    level = f"{level_words(found.options)} of the power"
    return f"{what} {goes} ({level} {edges}; {_blocks(found)}{family_words(found)})."


def _turned(found: FactorEffect, turn: Turn) -> str:
    least, other = ("least", "more") if turn.least else ("most", "less")
    words = name_in_words(found.factor)
    at = f"{words} {turn.level}" if words == found.factor else f"a {words} of {turn.level}"
    return (
        f"{name_of(found.measure)} is {least} at {at}, and {other} at both ends: it does not go "
        f"one way with it ({_blocks(found)})."
    )


def _the(factor: str) -> str:
    """``the GPU power limit``; a hyper-parameter has no article."""
    words = name_in_words(factor)
    return factor if words == factor else f"the {words}"


def _interaction(found: FactorEffect) -> str:
    assert found.groups is not None
    (a, b), (first, second) = found.groups, list(found.weights)
    ratio, at = (
        f"{b} against {a}: the ratio of {name_of(found.measure)}",
        f"{name_in_words(found.factor)} {second}",
    )
    effect = found.effect
    if effect.low is None or effect.high is None:
        much = _larger(more_or_less(math.exp(effect.mean)))
        why = f"{_blocks(found)}, no interval: {effect.missing}"
        return f"{ratio} is {much} at {at} than at {first} ({why})."
    if found.verdict == "open":
        low, high = (math.exp(edge or 0.0) for edge in found.simultaneous)
        between = _larger(more_or_less_between(low, high)).replace(" to ", " and ")
        side = " larger" if low >= 1 else " smaller"
        between += "" if (low < 1) != (high < 1) else side
        return (
            f"{ratio} is between {between} at {at} than at {first} ({level_words(found.options)}; "
            f"{_blocks(found)}{family_words(found)})."
        )
    between = more_or_less_between(math.exp(effect.low), math.exp(effect.high))
    much = _larger(more_or_less(math.exp(effect.mean)))
    evidence = f"{level_words(found.options)} {between}; {_blocks(found)}{family_words(found)}"
    return f"{ratio} is {much} at {at} than at {first} ({evidence})."


def _larger(words: str) -> str:
    return words.replace("more", "larger").replace("less", "smaller")


def _blocks(found: FactorEffect) -> str:
    return count(found.effect.n, "block")


def correlation_sentence(found: Correlation) -> str:
    """Whether a measure rises or falls with a hyper-parameter."""
    measure = name_of(found.measure)
    if found.rho.value is None or found.p_adjusted is None:
        return f"{measure} against {found.name}: nothing can be said, {found.rho.missing}."
    interval = ""
    if found.rho.low is not None and found.rho.high is not None:
        level = f"{100 * (1 - found.alpha):g} % interval"
        interval = f", {level} {found.rho.low:+.2f} to {found.rho.high:+.2f}"
    family = "" if found.family_size == 1 else f" for {found.family_size} trends"
    p = f"{p_text(found.p_adjusted)}{family}"
    figures = f"Spearman's rho {found.rho.value:+.2f}{interval}; {p}; {found.n} runs"
    if found.p_adjusted > found.alpha:
        return f"whether {measure} rises or falls with {_the(found.name)} is open ({figures})."
    moves = "rises" if found.rho.value > 0 else "falls"
    return f"{measure} {moves} with {_the(found.name)} ({figures})."
