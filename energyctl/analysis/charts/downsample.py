"""Long time series → few rows, so that no peak is lost and a gap stays a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.results.time_series import dataframes

if TYPE_CHECKING:
    import polars

GAP_INTERVALS = 5.0
"""So many usual intervals without a sample are a gap."""


def thinned(
    frame: polars.DataFrame, key: str, values: Sequence[str], buckets: int
) -> polars.DataFrame:
    """Rows of *frame* (`timestamp`, *key*, *values*), in the order of time, at most a few a bucket.

    The time from the first sample to the last is cut into *buckets*. Of each series and bucket, the
    rows with the least and the greatest of each value stay, and one row in which it is null. A
    series that is short already stays as it is.
    """
    pl = dataframes()
    most = 2 * buckets * len(values)
    if frame.height <= most:
        return frame
    first, last = frame["timestamp"].min(), frame["timestamp"].max()
    width = (last - first) / buckets or 1.0  # type: ignore[operator]
    place = ((pl.col("timestamp") - first) / width).floor().clip(0, buckets - 1)
    numbered = (
        frame.lazy()
        .with_row_index("_row")
        .with_columns(_bucket=place.cast(pl.Int64), _size=pl.len().over(key))
    )
    kept = []
    for value in values:
        known = pl.col("_row").filter(pl.col(value).is_not_null())
        ordered = pl.col(value).drop_nulls()
        kept += [
            known.get(ordered.arg_min(), null_on_oob=True).alias(f"{value} least"),
            known.get(ordered.arg_max(), null_on_oob=True).alias(f"{value} greatest"),
            pl.col("_row").filter(pl.col(value).is_null()).first().alias(f"{value} null"),
        ]
    long = numbered.filter(pl.col("_size") > most)
    chosen = long.group_by(key, "_bucket").agg(kept).drop(key, "_bucket").collect()
    rows = pl.concat([chosen[name].drop_nulls() for name in chosen.columns])
    stays = (pl.col("_size") <= most) | pl.col("_row").is_in(rows.implode())
    kept_rows: polars.DataFrame = numbered.filter(stays).select(frame.columns).collect()
    return kept_rows


def gaps_marked(frame: polars.DataFrame, key: str, values: Sequence[str]) -> polars.DataFrame:
    """*frame* with a row of nulls where a series has no sample for :data:`GAP_INTERVALS`.

    The row is at the end of the first interval of the gap. NaN and infinities become null.
    """
    pl = dataframes()
    finite = [
        pl.when(pl.col(value).is_finite()).then(pl.col(value)).alias(value) for value in values
    ]
    known = (
        frame.lazy()
        .with_columns(finite)
        .with_columns(
            _step=pl.col("timestamp").diff().over(key),
        )
    )
    usual = pl.col("_step").median().over(key)
    gaps = known.with_columns(_usual=usual).filter(pl.col("_step") > GAP_INTERVALS * usual)
    nulls = [pl.lit(None, pl.Float64).alias(value) for value in values]
    marks = gaps.with_columns(
        pl.col("timestamp") - pl.col("_step") + pl.col("_usual"), *nulls
    ).select(frame.columns)
    both = pl.concat([known.select(frame.columns), marks])
    marked: polars.DataFrame = both.sort("timestamp", maintain_order=True).collect()
    return marked
