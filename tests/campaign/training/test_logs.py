"""What a training does to its log, and prints, harms neither the measurement nor energyctl."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

import psutil
import pytest

from bench import Bench, wait_for


def registry(bench: Bench, program: str, **fields: Any) -> str:
    """A registry with one training, which runs *program*; the name of the settings file."""
    entry = {
        "path": "repos/front",
        "models": ["small"],
        "command": [sys.executable, "-S", "-c", program],
        **fields,
    }
    models = bench.root / "settings" / "models_config.json"
    models.write_text(json.dumps({"models": {"front": entry}}))
    training = {"repo": "front", "model": "small", "mode": "default"}
    return bench.settings(experiments=[training])


REPLACE = """
import glob, os, time
(log,) = glob.glob({folder!r} + "/training_*.log")
print("acc: 0.25", flush=True)
os.rename(log, log + ".old")
{action}
print("acc: 0.75", flush=True)
time.sleep({seconds})
"""
REPLACEMENTS = {
    "a link": "os.symlink('/etc/passwd', log)",
    "a FIFO": "os.mkfifo(log)",
    "a folder": "os.mkdir(log)",
    "nothing": "",
    "another file": "open(log, 'w').write('acc: 1.0')",
}


@pytest.mark.parametrize("there", REPLACEMENTS)
def test_an_attempt_whose_log_was_replaced_has_failed(bench: Bench, there: str) -> None:
    program = REPLACE.format(
        folder=str(bench.root / "results"), action=REPLACEMENTS[there], seconds=1.5
    )
    patterns = {"log_patterns": {"acc": "acc: {number}"}}
    name = registry(bench, program, performance_metrics=patterns, progress="acc: {number}")
    assert bench.run("run", name).returncode == 1
    (result,) = bench.results()
    foreground = result["foreground_result"]
    assert foreground["error"].startswith(f"its log was replaced: there is {there} at ")
    assert foreground["performance_metrics"] == {"acc": 0.75}


def test_the_results_folder_may_be_replaced_between_two_steps(bench: Bench) -> None:
    """The next step's log is not made where the link leads to."""
    results, elsewhere = bench.root / "results", bench.root / "elsewhere"
    elsewhere.mkdir()
    move = f"import os; os.rename({str(results)!r}, {str(bench.root / 'moved')!r}); "
    move += f"os.symlink({str(elsewhere)!r}, {str(results)!r})"
    steps = [
        {"name": "one", "command": [sys.executable, "-S", "-c", move]},
        {"name": "two", "command": ["/bin/echo", "said by two"]},
    ]
    name = registry(bench, "", command=None, steps=steps)
    models = bench.root / "settings" / "models_config.json"
    models.write_text(models.read_text().replace('"command": null, ', ""))
    assert bench.run("run", name).returncode != 0
    assert not list(elsewhere.glob("training_*.log"))
    (log,) = (bench.root / "moved").glob("training_*.log")
    assert "said by two" in log.read_text()


def test_a_fifo_in_place_of_a_file_of_metrics_is_not_waited_for(bench: Bench) -> None:
    pattern = {"pattern": "acc {number}", "file": "*.txt"}
    name = registry(
        bench,
        "import os; os.mkfifo('acc.txt')",
        performance_metrics={"log_patterns": {"acc": pattern}},
    )
    assert bench.run("run", name).returncode == 0
    (result,) = bench.results()
    reason = "metrics not found: acc (acc.txt cannot be read: not a regular file) (attempt 0)"
    assert reason in result["warnings"]


EXPLODING = r"(a+)+$|z{number}"
HARD = r"""
import time
end = time.monotonic() + 2
print("1234567890" * 200_000 + "\n" + "a" * 2_000_000 + "!\nacc: 0.5", flush=True)
time.sleep(max(0, end - time.monotonic()))
"""


def test_a_pattern_that_explodes_changes_no_duration_and_is_a_warning(bench: Bench) -> None:
    patterns = {"log_patterns": {"bad": EXPLODING, "acc": "acc: {number}"}}
    name = registry(bench, HARD, performance_metrics=patterns, progress=EXPLODING)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    foreground = result["foreground_result"]
    assert foreground["performance_metrics"] == {"acc": 0.5}
    assert any(
        "a metric was given up: bad, its pattern takes too long" in line
        for line in result["warnings"]
    )
    assert 2.0 <= foreground["duration"] < 3.0


def test_a_signal_is_answered_while_metrics_are_read(bench: Bench) -> None:
    patterns = {f"bad{number}": f"{EXPLODING}|{number}z" for number in range(20)}
    program = "print(('a' * 60_000 + '!\\n') * 200 + 'done')"
    name = registry(bench, program, performance_metrics={"log_patterns": patterns})
    popen = bench.start("run", name)

    def seconds() -> float:
        return sum(psutil.Process(popen.pid).cpu_times()[:2])

    (log,) = wait_for(lambda: list((bench.root / "results").glob("training_*.log")), "the log")
    wait_for(lambda: log.read_bytes().endswith(b"done\n"), "its end")
    before = seconds()
    wait_for(lambda: seconds() > before + 0.5, "the search for metrics")
    popen.send_signal(signal.SIGINT)
    began = time.monotonic()
    popen.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert popen.returncode == 130
    (result,) = bench.results()
    assert result["status"] == "interrupted"
    assert result["foreground_result"]["duration"] < 30
