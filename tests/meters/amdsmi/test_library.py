"""The library of AMD's driver: missing, broken, of another version, hanging; see test_energy.py."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hardware.amdsmi import ADDRESSES, COUNTER, DOMAINS, Machine, environment, options, pci_tree


def test_nothing_of_it_is_imported_where_there_is_no_gpu(library: Path, tmp_path: Path) -> None:
    pci_tree(tmp_path, ADDRESSES[0], integrated=True)
    script = """
    meters, _ = open_meters()
    print(json.dumps([[m.name for m in meters], [m for m in sys.modules if "amdsmi" in m]]))
    """
    names, modules = Machine(library, tmp_path).child(script)
    assert "amdsmi" not in names
    assert modules == []


def test_the_library_is_shut_down_once_nobody_uses_it(machine: Machine, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    script = f"""
    both = [opened(gpus=[0])[0][0] for _ in range(2)]
    both[0].close()
    before = Path({str(notes)!r}).exists()
    value = both[1].read()[0].value
    both[1].close()
    both[1].close()
    print(json.dumps([before, value]))
    """
    before, value = machine.child(script, CALLS=str(notes))
    assert not before
    assert value > 0
    assert notes.read_text() == "shut down\n"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"INIT": "34"}, "AMD's library does not start: AMDSMI_STATUS_DRIVER_NOT_LOADED"),
        ({"GPUS": "0"}, "AMD's library lists none"),
    ],
)
def test_a_gpu_that_cannot_be_asked_leaves_the_total_unknown(
    machine: Machine, settings: dict[str, str], reason: str
) -> None:
    (domain,), _, (warning,), _, (unavailable,) = machine.child(DOMAINS, **settings)
    assert domain[:4] == ["gpu", "gpu", "amdsmi", True]
    assert f"there is an AMD GPU ({ADDRESSES[0]}), but {reason}" in unavailable
    assert unavailable in domain[4]
    assert domain[4] in warning
    domains, *_ = machine.child(DOMAINS, environ=options(gpus=[]), **settings)
    assert domains == []


def test_without_the_library_the_reason_says_how_to_get_it(tmp_path: Path) -> None:
    pci_tree(tmp_path, *ADDRESSES)
    nowhere = Machine(tmp_path, tmp_path)
    (domain,), *_ = nowhere.child(DOMAINS)
    assert "the module amdsmi cannot be used (" in domain[4]
    assert "libamd_smi.so: cannot open shared object file" in domain[4]
    assert "[amd]" in domain[4]
    (tmp_path / "share" / "amd_smi").mkdir(parents=True)
    (domain,), *_ = nowhere.child(DOMAINS, environ={"ROCM_PATH": str(tmp_path)})
    assert f"install {tmp_path / 'share' / 'amd_smi'}; it has to be" in domain[4]


def test_where_the_module_is_of_another_version_rocms_own_is_taken(
    machine: Machine, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "amdsmi"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise AttributeError('undefined symbol: amdsmi_new')\n")
    rocm = tmp_path / "rocm"
    (rocm / "lib").mkdir(parents=True)
    (rocm / "lib" / "libamd_smi.so").symlink_to(machine.library / "libamd_smi.so")
    (rocm / "share" / "amd_smi").mkdir(parents=True)
    path = os.pathsep.join([str(other.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ = {"PYTHONPATH": path, "ROCM_PATH": str(rocm)}
    (domain,), *_ = machine.child(DOMAINS, environ=environ)
    assert "undefined symbol: amdsmi_new" in domain[4]
    real = importlib.util.find_spec("amdsmi")
    assert real is not None
    assert real.origin is not None
    (rocm / "share" / "amd_smi" / "amdsmi").symlink_to(Path(real.origin).parent)
    domains, *_ = machine.child(DOMAINS, environ=environ)
    assert domains == [["gpu-0", *COUNTER], ["gpu-1", *COUNTER]]


def test_a_driver_that_hangs_from_the_start_leaves_the_total_unknown(machine: Machine) -> None:
    brief = "from energyctl.meters import discovery\ndiscovery.DRIVER_SECONDS = 1.0\n"
    (domain,), *_ = machine.child(brief + DOMAINS, HANG="amdsmi_init@0")
    assert domain[4].startswith("the AMD driver hangs: amdsmi has not answered for 1 s")


def test_a_driver_that_hangs_on_the_way_costs_its_own_energy_alone(machine: Machine) -> None:
    script = """
    from energyctl.meters import bounded
    bounded.LIMIT_SECONDS = 0.3
    (meter,), _ = opened()
    first, *_ = meter.read()
    os.environ["FAKE_AMD_HANG"] = "amdsmi_get_energy_count@0"
    began = time.monotonic()
    hung = [r.reason for r in meter.read()]
    states = meter.environment()  # waits for its turn, and gives up
    meter.close()
    took = time.monotonic() - began
    print(json.dumps([first.value, hung, len(states), took]))
    sys.stdout.flush()
    os._exit(0)
    """
    value, hung, states, took = machine.child(script)
    assert value > 0
    assert len(hung) == 2
    assert all("the driver hangs" in reason for reason in hung)
    assert states == 0
    assert took < 5


def test_doctor_shows_the_gpus(machine: Machine, tmp_path: Path) -> None:
    env = environment(machine.library, machine.devices)
    env |= {"ENERGYCTL_POWERCAP": str(tmp_path), "ENERGYCTL_PERF": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-m", "energyctl", "doctor"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    (row,) = [line for line in shown.stdout.splitlines() if "amdsmi counter" in line]
    assert "GPU 0, 1: 750 W" in shown.stdout
    assert row.split()[:2] == ["gpu-0,", "gpu-1"]
    assert "measured" in row
