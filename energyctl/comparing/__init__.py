"""Two groups of runs, compared: how much, how surely, and from how many. Pure; statistics by SciPy
(extra `report`)."""

from __future__ import annotations

from energyctl.comparing.comparison import Comparison, Overall
from energyctl.comparing.correlation import Correlation
from energyctl.comparing.groups import (
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
from energyctl.comparing.statistics import Estimate, Settings, Summary, size_word
from energyctl.comparing.study import Study, compare_groups, correlate_rows
from energyctl.comparing.wording import name_of, p_text

__all__ = [
    "DEFAULT_MEASURES",
    "Comparison",
    "Correlation",
    "Estimate",
    "Groups",
    "Overall",
    "Settings",
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
    "size_word",
    "two_groups",
    "usable",
]
