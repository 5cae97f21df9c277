"""Any command, metered: its output, its signals and its exit code stay its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import pwd
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.powercap import moving, zone
from hardware.waveform import Square

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others")

METER = """
import sys
from pathlib import Path
from energyctl.errors import EnergyctlError
from energyctl.meters.command import meter_command
from energyctl.cli.output.meter import summary
options, command = {options!r}, {command!r}
paths = {{k: Path(v) for k, v in options.items() if k in ("out", "json_path")}}
try:
    sys.exit(meter_command(command, **{{**options, **paths}}, stderr=sys.stderr, summary=summary))
except EnergyctlError as error:
    print("error:", error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def arguments(command: list[str], **options: str | float | list[str]) -> list[str]:
    """Of a process that meters `command` as the command line does."""
    return [sys.executable, "-c", METER.format(options=options, command=command)]


def metered(
    command: list[str],
    env: dict[str, str] | None = None,
    stdin: str = "",
    **options: str | float | list[str],
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(command, **options),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


@contextlib.contextmanager
def started(command: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed where it has not ended by the end of the block."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def test_input_and_output_of_the_command_are_untouched_and_the_summary_is_apart() -> None:
    result = metered(shell("cat; printf 'e\\0r' >&2"), stdin="line\n")
    assert result.stdout == "line\n"
    assert result.stderr.startswith("e\0r")
    assert re.search(r"^ total +[0-9.]+ ± [0-9.]+ J +[0-9.]+ W", result.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (shell("exit 0"), 0, ""),
        (shell("exit 3"), 3, ""),
        (shell("kill -TERM $$"), 128 + 15, ""),
        (shell("kill -KILL $$"), 128 + 9, ""),
        (["no-such-program"], 127, "no-such-program: no such program"),
        (["./no-such-program"], 127, "no-such-program: no such program"),
        ([""], 127, "'': no such program"),
        (["/dev/null"], 126, "/dev/null: cannot be executed: Permission denied"),
        ([], 2, "no command"),
    ],
)
def test_the_exit_code_is_the_commands(command: list[str], code: int, message: str) -> None:
    result = metered(command)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_json_holds_energy_command_and_exit_code(tmp_path: Path) -> None:
    command = shell("sleep 0.3; exit 4")
    result = metered(command, json_path=str(tmp_path / "result.json"))
    document = json.loads((tmp_path / "result.json").read_text())
    assert result.returncode == 4
    assert (document["command"], document["exit_code"]) == (command, 4)
    assert document["energy"]["seconds"] >= 0.3
    assert "domains" in document["energy"]
    assert os.listdir(tmp_path) == ["result.json"]


def test_the_json_tells_the_metered_time_as_its_one_phase(tmp_path: Path) -> None:
    before = time.time()
    metered(["sleep", "0.2"], json_path=str(tmp_path / "result.json"))
    document = json.loads((tmp_path / "result.json").read_text())
    (phase,) = document["phases"]
    assert phase["name"] == "main"
    assert before < phase["start"] < phase["end"] < time.time()
    assert phase["end"] - phase["start"] == document["energy"]["seconds"]
    assert set(document) == {"command", "exit_code", "energy", "phases", "note", "warnings"}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"require": ["gpu"], "gpus": []}, 3, "gpu cannot be measured: "),
        ({"require": ["disk"]}, 2, "'disk' is none of cpu, dram, gpu"),
        ({"gpus": ["7"]}, 2, "there is no GPU 7"),
        ({"interval_seconds": 0.001}, 2, "must be 0.05 to 60 s, not 0.001"),
    ],
)
def test_what_cannot_be_metered_is_refused_before_the_command_starts(
    tmp_path: Path, options: dict[str, str | float | list[str]], code: int, message: str
) -> None:
    ran = tmp_path / "ran"
    result = metered(["touch", str(ran)], **options)
    assert result.returncode == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not ran.exists()


@pytest.mark.parametrize(("status", "code"), [(0, 3), (4, 4)])
def test_a_result_that_cannot_be_written_costs_neither_the_code_nor_the_rest(
    tmp_path: Path, status: int, code: int
) -> None:
    out, report = tmp_path / "out", tmp_path / "result.json"
    command = shell(f"mkdir {out}/cpu_energy.txt; exit {status}")
    result = metered(command, out=str(out), json_path=str(report))
    assert result.returncode == code
    assert "cannot write" in result.stderr
    assert re.search(r"^ total ", result.stderr, re.MULTILINE)
    assert json.loads(report.read_text())["exit_code"] == status


