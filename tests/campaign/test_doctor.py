"""What the doctor finds on a machine, measures there, and says."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import energyctl
from bench import Bench, wait_for
from energyctl.analysis.wall_calibration import calibrate_wall
from energyctl.campaign import doctor, facts
from energyctl.cli.output import doctor as doctor_output
from energyctl.cli.output import status
from energyctl.cli.output.console import LineConsole
from energyctl.energy import Acceptance, Check, Domain
from energyctl.meters import (
    GpuProcess,
    Reading,
    Row,
    Source,
    describe,
    open_meters,
    permissions,
    together,
)
from energyctl.meters.base import NotReported
from energyctl.meters.probe import ProbedDomain
from energyctl.system.user import invoking_user
from hardware import nvml
from hardware.hwmon import agx_orin, gh200, orin_nano
from hardware.meter import ScriptedMeter
from hardware.powercap import zone
from written_results import WALL_PHASES, write_wall_run

PACKAGE = Domain("package-0", "cpu", "powercap", part="package-0")


def staircase(watts: float, step: float) -> Callable[[float], float]:
    started = time.monotonic()
    return lambda now: watts * ((now - started) // step * step)


def row_of(domain: Domain, value: Callable[[float], float | None], seconds: float = 0.4) -> Row:
    (row,) = describe([ScriptedMeter({domain: value})], seconds=seconds)
    return row


def looked_at(
    domain: Domain, value: Callable[[float], float], look: float = 0.0003, seconds: float = 1.0
) -> ProbedDomain:
    """Looks at `value` each `look` seconds, the first a little into its time."""
    watched = ProbedDomain(domain)
    for index in range(int(seconds / look)):
        now = 100 + 0.0001 + index * look
        watched.add(Reading(domain.name, now, value(now - 100)))
    return watched


@pytest.mark.parametrize("update", [0.001, 0.02, 0.1])
def test_pace_step_and_power_of_a_counter_are_measured(update: float) -> None:
    seen = looked_at(PACKAGE, lambda now: 7 + 200 * (now // update * update))
    assert seen.update_seconds() == pytest.approx(update, rel=0.02)
    assert seen.steps() == pytest.approx([200 * update] * len(seen.steps()))
    assert seen.watts() == pytest.approx(200, rel=0.02)


def test_a_counter_that_moves_often_is_known_at_a_glance() -> None:
    began = time.monotonic()
    row = row_of(PACKAGE, staircase(200, 0.001), seconds=60)
    assert time.monotonic() - began < 30
    assert row.watts == pytest.approx(200, rel=0.1)


def test_a_glance_is_as_long_as_the_slowest_counter_of_a_source_needs() -> None:
    still = Domain("package-1", "cpu", "powercap", part="package-1")
    meter = ScriptedMeter({PACKAGE: staircase(200, 0.001), still: lambda _: 12.0})
    began = time.monotonic()
    rows = {row.domain: row for row in describe([meter], seconds=0.5)}
    assert time.monotonic() - began >= 0.5
    assert "its counter did not move for 0.5 s" in (rows["package-1"].cure or "")


def test_what_is_to_be_known_well_is_no_glance() -> None:
    began = time.monotonic()
    describe([ScriptedMeter({PACKAGE: staircase(200, 0.001)})], seconds=0.5, how_well=True)
    assert time.monotonic() - began >= 0.5


def test_a_move_that_was_missed_does_not_slow_the_pace() -> None:
    seen = looked_at(PACKAGE, lambda now: 0.0 if 0.3 < now < 0.36 else now // 0.02 * 4)
    assert seen.update_seconds() == pytest.approx(0.02, rel=0.05)


def test_a_counter_that_wraps_while_it_is_watched_keeps_its_power() -> None:
    small = Domain("package-0", "cpu", "powercap", wrap_joules=30.0)
    seen = looked_at(small, lambda now: 200 * (now // 0.001 * 0.001) % 30)
    assert seen.watts() == pytest.approx(200, rel=0.01)


def test_power_is_averaged_and_moves_where_it_changes() -> None:
    sensor = Domain("gpu-0", "gpu", "nvml power", quantity="power")
    seen = looked_at(sensor, lambda now: 100.0 if now // 0.05 % 2 else 140.0)
    assert seen.watts() == pytest.approx(120, rel=0.02)
    assert seen.update_seconds() == pytest.approx(0.05, rel=0.05)


def test_the_figures_of_a_counter_stand_in_its_row() -> None:
    row = row_of(PACKAGE, staircase(200, 0.05))
    assert row.update_seconds == pytest.approx(0.05, rel=0.5)
    assert row.step_joules == pytest.approx(10)
    assert row.smallest_step_joules == pytest.approx(10)
    assert row.watts == pytest.approx(200, rel=0.5)
    assert row.cure is None


def test_a_counter_that_moves_at_each_look_may_move_more_often() -> None:
    assert row_of(PACKAGE, lambda now: 200 * now, seconds=0.1).at_most


def test_a_counter_that_stands_still_has_no_power_but_a_reason() -> None:
    row = row_of(PACKAGE, lambda _: 12.0, seconds=0.1)
    assert row.readable
    assert (row.watts, row.update_seconds, row.step_joules) == (None, None, None)
    assert "its counter did not move for 0.1 s" in (row.cure or "")
    assert '"leave_out": ["package-0"]' in (row.cure or "")


def test_power_has_no_step_in_joules() -> None:
    sensor = Domain("gpu-0", "gpu", "nvml power", quantity="power")
    row = row_of(sensor, lambda _: 120.0, seconds=0.05)
    assert (row.watts, row.step_joules, row.cure) == (120, None, None)


def test_what_cannot_be_read_has_its_cure_and_no_figures() -> None:
    row = row_of(Domain("dram-0", "dram", "powercap", missing="run as root"), lambda _: None, 0.05)
    assert not row.readable
    assert (row.watts, row.cure) == (None, "run as root")


def test_a_source_whose_reads_all_fail_is_not_readable() -> None:
    row = row_of(PACKAGE, lambda _: None, seconds=0.05)
    assert (row.readable, row.cure) == (False, "it is gone")


def test_an_estimate_is_no_measurement_and_has_no_pace() -> None:
    row = row_of(Domain("cpu", "cpu", "estimate", measured=False), lambda now: 3 * now, seconds=0.1)
    assert not row.measured
    assert row.watts == pytest.approx(3)
    assert row.update_seconds is None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No zones and no power events, until a test makes them in the folder."""
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tmp_path / "powercap"))
    monkeypatch.setenv("ENERGYCTL_PERF", str(tmp_path / "perf"))
    monkeypatch.setenv("ENERGYCTL_LOCK", str(tmp_path / "lock"))
    return tmp_path


