"""One run of `energyctl meter` in a world of known energy, and how far it was from the truth."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from hardware.compiled import program
from hardware.world import World

# The machine was too busy to say something about the meter where a tick of the world's counters
# came this late beside an edge, or the metered sleep ended this late.
LATE_TICK_SECONDS, LATE_SLEEP_SECONDS = 0.003, 0.005
EDGE_SECONDS, SETTLED_SECONDS = 0.1, 0.5
PARTS = {"cpu": ("package-0", "package-1"), "gpu": ("gpu-0", "gpu-1")}

_starting = threading.Lock()  # one start at a time: start-ups are what makes a machine busy


@dataclass(frozen=True)
class Part:
    """Energy of the packages or of the GPUs over one run.

    error, uncertainty: percent of the truth; inf where there is no figure, with `missing`.
    inside: each of its domains is within its stated uncertainty of the truth.
    """

    error: float
    uncertainty: float
    inside: bool
    missing: str | None = None


@dataclass(frozen=True)
class Run:
    """start, end: the command's own marks, Unix seconds. spoiled: the machine was too busy."""

    start: float
    end: float
    parts: dict[str, Part]
    spoiled: str | None
    early_wraps: int
    wraps: int


def meter(world: World, seconds: float, interval: float) -> Run:
    """Meters a command that sleeps for `seconds`."""
    with tempfile.TemporaryDirectory(prefix="metering-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "energyctl", "meter", "--json", str(folder / "json")]
        command += ["--interval", str(interval), "--"]
        command += [str(program("foreground")), str(seconds), str(folder / "marks")]
        env = world.environment | {"ENERGYCTL_LOCK": str(folder / "lock")}
        with _starting, (folder / "errors").open("w") as errors:
            process = subprocess.Popen(command, env=env, stderr=errors, stdin=subprocess.DEVNULL)
            _wait_for(folder / "marks", process)
        if process.wait() != 0:
            raise RuntimeError((folder / "errors").read_text())
        energy = json.loads((folder / "json").read_text())["energy"]
        start, end, late = (int(n) / 1e9 for n in (folder / "marks").read_text().split())
    return judged(world, energy, start, end, late)


def _wait_for(marks: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the command runs, and the meter has settled after its start."""
    while not marks.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(SETTLED_SECONDS)


def judged(world: World, energy: dict[str, Any], start: float, end: float, late: float) -> Run:
    domains = {d["name"]: d for d in energy["domains"]}
    truth = world.load.joules(start, end)
    parts = {}
    for part, names in PARTS.items():
        absent = [n for n in names if domains.get(n, {}).get("joules") is None]
        if absent:
            reason = domains.get(absent[0], {}).get("missing", "it is not listed")
            parts[part] = Part(inf, inf, False, f"{absent[0]}: {reason}")
            continue
        true = sum(truth[n] for n in names)
        within = {n: _within(domains[n]) for n in names}
        error = 100 * (sum(domains[n]["joules"] for n in names) / true - 1)
        inside = all(abs(domains[n]["joules"] - truth[n]) <= within[n] for n in names)
        parts[part] = Part(error, 100 * sum(within.values()) / true, inside)
    return Run(
        start,
        end,
        parts,
        _spoiled(world, start, end, late),
        world.wraps(start, start + 1),
        world.wraps(start, end),
    )


def _within(domain: dict[str, Any]) -> float:
    """Joules that its figure may be off. These counters show energy at once, so the run's own
    uncertainty has to do, with what the metering is longer than the command lived.
    """
    own: float = domain["own_joules"]
    return own + float(domain["budget"].get("window", 0.0))


def _spoiled(world: World, start: float, end: float, late: float) -> str | None:
    if late > LATE_SLEEP_SECONDS:
        return f"the sleep ended {1000 * late:.0f} ms late"
    for edge in (start, end):
        tick = world.mover.latest(edge - EDGE_SECONDS, edge + EDGE_SECONDS)
        if tick > LATE_TICK_SECONDS:
            return f"a tick of the counters was {1000 * tick:.0f} ms late"
    return None
