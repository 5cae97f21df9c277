"""The figures of pairs in words, as rows of tables: for a terminal and a page. Pure.

A cell is its lines: a figure, and below it its band or interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.analysis.interference.means import CONFIDENCE, Mean, Means
from energyctl.results.pairs import Figure, Pair
from energyctl.text import ENERGY_UNITS, count, energy_unit, number, with_uncertainty

Cell = tuple[str, ...]

UNKNOWN = "–"
CERTAIN = 1e-6
"""An interval that is narrower than this share of its figure shows no further digits."""

PAIR_NOTE = "± is what meters, clocks and counts of work may be off by."
MEAN_NOTE = (
    f"Below each mean: its {100 * CONFIDENCE:g} % interval over blocks, by Student's t. "
    "Added: by the training, to the energy of the load alone; no share of the energy beside."
)


def unit_of(pairs: Sequence[Pair]) -> str:
    """One unit for the energies of both tables."""
    return energy_unit(
        figure.value
        for pair in pairs
        for figure in (
            pair.interference.energy_alone_joules,
            pair.interference.energy_beside_joules,
            pair.interference.one_after_the_other_joules,
        )
    )


def pair_columns(unit: str) -> tuple[str, ...]:
    """The heads: slowdown of the training and of its background, energies. All but the first are of
    figures."""
    return (
        "pair",
        "slowdown",
        "background's",
        f"alone ({unit})",
        f"beside ({unit})",
        f"saving ({unit})",
    )


def pair_row(pair: Pair, unit: str) -> list[Cell]:
    """Its condition and block and its two runs, then figures."""
    found = pair.interference
    block = "" if pair.block is None else f", block {pair.block}"
    energies = found.energy_alone_joules, found.energy_beside_joules, found.saving_joules
    return [
        (f"{pair.condition}{block}", pair.beside, pair.alone),
        figure_cell(found.slowdown),
        figure_cell(found.background_slowdown),
        *(figure_cell(one, ENERGY_UNITS[unit]) for one in energies),
    ]


def figure_cell(figure: Figure, factor: float = 1.0) -> Cell:
    """``1.0810``, ``± 0.0012``."""
    if figure.value is None:
        return (UNKNOWN,)
    band = None if figure.uncertainty is None else figure.uncertainty / factor
    value, *bands = with_uncertainty(figure.value / factor, band)
    return (value, *(f"± {one}" for one in bands))


def mean_columns(unit: str) -> tuple[str, ...]:
    """The same of their means, with the ratio of the energies and what the training added."""
    return (
        "mean of",
        "slowdown",
        "background's",
        "beside ÷ alone",
        f"added ({unit})",
        f"saving ({unit})",
    )


def mean_row(found: Means, unit: str) -> list[Cell]:
    size = found.size(found.n)
    return [
        (found.condition, found.training, size),
        interval(found.slowdown),
        interval(found.background_slowdown),
        interval(found.energy_ratio),
        interval(found.marginal_joules, ENERGY_UNITS[unit]),
        interval(found.saving_joules, ENERGY_UNITS[unit]),
    ]


def interval(mean: Mean, factor: float = 1.0) -> Cell:
    """``1.081``, ``1.064 to 1.098``."""
    if mean.value is None:
        return (UNKNOWN,)
    if mean.low is None or mean.high is None:
        return (number(mean.value / factor),)
    half: float | None = (mean.high - mean.low) / 2 / factor
    if half is not None and half <= CERTAIN * abs(mean.value / factor):
        half = None
    value, low, high = (
        with_uncertainty(edge / factor, half)[0] for edge in (mean.value, mean.low, mean.high)
    )
    return (value, f"{low} to {high}")


def reasons(pairs: Sequence[Pair]) -> list[str]:
    """A line for each reason why figures of the table are not known."""
    found: dict[str, set[str]] = {}
    for pair in pairs:
        shown = pair.interference
        for figure in (
            shown.slowdown, shown.background_slowdown, shown.energy_alone_joules,
            shown.energy_beside_joules, shown.marginal_joules, shown.saving_joules,
        ):  # fmt: skip
            if figure.missing is not None:
                found.setdefault(figure.missing, set()).add(pair.beside)
    return [
        f"figures of {count(len(names), 'pair')} are not known: {why}"
        for why, names in found.items()
    ]
