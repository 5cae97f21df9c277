"""What can be seen of a background's load while it comes up: figures, signs, mean power."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import cached_property

from energyctl.background.load_monitor import LoadMonitor
from energyctl.background.steady_state import MeanPower, is_under_load
from energyctl.campaign.run_state import RunState
from energyctl.energy import Energy
from energyctl.energy.series import Series
from energyctl.meters.sampler import Sampler
from energyctl.results.background_load import BUSY_CORES, CLOSE_SECONDS, JobLoad


class LoadFigures:
    """Figures of the load: by the processes of each job, and of the GPUs.

    Of a job: the utilisation of GPUs by its processes, or, where it is on none, or the driver
    does not tell, CPU cores in use since the last reading. Of a GPU: its power, and its
    utilisation where that is not told by process.
    """

    def __init__(self, live: RunState, loads: LoadMonitor) -> None:
        self._sampler, self._loads = live.sampler, loads
        self._domains = live.context.parts
        self._least_watts = _idle_watts(live)
        self.busiest_gpu_percent = 0.0
        self.on = dict[str, set[str]]()
        """The domains that each job loads."""

        self._since_last, self._lately = dict[str, JobLoad](), dict[str, JobLoad]()
        self._gpus = live.sampler.latest().gpus
        loads.look()
        self._time = loads.latest

    def read(self) -> dict[str, float]:
        self._loads.look()
        before, self._time = self._time, self._loads.latest
        between = self._loads.between
        self._since_last = between(before, self._time, shortest_seconds=0.0)
        # The driver's samples come up to a second apart.
        self._lately = between(self._time - CLOSE_SECONDS, self._time, shortest_seconds=0.0)
        figures, percents = dict[str, float](), [0.0]
        for job, load in self._since_last.items():
            percent = self._lately[job].gpu_percent
            if percent is not None:
                figures[f"{job} percent"] = percent
                percents.append(percent)
            elif load.cpu_cores is not None:
                figures[f"{job} cores"] = load.cpu_cores
        self._gpus = self._sampler.latest().gpus
        self._sampler.look()
        for gpu in self._gpus:
            percents.append(gpu.utilization_percent or 0.0)
            if gpu.utilization_percent is not None and not self._loads.tells(gpu.gpu):
                figures[f"gpu-{gpu.gpu} percent"] = gpu.utilization_percent
            if gpu.power_watts is not None:
                figures[f"gpu-{gpu.gpu} watts"] = gpu.power_watts
        self.busiest_gpu_percent = max(percents)
        return figures

    def missing(self, job: str, *, on_cpus: bool, gpus: Set[int] | None = None) -> str | None:
        """What of the job's load is not seen now. *on_cpus*: unless it was seen on a GPU, it is
        known to be on none. *gpus*: those that it is placed on; None: any."""
        seen = self._loads.seen_on(job)
        cores = self._since_last[job].cpu_cores or 0.0
        possible = [g for g in self._gpus if gpus is None or g.gpu in gpus]
        nowhere = all(d.kind != "gpu" for d in self._domains.values())
        if not seen and (on_cpus or nowhere or (gpus is not None and not possible)):
            self.on[job] = {d.name for d in self._domains.values() if d.kind == "cpu"}
            return None if cores >= BUSY_CORES else f"{cores:.2f} cores busy"
        # Where the driver does not tell who is on a GPU, it may be on any.
        there = [g for g in self._gpus if g.gpu in seen]
        there = there or [g for g in possible if not (seen or self._loads.tells(g.gpu))]
        self.on[job] = {f"gpu-{gpu.gpu}" for gpu in there}
        for gpu in there:
            name, watts, percent = f"gpu-{gpu.gpu}", gpu.power_watts, gpu.utilization_percent
            if watts is not None:
                self._least_watts[name] = min(watts, self._least_watts.get(name, watts))
            if self._loads.tells(gpu.gpu):
                percent = self._lately[job].gpu_percent
            if is_under_load(percent, watts, self._least_watts.get(name)):
                return None
        where = f"no load on {', '.join(sorted(self.on[job]))}" if there else "on no GPU"
        return f"{where}, {cores:.2f} cores busy"


def _idle_watts(live: RunState) -> dict[str, float]:
    """Mean power of each domain in the run's idle phase, else in that of the runs before it."""
    recording, shared = live.sampler.recording(), live.context.shared_idle
    for phase in recording.phases:
        if phase.name == "idle" and phase.end > phase.start:
            return _mean_watts(recording.energy(phase.start, phase.end))
    power = shared.baseline.before if shared is not None and shared.baseline is not None else {}
    return {name: of.mean for name, of in power.items()}


def _mean_watts(energy: Energy) -> dict[str, float]:
    known = {d.domain.name: d.joules for d in energy.domains if d.joules is not None}
    return {name: joules / energy.seconds for name, joules in known.items()}


class PowerReader:
    """Mean power of *domains* over spans that have ended."""

    def __init__(self, sampler: Sampler, domains: Set[str]) -> None:
        self._sampler, self._domains = sampler, domains

    @cached_property
    def _series(self) -> Mapping[str, Series]:
        self._sampler.sample()
        return self._sampler.recording().series

    def between(self, start: float, end: float) -> dict[str, MeanPower]:
        """Without the domains whose power is not known."""
        power = {}
        for name in sorted(self._domains & self._series.keys()):
            span = self._series[name].between(start, end)
            if span.joules is not None and span.uncertainty_joules is not None:
                seconds = end - start
                power[name] = MeanPower(span.joules / seconds, span.uncertainty_joules / seconds)
        return power
