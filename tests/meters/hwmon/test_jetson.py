"""NVIDIA Jetson through trees shaped as the driver ina3221 makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from energyctl.energy import Domain
from energyctl.energy.domain import count_once
from energyctl.meters import missing_kinds
from energyctl.meters.base import OpenRequest
from energyctl.meters.estimate import open_source as open_estimate
from energyctl.meters.hwmon import HwmonSource
from energyctl.meters.hwmon.jetson import GPU_PART
from hardware.hwmon import agx_orin, ina3221, milliamperes, moving, orin_nano, write
from hardware.meter import energy_of
from hardware.waveform import Ramp


def opened(root: Path) -> HwmonSource:
    return HwmonSource(OpenRequest(None, root / "none", root / "none", hwmon_root=root))


def test_the_input_of_the_module_counts_and_its_parts_do_not(tmp_path: Path) -> None:
    orin_nano(tmp_path / "hwmon")
    source = opened(tmp_path / "hwmon")
    source.close()
    assert [(d.name, d.kind, d.in_total) for d in source.domains()] == [
        ("VDD_IN", "other", True),
        ("VDD_CPU_GPU_CV", "other", False),
        ("VDD_SOC", "other", False),
    ]
    assert source.warnings == []
    reason = "it is a part of VDD_IN, and not measured apart from it"
    for kind in ("cpu", "gpu", "dram"):
        assert missing_kinds([source], [kind]) == [f"{kind} cannot be measured: {reason}"]


def test_an_agx_orin_is_its_three_inputs(tmp_path: Path) -> None:
    agx_orin(tmp_path / "hwmon")
    source = opened(tmp_path / "hwmon")
    source.close()
    assert [(d.name, d.kind, d.in_total) for d in source.domains()] == [
        ("VDD_GPU_SOC", "gpu", True),
        ("VDD_CPU_CV", "cpu", True),
        ("VIN_SYS_5V0", "other", True),
        ("VDDQ_VDD2_1V8AO", "other", False),  # VIN_SYS_5V0 has it
    ]


@pytest.mark.parametrize("tree", [orin_nano, agx_orin])
def test_no_cpu_is_estimated_on_top(tmp_path: Path, tree: object) -> None:
    assert callable(tree)
    tree(tmp_path / "hwmon")
    source = opened(tmp_path / "hwmon")
    source.close()
    parts = frozenset(d.part for d in source.domains() if d.part)
    assert open_estimate(OpenRequest(None, tmp_path, tmp_path, parts)) is None


@pytest.mark.parametrize("tree", [orin_nano, agx_orin])
def test_a_gpu_that_nvml_cannot_read_is_the_one_on_the_board(tmp_path: Path, tree: object) -> None:
    assert callable(tree)
    tree(tmp_path / "hwmon")
    source = opened(tmp_path / "hwmon")
    source.close()
    silent = Domain("gpu-0", "gpu", "nvml", part=GPU_PART, missing="it tells no power")
    labelled = count_once([silent, *source.domains()])
    assert all(d.missing is None for d in labelled if d.in_total)


def test_rails_that_are_not_known_stand_beside_the_total_with_a_warning(tmp_path: Path) -> None:
    folder = ina3221(tmp_path / "hwmon", 0, "2-0041", {1: "VDD_12V AUX", 2: "CVB_ATX_5V", 3: "x"})
    (folder / "in3_label").unlink()
    source = opened(tmp_path / "hwmon")
    source.close()
    assert [(d.name, d.in_total) for d in source.domains()] == [
        ("VDD_12V-AUX", False), ("CVB_ATX_5V", False), ("ina3221-2-0041-3", False),
    ]  # fmt: skip
    assert len(source.warnings) == 1
    assert "what the rails VDD_12V-AUX, ina3221-2-0041-3 (ina3221) feed" in source.warnings[0]


def test_channels_that_are_switched_off_are_left_out(tmp_path: Path) -> None:
    folder = orin_nano(tmp_path / "hwmon")
    write(folder / "in2_enable", "0")
    source = opened(tmp_path / "hwmon")
    source.close()
    assert [d.name for d in source.domains()] == ["VDD_IN", "VDD_SOC"]


def test_power_is_voltage_times_current_in_the_units_of_the_chip(tmp_path: Path) -> None:
    folder = orin_nano(tmp_path / "hwmon")
    write(folder / "in1_input", "19000")
    write(folder / "curr1_input", "500")
    source = opened(tmp_path / "hwmon")
    first = source.read()[0]
    domain = source.domains()[0]
    source.close()
    assert (first.domain, first.value) == ("VDD_IN", pytest.approx(9.5))
    # A unit of 40 uV across 5 mOhm is 8 mA; the offset is up to two of them.
    assert domain.resolution_watts == pytest.approx(5 * 0.008 * 19)
    assert domain.update_seconds == 0.007


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("curr1_input", "0", "it tells 0 mA, and the module always draws some"),
        ("curr1_input", "-8", "it tells -8 mA"),
        ("in1_input", "0", "it has no voltage"),
        ("in1_input", "5000000", "tells 5000 W, more than the device can draw"),
        ("curr1_input", "nan", "invalid literal"),
    ],
)
def test_an_input_that_cannot_be_right_leaves_the_total_unknown(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    folder = orin_nano(tmp_path / "hwmon")
    write(folder / file, text)
    source = opened(tmp_path / "hwmon")
    source.close()
    first = source.domains()[0]
    assert (first.name, first.in_total) == ("VDD_IN", True)
    assert words in (first.missing or "")


def test_energy_is_that_of_the_wave(tmp_path: Path) -> None:
    top, bottom = agx_orin(tmp_path / "hwmon")
    waves = [Ramp(5, 40, 3), Ramp(3, 15, 5), Ramp(4, 5, 2)]
    files = {top / f"curr{n}_input": milliamperes(wave) for n, wave in enumerate(waves, 1)}
    with moving(files):
        energy = energy_of(opened(tmp_path / "hwmon"), 3)
    truth = sum(wave.joules(energy.start, energy.end) for wave in waves)
    assert bottom.name == "hwmon2"
    assert energy.total_joules is not None
    assert energy.uncertainty_joules is not None
    assert abs(energy.total_joules - truth) <= energy.uncertainty_joules
    assert energy.total_joules == pytest.approx(truth, rel=0.05)
    assert energy.gpu_joules == pytest.approx(waves[0].joules(energy.start, energy.end), rel=0.06)
