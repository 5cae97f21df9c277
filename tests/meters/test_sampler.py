"""The sampling loop with its real thread and clock."""

from __future__ import annotations

import csv
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf
from pathlib import Path
from random import Random
from statistics import median

import pytest

from energyctl.energy import CounterSeries, Domain, series_for
from energyctl.errors import MachineError, SettingsError
from energyctl.meters import GpuState, Reading, write_cpu_energy
from energyctl.meters import sampler as sampling
from energyctl.meters.csv_files import CsvFiles
from energyctl.meters.powercap import PowercapSource
from energyctl.meters.sampler import Sampler
from energyctl.meters.schedule import ReadSchedule
from energyctl.meters.simulation import SimulatedSampler
from energyctl.meters.told_powers import ToldPowers
from hardware.meter import ScriptedMeter
from hardware.powercap import moving, zone
from hardware.waveform import Square

PACKAGE = Domain("package-0", "cpu", "powercap", wrap_joules=1e6, max_watts=400.0)
GPU = Domain("gpu-0", "gpu", "nvml energy counter", update_seconds=0.1)
POWER_GPU = Domain("gpu-1", "gpu", "nvml power", quantity="power")
TRIES = 5  # a busy machine may read a counter too late for its wraps or its steps


def constant(watts: float) -> Callable[[float], float]:
    return lambda now: watts * now


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def test_phases_share_one_line_without_holes() -> None:
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.05)
    sampler.start()
    edges = [sampler.phase(name) for name in ("idle", "foreground", "cooldown")]
    wait_until(lambda: sampler.recording().statistics.samples > 6)
    recording = sampler.stop()
    assert [p.name for p in recording.phases] == ["idle", "foreground", "cooldown"]
    assert [p.start for p in recording.phases] == edges
    assert [p.end for p in recording.phases[:-1]] == edges[1:]
    assert abs(recording.phases[0].start - time.time()) < 60
    last = recording.phases[-1]
    energy = recording.energy(last.start, last.end)
    assert energy.total_joules == pytest.approx(100 * energy.seconds, rel=0.01, abs=0.2)


def test_samples_come_at_their_interval_and_are_counted() -> None:
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.02)
    sampler.start()
    wait_until(lambda: sampler.recording().statistics.samples >= 20)
    statistics = sampler.stop().statistics
    assert statistics.interval_seconds == 0.02
    assert statistics.max_gap_seconds >= 0.019
    assert 0 < statistics.cpu_seconds < 10


def test_a_slow_source_misses_deadlines_that_are_counted_without_drift() -> None:
    def slow(now: float) -> float:
        time.sleep(0.05)
        return 100 * now

    sampler = Sampler([ScriptedMeter({PACKAGE: slow})], interval_seconds=0.02)
    sampler.start()
    wait_until(lambda: sampler.recording().statistics.missed >= 4)
    statistics = sampler.stop().statistics
    assert statistics.max_gap_seconds >= 0.04


def test_after_a_sample_that_came_late_the_next_ones_are_on_time_again() -> None:
    held = threading.Event()

    def once_slow(now: float) -> float:
        if held.is_set():
            held.clear()
            time.sleep(0.15)
        return 100 * now

    sampler = Sampler([ScriptedMeter({PACKAGE: once_slow})], interval_seconds=0.1)
    sampler.start()
    start = sampler.now()

    def lag(first: int) -> float:
        """Of nine samples behind their deadlines, in the middle."""
        wait_until(lambda: len(sampler.recording().ticks.times) >= first + 9)
        times = sampler.recording().ticks.times[first : first + 9]
        return median((time - start + 0.03) % 0.1 for time in times)

    before = lag(1)
    samples = len(sampler.recording().ticks.times)
    held.set()
    after = lag(samples + 3)
    sampler.stop()
    assert not held.is_set()
    assert after == pytest.approx(before, abs=0.02)  # it came half an interval late


def test_an_edge_is_right_before_its_reading_or_right_after_it() -> None:
    reads: list[tuple[float, float]] = []

    def slow(now: float) -> float:
        begin = sampler.now()
        time.sleep(0.02)
        reads.append((begin, sampler.now()))
        return 100 * now

    sampler = Sampler([ScriptedMeter({PACKAGE: slow})], interval_seconds=3600)
    sampler.start()
    before = sampler.phase("one")
    assert before <= reads[-1][0]
    after = sampler.phase("two", after_reading=True)
    assert reads[-1][1] <= after
    sampler.stop()


