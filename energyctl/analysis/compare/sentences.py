"""Comparisons in plain sentences."""

from __future__ import annotations

from energyctl.analysis.compare.comparison import Comparison, Overall
from energyctl.analysis.compare.correlation import Correlation
from energyctl.analysis.compare.grouping import MEASURES
from energyctl.analysis.compare.statistics import Estimate, size_word
from energyctl.results.tables.layouts import REACH
from energyctl.text import more_or_less


def name_of(measure: str) -> str:
    """In words; of ``MEASURE per NAME`` too."""
    figure, per, unit = measure.partition(" per ")
    for kind, words in (("joules", "energy"), ("seconds", "time")):
        if REACH[kind].has(figure):
            return f"{words} to reach {figure.removeprefix(REACH[kind].prefix)}{per}{unit}"
    return MEASURES.get(figure, figure.removeprefix("metric_")) + per + unit


def p_text(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def sentence(found: Comparison) -> str:
    """What one comparison says, and from how many runs."""
    sizes = f"{found.b.n} against {found.a.n} runs"
    if found.verdict == "too few":
        least = f"{_least_p(found)}{_more(found)}"
        return f"Too few runs to say anything: {_change_of(found)} ({sizes}), but {least}"
    delta = found.delta.value or 0.0
    test = f"Mann-Whitney {p_text(found.p)}{_adjusted(found)}"
    evidence = f"{sizes}; {test}; Cliff's delta {delta:+.2f}, {size_word(delta)}"
    text = f"{_change_of(found)}{_interval(found)} ({evidence})."
    if found.verdict == "not shown":
        return f"No difference is shown: {text}{_more(found)}"
    if found.beyond_meters is False:
        text += " But it is within what the meters may be off by, at the worst."
    return text[0].upper() + text[1:]


def _change_of(found: Comparison) -> str:
    if found.ratio.value is not None:
        much = more_or_less(found.ratio.value)
        return f"{found.b.name}: {much} {name_of(found.measure)} than {found.a.name}"
    return (
        f"{found.b.name}: {name_of(found.measure)} differs by {found.difference.value:.4g} "
        f"{found.unit} from {found.a.name}"
    )


def _interval(found: Comparison) -> str:
    level = f"{100 * (1 - found.alpha):g} % interval"
    ratio, plain = found.ratio, found.difference
    if ratio.low is not None and ratio.high is not None:
        return f", {level} {_change(ratio.low)} to {_change(ratio.high)} %"
    if ratio.value is None and plain.low is not None and plain.high is not None:
        return f", {level} {plain.low:.4g} to {plain.high:.4g}"
    return ""


def _change(ratio: float) -> str:
    change = 100 * (ratio - 1)
    return f"{change:+.{0 if abs(change) >= 10 else 1}f}"


def _adjusted(found: Comparison) -> str:
    same = found.p_adjusted == found.p
    return "" if same else f", with Holm's correction {p_text(found.p_adjusted)}"


def _least_p(found: Comparison | Overall) -> str:
    return f"with so few no rank test can give less than p = {found.smallest_p:.2g}."


def _more(found: Comparison) -> str:
    """How many runs it would take."""
    parts = []
    if found.needed_observed is not None:
        parts.append(("of this size", found.needed_observed))
    parts += [
        (f"of {100 * share:g} %", needed)
        for share, needed in found.needed_shares.items()
        if needed is not None
    ]
    if not parts:
        return ""
    (size, needed), *others = parts
    rest = "".join(f", one {size} {needed}" for size, needed in others)
    takes = f"a difference {size} takes {needed} runs in each group{rest}"
    return f" To be shown in 4 of 5 studies, {takes}."


def overall_sentence(found: Overall) -> str:
    """What the trainings say together."""
    ratio = found.ratio.value or 1.0
    change = f"{found.b}: {more_or_less(ratio)} {name_of(found.measure)} than {found.a}"
    basis = f"in these {found.trainings} trainings, each compared with itself"
    ratios = f"ratios {found.least:.3g} to {found.most:.3g}"
    if found.verdict == "too few":
        return f"Too few runs to say anything: {change} {basis} ({ratios}), but {_least_p(found)}"
    test = f"van Elteren's rank test {p_text(found.p)}"
    text = f"{change} {basis} ({ratios}; {test}){_for_others(found.ratio, found.alpha)}."
    if found.verdict == "not shown":
        return f"No difference is shown: {text}"
    return text[0].upper() + text[1:]


def _for_others(ratio: Estimate, alpha: float) -> str:
    """The interval is of the mean over trainings, the rank test of these ones: told apart."""
    if ratio.low is None or ratio.high is None:
        return ""
    level = f"{100 * (1 - alpha):g} %"
    bounds = f"{_change(ratio.low)} to {_change(ratio.high)} %"
    return f"; for other trainings like them the {level} interval of the mean is {bounds}"


def correlation_sentence(found: Correlation) -> str:
    """Whether a measure rises or falls with a hyper-parameter."""
    measure = name_of(found.measure)
    if found.rho.value is None or found.p is None:
        return f"{measure} against {found.name}: nothing can be said, {found.rho.missing}."
    interval = ""
    if found.rho.low is not None and found.rho.high is not None:
        level = f"{100 * (1 - found.alpha):g} % interval"
        interval = f", {level} {found.rho.low:+.2f} to {found.rho.high:+.2f}"
    figures = f"Spearman's rho {found.rho.value:+.2f}{interval}; {p_text(found.p)}; {found.n} runs"
    if found.p > found.alpha:
        return f"No trend is shown of {measure} with {found.name} ({figures})."
    moves = "rises" if found.rho.value > 0 else "falls"
    return f"{measure[0].upper()}{measure[1:]} {moves} with {found.name} ({figures})."
