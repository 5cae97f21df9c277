"""energyctl beside codecarbon and zeus: python tests/benchmarks/peers.py --help

All tools meter the same stretch of the same world at once; each wave is a world of its own. The
packages' counters start over once, 0.4 of the way; but for "wraps", where they do about each two
seconds. The peers are installed into environments of their own in a cache folder. They read
/sys/class/powercap by its absolute path, so they run in a private mount namespace: root is needed.
Errors are against the truth between each tool's own marks around the metered sleep. CPU seconds
are those of the process and its descendants.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from benchmarks.cost import cpu_seconds
from benchmarks.loads import LOADS, PLAIN, wrapping_once
from benchmarks.metering import PARTS, judged
from hardware.compiled import program
from hardware.world import World, world

REQUIREMENTS = {"codecarbon": "codecarbon==3.3.2", "zeus": "zeus==0.16.0"}
HERE = Path(__file__).parent
# Until all tools are imported and ready, and from there to the first look at their CPU time.
READY_SECONDS, SETTLING_SECONDS = 20.0, 15.0
# A sysfs without powercap has no place to mount one, so its classes are covered.
# codecarbon takes the GPUs for absent where there is no nvidia-smi.
NAMESPACE = """
[ -d /sys/class/powercap ] || { mount -t tmpfs none /sys/class && mkdir /sys/class/powercap; }
mount --bind "$1" /sys/class/powercap
[ ! -d /sys/devices/virtual/powercap ] || mount --bind "$1" /sys/devices/virtual/powercap
printf '#!/bin/sh\\n' > nvidia-smi
chmod +x nvidia-smi
PATH="$PWD:$PATH"
shift
exec "$@"
"""


@dataclass(frozen=True)
class Tool:
    name: str
    environment: str | None  # the peer's; None: this one
    option: str


TOOLS = (
    Tool("energyctl, 1 s", None, "1"),
    Tool("codecarbon, 1 s", "codecarbon", "1"),
    Tool("codecarbon, default (15 s)", "codecarbon", "default"),
    Tool("zeus", "zeus", ""),
)


@dataclass(frozen=True)
class Figure:
    """errors: percent; None: no figure. cpu_minute: seconds per minute; cpu_total: of the run."""

    errors: Mapping[str, float | None]
    spoiled: str | None
    cpu_minute: float
    cpu_total: float


def install(environments: Path) -> None:
    """Makes the peers' environments, unless they are there."""
    for name, requirement in REQUIREMENTS.items():
        python = environments / name / "bin" / "python"
        if not python.exists():
            print(f"installing {requirement} into {environments / name}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        ready = subprocess.run([python, "-c", f"import {name}"], capture_output=True)
        if ready.returncode != 0:
            subprocess.run([python, "-m", "pip", "install", "-q", requirement], check=True)


def command(
    tool: Tool, environments: Path, folder: Path, begin: float, seconds: float
) -> list[str]:
    if tool.environment is None:
        meter = [sys.executable, "-m", "energyctl", "meter", "--interval", tool.option]
        meter += ["--json", str(folder / "json"), "--"]
        return [*meter, str(program("foreground")), str(seconds), str(folder / "marks")]
    python = environments / tool.environment / "bin" / "python"
    driver = HERE / f"peer_{tool.environment}.py"
    result = str(folder / "json")
    return [str(python), str(driver), repr(begin), str(seconds), result, tool.option]


def tree_seconds(process: int) -> float:
    """CPU time of the process and its descendants; of those that ended, to 10 ms."""
    spent, root = 0.0, psutil.Process(process)
    for member in [root, *root.children(recursive=True)]:
        with suppress(OSError, psutil.NoSuchProcess):
            ended = member.cpu_times()
            spent += cpu_seconds(member.pid) + ended.children_user + ended.children_system
    return spent


def side_by_side(
    place: World, tools: Sequence[Tool], environments: Path, seconds: float
) -> dict[Tool, Figure]:
    """Meters one stretch with all tools at once."""
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        begin, running = time.time() + READY_SECONDS, {}
        for i, tool in enumerate(tools):
            (folder := Path(name) / str(i)).mkdir()
            started = command(tool, environments, folder, begin + random.random(), seconds)
            if tool.environment is None:  # it meters from its start on
                started = ["sh", "-c", f'sleep {READY_SECONDS}; exec "$@"', "sh", *started]
            inside = ["unshare", "-m", "sh", "-ec", NAMESPACE, "sh", str(place.root), *started]
            with (folder / "log").open("w") as log:
                running[tool] = (
                    folder,
                    subprocess.Popen(
                        inside,
                        env=place.environment | {"HOME": str(folder)},
                        cwd=folder,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                    ),
                )
        settling = min(SETTLING_SECONDS, seconds / 4)
        time.sleep(READY_SECONDS + settling)
        clock, before = time.monotonic(), {t: tree_seconds(p.pid) for t, (_, p) in running.items()}
        time.sleep(max(1.0, seconds - settling - 2))
        minutes = (time.monotonic() - clock) / 60
        rates = {t: (tree_seconds(p.pid) - before[t]) / minutes for t, (_, p) in running.items()}
        return {t: _figure(place, t, *running[t], rates[t]) for t in tools}


def _figure(
    place: World, tool: Tool, folder: Path, process: subprocess.Popen[bytes], rate: float
) -> Figure:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    total = usage.ru_utime + usage.ru_stime
    if process.returncode != 0 or not (folder / "json").exists():
        lines = (folder / "log").read_text().splitlines() or ["no message"]
        print(f"{tool.name}: it failed: {lines[-1]}", file=sys.stderr)
        return Figure(dict.fromkeys(PARTS), None, rate, total)
    told = json.loads((folder / "json").read_text())
    if tool.environment is None:
        start, end, late = (int(n) / 1e9 for n in (folder / "marks").read_text().split())
        run = judged(place, told["energy"], start, end, late)
        errors = {part: run.parts[part].error for part in PARTS}
        return Figure(errors, run.spoiled, rate, total)
    truth, errors = place.load.joules(told["start"], told["end"]), {}
    for part, names in PARTS.items():
        joules = told["joules"][part]
        true = sum(truth[name] for name in names)
        errors[part] = None if joules is None else 100 * (joules / true - 1)
    late = f"the sleep ended {1000 * told['late']:.0f} ms late"
    return Figure(errors, late if told["late"] > 0.005 else None, rate, total)


def table(waves: Sequence[str], results: Mapping[str, Mapping[Tool, Figure]]) -> str:
    heads = [f"CPU {w} %" for w in waves] + [f"GPU {w} %" for w in waves]
    heads = ["tool", *heads, "CPU s a minute", "CPU s in all"]
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for tool in TOOLS:
        figures = [results[wave][tool] for wave in waves]
        cells = [_cell(f, part) for part in PARTS for f in figures]
        cells.append(f"{statistics.median(f.cpu_minute for f in figures):.3f}")
        cells.append(f"{statistics.median(f.cpu_total for f in figures):.2f}")
        rows.append(f"| {tool.name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(figure: Figure, part: str) -> str:
    error = figure.errors[part]
    star = "*" if figure.spoiled else ""
    return "none" if error is None else f"{error:+.2f}{star}"


def main() -> int:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--seconds", type=float, default=60.43)
    parser.add_argument("--waves", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--environments", type=Path, default=cache / "energyctl-benchmarks")
    wanted = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("the peers' CPU figures need root: a mount of our powercap tree", file=sys.stderr)
        return 2
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    environments = wanted.environments.resolve()
    install(environments)
    results = {}
    for wave in wanted.waves:
        load = LOADS[wave]()
        if wave != "wraps":
            load = wrapping_once(load, READY_SECONDS + 0.4 * wanted.seconds)
        with world(load) as place:
            results[wave] = side_by_side(place, TOOLS, environments, wanted.seconds)
    print(f"{wanted.seconds:g} s, {', '.join(REQUIREMENTS.values())}; * the machine was too busy\n")
    print(table(wanted.waves, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
