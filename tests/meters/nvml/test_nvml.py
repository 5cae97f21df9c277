"""GPUs through the real pynvml and a stand-in for the driver's library, each in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
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
    average = [] if deny else [["gpu-1-average", *POWER]]  # it checks the instant power
    assert found == [["gpu-0", *COUNTER], ["gpu-1", *POWER], *average]


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


AVERAGING = """
meter = NvmlSource()
print(json.dumps([[d.averaging_seconds, d.update_seconds] for d in meter.domains()]))
"""
NO_COUNTER = "nvmlDeviceGetTotalEnergyConsumption"
AVERAGE_ONLY = f"{NO_COUNTER},field:186"


@pytest.mark.parametrize(
    ("settings", "averaging"),
    [
        ({"DENY": NO_COUNTER, "ARCHITECTURE": "6"}, 0.0),  # the instant power
        ({"DENY": AVERAGE_ONLY, "ARCHITECTURE": "6"}, 0.0),  # Turing
        ({"DENY": AVERAGE_ONLY, "ARCHITECTURE": "7"}, 1.0),  # Ampere
        ({"DENY": AVERAGE_ONLY, "ARCHITECTURE": "7", "DEVICE": "0x20b5"}, 0.0),  # GA100
        ({"DENY": AVERAGE_ONLY, "ARCHITECTURE": "9"}, 1.0),  # Hopper
        ({"DENY": f"{AVERAGE_ONLY},nvmlDeviceGetArchitecture"}, 1.0),  # unknown
    ],
)
def test_power_that_is_a_mean_says_over_how_long(
    library: Path, settings: dict[str, str], averaging: float
) -> None:
    found = child(library, AVERAGING, **settings)
    assert found == [[averaging, 0.1]] * 2


MIG = """
import os
os.environ.update({environment!r})
meters, warnings = open_meters(gpus={gpus!r})
states = [s for m in meters for s in m.environment()]
names = [d.name for m in meters for d in m.domains() if d.kind == "gpu" and not d.missing]
print(json.dumps([names, [s.utilization_percent for s in states], warnings]))
"""


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "MIG-11100000-0000-0000-0000-000000000000"}, None),
        ({"CUDA_VISIBLE_DEVICES": "MIG-GPU-20000000-0000-0000-0000-000000000000/1/0"}, None),
        ({}, ["MIG-11000000-0000-0000-0000-000000000000"]),
    ],
)
def test_a_gpu_that_mig_splits_is_metered_as_a_whole_and_says_so(
    library: Path, environment: dict[str, str], gpus: list[str] | None
) -> None:
    script = MIG.format(environment=environment, gpus=gpus)
    names, utilization, warnings = child(library, script, MIG="1:2")
    assert names == ["gpu-1"]
    assert utilization == [None]
    assert any("GPU 1 (Fake GPU 1) is split by MIG" in line for line in warnings)


def test_a_mig_device_is_found_by_its_uuid_alone(library: Path) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "MIG-11100000-0000-0000-0000-000000000000"}
    deny = "nvmlDeviceGetMigDeviceHandleByIndex"
    script = MIG.format(environment=environment, gpus=None)
    names, _, _ = child(library, script, MIG="1:2", DENY=deny)
    assert names == ["gpu-1"]


def test_gpus_of_different_models_warn_that_cuda_may_count_them_otherwise(library: Path) -> None:
    script = MIG.format(environment={"CUDA_VISIBLE_DEVICES": "0"}, gpus=None)
    _, _, warnings = child(library, script, NAME_0="T400", NAME_1="A100")
    assert any("CUDA_DEVICE_ORDER=PCI_BUS_ID" in line for line in warnings)
    _, _, warnings = child(library, script, NAME="A100")
    assert not any("CUDA_DEVICE_ORDER" in line for line in warnings)


PROCESSES = """
from energyctl.meters import GpuProcess
from energyctl.meters.base import NotReported
(meter,) = [m for m in open_meters()[0] if m.name == "nvml"]
try:
    known, reason = meter.processes(), None
except NotReported as error:
    known, reason = error.processes, str(error)
