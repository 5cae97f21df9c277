"""Two groups of runs, compared: how much, how surely, and from how many. Pure; statistics by SciPy
(extra `report`)."""

from __future__ import annotations

from energyctl.analysis.compare.comparison import Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.correlation import Correlation
from energyctl.analysis.compare.document import document
from energyctl.analysis.compare.factors import FactorEffect
from energyctl.analysis.compare.grouping import (
    Groups,
    based_on,
    by_name,
    filtered,
    two_groups,
    usable,
)
from energyctl.analysis.compare.measures import (
    DEFAULT_MEASURES,
    check_measure,
    divided,
    name_of,
)
from energyctl.analysis.compare.methods import methods_text
from energyctl.analysis.compare.overall import Overall
from energyctl.analysis.compare.samples import OF_CONDITIONS
from energyctl.analysis.compare.sentences import p_text
from energyctl.analysis.compare.shared_places import alike, shared_places
from energyctl.analysis.compare.statistics import CompareOptions, Estimate, Summary
from energyctl.analysis.compare.study import Study, compare_groups, correlate_rows

__all__ = [
    "DEFAULT_MEASURES", "OF_CONDITIONS", "CompareOptions", "Comparison", "Correlation", "Effect",
    "Estimate", "FactorEffect", "Groups", "Overall", "Study", "Summary", "alike", "based_on",
    "by_name", "check_measure", "compare_groups", "correlate_rows", "divided", "document",
    "filtered", "methods_text", "name_of", "p_text", "shared_places", "two_groups", "usable",
]  # fmt: skip
