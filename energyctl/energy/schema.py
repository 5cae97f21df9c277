"""Energy figures as JSON holds them: keys, units and meaning, each said once.

``energyctl meter --json`` writes them, and every result.
"""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import NotRequired, TypedDict

Kind = Literal["cpu", "dram", "gpu", "other"]

Verdict = Literal["agreed", "doubted", "refused"]
CheckReason = Literal["power", "limit", "still", "back", "jumped", "gap", "spikes"]

Missing = Annotated[dict[str, str], "key of what is null → the reason"]


class SamplerJson(TypedDict):
    """How the sampling went."""

    interval_seconds: Annotated[float | None, "asked for; of imported samples, their mean"]
    samples: int | None
    missed: Annotated[int | None, "deadlines passed over"]
    max_gap_seconds: Annotated[float | None, "longest time between two samples"]
    cpu_seconds: Annotated[float | None, "CPU time of the sampler itself"]
    missing: NotRequired[Missing]


class CheckJson(TypedDict):
    """What came of holding a counter against what the device can draw, and says that it draws."""

    when: Annotated[Literal["start", "run"], "when its source was opened, or over this interval"]
    verdict: Annotated[Verdict, "refused: joules is null, or another source was taken"]
    reason: Annotated[
        CheckReason | None,
        "power: it is unlike the device's power reading; limit: more than the device can draw; "
        "still: it did not move; back, jumped: it was reset; gap: it was not read for too long; "
        "spikes: single impossible readings, set aside",
    ]
    counter_watts: Annotated[float | None, "mean power by the counter"]
    power_watts: Annotated[float | None, "the power that it was held against"]


class AcceptanceJson(TypedDict):
    """What `energyctl doctor --accept` found of a GPU's counter."""

    verdict: Annotated[
        Literal["accepted", "failed", "void", "none"],
        "void: something has changed since; none: it was never done",
    ]
    date: Annotated[str | None, "of the day on which it was done, UTC"]
    delay_seconds: Annotated[float | None, "how late the counter shows energy; null: not known"]
    delay_within_seconds: float | None
    part_time: Annotated[
        bool | None, "whether the sensor sees only a part of the time; null: not known"
    ]
    claim: Annotated[str, "what may be said of the figures, in words"]


class DomainFigures(TypedDict):
    """Energy of one part of the machine."""

    name: str
    kind: Kind
    source: Annotated[str, "what was read: an interface of the kernel or the driver"]
    measured: Annotated[bool, "false for an estimate"]
    in_total: Annotated[bool, "whether its joules are part of total_joules"]
    joules: float | None
    uncertainty_joules: Annotated[float | None, "half-width of the band that holds the truth"]
    own_joules: NotRequired[Annotated[float | None, "part of it that is this interval's own"]]
    common_joules: NotRequired[
        Annotated[
            float | None, "part of it that runs on one machine which begin and end alike share"
        ]
    ]
    budget: Annotated[dict[str, float], "what the uncertainty consists of: cause → joules"]
    checks: NotRequired[Annotated[list[CheckJson], "of its counter: whether it can be right"]]
    missing: Annotated[str | None, "why joules is null"]
    acceptance: NotRequired[Annotated[AcceptanceJson, "of the energy counter of a GPU"]]


class EnergyTotals(TypedDict):
    """Energy of the whole machine over an interval. Null where a part of a sum is unknown."""

    seconds: float
    total_joules: Annotated[float | None, "packages, DRAM and GPUs, each joule once"]
    uncertainty_joules: Annotated[float | None, "half-width of the total's band"]
    own_joules: NotRequired[Annotated[float | None, "part of it that is this interval's own"]]
    common_joules: NotRequired[
        Annotated[
            float | None, "part of it that runs on one machine which begin and end alike share"
        ]
    ]
    cpu_package_joules: Annotated[float | None, "measured packages"]
    cpu_dram_joules: Annotated[float | None, "measured DRAM"]
    gpu_joules: Annotated[float | None, "measured GPUs"]
    measured: Annotated[bool, "there is a total, and no part of it is an estimate"]


class EnergyFigures(EnergyTotals):
    """The totals, and the domains that they are of."""

    domains: list[DomainFigures]
    sampler: SamplerJson


Limit = Literal["power_cap", "heat", "power_brake", "slowdown"]
"""What holds a GPU's clocks down: its power limit; heat; the power supply (external brake); its
hardware, which does not say why."""


class GpuStateJson(TypedDict):
    """The clocks of a GPU over a phase, by looks a few seconds apart."""

    looks: int
    sm_mhz: Annotated[float | None, "mean clock of its multiprocessors"]
    memory_mhz: Annotated[float | None, "mean clock of its memory"]
    performance_state_seconds: Annotated[
        dict[str, float] | None, "P0, the fastest, to P15 → seconds"
    ]
    limited_seconds: Annotated[
        dict[Limit, float] | None, "what held its clocks down → seconds; several may at once"
    ]
    missing: NotRequired[Missing]


class CpuStateJson(TypedDict):
    """The clocks of a CPU package over a phase, by looks a few seconds apart."""

    looks: int
    mhz: Annotated[float | None, "mean clock of some of its CPUs"]
    throttle_count: Annotated[int | None, "how often heat throttled the package"]
    throttle_seconds: Annotated[float | None, "for how long"]
    missing: NotRequired[Missing]


class StateJson(TypedDict):
    """By name: gpu-0, package-0; without those that tell nothing here."""

    gpus: dict[str, GpuStateJson]
    cpus: dict[str, CpuStateJson]
    missing: NotRequired[Missing]


class PhaseJson(TypedDict):
    """A stretch of the run's time line, which has no holes. Figures are by name of the domain."""

    name: Annotated[str, "one of PHASES; of several steps foreground:STEP and step:STEP"]
    start: Annotated[float, "Unix seconds"]
    end: Annotated[float, "Unix seconds"]
    joules: dict[str, float | None]
    uncertainty_joules: dict[str, float | None]
    watts: Annotated[dict[str, float | None], "mean power"]
    missing: NotRequired[Annotated[dict[str, str | None], "domain without a figure → the reason"]]
    state: NotRequired[Annotated[StateJson, "clocks, and what held them down"]]


class StretchJson(TypedDict):
    """Energy of the whole machine from one instant to another."""

    start: Annotated[float, "Unix seconds"]
    end: Annotated[float, "Unix seconds"]
    joules: Annotated[float | None, "total of the machine, as total_joules"]
    uncertainty_joules: Annotated[float | None, "half-width of its band"]
    domains: Annotated[dict[str, float | None], "domain → joules"]
    missing: NotRequired[Annotated[str, "why joules is null"]]


class EpochJson(StretchJson):
    """An epoch, as the training told it."""

    epoch: Annotated[int, "its number, as the training counts"]
    epochs: NotRequired[
        Annotated[int, "so many end in this entry, of a training with 1000 or more; else 1"]
    ]
    metrics: Annotated[dict[str, float | None], "its figures; null: no finite number"]


class MarkJson(StretchJson):
    """A stretch of the training that it gave a name."""

    name: str


class ToldEnergiesJson(TypedDict):
    """What a training told of its time; each key only where it told any."""

    epochs: NotRequired[Annotated[list[EpochJson], "with the energy of each"]]
    marks: NotRequired[Annotated[list[MarkJson], "named stretches; the first 1000"]]
