"""Builds the stand-in for the library of AMD's driver, and the environment that finds it."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hardware.compiled import SOURCES, compile
from hardware.waveform import Square

WAVE = Square(low=80, high=300)
ADDRESSES = ("0000:03:00.0", "0000:23:00.0", "0000:43:00.0", "0000:63:00.0")
"""On the PCI bus, in the library's order."""


def build(directory: Path) -> Path:
    """Compiles libamd_smi.so into `directory` for the installed module; skips the test where there
    is no C compiler, or no module `amdsmi`."""
    wrapper = _wrapper()
    metrics = _metrics(wrapper)
    places = {field: getattr(metrics, field).offset for field, *_ in metrics._fields_}
    constants = [f"-DAT_{field}={place}" for field, place in places.items()]
    asked = set(re.findall(r"_libraries\['libamd_smi.so'\]\.(\w+)", wrapper))
    own = set(re.findall(r"^int (\w+)\(", (SOURCES / "fake_amdsmi.c").read_text(), re.M))
    rest = [f"int {name}(void) {{ return NOT_SUPPORTED; }}\n" for name in sorted(asked - own)]
    (directory / "fake_amdsmi_rest.h").write_text("".join(rest))
    flags = ["-shared", "-fPIC", f"-I{directory}", f"-DMETRICS_SIZE={ctypes.sizeof(metrics)}"]
    compile("fake_amdsmi.c", directory / "libamd_smi.so", *flags, *constants)
    return directory


def _wrapper() -> str:
    """The text of the module's ctypes layer, which cannot be imported without the library."""
    found = importlib.util.find_spec("amdsmi")
    if found is None or found.origin is None:
        pytest.skip("the module amdsmi is not installed (pip install amdsmi)")
    return (Path(found.origin).parent / "amdsmi_wrapper.py").read_text(encoding="utf-8")


def _metrics(wrapper: str) -> type[ctypes.Structure]:
    """Its struct_amdsmi_gpu_metrics_t."""
    names: dict[str, object] = {"ctypes": ctypes, "Structure": ctypes.Structure}
    for struct in (
        "amd_metrics_table_header_t",
        "amdsmi_gpu_xcp_metrics_t",
        "amdsmi_gpu_metrics_t",
    ):
        block = re.search(
            rf"^class struct_{struct}\(Structure\):.*?^{struct} = struct_{struct}$",
            wrapper,
            re.M | re.S,
        )
        assert block, struct
        exec(block[0], names)
    found = names["amdsmi_gpu_metrics_t"]
    assert isinstance(found, type)
    assert issubclass(found, ctypes.Structure)
    return found


def pci_tree(root: Path, *addresses: str, integrated: bool = False) -> Path:
    """/sys/bus/pci/devices with AMD GPUs at *addresses*, as `amdgpu` shows them."""
    (root / "drivers" / "amdgpu").mkdir(parents=True, exist_ok=True)
    for address in addresses:
        device = root / "devices" / address
        monitor = device / "hwmon" / "hwmon3"
        monitor.mkdir(parents=True)
        (device / "vendor").write_text("0x1002\n")
        (device / "class").write_text("0x030000\n" if integrated else "0x120000\n")
        (device / "driver").symlink_to("../../drivers/amdgpu")
        (monitor / "in0_label").write_text("vddgfx\n")
        if integrated:
            (monitor / "in1_label").write_text("vddnb\n")
    return root / "devices"


def environment(library: Path, pci_root: Path, **settings: str) -> dict[str, str]:
    """For a child process that shall see the GPUs. settings: of fake_amdsmi.c, with FAKE_AMD_
    before each."""
    hide = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    env = {k: v for k, v in os.environ.items() if k not in (*hide, "ROCM_PATH", "ROCM_HOME")}
    env["LD_LIBRARY_PATH"] = str(library)
    env["ENERGYCTL_PCI"] = str(pci_root)
    env["FAKE_EPOCH"] = f"{time.time() - 5:.6f}"
    env["FAKE_AMD_WAVE"] = WAVE.spec
    return env | {f"FAKE_AMD_{name}": value for name, value in settings.items()}


PREAMBLE = """
import json, os, sys, time
from pathlib import Path
from energyctl.meters import nvidia_presence, open_meters
from energyctl.meters.sampler import Sampler
for name in ("KERNEL", "DEVICES", "PCI"):
    setattr(nvidia_presence, name, Path(os.environ["NVIDIA"]))

def opened(**options):
    meters, warnings = open_meters(**options)
    return [m for m in meters if m.name == "amdsmi"], warnings
"""


@dataclass(frozen=True)
class Machine:
    """With the stand-in's library, and GPUs that the kernel lists."""

    library: Path
    root: Path

    @property
    def devices(self) -> Path:
        return self.root / "devices"

    def child(self, script: str, *, environ: dict[str, str] | None = None, **settings: str) -> Any:
        """The JSON that `script` prints. settings: of fake_amdsmi.c, without FAKE_AMD_.

        Power is even: so the test of a counter, when it is opened, is short.
        """
        env = environment(self.library, self.devices, **({"WAVE": "constant 200"} | settings))
        empty = str(self.root / "none")
        env |= {"ENERGYCTL_POWERCAP": empty, "ENERGYCTL_PERF": empty, "NVIDIA": empty}
        result = subprocess.run(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)],
            env=env | (environ or {}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


DOMAINS = """
meters, warnings = opened(**json.loads(os.environ.get("OPTIONS", "{}")))
print(json.dumps([
    [[d.name, d.kind, d.source, d.in_total, d.missing] for m in meters for d in m.domains()],
    [d.part for m in meters for d in m.domains()],
    [w for w in warnings if "CPU energy" not in w],
    [[c.verdict for c in d.checks] for m in meters for d in m.domains()],
    [m.unavailable for m in meters],
]))
"""
COUNTER = ["gpu", "amdsmi energy counter", True, None]
POWER = ["gpu", "amdsmi power", True, None]
FIRST, SECOND = (f"gpu/{n + 1}ff74a1-0000-1000-8000-00000000000{n}" for n in range(2))


def options(**named: Any) -> dict[str, str]:
    return {"OPTIONS": json.dumps(named)}