def test_after_an_edge_the_step_around_it_is_located() -> None:
    def stepping(now: float) -> float:
        return 200 * (now // 0.1 * 0.1)

    for _ in range(TRIES):
        sampler = Sampler([ScriptedMeter({GPU: stepping})], interval_seconds=5.0)
        sampler.start()
        start = sampler.phase("one")
        wait_until(lambda start=start, now=sampler.now: now() > start + 0.53)
        end = sampler.phase("two")
        recording = sampler.stop()
        series = recording.series["gpu-0"]
        assert isinstance(series, CounterSeries)
        if series.steps.times[-1] >= end - 0.05:
            break
    assert series.steps.times[-1] >= end - 0.05
    gpu = recording.energy(start, end).domains[0]
    assert gpu.joules is not None
    assert gpu.uncertainty_joules is not None
    assert abs(gpu.joules - 200 * (end - start)) <= gpu.uncertainty_joules + 0.5


def test_the_agenda_traces_a_young_phase_and_follows_what_wraps() -> None:
    wrapping = Domain("package-0", "cpu", "powercap", wrap_joules=1000.0, max_watts=800.0)
    series = {d.name: series_for(d) for d in (GPU, wrapping)}
    agenda = ReadSchedule(series, [{"gpu-0"}, {"package-0"}])
    agenda.sampled(10.0)
    agenda.edge(10.0, steps=1, seconds=0.4)
    assert agenda.watching
    agenda.located("gpu-0")
    assert not agenda.watching
    assert agenda.next_due(10.0, 0.0) == pytest.approx(10.09)
    assert agenda.due(10.09, 0.09) == {"gpu-0"}
    agenda.sampled(13.0)  # the phase is no longer young
    assert agenda.next_due(13.0, 0.0) == pytest.approx(14.0)
    assert agenda.due(14.0, 4.0) == {"package-0"}


def test_of_a_part_time_sensor_each_step_is_read_as_long_as_it_goes_on() -> None:
    series = series_for(replace(GPU, part_time=True))
    agenda = ReadSchedule({"gpu-0": series}, [{"gpu-0"}])
    agenda.edge(10.0, steps=1, seconds=0.4)
    agenda.located("gpu-0")
    agenda.sampled(90.0)
    assert agenda.next_due(90.0, 0.0) == pytest.approx(90.09)
    assert agenda.due(90.05, 80.05) == set()
    assert agenda.due(90.09, 80.09) == {"gpu-0"}


@pytest.mark.parametrize("period", [0.001, 0.012])
def test_a_fine_counter_is_looked_at_how_often_it_moves(period: float) -> None:
    package = Domain("package-0", "cpu", "powercap", update_seconds=0.001)
    meter = ScriptedMeter({package: lambda now: 100 * (now // period) * period})
    meter.quick = True
    for _ in range(TRIES):
        sampler = Sampler([meter])
        sampler.start()
        sampler.phase("one")
        (domain,) = sampler.stop().domains
        if domain.update_seconds == pytest.approx(period, rel=0.2):
            break
    assert domain.update_seconds == pytest.approx(period, rel=0.2)


def test_a_counter_that_is_late_is_watched_for_as_much_longer() -> None:
    late = replace(GPU, delay_seconds=0.25)
    agenda = ReadSchedule({"gpu-0": series_for(late)}, [{"gpu-0"}])
    agenda.edge(10.0, steps=2, seconds=0.4)
    for _ in range(4):
        agenda.located("gpu-0")
    assert agenda.watching  # of its steps of 0.1 s, three more than the two
    agenda.due(10.6, 0.6)
    assert agenda.watching
    agenda.due(10.7, 0.7)
    assert not agenda.watching


def test_a_step_that_does_not_come_is_not_watched_for_ever() -> None:
    agenda = ReadSchedule({"gpu-0": series_for(GPU)}, [{"gpu-0"}])
    agenda.edge(10.0, steps=2, seconds=0.4)
    assert agenda.due(10.39, 0.39) == {"gpu-0"}
    assert agenda.watching
    agenda.due(10.41, 0.41)
    assert not agenda.watching


def test_wraps_between_two_samples_are_followed() -> None:
    # A wrap each 0.2 s at 500 W, and a sample each hour.
    fast = Domain("package-0", "cpu", "powercap", wrap_joules=100.0, max_watts=600.0)
    for _ in range(TRIES):
        meter = ScriptedMeter({fast: lambda now: 500 * now % 100})
        sampler = Sampler([meter], interval_seconds=3600)
        sampler.start()
        start = sampler.phase("one")
        wait_until(lambda start=start, now=sampler.now: now() > start + 1.2)
        end = sampler.phase("two")
        package = sampler.stop().energy(start, end).domains[0]
        if package.joules is not None:
            break
        assert "may have started over meanwhile" in (package.missing or "")
    assert package.joules == pytest.approx(500 * (end - start), rel=0.02)


def test_power_without_a_counter_is_read_between_the_samples_too() -> None:
    def switching(now: float) -> float:
        return 300.0 if now % 1.0 < 0.5 else 100.0

    sampler = Sampler([ScriptedMeter({POWER_GPU: switching})], interval_seconds=3600)
    sampler.start()
    start = sampler.phase("one")
    wait_until(lambda: sampler.now() > start + 1.0)
    end = sampler.phase("two")
    recording = sampler.stop()
    gpu = recording.energy(start, end).domains[0]
    assert len(recording.series["gpu-1"].times) > recording.statistics.samples
    assert gpu.joules is not None
    assert gpu.uncertainty_joules is not None
    assert abs(gpu.joules - 200 * (end - start)) <= gpu.uncertainty_joules + 20


def test_a_meter_that_breaks_takes_no_other_with_it() -> None:
    class Broken(ScriptedMeter):
        def read(self) -> Sequence[Reading]:
            if self.reads > 3:
                raise OSError("the driver is gone")
            return super().read()

    meters = [Broken({GPU: constant(300)}), ScriptedMeter({PACKAGE: constant(100)})]
    sampler = Sampler(meters, interval_seconds=0.02)
    sampler.start()
    start = sampler.phase("one")
    wait_until(lambda: sampler.now() > start + 0.6)
    end = sampler.phase("two")
    gpu, package = sampler.stop().energy(start, end).domains
    assert gpu.joules is None
    assert "the driver is gone" in (gpu.missing or "")
    assert package.joules == pytest.approx(100 * (end - start), rel=0.01)


def test_the_live_view_knows_power_phase_and_gpu_state() -> None:
    class WithState(ScriptedMeter):
        def environment(self) -> Sequence[GpuState]:
            return (GpuState(1, "A GPU", time.monotonic(), temperature_celsius=51.0),)

    meter = WithState({PACKAGE: constant(100), POWER_GPU: lambda _: 250.0})
    sampler = Sampler([meter], interval_seconds=0.05)
    sampler.start()
    since = sampler.phase("foreground")
    wait_until(lambda: sampler.latest().watts.get("package-0") is not None)
    wait_until(lambda: bool(sampler.latest().gpus))
    latest = sampler.latest()
    sampler.stop()
    assert latest.watts == {"package-0": pytest.approx(100, rel=0.05), "gpu-1": 250.0}
    assert (latest.phase, latest.phase_since_unix) == ("foreground", since)
    assert latest.gpus[0].temperature_celsius == 51.0


def test_the_live_view_knows_the_joules_of_what_is_recorded(tmp_path: Path) -> None:
    meter = ScriptedMeter({PACKAGE: constant(100), POWER_GPU: lambda _: 250.0})
    sampler = Sampler([meter], interval_seconds=0.05)
    sampler.start()
    sampler.phase("idle")
    assert sampler.latest().joules == {}
    sampler.record_to(tmp_path)
    start = sampler.phase("foreground", after_reading=True)
    wait_until(lambda: (sampler.latest().joules.get("package-0") or 0.0) > 20)
    end = sampler.phase("idle")
    sampler.record_to(None)
    energy = {d.domain.name: d.joules for d in sampler.recording().energy(start, end).domains}
    latest = sampler.latest().joules  # they stay
    sampler.stop()
    assert latest == pytest.approx(energy, rel=0.05)
    assert sampler.latest().joules == latest


def test_stopping_leaves_no_thread_and_an_unchanging_recording() -> None:
    before = threading.active_count()
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.02)
    sampler.start()
    sampler.phase("one")
    first = sampler.stop()
    assert threading.active_count() == before
    assert sampler.recording().phases == first.phases


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_a_senseless_interval_is_refused(interval: float) -> None:
    with pytest.raises(SettingsError, match="interval"):
        Sampler([], interval_seconds=interval)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_four_tables_begin_at_one_edge_and_end_at_the_next(tmp_path: Path) -> None:
    class WithState(ScriptedMeter):
        def environment(self) -> Sequence[GpuState]:
            return (GpuState(1, "A GPU", time.monotonic(), 51.0, None, 70.0, None, 249.0),)

    meter = WithState({PACKAGE: constant(100), POWER_GPU: lambda _: 250.0})
    sampler = Sampler([meter], interval_seconds=0.05, keep_unfiled=True)
    sampler.start()
    sampler.phase("idle")
    wait_until(lambda: len(sampler.unfiled()) > 6)
    sampler.record_to(tmp_path / "energy")
    start = sampler.phase("foreground")
    wait_until(lambda: sampler.now() > start + 0.5)
    end = sampler.phase("cooldown")
    sampler.record_to(None)
    sampler.stop()
    cpu = rows(tmp_path / "energy" / "cpu_power.csv")
    assert list(cpu[0]) == ["timestamp", "domain", "power_w", "energy_j"]
    assert (cpu[0]["domain"], cpu[0]["power_w"], cpu[0]["energy_j"]) == ("package-0", "", "0")
    assert 0 <= float(cpu[0]["timestamp"]) - start < 0.05
    assert 0 <= float(cpu[-1]["timestamp"]) - end < 0.05
    assert float(cpu[-1]["energy_j"]) == pytest.approx(100 * (end - start), rel=0.05)
    assert float(cpu[1]["power_w"]) == pytest.approx(100, rel=0.05)
    gpu = rows(tmp_path / "energy" / "gpu_power.csv")
    assert list(gpu[0]) == ["timestamp", "gpu", "power_draw_w", "energy_j"]
    assert (gpu[0]["gpu"], gpu[0]["power_draw_w"], gpu[0]["energy_j"]) == ("1", "250", "0")
    temperature = rows(tmp_path / "energy" / "gpu_temperature.csv")[0]
    assert (temperature["gpu_temp_c"], temperature["memory_temp_c"]) == ("51", "")
    assert start <= float(temperature["timestamp"]) <= end
    utilization = rows(tmp_path / "energy" / "gpu_utilization.csv")[0]
    assert (utilization["gpu_util_percent"], utilization["memory_util_percent"]) == ("70", "")
    unfiled = sampler.unfiled()
    assert {sample.domain for sample in unfiled} == {"package-0", "gpu-1"}
    assert not [one for one in unfiled if start + 0.05 < one.time_unix < end - 0.05]
    watts = [one.watts for one in unfiled if one.domain == "package-0" and one.watts is not None]
    assert watts == pytest.approx([100.0] * len(watts), rel=0.05)
    assert len(watts) > 2


def test_a_failed_read_is_an_empty_field_never_zero(tmp_path: Path) -> None:
    gone = threading.Event()
    meter = ScriptedMeter({PACKAGE: lambda now: None if gone.is_set() else 100 * now})
    sampler = Sampler([meter], interval_seconds=0.02)
    sampler.start()
    sampler.record_to(tmp_path)
    sampler.phase("one")
    gone.set()
    before = sampler.recording().statistics.samples
    wait_until(lambda: sampler.recording().statistics.samples > before + 3)
    sampler.stop()
    last = rows(tmp_path / "cpu_power.csv")[-1]
    assert (last["power_w"], last["energy_j"]) == ("", "")


def test_rows_are_on_disk_while_sampling_goes_on(tmp_path: Path) -> None:
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.1)
    sampler.start()
    sampler.record_to(tmp_path)
    sampler.phase("one")
    try:
        wait_until(lambda: len(rows(tmp_path / "cpu_power.csv")) > 5)
    finally:
        sampler.stop()


def test_rows_are_on_disk_also_where_the_next_sample_is_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "LATEST_FLUSH_SECONDS", 0.1)
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=3600)
    sampler.start()
    sampler.record_to(tmp_path)
    sampler.phase("one")
    try:
        wait_until(lambda: len(rows(tmp_path / "cpu_power.csv")) > 0)
    finally:
        sampler.stop()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})])
    sampler.start()
    try:
        with pytest.raises(MachineError, match="file"):
            sampler.record_to(tmp_path / "file" / "energy")
    finally:
        sampler.stop()


