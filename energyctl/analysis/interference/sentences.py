"""What pairs say, in plain sentences."""

from __future__ import annotations

from energyctl.analysis.interference.means import CONFIDENCE, Mean, Means
from energyctl.config.plan.conditions import BESIDE
from energyctl.text import (
    ENERGY_UNITS,
    energy_unit,
    more_or_less,
    more_or_less_between,
    number,
    percent,
    with_uncertainty,
)

LEVEL = f"{100 * CONFIDENCE:g} % interval"


def sentence(found: Means) -> str:
    """``Beside demo/noise, the training takes 8.1 % more energy than alone (…), and …``."""
    return f"{where(found.condition)}, {_training(found)}; {_saving(found)}.{_added(found)}"


def together(found: Means) -> str | None:
    """``Beside demo/noise, the training takes 52 % more time; doing both together saves …``."""
    time, saving = found.slowdown, found.saving_joules
    parts = []
    if time.value is not None:
        parts.append(f"the training takes {more_or_less(time.value)} time")
    if saving.value is not None and found.one_after_the_other_joules.value is not None:
        parts.append(_saving(found))
    return f"{where(found.condition)}, {'; '.join(parts)}." if parts else None


def where(condition: str) -> str:
    """``Beside demo/noise``, ``Under the condition night``."""
    if condition.startswith(f"{BESIDE} "):
        return condition[0].upper() + condition[1:]
    return f"Under the condition {condition}"


def _training(found: Means) -> str:
    energy, time = found.energy_ratio, found.slowdown
    if energy.value is None and time.value is None:
        return f"how the training differs is not known ({time.missing})"
    if energy.value is None or time.value is None:
        one, words = (time, "time") if energy.value is None else (energy, "energy")
        other, what = (energy, "energy") if energy.value is None else (time, "time")
        much = f"the training takes {more_or_less(one.value or 1.0)} {words} than alone"
        return f"{much} ({_evidence(one, found)}); its {what} is not compared ({other.missing})"
    much = f"the training takes {more_or_less(energy.value)} energy than alone"
    return f"{much} ({_evidence(energy, found)}), and {more_or_less(time.value)} time"


def _evidence(mean: Mean, found: Means) -> str:
    size = found.size(mean.n)
    if mean.low is None or mean.high is None:
        return f"{size}, so no interval"
    return f"{LEVEL} {more_or_less_between(mean.low, mean.high)}; {size}"


def _saving(found: Means) -> str:
    saving, apart = found.saving_joules, found.one_after_the_other_joules
    if saving.value is None or apart.value is None:
        return f"what doing both together saves is not known ({saving.missing})"
    unit = _unit(found)
    factor = ENERGY_UNITS[unit]
    shown = f"{_value(saving, factor).removeprefix('-')} {unit}"
    share = percent(abs(saving.value) / apart.value) if apart.value > 0 else "?"
    told = next((n.n for n in (found.energy_ratio, found.slowdown) if n.value is not None), None)
    size = "" if saving.n == told else f"; {found.size(saving.n)}"
    edges = _edges(saving, factor, unit)
    interval = f"; {LEVEL} of the saving {edges}" if edges else ""
    evidence = f"{share}{interval}{size}"
    whole = f"of {_value(apart, factor)} {unit} ({evidence})"
    if saving.value >= 0:
        return f"doing both together saves {shown} {whole} against one after the other"
    return f"doing both together takes {shown} more than one after the other, {whole}"


def _added(found: Means) -> str:
    """What the training added to the load alone, where there is an interval."""
    added = found.marginal_joules
    if added.value is None or added.low is None:
        return ""
    unit = _unit(found)
    factor = ENERGY_UNITS[unit]
    edges = _edges(added, factor, unit)
    shown = f"{_value(added, factor)} {unit}"
    return (
        f" The training adds {shown} to the load alone ({LEVEL} {edges}): what would be saved "
        "without it, and no share."
    )


def _unit(found: Means) -> str:
    """That of all energies of a sentence."""
    return energy_unit([found.one_after_the_other_joules.value, found.marginal_joules.value])


def _value(mean: Mean, factor: float) -> str:
    """To the second digit of its interval's half-width, as its edges are."""
    assert mean.value is not None
    if mean.low is None or mean.high is None:
        return number(mean.value / factor, 3)
    return with_uncertainty(mean.value / factor, (mean.high - mean.low) / 2 / factor)[0]


def _edges(mean: Mean, factor: float, unit: str) -> str:
    """``0.80 to 1.60 kJ``, which may be below 0; empty without an interval."""
    if mean.low is None or mean.high is None:
        return ""
    half = (mean.high - mean.low) / 2 / factor
    low, high = (with_uncertainty(edge / factor, half)[0] for edge in (mean.low, mean.high))
    return f"{low} to {high} {unit}"
