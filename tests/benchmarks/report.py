"""The page of a large campaign: python tests/benchmarks/report.py --help

Makes results of runs of an hour at 1 Hz (two packages, DRAM, two GPUs with temperature and
utilisation, a background of 90 iterations), and has `energyctl report` make their page in a process
of its own. Reported are its time, its greatest memory and the page's size; with Chromium also the
time to the first chart, and the longest time between two frames while the page is scrolled from
top to bottom. Exit code 1 where a bar is missed: 60 s, 1 GB, 20 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

START = 1_900_000_000.0
SECONDS_BAR, MEMORY_BAR_MB, SIZE_BAR_MB = 60.0, 1000.0, 20.0
DOMAINS = (
    ("package-0", "cpu", 95.0), ("package-1", "cpu", 80.0), ("dram-0", "dram", 12.0),
    ("gpu-0", "gpu", 280.0), ("gpu-1", "gpu", 250.0),
)  # fmt: skip


def write_result(folder: Path, number: int, seconds: int, draw: random.Random) -> None:
    """One run with its time series, 1 Hz."""
    begin = START + number * (seconds + 200)
    name = f"run{number:04d}_repo_model_parallel"
    start, end = begin + 40, begin + 40 + seconds
    factor = draw.uniform(0.8, 1.2)
    energies = [
        {
            "name": domain, "kind": kind, "source": "made up", "measured": True, "in_total": True,
            "joules": watts * factor * seconds, "uncertainty_joules": 0.002 * watts * seconds,
            "budget": {}, "missing": None,
        }
        for domain, kind, watts in DOMAINS
    ]  # fmt: skip
    total = sum(one["joules"] for one in energies)
    spans = (
        ("idle", begin, begin + 10), ("background_start", begin + 10, begin + 30),
        ("background_only", begin + 30, start), ("foreground", start, end),
        ("background_stop", end, end + 1), ("cooldown", end + 1, end + 61),
    )  # fmt: skip
    watts = {domain: watts for domain, _, watts in DOMAINS}
    result = {
        "schema": 1, "experiment_id": name, "campaign": "made up", "mode": "parallel",
        "status": "succeeded" if draw.random() > 0.02 else "failed",
        "foreground_result": {
            "repo": "repo", "model": draw.choice(["small", "large"]), "success": True,
            "duration": float(seconds), "retries": 0, "exit_code": 0, "error": None,
            "hyperparameters": {
                "learning_rate": 10 ** draw.uniform(-4, -1), "batch_size": draw.choice([32, 64]),
            },
            "performance_metrics": {"accuracy": draw.random(), "loss": draw.random()},
            "attempts": [{"attempt": 0, "start": start, "end": end}],
        },
        "background_info": {"jobs": [{
            "job": "back_model", "repo": "back", "model": "model", "iterations": 90, "failures": 0,
            "coverage": 0.995, "load": 0.97, "max_gap_seconds": 0.03, "missing": {},
        }]},
        "energy": {
            "seconds": float(seconds), "total_joules": total, "uncertainty_joules": total * 0.002,
            "measured": True, "domains": energies, "missing": {},
        },
        "phases": [
            {"name": phase, "start": a, "end": b, "joules": {}, "watts": watts}
            for phase, a, b in spans
        ],
        "warnings": ["foreign load during the foreground: other processes used 0.40 cores"],
        "environment": {"hostname": "node", "gpus": [{"name": "GPU"}], "seed": 1},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(result))
    write_series(folder / f"energy_{name}_attempt0", start, seconds, draw)
    rows = [
        f"back_model,{i + 1},{i + 100},{begin + 10 + i * seconds / 90},"
        f"{begin + 10 + (i + 0.99) * seconds / 90},0,"
        for i in range(90)
    ]
    (folder / f"background_logs_{name}").mkdir()
    (folder / f"background_logs_{name}" / "iterations.csv").write_text("\n".join(rows) + "\n")


def write_series(folder: Path, start: float, seconds: int, draw: random.Random) -> None:
    folder.mkdir()
    tables: dict[str, list[str]] = {
        "cpu_power.csv": ["timestamp,domain,power_w,energy_j"],
        "gpu_power.csv": ["timestamp,gpu,power_draw_w,energy_j"],
        "gpu_temperature.csv": ["timestamp,gpu,gpu_temp_c,memory_temp_c"],
        "gpu_utilization.csv": ["timestamp,gpu,gpu_util_percent,memory_util_percent"],
    }
    for second in range(seconds):
        now = f"{start + second + 0.001:.6f}"
        for domain, kind, watts in DOMAINS:
            power = watts * draw.uniform(0.7, 1.2)
            table, name = (
                ("gpu_power.csv", domain[4:]) if kind == "gpu" else ("cpu_power.csv", domain)
            )
            tables[table].append(f"{now},{name},{power:.4f},{watts * second:.4f}")
        for gpu in "01":
            tables["gpu_temperature.csv"].append(f"{now},{gpu},{60 + draw.randrange(20)},")
            used = f"{draw.randrange(101)},{draw.randrange(101)}"
            tables["gpu_utilization.csv"].append(f"{now},{gpu},{used}")
    for name, rows in tables.items():
        (folder / name).write_text("\n".join(rows) + "\n")


def made(folder: Path, page: Path) -> tuple[float, float, float]:
    """Seconds, seconds of the CPU and megabytes that making the page took."""
    command = [sys.executable, "-m", "energyctl", "report", str(folder), "--html", str(page)]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    taken = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


SCROLL = """
() => new Promise((done) => {
  let worst = 0, last = performance.now();
  const step = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    window.scrollBy(0, 400);
    const end = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
    if (end) done(worst); else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""


def browsed(page: Path, runs: int) -> dict[str, float] | None:
    """Milliseconds to the first chart, to a run's chart, and of the longest frame of scrolling."""
    program = shutil.which("chromium")
    if program is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            shown = browser.new_page(viewport={"width": 1400, "height": 900})
            began = time.monotonic()
            shown.goto(page.as_uri())
            shown.wait_for_selector("#c-energy svg", timeout=60_000)
            first = time.monotonic() - began
            began = time.monotonic()
            shown.evaluate(f"document.getElementById('r{runs // 2}').open = true")
            shown.evaluate(f"document.getElementById('r{runs // 2}').scrollIntoView()")
            shown.wait_for_selector(".run-power svg", timeout=60_000)
            opened = time.monotonic() - began
            shown.evaluate("window.scrollTo(0, 0)")
            longest: Any = shown.evaluate(SCROLL)
            return {"first": first * 1e3, "opened": opened * 1e3, "frame": float(longest)}
        finally:
            browser.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=3600, help="of each run, at 1 Hz")
    parser.add_argument("--keep", type=Path, help="put the page there")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder, draw = Path(name) / "results", random.Random(1)
        folder.mkdir()
        for number in range(wanted.runs):
            write_result(folder, number, wanted.seconds, draw)
        page = Path(name) / "report.html"
        seconds, cpu, megabytes = made(folder, page)
        size = page.stat().st_size / 1e6
        print(f"{wanted.runs} runs of {wanted.seconds} s at 1 Hz:")
        print(
            f"  made in {seconds:.1f} s ({cpu:.1f} s of the CPU), {megabytes:.0f} MB of memory, "
            f"page of {size:.1f} MB"
        )
        seen = browsed(page, wanted.runs)
        if seen is not None:
            print(
                f"  Chromium: first chart after {seen['first']:.0f} ms, a run's after "
                f"{seen['opened']:.0f} ms, longest frame of scrolling {seen['frame']:.0f} ms"
            )
        if wanted.keep:
            shutil.copyfile(page, wanted.keep)
    good = seconds < SECONDS_BAR and megabytes < MEMORY_BAR_MB and size < SIZE_BAR_MB
    print("within its bars" if good else "a bar is missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
