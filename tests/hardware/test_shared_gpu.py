"""The shared GPU tells the truth: its parts add up, and to what the trainings on it asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from bench import wait_for
from hardware.shared_gpu import Parts, SharedGpu, SharingTruth, shared_gpu, training

HEAVY = {"watts": 300, "busy": 20, "host": 5}
LIGHT = {"watts": 150, "busy": 12, "host": 8}
SLEEPER = {"busy": 0, "host": 20}


@contextmanager
def started(gpu: SharedGpu, *commands: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Trainings that are ended with the block."""
    env = {**os.environ, **gpu.environment}
    began = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    try:
        yield began
    finally:
        for process in began:
            process.kill()
            process.communicate()


def ended(gpu: SharedGpu, *commands: list[str]) -> tuple[SharingTruth, list[str]]:
    """The truth once the first of them is done, and what that printed."""
    with started(gpu, *commands) as (first, *_):
        out, _ = first.communicate(timeout=60)
        assert first.returncode == 0
    return noted(gpu, len(commands)), out.splitlines()


def noted(gpu: SharedGpu, clients: int) -> SharingTruth:
    """The truth a moment after so many clients have all gone."""
    now = time.time()

    def later() -> SharingTruth | None:
        truth = gpu.truth()
        gone = all(truth.span(client)[1] < now + 0.1 for client in truth.clients)
        return truth if truth.end > now + 0.1 and gone else None

    truth: SharingTruth = wait_for(later, "the truth")
    assert len(truth.clients) == clients
    return truth


def life(truth: SharingTruth, name: str) -> Parts:
    """From the begin to the end of that client."""
    (client,) = (client for client in truth.clients if client.name == name)
    return truth.between(*truth.span(client))


