"""What goes wrong with counters gives no figure, and the reason; it never gives 0, nor a guess.

Each scenario is a process of its own, metered in a world whose energy is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hardware.compiled import library_folder
from hardware.nvml import environment
from hardware.powercap import Motion, moved, zone
from hardware.waveform import Constant, Square
from hardware.world import Load, world

METERED = """
import ctypes, json, os, re, sys, time
from energyctl.meters import open_meters
from energyctl.meters.sampler import Sampler

if sys.argv[2] == "unprivileged":
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
        raise SystemExit("the capabilities cannot be dropped")
def from_now(match):
    return str(time.time() - float(os.environ["FAKE_EPOCH"]) + float(match[1]))
names = [n for n, text in os.environ.items() if n.startswith("FAKE_") and "+" in text]
later = {name: os.environ.pop(name) for name in names}
meters, warnings = open_meters()
for name, text in later.items():
    os.environ[name] = re.sub(r"\\+([0-9.]+)", from_now, text)
sampler = Sampler(meters, interval_seconds=0.2)
sampler.start()
sampler.wait_until_located()
start = sampler.phase("one")
print("it meters", flush=True)
sys.stdin.readline()
time.sleep(float(sys.argv[1]))
end = sampler.phase("two")
recording = sampler.stop()
for meter in meters:
    meter.close()
energy = recording.energy(start, end)
warnings += [*energy.warnings, *recording.warnings]
print(json.dumps([start, end, energy.to_json(), warnings]))
"""
WAVE = Square(low=50, high=190, period=0.3)
GPU_WAVE = Square(low=80, high=300)


@dataclass(frozen=True)
class Metered:
    """What came of one interval. start, end: Unix seconds."""

    start: float
    end: float
    energy: dict[str, Any]
    warnings: list[str]

    def domain(self, name: str) -> dict[str, Any]:
        (found,) = [d for d in self.energy["domains"] if d["name"] == name]
        return dict(found)

    def assert_unknown(self, name: str, *reasons: str) -> None:
        """No figure for the domain nor for what it belongs to, and the reason in a warning."""
        domain = self.domain(name)
        assert domain["joules"] is None
        assert domain["uncertainty_joules"] is None
        assert self.energy["total_joules"] is None
        for reason in reasons:
            assert reason in domain["missing"]
        assert any(name in line for line in self.warnings)

    def assert_true(self, name: str, wave: Constant | Square) -> None:
        """The figure is the truth, as far as it says that it is, and that is not far off.

        2 %: a busy machine may move a counter late.
        """
        truth = wave.joules(self.start, self.end)
        domain = self.domain(name)
        assert domain["missing"] is None
        assert abs(domain["joules"] - truth) <= domain["uncertainty_joules"] + 0.02 * truth
        assert domain["uncertainty_joules"] < truth / 2


def metered(
    env: Mapping[str, str],
    seconds: float = 2.0,
    rights: str = "as they are",
    meanwhile: Callable[[], object] = lambda: None,
) -> Metered:
    """Meters until `seconds` after `meanwhile`, long enough that an edge read late, on a busy
    machine, is a small part of it. "+1.5" in a setting of the GPUs' stand-in becomes
    the instant so long after the sources are opened.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", METERED, str(seconds), rights],
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline():
        meanwhile()
    output, errors = process.communicate("go\n", timeout=60)
    assert process.returncode == 0, errors
    return Metered(*json.loads(output))


def cpu_only(root: Path) -> dict[str, str]:
    nothing = {"CUDA_VISIBLE_DEVICES": "", "ENERGYCTL_PERF": str(root / "none")}
    return environment(root) | {"ENERGYCTL_POWERCAP": str(root), **nothing}


def gpus_only(tmp_path: Path, **settings: str) -> dict[str, str]:
    nothing = {"ENERGYCTL_POWERCAP": str(tmp_path), "ENERGYCTL_PERF": str(tmp_path)}
    return environment(library_folder(), **{"WAVE": GPU_WAVE.spec, **settings}) | nothing


def test_counters_that_only_root_may_read_are_unknown_and_the_estimate_is_called_one(
    tmp_path: Path,
) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0")
    (package / "energy_uj").chmod(0)
    with moved({zone(tmp_path, "intel-rapl:1", "package-1"): Motion(WAVE)}):
        result = metered(cpu_only(tmp_path), rights="unprivileged")
    result.assert_unknown("package-0", "root")
    result.assert_true("package-1", WAVE)
    assert result.energy["cpu_package_joules"] is None


def test_no_counter_that_may_be_read_leaves_an_estimate_that_is_called_one(
    tmp_path: Path,
) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj").chmod(0)
    result = metered(cpu_only(tmp_path), seconds=0.1, rights="unprivileged")
    assert result.domain("package-0")["joules"] is None
    assert result.energy["cpu_package_joules"] is None
    assert result.energy["measured"] is False
    assert any("estimated, not measured" in line for line in result.warnings)