def test_a_folder_that_does_not_exist_is_refused_before_the_command_starts(
    tmp_path: Path,
) -> None:
    ran = tmp_path / "ran"
    result = metered(["touch", str(ran)], json_path=str(tmp_path / "none" / "result.json"))
    assert result.returncode == 2
    assert "does not exist" in result.stderr
    assert not ran.exists()


def test_measured_packages_are_in_the_summary_the_json_and_the_tables(tmp_path: Path) -> None:
    tree = tmp_path / "powercap"
    package = zone(tree, "intel-rapl:0", "package-0")
    with moving({package: Square(low=100, high=100)}):
        result = metered(
            ["sleep", "0.7"],
            env={"ENERGYCTL_POWERCAP": str(tree), "CUDA_VISIBLE_DEVICES": ""},
            json_path=str(tmp_path / "result.json"),
            out=str(tmp_path / "out"),
            interval_seconds=0.1,
        )
    energy = json.loads((tmp_path / "result.json").read_text())["energy"]
    assert energy["measured"]
    assert energy["cpu_package_joules"] == pytest.approx(100 * energy["seconds"], rel=0.1)
    assert "package-0" in result.stderr
    assert "estimated" not in result.stderr
    assert sorted(os.listdir(tmp_path / "out")) == [
        "cpu_energy.txt",
        "cpu_power.csv",
        "gpu_power.csv",
        "gpu_temperature.csv",
        "gpu_utilization.csv",
    ]
    text = (tmp_path / "out" / "cpu_energy.txt").read_text()
    assert f"Package Energy (Joules): {energy['cpu_package_joules']:.6f}\n" in text
    assert len((tmp_path / "out" / "cpu_power.csv").read_text().splitlines()) > 5


