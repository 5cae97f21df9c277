"""What a page says of pairs: runs beside a background with those alone, and whose the energy was.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.analysis.interference import means_of, sentences, share_words, tables
from energyctl.analysis.interference.share_means import by_domain, share_means
from energyctl.results.pairs import Pairs


@dataclass(frozen=True)
class Table:
    """A cell is its lines."""

    columns: Sequence[str]
    rows: Sequence[Sequence[tables.Cell]]


@dataclass(frozen=True)
class Part:
    """Tables, of means first, what they say, and what to know of them."""

    tables: Sequence[Table]
    sentences: Sequence[str]
    remarks: Sequence[str]


@dataclass(frozen=True)
class PairSection:
    """shares: None where none is told. notes: on both."""

    pairs: Part
    shares: Part | None
    notes: Sequence[str]


def pair_section(found: Pairs) -> PairSection | None:
    """None where there is no pair."""
    if not found.pairs:
        return None
    unit, means = tables.unit_of(found.pairs), means_of(found.pairs)
    pairs = Part(
        (
            Table(tables.mean_columns(unit), [tables.mean_row(one, unit) for one in means]),
            Table(tables.pair_columns(unit), [tables.pair_row(pair, unit) for pair in found.pairs]),
        ),
        sentences(means),
        (tables.PAIR_NOTE, tables.MEAN_NOTE),
    )
    notes = [*found.notes, *tables.reasons(found.pairs), *share_words.reasons(found.pairs)]
    return PairSection(pairs, _shares(found, unit), notes)


def _shares(found: Pairs, unit: str) -> Part | None:
    if not share_words.shown_domains(found.pairs):
        return None
    means = [one for one in share_means(found.pairs, by_domain) if one.parts]
    rows = [share_words.mean_row(one, unit) for one in means]
    return Part(
        (
            Table(share_words.mean_columns(unit), rows),
            Table(share_words.columns(unit), share_words.rows(found.pairs, unit)),
        ),
        share_words.sentences(share_words.known_means(found.pairs)),
        (share_words.NOTE, share_words.MEAN_NOTE),
    )
