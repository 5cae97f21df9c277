"""CPU time of `energyctl meter`: python tests/benchmarks/cost.py --help

Two packages with all that stands beside them, and two GPUs; once more with an Intel GPU and a plug
at the wall, which are four sources at once. Per minute: CPU time of the whole process, from 15 s
after its start to a minute later. Start and stop: CPU time of a whole process that meters a command
which exits at once. Exit code 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import LOADS, PLAIN
from hardware import hwmon
from hardware.compiled import program
from hardware.node_servers import serving, shelly
from hardware.waveform import Square
from hardware.world import World, world

SETTLING_SECONDS = 15.0
# CPU seconds per minute, by interval; and of start and stop together.
LIMITS = {1.0: 0.06, 0.1: 0.5}
START_STOP_LIMIT, FOUR_SOURCES_LIMIT = 0.5, 0.08


def cpu_seconds(process: int) -> float:
    """CPU time of all threads that it has and had, to the nanosecond (clock_getcpuclockid(3))."""
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(process, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def command(folder: Path, interval: float, metered: Sequence[str]) -> list[str]:
    meter = [sys.executable, "-m", "energyctl", "meter", "--json", str(folder / "json")]
    return [*meter, "--interval", str(interval), "--", *metered]


def per_minute(
    environment: Mapping[str, str],
    intervals: Sequence[float],
    settling: float,
    seconds: float,
    workspace: Path | None = None,
) -> dict[float, float]:
    """Starts one meter per interval, all at once: what each of them took."""
    with tempfile.TemporaryDirectory(prefix="cost-") as name:
        meters = {}
        life = settling + seconds + 10
        for i, interval in enumerate(intervals):
            (folder := Path(name) / str(i)).mkdir()
            sleeper = [str(program("foreground")), str(life), str(folder / "marks")]
            meters[interval] = subprocess.Popen(
                command(folder, interval, sleeper),
                cwd=workspace or folder,
                env=environment,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(settling)
        began, before = time.monotonic(), {i: cpu_seconds(p.pid) for i, p in meters.items()}
        time.sleep(seconds)
        minutes = (time.monotonic() - began) / 60
        spent = {i: (cpu_seconds(p.pid) - before[i]) / minutes for i, p in meters.items()}
        for process in meters.values():
            process.terminate()
            process.wait()
    return spent


@contextmanager
def four_sources(place: World) -> Iterator[tuple[Mapping[str, str], Path]]:
    """The environment and the workspace with an Intel GPU, by its driver's counters, and a plug."""
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="cost-") as name:
        root = Path(name) / "hwmon"
        card = hwmon.intel_card(root)
        moves = {
            card / f"energy{n}_input": hwmon.counted(Square(low=20, high=90), began) for n in (1, 2)
        }
        watt_hours = shelly(lambda: 500 * (time.time() - began) / 3600)
        with hwmon.moving(moves), serving(watt_hours) as plug:
            (Path(name) / "settings").mkdir()
            meters = {"wall": {"kind": "shelly", "url": plug.url}}
            (Path(name) / "settings" / "meters.json").write_text(json.dumps(meters))
            yield {**place.environment, "ENERGYCTL_HWMON": str(root)}, Path(name)


def start_and_stop(place: World, starts: int) -> None:
    spent = []
    with tempfile.TemporaryDirectory(prefix="cost-") as name:
        for _ in range(starts + 1):
            process = subprocess.Popen(
                command(Path(name), 1.0, ["true"]),
                env=place.environment,
                stderr=subprocess.DEVNULL,
            )
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            spent.append(usage.ru_utime + usage.ru_stime)
    # The first one reads what the others find in the page cache.
    report(f"start and stop (worst of {starts})", max(spent[1:]), START_STOP_LIMIT)
    report(f"start and stop (median of {starts})", statistics.median(spent[1:]), None)


missed: list[str] = []


def report(what: str, seconds: float, limit: float | None) -> None:
    over = limit is not None and seconds > limit
    bound = "" if limit is None else f" (limit {limit:g} s){' MISSED' if over else ''}"
    print(f"{what}: {seconds:.3f} s of CPU{bound}", flush=True)
    if over:
        missed.append(what)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--seconds", type=float, default=60.0, help="to watch for (60)")
    parser.add_argument("--settling", type=float, default=SETTLING_SECONDS)
    parser.add_argument("--intervals", type=float, nargs="+", default=[1.0, 0.1])
    parser.add_argument("--starts", type=int, default=5, help="starts and stops (5)")
    wanted = parser.parse_args()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    with world(LOADS["constant"]()) as place:
        start_and_stop(place, wanted.starts)
        watch = wanted.settling, wanted.seconds
        for interval, figure in per_minute(place.environment, wanted.intervals, *watch).items():
            report(f"a minute at {interval:g} s", figure, LIMITS.get(interval))
        with four_sources(place) as (environment, workspace):
            (figure,) = per_minute(environment, [1.0], *watch, workspace).values()
            report("a minute at 1 s, four sources", figure, FOUR_SOURCES_LIMIT)
    print("for peers in the same world: tests/benchmarks/peers.py")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
