"""Rows of tables as DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.results.tables import LAYOUTS, Row
from energyctl.results.tables.columns import cell
from energyctl.results.time_series import dataframes

if TYPE_CHECKING:
    import polars

TABLES = (
    *("runs", "domains", "phases", "jobs", "work", "iterations", "series", "epochs"),
    *("pairs", "shares"),
)


def frame(name: str, rows: Sequence[Row]) -> polars.DataFrame:
    pl = dataframes()
    types = {
        "text": pl.String,
        "integer": pl.Int64,
        "float": pl.Float64,
        "boolean": pl.Boolean,
        "timestamp": pl.Datetime("us", "UTC"),
    }
    dataframe: polars.DataFrame = pl.DataFrame(
        {
            column.name: pl.Series(
                [cell(row.get(column.name), column.type) for row in rows],
                dtype=pl.Int64 if column.type == "timestamp" else types[column.type],
            ).cast(types[column.type])
            for column in LAYOUTS[name].resolved(rows)
        }
    )
    return dataframe