def test_the_summary_tells_of_each_domain_what_its_figure_is(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:0:1", "dram")
    env = {"ENERGYCTL_POWERCAP": str(tmp_path)}
    command = shell(f"sleep 0.2; echo broken > {package}/energy_uj")
    result = metered(command, env=env, gpus=[], json_path="/dev/null")
    rows = {line.split()[0]: line for line in result.stderr.splitlines() if line.strip()}
    assert re.search(r"unknown +powercap +see the warnings$", rows["package-0"])
    assert re.search(r" J +[0-9.]+ W +powercap +not in the total$", rows["core-0"])
    assert re.search(r" J +[0-9.]+ W +powercap$", rows["dram-0"])
    assert re.search(r"unknown +see the warnings$", rows["total"])
    assert result.stderr.count("energyctl: warning: no energy of package-0: ") == 1
    assert "\x1b" not in result.stderr


def test_an_estimate_is_called_one(tmp_path: Path) -> None:
    env = {"ENERGYCTL_POWERCAP": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    result = metered(["sleep", "0.1"], env=env, json_path=str(tmp_path / "result.json"))
    energy = json.loads((tmp_path / "result.json").read_text())["energy"]
    assert "estimated" in result.stderr
    assert not energy["measured"]
    assert energy["cpu_package_joules"] is None
    assert energy["total_joules"] > 0


def test_the_json_may_go_into_the_folder_of_the_samples(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    for place in (out / "energy.json", tmp_path / "a" / "energy.json"):
        result = metered(["true"], out=str(out), json_path=str(place))
        assert result.returncode == 0, result.stderr
        assert json.loads(place.read_text())["exit_code"] == 0


def test_the_json_is_added_to_an_output_that_is_a_file(tmp_path: Path) -> None:
    command = arguments(["echo", "said"], json_path="/dev/stdout")
    with open(tmp_path / "said", "w") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.PIPE, timeout=60, check=True)
    first, _, rest = (tmp_path / "said").read_text().partition("\n")
    assert first == "said"
    assert json.loads(rest)["command"] == ["echo", "said"]


def test_a_pipe_without_a_reader_can_be_left_by_a_signal(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(arguments(["true"], json_path=str(pipe))) as meter:
        assert meter.stderr is not None
        # The summary comes first: then it waits for a reader.
        while not (line := meter.stderr.readline()).startswith(" total "):
            assert line, "it has ended without a summary"
        meter.terminate()
        meter.communicate(timeout=30)
    assert meter.returncode == -signal.SIGTERM


def test_a_pipe_is_written_for_its_reader(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(arguments(["true"], json_path=str(pipe))) as meter:
        read = subprocess.run(["cat", pipe], capture_output=True, timeout=60, check=True)
        assert json.loads(read.stdout)["exit_code"] == 0
        assert meter.wait(60) == 0


@as_root
def test_under_sudo_only_what_was_made_is_given_to_the_user(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    sudo = {"SUDO_UID": str(nobody.pw_uid), "SUDO_GID": str(nobody.pw_gid)}
    old, report = tmp_path / "old", tmp_path / "old" / "energy.json"
    (old / "below").mkdir(parents=True)
    for path in (old / "notes", old / "below" / "deep", old / "gpu_power.csv", report):
        path.write_text("root's")
    report.chmod(0o640)
    for out in (old, tmp_path / "new"):
        metered(["true"], env=sudo, out=str(out), json_path=str(report))
    given = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.stat().st_uid == nobody.pw_uid
    }
    series = ("cpu_energy.txt", "cpu_power.csv", "gpu_temperature.csv", "gpu_utilization.csv")
    assert given == {
        *(f"old/{name}" for name in series),
        *(f"new/{name}" for name in (*series, "gpu_power.csv")),
        "new",
    }
    assert report.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("script", "code"), [("missing", 127), ("text without a #! line", 126), ("", 126)]
)
def test_a_command_that_cannot_start_leaves_no_files(
    tmp_path: Path, script: str, code: int
) -> None:
    program, out = tmp_path / "program", tmp_path / "a" / "out"
    if script != "missing":
        program.write_text(script)
        program.chmod(0o755 if script else 0o644)
    result = metered([str(program)], out=str(out), json_path=str(tmp_path / "energy.json"))
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert {path.name for path in tmp_path.iterdir()} <= {"program"}


HANGS = """
import os, threading
def open_source(wanted):
    os.write(1, b"opening\\n")  # not by print: it holds a lock that Python waits for at its end
    threading.Event().wait()
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_before_the_command_ends_us_whatever_hangs(
    tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    info = tmp_path / "hangs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hangs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[energyctl.meters]\nhangs = hangs:open_source\n")
    (tmp_path / "hangs.py").write_text(HANGS)
    command = [sys.executable, "-m", "energyctl", "meter", "--", "touch", str(tmp_path / "ran")]
    with started(command, PYTHONPATH=str(tmp_path)) as meter:
        assert meter.stdout is not None
        assert meter.stdout.readline() == "opening\n"
        meter.send_signal(signum)
        _, errors = meter.communicate(timeout=30)
    assert (meter.returncode, errors.strip()) == (code, "")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_a_signal_is_passed_on_and_the_result_still_written(tmp_path: Path, name: str) -> None:
    ready, report = tmp_path / "ready", tmp_path / "result.json"
    command = f"trap 'exit 42' {name[3:]}; touch {ready}; while :; do sleep 0.02; done"
    meter = subprocess.Popen(
        arguments(shell(command), json_path=str(report)),
        stderr=subprocess.PIPE,
        text=True,
        # Under nohup, or behind a shell's `&`, they are ignored, and no shell can trap those.
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),
    )
    wait_until(ready.exists)
    meter.send_signal(getattr(signal, name))
    _, errors = meter.communicate(timeout=30)
    assert meter.returncode == 42
    assert json.loads(report.read_text())["exit_code"] == 42
    assert "Traceback" not in errors


def test_the_command_starts_with_the_signals_as_they_were() -> None:
    status = metered(["cat", "/proc/self/status"]).stdout
    assert re.search(r"^SigBlk:\s+0+$", status, re.MULTILINE)
    ignored = re.search(r"^SigIgn:\s+([0-9a-f]+)$", status, re.MULTILINE)
    assert ignored
    assert not int(ignored[1], 16) >> (signal.SIGPIPE - 1) & 1


def test_control_c_at_a_terminal_reaches_the_command_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import signal, sys\n"
        "def note(word):\n"
        f"    with open({str(log)!r}, 'a') as file: file.write(word)\n"
        "def end(*_):\n"
        "    note('USR1')\n"
        "    sys.exit(5)\n"
        "signal.signal(signal.SIGINT, lambda *_: note('INT '))\n"
        "signal.signal(signal.SIGUSR1, end)\n"
        "note('ready ')\n"
        "while True: signal.pause()\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, arguments([sys.executable, "-c", script]))
    try:
        wait_until(lambda: log.exists() and log.read_text() == "ready ")
        os.write(terminal, b"\x03")
        wait_until(lambda: "INT" in log.read_text())
        # Signals are passed on in their order: a second SIGINT would come before this one.
        os.kill(pid, signal.SIGUSR1)
        output = read_to_end(terminal)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert log.read_text() == "ready INT USR1"
    assert os.waitstatus_to_exitcode(status) == 5
    assert b"Traceback" not in output


def read_to_end(terminal: int) -> bytes:
    output = b""
    while select.select([terminal], [], [], 20)[0]:
        try:
            output += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
    return output
