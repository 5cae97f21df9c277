"""Which AMD GPUs are metered, their state, and who is on them; see test_energy.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hardware import nvml
from hardware.amdsmi import ADDRESSES, COUNTER, DOMAINS, FIRST, SECOND, Machine, options


@pytest.mark.parametrize(
    "order", [{"HIP_0": "1", "HIP_1": "0"}, {"HIP": "-1", "NODE_0": "9", "NODE_1": "4"}]
)
def test_gpus_are_counted_as_hip_counts_them(machine: Machine, order: dict[str, str]) -> None:
    domains, parts, *_ = machine.child(DOMAINS, environ=options(gpus=[0]), **order)
    assert domains == [["gpu-0", *COUNTER]]
    assert parts == [SECOND]
    domains, parts, *_ = machine.child(DOMAINS, environ={"HIP_VISIBLE_DEVICES": "1"}, **order)
    assert (domains[0][0], parts) == ("gpu-1", [FIRST])


def test_a_gpu_that_is_not_there_is_a_mistake_in_the_settings(machine: Machine) -> None:
    script = """
    from energyctl.errors import SettingsError
    try:
        open_meters(gpus=[5])
    except SettingsError as error:
        print(json.dumps(str(error)))
    """
    assert machine.child(script).startswith('"gpus": there is no GPU 5; this machine has 0 (0000:')


def test_beside_nvidia_gpus_numbers_begin_at_100(machine: Machine, tmp_path: Path) -> None:
    libraries = f"{machine.library}:{nvml.build(tmp_path)}"
    (tmp_path / "nvidia" / "0000:01:00.0").mkdir(parents=True)
    script = """
    found = []
    for gpus in (None, [1, 100], [0]):
        meters, _ = open_meters(gpus=gpus)
        found.append([d.name for m in meters for d in m.domains() if d.kind == "gpu"])
        states = [s.gpu for m in meters for s in m.environment()]
    print(json.dumps([*found, states]))
    """
    environ = {
        "LD_LIBRARY_PATH": libraries,
        "NVIDIA": str(tmp_path / "nvidia"),
        "CUDA_VISIBLE_DEVICES": "0",
    }
    assert machine.child(script, environ=environ) == [
        ["gpu-0", "gpu-100", "gpu-101"],  # CUDA_VISIBLE_DEVICES is NVIDIA's there
        ["gpu-1", "gpu-100"],
        ["gpu-0"],
        [0],
    ]


STATES = """
from dataclasses import asdict
(meter,), _ = opened()
looks = [[asdict(s) for s in meter.environment()]]
from energyctl.meters.amdsmi import device
device.CLOCKS_SECONDS = 0
looks.append([asdict(s) for s in meter.environment()])
print(json.dumps([looks, {g: list(d) for g, d in meter.devices().items()}]))
"""


def test_fields_that_a_gpu_does_not_have_are_none_one_by_one(machine: Machine) -> None:
    deny = "temperature:0@1,temperature:2@1,amdsmi_get_gpu_activity@1,amdsmi_get_clock_info@1"
    settings = {"DENY": deny, "POWER_1": "none", "RESIDENCY_0": "ppt", "THROTTLE_1": "1"}
    (_, (first, second)), devices = machine.child(STATES, **settings)
    assert first["name"] == "AMD Instinct MI300X"
    assert (first["temperature_celsius"], first["memory_temperature_celsius"]) == (40, 55)
    assert (first["utilization_percent"], first["memory_utilization_percent"]) == (70, 30)
    assert (first["power_watts"], first["averaging_seconds"]) == (200, 0)
    assert (first["sm_mhz"], first["memory_mhz"], first["limits"]) == (2100, 1300, ["power_cap"])
    assert second["temperature_celsius"] == 51  # of its hottest spot, where the edge is not told
    assert second["memory_temperature_celsius"] is None
    assert second["utilization_percent"] is None
    assert (second["power_watts"], second["sm_mhz"]) == (None, None)
    assert second["limits"] == ["slowdown"]
    assert devices == {"0": [70, 2100]}


PROCESSES = """
from energyctl.meters import NotReported
(meter,), _ = opened(gpus=[0])
def told(ask):
    try:
        return ask()
    except NotReported as error:
        return str(error)
print(json.dumps([told(meter.processes), told(meter.unmetered_processes), told(meter.busy)]))
"""


def test_who_computes_on_a_gpu_is_told_and_for_how_long_is_not(
    machine: Machine, tmp_path: Path
) -> None:
    listed = tmp_path / "processes"
    listed.write_text("0 41 100\n0 42 0\n1 43 8\n")  # 42 has opened it only
    processes, others, busy = machine.child(PROCESSES, PROCESSES=str(listed))
    assert processes == [[0, 41, 100 * 2**20]]
    assert others == [[1, 43, 8 * 2**20]]
    assert busy[0] == []
    assert "does not report how long each process keeps it busy: of what ROCm" in busy[1]["0"]


def test_a_driver_without_a_list_of_processes_says_so(machine: Machine) -> None:
    processes, others, busy = machine.child(PROCESSES, DENY="amdsmi_get_gpu_process_list")
    assert "GPU 0 (AMD Instinct MI300X) does not report its processes" in processes
    assert others == []
    assert "does not report its processes" in busy[1]["0"]


def test_what_reaches_a_gpu_by_drm_is_told_by_process(machine: Machine, tmp_path: Path) -> None:
    process = tmp_path / "proc" / "77"
    for name in ("fd", "fdinfo"):
        (process / name).mkdir(parents=True)
    os.symlink("/dev/dri/renderD128", process / "fd" / "5")
    script = f"""
    from energyctl.meters import fdinfo
    from energyctl.meters.amdsmi import processes
    proc = Path({str(tmp_path / "proc")!r})
    processes.DrmProcesses = lambda engines: fdinfo.DrmProcesses(engines, proc)
    (meter,), _ = opened(gpus=[0])
    file, found = proc / "77" / "fdinfo" / "5", []
    for nanoseconds in (2_000_000_000, 2_100_000_000):
        file.write_text("drm-client-id: 1\\ndrm-pdev: {ADDRESSES[0]}\\n"
            f"drm-engine-compute: {{nanoseconds}} ns\\n")
        found += [meter.busy().gpus[0].processes, meter.utilization().processes]
        time.sleep(0.2)
    print(json.dumps(found))
    """
    before, none_yet, after, (busy,) = machine.child(script, HIP="-1", NODE="-1")
    assert before == [[77, 2.0, None, True, None, None]]
    assert none_yet == []
    assert after[0][:2] == [77, 2.1]
    gpu, pid, _, percent, seconds = busy
    assert (gpu, pid) == (0, 77)
    assert percent == pytest.approx(100 * 0.1 / seconds)


def test_results_tell_which_gpus_it_were(machine: Machine) -> None:
    script = """
    from energyctl.campaign.facts import machine_facts
    print(json.dumps(machine_facts()["gpus"]))
    """
    _, second = machine.child(script)
    assert second == {
        "index": 1,
        "name": "AMD Instinct MI300X",
        "uuid": SECOND.removeprefix("gpu/"),
        "driver": "6.12.12",
        "vbios": None,
        "power_limit_watts": 750,
        "persistence_mode": None,
        "accounting_mode": None,
    }
    assert machine.child(script, INIT="34") is None
