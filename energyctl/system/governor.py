"""The governors of the CPUs' frequency: what they are, and whether one can be set here."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from energyctl.system import privileges
from energyctl.system.helper import cpu_root


def governors() -> dict[Path, str]:
    """The scaling governor of each CPU by its file; empty where the kernel offers none."""
    names = {}
    for path in sorted(cpu_root().glob("cpu[0-9]*/cpufreq/scaling_governor")):
        with contextlib.suppress(OSError):
            names[path] = path.read_text(encoding="utf-8").strip()
    return names


def governor_problem(name: str) -> str | None:
    """Why the governor cannot be set to *name* on this machine; None where it can."""
    now = governors()
    if not now:
        return f"the governor {name!r} cannot be set: this machine has no CPU frequency control"
    for path in now:
        available = path.with_name("scaling_available_governors")
        with contextlib.suppress(OSError):
            names = available.read_text(encoding="utf-8").split()
            if name not in names:
                return f"the governor {name!r} is not offered here; there are {', '.join(names)}"
        if now[path] != name and not privileges.given_up() and not os.access(path, os.W_OK):
            return f"the governor {name!r} cannot be set without root; use sudo"
    return None
