"""Results as tables: rows of fixed columns from result dictionaries. Pure."""

from __future__ import annotations

from energyctl.results.tables.accessors import checked, has_ledger, last_attempt, of_schema
from energyctl.results.tables.columns import (
    Column,
    Family,
    Layout,
    Row,
    Table,
    Type,
    converted,
    microseconds,
    plain,
    total,
)
from energyctl.results.tables.details import domain_rows, iteration_rows, job_rows, phase_rows
from energyctl.results.tables.layouts import HYPERPARAMETERS, LAYOUTS, METRICS, described
from energyctl.results.tables.part import NoResult, NotOurs, Part, UnknownSchema
from energyctl.results.tables.runs import NO_SERIES, GpuSeries, run_row
from energyctl.results.tables.summary import summary

__all__ = [
    "HYPERPARAMETERS",
    "LAYOUTS",
    "METRICS",
    "NO_SERIES",
    "Column",
    "Family",
    "GpuSeries",
    "Layout",
    "NoResult",
    "NotOurs",
    "Part",
    "Row",
    "Table",
    "Type",
    "UnknownSchema",
    "checked",
    "converted",
    "described",
    "domain_rows",
    "has_ledger",
    "iteration_rows",
    "job_rows",
    "last_attempt",
    "microseconds",
    "of_schema",
    "phase_rows",
    "plain",
    "run_row",
    "summary",
    "total",
]
