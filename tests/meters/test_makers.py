"""Which maker's GPUs a name means, and which AMD GPUs draw power of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from energyctl.meters import makers, nvidia_presence
from energyctl.meters.amd_presence import cards
from energyctl.meters.makers import Asked, shared_out
from hardware.amdsmi import ADDRESSES, pci_tree

NVIDIA = ["GPU-8f4c2b1e", "GPU-8f4c2b1e-0000-1111-2222-333344445555", "MIG-aa", 0, "7"]
AMD = ["GPU-4b2c1a9f8d3e6f7a", "0000:03:00.0", "18ff74a1-0000-1000-80aa-bbbbccccdddd", 100, "107"]


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the NVIDIA driver lists its GPUs."""
    for name in ("KERNEL", "DEVICES", "PCI"):
        monkeypatch.setattr(nvidia_presence, name, tmp_path / name)
    return tmp_path / "KERNEL"


def test_where_all_gpus_are_of_one_maker_all_names_are_its(nvidia: Path) -> None:
    assert shared_out([0, "x"], amd=False) == Asked([0, "x"], [0, "x"], [0, "x"])
    assert shared_out([0, "x"], amd=True) == Asked([0, "x"], [], [0, "x"])
    assert shared_out([0], amd=True).of("amdsmi") == [0]
    assert shared_out([0], amd=True).of("nvml") == []
    assert shared_out([0], amd=True).of("a plug-in") == [0]


def test_beside_nvidia_gpus_the_form_of_a_name_tells(nvidia: Path) -> None:
    (nvidia / "0000:01:00.0").mkdir(parents=True)
    asked = shared_out([*NVIDIA, *AMD], amd=True)
    assert (asked.nvidia, asked.amd) == (NVIDIA, AMD)
    assert makers.beside_nvidia()


@pytest.mark.parametrize("gpus", [None, []])
def test_all_and_none_are_of_both(nvidia: Path, gpus: list[int] | None) -> None:
    assert shared_out(gpus, amd=True) == Asked(gpus, gpus, gpus)


def test_gpus_of_amd_are_known_by_the_kernel(tmp_path: Path) -> None:
    root = pci_tree(tmp_path, *ADDRESSES[:2])
    assert cards(root) == [*ADDRESSES[:2]]
    assert cards(tmp_path / "none") == []
    (root / ADDRESSES[0] / "vendor").write_text("0x10de\n")
    (root / ADDRESSES[1] / "class").write_text("0x040300\n")  # the sound of it
    assert cards(root) == []


def test_a_part_of_a_cpu_and_a_console_are_none(tmp_path: Path) -> None:
    root = pci_tree(tmp_path, ADDRESSES[0], integrated=True)
    assert cards(root) == []
    pci_tree(tmp_path, ADDRESSES[1])
    (root / ADDRESSES[1] / "class").write_text("0x030000\n")
    (root / ADDRESSES[1] / "driver").unlink()
    assert cards(root) == []
    (root / ADDRESSES[1] / "class").write_text("0x038000\n")  # an accelerator, without its driver
    assert cards(root) == [ADDRESSES[1]]
