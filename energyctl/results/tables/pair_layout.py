"""The columns of the table of pairs."""

from __future__ import annotations

from energyctl.results.tables.columns import Column, Layout

_UNKNOWN = "see missing"
_FIGURES = (
    ("slowdown", "", "duration beside ÷ alone"),
    (
        "background_slowdown",
        "",
        "rate of the background's work alone ÷ beside; of several jobs the harmonic mean",
    ),
    ("background_work", "background_unit", "what the background did beside the training"),
    (
        "background_work_lost",
        "background_unit",
        "what it would have done alone in that time, less that",
    ),
    ("energy_alone_joules", "J", "total energy alone"),
    ("energy_beside_joules", "J", "total energy beside the background"),
    ("energy_ratio", "", "energy beside ÷ alone"),
    ("marginal_joules", "J", "what the training added to the energy of the load alone"),
    ("background_alone_seconds", "s", "what the background's work takes alone"),
    ("background_alone_joules", "J", "energy of the background's work alone"),
    ("one_after_the_other_joules", "J", "energy alone, and of the background's work alone"),
    ("saving_joules", "J", "that less the energy beside: what doing both together saves"),
    ("saving_idle_joules", "J", "part of it that is the idle machine's, for the time saved"),
)


def band_of(name: str) -> str:
    """The column with a figure's uncertainty: ``saving_uncertainty_joules``."""
    for unit in ("_joules", "_seconds"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_uncertainty{unit}"
    return f"{name}_uncertainty"


def _figure(name: str, unit: str, meaning: str) -> tuple[Column, Column]:
    return (
        Column(name, "float", unit, meaning, _UNKNOWN),
        Column(band_of(name), "float", unit, "half-width of its band", "as the figure, or unknown"),
    )


PAIRS = Layout(
    "pairs",
    (
        Column("beside", "text", "", "experiment_id of the run beside a background"),
        Column("alone", "text", "", "experiment_id of the run alone"),
        Column("training", "text", "", "repository / model of both"),
        Column("condition", "text", "", "that of the run beside"),
        Column("block", "integer", "", "of both", "they are not of one block"),
        Column("apart_seconds", "float", "s", "between their starts", "not known"),
        Column("energy_measured", "boolean", "", "false where an energy is an estimate, in part"),
        Column("background_unit", "text", "", "of the background's work", _UNKNOWN),
        *(column for figure in _FIGURES for column in _figure(*figure)),
        Column("missing", "text", "", "reason for each figure that is null", "none is"),
    ),
)
"""A row: a run beside a background and its partner alone (docs/interference.md)."""
