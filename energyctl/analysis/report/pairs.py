"""What a page says of pairs: runs beside a background with those alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.analysis.interference import means_of, sentences, tables
from energyctl.results.pairs import Pairs


@dataclass(frozen=True)
class PairSection:
    """Two tables, what they say, and what to know of them. A cell is its lines."""

    columns: Sequence[str]
    rows: Sequence[Sequence[tables.Cell]]
    mean_columns: Sequence[str]
    mean_rows: Sequence[Sequence[tables.Cell]]
    sentences: Sequence[str]
    remarks: Sequence[str]
    notes: Sequence[str]


def pair_section(found: Pairs) -> PairSection | None:
    """None where there is no pair."""
    if not found.pairs:
        return None
    unit, means = tables.unit_of(found.pairs), means_of(found.pairs)
    return PairSection(
        tables.pair_columns(unit),
        [tables.pair_row(pair, unit) for pair in found.pairs],
        tables.mean_columns(unit),
        [tables.mean_row(one, unit) for one in means],
        sentences(means),
        (tables.PAIR_NOTE, tables.MEAN_NOTE),
        [*found.notes, *tables.reasons(found.pairs)],
    )
