"""What is set of the machine is put back whatever crashes: by the CPUs' governors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.errors import MachineError
from energyctl.system import privileges
from energyctl.system.governor import governor_problem
from energyctl.system.helper import Helper
from energyctl.system.restoring import abandoned, changing, restore_abandoned

DEAD = 2**22 + 1  # above pid_max (proc(5))
PUT_BACK = "put back as before a crash: governor ondemand, governor powersave"


@pytest.fixture
def cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    files = []
    for number, now in enumerate(["powersave", "powersave", "ondemand"]):
        folder = tmp_path / "cpus" / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_available_governors").write_text("performance powersave ondemand\n")
        (folder / "scaling_governor").write_text(f"{now}\n")
        files.append(folder / "scaling_governor")
    monkeypatch.setenv("ENERGYCTL_CPUFREQ", str(tmp_path / "cpus"))
    return files


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where helpers write down what they change; the test fails where one stays."""
    folder = tmp_path / "records"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(privileges, "ROOTS_RECORDS", folder)
    monkeypatch.setattr(privileges, "private_root", lambda user: folder)
    yield folder
    assert [path.name for path in folder.iterdir()] == []


def texts(cpus: list[Path]) -> list[str]:
    return [path.read_text().strip() for path in cpus]


@contextmanager
def set_governor(name: str, say: Callable[[str], None]) -> Iterator[None]:
    with changing(say) as helper:
        if problem := helper.ask("governor", name):
            raise MachineError(problem)
        yield


def test_each_cpu_gets_its_own_governor_back_also_after_an_error(
    cpus: list[Path], records: Path
) -> None:
    seen: list[str] = []

    def fail_under(name: str) -> None:
        with set_governor(name, print):
            seen.extend(texts(cpus))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_under("performance")
    assert seen == ["performance", "performance", "performance"]
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def refusal(name: str) -> str:
    with pytest.raises(MachineError) as error, set_governor(name, print):
        raise AssertionError("it was set")
    return str(error.value)


def test_an_unknown_governor_is_told_with_those_that_there_are(
    cpus: list[Path], records: Path
) -> None:
    assert "performance, powersave, ondemand" in str(governor_problem("perfomance"))
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def test_a_governor_that_fails_half_way_is_put_back_and_told(
    cpus: list[Path], records: Path
) -> None:
    cpus[1].unlink()
    cpus[1].symlink_to("/proc/self/oom_score_adj")  # takes what it holds, and no word
    assert str(cpus[1]) in refusal("performance")
    assert texts([cpus[0], cpus[2]]) == ["powersave", "ondemand"]


