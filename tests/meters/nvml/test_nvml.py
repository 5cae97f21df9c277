"""GPUs through the real pynvml and a stand-in for the driver's library, each in a child process."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pynvml
import pytest

from hardware.hwmon import orin_nano
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


CLOCKS = """
looks = []
meter = NvmlSource()
for _ in range(2):
    for s in meter.environment():
        limits = None if s.limits is None else sorted(s.limits)
        looks.append([s.sm_mhz, s.memory_mhz, s.performance_state, limits])
print(json.dumps(looks))
"""
NOT_ASKED = [None, None, None, None]


def test_clocks_are_told_with_what_holds_them_down_and_not_at_every_look(library: Path) -> None:
    # Of GPU 0 its power limit, of GPU 1 heat: the hardware's slowdown has a bit beside its cause.
    looks = child(library, CLOCKS, CAP_0="0", REASONS_1="72")
    assert looks[:2] == [[1200, 2619, 2, ["power_cap"]], [1200, 2619, 2, ["heat"]]]
    assert looks[2:] == [NOT_ASKED] * 2


def test_a_driver_that_knows_the_question_by_its_older_name_answers_it(library: Path) -> None:
    deny = "nvmlDeviceGetCurrentClocksEventReasons,nvmlDeviceGetPerformanceState"
    first, second, *_ = child(library, CLOCKS, DENY=deny, REASONS_0="8", REASONS_1="128")
    assert first == [1200, 2619, None, ["slowdown"]]
    assert second == [1200, 2619, None, ["power_brake"]]


def test_without_a_driver_there_are_no_gpus_and_a_reason(tmp_path: Path) -> None:
    script = """
    meter = NvmlSource()
    print(json.dumps([len(meter.domains()), meter.unavailable]))
    """
    (tmp_path / "libnvidia-ml.so.1").write_text("not a library")
    count, reason = child(tmp_path, script)
    assert count == 0
    assert "no NVIDIA driver" in reason


SILENT = """
from energyctl.meters import nvidia_presence as presence
from energyctl.energy import Domain
from pathlib import Path
root = Path({root!r})
presence.KERNEL, presence.DEVICES, presence.PCI = root / "driver", root / "dev", root / "pci"
found = []
for options in ({{}}, {{"gpus": []}}):
    meters, warnings = open_meters(**options)
    found += [d.missing for m in meters for d in m.domains() if d.name == "gpu"] or [None]
