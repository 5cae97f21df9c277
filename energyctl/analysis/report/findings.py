"""What stands at the top of a page: sentences on what was found, or what is missing to say one.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.analysis.answer import Answer
from energyctl.analysis.interference import share_words
from energyctl.analysis.report import chinese
from energyctl.analysis.report.factors import sentences
from energyctl.analysis.report.languages import Language, Said

MOST_SENTENCES = 3
"""So many are seen under the first."""


@dataclass(frozen=True)
class Findings:
    """headline: the first sentence. more: those seen under it; rest: those that are folded."""

    headline: Said
    more: Sequence[Said]
    rest: Sequence[Said]


def findings(answer: Answer, language: Language) -> Findings:
    """Comparisons first, then shares, then what is missing to say more."""
    said = [*comparisons(answer, language), *shares(answer, language)]
    lacking = [language.said(_sentence(line)) for line in answer.lacking]
    told = said or lacking[:1] or [Said(_sentence("nothing to compare"))]
    rest = [*told[1 + MOST_SENTENCES :], *(lacking if said else lacking[1:])]
    return Findings(told[0], told[1 : 1 + MOST_SENTENCES], rest)


def comparisons(answer: Answer, language: Language) -> list[Said]:
    """How conditions compare, and what factors do."""
    if language.name == "en":
        return [Said(text) for text in answer.comparisons()]
    of_factors = sentences(answer.factors, language)
    if answer.study is None:
        named = (f"{one.training}：" if answer.several else "" for one in answer.means)
        told = zip(named, answer.means, strict=True)
        return [*(Said(f"{name}{chinese.pairs(one)}") for name, one in told), *of_factors]
    found, main = answer.study.of_main(), answer.study.measures[0]
    several = len({one.training for one in found}) > 1
    own = [chinese.comparison(one, several) for one in found]
    own += [chinese.overall(one) for one in answer.study.overalls if one.measure == main]
    return [*map(Said, own), *of_factors]


def remarks(answer: Answer, language: Language) -> list[tuple[Said, list[Said]]]:
    """Comparisons of which more is to be known, with the lines that say it."""
    if answer.study is None:
        return []
    told = zip(comparisons(answer, language), answer.study.sentences(), strict=False)
    own = list(told)[: len(answer.study.of_main())]
    return [(said, [language.said(line) for line in lines]) for said, (_, lines) in own if lines]


def shares(answer: Answer, language: Language) -> list[Said]:
    """Whose the energy was."""
    of = share_words.sentence if language.name == "en" else chinese.whose
    named = (f"{one.training}: " if answer.several else "" for one in answer.shares)
    return [Said(f"{name}{of(one)}") for name, one in zip(named, answer.shares, strict=True)]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."
