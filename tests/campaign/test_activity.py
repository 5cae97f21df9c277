"""What foreground and background keep busy: by a simulated driver whose truth is known, by real
processes, and in a whole campaign."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from bench import Bench, wait_for
from energyctl.background.protocol import JOB
from energyctl.campaign import result_builder
from energyctl.campaign.activity.gpu_lines import GpuFigures, GpuLines, Owner
from energyctl.campaign.activity.growing import Growing, common, union
from energyctl.campaign.activity.owners import Owners
from energyctl.campaign.activity.recorder import ALL, STRANGE_PIDS, ActivityRecorder
from energyctl.campaign.activity.spans import NO_MEMORY_TRAFFIC, Span, activity_of
from energyctl.energy import Domain, DomainEnergy, Energy, Recording, SamplerStatistics
from energyctl.meters import bounded
from energyctl.meters.base import GpuProcess, NotReported, Reading, Source
from energyctl.meters.busy import Busy, BusyProcess, DeviceLook, GpuBusy
from energyctl.meters.nvml import accounting
from energyctl.meters.nvml import busy as nvml_busy
from energyctl.meters.nvml import processes as nvml_processes
from energyctl.meters.nvml.device import Gpu
from energyctl.system import processes
from energyctl.system.containers import ContainerTrees
from energyctl.system.process_trees import Tree, TreeReader
from hardware.compiled import library_folder
from hardware.nvml import environment

EPOCH = 1_800_000_000.0
FOREGROUND, BACKGROUND = Owner("foreground"), Owner("background", "load")

# -- a simulated driver ---------------------------------------------------------------------------


@dataclass
class Kernels:
    """Of one process: a kernel runs for `busy` seconds of each `cycle`, from begin to end."""

    began: float
    ended: float
    busy: float
    cycle: float = 0.02

    def seconds(self, start: float, end: float) -> float:
        """The truth."""
        return self._until(end) - self._until(start)

    def _until(self, instant: float) -> float:
        lived = min(max(instant, self.began), self.ended) - self.began
        return lived // self.cycle * self.busy + min(lived % self.cycle, self.busy)


@dataclass
class Driver(Gpu):
    """Integer percents of each sample period; *loses* each so manyth sample by process."""

    work: dict[int, Kernels] = field(default_factory=dict)
    keeps_accounts: bool = True
    period: float = 0.2
    loses: float = math.inf
    now: float = 0.0

    def percent(self, kernels: Kernels, number: int) -> int:
        start = number * self.period
        return round(100 * kernels.seconds(start - self.period, start) / self.period)

    def told(self, pid: int) -> list[tuple[int, int]]:
        """(number, percent) of each that is over."""
        kernels = self.work[pid]
        first, last = math.ceil(kernels.began / self.period), math.ceil(kernels.ended / self.period)
        until = min(last, math.floor(self.now / self.period))
        return [(n, self.percent(kernels, n)) for n in range(first, until + 1)]

    def ask(self, fact: str, ask: Callable[[Any], Any]) -> Any:
        ended = [pid for pid, kernels in self.work.items() if kernels.began <= self.now]
        return {"accounting mode": int(self.keeps_accounts), "accounting pids": ended}.get(fact)

    def stats(self, pid: int) -> Any:
        kernels = self.work.get(pid)
        if kernels is None or not self.keeps_accounts or self.now < kernels.began:
            return None
        percents = [percent for _, percent in self.told(pid)]
        running = self.now < kernels.ended
        return SimpleNamespace(
            startTime=round((EPOCH + kernels.began) * 1e6),
            time=0 if running else round((kernels.ended - kernels.began) * 1e3),
            isRunning=int(running),
            gpuUtilization=round(sum(percents) / max(1, len(percents))),
            sampleCount=len(percents),
            sumGpuUtil=100 * sum(percents),
        )

    def rows(self, since: int) -> list[Any]:
        """nvmlDeviceGetProcessUtilization."""
        return [
            SimpleNamespace(pid=pid, smUtil=percent, timeStamp=stamp)
            for pid in self.work
            for number, percent in self.told(pid)
            if (stamp := round((EPOCH + number * self.period) * 1e6)) > since
            and percent
            and number % self.loses
        ]

    def contexts(self) -> list[GpuProcess]:
        there = (pid for pid, k in self.work.items() if k.began <= self.now < k.ended)
        return [GpuProcess(0, pid, None) for pid in there]

    @property
    def utilization(self) -> float:
        number = math.floor(self.now / self.period)
        return min(100, sum(self.percent(kernels, number) for kernels in self.work.values()))


Recorded = Callable[..., GpuFigures]


def stand_in(gpu: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the driver, and for the clock."""
    clock = SimpleNamespace(monotonic=lambda: gpu.now, time=lambda: EPOCH + gpu.now)
    monkeypatch.setattr(nvml_busy, "time", clock)
    monkeypatch.setattr(nvml_processes, "time", clock)
    monkeypatch.setattr(nvml_busy, "processes", Driver.contexts)
    monkeypatch.setattr(accounting, "stats", Driver.stats)
    monkeypatch.setattr(nvml_processes, "_samples", lambda handle, since: gpu.rows(since))


