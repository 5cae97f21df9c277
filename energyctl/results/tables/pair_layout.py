"""The columns of the tables of pairs, and of what their domains are divided into."""

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
    (
        "marginal_joules",
        "J",
        "what the training added to the energy of the load alone; no share of the energy beside",
    ),
    ("background_alone_seconds", "s", "what the background's work takes alone"),
    ("background_alone_joules", "J", "energy of the background's work alone"),
    ("one_after_the_other_joules", "J", "energy alone, and of the background's work alone"),
    ("saving_joules", "J", "that less the energy beside: what doing both together saves"),
    ("saving_idle_joules", "J", "part of it that is the idle machine's, for the time saved"),
)

KINDS = {"gpu": "GPUs", "cpu": "CPU packages"}
"""Of domains whose shares the table of pairs has, all of a kind together."""

_PARTS = {
    "idle": "what the idle machine would have taken",
    "context": "of open contexts",
    "foreground": "the foreground's",
    "background": "the background's",
}
SHARE_FIGURES = {
    "total": "energy beside the background",
    **_PARTS,
    "foreground_context": "part of context_joules that is the foreground's",
    "background_context": "part of context_joules that is the background's",
    "marginal": "what the training added to the energy of the load alone; no share of the total",
    "marginal_of_equal_work": "the same, had the load done as much work alone; no share either",
}
"""Figures of a domain, without ``_joules``, and what each means."""


def band_of(name: str) -> str:
    """The column with a figure's uncertainty: ``saving_uncertainty_joules``."""
    for unit in ("_joules", "_seconds"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_uncertainty{unit}"
    return f"{name}_uncertainty"


def _figure(name: str, unit: str, meaning: str, null: str = _UNKNOWN) -> tuple[Column, Column]:
    return (
        Column(name, "float", unit, meaning, null),
        Column(band_of(name), "float", unit, "half-width of its band", "as the figure, or unknown"),
    )


def _of_kind(kind: str, named: str) -> list[Column]:
    null = f"{kind}_verdict is not agreed"
    figures = [
        column
        for part, meaning in _PARTS.items()
        for column in _figure(f"{kind}_{part}_joules", "J", f"of all {named}: {meaning}", null)
    ]
    meaning = f"of all {named}: agreed, disagree, or refused"
    return [*figures, Column(f"{kind}_verdict", "text", "", meaning, f"there are no {named}")]


_WHICH = (
    Column("beside", "text", "", "experiment_id of the run beside a background"),
    Column("alone", "text", "", "experiment_id of the run alone"),
    Column("training", "text", "", "repository / model of both"),
    Column("condition", "text", "", "that of the run beside"),
    Column("block", "integer", "", "of both", "they are not of one block"),
)

PAIRS = Layout(
    "pairs",
    (
        *_WHICH,
        Column("apart_seconds", "float", "s", "between their starts", "not known"),
        Column("energy_measured", "boolean", "", "false where an energy is an estimate, in part"),
        Column("background_unit", "text", "", "of the background's work", _UNKNOWN),
        *(column for figure in _FIGURES for column in _figure(*figure)),
        *(column for kind in KINDS.items() for column in _of_kind(*kind)),
        Column("missing", "text", "", "reason for each figure that is null", "none is"),
    ),
)
"""A row: a run beside a background and its partner alone (docs/interference.md)."""

SHARES = Layout(
    "shares",
    (
        *_WHICH,
        Column("domain", "text", "", "such as gpu-0; also one that stands beside the total"),
        Column("kind", "text", "", "of the domain: gpu, cpu, dram …", "not known"),
        Column(
            "verdict", "text", "",
            "agreed; disagree: the bands of both estimators do not meet; refused",
        ),
        Column("reasons", "text", "", "why it is not agreed", "it is"),
        *(
            column
            for name, meaning in SHARE_FIGURES.items()
            for column in _figure(f"{name}_joules", "J", meaning)
        ),
        *(
            column
            for estimator in ("activity", "work")
            for side in ("foreground", "background")
            for column in _figure(
                f"{estimator}_{side}_joules", "J", f"the {side}'s, by {estimator} alone"
            )
        ),
        Column(
            "closure", "float", "",
            "share of what was drawn above idle and context that the references do not explain",
            "not known",
        ),
        Column(
            "differential", "float", "",
            "by so much the specific power of one may have changed more than the other's",
        ),
        Column(
            "differential_of", "text", "", "`assumed`, or the test with twins that measured it"
        ),
        Column("missing", "text", "", "reason for each figure that is null", "none is"),
    ),
)  # fmt: skip
"""A row: a domain of a pair, and whose energy it was (docs/attribution.md)."""

OF_PAIRS = (PAIRS.name, SHARES.name)
"""Tables whose rows are not of one result, but of two."""
