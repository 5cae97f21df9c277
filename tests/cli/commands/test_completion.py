"""What the command line is in a shell: completion, manual page, colours, progress."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import wait_for
from energyctl import cli
from energyctl.cli.progress import ProgressBar
from written_results import write_runs

SHARE = Path(__file__).parents[3] / "docs" / "man"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "lr study.json").write_text("{}")
    (tmp_path / "settings" / "x.json").write_text("{}")
    registry = {
        "models": {
            "front": {"models": ["small", "large"], "supported_hyperparams": {"lr": {}}},
            "back": {"models": ["m"]},
        }
    }
    (tmp_path / "settings" / "models_config.json").write_text(json.dumps(registry))
    meters = {"note": "of the rack", "plug": {"kind": "shelly"}, "bmc": {"kind": "ipmi"}}
    (tmp_path / "settings" / "meters.json").write_text(json.dumps(meters))
    (tmp_path / "results" / "campaigns").mkdir(parents=True)
    (tmp_path / "results" / "campaigns" / "20300317_lr.jsonl").write_text("")
    (tmp_path / "results" / "20300317_174640_front_small.json").write_text("{}")
    return tmp_path


def completed(workspace: Path, *words: str) -> list[str]:
    """What the last of *words* may become."""
    done = subprocess.run(
        [sys.executable, "-m", "energyctl"],
        cwd=workspace, capture_output=True, text=True, check=True,
        env={
            **os.environ, "_ENERGYCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["energyctl", *words]), "COMP_CWORD": str(len(words)),
        },
    )  # fmt: skip
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_options_and_values_are_completed(workspace: Path) -> None:
    assert completed(workspace, "mig") == ["migrate"]
    assert {"--by", "--base"} <= {*completed(workspace, "compare", "--b")}
    assert completed(workspace, "run", "settings/x") == ["settings/x.json"]
    assert completed(workspace, "resume", "") == ["20300317_lr"]
    assert completed(workspace, "models", "--test", "front/") == ["front/large", "front/small"]
    assert completed(workspace, "run", "--repo", "b") == ["back"]
    assert completed(workspace, "run", "--repo", "back", "--model", "") == ["m"]
    assert completed(workspace, "run", "--repo", "front", "--set", "l") == ["lr="]
    assert completed(workspace, "models", "--test", "front/small", "--set", "") == ["lr="]
    found = completed(workspace, "export", "results/2030")
    assert found == ["results/20300317_174640_front_small.json"]
    assert completed(workspace, "completion", "f") == ["fish"]
    assert completed(workspace, "calibrate", "--against", "") == ["bmc", "plug"]


def test_a_broken_file_completes_nothing_and_says_nothing(workspace: Path) -> None:
    for name in ("models_config", "meters"):
        (workspace / "settings" / f"{name}.json").write_text('{"models": []')
    assert "front" not in completed(workspace, "run", "--repo", "")
    assert not any(completed(workspace, "calibrate", "--against", ""))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(
    shell: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert cli.run(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capfd.readouterr().out)
    read = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_bash_completes_with_it(workspace: Path) -> None:
    """In bash itself: what its completion function is asked, and what it answers."""
    bin_folder = workspace / "bin"
    bin_folder.mkdir()
    program = bin_folder / "energyctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m energyctl "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(energyctl completion bash)"
        function=$(complete -p energyctl | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=(energyctl run settings/) COMP_CWORD=2
        $function energyctl settings/ run
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=workspace, capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["settings/lr study.json", "settings/x.json"]


def test_completion_imports_nothing_heavy(workspace: Path) -> None:
    program = (
        "import sys\nfrom energyctl.cli import run\n"
        "try:\n    run([])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'pydantic', 'rich', 'jinja2', 'psutil', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace, capture_output=True, text=True, check=True,
        env={
            **os.environ, "_ENERGYCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": "energyctl run --repo f", "COMP_CWORD": "3",
        },
    )  # fmt: skip
    assert done.stdout.splitlines() == ["plain,front", "[]"]


# -- the manual page ---------------------------------------------------------------------------


def test_the_manual_page_is_that_of_these_commands() -> None:
    found = importlib.util.spec_from_file_location("make", SHARE / "make.py")
    assert found is not None
    assert found.loader is not None
    make = importlib.util.module_from_spec(found)
    found.loader.exec_module(make)
    page = (SHARE / "energyctl.1").read_text(encoding="utf-8")
    assert page == make.page(), "renew it: python docs/man/make.py"
    for name in ("run", "resume", "watch", "compare", "plot", "export", "completion"):
        assert f".SS energyctl {name} " in page


def test_the_manual_page_is_set_without_a_warning() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", str(SHARE / "energyctl.1")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "energyctl run" in done.stdout


# -- colours and progress ----------------------------------------------------------------------


def in_terminal(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """All that a command writes to a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        os.set_blocking(master, False)
        seen = b""

        def over() -> bool:
            nonlocal seen
            ended = process.poll() is not None
            try:
                while more := os.read(master, 65536):
                    seen += more
            except OSError:
                pass
            return ended

        try:
            wait_for(over, "its end", 60)
        finally:
            process.kill()
    os.close(master)
    return seen.decode()


@pytest.mark.parametrize(
    "arguments", [["models"], ["plan", "settings/quickstart.json"], ["--help"]]
)
def test_no_color_is_respected_and_a_pipe_gets_none(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "energyctl", *arguments]
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    shown = in_terminal(command, {**plain, "TERM": "xterm-256color", "NO_COLOR": "1"}, tmp_path)
    assert "\x1b[3" not in shown  # colours; bold may stay
    piped = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert piped.returncode == 0
    assert not any(ord(c) < 32 and c not in "\n\t" for c in piped.stdout + piped.stderr)


SLOW = """
import sys, time
from energyctl.cli import progress
progress.SHOWN_AFTER_SECONDS = progress.PLAIN_EVERY_SECONDS = {after}
with progress.ProgressBar("reading results") as steps:
    for number in range(30):
        steps(number, 30)
        time.sleep(0.05)
print("done")
"""


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW.format(after=0.3)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    shown = in_terminal(command, environment, tmp_path)
    assert "reading results" in shown
    assert "/30" in shown
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = piped.stderr.splitlines()
    assert piped.stdout == "done\n"
    assert 1 <= len(lines) <= 6
    assert all(line.startswith("energyctl: reading results: ") for line in lines)
    assert not any(ord(c) < 32 and c != "\n" for c in piped.stderr)


def test_what_is_quick_shows_no_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with ProgressBar("reading results") as steps:
        steps(1, 2)
    assert capsys.readouterr() == ("", "") or time.monotonic() - began > 1
    write_runs(tmp_path / "results", "mutation", [1.0, 2.0])
    assert cli.run(["-C", str(tmp_path), "export", "--out", "-"]) == 0
    assert capsys.readouterr().err == ""