def on(gpu: SharedGpu, script: str) -> Any:
    """The JSON that a script prints which asks the GPU."""
    opening = "import json, time, pynvml as nvml; nvml.nvmlInit()\n"
    opening += "gpu = nvml.nvmlDeviceGetHandleByIndex(0)\n"
    done = subprocess.run(
        [sys.executable, "-c", opening + script],
        env={**os.environ, **gpu.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_training_alone_takes_the_time_and_the_energy_that_it_says() -> None:
    with shared_gpu() as gpu:
        truth, lines = ended(gpu, training("heavy", units=60, **HEAVY))
    assert lines == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "Accuracy: 91.5"]
    parts = life(truth, "heavy")
    assert parts.kernels["heavy"] == pytest.approx(60 * 0.02 * 300)
    assert parts.busy_seconds["heavy"] == pytest.approx(60 * 0.02)
    assert parts.context_seconds["heavy"] >= 60 * 0.025


def test_a_second_stage_has_its_own_watts() -> None:
    with shared_gpu() as gpu:
        command = training("heavy", units=40, after=10, then_watts=100, **HEAVY)
        truth, _ = ended(gpu, command)
    assert life(truth, "heavy").kernels["heavy"] == pytest.approx(0.02 * (10 * 300 + 30 * 100))


WORLDS = {
    "timeslice": {},
    "cap": {"limit": 200},
    "contend": {"factors": "heavy 1.1 0.9 light 0.9 0.95"},
    "mps": {},
}


STEPS = """
steps, last = [], nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
while len(steps) < COUNT:
    now = nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    if now != last:
        steps.append([time.time(), now / 1000])
    last = now
print(json.dumps(steps))"""


@pytest.mark.parametrize("world", WORLDS)
def test_the_parts_add_up_to_what_the_counter_shows(world: str) -> None:
    with shared_gpu(world, **WORLDS[world]) as gpu:
        # Nobody is there at both ends: when the counter is read does not matter much.
        ((start, before),) = on(gpu, f"COUNT = 1{STEPS}")
        commands = training("heavy", units=80, **HEAVY), training("light", forever=1, **LIGHT)
        ended(gpu, *commands)
        ((end, after),) = on(gpu, f"COUNT = 1{STEPS}")
        truth = noted(gpu, 2)
    parts = truth.between(start, end)
    whole = parts.idle + parts.context + sum(parts.kernels.values())
    assert parts.total == pytest.approx(whole, abs=1e-4)
    assert sum(parts.contexts.values()) == pytest.approx(parts.context, abs=1e-4)
    assert after - before == pytest.approx(parts.total, rel=0.01)


def test_the_counter_is_not_late() -> None:
    with shared_gpu() as gpu:
        ((start, before),) = on(gpu, f"COUNT = 1{STEPS}")
        with started(gpu, training("steady", forever=1, watts=300, busy=20, host=0)):
            wait_for(lambda: all_there(gpu, 1, 0.2), "the training")
            steps = on(gpu, f"COUNT = 5{STEPS}")
        truth = noted(gpu, 1)
    # 410 W. The machine may be busy when a step is looked for, but not each time.
    late = [truth.joules("total", start, time) - (joules - before) for time, joules in steps]
    assert -2 < min(late) < 20
    apart = [after - before for (_, before), (_, after) in pairwise(steps)]
    assert apart == pytest.approx([41.0] * 4, rel=0.01)


def test_time_slices_cost_each_its_watts_while_it_is_busy() -> None:
    with shared_gpu() as gpu:
        commands = training("heavy", units=80, **HEAVY), training("light", forever=1, **LIGHT)
        truth, _ = ended(gpu, *commands)
    for client in truth.clients:
        parts = truth.between(*truth.span(client))
        watts = {"heavy": 300, "light": 150}[client.name]
        busy = parts.busy_seconds[client.name]
        assert parts.kernels[client.name] == pytest.approx(watts * busy, abs=1e-3)
    heavy = life(truth, "heavy")
    assert heavy.kernels["heavy"] == pytest.approx(80 * 0.02 * 300)
    assert heavy.context_seconds["heavy"] > 1.2 * 80 * 0.025  # it waited for its turns


@pytest.mark.parametrize("world", WORLDS)
def test_twins_use_as_much_and_a_sleeper_nothing(world: str) -> None:
    with shared_gpu(world, **WORLDS[world]) as gpu:
        sleeper = training("sleeper", forever=1, **SLEEPER)
        twins = [training(name, forever=1, **HEAVY) for name in ("twin", "other")]
        with started(gpu, *twins, sleeper):
            truth = wait_for(lambda: all_there(gpu, 3, 2.0), "two seconds of all three")
    start = max(truth.span(client)[0] for client in truth.clients)
    parts = truth.between(start, start + 2.0)
    assert parts.kernels["twin"] == pytest.approx(parts.kernels["other"], rel=0.02)
    assert parts.kernels["twin"] > 50
    assert parts.kernels["sleeper"] == 0
    assert (parts.idle, parts.context) == pytest.approx((2.0 * 70, 2.0 * 40), rel=1e-3)
    for side in ("twin", "other", "sleeper"):
        assert parts.contexts[side] == pytest.approx(parts.context / 3, rel=1e-3)


def all_there(gpu: SharedGpu, clients: int, seconds: float) -> SharingTruth | None:
    truth = gpu.truth()
    if len(truth.clients) < clients:
        return None
    return truth if truth.end - max(truth.span(c)[0] for c in truth.clients) > seconds else None


def test_a_client_that_is_killed_is_gone_at_once() -> None:
    listing = "print(json.dumps([p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)]))"
    with shared_gpu() as gpu, started(gpu, training("heavy", forever=1, **HEAVY)) as (heavy,):
        wait_for(lambda: on(gpu, listing) == [heavy.pid], "the training on the GPU")
        heavy.kill()
        killed = time.time()
        heavy.wait()
        assert on(gpu, listing) == []
        truth = noted(gpu, 1)
    (client,) = truth.clients
    assert truth.span(client)[1] == pytest.approx(killed, abs=0.1)
    assert truth.between(killed + 0.1, truth.end).context == 0


def test_factors_act_only_while_another_is_there() -> None:
    factors = "heavy 1.5 0.5 light 1 1"
    with shared_gpu("contend", factors=factors) as gpu:
        alone, _ = ended(gpu, training("heavy", units=40, **HEAVY))
    assert life(alone, "heavy").kernels["heavy"] == pytest.approx(40 * 0.02 * 300)
    with shared_gpu("contend", factors=factors) as gpu:
        commands = training("heavy", units=40, **HEAVY), training("light", forever=1, **LIGHT)
        together, _ = ended(gpu, *commands)
    # At half the speed twice as long, at one and a half times the power.
    heavy = life(together, "heavy").kernels["heavy"]
    assert heavy == pytest.approx(3 * 40 * 0.02 * 300, rel=0.1)


def test_a_power_limit_holds_power_and_clock_down() -> None:
    script = """
reasons, mhz = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu), nvml.nvmlDeviceGetClockInfo(gpu, 1)
watts, limit = nvml.nvmlDeviceGetPowerUsage(gpu), nvml.nvmlDeviceGetPowerManagementLimit(gpu)
print(json.dumps([reasons, mhz, watts / 1000, limit / 1000]))"""
    with shared_gpu("cap", limit=250) as gpu, started(gpu, training("heavy", forever=1, **HEAVY)):
        wait_for(lambda: all_there(gpu, 1, 4.0), "four seconds of it")
        reasons, mhz, watts, limit = on(gpu, script)
    assert (reasons, limit) == (4, 250)
    assert watts == pytest.approx(250, rel=0.05)
    assert 600 < mhz < 1500


def test_overlapping_kernels_draw_less_than_the_sum_of_both() -> None:
    with shared_gpu("mps") as gpu:
        commands = [training(name, forever=1, busy=20, host=0, watts=200) for name in ("a", "b")]
        with started(gpu, *commands):
            truth = wait_for(lambda: all_there(gpu, 2, 1.0), "a second of both")
    start = max(truth.span(client)[0] for client in truth.clients)
    parts = truth.between(start, start + 1.0)
    # x = 200/(600 - 200) of each.
    assert sum(parts.kernels.values()) == pytest.approx(600 * 1 / (1 + 1), rel=1e-3)
    assert parts.busy_seconds["a"] == pytest.approx(1.0, rel=1e-3)


UTILIZATION = """
began = int(time.time() * 1e6)
time.sleep(2.1)
samples = nvml.nvmlDeviceGetProcessUtilization(gpu, began)
print(json.dumps([[s.pid, s.timeStamp / 1e6, s.smUtil] for s in samples]))"""


def test_samples_and_accounts_tell_how_busy_each_is() -> None:
    accounts = """
stats = {p: nvml.nvmlDeviceGetAccountingStats_v2(gpu, p) for p in PIDS}
print(json.dumps([[s.sumGpuUtil, s.sampleCount, s.isRunning, s.time] for s in stats.values()]))"""
    with shared_gpu() as gpu:
        commands = training("heavy", units=200, **HEAVY), training("light", forever=1, **LIGHT)
        with started(gpu, *commands) as processes:
            heavy, light = (process.pid for process in processes)
            wait_for(lambda: all_there(gpu, 2, 0.5), "both")
            samples = on(gpu, UTILIZATION)
            processes[0].wait()
        truth = noted(gpu, 2)
        told = on(gpu, f"PIDS = {[heavy, light]}{accounts}")
        assert sorted(
            on(gpu, "print(json.dumps(nvml.nvmlDeviceGetAccountingPids(gpu)))")
        ) == sorted([heavy, light])
    for pid in (heavy, light):
        rows = [row for row in samples if row[0] == pid]
        assert len(rows) in (10, 11)
        (client,) = (client for client in truth.clients if client.pid == pid)
        busy = truth.between(rows[0][1] - 0.2, rows[-1][1]).busy_seconds[client.name]
        assert 0.002 * sum(row[2] for row in rows) == pytest.approx(busy, abs=0.001 * len(rows))
        percents, count, running, milliseconds = told[[heavy, light].index(pid)]
        start, end = truth.span(client)
        assert 0.002 * percents == pytest.approx(
            truth.between(start, end).busy_seconds[client.name], abs=0.001 * count
        )
        assert (running, milliseconds) == (0, pytest.approx(1000 * (end - start), abs=2))


def test_samples_are_lost_where_that_is_asked_for() -> None:
    quiet = shared_gpu(loss=0.5, accounting=0)
    with quiet as gpu, started(gpu, training("heavy", forever=1, **HEAVY)) as (heavy,):
        wait_for(lambda: all_there(gpu, 1, 0.5), "the training")
        samples = on(gpu, UTILIZATION)
        assert on(gpu, "print(nvml.nvmlDeviceGetAccountingMode(gpu))") == 0
    assert 0 < len(samples) < 10
    assert {row[0] for row in samples} == {heavy.pid}