print(json.dumps([sorted(known), reason]))
"""


@pytest.fixture
def seats(tmp_path: Path) -> str:
    """Two processes on GPU 0, one of them with two kinds of context, and one on GPU 1."""
    path = tmp_path / "processes"
    path.write_text("0 11 100 c\n0 11 300 g\n0 12 -1 g\n1 13 5 c\n")
    return str(path)


ON_GPU_0 = [[0, 11, 300 << 20], [0, 12, None]]


def test_processes_are_those_with_a_compute_or_a_graphics_context(
    library: Path, seats: str
) -> None:
    found, reason = child(library, PROCESSES, PROCESSES=seats)
    assert found == [*ON_GPU_0, [1, 13, 5 << 20]]
    assert reason is None


def test_one_kind_of_context_that_is_not_told_loses_nothing_else(library: Path, seats: str) -> None:
    deny = "nvmlDeviceGetGraphicsRunningProcesses_v3@1"
    found, reason = child(library, PROCESSES, PROCESSES=seats, DENY=deny)
    assert found == [*ON_GPU_0, [1, 13, 5 << 20]]
    assert reason is None


def test_a_gpu_that_does_not_tell_its_processes_is_named_and_the_others_are_kept(
    library: Path, seats: str
) -> None:
    kinds = ("Compute", "Graphics")
    deny = ",".join(f"nvmlDeviceGet{kind}RunningProcesses_v3@1" for kind in kinds)
    found, reason = child(library, PROCESSES, PROCESSES=seats, DENY=deny)
    assert found == ON_GPU_0
    assert "GPU 1 (Fake GPU 1) does not report its processes: Not Supported" in reason


def test_a_counter_that_comes_to_stand_still_gives_no_energy(library: Path) -> None:
    # The stand-in's epoch lies 5 s before the child starts.
    script = METERED.format(seconds=4.0)
    _, _, energy, warnings = child(library, script, STILL_1="6.5")
    first, second = gpus(energy).values()
    assert first["joules"] > 0
    assert second["joules"] is None
    assert "stood still" in second["missing"]
    assert any("gpu-1" in line for line in warnings)


def test_a_gpu_that_is_lost_loses_its_own_state_and_processes_alone(
    library: Path, seats: str
) -> None:
    script = """
    from energyctl.meters.base import NotReported
    meter = NvmlSource()
    deadline = time.monotonic() + 30
    while meter.read()[1].reason is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first, second = meter.environment()
    try:
        meter.processes()
    except NotReported as error:
        known, reason = sorted(error.processes), str(error)
    print(json.dumps([first.temperature_celsius, second.temperature_celsius, known, reason]))
    """
    # The stand-in's epoch lies 5 s before the child starts.
    first, second, known, reason = child(library, script, LOST="1@7", PROCESSES=seats)
    assert (first, second) == (40, None)
    assert known == ON_GPU_0
    assert "GPU is lost" in reason


UTILIZATION = """
import time
(meter,) = [m for m in open_meters()[0] if m.name == "nvml"]
def ask():
    found = meter.utilization()
    return [sorted(found.processes), found.gpus, dict(found.missing)]
def ask_until(enough):
    deadline = time.monotonic() + 20
    while not enough(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer
"""


def busy(path: Path, *rows: str) -> str:
    """A file that says who is busy: rows "GPU PID PERCENT FROM TO"."""
    path.write_text("".join(f"{row}\n" for row in rows))
    return str(path)


def test_utilization_is_of_each_process_since_the_last_question(
    library: Path, tmp_path: Path
) -> None:
    now = time.time()
    rows = f"0 11 80 {now - 60} 0", f"0 12 50 {now - 60} {now - 2}", f"1 13 40 {now - 60} 0"
    script = UTILIZATION + textwrap.dedent("""
    before = time.monotonic()
    first = ask()
    second = ask_until(lambda answer: len(answer[0]) == 2)
    again = ask()
    print(json.dumps([before, first, second, again]))
    """)
    before, first, second, again = child(
        library, script, UTILIZATION=busy(tmp_path / "busy", *rows)
    )
    assert [(gpu, pid) for gpu, pid, _, _ in first[0]] == [(0, 11), (0, 12), (1, 13)]
    (_, _, late, high), (_, _, early, low), _ = first[0]
    assert before - 1 < late <= before + 1  # on the clock that asked
    assert early < before - 1.5
    assert high == 80
    assert 0 < low < 50  # busy for a part of the time alone
    assert [(gpu, pid, percent) for gpu, pid, _, percent in second[0]] == [(0, 11, 80), (1, 13, 40)]
    assert second[0][0][2] > late
    assert [answer[1:] for answer in (first, second, again)] == [[[0, 1], {}]] * 3


def test_a_gpu_that_does_not_tell_who_is_busy_is_named_and_the_others_are_kept(
    library: Path, tmp_path: Path
) -> None:
    path = busy(tmp_path / "busy", "0 11 80 0 0", "1 12 70 0 0", "0 0 60 0 0", "0 14 4711 0 0")
    script = UTILIZATION + "print(json.dumps(ask()))"
    deny = "nvmlDeviceGetProcessUtilization@1"
    found, told, untold = child(library, script, UTILIZATION=path, DENY=deny)
    # What some drivers pad their answers with is none.
    assert [(gpu, pid) for gpu, pid, _, _ in found] == [(0, 11)]
    assert told == [0]
    assert untold == {
        "1": "GPU 1 (Fake GPU 1) does not report the utilisation of each process: Not Supported"
    }


def test_gpus_on_which_nobody_is_busy_say_so(library: Path) -> None:
    assert child(library, UTILIZATION + "print(json.dumps(ask()))") == [[], [0, 1], {}]
