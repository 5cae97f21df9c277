"""Whether a machine stayed the same over a campaign: the trend of its controls, in sentences. Pure.

The trend is a straight line through the logs of their energies over time, by least squares; its
interval is that of Student's t (Draper and Smith, Applied Regression Analysis, section 1.4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import fmean

from energyctl.energy.block_power import student_t
from energyctl.results.controls import ControlRun, spread
from energyctl.text import count, duration, more_or_less, more_or_less_between, percent

LEAST = 5
"""Controls that a trend needs."""


def drift_sentences(controls: Iterable[ControlRun]) -> list[str]:
    """One for each machine, by its name."""
    by_node = sorted(controls, key=lambda one: (one.node, one.at))
    return [_sentence(node, list(own)) for node, own in groupby(by_node, lambda one: one.node)]


def _sentence(node: str, controls: Sequence[ControlRun]) -> str:
    apart, on = spread(controls), f"{count(len(controls), 'control')} on {node}"
    if apart is None:
        return f"{on}: whether the machine stayed the same is not known."
    said = f"{on}: the energies of the same work lie {percent(apart)} apart"
    found = trend(controls)
    if found is None:
        return f"{said}; {LEAST} are needed for a trend."
    change, low, high = found
    over = duration(controls[-1].at - controls[0].at)
    between = more_or_less_between(low, high)
    return f"{said}. Over {over} it took {more_or_less(change)} (95 % interval {between})."


def trend(controls: Sequence[ControlRun]) -> tuple[float, float, float] | None:
    """Energy at the last control over that at the first, by the line, and its 95 % interval; None
    of too few, or of controls at one instant."""
    n = len(controls)
    if n < LEAST:
        return None
    times, logs = [one.at for one in controls], [math.log(one.joules) for one in controls]
    middle, mean = fmean(times), fmean(logs)
    squares = sum((at - middle) ** 2 for at in times)
    if not squares:
        return None
    slope = sum((at - middle) * log for at, log in zip(times, logs, strict=True)) / squares
    residuals = (log - mean - slope * (at - middle) for at, log in zip(times, logs, strict=True))
    error = math.sqrt(sum(one**2 for one in residuals) / (n - 2) / squares)
    length, half = times[-1] - times[0], student_t(n - 2) * error
    return (
        math.exp(slope * length),
        math.exp((slope - half) * length),
        math.exp((slope + half) * length),
    )
