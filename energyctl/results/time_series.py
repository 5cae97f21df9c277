"""The time series of a run (``energy_E_attempt{k}/``) as DataFrames."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energyctl.errors import SettingsError
from energyctl.results.paths import CPU_POWER, GPU_POWER, GPU_TEMPERATURE, GPU_UTILIZATION
from energyctl.system.dependencies import extra_install

if TYPE_CHECKING:
    import polars


def dataframes() -> Any:
    """polars. Raises SettingsError where it is not installed."""
    try:
        return importlib.import_module("polars")
    except ImportError as error:
        raise SettingsError(f"DataFrames need polars: {extra_install('report')}") from error


def power(folder: Path) -> polars.DataFrame:
    """timestamp (Unix seconds), domain, watts; by time. watts is null where a reading failed."""
    cpu = _samples(folder / CPU_POWER, "domain", {"power_w": "watts"})
    gpu = _samples(folder / GPU_POWER, "gpu", {"power_draw_w": "watts"})
    label = dataframes().col("gpu")
    numbered = dataframes().when(label.str.contains(r"^\d+$"))
    domain = numbered.then("gpu-" + label).otherwise(label)
    named = gpu.select("timestamp", domain=domain, watts="watts")
    both: polars.DataFrame = dataframes().concat([cpu, named])
    return both.sort("timestamp", maintain_order=True)


def power_around(path: Path) -> polars.DataFrame:
    """The same of the phases around the attempts, from ``power_E.csv``."""
    return _samples(path, "domain", {"power_w": "watts"})


def temperature(folder: Path) -> polars.DataFrame:
    """timestamp (Unix seconds), gpu, gpu_celsius, memory_celsius."""
    columns = {"gpu_temp_c": "gpu_celsius", "memory_temp_c": "memory_celsius"}
    return _samples(folder / GPU_TEMPERATURE, "gpu", columns)


def utilization(folder: Path) -> polars.DataFrame:
    """timestamp (Unix seconds), gpu, gpu_percent, memory_percent."""
    columns = {"gpu_util_percent": "gpu_percent", "memory_util_percent": "memory_percent"}
    return _samples(folder / GPU_UTILIZATION, "gpu", columns)


def _samples(path: Path, key: str, columns: dict[str, str]) -> polars.DataFrame:
    """The columns by their new names; no row where there is no such file. A torn row is left out.

    What is no number (``N/A``) is null.
    """
    pl = dataframes()
    text: polars.DataFrame
    text = pl.DataFrame()
    with contextlib.suppress(OSError, pl.exceptions.PolarsError):
        if path.is_file():
            text = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)
    wanted = ["timestamp", key, *columns]
    if not set(wanted) <= set(text.columns):
        text = pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))
    numbers = [pl.col("timestamp").cast(pl.Float64, strict=False)]
    numbers += [
        pl.col(old).cast(pl.Float64, strict=False).alias(new) for old, new in columns.items()
    ]
    found = text.select(numbers[0], pl.col(key), *numbers[1:])
    return found.filter(pl.col("timestamp").is_not_null() & pl.col(key).is_not_null())
