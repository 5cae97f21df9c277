"""What a page says of the factors of a grid: tables, figures and what they do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyctl.analysis.answer import Answer
from energyctl.analysis.factor_tables import factor_table
from energyctl.analysis.grid_factors import GridFactor
from energyctl.analysis.report import chinese
from energyctl.analysis.report.languages import Language, Said


@dataclass(frozen=True)
class LevelTable:
    """Of one training under one condition. place: that, where there are several. remarks: sentences
    with the lines under them."""

    place: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[tuple[Said, Sequence[Said]]]


@dataclass(frozen=True)
class FactorSection:
    """One factor: of its figure, and a table each."""

    words: str
    factors: Sequence[GridFactor]
    tables: Sequence[LevelTable]


def factor_sections(answer: Answer, t: Language) -> list[FactorSection]:
    """By the name of the factor."""
    of: dict[str, list[GridFactor]] = {}
    for factor in answer.factors:
        of.setdefault(factor.name, []).append(factor)
    return [
        FactorSection(same[0].words, same, [_table(one, len(same) > 1, t) for one in same])
        for same in of.values()
    ]


def _table(factor: GridFactor, several: bool, t: Language) -> LevelTable:
    told = factor_table(factor)
    head = [t(" ".join(lines)) for lines in told.head]
    rows = [[*row[:-1], t(row[-1])] for row in told.rows]
    return LevelTable(factor.place if several else "", head, rows, remarks(factor, t))


def remarks(factor: GridFactor, t: Language) -> list[tuple[Said, list[Said]]]:
    """What the factor does to the energy, in the order of the English sentences."""
    if factor.study is None:
        return []
    own = factor.study.sentences()
    if t.name != "en":
        own = list(zip(_chinese(factor), (below for _, below in own), strict=False))
    return [(Said(text), [t.said(line) for line in below]) for text, below in own]


def sentences(factors: Iterable[GridFactor], t: Language) -> list[Said]:
    """Those of all factors, each with its place where there are several."""
    every = list(factors)
    several = len({one.place for one in every}) > 1
    return [
        Said(f"{one.place}：{said.text}" if several else said.text)
        for one in every
        for said, _ in remarks(one, t)
    ]


def _chinese(factor: GridFactor) -> list[str]:
    assert factor.study is not None
    main = factor.study.measures[0]
    effects = [one for one in factor.study.factors if one.measure == main]
    return [
        *(chinese.comparison(one, several=False) for one in factor.study.of_main()),
        *(chinese.factor(one) for one in effects if one.kind == "trend"),
    ]
