"""`energyctl watch`: what it draws at 80 and at 200 columns, and a real campaign watched."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench import wait_for
from energyctl.background.job_view import JobView
from energyctl.campaign.observer import View
from energyctl.campaign.watcher import CampaignProgress, FinishedRun, Scene
from energyctl.campaign.watcher import _samples as samples
from energyctl.cli.output.live import Progress
from energyctl.cli.output.run_view import plain_line
from energyctl.cli.output.watch import BLOCKS, plain, screen, sparkline
from energyctl.config.plan import BackgroundJob, Run, Training

SAMPLES = Path(__file__).parents[1] / "samples" / "watch"
NOW = 1_900_000_000.0


def scene(**changes: object) -> Scene:
    """A parallel run, 70 s into its training."""
    training = Training("examples", "mnist", {"epochs": 10, "learning_rate": 0.0125})
    background = (BackgroundJob(Training("examples", "mnist_rnn", {})),)
    runs = [
        Run(index, 0, index, "parallel", training, background=background) for index in range(1, 7)
    ]
    view = View(
        index=2,
        experiment_id="20300317_174640_examples_mnist_parallel",
        title="examples / mnist",
        attempt=2,
        phase="foreground",
        phase_since=NOW - 70,
        watts={"package-0": 121.4, "gpu-0": 250.25},
        jobs=[
            JobView("examples_mnist_rnn", 12, 1, True, 0.0, 0.9971, 0.02, 0.98),
            JobView("訓練_2", 3, 3, False, 4.0, 0.5, 4.0, None),
        ],
        last_line="epoch 4",
        progress=(4.0, 10.0),
    )
    done = [
        FinishedRun(1, "20300317_170000_examples_mnist_parallel", "failed", 12345.6, 7.0, False, 2)
    ]
    facts: dict[str, object] = {
        "view": view,
        "ends": NOW + 4000,
        "run": runs[1],
        "next_runs": runs[2:],
        "done": done,
        "power": {
            "package-0": [100.0 + 2 * (i % 11) for i in range(60)],
            "gpu-0": [None, 80.0, 90.0, 250.0, None, 250.25],
        },
        "lines": ["\x1b[32mepoch 3\x1b[0m loss 0.5", "第四 epoch\tloss 0.4 " + "x" * 300],
        "closed": CampaignProgress(
            "learning rates", 5, 6, {1: "failed"}, None, False, "energyctl resume x"
        ),
        **changes,
    }
    return Scene(NOW, **facts)  # type: ignore[arg-type]


def drawn(what: Scene, width: int, height: int) -> str:
    """The screen as text; its clock is in UTC."""
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(screen(what, width, height))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_a_run_is_drawn_whole_at_any_width(width: int, height: int) -> None:
    """To renew the samples: look at what is drawn, then put it into tests/samples/watch."""
    text = drawn(scene(), width, height)
    assert text == (SAMPLES / f"{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("height", [5, 12, 24])
def test_it_is_never_larger_than_the_terminal(height: int) -> None:
    jobs = [JobView(f"copy_{number}", 1, 0, True) for number in range(50)]
    view = scene().view
    assert view is not None
    many = scene(view=View(**{**vars(view), "jobs": jobs}))
    lines = drawn(many, 60, height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= 60
    if height == 24:
        assert any("more background jobs" in line for line in lines)
        assert any("epoch 3" in line for line in lines)  # and the training is still to be seen


def test_a_line_of_power_shows_its_course_and_its_gaps() -> None:
    assert sparkline([0.0, 50.0, 100.0], 3) == BLOCKS[0] + BLOCKS[4] + BLOCKS[7]
    assert sparkline([1.0, None, 2.0], 5) == "  ▁ █"
    assert sparkline([100.0, 100.9], 2) == "▁▄"  # a hundredth is no cliff
    assert sparkline([], 4) == "    "


def test_the_reading_that_a_series_begins_with_is_no_gap(tmp_path: Path) -> None:
    lines = ["timestamp,domain,power_w,energy_j", "1.0,package-0,,5", "2.0,package-0,80.0,85"]
    lines += ["3.0,package-0,,", "4.0,package-0,70.0,200", ""]
    (tmp_path / "cpu_power.csv").write_text("\n".join(lines), encoding="utf-8")
    assert samples(tmp_path, {"package-0": 70.0}) == {
        "package-0": [(2.0, 80.0), (3.0, None), (4.0, 70.0)]
    }


def test_what_went_wrong_and_what_is_awaited_is_said() -> None:
    view = scene().view
    assert view is not None
    settling = View(
        **{
            **vars(view), "phase": "background_start", "until": NOW + 230, "moving": "gpu-0 rises",
            "progress": None, "attempt": 0,
        }
    )  # fmt: skip
    text = drawn(scene(view=settling, lines=()), 100, 30)
    assert "[load coming up 1 min 10 s of 5 min 00 s at most]" in text
    assert "gpu-0 rises" in text
    dead = scene(dead=True)
    assert "this campaign died: `energyctl stop` ends what it left" in drawn(dead, 120, 30)
    assert plain(dead).startswith("this campaign died")
    assert "nothing new for 1 min 30 s" in drawn(scene(age_seconds=90.0), 100, 30)
    estimated = scene(view=View(**{**vars(view), "estimated": True}))
    assert "is an estimate, not measured" in drawn(estimated, 100, 30)
    over = CampaignProgress(
        "c", 6, 6, {1: "failed", 2: "succeeded"}, NOW - 60, True, "energyctl resume x"
    )
    text = drawn(Scene(NOW, closed=over), 160, 10)
    assert "2 of 6 runs finished (1 failed, 1 succeeded); interrupted 1 min 00 s ago" in text
    assert "go on with: energyctl resume x" in text


def test_run_shows_the_screen_of_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    watched = scene()
    assert watched.view is not None
    console = Console(width=100, height=34, color_system=None, file=io.StringIO())
    progress = Progress(console, 6, 6, live=True, ends=watched.ends)
    progress.name, progress.runs = "learning rates", [watched.run, *watched.next_runs]  # type: ignore[list-item]
    progress.view(watched.view)
    with console.capture() as captured:
        console.print(progress._draw())
    shown = {line.rstrip() for line in captured.get().splitlines()}
    alike = {line.rstrip() for line in drawn(watched, 100, 30).splitlines()}
    for line in alike:
        if re.match("parallel:|… ›|background |training ━|then run", line):
            assert line in shown
    assert re.search(r"gpu-0 +250.2 W", captured.get())
    assert "> epoch 4" in shown
    progress.finished(1, result_of("failed"))
    with console.capture() as captured:
        console.print(progress._draw())
    assert "run 1 failed  12.3456 ± 0.0070 kJ (estimated)  2 warnings" in captured.get()
    assert "1 finished, 1 failed" in captured.get()


def result_of(status: str) -> dict[str, object]:
    return {
        "experiment_id": "a", "status": status, "warnings": ["b", "c"], "background_info": None,
        "foreground_result": {"duration": 5.0, "error": None},
        "energy": {"total_joules": 12345.6, "uncertainty_joules": 7.0, "measured": False},
    }  # fmt: skip


def test_a_plain_line_says_all_that_the_screen_says() -> None:
    view = scene().view
    assert view is not None
    line = plain_line(view, 6, None)
    assert line.startswith("run 2 of 6  examples / mnist  training, attempt 2  ")
    labelled = replace(view, condition="beside rnn", block=3)
    assert plain_line(labelled, 6, None).startswith(
        "run 2 of 6  examples / mnist, beside rnn, block 3  training, attempt 2  "
    )
    control = replace(labelled, index=0, experiment_id="control", condition="alone", block=None)
    assert plain_line(control, 6, None).startswith("control  examples / mnist, alone  training")
    warm_up = replace(view, condition="alone", warm_up=True)
    assert "examples / mnist, alone, warm-up  training" in plain_line(warm_up, 6, None)
    assert "| package-0 121.4 W  gpu-0 250.2 W |" in line
    assert "background examples_mnist_rnn: iteration 12, 1 failed  covered 99.7 %, longest" in line
    assert "not running for 4.0 s, 3 failed" in line
    assert line.endswith("| > epoch 4")


# -- a real one --------------------------------------------------------------------------------


def workspace(root: Path, seconds: int) -> Path:
    """One run of a training that says where it is, beside another one."""
    (root / "settings").mkdir(parents=True)
    program = (
        f"import time\nfor i in range({seconds * 10}):\n"
        f"    print('epoch', i + 1, 'of', {seconds * 10}, flush=True)\n    time.sleep(0.1)"
    )
    registry = {
        "models": {
            "front": {
                "path": ".", "command": ["{python}", "-c", program], "models": ["m"],
                "supported_hyperparams": {}, "progress": r"epoch (?P<done>\d+) of (?P<total>\d+)",
            },
            "back": {
                "path": ".", "command": ["{python}", "-c", "import time; time.sleep(1)"],
                "models": ["m"], "supported_hyperparams": {},
            },
        }
    }  # fmt: skip
    (root / "settings" / "models_config.json").write_text(json.dumps(registry))
    experiment = {
        "mode": "parallel",
        "foreground": {"repo": "front", "model": "m", "mode": "default"},
        "background": {"repo": "back", "model": "m"},
    }
    settings = {
        "experiment_name": "watched", "experiments": [experiment], "idle_seconds": 0.2,
        "cooldown_seconds": 0, "sample_interval_seconds": 0.1,
        "settle": {"seconds": 0.5, "timeout_seconds": 1},
    }  # fmt: skip
    (root / "x.json").write_text(json.dumps(settings))
    return root


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "energyctl", "-C", str(root), *arguments]


@contextmanager
def campaign(root: Path, seconds: int) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "ENERGYCTL_LOCK": str(root / "lock")}
    with subprocess.Popen(
        command(workspace(root, seconds), "run", "x.json", "--no-progress"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


class Terminal:
    """A command in a pseudo-terminal of so many columns; `text`: all that it wrote."""

    def __init__(self, arguments: list[str], columns: int) -> None:
        self._master, slave = pty.openpty()
        environment = {
            **os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "30",
            "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        self.process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        os.set_blocking(self._master, False)
        self._seen = b""

    @property
    def text(self) -> str:
        try:
            while more := os.read(self._master, 65536):
                self._seen += more
        except (BlockingIOError, OSError):
            pass
        return self._seen.decode(errors="replace")

    def ended(self) -> int:
        """Its exit code, once it has one; what it writes meanwhile is read."""
        wait_for(lambda: (self.text, self.process.poll())[1] is not None, "its end", 30)
        code = self.process.poll()
        assert code is not None
        return code

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def test_a_campaign_is_watched_and_whatever_becomes_of_the_watch_it_goes_on(
    tmp_path: Path,
) -> None:
    root = tmp_path / "ws"
    with campaign(root, seconds=6) as process:
        wait_for(lambda: [*(root / "results").glob("energy_*/cpu_power.csv")], "samples", 60)
        narrow = Terminal(command(root, "watch", "--interval", "0.2"), 80)
        wide = Terminal(command(root, "watch", "--interval", "0.2"), 200)
        doomed = Terminal(command(root, "watch", "--interval", "0.2"), 80)
        stopped = Terminal(command(root, "watch", "--interval", "0.2"), 80)
        try:
            for terminal in (narrow, wide, doomed, stopped):
                wait_for(lambda t=terminal: "background back_m" in t.text, "the view", 30)
            doomed.process.kill()
            stopped.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: "[training" in wide.text and " of 60" in wide.text, "epochs", 30)
            narrow.press("q")
            assert narrow.ended() == 0
            assert "\x1b[?1049l" in narrow.text  # the terminal is as it was
            wait_for(lambda: (wide.text, process.poll())[1] is not None, "the campaign", 60)
            assert process.poll() == 0
            assert wide.ended() == 0
            assert "watched: 1 of 1 runs finished (1 succeeded); ended" in wide.text
        finally:
            for terminal in (narrow, wide, doomed, stopped):
                terminal.close()
    result = json.loads(next((root / "results").glob("*.json")).read_text())
    assert result["status"] == "succeeded"
    once = subprocess.run(
        command(root, "watch", "--once"), capture_output=True, text=True, check=False
    )
    assert once.returncode == 0
    assert "no campaign runs in this workspace | watched: 1 of 1 runs" in once.stdout


def test_a_pipe_gets_plain_lines_and_a_dead_campaign_is_said(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    with campaign(root, seconds=60) as process:
        wait_for(lambda: [*(root / "results").glob("energy_*/cpu_power.csv")], "samples", 60)
        with subprocess.Popen(
            command(root, "watch", "--interval", "0.2"), stdout=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout is not None
            try:
                first = watching.stdout.readline()
                assert "run 1 of 1  front / m" in first
                process.kill()
                rest = watching.stdout.read()
                assert watching.wait(30) == 1
            finally:
                watching.kill()
    assert "this campaign died: `energyctl stop` ends what it left" in rest
    assert not any(ord(c) < 32 and c != "\n" for c in first + rest)
    environment = {**os.environ, "ENERGYCTL_LOCK": str(root / "lock")}
    stop = subprocess.run(
        command(root, "stop"), capture_output=True, text=True, env=environment, check=False
    )
    assert stop.returncode == 0, stop.stderr


@pytest.mark.parametrize(("attempt", "said"), [(None, False), (0, False), (1, True)])
def test_a_further_attempt_is_named_by_the_number_of_its_folder(
    attempt: int | None, said: bool
) -> None:
    view = scene().view
    assert view is not None
    view = replace(view, attempt=attempt)
    for text in (plain_line(view, 6, None), plain(scene(view=view))):
        assert ("attempt 1" in text) == said