def test_a_counter_that_jumps_back_has_no_energy_and_the_other_package_goes_on(
    tmp_path: Path,
) -> None:
    first, second = (zone(tmp_path, f"intel-rapl:{i}", f"package-{i}") for i in (0, 1))
    with ExitStack() as before, ExitStack() as after:
        after.enter_context(moved({second: Motion(WAVE)}))
        before.enter_context(moved({first: Motion(WAVE, base=9_000_000_000)}))

        def fall() -> None:
            before.close()
            after.enter_context(moved({first: Motion(WAVE, base=1_000_000_000)}))

        result = metered(cpu_only(tmp_path), meanwhile=fall)
    result.assert_unknown("package-0", "the counter went back")
    result.assert_true("package-1", WAVE)


def test_a_counter_that_starts_over_before_its_stated_range_has_no_energy(
    tmp_path: Path,
) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0")
    with moved({package: Motion(WAVE, wraps_at=40_000_000)}):  # each third of a second
        result = metered(cpu_only(tmp_path))
    result.assert_unknown("package-0", "the counter went back")


def test_wraps_are_counted_from_the_first_instant_on(tmp_path: Path) -> None:
    limit = {"max_energy_range_uj": 90_000_000, "constraint_0_max_power_uw": 190_000_000}
    package = zone(tmp_path, "intel-rapl:0", "package-0", **limit)
    with moved({package: Motion(WAVE, wraps_at=90_000_000)}) as mover:  # each 0.75 s
        for _ in range(5):  # a busy machine may read too late, which it notices
            result = metered(cpu_only(tmp_path))
            if result.energy["cpu_package_joules"] is not None:
                break
            result.assert_unknown("package-0", "may have started over meanwhile")
    wraps = [WAVE.joules(mover.epoch, t) // 90 for t in (result.start, result.end)]
    assert wraps[1] - wraps[0] >= 2
    result.assert_true("package-0", WAVE)


def test_a_counter_without_a_stated_range_is_metered_as_long_as_it_does_not_wrap(
    tmp_path: Path,
) -> None:
    plain, wrapping = (zone(tmp_path, f"intel-rapl:{i}", f"package-{i}") for i in (0, 1))
    for package in (plain, wrapping):
        (package / "max_energy_range_uj").unlink()
    with moved({plain: Motion(WAVE), wrapping: Motion(WAVE, wraps_at=40_000_000)}):
        result = metered(cpu_only(tmp_path))
    result.assert_true("package-0", WAVE)
    result.assert_unknown("package-1", "the counter went back")


@pytest.mark.parametrize("call", ["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetName"])
def test_an_nvml_call_that_fails_on_one_gpu_costs_that_figure_alone(
    tmp_path: Path, call: str
) -> None:
    result = metered(gpus_only(tmp_path, DENY=f"{call}@1"))
    result.assert_true("gpu-0", GPU_WAVE)
    assert result.domain("gpu-1")["joules"] > 0
    counts = result.domain("gpu-1")["source"] == "nvml energy counter"
    assert counts is (call == "nvmlDeviceGetName")


def test_a_gpu_that_tells_nothing_leaves_the_other_and_no_sum(tmp_path: Path) -> None:
    deny = "nvmlDeviceGetTotalEnergyConsumption@1,nvmlDeviceGetPowerUsage@1,field:186@1"
    result = metered(gpus_only(tmp_path, DENY=deny))
    result.assert_unknown("gpu-1", "neither energy nor power")
    result.assert_true("gpu-0", GPU_WAVE)
    assert result.energy["gpu_joules"] is None


def test_a_gpu_that_is_lost_leaves_the_other_and_no_sum(tmp_path: Path) -> None:
    result = metered(gpus_only(tmp_path, LOST="0@+0.8"))
    result.assert_unknown("gpu-0", "GPU is lost")
    result.assert_true("gpu-1", GPU_WAVE)
    assert result.energy["gpu_joules"] is None


def test_a_gpu_counter_that_starts_over_has_no_energy(tmp_path: Path) -> None:
    result = metered(gpus_only(tmp_path, RESET_0="+0.8"))
    result.assert_unknown("gpu-0", "the counter went back")
    result.assert_true("gpu-1", GPU_WAVE)


def test_a_counter_that_stands_still_is_not_0_joules(tmp_path: Path) -> None:
    first, second = (zone(tmp_path, f"intel-rapl:{i}", f"package-{i}") for i in (0, 1))
    with moved({second: Motion(WAVE), first: Motion(WAVE, base=1_000_000, fault="still@0")}):
        result = metered(cpu_only(tmp_path))
    result.assert_unknown("package-0")
    result.assert_true("package-1", WAVE)


def test_a_gpu_counter_that_stands_still_is_not_0_joules(tmp_path: Path) -> None:
    result = metered(gpus_only(tmp_path, STILL_0="+0"))
    result.assert_unknown("gpu-0")
    result.assert_true("gpu-1", GPU_WAVE)


def test_of_all_that_a_server_shows_each_joule_is_in_the_total_once() -> None:
    load = Load(packages=(WAVE, Constant(70)), dram=Constant(15), gpus=(GPU_WAVE, Constant(200)))
    with world(load) as place:
        result = metered(place.environment)
    truth = load.joules(result.start, result.end)
    assert result.energy["total_joules"] == pytest.approx(sum(truth.values()), rel=0.05)
    counted = {d["name"] for d in result.energy["domains"] if d["in_total"]}
    assert counted == {"package-0", "package-1", "dram-0", "gpu-0", "gpu-1"}
    for beside in ("package-0-mmio", "psys", "core-0"):
        assert result.domain(beside)["joules"] > 0
