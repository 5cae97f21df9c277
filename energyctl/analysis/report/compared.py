"""What a page says of conditions: tables, figures and a paragraph of methods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.analysis.charts import Panel
    from energyctl.analysis.compare import Study
    from energyctl.analysis.compare.cells import ContrastTable

MOST_DRAWN = 8
"""So many comparisons have their chart on a page."""


@dataclass(frozen=True)
class ComparedSection:
    """tables: of the main measure first. panels and rows: of the charts; left_out: comparisons that
    have none."""

    tables: Sequence[ContrastTable]
    panels: Sequence[Panel]
    rows: Mapping[str, Sequence[Row]]
    left_out: int
    methods: str
    notes: Sequence[str] = field(default=())


def compared_section(study: Study | None, conditions: Iterable[str]) -> ComparedSection | None:
    """None where there is nothing to compare. conditions: all of the page."""
    if study is None:
        return None
    from energyctl.analysis.charts.block_rows import panels
    from energyctl.analysis.compare import methods_text
    from energyctl.analysis.compare.cells import contrast_tables

    shown, rows = panels(study, conditions)
    drawn = shown[:MOST_DRAWN]
    return ComparedSection(
        tables=contrast_tables(study),
        panels=drawn,
        rows={
            name: [row for row in of if row["contrast"] < MOST_DRAWN] for name, of in rows.items()
        },
        left_out=len(shown) - len(drawn),
        methods=methods_text(study),
        notes=study.notes,
    )
