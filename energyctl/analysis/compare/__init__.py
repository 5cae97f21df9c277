"""Two groups of runs, compared: how much, how surely, and from how many. Pure; statistics by SciPy
(extra `report`)."""

from __future__ import annotations

from energyctl.analysis.compare.comparison import Comparison
from energyctl.analysis.compare.correlation import Correlation
from energyctl.analysis.compare.grouping import (
    DEFAULT_MEASURES,
    Groups,
    based_on,
    by_name,
    check_measure,
    divided,
    filtered,
    two_groups,
    usable,
)
from energyctl.analysis.compare.sentences import name_of, p_text
from energyctl.analysis.compare.statistics import CompareOptions, Estimate, Summary
from energyctl.analysis.compare.study import Study, compare_groups, correlate_rows

__all__ = [
    "DEFAULT_MEASURES",
    "CompareOptions",
    "Comparison",
    "Correlation",
    "Estimate",
    "Groups",
    "Study",
    "Summary",
    "based_on",
    "by_name",
    "check_measure",
    "compare_groups",
    "correlate_rows",
    "divided",
    "filtered",
    "name_of",
    "p_text",
    "two_groups",
    "usable",
]
