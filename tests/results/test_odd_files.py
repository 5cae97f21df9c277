"""One odd file in ``results/`` or ``campaigns/`` is named once and left out; it stops nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from written_results import write_runs

DEEP = "[" * 100_000 + "]" * 100_000
COMMANDS = [
    ("plan", "x.json"),
    ("run", "x.json", "--dry-run"),
    ("run", "x.json"),
    ("resume",),
    ("watch", "--once"),
    ("status",),
    ("status", "--json"),
    ("doctor",),
    ("report",),
    ("report", "--html", "page.html"),
    ("compare", "--by", "lr"),
    ("attribute",),
    ("export", "--out", "tables"),
    ("plot", "--out", "figure.svg"),
    ("collect",),
    ("import", "old"),
    ("stop",),
]
ACTIONS = {("run", "x.json"), ("resume",), ("stop",)}
"""In processes of their own."""


def called(bench: Bench, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return (bench.run if arguments in ACTIONS else bench.look)(*arguments)


def changed(good: dict[str, Any], **training: Any) -> str:
    return json.dumps({**good, "foreground_result": {**good["foreground_result"], **training}})


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(10 * 2**40)


ODD: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
    "deep": lambda path, good: path.write_text(DEEP),
    "deep_inside": lambda path, good: path.write_text(json.dumps(good)[:-1] + f', "x": {DEEP}}}'),
    "string": lambda path, good: path.write_text(json.dumps({**good, "foreground_result": "x"})),
    "duration": lambda path, good: path.write_text(changed(good, duration="abc")),
    "large": lambda path, good: path.write_text(changed(good, duration=1e300)),
    "digits": lambda path, good: path.write_text(changed(good, retries=10**4000)),
    "list": lambda path, good: path.write_text("[1, 2]"),
    "pipe": lambda path, good: os.mkfifo(path),
    "zero": lambda path, good: path.symlink_to("/dev/zero"),
    "nowhere": lambda path, good: path.symlink_to("gone"),
    "loop": lambda path, good: path.symlink_to(path),
    "folder": lambda path, good: path.mkdir(),
    "huge": lambda path, good: huge(path),
    "bytes": lambda path, good: path.write_bytes(b"\xff\xfe\x00"),
}


def test_a_command_that_hangs_in_this_process_fails_the_test(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a pipe that nobody writes to, where it takes every error for a file that is odd."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def read(arguments: list[str]) -> int:
        with contextlib.suppress(Exception):
            pipe.read_text()
        return 0

    limit, (left, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    monkeypatch.setattr("bench.DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr("energyctl.cli.run", read)
    with pytest.raises(pytest.fail.Exception, match="energyctl report has not ended"):
        bench.look("report")
    assert signal.getsignal(signal.SIGALRM) == limit
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= left - 0.2


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_odd_results_stop_no_command(bench: Bench, arguments: tuple[str, ...]) -> None:
    write_runs(bench.root / "results", "default", [5.0, 6.0, 7.0, 8.0])
    good = json.loads(next((bench.root / "results").glob("*.json")).read_text())
    for name, make in ODD.items():
        make(bench.root / "results" / f"odd_{name}.json", good)
    bench.settings(experiments=[{"repo": "front", "model": "small", "mode": "default"}])
    (bench.root / "old").mkdir()
    done = called(bench, arguments)  # within its deadline
    assert "internal error" not in done.stderr
    # There is no campaign, no pair, and no old run.
    nothing = {"resume", "collect", "import", "attribute"}
    few = {"report", "compare", "export", "plot"}  # say by 1 that something was left out
    wanted = 2 if arguments[0] in nothing else 1 if arguments[0] in few else 0
    assert done.returncode == wanted, done.stderr
    if arguments[0] in ("plan", "run"):
        assert done.stderr.count("/odd_") + 9 == len(ODD)
        assert "9 more files are no results" in done.stderr
    elif arguments[0] in few:
        assert [done.stderr.count(f"/odd_{name}.json:") for name in ODD] == [1] * len(ODD)


def odd_journals(folder: Path, good: str) -> Iterator[Path]:
    head = json.loads(good.splitlines()[0])
    texts = {
        "deep": DEEP + "\n" + good,
        "list": "[1]\n" + good,
        "wrong": json.dumps({**head, "runs": "none"}),
        "runs": json.dumps({**head, "runs": [{"index": "one"}]}),
        "keys": json.dumps({"event": "campaign", "schema": 1, "time": 5.0}),
        "garbage": "\0\0\0garbage\n" * 100,
    }
    for name, text in texts.items():
        (folder / f"30000101_000000_{name}.jsonl").write_text(text)
    os.mkfifo(folder / "30000101_000000_pipe.jsonl")
    (folder / "30000101_000000_zero.jsonl").symlink_to("/dev/zero")
    (folder / "30000101_000000_gone.jsonl").symlink_to("gone")
    (folder / "30000101_000000_folder.jsonl").mkdir()
    huge(folder / "30000101_000000_huge.jsonl")
    yield from folder.glob("3000*")


def test_odd_journals_stop_no_command_and_the_newest_good_one_is_taken(bench: Bench) -> None:
    bench.settings(experiments=[{"repo": "front", "model": "small", "mode": "default"}])
    assert bench.run("run", "x.json").returncode == 0
    campaigns = bench.root / "results" / "campaigns"
    (journal,) = campaigns.glob("*.jsonl")
    with open(journal, "a") as file:
        file.write('{"event": "started", "time": "now", "run": 7}\n{"event": "finished"}\nx\n')
    odd = list(odd_journals(campaigns, journal.read_text()))
    for path in odd:
        if not path.is_symlink():
            os.utime(path, (4e9, 4e9))
    done = bench.run("resume")
    assert "1 of 1 runs are finished" in done.stdout
    assert done.stderr.count("line 5: time is 'now', not a number") == 1
    newer = [path for path in odd if not path.is_symlink()]
    assert [done.stderr.count(f"/{path.name}:") for path in newer] == [1] * len(newer)
    no_journal = {"plan", "doctor", "compare", "export", "plot", "import"}
    for arguments in COMMANDS:
        if arguments[0] in no_journal:
            continue
        done = called(bench, arguments)
        assert "internal error" not in done.stderr, arguments
        if arguments[0] not in ("collect", "attribute"):
            assert done.returncode == 0, (arguments, done.stderr)
    refused = bench.look("resume", "deep")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


def test_what_stands_in_the_place_of_a_result_is_left_there(bench: Bench) -> None:
    bench.settings(experiments=[{"repo": "front", "model": "small", "mode": "default"}])
    assert bench.run("run", "x.json").returncode == 0
    (result,) = (bench.root / "results").glob("*.json")
    result.write_text('{"schema": 99, "experiment_id": "E"}')
    resumed = bench.run("resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.count(f"{result}: of schema 99") == 1
    assert result.read_text() == '{"schema": 99, "experiment_id": "E"}'
    assert len(bench.trials) == 2