print(json.dumps(found))
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Without anything that shows a GPU, until a test puts it there."""
    return tmp_path / "machine"


def device(machine: Path, vendor: str, kind: str) -> None:
    folder = machine / "pci" / "0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{kind}\n")


@pytest.mark.parametrize("seen", ["driver/0000:01:00.0", "dev/nvidia0", "dev/dxg", "pci"])
@pytest.mark.parametrize("library_is", ["none", "unknown error", "empty"])
def test_a_gpu_that_is_seen_but_does_not_answer_leaves_the_total_unknown(
    library: Path, machine: Path, seen: str, library_is: str
) -> None:
    if seen == "pci":
        device(machine, "0x10de", "0x030200")
    else:
        (machine / seen).mkdir(parents=True)
    settings = {"unknown error": {"INIT": "999"}, "empty": {"GPUS": "0"}}.get(library_is, {})
    where = library if settings else machine
    asked, left_out = child(where, SILENT.format(root=str(machine)), **settings)
    assert f"there is a GPU ({machine / seen}" in asked
    assert '"gpus": [] in the settings leaves it out' in asked
    assert left_out is None


ON_A_JETSON = """
from energyctl.meters import nvidia_presence as presence
from pathlib import Path
root = Path({root!r})
presence.KERNEL, presence.PCI, presence.DEVICES = root / "none", root / "none", root / "dev"
presence.BOARD = root / "compatible"
meters, _ = open_meters()
print(json.dumps([[d.name, d.in_total] for m in meters for d in m.domains()]))
"""


def test_a_jetson_whose_gpu_does_not_answer_is_known_by_its_rails(
    library: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "dev" / "nvidia0").mkdir(parents=True)
    orin_nano(machine / "hwmon")
    monkeypatch.setenv("ENERGYCTL_HWMON", str(machine / "hwmon"))
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(machine))
    monkeypatch.setenv("ENERGYCTL_PERF", str(machine))
    script = ON_A_JETSON.format(root=str(machine))
    domains = dict(child(library, script, INIT="999"))
    assert (domains["gpu"], domains["VDD_IN"]) == (True, True)  # it may be a card
    (machine / "compatible").write_bytes(b"nvidia,p3767-0005\0nvidia,tegra234\0")
    domains = dict(child(library, script, INIT="999"))
    assert (domains["gpu"], domains["VDD_IN"]) == (False, True)


def test_a_driver_that_fails_to_start_is_no_proof_of_no_gpu(library: Path, machine: Path) -> None:
    asked, left_out = child(library, SILENT.format(root=str(machine)), INIT="999")
    assert "the NVIDIA driver does not answer: Unknown Error" in asked
    assert left_out is None


@pytest.mark.parametrize("kind", [("0x10de", "0x040300"), ("0x1002", "0x030000")])
def test_the_sound_of_a_gpu_and_gpus_of_others_are_no_evidence(
    machine: Path, kind: tuple[str, str]
) -> None:
    device(machine, *kind)
    assert child(machine, SILENT.format(root=str(machine))) == [None, None]


OPENED = """
meters, warnings = open_meters()
print(json.dumps([
    [[d.name, d.source, d.part, d.max_watts] for m in meters for d in m.domains()],
    [w for w in warnings if "GPU" in w],
]))
"""


def test_errors_that_pass_change_nothing(library: Path) -> None:
    assert child(library, OPENED, FIRST_FAIL="8") == child(library, OPENED)


def test_a_lesser_source_is_a_warning(library: Path) -> None:
    domains, warnings = child(library, OPENED, DENY=f"{NO_COUNTER}@1")
    sources = {name: source for name, source, *_ in domains}
    assert (sources["gpu-0"], sources["gpu-1"]) == ("nvml energy counter", "nvml power")
    assert warnings == [
        "GPU 1 (Fake GPU 1) is metered by its power, which is less accurate than by an energy "
        "counter: Not Supported"
    ]


MODULES = """
from energyctl.meters import capabilities
import os
os.environ["ENERGYCTL_HWMON"] = {hwmon!r}
meters, warnings = open_meters()
print(json.dumps([
    [d.name for m in meters for d in m.domains() if d.in_total],
    warnings, capabilities.missing_kinds(meters, ["cpu"]),
]))
"""


@pytest.mark.parametrize("told_by", ["scope", "hwmon"])
def test_a_counter_of_a_module_is_named_so_and_has_no_estimate_on_top(
    library: Path, tmp_path: Path, told_by: str
) -> None:
    settings = {"MODULE": "1"} if told_by == "scope" else {}
    if told_by == "hwmon":
        label = tmp_path / "hwmon0" / "device" / "power1_oem_info"
        label.parent.mkdir(parents=True)
        label.write_text("Module Power Socket 0\n")
    script = MODULES.format(hwmon=str(tmp_path))
    names, warnings, missing = child(library, script, **settings)
    assert names == ["module-0", "module-1"]
    assert any(
        w.startswith("the counter of module-0 (Fake GPU 0) is that of the whole") for w in warnings
    )
    assert "it is a part of module-0, module-1" in missing[0]


def test_a_driver_that_does_not_look_at_scopes_has_no_modules(
    library: Path, tmp_path: Path
) -> None:
    names, *_ = child(library, MODULES.format(hwmon=str(tmp_path)), MODULE="all")
    assert {"gpu-0", "gpu-1"} < set(names)


# Edges fall anywhere into the steps of the counters, and the load switches each half second.
METERED = """
meters, _ = open_meters()
{opened}
sampler = Sampler(meters, interval_seconds=0.5)
sampler.start()
start = sampler.phase("one")
time.sleep({seconds})
end = sampler.phase("two")
energy = sampler.stop().energy(start, end)
print(json.dumps([start, end, energy.to_json(), energy.warnings]))
"""

# A second after the sources are opened.
FROM_NOW = """
import os
os.environ["{}"] = "{}" + str(time.time() - float(os.environ["FAKE_EPOCH"]) + 1)
"""


def gpus(energy: dict[str, Any]) -> dict[str, Any]:
    return {d["name"]: d for d in energy["domains"] if d["kind"] == "gpu"}


def test_energy_between_two_edges_is_the_waves_within_the_stated_uncertainty(
    library: Path,
) -> None:
    # Long enough that edges read late, on a busy machine, are a small part of it.
    start, end, energy, _ = child(library, METERED.format(opened="", seconds=5.77))
    truth = WAVE.joules(start, end)
    for gpu in gpus(energy).values():
        assert abs(gpu["joules"] - truth) <= 2 * gpu["uncertainty_joules"]
        assert gpu["uncertainty_joules"] < 0.1 * truth
    assert energy["gpu_joules"] == pytest.approx(
        sum(gpu["joules"] for gpu in gpus(energy).values())
    )


def test_a_gpu_that_is_lost_on_the_way_has_no_energy_and_the_other_goes_on(library: Path) -> None:
    script = METERED.format(opened=FROM_NOW.format("FAKE_LOST", "1@"), seconds=2.5)
    start, end, energy, warnings = child(library, script)
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


def test_processes_on_gpus_that_are_not_metered_are_told_as_far_as_they_can_be(
    library: Path, seats: str
) -> None:
    script = """
    asked = [open_meters(gpus=gpus)[0] for gpus in ([0], [1], [0, 1])]
    print(json.dumps([sorted(p for m in ms for p in m.unmetered_processes()) for ms in asked]))
    """
    others = child(library, script, PROCESSES=seats)
    assert others == [[[1, 13, 5 << 20]], ON_GPU_0, []]
    assert child(library, script, PROCESSES=seats, LOST="1@0") == [[], ON_GPU_0, []]


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
    script = METERED.format(opened=FROM_NOW.format("FAKE_STILL_1", ""), seconds=3.0)
    _, _, energy, warnings = child(library, script)
    first, second = gpus(energy).values()
    assert first["joules"] > 0
    assert second["joules"] is None
    assert "stood still" in second["missing"]
    assert any("gpu-1" in line for line in warnings)


def test_counters_that_cannot_be_right_give_way_to_integrated_power(
    library: Path, tmp_path: Path
) -> None:
    broken = {"SCALE_0": "100", "BROKEN_1": "backward", "GPUS": "3", "AVERAGE": "1.0"}
    out = tmp_path / "energy.json"
    done = subprocess.run(
        [sys.executable, "-m", "energyctl", "meter", "--json", str(out), "--", "sleep", "1.5"],
        env=environment(library, **broken),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(out.read_text())
    first, second, third = gpus(document["energy"]).values()
    assert first["source"] == second["source"] == POWER[0]
    assert (third["source"], third["checks"][0]["verdict"]) == (COUNTER[0], "agreed")
    (check,) = first["checks"]
    assert (check["when"], check["verdict"], check["reason"]) == ("start", "refused", "power")
    assert check["counter_watts"] == pytest.approx(19000, rel=0.2)
    assert check["power_watts"] == pytest.approx(190, rel=0.1)
    assert second["checks"][0]["reason"] == "back"
    assert 80 * 1.5 < first["joules"] < 300 * 2
    for gpu, words in enumerate(("its energy counter shows", "its energy counter went back by")):
        assert any(f"GPU {gpu} " in w and words in w for w in document["warnings"])
    assert not any("GPU 2" in w or "doubtful" in w for w in document["warnings"])


def test_a_counter_that_is_off_by_a_third_is_doubted_with_a_warning(library: Path) -> None:
    script = """
    meter = NvmlSource()
    print(json.dumps([[d.source, d.checks[0].verdict] for d in meter.domains()] + [meter.warnings]))
    """
    wave = {"WAVE": "constant 200", "AVERAGE": "1.0"}
    first, second, (warning,) = child(library, script, SCALE_1="0.65", **wave)
    assert (first, second) == ([COUNTER[0], "agreed"], [COUNTER[0], "doubted"])
    assert warning.startswith("the energy of GPU 1 (Fake GPU 1) may be wrong: its energy counter")


@pytest.mark.parametrize("watts", ["0", "19000"])
def test_a_counter_is_not_held_against_a_power_that_cannot_be(library: Path, watts: str) -> None:
    script = """
    meter = NvmlSource()
    print(json.dumps([[d.source, *[c.power_watts for c in d.checks]] for d in meter.domains()]))
    """
    assert child(library, script, POWER=watts) == [[COUNTER[0], None]] * 2


@pytest.mark.parametrize(
    ("watts", "why"), [("0", "always draws some power"), ("65535", "more than the device can draw")]
)
def test_power_that_a_gpu_cannot_draw_is_no_energy(library: Path, watts: str, why: str) -> None:
    script = METERED.format(opened="", seconds=0.5)
    deny = "nvmlDeviceGetTotalEnergyConsumption@1"
    _, _, energy, warnings = child(library, script, DENY=deny, POWER_1=watts)
    second = gpus(energy)["gpu-1"]
    assert second["joules"] is None
    assert why in second["missing"]
    assert energy["total_joules"] is None
    assert any("gpu-1" in line and why in line for line in warnings)


def test_a_gpu_that_is_lost_loses_its_own_state_and_processes_alone(
    library: Path, seats: str
) -> None:
    script = """
    from energyctl.meters.base import NotReported
    import os
    meter = NvmlSource()
    os.environ["FAKE_LOST"] = "1@0"
    first, second = meter.environment()
    try:
        meter.processes()
    except NotReported as error:
        known, reason = sorted(error.processes), str(error)
    print(json.dumps([first.temperature_celsius, second.temperature_celsius, known, reason]))
    """
    first, second, known, reason = child(library, script, PROCESSES=seats)
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
    assert [(gpu, pid) for gpu, pid, *_ in first[0]] == [(0, 11), (0, 12), (1, 13)]
    (_, _, late, high, _), (_, _, early, low, _), _ = first[0]
    assert before - 1 < late <= before + 1  # on the clock that asked
    assert early < before - 1.5
    assert high == 80
    assert 0 < low < 50  # busy for a part of the time alone
    assert [(gpu, pid, percent) for gpu, pid, _, percent, _ in second[0]] == [
        (0, 11, 80),
        (1, 13, 40),
    ]
    assert second[0][0][2] > late
    assert [answer[1:] for answer in (first, second, again)] == [[[0, 1], {}]] * 3


def test_samples_of_one_process_are_of_time(library: Path, tmp_path: Path) -> None:
    now, began = time.time(), time.monotonic()
    rows = f"0 11 40 {now - 60} 0", f"0 12 80 {now - 60} {now - 3}", f"0 12 60 {now - 1} 0"
    script = UTILIZATION + "print(json.dumps(meter.utilization().processes))"
    path = busy(tmp_path / "busy", *rows)
    found = child(library, script, UTILIZATION=path, SAMPLES="1")
    seconds = {11: 0.0, 12: 0.0}
    for _, pid, _, percent, length in found:
        assert percent == 40 if pid == 11 else percent in (60, 80)
        seconds[pid] += length
    first, last = min(at for *_, at, _, _ in found), max(at for *_, at, _, _ in found)
    # On a busy machine it may ask so late that the pause is before what is told.
    pause = max(0.0, min(last, began - 1) - max(first, began - 3))
    assert seconds[11] == pytest.approx(last - first, abs=0.3)
    assert seconds[12] == pytest.approx(last - first - pause, abs=0.5)


@pytest.mark.skipif(
    not hasattr(pynvml, "nvmlDeviceGetAccountingStats_v2"), reason="this pynvml has no such call"
)
def test_samples_that_are_lost_are_in_the_accounts_of_the_driver(
    library: Path, tmp_path: Path
) -> None:
    path = busy(tmp_path / "busy", f"0 11 40 {time.time() - 60} 0")
    script = UTILIZATION + textwrap.dedent("""
    first = ask()
    print(json.dumps([first[0], ask_until(lambda answer: answer[0])[0]]))
    """)
    settings = {"UTILIZATION": path, "SAMPLES": "1", "LOSS": "2"}
    told, _ = child(library, script, **settings)
    assert len(told) > 5  # a row for each sample of the last 5 s that is told
    before, ((_, pid, _, percent, seconds),) = child(library, script, **settings, ACCOUNTING="1")
    assert before == []
    assert (pid, percent) == (11, pytest.approx(40))
    assert seconds >= 1.0


def test_a_gpu_that_does_not_tell_who_is_busy_is_named_and_the_others_are_kept(
    library: Path, tmp_path: Path
) -> None:
    path = busy(tmp_path / "busy", "0 11 80 0 0", "1 12 70 0 0", "0 0 60 0 0", "0 14 4711 0 0")
    script = UTILIZATION + "print(json.dumps(ask()))"
    deny = "nvmlDeviceGetProcessUtilization@1"
    found, told, untold = child(library, script, UTILIZATION=path, DENY=deny)
    # What some drivers pad their answers with is none.
    assert [(gpu, pid) for gpu, pid, *_ in found] == [(0, 11)]
    assert told == [0]
    assert untold == {
        "1": "GPU 1 (Fake GPU 1) does not report the utilisation of each process: Not Supported"
    }


@pytest.mark.parametrize(("comes", "told"), [("4", [0]), ("1000", [])])
def test_samples_that_come_while_they_are_asked_for_are_asked_for_again(
    library: Path, tmp_path: Path, comes: str, told: list[int]
) -> None:
    path = busy(tmp_path / "busy", "0 11 80 0 0", "0 12 70 0 0")
    settings = {
        "UTILIZATION": path,
        "SAMPLE_COMES": comes,
        "DENY": "nvmlDeviceGetProcessUtilization@1",
    }
    found, gpus, untold = child(library, UTILIZATION + "print(json.dumps(ask()))", **settings)
    assert sorted({pid for _, pid, *_ in found}) == ([11, 12] if told else [])
    assert gpus == told
    assert ("0" in untold) is not bool(told)


def test_gpus_on_which_nobody_is_busy_say_so(library: Path) -> None:
    assert child(library, UTILIZATION + "print(json.dumps(ask()))") == [[], [0, 1], {}]