def test_the_cpu_energy_file_says_what_was_not_measured(tmp_path: Path) -> None:
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.05)
    sampler.start()
    start = sampler.phase("one")
    wait_until(lambda: sampler.now() > start + 0.2)
    energy = sampler.stop().energy(start, start + 0.2)
    write_cpu_energy(tmp_path / "cpu_energy.txt", energy)
    package, ram, total = (tmp_path / "cpu_energy.txt").read_text().splitlines()
    assert package.startswith("Package Energy (Joules): ")
    assert float(package.rpartition(" ")[2]) == pytest.approx(20, rel=0.1)
    assert ram == "RAM Energy (Joules): not measured"
    assert total == f"Total CPU Energy (Joules): {package.rpartition(' ')[2]}"


def test_packages_that_move_by_themselves_are_metered_to_the_waves_energy(tmp_path: Path) -> None:
    wave, other = Square(low=50, high=190), Square(low=40, high=140)
    first = zone(tmp_path, "intel-rapl:0", "package-0", max_energy_range_uj=60_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", max_energy_range_uj=60_000_000)
    with moving({first: wave, second: other}, wrap=60_000_000):
        for _ in range(TRIES):
            meter = PowercapSource(tmp_path)
            sampler = Sampler([meter], interval_seconds=0.2)
            sampler.start()
            start = sampler.phase("one")
            # Some three wraps of package-0.
            wait_until(lambda start=start, now=sampler.now: now() > start + 1.55)
            end = sampler.phase("two")
            energy = sampler.stop().energy(start, end)
            meter.close()
            if energy.cpu_package_joules is not None:
                break
            assert any("may have started over meanwhile" in line for line in energy.warnings)
    truth = wave.joules(start, end) + other.joules(start, end)
    assert energy.cpu_package_joules == pytest.approx(truth, rel=0.05)


def test_after_a_counter_was_reset_its_power_is_known_again_and_its_joules_are_not(
    tmp_path: Path,
) -> None:
    reset = threading.Event()
    since: list[float] = []

    def resetting(now: float) -> float:
        if reset.is_set():
            since[:1] = since or [now]
            return 100 * (now - since[0])
        return 1e6 + 100 * now

    counter = Domain("package-0", "cpu", "powercap")
    sampler = Sampler([ScriptedMeter({counter: resetting})], interval_seconds=0.05)
    sampler.start()
    sampler.record_to(tmp_path)
    sampler.phase("one")
    before = sampler.recording().statistics.samples
    wait_until(lambda: sampler.recording().statistics.samples > before + 2)
    reset.set()
    before = sampler.recording().statistics.samples
    wait_until(lambda: sampler.recording().statistics.samples > before + 5)
    live = sampler.latest().watts["package-0"]
    sampler.stop()
    last = rows(tmp_path / "cpu_power.csv")[-2]
    assert float(last["power_w"]) == pytest.approx(100, rel=0.2)
    assert last["energy_j"] == ""
    assert live == pytest.approx(100, rel=0.2)


def test_before_a_start_the_steps_of_slow_counters_can_be_waited_for() -> None:
    sampler = Sampler([ScriptedMeter({GPU: lambda now: 200 * (now // 0.05 * 0.05)})])
    sampler.start()
    sampler.wait_until_located()
    series = sampler.recording().series["gpu-0"]
    sampler.stop()
    assert isinstance(series, CounterSeries)
    assert series.steps.usual_seconds == pytest.approx(0.05, abs=0.02)


def test_a_source_of_power_is_read_at_its_own_pace() -> None:
    plug = Domain("plug", "other", "plug", quantity="power", update_seconds=3600.0)
    slow, quick = ScriptedMeter({plug: lambda _: 90.0}), ScriptedMeter({POWER_GPU: lambda _: 90.0})
    sampler = Sampler([slow, quick], interval_seconds=3600)
    sampler.start()
    wait_until(lambda: quick.reads > 8)
    sampler.stop()
    assert slow.reads <= 3  # the start, the end, and one in between


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_a_load_with_the_period_of_the_samples_is_seen_also_beside_the_total(
    seconds: float,
) -> None:
    beside = Domain("module", "other", "x", in_total=False, quantity="power", update_seconds=0.05)
    wave, held = Square(200, 800, 1.0, 0.5), 0
    for seed in range(20):
        random = Random(seed)
        late = random.random()
        sampler = SimulatedSampler({beside: lambda now, late=late: wave.watts(now + late)}, random)
        sampler.run([5.0, 5.0 + seconds])
        span = sampler.series["module"].between(5.0, 5.0 + seconds)
        assert span.joules is not None
        held += abs(span.joules - 500.0 * seconds) <= sum(span.budget.values())
    assert held >= 19


def test_the_states_of_gpus_can_be_asked_for_between_two_samples() -> None:
    class WithState(ScriptedMeter):
        def environment(self) -> Sequence[GpuState]:
            return (GpuState(1, "A GPU", time.monotonic(), temperature_celsius=51.0),)

    sampler = Sampler([WithState({PACKAGE: constant(100)})], interval_seconds=3600)
    sampler.start()
    assert sampler.latest().gpus == ()
    sampler.look()
    wait_until(lambda: bool(sampler.latest().gpus))
    sampler.stop()


def test_the_step_around_the_last_edge_is_located_at_short_intervals_too() -> None:
    for _ in range(5):
        meter = ScriptedMeter({GPU: lambda now: 200 * (now // 0.1 * 0.1)})
        sampler = Sampler([meter], interval_seconds=0.02)
        sampler.start()
        end = sampler.phase("one")
        series = sampler.stop().series["gpu-0"]
        assert isinstance(series, CounterSeries)
        assert series.steps.times[-1] > end + 0.05  # two steps after it


def test_what_is_no_reading_is_a_failed_one_and_the_others_go_on() -> None:
    class Odd(ScriptedMeter):
        answers: Sequence[object] = (float("nan"), float("inf"), "12.5", True)

        def read(self) -> Sequence[Reading]:
            self.reads += 1
            answer = self.answers[self.reads % len(self.answers)]
            return [Reading("gpu-1", time.monotonic(), answer)]  # type: ignore[arg-type]

    class Odder(ScriptedMeter):
        def read(self) -> Sequence[Reading]:
            return None if self.reads else super().read()  # type: ignore[return-value]

    fine = ScriptedMeter({PACKAGE: constant(100)})
    odd = [Odd({POWER_GPU: lambda _: 1.0}), Odder({GPU: constant(300)})]
    sampler = Sampler([*odd, fine], interval_seconds=0.02)
    sampler.start()
    start = sampler.phase("one")
    wait_until(lambda: sampler.recording().statistics.samples > 12)
    end = sampler.phase("two")
    recording = sampler.stop()
    power, gpu, package = recording.energy(start, end).domains
    assert power.joules is None
    assert "which is no number" in (power.missing or "")
    assert gpu.joules is None
    assert package.joules == pytest.approx(100 * (end - start), rel=0.01)
    assert recording.warnings == ()


def test_a_slow_source_does_not_hold_up_the_quick_ones() -> None:
    class Quick(ScriptedMeter):
        quick = True

    def slowly(now: float) -> float:
        time.sleep(0.3)
        return 300.0

    rapl = Domain("package-0", "cpu", "powercap", update_seconds=0.001)
    slow = ScriptedMeter({POWER_GPU: slowly})
    sampler = Sampler([slow, Quick({rapl: constant(100)})], interval_seconds=0.2)
    sampler.start()
    start = sampler.phase("one", after_reading=True)
    wait_until(lambda: sampler.now() > start + 1.2)
    end = sampler.phase("two")
    package = sampler.stop().energy(start, end).domains[1]
    assert package.joules == pytest.approx(100 * (end - start), rel=0.01)
    assert package.uncertainty_joules is not None
    assert package.uncertainty_joules < 5


def test_a_slow_disk_holds_up_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    flush = CsvFiles.flush

    def slowly(files: CsvFiles) -> str | None:
        stuck.wait(20)
        return flush(files)

    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=0.05)
    sampler.start()
    sampler.record_to(tmp_path)
    monkeypatch.setattr(CsvFiles, "flush", slowly)
    monkeypatch.setattr("energyctl.meters.sampler.FLUSH_SECONDS", 0.05)
    sampler.phase("one")
    try:
        wait_until(lambda: sampler.recording().statistics.samples > 20)
    finally:
        stuck.set()
        sampler.stop()
    assert len(rows(tmp_path / "cpu_power.csv")) > 20


def test_a_sample_for_a_figure_so_far_is_no_edge() -> None:
    meter = ScriptedMeter({GPU: lambda now: 200 * (now // 0.1 * 0.1)})
    sampler = Sampler([meter], interval_seconds=3600)
    sampler.start()
    start = sampler.phase("one")
    wait_until(lambda: sampler.now() > start + 0.6)
    now = sampler.sample()
    so_far = sampler.recording().energy(start, now).domains[0]
    sampler.stop()
    assert so_far.joules is not None
    assert so_far.uncertainty_joules is not None
    assert abs(so_far.joules - 200 * (now - start)) <= so_far.uncertainty_joules + 0.5
    assert [phase.name for phase in sampler.recording().phases] == ["one"]


def test_the_threads_that_read_take_no_signal() -> None:
    masks: list[set[signal.Signals]] = []

    def look(now: float) -> float:
        if threading.current_thread() is not threading.main_thread():
            masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        return 100 * now

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    sampler = Sampler([ScriptedMeter({PACKAGE: look})], interval_seconds=0.02)
    sampler.start()
    wait_until(lambda: bool(masks))
    sampler.stop()
    assert {signal.SIGTERM, signal.SIGINT} <= masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_an_interval_without_a_regular_sample_has_its_edges_and_its_gap() -> None:
    sampler = Sampler([ScriptedMeter({PACKAGE: constant(100)})], interval_seconds=60)
    sampler.start()
    start = sampler.phase("one", after_reading=True)
    wait_until(lambda: sampler.now() > start + 0.4)
    end = sampler.phase("two")
    statistics = sampler.stop().energy(start, end).sampler
    assert statistics.samples >= 2
    assert statistics.max_gap_seconds == pytest.approx(end - start, abs=0.05)


def test_the_power_that_gpus_tell_is_heard_beside_their_counters() -> None:
    watts = {0: 210.0, 1: 0.0, 2: 65535.0}

    class WithStates(ScriptedMeter):
        def environment(self) -> Sequence[GpuState]:
            now = time.monotonic()
            return [
                GpuState(gpu, "A GPU", now, power_watts=told, averaging_seconds=1.0)
                for gpu, told in watts.items()
            ]

    counters = [replace(GPU, name=f"gpu-{gpu}", max_watts=800.0) for gpu in watts]
    sampler = Sampler([WithStates({c: constant(200) for c in counters})], interval_seconds=0.05)
    sampler.start()
    sampler.phase("one")
    wait_until(lambda: "gpu-0" in sampler.recording().told)
    told = sampler.stop().told
    assert set(told) == {"gpu-0"}
    assert set(told["gpu-0"].watts) == {210.0}
    assert told["gpu-0"].averaging_seconds == 1.0


def test_without_a_gpu_with_a_counter_nothing_is_heard() -> None:
    told = ToldPowers([], 1.0)
    told.edge(5.0)
    assert told.due == inf


def test_power_is_heard_often_after_an_edge_and_seldom_later() -> None:
    told, due = ToldPowers([GPU], 1.0), []
    told.edge(100.0)
    while told.due < 200:
        due.append(told.due)
        told.add([], 0.0, told.due)
    apart = [b - a for a, b in pairwise(due)]
    assert 100 <= due[0] <= 101
    assert all(0.5 <= gap <= 1.5 for gap in apart[:11])
    assert all(2.5 <= gap <= 7.5 for gap in apart[11:])
