"""What a running campaign tells whoever watches it. Plain data; the console shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from energyctl.background.job_view import JobView
from energyctl.results.conditions import run_words
from energyctl.results.schema import Result


@dataclass(frozen=True)
class GpuView:
    """A GPU now; None where it does not tell. memory_utilization_percent: share of the time in
    which its memory was read or written. limits: what holds its clocks down, as in results."""

    name: str
    utilization_percent: float | None = None
    temperature_celsius: float | None = None
    memory_utilization_percent: float | None = None
    sm_mhz: float | None = None
    limits: Sequence[str] | None = None


@dataclass(frozen=True)
class DomainView:
    """A domain of the total. kind, part: as `energy.Domain` has them. joules: of the run so far,
    all of its phases."""

    name: str
    kind: str
    measured: bool
    part: str | None = None
    joules: float | None = None


@dataclass(frozen=True)
class View:
    """A run now. Times are Unix seconds, ``watts`` are by domain; ``attempt`` counts from 0, None
    before the first. index: 0 of a control or calibration, which is no run of the plan."""

    index: int
    experiment_id: str
    title: str
    attempt: int | None
    phase: str
    phase_since: float
    watts: Mapping[str, float | None] = field(default_factory=dict)
    estimated: bool = False
    jobs: Sequence[JobView] = ()
    last_line: str = ""
    moving: str | None = None
    """While the background is loading: the figure that is still moving."""

    progress: tuple[float, float | None] | None = None
    """What the foreground's training says: how many epochs are done, and of how many."""

    until: float | None = None
    """When the phase ends, at the latest (Unix seconds); None: nobody knows."""

    log: str | None = None
    """Path of the foreground's log, from its first attempt on."""

    series: str | None = None
    """Folder of the attempt's samples, as they are written."""

    condition: str = ""
    block: int | None = None
    warm_up: bool = False
    trial: str = ""
    """Of a search: ``trial 7 of 40``."""

    gpus: Sequence[GpuView] = ()
    joules: Mapping[str, float | None] = field(default_factory=dict)
    """Of the latest attempt's measured phase so far, by domain; empty before the first."""

    domains: Sequence[DomainView] = ()
    """Those whose joules add up to the total, each joule once."""

    warnings: Sequence[str] = ()
    """Of the run so far, the newest last."""

    @property
    def words(self) -> str:
        """Its training, condition and block."""
        return run_words(self.title, self.condition, self.block, self.warm_up, self.trial)


class Observer(Protocol):
    """Told what happens; may draw, must not block, and must not raise."""

    def view(self, view: View) -> None: ...

    def say(self, text: str) -> None: ...

    def finished(self, index: int, result: Result) -> None: ...
