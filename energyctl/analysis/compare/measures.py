"""What is compared: figures of the table of runs, with their names, units and bands. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from energyctl.config.settings.machine import MACHINE_SETTINGS
from energyctl.errors import SettingsError
from energyctl.results import machine_settings
from energyctl.results.tables import LAYOUTS, Row
from energyctl.results.tables.layouts import REACH

MEASURES = {
    "total_joules": "total energy",
    "cpu_package_joules": "energy of the CPU packages",
    "cpu_dram_joules": "energy of the memory",
    "gpu_joules": "energy of the GPUs",
    "duration_seconds": "duration",
    "total_watts": "mean power",
}
"""What is compared where nothing else is asked for → its name in words."""
DEFAULT_MEASURES = tuple(MEASURES)
KINDS = ("cpu_package", "cpu_dram", "gpu")
"""Of domains: their energies add up to the total where all of it is measured."""

ALONE, BESIDE = "alone", "beside a background"

_BANDS = {f"{name}_joules" for name in ("total", *KINDS, "above_idle", "marginal")}
_OWNS = {f"{name}_joules" for name in ("total", *KINDS)}
_UNITS = {column.name: column.unit for column in LAYOUTS["runs"].columns}
_NUMBERS = {c.name for c in LAYOUTS["runs"].columns if c.type in ("float", "integer")}


class Parts(NamedTuple):
    """Columns of an energy: its joules, the half-width of its band, the run's own part of that."""

    joules: str
    band: str | None
    own: str | None


def value_of(row: Row, name: str) -> Any:
    """A column, a hyper-parameter, a machine setting, or ``background``: whether one was there."""
    if name == "background":
        return BESIDE if row.get("mode") == "parallel" else ALONE
    if name in MACHINE_SETTINGS:
        return _of_machine(row, name)
    if name in row:
        return row[name]
    return row.get(f"hyperparam_{name}", row.get(f"metric_{name}"))


def _of_machine(row: Row, name: str) -> Any:
    """As it was asked for; where it was not set, as it was, if all GPUs or CPUs were alike."""
    if (asked := machine_settings.requested(row, name)) is not None:
        return asked
    if name == "gpu_clock_mhz":  # it changes by itself
        return None
    fact = row.get("governors" if name == "governor" else name)
    known = set(str(fact).split("; "))
    if name == "governor" or fact is None or len(known) > 1:
        return fact
    return float(known.pop())


def factors_of(row: Row) -> list[str]:
    """What may be a factor of a grid: hyper-parameters, and what of the machine was set."""
    prefix = "hyperparam_"
    names = [name.removeprefix(prefix) for name in row if name.startswith(prefix)]
    asked = [n for n in MACHINE_SETTINGS if machine_settings.requested(row, n) is not None]
    return [*names, *asked]


def level_of(name: str, value: Any) -> str:
    """A value as groups are named: of a machine setting with its unit."""
    return machine_settings.level_in_words(name, value) or text_of(value)


