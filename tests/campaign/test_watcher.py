"""What `energyctl watch` reads, and a real campaign watched."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from watched import view

from bench import wait_for
from energyctl.campaign.status_file import StatusFile
from energyctl.campaign.watcher import Watcher
from energyctl.campaign.watcher import _samples as samples
from energyctl.system.workspace import Workspace


def test_the_reading_that_a_series_begins_with_is_no_gap(tmp_path: Path) -> None:
    lines = ["timestamp,domain,power_w,energy_j", "1.0,package-0,,5", "2.0,package-0,80.0,85"]
    lines += ["3.0,package-0,,", "4.0,package-0,70.0,200", ""]
    (tmp_path / "cpu_power.csv").write_text("\n".join(lines), encoding="utf-8")
    assert samples(tmp_path, {"package-0": 70.0}) == {
        "package-0": [(2.0, 80.0), (3.0, None), (4.0, 70.0)]
    }


def test_what_a_campaign_publishes_is_seen(tmp_path: Path) -> None:
    """All of the view, whatever inner observer there is; a key of a later version does not harm."""
    (tmp_path / "ws" / "results").mkdir(parents=True)
    watcher = Watcher(Workspace(tmp_path / "ws"))
    watcher._runtime = tmp_path
    shown, inner = view(series=str(tmp_path)), mock.Mock()
    StatusFile(inner, tmp_path / "state.json", 12, tmp_path, lambda: 5.0).view(shown)
    inner.view.assert_called_once_with(shown)
    seen = watcher.look().view
    assert seen is not None
    assert seen.gpus == [replace(gpu, limits=list(gpu.limits or ())) for gpu in shown.gpus]
    assert [replace(job, progress=None) for job in seen.jobs] == [
        replace(job, progress=None) for job in shown.jobs
    ]
    assert [tuple(job.progress or ()) for job in seen.jobs] == [(4.0, 10.0), ()]
    assert (seen.joules, seen.warnings) == (shown.joules, shown.warnings)
    watcher._seen = journal = mock.Mock()
    assert watcher.last_journal() is journal  # not that of another campaign, which is newer
    state = json.loads((tmp_path / "state.json").read_text())
    state["gpus"][0] |= {"later": 1}
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert watcher.look().view == seen


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
                wait_for(lambda t=terminal: "\nback_m" in t.text, "the view", 30)
            doomed.process.kill()
            stopped.process.send_signal(signal.SIGSTOP)
            wait_for(lambda: "[training" in wide.text and " of 60" in wide.text, "epochs", 30)
            narrow.press("j")
            wait_for(lambda: "esc back" in narrow.text, "the jobs alone", 30)
            seen = len(narrow.text)
            narrow.press("\x1b")
            wait_for(lambda: "l log" in narrow.text[seen:], "the whole screen", 30)
            narrow.press("q")
            assert narrow.ended() == 0
            assert "\x1b[?1049l" in narrow.text  # the terminal is as it was
            wait_for(lambda: (wide.text, process.poll())[1] is not None, "the campaign", 60)
            assert process.poll() == 0
            assert wide.ended() == 0
            closing = wide.text.partition("\x1b[?1049l")[2]
            assert re.search(r"succeeded.* kJ|succeeded.* J", closing)  # as `run` prints it
            assert "watched: 1 of 1 runs finished (1 succeeded); ended" in closing
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