def test_a_governor_is_not_set_where_nothing_would_put_it_back(
    cpus: list[Path], records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "nothing would put it back" in refusal("performance")
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def test_records_in_a_folder_that_others_may_change_are_refused(
    cpus: list[Path], records: Path
) -> None:
    records.chmod(0o777)
    assert "others may change it" in refusal("performance")
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def test_a_killed_helper_is_told_and_the_next_one_puts_the_governor_back(
    cpus: list[Path], records: Path
) -> None:
    helper = Helper.start(records)
    assert helper.ask("governor", "performance") is None
    os.kill(helper.child.pid, signal.SIGKILL)
    assert "the helper does not answer" in str(helper.ask("governor", "ondemand"))
    helper.close()
    assert texts(cpus) == ["performance"] * 3
    assert abandoned() == ["governor ondemand", "governor powersave"]
    assert restored() == ([PUT_BACK], [])
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def restored() -> tuple[list[str], list[str]]:
    done: list[str] = []
    problems: list[str] = []
    restore_abandoned(done.append, problems.append)
    return done, problems


def left_by_a_crash(records: Path, governors: object, **fields: object) -> Path:
    """A record of a helper that is dead."""
    record = {"pid": DEAD, "ticks": 1, "cpus": os.environ["ENERGYCTL_CPUFREQ"]}
    path = records / f"restore-{DEAD}.json"
    record |= {"governors": governors, "limits": {}, "clocks": {}}
    path.write_text(json.dumps({**record, **fields}))
    return path


def test_what_a_helper_that_lives_has_changed_is_left_to_it(
    cpus: list[Path], records: Path
) -> None:
    with set_governor("performance", print):
        assert abandoned() == []
        assert restored() == ([], [])
        assert texts(cpus) == ["performance"] * 3


def test_what_was_changed_elsewhere_is_left_alone(cpus: list[Path], records: Path) -> None:
    path = left_by_a_crash(records, {"cpu0": "ondemand"}, cpus="/another/sysfs")
    assert restored() == ([], [])
    assert texts(cpus)[0] == "powersave"
    path.unlink()


def test_what_cannot_be_put_back_is_told_each_time(cpus: list[Path], records: Path) -> None:
    left_by_a_crash(records, {"cpu0": "ondemand", "cpu7": "ondemand"})
    for _ in range(2):
        done, (problem, *_) = restored()
        assert done == []
        assert "cpu7" in problem
    assert texts(cpus)[0] == "ondemand"
    for path in records.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    "governors",
    [
        {"../cpus/cpu0": "ondemand", "cpu0/../cpu0": "ondemand", "": "ondemand", "cpu": "ondemand"},
        {"cpu0": "a name that is far too long", "cpu1": "performance powersave", "cpu2": "../x"},
        {"cpu0": 5, "cpu1": None, "cpu2": ["ondemand"]},
        ["cpu0"],
        None,
    ],
)
def test_a_record_that_is_none_changes_nothing(
    cpus: list[Path], records: Path, governors: object
) -> None:
    left_by_a_crash(records, governors)
    restored()
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]
    for path in records.iterdir():
        path.unlink()


def test_a_link_or_a_pipe_in_the_place_of_a_record_is_passed_over(
    cpus: list[Path], records: Path, tmp_path: Path
) -> None:
    record = left_by_a_crash(records, {"cpu0": "ondemand"})
    record.rename(tmp_path / "elsewhere")
    record.symlink_to(tmp_path / "elsewhere")
    assert restored() == ([], [])
    record.unlink()
    os.mkfifo(record)
    assert restored() == ([], [])
    record.unlink()
    assert texts(cpus)[0] == "powersave"


def test_a_machine_without_frequency_control_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_CPUFREQ", str(tmp_path / "none"))
    assert "no CPU frequency control" in str(governor_problem("performance"))


def test_a_helper_whose_energyctl_is_gone_puts_everything_back_and_ends(
    cpus: list[Path], records: Path
) -> None:
    helper = Helper.start(records)
    assert helper.ask("governor", "performance") is None
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        os.kill(helper.child.pid, signum)
    assert helper.ask("governor", "ondemand") is None
    assert texts(cpus) == ["ondemand"] * 3
    helper._socket.close()  # as the kernel does where energyctl is killed
    wait_for(lambda: helper.child.poll() == 0, "its end")
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]
    helper.close()


def test_where_the_helper_was_killed_another_one_puts_the_governor_back_and_it_is_told(
    cpus: list[Path], records: Path
) -> None:
    said: list[str] = []
    with set_governor("performance", said.append):
        (record,) = records.iterdir()
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    assert "the helper does not answer" in said[0]
    assert said[1] == PUT_BACK
    assert texts(cpus) == ["powersave", "powersave", "ondemand"]


def test_a_helper_that_does_not_answer_in_time_is_not_asked_again() -> None:
    """Its next answer would be that to an earlier question."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.05)
    child = subprocess.Popen(["/bin/sleep", "100"])
    helper = Helper(child, ours)
    try:
        assert helper.ask("governor", "performance") == "the helper does not answer: timed out"
        with contextlib.suppress(OSError):
            its.send(b'{"error": null}')
        assert helper.ask("restore") == "the helper does not answer: timed out"
        assert helper.is_lost
    finally:
        child.kill()
        helper.close()
        its.close()
