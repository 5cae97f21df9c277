"""The energy of AMD GPUs through the real module `amdsmi` and a stand-in for the library of the
driver, each in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardware.amdsmi import (
    ADDRESSES,
    COUNTER,
    DOMAINS,
    FIRST,
    POWER,
    SECOND,
    WAVE,
    Machine,
    options,
    pci_tree,
)

NO_COUNTER = "amdsmi_get_energy_count"
METERED = """
meters, _ = open_meters()
sampler = Sampler(meters, interval_seconds=0.5)
sampler.start()
start = sampler.phase("one")
time.sleep({seconds})
end = sampler.phase("two")
energy = sampler.stop().energy(start, end)
for meter in meters:
    meter.close()
print(json.dumps([start, end, energy.to_json(), energy.warnings]))
"""


def gpus(energy: dict[str, Any]) -> dict[str, Any]:
    return {d["name"]: d for d in energy["domains"] if d["kind"] == "gpu"}


def test_energy_between_two_edges_is_the_waves_within_the_stated_uncertainty(
    machine: Machine, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    settings = {"STEP_0": "0.001", "STEP_1": "0.1", "CALLS": str(notes), "WAVE": WAVE.spec}
    start, end, energy, _ = machine.child(METERED.format(seconds=4.77), **settings)
    truth = WAVE.joules(start, end)
    assert len(gpus(energy)) == 2
    for one in gpus(energy).values():
        assert abs(one["joules"] - truth) <= 2 * one["uncertainty_joules"]
        assert one["uncertainty_joules"] < 0.1 * truth
    # No two calls at once, from whichever threads, and the library is given back.
    assert notes.read_text() == "shut down\n"


def test_a_broken_counter_is_refused_and_power_is_metered_instead(
    library: Path, tmp_path: Path
) -> None:
    pci_tree(tmp_path, *ADDRESSES)
    faults = {"SCALE_1": "100", "BROKEN_2": "constant", "BROKEN_3": "back", "WAVE": WAVE.spec}
    script = METERED.format(seconds=3.6)
    start, end, energy, _ = Machine(library, tmp_path).child(script, GPUS="4", **faults)
    sound, *broken = gpus(energy).values()
    assert sound["source"] == "amdsmi energy counter"
    assert sound["checks"][0]["verdict"] == "agreed"
    assert [one["source"] for one in broken] == ["amdsmi power"] * 3
    assert [one["checks"][0]["verdict"] for one in broken] == ["refused"] * 3
    assert [one["checks"][0]["reason"] for one in broken] == ["power", "still", "back"]
    for one in (sound, *broken):
        assert abs(one["joules"] - WAVE.joules(start, end)) <= 2 * one["uncertainty_joules"]


def test_a_counter_that_is_a_third_too_high_is_doubted(machine: Machine) -> None:
    _, _, warnings, verdicts, _ = machine.child(DOMAINS, SCALE="1.35", POWER="both")
    assert verdicts == [["doubted"], ["doubted"]]
    assert any("the energy of GPU 1 (AMD Instinct MI300X) may be wrong" in w for w in warnings)


def test_a_gpu_without_a_counter_is_metered_by_its_power_and_says_so(machine: Machine) -> None:
    settings = {"DENY": f"{NO_COUNTER}@1", "POWER": "average"}
    domains, _, warnings, *_ = machine.child(DOMAINS, **settings)
    assert domains == [["gpu-0", *COUNTER], ["gpu-1", *POWER]]
    assert warnings == [
        "GPU 1 (AMD Instinct MI300X) is metered by its power, which is less accurate than by an "
        "energy counter: AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported"
    ]


def test_a_gpu_that_tells_nothing_is_missing_with_a_cure(machine: Machine) -> None:
    settings = {"DENY": f"{NO_COUNTER}@0", "POWER_0": "none"}
    (first, second), parts, *_ = machine.child(DOMAINS, **settings)
    assert "neither energy nor power" in first[-1]
    assert '"gpus"' in first[-1]
    assert second == ["gpu-1", *COUNTER]
    assert parts == [FIRST, SECOND]


MI250 = {"DEVICE": "0x740c", "NAME": "AMD Instinct MI250X", "POWER": "average"}


@pytest.mark.parametrize("gpus", [None, [1]])
def test_the_second_die_of_a_module_is_in_the_first_ones_energy(
    machine: Machine, gpus: list[int] | None
) -> None:
    domains, _, warnings, *_ = machine.child(
        DOMAINS, environ=options(gpus=gpus), BROKEN_1="zero", **MI250
    )
    first, second = domains
    assert first == ["gpu-0", "gpu", "amdsmi energy counter of gpu-0, gpu-1", True, None]
    assert second[:4] == ["gpu-1", "other", "amdsmi", False]
    assert second[4].endswith("they are in gpu-0")
    assert any("no source reports that of a part, and all are metered" in w for w in warnings)


def test_the_power_of_a_partitioned_gpu_counts_once(machine: Machine) -> None:
    domains, *_ = machine.child(
        DOMAINS, environ=options(gpus=[2]), GPUS="4", PARTITION_1="1", PARTITION_2="2"
    )
    assert [(name, in_total) for name, _, _, in_total, _ in domains] == [
        ("gpu-0", True),
        ("gpu-1", False),
        ("gpu-2", False),
    ]
    assert domains[0][2] == "amdsmi energy counter of gpu-0, gpu-1, gpu-2"
    assert "or a partition, of a module" in domains[2][4]


def test_the_total_has_the_module_once(machine: Machine) -> None:
    script = METERED.format(seconds=1.3)
    start, end, energy, _ = machine.child(script, BROKEN_0="zero", HIP_0="1", HIP_1="0", **MI250)
    assert energy["gpu_joules"] == gpus(energy)["gpu-0"]["joules"]
    assert energy["gpu_joules"] == pytest.approx(200 * (end - start), rel=0.1)
    assert energy["total_joules"] is not None


def test_a_gpu_of_another_model_that_reads_zero_is_not_taken_for_a_second_die(
    machine: Machine,
) -> None:
    domains, *_ = machine.child(DOMAINS, BROKEN_1="zero")
    assert "neither energy nor power" in domains[1][-1]


def test_figures_of_an_apu_are_of_a_module(machine: Machine) -> None:
    domains, parts, warnings, *_ = machine.child(DOMAINS, NAME="AMD Instinct MI300A")
    assert [name for name, *_ in domains] == ["module-0", "module-1"]
    assert parts[0].startswith("module/")
    assert "includes its CPU cores and memory" in warnings[0]
