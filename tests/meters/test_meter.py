"""The Python API: a block of code, its phases, and what becomes of errors, threads and forks."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

import energyctl
from energyctl import MachineError, Meter, SettingsError
from energyctl.config.settings import schema
from energyctl.meters.meter import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from energyctl.meters.sampler import Sampler
from hardware.powercap import moving, zone
from hardware.waveform import Square

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
WATTS = 100.0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with one package that draws 100 W, and no GPU."""
    tree = tmp_path / "powercap"
    path = zone(tree, "intel-rapl:0", "package-0")
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tree))
    monkeypatch.setenv("ENERGYCTL_PERF", str(tmp_path / "perf"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with moving({path: Square(low=WATTS, high=WATTS)}):
        yield path


def rest(seconds: float = 0.1) -> None:
    """What is metered."""
    threading.Event().wait(seconds)


def fail(folder: Path | None = None) -> None:
    """Raises ZeroDivisionError after a while, and after making *folder*."""
    rest()
    if folder is not None:
        folder.mkdir()
    _ = 1 / 0


def sampling() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "energy-sampler"]


def test_the_energy_of_a_block_is_that_of_its_time(package: Path) -> None:
    before = time.time()
    with Meter() as m:
        rest(0.5)
    after = time.time()
    assert 0.5 <= m.energy.seconds <= after - before
    assert m.energy.total_joules == pytest.approx(WATTS * m.energy.seconds, rel=0.1)
    assert m.energy.measured
    assert m.energy.cpu_package_joules == m.energy.total_joules
    assert not any("no energy" in line or "not measured" in line for line in m.warnings)
    assert not sampling()


def test_phases_share_one_time_line_without_holes(package: Path) -> None:
    with Meter() as m:
        m.phase("load")
        rest()
        with m.phase("train"):
            rest()
            with m.phase("check"):
                rest()
        rest()
        m.phase("save")
    phases = m.phases
    assert [p.name for p in phases] == ["main", "load", "train", "check", "train", "load", "save"]
    assert all(before.end == after.start for before, after in pairwise(phases))
    assert (phases[0].start, phases[-1].end) == (m.energy.start, m.energy.end)
    parts = [p.energy.total_joules for p in phases]
    assert sum(j for j in parts if j is not None) == pytest.approx(m.energy.total_joules)
    assert phases[3].energy.total_joules == pytest.approx(WATTS * 0.1, rel=0.3)


def test_a_block_spans_the_phases_inside_it(package: Path) -> None:
    with Meter() as m:
        with m.phase("outer") as outer:
            rest()
            with m.phase("inner") as inner:
                rest()
            m.phase("more")
            rest()
            assert outer.end is None
        rest()
    pieces = [p for p in m.phases if p.name in ("outer", "inner", "more")]
    assert (outer.start, outer.end) == (pieces[0].start, pieces[-1].end)
    assert outer.start < inner.start
    assert inner.end is not None
    assert outer.end is not None
    assert inner.end < outer.end
    assert outer.energy.seconds == pytest.approx(sum(p.end - p.start for p in pieces))
    assert m.phases[-1].name == "main"


def test_a_phase_that_has_ended_tells_its_energy_at_once_and_for_good(package: Path) -> None:
    with Meter() as m:
        first = m.phase("first")
        rest()
        m.phase("second")
        early = first.energy
        rest()
    assert first.end == early.end
    assert early.total_joules == pytest.approx(WATTS * early.seconds, rel=0.3)
    assert first.energy.total_joules == pytest.approx(early.total_joules, rel=0.05)


def test_inside_the_block_the_energy_is_that_so_far(package: Path) -> None:
    with Meter(interval_seconds=60) as m:
        phase = m.phase("all of it")
        rest()
        half = m.energy
        rest()
        assert phase.end is None
        assert half.total_joules == pytest.approx(WATTS * half.seconds, rel=0.3)
        assert (phase.energy.total_joules or 0) > (half.total_joules or 0)
        assert m.phases[-1].name == "all of it"
        assert m.to_json()["energy"]["total_joules"] > 0
    assert (m.energy.total_joules or 0) > (half.total_joules or 0)
    assert len(m.phases) == 2


def test_an_exception_passes_and_the_energy_up_to_it_stays(package: Path) -> None:
    m = Meter()
    with pytest.raises(ZeroDivisionError), m, m.phase("train") as train:
        fail()
    assert m.energy.total_joules == pytest.approx(WATTS * m.energy.seconds, rel=0.3)
    assert train.end is not None
    assert not sampling()


def test_a_look_at_the_figures_leaves_the_samplers_edges_alone(package: Path) -> None:
    with Meter(interval_seconds=60) as m:
        edges = len(sampler_of(m).recording().phases)
        for _ in range(3):
            assert m.energy.total_joules is not None
            assert m.phases[-1].end > m.phases[-1].start
            assert isinstance(m.warnings, list)
        assert len(sampler_of(m).recording().phases) == edges


def sampler_of(m: Meter) -> Sampler:
    assert m._session is not None
    return m._session.sampler


def interrupt_once(m: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C while the sampler waits for its last step."""
    sampler = sampler_of(m)
    stop = sampler.stop

    def interrupted() -> None:
        monkeypatch.setattr(sampler, "stop", stop)
        sampler._ended = sampler.now()
        raise KeyboardInterrupt

    monkeypatch.setattr(sampler, "stop", interrupted)


def test_a_control_c_in_the_end_closes_everything_and_keeps_the_figures(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = Meter(out=tmp_path / "series").start()
    rest()
    interrupt_once(m, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        m.stop()
    assert not sampling()
    assert m.energy.total_joules is not None
    end = m.energy.end
    m.stop()
    assert m.energy.end == end
    assert (tmp_path / "series" / "cpu_energy.txt").is_file()


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found


def test_a_meter_that_nobody_stops_ends_with_its_last_reference(
    package: Path, tmp_path: Path
) -> None:
    m = Meter(out=tmp_path / "series").start()
    assert any("series" in name for name in open_files())
    del m
    deadline = time.monotonic() + 20
    while sampling() or any("series" in name for name in open_files()):
        assert time.monotonic() < deadline
        rest(0.01)


def test_a_meter_that_nobody_stops_ends_with_the_program(package: Path, tmp_path: Path) -> None:
    program = (
        "import sys, time, energyctl\n"
        "m = energyctl.Meter(0.05, out=sys.argv[1]).start()\n"
        "time.sleep(0.3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "series")],
        timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    # Rows wait for some seconds in memory: they are there because the files were closed.
    rows = (tmp_path / "series" / "cpu_power.csv").read_text().splitlines()
    assert len(rows) > 3


def test_what_is_required_and_cannot_be_measured_is_refused(package: Path) -> None:
    m = Meter(require=["cpu", "gpu"])
    with pytest.raises(MachineError, match="gpu cannot be measured: ") as refused:
        m.start()
    assert "cpu cannot" not in str(refused.value)
    assert not sampling()
    with Meter(require="cpu") as again:
        pass
    assert again.energy.measured


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interval_seconds": 0.01}, "the sampling interval must be 0.05 to 60 s, not 0.01"),
        ({"interval_seconds": 61}, "the sampling interval must be 0.05 to 60 s, not 61"),
        ({"interval_seconds": float("nan")}, "not nan"),
        ({"require": ["gpus"]}, "require: 'gpus' is none of cpu, dram, gpu"),
        ({"gpus": [7]}, "there is no GPU 7"),
        ({"gpus": "GPU-none"}, "there is no GPU GPU-none"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    package: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        Meter(**arguments).start()  # type: ignore[arg-type]


def test_settings_have_the_same_limits_for_the_interval() -> None:
    field = schema()["properties"]["sample_interval_seconds"]
    limits = MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS
    assert (field["minimum"], field["maximum"]) == limits


def test_meters_run_one_after_the_other_and_at_once_in_any_thread(package: Path) -> None:
    seconds: list[float] = []

    def work() -> None:
        for _ in range(2):
            with Meter() as m:
                rest()
            assert m.energy.total_joules == pytest.approx(WATTS * m.energy.seconds, rel=0.5)
            seconds.append(m.energy.seconds)

    threads = [threading.Thread(target=work) for _ in range(2)]
    with Meter() as around:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seconds) == 4
    assert around.energy.seconds > max(seconds)
    assert not sampling()


def test_a_meter_measures_once_and_only_between_start_and_stop(package: Path) -> None:
    m = Meter()
    m.stop()
    with pytest.raises(RuntimeError, match="was not started"):
        _ = m.energy
    m.start()
    with pytest.raises(RuntimeError, match="measures once"):
        m.start()
    m.stop()
    figure = m.energy.total_joules
    m.stop()
    assert m.energy.total_joules == figure
    with pytest.raises(RuntimeError, match="has been stopped"):
        m.phase("late")


def test_a_block_may_outlive_its_meter(package: Path) -> None:
    m = Meter().start()
    with m.phase("train") as train:
        rest()
        m.stop()
    assert train.end == m.energy.end


def test_samples_go_to_a_folder(package: Path, tmp_path: Path) -> None:
    with Meter(0.05, out=tmp_path / "series") as m:
        rest(0.3)
    rows = (tmp_path / "series" / "cpu_power.csv").read_text().splitlines()
    assert len(rows) > 4
    text = (tmp_path / "series" / "cpu_energy.txt").read_text()
    assert f"Package Energy (Joules): {m.energy.cpu_package_joules:.6f}\n" in text


def test_a_folder_that_cannot_be_written_ends_nothing_else(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write"):
        Meter(out=tmp_path / "file").start()
    assert not sampling()
    m = Meter(out=tmp_path / "series")
    with pytest.raises(ZeroDivisionError), m:
        fail(tmp_path / "series" / "cpu_energy.txt")
    assert any("cpu_energy.txt" in line for line in m.warnings)
    assert m.energy.total_joules is not None


def test_a_counter_that_fails_is_null_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tmp_path))
    with Meter(gpus=[]) as m:
        rest()
        (path / "energy_uj").write_text("broken\n")
    assert m.energy.total_joules is None
    (line,) = [line for line in m.warnings if line.startswith("no energy of package-0: ")]
    assert "broken" in line
    assert "broken" in m.to_json()["energy"]["missing"]["cpu_package_joules"]
    assert "broken" in m.to_json()["phases"][0]["missing"]["package-0"]


FORK = """
import os, sys, warnings
import energyctl
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
with energyctl.Meter() as m:
    child = os.fork()
    if child == 0:
        try:
            m.energy
        except RuntimeError as error:
            assert "forked" in str(error), error
            with energyctl.Meter() as own:
                pass
            os._exit(0 if own.energy.seconds > 0 else 1)
        os._exit(2)
    _, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or (m.energy.total_joules is None))
"""

LEAVE = """
import os, sys, warnings
import energyctl
warnings.simplefilter("ignore", DeprecationWarning)
child = 1
with energyctl.Meter() as m:
    with m.phase("train"):
        child = os.fork()
if child == 0:
    os._exit(7)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) - 7)
"""


@pytest.mark.parametrize("program", [FORK, LEAVE])
def test_a_forked_child_has_no_figures_and_disturbs_nothing(program: str, package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=60, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_energyctl_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import energyctl; "
        "print(sorted(set(sys.modules) - before)); print('Meter' in dir(energyctl))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(energyctl.__file__).parents[1])},
    )
    assert done.stdout.split("\n")[:2] == ["['energyctl']", "True"]
    with pytest.raises(AttributeError, match="no attribute 'Metre'"):
        _ = energyctl.Metre  # type: ignore[attr-defined]


def test_the_package_says_that_it_is_typed() -> None:
    assert (files("energyctl") / "py.typed").is_file()


@pytest.mark.parametrize("place", [0, 1])
def test_the_documented_examples_run(
    place: int, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 2
    exec(compile(examples[place], str(DOCUMENT), "exec"), {})
    assert "package-0" in capsys.readouterr().out if place == 0 else True
