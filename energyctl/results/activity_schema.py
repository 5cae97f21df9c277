"""What a result says of who kept the machine busy, span by span."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import NotRequired, TypedDict

SpanName = Literal["context_held", "load_before", "foreground", "load_after"]
ActivitySource = Literal["accounting", "utilization", "cpu_time"]

NO_MEMORY_TRAFFIC = "no source tells the memory traffic of each process"


class SideJson(TypedDict):
    """The foreground, or the whole background."""

    busy_seconds: Annotated[
        float, "of a GPU: in which a kernel ran, of all its processes; of a package: CPU seconds"
    ]
    context_seconds: Annotated[float, "in which it had a context on the GPU; of a package: 0"]


class BusyJson(TypedDict):
    """Who kept a GPU, or the CPUs, busy: packages all have the same figures but for mhz."""

    source: Annotated[
        ActivitySource | None,
        "accounting: sums of the driver that lose no sample; utilization: its samples by process; "
        "null: nothing tells it, and what is below is null",
    ]
    foreground: Annotated[SideJson | None, "null: none of it was to run in the span"]
    background: Annotated[SideJson | None, "null: none of it was to run in the span"]
    jobs: Annotated[dict[str, float], "busy seconds of each job of the background"]
    both_seconds: Annotated[float | None, "in which both had a context"]
    other_seconds: Annotated[float | None, "busy, of processes of neither or of an unknown owner"]
    device_seconds: Annotated[float | None, "busy by the GPU's own utilisation, by any kernel"]
    busy_uncertainty_seconds: Annotated[float | None, "half-width of the busy seconds of a side"]
    unknown_seconds: Annotated[float, "of the span of which nothing was told"]
    mhz: Annotated[
        float | None, "mean SM clock of a GPU while it was busy; of a package over the span"
    ]
    missing: NotRequired[Annotated[str, "why source is null"]]


class DomainActivityJson(BusyJson):
    """A GPU, or a CPU package."""

    watts: Annotated[float | None, "mean power in the span"]
    uncertainty_watts: Annotated[float | None, "half-width of its band"]


class SpanJson(TypedDict):
    """A part of the run."""

    span: Annotated[
        SpanName,
        "context_held: that phase; load_before, load_after: the iterations of the baseline "
        "background_only; foreground: its last attempt",
    ]
    seconds: Annotated[float, "of all its stretches"]
    domains: Annotated[dict[str, DomainActivityJson], "by name, those in the total"]
