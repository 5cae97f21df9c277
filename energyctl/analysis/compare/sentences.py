"""Comparisons in plain sentences: what may be said, from how much, and what stands against it."""

from __future__ import annotations

import math

from energyctl.analysis.compare import caveats
from energyctl.analysis.compare.comparison import WHAT, Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.factors import FactorEffect
from energyctl.analysis.compare.measures import name_of
from energyctl.analysis.compare.overall import Overall
from energyctl.analysis.compare.statistics import CompareOptions
from energyctl.text import (
    count,
    duration,
    more_or_less,
    more_or_less_between,
    number,
    percent,
    with_uncertainty,
)

WIDE = 3.0
"""A ratio above which an interval is told by factors, not in per cent."""
TOLD = 0.05
"""The share that plans are told for where no margin was stated."""


MOST_TOLD = 1000
"""Of more blocks no plan is told."""


def p_text(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def named(training: str | None, text: str) -> str:
    """A sentence behind the training that it is of; alone it begins with a capital."""
    return f"{text[0].upper()}{text[1:]}" if training is None else f"{training}: {text}"


def sentence(found: Comparison) -> str:
    """What one comparison says; it begins with the group's name as it is."""
    text = _SENTENCES[found.verdict](found) if found.ratio is not None else _difference(found)
    if found.verdict == "confounded with time" and found.time_order is not None:
        order = found.time_order
        drift = "some size" if order.drift is None else percent(order.drift)
        text = (
            f"{text[:-1]}, but the runs of {order.first} came before those of {order.last}: a "
            f"steady drift of {drift} over all of them ({duration(order.seconds)}) would look the "
            "same."
        )
    if found.drawn:
        text = f"{text[:-1]}; {caveats.drawn_anew(found.drawn, found.ratio)}."
    if found.beyond_meters is False and found.verdict not in ("open", "too few"):
        text += f" But {_meters(found)}."
    return text


def below(found: Comparison) -> list[str]:
    """Lines right under the sentence: what else differs, the order, where tests disagree."""
    return [*found.caveats, *_checks(found)]


def _checks(found: Comparison) -> list[str]:
    lines, turned_by = list[str](), found.turned_by
    if found.flip_agrees is False:
        flip, t = p_text(found.p_flip or 0.0), p_text(found.found.p or 0.0)
        lines.append(f"the exact sign-flip test says otherwise: {flip}, Student's t {t}")
    if turned_by is not None:
        differs = (found.p_adjusted or 0.0) <= found.options.alpha
        lines.append(f"without {turned_by} {'no' if differs else 'a'} difference would be shown")
    if found.position is not None and found.ratio is not None:
        lines.append(
            f"order: the run that came second in its block took {_with_interval(found.position)}"
        )
    if found.options.margin is not None and found.ratio is None:
        lines.append("values of 0 or below have no ratio: the margin, a share, is not applied")
    return lines


def _with_interval(found: Effect) -> str:
    much = more_or_less(math.exp(found.mean))
    if found.low is None or found.high is None:
        return much
    between = more_or_less_between(math.exp(found.low), math.exp(found.high))
    return f"{much} ({between})"


# -- verdicts ------------------------------------------------------------------------------------


def _change(found: Comparison) -> str:
    """``beside two: 3.5 % more total energy than alone``."""
    much = more_or_less(math.exp(found.found.mean))
    return f"{found.b.name}: {much} {name_of(found.measure)} than {found.a.name}"


def _plain(found: Comparison) -> str:
    return f"{_change(found)} ({_evidence(found)})."


def _more(found: Comparison) -> str:
    return f"{_change(found)} ({_evidence(found)}): more than {_margin(found.options)}."


def _less(found: Comparison) -> str:
    return f"{_change(found)} ({_evidence(found)}): less by more than {_margin(found.options)}."


def _within(found: Comparison) -> str:
    text = f"{_change(found)} ({_evidence(found)})"
    return f"{text}: shown, and no more than {_margin(found.options)}."


def _differs(found: Comparison) -> str:
    if found.margin is None:
        return _plain(found)
    margin = _margin(found.options)
    return f"{_change(found)} ({_evidence(found)}); whether by more than {margin} is open."


def _alike(found: Comparison) -> str:
    much = more_or_less(math.exp(found.found.mean))
    return (
        f"{found.b.name} and {found.a.name}: {name_of(found.measure)} no more than "
        f"{_margin(found.options)} apart, {much} ({_evidence(found)})."
    )


def _at_most(found: Comparison) -> str:
    limit = found.found.at_most or 0.0
    if limit < 0:  # less, but not shown by the two-sided test
        return f"{_change(found)} ({_evidence(found)}): no more than {_margin(found.options)} more."
    most = more_or_less(math.exp(limit))
    side = f"{100 * found.options.confidence:g} %, one-sided"
    return (
        f"{found.b.name}: at most {most} {name_of(found.measure)} than {found.a.name} ({side}; "
        f"{_evidence(found)}): no more than {_margin(found.options)}."
    )


def _open(found: Comparison) -> str:
    """The interval is the sentence."""
    effect = found.ratio
    assert effect is not None
    low, high = found.simultaneous
    if low is None or high is None:
        return f"{_change(found)} ({_size(found)}, no interval: {effect.missing})."
    measure, settled = (
        name_of(found.measure),
        "nothing is settled for " * (found.margin is not None),
    )
    if max(-low, high) > math.log(WIDE):
        edges = " and ".join(number(math.exp(edge), 2) for edge in (low, high))
        much = f"{edges} times the {measure} of {found.a.name}"
    else:
        between = more_or_less_between(math.exp(low), math.exp(high)).replace(" to ", " and ")
        one_sided = (" more" if low >= 0 else " less") * ((low < 0) == (high < 0))
        much = f"{between}{one_sided} {measure} than {found.a.name}"
    level = level_words(found.options) + ", held for all comparisons" * (found.family_size > 1)
    text = f"{settled}{found.b.name}: between {much} ({level}; {_size(found)}{_p(found)})."
    return text + _planned(found)


def _too_few(found: Comparison) -> str:
    return f"{_change(found)} ({_size(found)}): {found.found.missing}."


_SENTENCES = {
    "more than the margin": _more,
    "less by more than the margin": _less,
    "differs, within the margin": _within,
    "differs": _differs,
    "alike within the margin": _alike,
    "no more than the margin": _at_most,
    "open": _open,
    "too few": _too_few,
    "confounded with time": _plain,
}


def _difference(found: Comparison) -> str:
    """Of a measure that has no ratio."""
    effect, unit = found.difference, f" {found.unit}".rstrip()
    half = None if effect.low is None or effect.high is None else (effect.high - effect.low) / 2
    mean = with_uncertainty(abs(effect.mean), half)[0]
    more = "more" if effect.mean >= 0 else "less"
    much = f"{found.b.name}: {mean}{unit} {more} {name_of(found.measure)} than {found.a.name}"
    if effect.low is None or effect.high is None:
        return f"{much} ({_size(found)}): {effect.missing}."
    low, high = (with_uncertainty(edge, half)[0] for edge in (effect.low, effect.high))
    interval = f"{level_words(found.options)} of the difference {low} to {high}{unit}"
    return f"{much} ({interval}; {_size(found)}{_p(found)})."


# -- parts of sentences --------------------------------------------------------------------------


def level_words(options: CompareOptions) -> str:
    """``95 % interval``."""
    return f"{100 * options.confidence:g} % interval"


def _margin(options: CompareOptions) -> str:
    return f"{number(100 * (options.margin or 0.0))} %"


def _size(found: Comparison) -> str:
    if found.sample.blocks:
        of = " of equal values" if found.sample.design == "pairs of equal values" else ""
        return count(found.found.n, WHAT[found.sample.design]) + of
    return f"{found.b.n} against {found.a.n} runs"


def _p(found: Comparison) -> str:
    if found.p_adjusted is None:
        return ""
    family = "" if found.family_size == 1 else f" for {found.family_size} comparisons"
    return f"; {p_text(found.p_adjusted)}{family}"


def _evidence(found: Comparison) -> str:
    effect = found.found
    if effect.low is None or effect.high is None:
        return f"{_size(found)}, no interval: {effect.missing}"
    between = more_or_less_between(math.exp(effect.low), math.exp(effect.high))
    return f"{level_words(found.options)} {between}; {_size(found)}{_p(found)}"


def _planned(found: Comparison) -> str:
    """How many it takes, by the upper limit of the spread."""
    share = found.options.margin or TOLD
    needed = found.needed(share)
    if needed is None or needed <= found.found.n / (1 if found.sample.blocks else 2):
        return ""
    what = WHAT[found.sample.design]
    of = f"{count(needed, what)}{'' if found.sample.blocks else ' in each group'}"
    power = f"{100 * found.options.power:g} % power"
    if needed > MOST_TOLD:
        of = f"more than {MOST_TOLD} {what}s"
    return f" To show a difference of {number(100 * share)} % takes {of} ({power})."


def _meters(found: Comparison) -> str:
    meter = found.meter
    assert meter is not None
    edges, common = (number(part, 3) for part in (meter.edges, meter.common))
    shared = "shared by a machine's runs" if meter.method == "one machine" else "of each machine"
    parts = "" if meter.method == "whole bands" else f": {edges} of each run, {common} {shared}"
    return f"the meters alone may shift it by {number(meter.whole, 3)} {found.unit}{parts}"


# -- several trainings ----------------------------------------------------------


def overall_sentence(found: Overall) -> str:
    """What the trainings say together."""
    ratios = f"ratios {found.least:.3g} to {found.most:.3g}"
    basis = f"in these {found.trainings} trainings, each compared with itself"
    these = ""
    if found.these.low is not None and found.these.high is not None:
        between = more_or_less_between(math.exp(found.these.low), math.exp(found.these.high))
        these = f"; {level_words(found.options)} for these {between}"
    like = f"; for trainings like these: {found.like.missing}"
    low, high = found.simultaneous if found.verdict == "open" else (found.like.low, found.like.high)
    if low is not None and high is not None:
        between = more_or_less_between(math.exp(low), math.exp(high))
        like = f"; for trainings like these {between}{family_words(found)}"
    text = (
        f"{found.b}: {more_or_less(math.exp(found.like.mean))} {name_of(found.measure)} than "
        f"{found.a} {basis} ({ratios}{these}{like})"
    )
    if found.verdict == "open":
        text += ": of others like them nothing is settled"
    elif found.options.margin is not None and found.verdict != "differs":
        text += f": {found.verdict.replace('the margin', _margin(found.options))}"
    if found.confounded:
        text += ", but in some of them one group ran before the other"
    return f"{text}."


def family_words(found: FactorEffect | Overall) -> str:
    """``; p = 0.012 for 3 comparisons``."""
    if found.p_adjusted is None:
        return ""
    family = "" if found.family_size == 1 else f" for {found.family_size} comparisons"
    return f"; {p_text(found.p_adjusted)}{family}"