@pytest.fixture(params=[True, False], ids=["accounting", "utilization"])
def recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Records *work* at *looks*, and tells of the time from one instant to another. Processes have
    the owner of their hundred: 1xx of the foreground, 2xx of the background, 3xx nobody's."""

    def record(
        work: dict[int, Kernels], looks: Sequence[float], span: tuple[float, float], **driver: Any
    ) -> GpuFigures:
        gpu = Driver(0, "GPU", "", object(), Domain("gpu-0", "gpu", "test"), None, work=work)
        gpu.keeps_accounts = request.param
        for name, value in driver.items():
            setattr(gpu, name, value)
        stand_in(gpu, monkeypatch)
        sums, lines = nvml_busy.BusySums(gpu), GpuLines()
        owners = {1: FOREGROUND, 2: BACKGROUND}
        for gpu.now in looks:
            told = sums.look()
            assert told.source == ("accounting" if gpu.keeps_accounts else "utilization")
            lines.add_device(EPOCH + gpu.now, DeviceLook(gpu.utilization))
            for pid, line in lines.add(EPOCH + told.time, told, lambda pid: False):
                line.owner = owners.get(pid // 100) if gpu.now < work[pid].ended else None
        start, end = span
        return lines.figures([(EPOCH + start, EPOCH + end)])

    return record


LOOKS = [0.07 + 0.43 * number for number in range(180)]


def test_each_of_two_that_take_turns_has_its_own_seconds(recorded: Recorded) -> None:
    work = {100: Kernels(5.03, 65.51, 0.0107), 200: Kernels(1.7, 74.0, 0.0082)}
    told = recorded(work, LOOKS, (5.0, 65.6))
    foreground, background = work[100].seconds(5, 65.6), work[200].seconds(5, 65.6)
    assert told.busy["foreground"] == pytest.approx(foreground, rel=0.01)
    assert told.busy["background"] == pytest.approx(background, rel=0.01)
    assert told.jobs == {"load": told.busy["background"]}
    assert told.other_seconds == 0
    assert told.device_seconds == pytest.approx(foreground + background, rel=0.01)
    assert told.contexts["foreground"] == pytest.approx(60.48, abs=0.3)
    assert told.contexts["background"] == pytest.approx(60.6, abs=0.3)
    assert told.both_seconds == pytest.approx(60.48, abs=0.3)
    assert told.unknown_seconds == 0
    error = abs(told.busy["foreground"] - foreground)
    assert error <= told.uncertainty_seconds <= 0.02 * 60.6


def test_bursts_between_looks_are_summed_up_and_not_averaged(recorded: Recorded) -> None:
    # 0.7 s of each 3 s; a look each 3 s, at which it is always idle, or always busy.
    for phase in (0.1, 1.5):
        looks = [phase + 3.0 * number for number in range(25)]
        work = {100: Kernels(0.0, 99.0, 0.7, 3.0)}
        told = recorded(work, looks, (3.0, 66.0))
        assert told.busy["foreground"] == pytest.approx(21 * 0.7, rel=0.02)


def test_what_ends_in_the_middle_has_all_that_it_did_and_no_more(recorded: Recorded) -> None:
    work = {100: Kernels(10.2, 20.5, 0.015), 200: Kernels(0.5, 14.33, 0.012)}
    told = recorded(work, LOOKS, (5.0, 40.0))
    assert told.busy["foreground"] == pytest.approx(work[100].seconds(5, 40), abs=0.25)
    assert told.busy["background"] == pytest.approx(work[200].seconds(5, 40), abs=0.25)
    assert told.both_seconds == pytest.approx(14.33 - 10.2, abs=0.5)
    later = recorded(work, LOOKS, (21.0, 40.0))
    assert later.busy == {"foreground": 0.0, "background": 0.0}
    assert later.contexts == {"foreground": 0.0, "background": 0.0}


def test_a_job_that_begins_anew_again_and_again_is_one(recorded: Recorded) -> None:
    work = {200 + n: Kernels(3.1 + 1.9 * n, 4.87 + 1.9 * n, 0.013) for n in range(30)}
    told = recorded(work, LOOKS, (10.0, 50.0))
    truth = sum(kernels.seconds(10, 50) for kernels in work.values())
    assert told.jobs["load"] == pytest.approx(truth, rel=0.03)
    assert told.contexts["background"] == pytest.approx(40 * 1.77 / 1.9, rel=0.05)


def test_work_of_others_is_neither_sides(recorded: Recorded) -> None:
    work = {100: Kernels(2.0, 30.0, 0.01), 300: Kernels(9.0, 22.0, 0.006)}
    told = recorded(work, LOOKS, (2.0, 30.0))
    assert told.busy == {"foreground": pytest.approx(14, rel=0.02)}
    assert told.other_seconds == pytest.approx(work[300].seconds(2, 30), rel=0.03)
    assert told.both_seconds == 0


def test_a_process_that_no_look_has_met_counts_where_the_driver_keeps_accounts(
    recorded: Recorded,
) -> None:
    met = LOOKS[50] + 0.02
    work = {100: Kernels(2.0, 50.0, 0.004), 101: Kernels(met, met + 0.39, 0.02)}
    told = recorded(work, LOOKS, (2.0, 50.0))
    assert told.busy["foreground"] == pytest.approx(9.6, rel=0.02)
    assert told.other_seconds == pytest.approx(0.39, abs=0.11)


def test_samples_that_are_lost_are_missing_from_the_sum_but_not_from_the_device(
    recorded: Recorded,
) -> None:
    work = {100: Kernels(2.0, 70.0, 0.01)}
    told = recorded(work, LOOKS, (10.0, 60.0), loses=4)
    assert told.device_seconds == pytest.approx(25, rel=0.01)
    share = 1.0 if told.source == "accounting" else 0.75
    assert told.busy["foreground"] == pytest.approx(25 * share, rel=0.02)


@pytest.mark.parametrize("period", [1 / 6, 0.25, 1.0])
def test_the_driver_may_sample_as_often_as_it_likes(recorded: Recorded, period: float) -> None:
    work = {100: Kernels(0.5, 99.0, 0.0113)}
    told = recorded(work, LOOKS, (10.3, 60.1), period=period)
    assert told.busy["foreground"] == pytest.approx(work[100].seconds(10.3, 60.1), rel=0.01)


@pytest.mark.parametrize("period", [0.2, 0.5, 1.0])
def test_the_period_is_told_of_short_processes_too(period: float) -> None:
    lines = GpuLines()
    for look in range(600):
        now = 0.3 + 0.41 * look
        pid, lived = divmod(now, 2.13)
        samples = math.floor(now / period) - math.floor((now - lived) / period)
        process = BusyProcess(int(pid), float(samples), samples, True, EPOCH + now - lived)
        lines.add(EPOCH + now, GpuBusy(0, now, "accounting", [process]), lambda pid: True)
    assert lines.period_seconds == pytest.approx(period, rel=0.03)


@pytest.mark.parametrize(
    "looks", [[(0, 0), (10, 0), (11, 6), (30, 6)], [(0, 0), (1, 9), (2, 0)]], ids=["held", "anew"]
)
def test_numbers_of_samples_that_do_not_grow_with_time_tell_a_period_or_none(
    looks: list[tuple[float, int]],
) -> None:
    lines = GpuLines()
    for now, samples in looks:
        process = BusyProcess(5, samples * 0.5, samples, True, EPOCH - 90)
        told = GpuBusy(0, now, "accounting", [process], 0.3)
        lines.add(EPOCH + now, told, lambda pid: True)
    assert lines.period_seconds is not None
    assert lines.period_seconds > 0
    assert math.isfinite(lines.figures([(EPOCH, EPOCH + 30)]).other_seconds)


def test_the_result_remains_where_activity_cannot_be_computed() -> None:
    live: Any = SimpleNamespace(activity=None, run=SimpleNamespace(background=()))
    known: Any = SimpleNamespace(blocks=None)
    warnings: list[str] = []
    assert result_builder._activity(known, known, live, None, known, warnings) == []
    (warning,) = warnings
    assert warning.startswith("who kept GPUs and CPUs busy cannot be computed, and is left out: ")


def test_what_a_process_did_is_kept_when_another_one_has_its_pid() -> None:
    lines = GpuLines()
    owners = {0.0: FOREGROUND, 30.0: BACKGROUND}
    for look in range(100):
        now = 0.4 * look
        began = 30.0 if now >= 30 else 0.0
        there = [] if 20 < now < 30 else [BusyProcess(77, now - began, None, True)]
        told = GpuBusy(0, now, "utilization", there, 0.2)
        for _, line in lines.add(EPOCH + now, told, lambda pid: True):
            line.owner = owners[began]
    first = lines.figures([(EPOCH, EPOCH + 25)]).busy
    assert first == {"foreground": pytest.approx(20, abs=0.3), "background": 0.0}
    second = lines.figures([(EPOCH + 25, EPOCH + 38)]).busy
    assert second == {"foreground": 0.0, "background": pytest.approx(8, abs=0.5)}


def test_the_past_of_a_process_that_is_listed_late_does_not_count() -> None:
    lines = GpuLines()
    for look in range(20):
        now = 0.4 * look
        old = BusyProcess(7, 0.5 * (7200 + now), None, True, EPOCH - 7200)
        told = GpuBusy(0, now, "utilization", [old] if look else [], 0.2)
        lines.add(EPOCH + now, told, lambda pid: True)
    seconds = lines.figures([(EPOCH, EPOCH + 7)]).other_seconds
    assert seconds == pytest.approx(0.5 * 7, abs=0.3)


def test_of_days_only_what_the_driver_lists_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = {200 + n: Kernels(1.0 + 2 * n, 2.5 + 2 * n, 0.01) for n in range(20)}
    gpu = Driver(0, "GPU", "", object(), Domain("gpu-0", "gpu", "test"), None, work=work)
    stand_in(gpu, monkeypatch)
    sums, lines = nvml_busy.BusySums(gpu), GpuLines()
    for gpu.now in LOOKS[:95]:
        for pid in [pid for pid, kernels in work.items() if kernels.ended < gpu.now - 8]:
            del work[pid]  # the driver's buffer is a ring
        told = sums.look()
        lines.add(EPOCH + told.time, told, lambda pid: False)
        assert len(sums._ended or ()) <= 5
        assert len(lines._live) <= 1
    assert len(lines.lines) == 20


def test_time_between_looks_that_are_far_apart_is_unknown(recorded: Recorded) -> None:
    looks = [look for look in LOOKS if not 20 < look < 27.5]
    told = recorded({100: Kernels(0.5, 99.0, 0.01)}, looks, (10.0, 40.0))
    assert told.unknown_seconds == pytest.approx(7.5, abs=0.9)
    assert recorded({}, looks, (30.0, 40.0)).unknown_seconds == 0


def test_what_was_done_before_the_first_look_does_not_count(recorded: Recorded) -> None:
    work = {300: Kernels(-100.0, 99.0, 0.01), 301: Kernels(-50.0, -20.0, 0.02)}
    told = recorded(work, LOOKS, (0.0, 10.0))
    assert told.other_seconds == pytest.approx(5, abs=0.2)


def test_a_gpu_that_tells_in_neither_way_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Driver(3, "GPU", "", None, Domain("gpu-3", "gpu", "test"), None, keeps_accounts=False)
    monkeypatch.setattr(nvml_busy, "processes", Driver.contexts)
    with pytest.raises(NotReported, match="GPU 3 cannot be opened"):
        nvml_busy.BusySums(gpu).look()


def test_accounts_that_the_module_cannot_read_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Driver(3, "GPU", "", None, Domain("gpu-3", "gpu", "test"), None)
    monkeypatch.setattr(nvml_busy, "processes", Driver.contexts)
    monkeypatch.delattr(pynvml, "nvmlDeviceGetAccountingStats_v2")
    with pytest.raises(NotReported, match="GPU 3 cannot be opened"):
        nvml_busy.BusySums(gpu).look()


# -- arithmetic -----------------------------------------------------------------------------------


def test_a_growing_figure_between_its_looks() -> None:
    grown = Growing([(1.0, 4.0), (3.0, 8.0), (3.0, 7.0), (4.0, 6.0)])
    assert [grown.at(time) for time in (0.0, 1.0, 2.0, 3.0, 3.5, 9.0)] == [4, 4, 6, 8, 8, 8]
    assert grown.growth([(0.0, 2.0), (2.5, 9.0)]) == 3.0
    assert Growing().growth([(0.0, 1.0)]) == 0.0


def test_stretches_in_common() -> None:
    some = union([(3.0, 5.0), (1.0, 2.0), (2.0, 2.5), (4.0, 6.0), (7.0, 7.0)])
    assert some == [(1.0, 2.5), (3.0, 6.0)]
    assert common(some, [(0.0, 1.5), (2.0, 4.0)]) == [(1.0, 1.5), (2.0, 2.5), (3.0, 4.0)]


# -- whose a process is ---------------------------------------------------------------------------

MARK = processes.marker("secret", "E1", "")


@contextmanager
def shell(**variables: str) -> Iterator[tuple[int, int]]:
    """A process with these variables, and a child of it without any (both pids)."""
    script = "import subprocess; p = subprocess.Popen(['sleep', '300'], env={}); print(p.pid, "
    script += "flush=True); p.wait()"
    command = [sys.executable, "-I", "-S", "-c", script]
    with subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None
        child = int(popen.stdout.readline())
        try:
            yield popen.pid, child
        finally:
            os.kill(child, 9)


def test_a_process_is_of_whom_its_marker_or_that_of_an_ancestor_names() -> None:
    owners = Owners(MARK, {77: "seen"}.get)
    with shell(ENERGYCTL_RUN=f"{MARK}foreground") as pids:
        assert [owners.of(pid) for pid in pids] == [FOREGROUND, FOREGROUND]
    with shell(**{processes.MARKER: f"{MARK}background", JOB: "load"}) as pids:
        assert [owners.of(pid) for pid in pids] == [BACKGROUND, BACKGROUND]
    with shell(ENERGYCTL_RUN=f"{processes.marker('secret', 'E2', '')}foreground") as pids:
        assert [owners.of(pid) for pid in pids] == [None, None]
    assert owners.of(pids[1]) is None
    assert owners.of(77) == Owner("background", "seen")


def test_a_process_of_the_foreground_that_was_seen_is_known_after_its_end() -> None:
    owners = Owners(MARK, lambda pid: None)
    with shell() as (root, child):
        owners.saw(TreeReader().look([root]))
    assert owners.of(child) == FOREGROUND
    assert owners.of(child + 2**22) is None


# -- the recorder ---------------------------------------------------------------------------------


class Board(Source):
    """Two GPUs, of which the first tells who keeps it busy; its driver hangs while `stuck`."""

    name = "board"

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.asked = 0.0  # when last; monotonic

    def domains(self) -> Sequence[Domain]:
        return [Domain(f"gpu-{index}", "gpu", "board") for index in range(2)]

    def read(self) -> Sequence[Reading]:
        return ()

    def busy(self) -> Busy:
        self.free.wait()
        now = self.asked = time.monotonic()
        process = BusyProcess(os.getpid(), now, None, True)
        return Busy([GpuBusy(0, now, "utilization", [process])], {1: "GPU 1 does not tell"})

    def devices(self) -> Mapping[int, DeviceLook]:
        return {0: DeviceLook(100.0)}


def spans(recorder: ActivityRecorder, start: float, end: float, *kinds: str) -> Any:
    """The domains of a span of the foreground beside a background that is not known."""
    names = {"gpu": ("gpu-0", "gpu-1"), "cpu": ("package-0",), "dram": ("dram-0",)}
    domains = [Domain(name, kind, "test") for kind in kinds for name in names[kind]]  # type: ignore[arg-type]
    energies = tuple(DomainEnergy(domain, 50.0, 1.0, None) for domain in domains)
    energy = Energy(start, end, energies, SamplerStatistics(1.0))
    recording = Recording(tuple(domains), {}, (), 1.0)
    span = Span("foreground", [(start, end)], ("foreground", "background"))
    (told,) = activity_of(recorder, recording, energy, {}).to_json(iter([span]))
    return told["domains"]


def test_a_recorder_tells_of_each_gpu_what_its_source_does() -> None:
    recorder = ActivityRecorder([Board()], Owners(MARK, lambda pid: None), time.time)
    began = time.time()
    with recorder.running():
        wait_for(lambda: time.time() > began + 1.5 and 0 in recorder.gpus, "looks")
    told = spans(recorder, began + 0.5, began + 1.2, "gpu", "dram")
    assert told["gpu-0"]["other_seconds"] == pytest.approx(0.7, abs=0.3)
    assert told["gpu-0"]["device_seconds"] == pytest.approx(0.7, abs=0.3)
    assert told["gpu-0"]["unknown_seconds"] == pytest.approx(0, abs=0.5)
    assert told["gpu-0"]["watts"] == pytest.approx(50 / 0.7)
    for name, why in (("gpu-1", "GPU 1 does not tell"), ("dram-0", NO_MEMORY_TRAFFIC)):
        assert (told[name]["source"], told[name]["missing"]) == (None, why)
        assert told[name]["unknown_seconds"] == pytest.approx(0.7)
        assert told[name]["watts"] == pytest.approx(50 / 0.7)


def test_a_driver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LIMIT_SECONDS", 0.1)
    board = Board()
    source = bounded.TimeLimitedSource(board)
    recorder = ActivityRecorder([source], Owners(MARK, lambda pid: None), time.time)
    board.free.clear()
    try:
        with recorder.running():
            before = time.monotonic()
            recorder.edge()
            assert time.monotonic() - before < 1
            wait_for(lambda: "hangs" in recorder.missing.get(ALL, ""), "a reason")
            now = time.time()
        told = spans(recorder, now - 0.1, now, "gpu")
        assert "hangs" in told["gpu-0"]["missing"]
        assert told["gpu-0"]["source"] is None
    finally:
        board.free.set()
        source.close()


class NoAnswer(Board):
    """A plug-in that is not finished."""

    def domains(self) -> Sequence[Domain]:
        return [Domain("gpu-1", "gpu", "board")]

    def busy(self) -> Busy:
        return None  # type: ignore[return-value]

    def devices(self) -> Mapping[int, DeviceLook]:
        return {1: None}  # type: ignore[dict-item]


def test_a_wrong_answer_of_a_source_is_a_reason_and_ends_no_looks() -> None:
    board, owners = Board(), Owners(MARK, lambda pid: None)
    recorder = ActivityRecorder([NoAnswer(), board], owners, time.time)
    recorder._look_at_devices(*recorder._meters[0])
    for meter, gpus in recorder._meters:
        recorder._look_at_processes(meter, gpus)
    assert "NoneType" in recorder.missing[ALL]
    assert board.asked > 0
    assert recorder.gpus[0].told


class Second(Board):
    """It tells of the first GPU, which is none of its own."""

    def domains(self) -> Sequence[Domain]:
        return [Domain("gpu-1", "gpu", "board")]


def test_a_gpu_is_told_only_by_the_source_whose_domain_it_is() -> None:
    recorder = ActivityRecorder([Second()], Owners(MARK, lambda pid: None), time.time)
    ((meter, gpus),) = recorder._meters
    recorder._look_at_devices(meter, gpus)
    recorder._look_at_processes(meter, gpus)
    assert recorder.gpus == {}
    assert recorder.missing == {1: "GPU 1 does not tell"}


@pytest.mark.parametrize("owner", [None, FOREGROUND])
def test_pids_of_another_namespace_are_a_reason_where_none_is_of_a_side(
    monkeypatch: pytest.MonkeyPatch, owner: Owner | None
) -> None:
    board = Board()
    own, strange = os.getpid(), 2**22 + 7
    owners = Owners(MARK, lambda pid: owner.job or "load" if owner and pid == own else None)
    recorder = ActivityRecorder([board], owners, time.time)
    now = time.monotonic()
    for look in range(4):
        there = [BusyProcess(pid, 0.1 * look, None, True) for pid in (own, strange)]
        told = Busy([GpuBusy(0, now - 4 + look, "utilization", there)])
        monkeypatch.setattr(board, "busy", lambda told=told: told)
        recorder._look_at_processes(*recorder._meters[0])
    ended = time.time() - 0.5
    gpu = spans(recorder, ended - 2, ended, "gpu")["gpu-0"]
    if owner is None:
        assert (gpu["source"], gpu["missing"]) == (None, STRANGE_PIDS)
    else:
        assert gpu["source"] == "utilization"


class SlowRuntime(ContainerTrees):
    """Answers once it is `free`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.free = threading.Event(), threading.Event()

    def look(self) -> dict[int, list[Tree]]:
        with self._turn:
            self.asked.set()
            self.free.wait()
            return {os.getpid(): []}


def test_a_container_runtime_that_hangs_holds_up_no_look_at_gpus(tmp_path: Path) -> None:
    runtime = SlowRuntime(tmp_path, "secret")
    board = Board()
    recorder = ActivityRecorder([board], Owners(MARK, lambda pid: None), time.time, runtime)
    recorder.follow(os.getpid())
    try:
        with recorder.running():
            wait_for(runtime.asked.is_set, "a question")
            asked = time.monotonic()
            wait_for(lambda: board.asked > asked + 0.5, "a look at GPUs meanwhile")
            runtime.free.set()
            wait_for(lambda: recorder._contained == {os.getpid(): []}, "its answer")
    finally:
        runtime.free.set()


def test_cpu_seconds_of_the_foreground_are_those_of_its_tree() -> None:
    recorder = ActivityRecorder([], Owners(MARK, lambda pid: None), time.time)
    script = "import sys, time\nwhile time.process_time() < 0.7: pass\n"
    script += "print(flush=True)\nsys.stdin.read()"
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-S", "-c", child, script]
    began = time.time()
    with (
        recorder.running(),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen,
    ):
        recorder.follow(popen.pid)
        assert popen.stdin is not None
        assert popen.stdout is not None
        popen.stdout.readline()
        recorder.edge()
        ended = time.time()
        popen.stdin.close()
    cpu = spans(recorder, began, ended, "cpu")["package-0"]
    assert cpu["foreground"]["busy_seconds"] == pytest.approx(0.75, abs=0.25)
    assert cpu["unknown_seconds"] == ended - began  # of a background that nobody looked at
    assert cpu["source"] == "cpu_time"


# -- a whole campaign -----------------------------------------------------------------------------

BUSY = """#!{python} -S
import os, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
began, pid, seconds = time.time(), os.getpid(), float(flags["--seconds"])
with open(os.environ["FAKE_PROCESSES"], "a") as file:
    file.write(f"0 {{pid}} 100 c\\n")
with open(os.environ["FAKE_UTILIZATION"], "a") as file:
    file.write(f"0 {{pid}} {percent} {{began:.6f}} {{began + seconds:.6f}}\\n")
while time.time() < began + seconds:
    sum(range(60000))  # about as long as the pause
    time.sleep(0.001)
print("loss: 1\\nAccuracy: 91.5", flush=True)
"""


def test_both_runs_of_a_pair_say_what_was_kept_busy(bench: Bench, tmp_path: Path) -> None:
    files = {name: tmp_path / name.lower() for name in ("PROCESSES", "UTILIZATION")}
    for path in files.values():
        path.touch()
    fakes = {name: str(path) for name, path in files.items()}
    bench.env |= environment(
        library_folder(), STEP="0.02", ACCOUNTING="1", GPUS="1", LIVING="1", **fakes
    )
    bench.env |= {"FAKE_ACTIVITY": str(tmp_path)}
    for name, percent in (("front", 40), ("back", 30)):
        script = bench.root / "repos" / name / "train.sh"
        script.write_text(BUSY.format(python=sys.executable, percent=percent))
    references = {"context_held_seconds": 1.0, "background_alone_seconds": 3.0}
    longer = {"hyperparameters": {"seconds": 4.0}}
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 1.0}}
    name = bench.parallel(
        references=references,
        seed=1,
        cooldown_seconds=1.5,
        foreground=longer,
        background=background,
    )
    began = time.time()
    files["PROCESSES"].write_text("0 1 100 c\n")
    files["UTILIZATION"].write_text(f"0 1 20 {began:.6f} 0\n")  # nobody's, all the time
    done = bench.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    by = {result["condition"]: result for result in bench.results()}
    alone, beside = (
        {span["span"]: span for span in by[condition]["activity"]}
        for condition in ("alone", "beside back/large")
    )
    assert list(alone) == ["foreground"]
    assert list(beside) == ["context_held", "load_before", "foreground", "load_after"]

    gpu = alone["foreground"]["domains"]["gpu-0"]
    assert gpu["source"] == "accounting"
    assert gpu["foreground"]["busy_seconds"] == pytest.approx(1.6, abs=0.15)
    assert gpu["foreground"]["context_seconds"] == pytest.approx(4.0, abs=0.5)
    assert (gpu["background"], gpu["jobs"], gpu["both_seconds"]) == (None, {}, 0)
    assert gpu["other_seconds"] == pytest.approx(0.8, abs=0.15)
    cpu = alone["foreground"]["domains"]["cpu"]
    assert cpu["source"] == "cpu_time"
    assert 0.5 < cpu["foreground"]["busy_seconds"] <= 4.2
    assert cpu["foreground"]["context_seconds"] == 0

    both = beside["foreground"]["domains"]["gpu-0"]
    assert both["foreground"]["busy_seconds"] == pytest.approx(1.6, abs=0.15)
    (job,) = both["jobs"]
    (attempt,) = by["beside back/large"]["foreground_result"]["attempts"]
    rows = [line.split() for line in files["UTILIZATION"].read_text().splitlines()]
    expected = sum(
        0.3 * max(0.0, min(float(ended), attempt["end"]) - max(float(began), attempt["start"]))
        for _, _, percent, began, ended in rows
        if percent == "30"
    )
    assert both["jobs"][job] == both["background"]["busy_seconds"]
    assert both["background"]["busy_seconds"] == pytest.approx(expected, rel=0.15)
    assert both["watts"] == pytest.approx(
        by["beside back/large"]["energy"]["domains"][0]["joules"] / beside["foreground"]["seconds"]
    )
    held = beside["context_held"]["domains"]["gpu-0"]
    assert (held["foreground"], held["background"]) == (None, None)
    for name in ("load_before", "load_after"):
        load = beside[name]["domains"]["gpu-0"]
        assert load["foreground"] is None
        expected = 0.3 * beside[name]["seconds"]
        assert load["background"]["busy_seconds"] == pytest.approx(expected, rel=0.3)
        spent = beside[name]["domains"]["cpu"]["background"]["busy_seconds"]
        assert 0.2 < spent <= 1.2 * beside[name]["seconds"]


def test_the_clock_of_a_gpu_is_that_at_which_it_was_busy() -> None:
    """Iterations of 2 s and pauses of 1 s, at 1500 MHz and 300 MHz, looked at each 0.2 s; its
    utilisation is of the 0.2 s before."""
    lines, before = GpuLines(), 0.0
    for look in range(300):
        now = look / 5
        busy = now % 3 < 2
        lines.add_device(EPOCH + now, DeviceLook(before, 1500.0 if busy else 300.0))
        before = 100.0 if busy else 0.0
    assert lines.figures([(EPOCH + 6, EPOCH + 48)]).mhz == pytest.approx(1500.0)
    assert lines.figures([(EPOCH + 2.4, EPOCH + 2.8)]).mhz is None
