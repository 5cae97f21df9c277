"""GPUs through the real pynvml and a stand-in for the driver's library, each in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hardware.nvml import WAVE, build, environment

PREAMBLE = """
import json, time
from energyctl.energy import Recording
from energyctl.meters import open_meters
from energyctl.meters.nvml import NvmlSource
from energyctl.meters.sampler import Sampler
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def child(library: Path, script: str, **settings: str) -> Any:
    """The JSON that `script` prints, run where the GPUs are."""
    result = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
        env=environment(library, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


DOMAINS = """
meter = NvmlSource()
print(json.dumps([[d.name, d.source, d.quantity, d.missing] for d in meter.domains()]))
"""
COUNTER = ["nvml energy counter", "energy", None]
POWER = ["nvml power", "power", None]


def test_gpus_are_metered_by_their_energy_counter(library: Path) -> None:
    assert child(library, DOMAINS) == [["gpu-0", *COUNTER], ["gpu-1", *COUNTER]]


@pytest.mark.parametrize("deny", ["", ",field:186"])
def test_a_gpu_without_a_counter_is_metered_by_its_power_and_says_so(
    library: Path, deny: str
) -> None:
    found = child(library, DOMAINS, DENY="nvmlDeviceGetTotalEnergyConsumption@1" + deny)
    assert found == [["gpu-0", *COUNTER], ["gpu-1", *POWER]]


def test_a_gpu_that_tells_nothing_is_missing_with_a_cure(library: Path) -> None:
    deny = "nvmlDeviceGetTotalEnergyConsumption@0,nvmlDeviceGetPowerUsage@0,field:186@0"
    first, second = child(library, DOMAINS, DENY=deny)
    assert "neither energy nor power" in first[3]
    assert '"gpus"' in first[3]
    assert second == ["gpu-1", *COUNTER]


def test_fields_that_a_gpu_does_not_have_are_none_one_by_one(library: Path) -> None:
    script = """
    from dataclasses import asdict
    print(json.dumps([asdict(s) for s in NvmlSource().environment()]))
    """
    first, second = child(library, script, DENY="field:82@1,nvmlDeviceGetUtilizationRates@1")
    assert first["name"] == "Fake GPU 0"
    assert (first["temperature_celsius"], first["memory_temperature_celsius"]) == (40, 55)
    assert (first["utilization_percent"], first["memory_utilization_percent"]) == (70, 30)
    assert first["power_watts"] in (WAVE.low, WAVE.high)
    assert second["temperature_celsius"] == 41
    assert second["memory_temperature_celsius"] is None
    assert second["utilization_percent"] is None


def test_without_a_driver_there_are_no_gpus_and_a_reason(tmp_path: Path) -> None:
    script = """
    meter = NvmlSource()
    print(json.dumps([len(meter.domains()), meter.unavailable]))
    """
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    count, reason = child(tmp_path, script)
    assert count == 0
    assert "no NVIDIA driver" in reason


# Edges fall anywhere into the steps of the counters, and the load switches each half second.
METERED = """
meters, _ = open_meters()
sampler = Sampler(meters, interval_seconds=0.5)
sampler.start()
start = sampler.phase("one")
time.sleep({seconds})
end = sampler.phase("two")
energy = sampler.stop().energy(start, end)
print(json.dumps([start, end, energy.to_json(), energy.warnings]))
"""


def gpus(energy: dict[str, Any]) -> dict[str, Any]:
    return {d["name"]: d for d in energy["domains"] if d["kind"] == "gpu"}


def test_energy_between_two_edges_is_the_waves_within_the_stated_uncertainty(
    library: Path,
) -> None:
    start, end, energy, _ = child(library, METERED.format(seconds=1.77))
    truth = WAVE.joules(start, end)
    for gpu in gpus(energy).values():
        assert abs(gpu["joules"] - truth) <= 2 * gpu["uncertainty_joules"]
        assert gpu["uncertainty_joules"] < 0.2 * truth
    assert energy["gpu_joules"] == pytest.approx(
        sum(gpu["joules"] for gpu in gpus(energy).values())
    )


def test_a_gpu_that_is_lost_on_the_way_has_no_energy_and_the_other_goes_on(library: Path) -> None:
    # The stand-in's epoch lies 5 s before the child starts.
    start, end, energy, warnings = child(library, METERED.format(seconds=2.5), LOST="1@7")
    first, second = gpus(energy).values()
    assert abs(first["joules"] - WAVE.joules(start, end)) <= 2 * first["uncertainty_joules"]
    assert second["joules"] is None
    assert "GPU is lost" in second["missing"]
    assert energy["gpu_joules"] is None
    assert energy["total_joules"] is None
    assert any("gpu-1" in line for line in warnings)


def test_an_unknown_gpu_is_refused_and_those_that_exist_are_named(library: Path) -> None:
    script = """
    from energyctl.errors import SettingsError
    try:
        open_meters(gpus=[0, 7])
    except SettingsError as error:
        print(json.dumps(str(error)))
    """
    message = child(library, script)
    assert "no GPU 7" in message
    assert "1 (GPU-20000000-0000-0000-0000-000000000000)" in message


def test_only_the_gpus_that_were_asked_for_are_metered(library: Path) -> None:
    script = """
    import os
    def names(**options):
        meters, _ = open_meters(**options)
        return [d.name for m in meters for d in m.domains() if d.kind == "gpu"]
    found = [names(), names(gpus=[1]), names(gpus=["GPU-1"]), names(gpus=[])]
    for value in ("1", "", "GPU-20000000,0", "0,9,1"):
        os.environ["CUDA_VISIBLE_DEVICES"] = value
        found.append(names())
    found.append(names(gpus=[0]))
    print(json.dumps(found))
    """
    both = ["gpu-0", "gpu-1"]
    assert child(library, script) == [
        both,
        ["gpu-1"],
        ["gpu-0"],
        [],
        ["gpu-1"],
        [],
        both,
        ["gpu-0"],
        ["gpu-0"],
    ]
