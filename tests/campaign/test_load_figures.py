"""What counts as the load of a job: on its GPU, or on CPUs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from energyctl.campaign.load_figures import LoadFigures, PowerReader
from energyctl.energy import Domain, Phase, Recording, series_for
from energyctl.meters.base import GpuState
from energyctl.results.background_load import JobLoad

JOB = "a"


class Looks:
    """Stands in for the sampler and the load monitor: what they tell is given."""

    def __init__(self) -> None:
        self.domains = {
            name: Domain(name, kind, "test")
            for name, kind in (("gpu-0", "gpu"), ("gpu-1", "gpu"), ("package-0", "cpu"))
        }
        self.series = {name: series_for(domain) for name, domain in self.domains.items()}
        self.watts = {0: 72.0, 1: 72.0}
        self.busy = {0: 0.0, 1: 0.0}
        """Percent of each GPU."""

        self.seen, self.told = set[int](), {0, 1}
        self.own: JobLoad = JobLoad(cpu_cores=1.0)
        self.latest_time = 0.0
        for time in range(21):
            for name, series in self.series.items():
                series.append(1000.0 + time, 72.0 * time if "gpu" in name else 90.0 * time)

    # -- of the monitor --------------------------------------------------------------------------

    def look(self) -> None:
        self.latest_time += 0.5

    def between(self, start: float, end: float, **limits: float) -> dict[str, JobLoad]:
        return {JOB: self.own}

    def seen_on(self, job: str) -> set[int]:
        return self.seen

    def tells(self, gpu: int) -> bool:
        return gpu in self.told

    # -- of the sampler --------------------------------------------------------------------------

    def recording(self) -> Recording:
        phases = (Phase("idle", 1000.0, 1010.0), Phase("background_start", 1010.0, 1020.0))
        return Recording(tuple(self.domains.values()), self.series, phases, 1.0)

    def sample(self) -> float:
        return 1020.0

    @property
    def latest(self) -> Any:
        states = [
            GpuState(gpu, "GPU", 0.0, utilization_percent=self.busy[gpu], power_watts=watts)
            for gpu, watts in self.watts.items()
        ]
        return _Both(self.latest_time, SimpleNamespace(gpus=tuple(states)))


class _Both(float):
    """The time of the monitor's last look; called, the sampler's figures."""

    def __new__(cls, time: float, figures: Any) -> _Both:
        both = super().__new__(cls, time)
        both.figures = figures
        return both

    def __call__(self) -> Any:
        return self.figures


def missing(looks: Looks, *, on_cpus: bool = False) -> tuple[str | None, set[str]]:
    """What is missing of the job's load, and on which domains that is."""
    context = SimpleNamespace(parts=looks.domains, shared_idle=None)
    live: Any = SimpleNamespace(sampler=looks, context=context)
    monitor: Any = looks
    figures = LoadFigures(live, monitor)
    figures.read()
    return figures.missing(JOB, on_cpus=on_cpus), figures.on[JOB]


def test_a_job_that_imports_has_no_load_yet_however_busy_its_cpu_is() -> None:
    assert missing(Looks()) == ("on no GPU, 1.00 cores busy", set())


def test_a_job_that_is_on_no_gpu_is_loaded_by_its_cpu_time() -> None:
    assert missing(Looks(), on_cpus=True) == (None, {"package-0"})
    looks = Looks()
    looks.own = JobLoad(cpu_cores=0.05)
    assert missing(looks, on_cpus=True) == ("0.05 cores busy", {"package-0"})


def test_without_a_metered_gpu_a_job_is_loaded_by_its_cpu_time() -> None:
    looks = Looks()
    del looks.domains["gpu-0"], looks.domains["gpu-1"]
    assert missing(looks) == (None, {"package-0"})


@pytest.mark.parametrize(
    ("percent", "watts", "loaded"),
    [
        (0.0, 72.0, False),
        (0.0, 250.0, False),  # another job draws that
        (12.0, 75.0, True),
        (3.0, 80.0, False),
        (3.0, 120.0, True),
        (None, 75.0, False),  # samples have not come yet
        (None, 120.0, True),
    ],
)
def test_a_job_on_a_gpu_shows_its_load_there(
    percent: float | None, watts: float, loaded: bool
) -> None:
    looks = Looks()
    looks.seen, looks.watts[0] = {0}, watts
    looks.own = JobLoad(cpu_cores=1.0, gpu_percent=percent)
    said = None if loaded else "no load on gpu-0, 1.00 cores busy"
    assert missing(looks, on_cpus=True) == (said, {"gpu-0"})


def test_where_the_driver_does_not_tell_whose_load_it_is_any_gpu_of_that_kind_counts() -> None:
    looks = Looks()
    looks.told = {0}
    assert missing(looks) == ("no load on gpu-1, 1.00 cores busy", {"gpu-1"})
    looks.busy = {0: 90.0, 1: 5.0}
    assert missing(looks) == ("no load on gpu-1, 1.00 cores busy", {"gpu-1"})
    looks.busy[1] = 50.0
    assert missing(looks) == (None, {"gpu-1"})


def test_power_is_that_of_the_given_domains_where_it_is_known() -> None:
    sampler: Any = Looks()
    power = PowerReader(sampler, {"gpu-0", "gpu-7"}).between(1002.0, 1008.0)
    assert power.keys() == {"gpu-0"}
    assert power["gpu-0"].watts == pytest.approx(72, rel=0.01)
    assert PowerReader(sampler, {"gpu-0"}).between(2000.0, 2010.0) == {}