def test_each_source_that_is_not_there_says_why(world: Path) -> None:
    meters, _ = open_meters(gpus=[])
    rows = {row.source: row for row in describe(meters, seconds=0.05)}
    for meter in meters:
        meter.close()
    assert "no RAPL zones" in (rows["powercap"].cure or "")
    assert "no power events" in (rows["perf"].cure or "")
    assert not rows["powercap"].readable
    assert rows["estimate"].readable


def test_sources_that_another_one_makes_needless_are_listed_as_that(world: Path) -> None:
    zone(world / "powercap", "intel-rapl:0", "package-0")
    found = doctor.examine()
    needless = [row["source"] for row in found["meters"] if not row["needed"]]
    assert needless == ["perf", "amdsmi", "hwmon", "pm_counters", "estimate"]


def test_the_facts_of_the_machine_are_told_as_json(world: Path) -> None:
    env = {**os.environ, "ENERGYCTL_CPUFREQ": str(world)}
    done = subprocess.run(
        [sys.executable, "-m", "energyctl", "doctor", "--json"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["perf_event_paranoid"] == permissions.perf_event_paranoid()
    assert found["governor"]["now"] is None
    assert "no CPU frequency control" in found["governor"]["problem"]
    assert found["supervisor"]
    assert found["campaign"] is None


def test_gpus_are_told_with_their_driver_and_limits(world: Path) -> None:
    env = nvml.environment(nvml.build(world)) | {"COLUMNS": "80"}
    command = [sys.executable, "-m", "energyctl", "doctor", "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    gpus = found["machine"]["gpus"]
    assert [(g["index"], g["name"]) for g in gpus] == [(0, "Fake GPU 0"), (1, "Fake GPU 1")]
    (row,) = [row for row in found["meters"] if row["domain"] == "gpu-1"]
    assert row["update_seconds"] == pytest.approx(0.1, rel=0.4)
    assert row["watts"] == pytest.approx(190, rel=0.4)
    assert row["covers"] == "GPU"
    assert 0 < row["uncertainty_10_min"] < row["uncertainty_1_min"] < 0.01
    assert 0 < found["total"]["uncertainty_10_min"] < found["total"]["uncertainty_1_min"]


def test_gpus_that_are_not_metered_are_not_taken_for_idle(world: Path) -> None:
    env = nvml.environment(nvml.build(world))
    command = [sys.executable, "-m", "energyctl", "doctor"]
    for visible, left_out in (("1", "GPU 0"), ("", "GPU 0, 1")):
        done = subprocess.run(
            [*command, "--json"], env={**env, "CUDA_VISIBLE_DEVICES": visible},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert found["gpu_processes"] == ([] if visible else None)
        assert (
            f"{left_out}: not metered (CUDA_VISIBLE_DEVICES), so its"
            in found["gpu_processes_missing"]
        )
        assert "not metered (CUDA_VISIBLE_DEVICES)" in text_of(found)


class WithProcesses(ScriptedMeter):
    """Someone is on its GPU, or the driver does not tell."""

    def __init__(self, found: Sequence[GpuProcess] | None) -> None:
        super().__init__({})
        self._found = found

    def processes(self) -> Sequence[GpuProcess]:
        if self._found is None:
            raise NotReported("GPU 0 does not report its processes: Insufficient Permissions")
        return self._found


def examined(
    source: Source, monkeypatch: pytest.MonkeyPatch, gpus: list[dict[str, Any]]
) -> dict[str, Any]:
    monkeypatch.setattr(doctor, "open_meters", lambda **_: ([source], []))
    monkeypatch.setattr(doctor, "source_entry_points", list)
    monkeypatch.setattr(facts, "gpu_facts", lambda: gpus)
    return doctor.examine()


GPU = {
    "index": 0, "name": "Big GPU", "uuid": "GPU-aa11", "driver": "580.95",
    "power_limit_watts": 300.0, "persistence_mode": False,
}  # fmt: skip


def text_of(found: dict[str, Any], width: int = 80) -> str:
    file = io.StringIO()
    status.print_examination(found, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def test_processes_on_a_gpu_are_named_with_user_and_command(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        command = Path(f"/proc/{sleeper.pid}/cmdline")
        wait_for(lambda: command.read_bytes() == b"sleep\x0060\x00", "the command")
        there = GpuProcess(0, sleeper.pid, 512 * 2**20)
        foreign = GpuProcess(0, 2**22 + 1, None)  # no pid of this system: above pid_max
        found = examined(WithProcesses([there, foreign]), monkeypatch, [GPU])
    finally:
        sleeper.kill()
        sleeper.wait()
    known, unknown = found["gpu_processes"]
    user = invoking_user().name if os.getuid() else "root"
    assert (known["command"], known["user"]) == ("sleep 60", user)
    assert (unknown["command"], unknown["user"]) == (None, None)
    text = text_of(found)
    assert f"pid {sleeper.pid} of {user}, 512 MiB: sleep 60" in text
    assert "memory unknown: of another container, or ended" in text
    assert "power limit 300 W, persistence mode off" in text
    assert "nvidia-smi -pm 1" in text


def test_accounting_mode_that_is_off_has_its_command(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [{**GPU, "index": index, "accounting_mode": index == 0} for index in range(2)]
    text = " ".join(" ".join(screen_of(examined(machine_of(2), monkeypatch, gpus))).split())
    assert text.count("accounting mode off") == 1
    assert re.search(r"GPU 1: 300 W[^G]*accounting mode off[^G]*sudo nvidia-smi -am 1", text)


def test_what_was_found_of_a_counter_stands_with_its_gpu(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    void = Acceptance("void", "2026-11-29", why="the driver was 580.1 and is 590.2")
    counter = Domain("gpu-0", "gpu", "nvml energy counter", acceptance=void)
    found = examined(ScriptedMeter({counter: staircase(100, 0.01)}), monkeypatch, [GPU])
    assert found["acceptances"]["gpu-0"]["verdict"] == "void"
    assert "accepted on 2026-11-29, but the driver was 580.1 and is 590.2" in text_of(found)


def test_a_driver_that_names_no_processes_is_no_empty_gpu(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(WithProcesses(None), monkeypatch, [GPU])
    assert found["gpu_processes"] is None
    assert "Insufficient Permissions" in found["gpu_processes_missing"]
    assert "Insufficient Permissions" in text_of(found)


def test_the_table_fits_eighty_columns_and_its_cures_stand_below(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cure = "only root may read it: " + "run with sudo, or " * 10
    values = {
        Domain("package-0-mmio", "other", "powercap mmio", in_total=False, part="package-0"): 1.0,
        Domain("gpu-0", "gpu", "nvml energy counter"): 2.0,
        Domain("package-0", "cpu", "powercap", missing=cure): 3.0,
        Domain("dram-0", "dram", "powercap", missing=cure): 3.0,
    }
    meter = ScriptedMeter({d: staircase(w, 0.01) for d, w in values.items()})
    text = text_of(examined(meter, monkeypatch, []))
    table, _, below = text.partition("package-0, dram-0: only root")
    assert max(map(len, table.splitlines())) <= 80
    assert "sudo" not in table
    assert text.count("only root may read it") == 1
    assert "run with sudo" in below
    assert "package-0-mmio" in table


# -- the screen ------------------------------------------------------------------------------------


def screen_of(found: dict[str, Any]) -> list[str]:
    """What a terminal of 80 columns shows of it, row by row."""
    file = io.StringIO()
    console = LineConsole(file=file, width=80, force_terminal=True, color_system=None)
    doctor_output.print_screen(found, console)
    lines = file.getvalue().splitlines()
    return [line[at : at + 80] for line in lines for at in range(0, max(1, len(line)), 80)]


def machine_of(gpus: int) -> ScriptedMeter:
    """With two packages and their memory, each of which moves each millisecond."""
    cards = [
        Domain(f"gpu-{i}", "gpu", "nvml energy counter", update_seconds=0.1, part=f"gpu/{i}",
               resolution_joules=0.001, max_watts=1400.0)
        for i in range(gpus)
    ]  # fmt: skip
    packages = [
        Domain(f"{name}-{i}", kind, "powercap", update_seconds=0.001, max_watts=400.0)
        for i in (0, 1)
        for name, kind in (("package", "cpu"), ("dram", "dram"))
    ]
    steps = {**dict.fromkeys(cards, 0.1), **dict.fromkeys(packages, 0.001)}
    return ScriptedMeter({domain: staircase(70, step) for domain, step in steps.items()})


def test_a_large_machine_fits_a_screen_and_what_is_alike_shares_a_row(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [{**GPU, "index": i, "persistence_mode": True} for i in range(8)]
    found = examined(machine_of(8), monkeypatch, gpus)
    found["supervisor_problem"] = "it does not come up: " + "a long story " * 40
    lines = screen_of(found)
    assert len(lines) <= 22  # the command itself and the prompt after it take two
    assert lines[0].startswith("GPU energy: measured, ± 0.0")
    assert "at 10 min; CPU energy: measured, " in lines[0]
    (row,) = [line for line in lines if line.strip().startswith("gpu-0 … gpu-7")]
    assert re.search(r"nvml counter +measured +[\d.]+ W +± 0\.\d+ % +± 0\.0\d+ %", row)
    assert any(line.strip().startswith("total") for line in lines)
    assert "GPU limit   GPU 0, 1, 2, 3, 4, 5, 6, 7: 300 W" in lines


def test_gpus_whose_calls_are_slow_are_named_with_what_a_round_takes(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(machine_of(2), monkeypatch, [])
    assert not any("reading all GPUs" in line for line in screen_of(found))
    for row in found["meters"]:
        row["round_seconds"] = 0.032 if row["covers"] == "GPU" else 1e-4
    line = "problems    reading all GPUs takes 32 ms: energy at runs' ends is less certain"
    assert line in screen_of(found)


def test_a_calibration_against_the_wall_is_told_where_it_is_of_this_machine(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(world / "kept"))
    environment = {"hostname": platform.node(), "gpus": [{"index": 0, "uuid": GPU["uuid"]}]}
    alone = (WALL_PHASES[0], ("foreground", 120.0, 90.0, 330.0))
    for name, phases in (("beside", WALL_PHASES), ("alone", alone)):
        write_wall_run(world / "results", name, phases, environment=environment)
    (made,) = calibrate_wall(energyctl.load(world / "results"), "wall", 2e9)["machines"]
    gpu = Domain("gpu-0", "gpu", "nvml energy counter", part="gpu/GPU-aa11")
    meter = ScriptedMeter({PACKAGE: staircase(40, 0.01), gpu: staircase(70, 0.01)})

    found = examined(meter, monkeypatch, [GPU])
    assert found["wall_calibration"] == {
        "meter": "wall", "date_unix": 2e9, "file": made["file"],
    }  # fmt: skip
    line = "wall        calibrated against wall on 2033-05-18: reports estimate its energy"
    assert line in screen_of(found)
    other = examined(meter, monkeypatch, [{**GPU, "uuid": "GPU-bb22"}])
    assert other["wall_calibration"] is None
    assert not any(line.startswith("wall") for line in screen_of(other))


def test_what_is_missing_stands_on_the_screen_with_its_cure(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Domain("gpu-0", "gpu", "nvml", missing="GPU 0 cannot be opened: leave it out")
    meter = ScriptedMeter({missing: lambda _: None, PACKAGE: staircase(40, 0.01)})
    found = examined(meter, monkeypatch, [])
    lines = screen_of(found)
    assert lines[0].startswith("GPU energy: not measured; CPU energy: measured, ±")
    assert "missing     gpu-0: GPU 0 cannot be opened: leave it out" in lines
    assert any(re.match(r" total +unknown *$", line) for line in lines)
    assert found["total"] == dict.fromkeys(found["total"])


def test_without_a_gpu_the_estimate_is_called_one(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = Domain("cpu", "cpu", "estimate", measured=False, relative_uncertainty=1.0)
    found = examined(ScriptedMeter({estimate: lambda now: 6 * now}), monkeypatch, [])
    first = "GPU energy: none measured; CPU energy: estimated, ± 100 % at 10 min"
    assert screen_of(found)[0] == first


@pytest.mark.parametrize(
    ("tree", "verdict", "named"),
    [
        (orin_nano, r"GPU energy: in that of VDD_IN; CPU energy: in that of VDD_IN", "VDD_IN"),
        (agx_orin, r"GPU energy: measured, ± .*; CPU energy: measured, ± ", "VDD_CPU_CV"),
        (gh200, r"GPU energy: measured, ± .*; CPU energy: in that of module", "module-power-0"),
    ],
)
def test_boards_and_superchips_are_told_with_what_they_hold(
    world: Path, monkeypatch: pytest.MonkeyPatch,
    tree: Callable[[Path], object], verdict: str, named: str,
) -> None:  # fmt: skip
    tree(world / "hwmon")
    monkeypatch.setenv("ENERGYCTL_HWMON", str(world / "hwmon"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    lines = screen_of(doctor.examine())
    assert re.match(verdict, lines[0])
    assert any(re.match(rf" {named} +hwmon .* measured ", line) for line in lines)
    assert not any("powercap" in line or "estimate" in line for line in lines)


def test_all_details_are_shown_where_they_are_asked_for(world: Path) -> None:
    command = [sys.executable, "-m", "energyctl", "doctor"]
    short, full = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
        for more in ([], ["--all"])
    )
    assert "details     energyctl doctor --all" in short
    assert "updates every" not in short
    assert "updates every" in full
    assert "perf_event_paranoid" in full


def test_the_self_test_of_each_counter_that_counts_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Check("start", "refused", "power", 19000.0, 190.0)
    gpu = Domain("gpu-0", "gpu", "nvml power", quantity="power", checks=(held,))
    package = Domain("package-0", "cpu", "powercap", max_watts=300.0)
    false = Domain("package-1", "cpu", "powercap", max_watts=20.0)
    still = Domain("dram-0", "dram", "powercap")
    core = Domain("core-0", "other", "powercap", in_total=False)
    steps = {package: staircase(45, 0.01), false: staircase(45, 0.01), core: staircase(30, 0.01)}
    values = {gpu: lambda now: 190.0, **steps, still: lambda now: 5.0}
    found = examined(ScriptedMeter(values), monkeypatch, [])
    told = {check["domain"]: (check["verdict"], check["reason"]) for check in found["self_test"]}
    assert told == {
        "gpu-0": ("refused", "power"),
        "package-0": ("agreed", None),
        "package-1": ("refused", "limit"),
        "dram-0": ("refused", "still"),
    }
    text = text_of(found, width=200)
    words = "its energy counter shows 19000 W, but its power reading 190 W"
    assert f"self-test   gpu-0 refused: {words}" in text
    assert "package-0: no power reading to compare the counter with; it counts" in text


def test_a_plug_in_that_cannot_be_opened_is_named(world: Path) -> None:
    info = world / "site" / "plug-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[energyctl.meters]\nplug = nowhere_at_all:open\n")
    env = {**os.environ, "PYTHONPATH": str(world / "site")}
    command = [sys.executable, "-m", "energyctl", "doctor"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert "warning: the source plug (nowhere_at_all:open) cannot be opened" in done.stdout


def doctor_in(folder: Path, **environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "energyctl", "doctor", "--json"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.fixture
def place() -> Iterator[Path]:
    """For private folders: a short path, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="ec-") as folder:
        yield Path(folder)


def test_a_supervisord_is_tried_and_leaves_nothing(world: Path, place: Path) -> None:
    found = doctor_in(world, ENERGYCTL_PRIVATE=str(place))
    assert found["supervisor_problem"] is None
    assert found["dependencies"] == []
    assert list(place.iterdir()) == []


def test_a_supervisord_that_does_not_come_up_says_why(world: Path, place: Path) -> None:
    (world / "supervisord.conf.j2").write_text("[supervisord]\nloglevel=loud\n")
    found = doctor_in(world, ENERGYCTL_PRIVATE=str(place))
    assert "supervisord does not come up with" in found["supervisor_problem"]
    assert list(place.iterdir()) == []
    assert found["supervisor_problem"] in text_of(found)


def package(site: Path, name: str, version: str, module: str) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n")
    (site / module).mkdir()
    (site / module / "__init__.py").write_text("")


def test_another_module_pynvml_is_named_with_its_cure(world: Path) -> None:
    package(world / "site", "pynvml", "11.5.3", "pynvml")
    found = doctor_in(world, PYTHONPATH=str(world / "site"))
    (warning,) = [w for w in found["warnings"] if w.startswith("the module pynvml")]
    assert "that of another package, pynvml 11.5.3" in warning
    pip = f"{sys.executable} -m pip"
    cure = f"{pip} uninstall pynvml, then {pip} install --force-reinstall nvidia-ml-py"
    assert cure in warning
    needed = {row["source"] for row in found["meters"] if row["needed"]}
    assert needed == {"powercap", "perf", "estimate"}
    command = [sys.executable, "-m", "energyctl", "meter", "--", "touch", str(world / "ran")]
    env = {**os.environ, "PYTHONPATH": str(world / "site")}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert warning in done.stderr
    assert not (world / "ran").exists()
    command[4:4] = ["--gpus", ""]
    assert subprocess.run(command, env=env, capture_output=True).returncode == 0


def test_a_package_that_is_too_old_is_named_with_its_cure(world: Path) -> None:
    package(world / "site", "psutil", "5.0.1", "nowhere")
    found = doctor_in(world, PYTHONPATH=str(world / "site"))
    assert found["dependencies"] == [
        f"psutil 5.0.1 is older than 5.9: {sys.executable} -m pip install 'psutil>=5.9'"
    ]
    assert found["dependencies"][0] in text_of(found)


def test_the_udev_rule_alone_is_on_standard_output() -> None:
    command = [sys.executable, "-m", "energyctl", "doctor", "--udev"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    pair = r'[A-Z]+(==|\+=)"[^"]*"'
    assert len(rules) == 1
    assert all(re.fullmatch(pair, p.strip()) for p in rules[0].split(","))
    assert re.search(r'RUN\+="/bin/chgrp energy .*0440', rules[0])
    assert all(name in done.stdout for name in ("CVE-2020-8694", "groupadd", "udevadm"))
    assert "install" in done.stderr


def test_the_rules_names_are_those_of_zones_and_not_of_their_class() -> None:
    import fnmatch

    (pattern,) = set(re.findall(r'KERNEL=="([^"]*)"', permissions.UDEV_RULE))
    zones = ["intel-rapl:0", "intel-rapl:0:1", "intel-rapl-mmio:0"]
    assert all(fnmatch.fnmatchcase(name, pattern) for name in zones)
    assert not fnmatch.fnmatchcase("intel-rapl", pattern)


def test_a_required_meter_that_is_missing_leaves_nothing_behind(
    bench: Bench,
) -> None:
    name = bench.parallel(require=["cpu", "gpu"])
    (bench.root / "results").rmdir()
    before = set(bench.root.rglob("*"))
    done = bench.run("run", name)
    assert done.returncode == 3
    assert "cpu cannot be measured: no RAPL zones" in done.stderr
    assert set(bench.root.rglob("*")) == before
    assert bench.trials == []


def test_where_a_part_has_no_band_the_sum_has_none() -> None:
    """As of a slow meter that is the total, and of runs too short for it."""
    known = Row("powercap", "package-0", True, True, True, "package")
    known = replace(
        known, watts=100.0, typical_watts=100.0, uncertainty_1_min=0.01, uncertainty_10_min=0.01
    )
    slow = replace(known, domain="node", uncertainty_1_min=None)
    both = together([known, slow])
    assert (both.watts, both.uncertainty_1_min) == (200.0, None)
    assert both.uncertainty_10_min == pytest.approx(0.01)
