"""A campaign whose MLflow server is away: python tests/benchmarks/tracker_away.py --help

Does one campaign without `log_to`, and the same with it, to a real `mlflow server` that is killed
as soon as the first run begins and comes back some time later. Reported are, for both, the time
from the first training's start to the last one's end, and how many runs are in the store at the
end. Exit code 1 where the second campaign takes more than 0.2 s a run longer, or a run is not in
the store. Needs MLflow's whole package (`pip install mlflow`) and a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import Bench, bench_in, wait_for

PORT = 5099
URI = f"http://127.0.0.1:{PORT}"
BAR_SECONDS = 0.2
"""That a run may take longer with a logger beside it."""


def start_server(folder: Path) -> subprocess.Popen[bytes]:
    """Returns once it answers."""
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(PORT), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with open(folder / "server.log", "ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{URI}/health", timeout=1):
                return True
        except OSError:
            return False

    wait_for(answers, "the server to answer")
    return server


def end_server(server: subprocess.Popen[bytes]) -> None:
    """With its workers."""
    os.killpg(server.pid, 9)
    server.wait()


def campaign(bench: Bench, name: str, runs: int, cooldown: float, **fields: Any) -> str:
    training = {
        "repo": "front", "model": "small", "mode": "default", "hyperparameters": {"seconds": 2.0},
        "runs_per_config": runs,
    }  # fmt: skip
    return bench.settings(
        f"{name}.json",
        experiment_name=name,
        experiments=[training],
        idle_seconds=1,
        cooldown_seconds=cooldown,
        **fields,
    )


def seconds_of(bench: Bench, name: str) -> float:
    """From the start of the first training to the end of the last one."""
    attempts = [
        one["foreground_result"]["attempts"][-1]
        for one in bench.results()
        if one["campaign"] == name
    ]
    start = min(one["start"] for one in attempts)
    return float(max(one["end"] for one in attempts) - start)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--cooldown", type=float, default=6.0)
    parser.add_argument("--away", type=float, default=60.0, help="seconds")
    wanted = parser.parse_args(arguments)
    os.environ.setdefault("ENERGYCTL_PRIVATE", tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="tracker-away-") as place:
        folder = Path(place)
        server = start_server(folder)
        try:
            with bench_in(folder) as bench:
                figures = wanted.runs, wanted.cooldown
                plain = bench.run("run", campaign(bench, "plain", *figures))
                assert plain.returncode == 0, plain.stderr
                to = {"to": "mlflow", "uri": URI}
                going = bench.start("run", campaign(bench, "logged", *figures, log_to=to))
                trained = wanted.runs
                wait_for(lambda: len(bench.trials) > trained, "the first training")
                end_server(server)
                time.sleep(wanted.away)
                server = start_server(folder)
                out, err = going.communicate(timeout=600)
                assert going.returncode == 0, err
                took = {name: seconds_of(bench, name) for name in ("plain", "logged")}
                stored = bench.run("log", "--to", "mlflow", "--uri", URI, "--no-page")
        finally:
            end_server(server)
    print(f"{wanted.runs} runs, the server away for {wanted.away:g} s from the first one on:")
    for name, seconds in took.items():
        print(f"  {name}: {seconds:.2f} s from the first training's start to the last one's end")
    for line in out.splitlines():
        if "MLflow" in line:
            print(f"  it said: {line}")
    print(f"  afterwards: {stored.stdout.strip()}")
    longer = (took["logged"] - took["plain"]) / wanted.runs
    whole = f"{wanted.runs} runs logged, {wanted.runs} there already" in stored.stdout
    print(f"  {longer:+.3f} s a run")
    good = longer <= BAR_SECONDS and whole
    print("within its bars" if good else "a bar is missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
