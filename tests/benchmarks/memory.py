"""Growth of memory over an hour's worth of samples: python tests/benchmarks/memory.py --help

The real sampler, in a process of its own, takes as many samples as an hour has at the given
interval, but much faster: 200 a second, in a world with two packages and two GPUs, while it writes
the tables. Reported is by how much the process grew after the first tenth of them, beside what
must be kept of a sample: its time and its value, 16 bytes for each domain. Exit code 1 where it
grew by more than three times that, and 2 MiB.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import LOADS, PLAIN
from hardware.world import world

RATE = 200
BYTES_PER_VALUE = 16
FACTOR, SLACK_MIB = 3.0, 2.0
MIB = 1 << 20

SAMPLING = """
import gc, json, os, sys, time
from pathlib import Path
from energyctl.meters import open_meters
from energyctl.meters.sampler import Sampler

samples, rate, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def wait_for(seconds):
    time.sleep(max(0.0, began + seconds - time.monotonic()))
meters, _ = open_meters()
sampler = Sampler(meters, interval_seconds=1 / rate)
sampler.start()
sampler.record_to(folder)
sampler.phase("all")
began = time.monotonic()
wait_for(samples / rate / 10)
first = resident()
wait_for(samples / rate)
last = resident()
statistics = sampler.stop().statistics
domains = sum(d.missing is None for m in meters for d in m.domains())
print(json.dumps([first, last, statistics.samples, statistics.missed, domains]))
"""


def grown(samples: int, environment: dict[str, str], label: str) -> bool:
    """Prints one figure; True where it is within the limit."""
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        arguments = [str(samples), str(RATE), folder]
        done = subprocess.run(
            [sys.executable, "-c", SAMPLING, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    first, last, taken, passed_over, domains = json.loads(done.stdout)
    kept = 0.9 * taken * domains * BYTES_PER_VALUE
    growth, limit = last - first, FACTOR * kept + SLACK_MIB * MIB
    print(
        f"{label}: {taken} samples of {domains} domains ({passed_over} passed over): "
        f"{first / MIB:.1f} MiB grew by {growth / MIB:.2f} MiB; the samples must take "
        f"{kept / MIB:.2f} MiB (limit {limit / MIB:.2f} MiB){'' if growth <= limit else ' MISSED'}",
        flush=True,
    )
    return bool(growth <= limit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--intervals", type=float, nargs="+", default=[1.0, 0.1])
    wanted = parser.parse_args()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    good = True
    with world(LOADS["constant"]()) as place:
        for interval in wanted.intervals:
            label = f"{wanted.hours:g} h at {interval:g} s"
            good &= grown(round(3600 * wanted.hours / interval), place.environment, label)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
