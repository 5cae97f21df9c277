"""What a training's output costs the measurement: python tests/benchmarks/logs.py --help

Real campaigns of one run (`energyctl run`), whose training prints megabytes that are hard to
match, each beside the same without patterns: with all patterns of the shipped registry at once
(and --registry FILE), one of them for the progress, and with `(a+)+$`. Bars: the duration in the
result is as without, within 0.1 s; energyctl has 150 MiB at most; and it ends within 2 s of a
SIGINT, sent while the training runs and while its metrics are read.

Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import PLAIN
from energyctl.system import workspace

SECONDS_BAR, MIB_BAR, SIGINT_BAR = 0.1, 150, 2.0
EXPLODING = "(a+)+$"
SHIPPED = Path(__file__).parents[2] / "settings" / "models_config.json"

TRAINING = r"""
import sys, time
kind, mebibytes, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds
text = {
    "digits": "1234567890" * 100_000,
    "a": "a" * 1_000_000,
    "returns": "epoch 1 loss 0.5\r" * 60_000,
    "emoji": "\N{GRINNING FACE}" * 250_000,
}[kind].encode()
for number in range(mebibytes):
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
if kind == "returns":
    sys.stdout.buffer.write("\N{GRINNING FACE}".encode())
sys.stdout.buffer.write(b"!\nacc: 0.5\n")
sys.stdout.buffer.flush()
time.sleep(max(0.0, end - time.monotonic()))
"""

missed: list[str] = []


def report(what: str, figures: str, good: bool) -> None:
    print(f"{what}: {figures}{'' if good else ' MISSED'}", flush=True)
    if not good:
        missed.append(what)


def patterns_in(data: Any) -> Iterator[tuple[str, str]]:
    """Each ("progress" or "metric", pattern) of a registry."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if key == "log_patterns":
            for given in value.values():
                pattern = given if isinstance(given, str) else given.get("pattern")
                if pattern is not None:
                    yield "metric", pattern
        elif key == "progress":
            yield "progress", value
        elif isinstance(value, dict | list):
            yield from patterns_in(value)


class Place:
    """A workspace whose only training is the one above."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "workspace"
        workspace.init(self.root)
        (folder / "private").mkdir()
        (self.root / "train.py").write_text(TRAINING)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("ENERGYCTL", "SUDO"))},
            "ENERGYCTL_LOCK": str(folder / "lock"),
            "ENERGYCTL_PRIVATE": str(folder / "private"),
            "ENERGYCTL_ACCEPTANCE": str(folder / "records"),
            "ENERGYCTL_POWERCAP": str(folder / "none"),
            "ENERGYCTL_PERF": str(folder / "none"),
        }

    def start(self, arguments: list[str], metrics: list[str], progress: str | None) -> int:
        """The pid of a campaign of one run."""
        entry: dict[str, Any] = {
            "path": ".",
            "models": ["m"],
            "command": [sys.executable, "-S", "train.py", *arguments],
            "performance_metrics": {
                "log_patterns": {f"m{number}": text for number, text in enumerate(metrics)}
            },
        }
        if progress is not None:
            entry["progress"] = progress
        settings = self.root / "settings"
        (settings / "models_config.json").write_text(json.dumps({"models": {"t": entry}}))
        campaign = {
            "experiment_name": "logs",
            "experiments": [{"repo": "t", "model": "m", "mode": "default"}],
            "idle_seconds": 0,
            "cooldown_seconds": 0,
            "max_retries": 0,
        }
        (settings / "x.json").write_text(json.dumps(campaign))
        command = [sys.executable, "-m", "energyctl", "run", "x.json", "--no-progress"]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=self.root, env=self.environment, stdout=quiet).pid

    def result(self) -> dict[str, Any]:
        """The newest result; its log goes, as it is large."""
        newest = max((self.root / "results").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        data: dict[str, Any] = json.loads(newest.read_text())
        for log in (self.root / "results").glob("*.log"):
            log.unlink()
        return data


def carried_out(
    place: Place, arguments: list[str], metrics: list[str], progress: str | None
) -> tuple[float, float]:
    """The training's duration in the result, seconds, and the most memory of energyctl, MiB."""
    _, status, used = os.wait4(place.start(arguments, metrics, progress), 0)
    result = place.result()
    assert status == 0, result["foreground_result"]["error"]
    return result["foreground_result"]["duration"], used.ru_maxrss / 1024


def interrupted(place: Place, arguments: list[str], after: float) -> float:
    """Seconds from a SIGINT, *after* the training's first output, to the end of energyctl."""
    pid = place.start(arguments, [EXPLODING] * 30, EXPLODING)
    while not any(log.stat().st_size for log in (place.root / "results").glob("*.log")):
        time.sleep(0.01)
    time.sleep(after)
    os.kill(pid, signal.SIGINT)
    began = time.monotonic()
    os.wait4(pid, 0)
    seconds = time.monotonic() - began
    place.result()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--mebibytes", type=int, default=10)
    parser.add_argument("--long", type=int, default=500, help="MiB of lines that end in \\r")
    parser.add_argument("--seconds", type=float, default=4.0, help="that a training takes")
    parser.add_argument("--signals", type=int, default=12)
    parser.add_argument("--registry", type=Path, action="append", default=[SHIPPED])
    parser.add_argument("--kinds", nargs="+", default=["digits", "a", "returns", "emoji"])
    wanted = parser.parse_args()
    found = [pair for file in wanted.registry for pair in patterns_in(json.loads(file.read_text()))]
    shipped = list(dict.fromkeys(pattern for _, pattern in found))
    progress = next((pattern for kind, pattern in found if kind == "progress"), None)
    ways = {
        f"{len(shipped)} patterns of registries": (shipped, progress),
        EXPLODING: ([EXPLODING], EXPLODING),
    }
    with tempfile.TemporaryDirectory(prefix="logs-") as folder:
        place = Place(Path(folder))
        for kind in wanted.kinds:
            arguments = [kind, str(wanted.mebibytes), str(wanted.seconds)]
            without, _ = carried_out(place, arguments, [], None)
            for way, (metrics, shown) in ways.items():
                seconds, mib = carried_out(place, arguments, metrics, shown)
                late = seconds - without
                good = abs(late) <= SECONDS_BAR and mib <= MIB_BAR
                figures = f"{seconds:.3f} s, without {without:.3f} s ({late:+.3f} s); {mib:.0f} MiB"
                report(f"{wanted.mebibytes} MB of {kind}, {way}", figures, good)
        for way, (metrics, shown) in ways.items() if wanted.long else ():
            arguments = ["returns", str(wanted.long), str(wanted.seconds)]
            _, mib = carried_out(place, arguments, metrics, shown)
            report(f"{wanted.long} MB of returns, {way}", f"{mib:.0f} MiB", mib <= MIB_BAR)
        instants = [2 * wanted.seconds * random.random() for _ in range(wanted.signals)]
        ends = [interrupted(place, ["a", "10", str(wanted.seconds)], at) for at in instants]
        if ends:
            figures = f"{sum(ends) / len(ends):.2f} s, at most {max(ends):.2f} s"
            report(f"{len(ends)} times SIGINT", figures, max(ends) <= SIGINT_BAR)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
