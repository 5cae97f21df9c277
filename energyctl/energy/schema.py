"""Energy figures as JSON holds them: keys, units and meaning, each said once.

``energyctl meter --json`` writes them, and every result.
"""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import NotRequired, TypedDict

Kind = Literal["cpu", "dram", "gpu", "other"]

Missing = Annotated[dict[str, str], "key of what is null → the reason"]


class SamplerJson(TypedDict):
    """How the sampling went."""

    interval_seconds: Annotated[float | None, "asked for; of imported samples, their mean"]
    samples: int | None
    missed: Annotated[int | None, "deadlines passed over"]
    max_gap_seconds: Annotated[float | None, "longest time between two samples"]
    cpu_seconds: Annotated[float | None, "CPU time of the sampler itself"]
    missing: NotRequired[Missing]


class DomainFigures(TypedDict):
    """Energy of one part of the machine."""

    name: str
    kind: Kind
    source: Annotated[str, "what was read: an interface of the kernel or the driver"]
    measured: Annotated[bool, "false for an estimate"]
    in_total: Annotated[bool, "whether its joules are part of total_joules"]
    joules: float | None
    uncertainty_joules: Annotated[float | None, "half-width of the band that holds the truth"]
    budget: Annotated[dict[str, float], "what the uncertainty consists of: cause → joules"]
    missing: Annotated[str | None, "why joules is null"]


class EnergyTotals(TypedDict):
    """Energy of the whole machine over an interval. Null where a part of a sum is unknown."""

    seconds: float
    total_joules: Annotated[float | None, "packages, DRAM and GPUs, each joule once"]
    uncertainty_joules: Annotated[float | None, "half-width of the total's band"]
    cpu_package_joules: Annotated[float | None, "measured packages"]
    cpu_dram_joules: Annotated[float | None, "measured DRAM"]
    gpu_joules: Annotated[float | None, "measured GPUs"]
    measured: Annotated[bool, "there is a total, and no part of it is an estimate"]


class EnergyFigures(EnergyTotals):
    """The totals, and the domains that they are of."""

    domains: list[DomainFigures]
    sampler: SamplerJson


class PhaseJson(TypedDict):
    """A stretch of the run's time line, which has no holes. Figures are by name of the domain."""

    name: Annotated[str, "one of PHASES; of several steps foreground:STEP and step:STEP"]
    start: Annotated[float, "Unix seconds"]
    end: Annotated[float, "Unix seconds"]
    joules: dict[str, float | None]
    uncertainty_joules: dict[str, float | None]
    watts: Annotated[dict[str, float | None], "mean power"]
    missing: NotRequired[Annotated[dict[str, str | None], "domain without a figure → the reason"]]
