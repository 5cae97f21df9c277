"""What a page says of conditions: sentences, tables, a figure and a paragraph of methods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from energyctl.analysis.comparing import conditions_of
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.analysis.charts import Panel
    from energyctl.analysis.compare.cells import ContrastTable
    from energyctl.results.api import Runs

MOST_DRAWN = 8
"""So many comparisons have their chart on a page."""


@dataclass(frozen=True)
class ComparedSection:
    """sentences: each with the lines below it. tables: of the main measure first. panels and rows:
    of the charts; left_out: comparisons that have none. colours: of each condition."""

    sentences: Sequence[tuple[str, Sequence[str]]]
    tables: Sequence[ContrastTable]
    panels: Sequence[Panel]
    rows: Mapping[str, Sequence[Row]]
    left_out: int
    colours: Mapping[str, str]
    methods: str
    notes: Sequence[str] = field(default=())


def compared_section(runs: Runs) -> ComparedSection | None:
    """None where there is nothing to compare."""
    study = conditions_of(runs)
    if study is None:
        return None
    from energyctl.analysis.charts.block_rows import panels
    from energyctl.analysis.charts.themes import condition_marks
    from energyctl.analysis.compare import methods_text
    from energyctl.analysis.compare.cells import contrast_tables

    conditions = {run.condition for run in runs}
    shown, rows = panels(study, conditions)
    drawn = shown[:MOST_DRAWN]
    return ComparedSection(
        sentences=study.sentences(),
        tables=contrast_tables(study),
        panels=drawn,
        rows={
            name: [row for row in of if row["contrast"] < MOST_DRAWN] for name, of in rows.items()
        },
        left_out=len(shown) - len(drawn),
        colours={name: mark.colour for name, mark in condition_marks(conditions).items()},
        methods=methods_text(study),
        notes=study.notes,
    )
