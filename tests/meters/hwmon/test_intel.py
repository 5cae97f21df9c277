"""Intel GPUs through a tree shaped as the drivers xe and i915 make it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from energyctl.meters.base import OpenRequest
from energyctl.meters.hwmon import HwmonSource, intel, open_source
from hardware.hwmon import counted, device, intel_card, moving, write
from hardware.meter import energy_of
from hardware.powercap import Motion, moved, zone
from hardware.waveform import Constant, Ramp, Square, Wave

WAVE = Ramp(40, 180, 3.7)


def request(root: Path, gpus: list[int | str] | None = None) -> OpenRequest:
    return OpenRequest(gpus, root / "none", root / "none", hwmon_root=root)


@contextmanager
def fine_counters(card: Path, tmp_path: Path, **motions: Motion) -> Iterator[None]:
    """The card's files of these names move each millisecond, by a process of its own."""
    zones = {}
    for file, motion in motions.items():
        behind = zone(tmp_path / "zones", file, file)
        (card / file).unlink(missing_ok=True)
        (card / file).symlink_to(behind / "energy_uj")
        zones[behind] = motion
    with moved(zones, epoch=round(time.time() - 5, 6)):
        yield


def test_the_card_counts_and_its_package_stands_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "hwmon"
    epoch = time.time() - 9
    card = intel_card(root)
    device(root, 1, "i915_gt0", "0000:04:00.0", energy1_input=5)  # a part of a card
    device(root, 2, "nvme", "nvme0", temp1_input=41_000)
    files = {card / f"energy{n}_input": counted(WAVE, epoch) for n in (1, 2)}
    with moving(files):
        source = open_source(request(root))
        assert source is not None
        domains = source.domains()
        source.close()
    assert [(d.name, d.kind, d.in_total, d.part, d.missing) for d in domains] == [
        ("xe-0000:03:00.0", "gpu", True, "gpu/0000:03:00.0", None),
        ("xe-0000:03:00.0-pkg", "other", False, "gpu/0000:03:00.0/pkg", None),
    ]
    assert {d.max_watts for d in domains} == {380.0}
    assert [d.checks[0].verdict for d in domains] == ["agreed", "agreed"]


@pytest.mark.parametrize(
    ("driver", "labels", "source"),
    [("i915", {1: ""}, "hwmon i915 device"), ("xe", {2: "pkg"}, "hwmon xe pkg")],
)
def test_the_only_counter_of_a_card_counts_whatever_it_is_of(
    tmp_path: Path, driver: str, labels: dict[int, str], source: str
) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, driver=driver, labels=labels)
    (channel,) = labels
    with moving({card / f"energy{channel}_input": counted(WAVE, time.time() - 9)}):
        meter = HwmonSource(request(root))
        (only,) = meter.domains()
        meter.close()
    assert (only.source, only.kind, only.in_total) == (source, "gpu", True)


def test_gpus_that_are_named_are_those_of_nvidia(tmp_path: Path) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, labels={1: "card"})
    with moving({card / "energy1_input": counted(WAVE, time.time() - 9)}):
        beside = HwmonSource(request(root, gpus=[0]))
        (only,) = beside.domains()
        beside.close()
    assert (only.kind, only.in_total, only.missing) == ("other", False, None)
    assert open_source(request(root, gpus=[])) is None


def test_nothing_is_opened_where_there_is_no_such_device(tmp_path: Path) -> None:
    device(tmp_path / "hwmon", 0, "k10temp", "0000:00:18.3", temp1_input=50_000)
    assert open_source(request(tmp_path / "hwmon")) is None
    assert open_source(request(tmp_path / "nowhere")) is None


@pytest.mark.parametrize(
    ("wave", "times", "words"),
    [
        (Constant(0.0), 1.0, "its energy counter stood still"),
        (Constant(150.0), 1000.0, "but it draws at most 380 W"),
    ],
)
def test_a_counter_that_cannot_be_right_is_missing_and_never_0(
    tmp_path: Path, wave: Wave, times: float, words: str
) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, labels={1: "card"})
    with moving({card / "energy1_input": counted(wave, time.time() - 9, times=times)}):
        meter = HwmonSource(request(root))
        (only,) = meter.domains()
        assert meter.read() == []
        meter.close()
    assert only.in_total
    assert words in (only.missing or "")
    assert '"leave_out": ["xe-0000:03:00.0"]' in (only.missing or "")
    assert only.checks[0].verdict == "refused"


def test_text_that_is_no_number_is_missing_with_what_it_is(tmp_path: Path) -> None:
    card = intel_card(tmp_path / "hwmon", labels={1: "card"})
    write(card / "energy1_input", "N/A")
    (only,) = HwmonSource(request(tmp_path / "hwmon")).domains()
    assert "energy1_input failed" in (only.missing or "")
    assert "N/A" in (only.missing or "")


def test_a_file_that_may_not_be_read_is_missing_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = intel_card(tmp_path / "hwmon", labels={1: "card"})

    def refused(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("energyctl.meters.hwmon.sensors.NumberFile", refused)
    (only,) = HwmonSource(request(tmp_path / "hwmon")).domains()
    assert f"sudo chmod a+r {card}/energy1_input" in (only.missing or "")
    assert only.in_total


def test_a_card_that_is_pulled_out_is_a_failed_reading(tmp_path: Path) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, labels={1: "card"})
    with moving({card / "energy1_input": counted(WAVE, time.time() - 9)}):
        meter = HwmonSource(request(root))
    write(card / "energy1_input", " ")
    (reading,) = meter.read()
    meter.close()
    assert reading.value is None
    assert "reading xe-0000:03:00.0 failed" in (reading.reason or "")


@pytest.mark.parametrize("step", [0.001, 0.05])
def test_energy_is_that_of_the_wave(tmp_path: Path, step: float) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, labels={1: "card"})
    wave = Square(40, 170, 0.7, 0.4)
    epoch = time.time() - 5
    fine = step == 0.001
    moves = (
        fine_counters(card, tmp_path, energy1_input=Motion(wave))
        if fine
        else moving({card / "energy1_input": counted(wave, epoch, step=step)}, tick=0.002)
    )
    with moves:
        energy = energy_of(HwmonSource(request(root)), 2.5)
    (found,) = energy.domains
    assert found.domain.update_seconds == (intel.UPDATE_SECONDS if fine else 0.1)
    assert found.joules is not None
    assert found.uncertainty_joules is not None
    truth = wave.joules(energy.start, energy.end)
    assert abs(found.joules - truth) <= found.uncertainty_joules
    assert found.uncertainty_joules < 0.2 * truth
    assert energy.gpu_joules == found.joules


def test_a_reset_register_makes_the_energy_unknown(tmp_path: Path) -> None:
    root = tmp_path / "hwmon"
    card = intel_card(root, labels={1: "card"})
    since = time.time()
    steady = counted(Constant(100), since - 9)

    def jumps(now: float) -> str:
        # As the driver tells it: what the register lost is taken for a turn of it.
        return str(int(steady(now)) + (2**32 * 61 if now > since + 1.5 else 0))

    with moving({card / "energy1_input": jumps}):
        energy = energy_of(
            HwmonSource(request(root)), max(0.0, since + 2.0 - time.time()), interval=0.2
        )
    assert energy.total_joules is None
    assert "the counter jumped" in (energy.domains[0].missing or "")
