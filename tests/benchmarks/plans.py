"""Time and memory that a large plan takes: python tests/benchmarks/plans.py --help

`energyctl plan` of one experiment with drawn values, as the table and as JSON, written to a file.
Exit code 1 where one of them takes more than 10 s of CPU, or 500 MB. It uses one core: on a quiet
machine it is over in that time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_SECONDS, MOST_MB = 10.0, 500.0


def planned(folder: Path, runs: int, *options: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and the most memory in MB that a plan of so many runs takes."""
    experiment = {"repo": "digits", "model": "mlp", "mutate": ["epochs", "learning_rate"]}
    data = {"experiment_name": "large", "seed": 1, "runs_per_config": runs}
    file = folder / "large.json"
    file.write_text(json.dumps({**data, "experiments": [experiment]}))
    command = [sys.executable, "-m", "energyctl", "-C", str(folder), "plan", str(file), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with open(folder / "plan", "w") as output:
        subprocess.run(command, stdout=output, check=True)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, used.ru_maxrss * 1024 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000, help="How many runs to plan.")
    runs = parser.parse_args().runs
    missed = False
    for options in ((), ("--json",)):
        with tempfile.TemporaryDirectory(prefix="plans-") as folder:
            seconds, cpu, megabytes = planned(Path(folder), runs, *options)
        name = " ".join(["plan", *options])
        print(f"{name} of {runs} runs: {seconds:.1f} s ({cpu:.1f} s of CPU), {megabytes:.0f} MB")
        missed = missed or cpu > MOST_SECONDS or megabytes > MOST_MB
    if missed:
        print(f"missed: at most {MOST_SECONDS:g} s of CPU and {MOST_MB:g} MB")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
