"""Results as tables: rows of fixed columns from result dictionaries. Pure."""

from __future__ import annotations

from energyctl.results.tables.columns import Row, total
from energyctl.results.tables.layouts import LAYOUTS
from energyctl.results.tables.pair_layout import OF_PAIRS
from energyctl.results.tables.part import Part
from energyctl.results.tables.runs import run_row

__all__ = ["LAYOUTS", "OF_PAIRS", "Part", "Row", "run_row", "total"]