def text_of(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def is_number(value: Any) -> bool:
    """A finite one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def known_names(rows: Sequence[Row]) -> list[str]:
    """By what runs can be told apart."""
    named = (
        "repository", "model", "condition", "mode", "campaign", "status", "node", "constraint",
        "hostname", "gpus", "gpu_driver", "governors", *MACHINE_SETTINGS,
    )  # fmt: skip
    found = {n.removeprefix("hyperparam_") for row in rows for n in row if "hyperparam_" in n}
    return ["background", *named, *sorted(found)]


def repetition_of(row: Row) -> tuple[object, object, object, object] | None:
    """What the runs of one set of values have alike: campaign, experiment, repetition, and the
    block where a repetition is not told. None: of no block."""
    if row.get("block") is None:
        return None
    repetition = row.get("repetition")
    block = row["block"] if repetition is None else None
    return row.get("journal") or row.get("campaign"), row.get("experiment"), repetition, block


def starts(rows: Iterable[Row]) -> list[float]:
    """Unix seconds, as far as they are known."""
    return [float(row["started"]) for row in rows if row.get("started") is not None]


def is_energy(measure: str) -> bool:
    """Whether a part of it may be an estimate: an energy, or the mean power."""
    return measure.startswith(("total_", *(f"{kind}_joules" for kind in KINDS)))


def is_of_total(measure: str) -> bool:
    """Whether it is of all that a run's total is of."""
    figure = measure.partition(" per ")[0]
    of_total = figure.startswith("total_") or figure in (*RAW, *_BASELINES)
    return of_total or any(REACH[of].has(figure) for of in REACH if of != "seconds")


def estimates(rows: Iterable[Row]) -> int:
    """How many runs have an energy of which a part is an estimate."""
    return sum(row.get("energy_measured") is False for row in rows)


def name_of(measure: str) -> str:
    """In words; of ``MEASURE per NAME`` too."""
    figure, per, unit = measure.partition(" per ")
    for kind, words in (("joules", "energy"), ("seconds", "time")):
        if REACH[kind].has(figure):
            return f"{words} to reach {figure.removeprefix(REACH[kind].prefix)}{per}{unit}"
    return MEASURES.get(figure, figure.removeprefix("metric_")) + per + unit


def unit_of(measure: str) -> str:
    """Also of ``MEASURE per NAME``: energy per epoch is in joules."""
    figure = measure.partition(" per ")[0]
    reach = next((family.unit for family in REACH.values() if family.has(figure)), "")
    return reach or _UNITS.get(figure, "")


_BASELINES = ("idle_watts", "background_only_watts")
RAW = ("marginal_joules", "above_idle_joules")
"""May be 0 or below: compared by differences, whatever their values."""


def in_logs(measure: str, rows: Iterable[Row]) -> bool:
    """Whether it is compared by ratios: all of its values are above 0."""
    if measure.partition(" per ")[0] in RAW:
        return False
    return all(row[measure] > 0 for row in rows if is_number(row.get(measure)))


def parts_of(measure: str) -> Parts:
    """The columns of a measure; of the total's kinds too."""
    figure, _, per = measure.partition(" per ")
    if REACH["joules"].has(figure):
        name = figure.removeprefix(REACH["joules"].prefix)
        parts = Parts(
            figure, *(REACH[of].name(name) for of in ("uncertainty_joules", "own_joules"))
        )
    else:
        stem = figure.removesuffix("_joules")
        parts = Parts(
            figure,
            f"{stem}_uncertainty_joules" if figure in _BANDS else None,
            f"{stem}_own_joules" if figure in _OWNS else None,
        )
    if not per:
        return parts
    band, own = (column and f"{column} per {per}" for column in parts[1:])
    return Parts(measure, band, own)


def kinds_of(measure: str) -> list[Parts]:
    """Of the total: those of each kind of domain; else the measure's own."""
    figure, per, name = measure.partition(" per ")
    if figure != "total_joules":
        return [parts_of(measure)]
    return [parts_of(f"{kind}_joules{per}{name}") for kind in KINDS]


def divided(
    rows: Sequence[Row], measures: Sequence[str], per: str, of: str = ""
) -> tuple[list[Row], list[str]]:
    """The rows with ``MEASURE per NAME`` for each measure, its band likewise; and these names.

    Raises SettingsError where NAME is no number above 0 of any run; *of*: which these are.
    """
    numbers = [(row, value_of(row, per)) for row in rows]
    good = [(row, float(n)) for row, n in numbers if is_number(n) and n > 0]
    if not good:
        names = ", ".join(known_names(rows))
        raise SettingsError(
            f"--per {per}: no run{of} has it as a number above 0; there are {names}"
        )
    columns = {c for m in measures for part in (parts_of(m), *kinds_of(m)) for c in part if c}
    quotients = [
        {**row, **{f"{c} per {per}": row[c] / n for c in columns if row.get(c) is not None}}
        for row, n in good
    ]
    return quotients, [f"{m} per {per}" for m in measures]


def check_measure(rows: Sequence[Row], measure: str) -> str:
    """The column that is meant. Raises SettingsError where no run has it as a number."""
    found = ("metric_", REACH["joules"].prefix, REACH["seconds"].prefix)
    metrics = sorted({name for row in rows for name in row if name.startswith(found)})
    for name in (measure, f"metric_{measure}"):
        if name in _NUMBERS or name in metrics:
            return name
    shown = ", ".join([*DEFAULT_MEASURES, *metrics])
    raise SettingsError(f"--measure {measure}: no such figure of a run; there are {shown}, …")
