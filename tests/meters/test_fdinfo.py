"""Busy times of DRM clients, in a tree shaped as /proc."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from energyctl.meters.fdinfo import SEARCH_SECONDS, DrmProcesses

GPU, OTHER = "0000:03:00.0", "0000:23:00.0"


class Machine:
    """A /proc, and the time."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, 100.0
        self.processes = DrmProcesses(("gfx", "compute"), root, lambda: self.now)

    def open(self, pid: int, fd: int, device: str = "/dev/dri/renderD128") -> Path:
        folder = self.root / str(pid)
        for name in ("fd", "fdinfo"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        os.symlink(device, folder / "fd" / str(fd))
        (folder / "fdinfo" / str(fd)).write_text("pos:\t0\nflags:\t02\n")
        return folder / "fdinfo" / str(fd)

    def later(self, seconds: float = SEARCH_SECONDS) -> dict[tuple[int, str], float]:
        self.now += seconds
        return self.processes.seconds()


def told(gfx: int, compute: int = 0, client: int = 7, gpu: str = GPU) -> str:
    """As amdgpu shows it (Documentation/gpu/drm-usage-stats.rst)."""
    return (
        f"pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t{client}\ndrm-pdev:\t{gpu}\npasid:\t32784\n"
        f"drm-engine-gfx:\t{gfx} ns\ndrm-engine-compute:\t{compute} ns\ndrm-memory-vram:\t68 KiB\n"
        "drm-engine-dec:\t99000000000 ns\n"
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "self").mkdir()
    return Machine(tmp_path)


def test_the_times_of_the_engines_add_up_by_process_and_gpu(machine: Machine) -> None:
    machine.open(10, 3).write_text(told(1_500_000_000, 500_000_000))
    machine.open(10, 4).write_text(told(250_000_000, client=8, gpu=OTHER))
    machine.open(11, 3, "/dev/null").write_text(told(9))
    machine.open(12, 5)  # a driver that tells nothing
    assert machine.later() == {(10, GPU): 2.0, (10, OTHER): 0.25}


def test_a_client_that_two_files_or_processes_share_counts_once(machine: Machine) -> None:
    for pid, fd in ((20, 3), (20, 4), (21, 3)):
        machine.open(pid, fd).write_text(told(1_000_000_000))
    assert machine.later() == {(20, GPU): 1.0}


def test_sums_never_fall_while_their_process_is_there(machine: Machine) -> None:
    first, second = machine.open(30, 3), machine.open(30, 4)
    first.write_text(told(1_000_000_000))
    second.write_text(told(2_000_000_000, client=8))
    assert machine.later() == {(30, GPU): 3.0}
    second.unlink()
    first.write_text(told(1_500_000_000))
    assert machine.later(1) == {(30, GPU): 3.5}
    first.unlink()
    assert machine.later(1) == {}


def test_a_client_goes_on_with_the_next_process_when_its_owner_ends(machine: Machine) -> None:
    owner, heir, own = machine.open(100, 3), machine.open(200, 3), machine.open(200, 4)
    for file in (owner, heir):
        file.write_text(told(100_000_000_000))
    own.write_text(told(2_000_000_000, client=8))
    assert machine.later() == {(100, GPU): 100.0, (200, GPU): 2.0}
    shutil.rmtree(machine.root / "100")
    heir.write_text(told(104_000_000_000))
    assert machine.later() == {(200, GPU): 6.0}


def test_a_client_is_remembered_until_its_heir_is_found(machine: Machine) -> None:
    machine.open(100, 3).write_text(told(100_000_000_000))
    machine.later()
    machine.open(200, 3).write_text(told(101_000_000_000))
    shutil.rmtree(machine.root / "100")
    assert machine.later(1) == {}
    assert machine.later() == {(200, GPU): 1.0}


def test_a_lower_process_that_joins_has_what_is_added_from_then_on(machine: Machine) -> None:
    owner = machine.open(100, 3)
    owner.write_text(told(100_000_000_000))
    machine.later()
    for file in (owner, machine.open(50, 3)):
        file.write_text(told(103_000_000_000))
    assert machine.later() == {(50, GPU): 3.0, (100, GPU): 100.0}


def test_processes_are_looked_for_now_and_then_only(machine: Machine) -> None:
    assert machine.later() == {}
    machine.open(40, 3).write_text(told(1_000_000_000))
    assert machine.later(SEARCH_SECONDS / 2) == {}
    assert machine.later(SEARCH_SECONDS / 2) == {(40, GPU): 1.0}
