"""Calibrations against a wall meter: what is kept, what is refused, and what reports then show."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.report.languages import Language
from energyctl.analysis.report.run_tables import facts
from energyctl.analysis.wall_sentences import wall_sentences
from energyctl.results.wall import record
from energyctl.results.wall.phases import Machine
from energyctl.system import records
from written_results import WALL_PHASES, write_wall_run

TODAY = r"\d{4}-\d\d-\d\d"
ALONE = (WALL_PHASES[0], ("foreground", 120.0, 90.0, 330.0))
MACHINE = Machine("node-7", ("gpu-0", "package-0"), ("GPU-1",))


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run alone and one beside a load: idle, the load alone, and both trainings."""
    write_wall_run(tmp_path / "results", "beside")
    write_wall_run(tmp_path / "results", "alone", ALONE)
    return tmp_path / "results"


def calibrate(
    results: Path, capsys: pytest.CaptureFixture[str], code: int = 0
) -> list[dict[str, Any]]:
    arguments = ["-C", str(results.parent), "calibrate", "--against", "wall", "--json"]
    assert cli.run(arguments) == code
    machines: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["machines"]
    return machines


def estimated(results: Path, name: str) -> tuple[float | None, float | None, str | None]:
    energy = energyctl.load(results)[name].energy
    assert energy is not None
    return (
        energy.wall_joules_estimated, energy.wall_uncertainty_joules_estimated, energy.wall_note,
    )  # fmt: skip


def test_a_calibration_is_kept_for_its_machine(
    results: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = calibrate(results, capsys)
    assert found["machine"] == {
        "hostname": "node-7", "domains": ["gpu-0", "package-0"], "gpus": ["GPU-1"],
    }  # fmt: skip
    assert (found["meter"], found["runs"], found["phases"]) == ("wall", 2, 5)
    assert found["energyctl"] == energyctl.__version__
    assert [one["of"] for one in found["levels"]] == [
        ["idle"], ["background_only"], ["foreground"], ["foreground"],
    ]  # fmt: skip
    assert found["model"]["coefficients"] == pytest.approx([80.0, 1.1])
    assert found["model"]["sum_watts"] == pytest.approx([130.0, 580.0])
    # 1 W of the domains and 0.5 W of the meter, and 1 % of its scale.
    assert found["model"]["meter_watts"] == pytest.approx(1.5)
    assert found["parameters"]["slope"]["uncertainty"] == pytest.approx(0.011)
    assert found["left_out_rms_watts"] == pytest.approx(0.0, abs=1e-6)
    (file,) = kept.iterdir()
    assert str(file) == found["file"]
    (again,) = record.of_host("node-7")
    assert (again.machine, again.meter) == (MACHINE, "wall")
    assert again.model.coefficients == pytest.approx((80.0, 1.1))


def test_runs_of_that_machine_then_have_an_energy_at_the_wall(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wall_run(results, "later", (("foreground", 100.0, 80.0, 250.0),), wall=None)
    assert estimated(results, "later") == (None, None, None)
    calibrate(results, capsys)
    joules, band, note = estimated(results, "later")
    watts = 80 + 1.1 * 330
    assert joules == pytest.approx(100 * watts)
    # 1 % of the scale, what meters are off by for one phase, and the run's own domains.
    assert band == pytest.approx(100 * (0.01 * watts + 1.5 + 1.1 * 1.0))
    assert note == f"estimated by a calibration of {records.day(_date())} against wall"


def _date() -> float:
    (kept,) = record.of_host("node-7")
    return kept.date_unix


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"training": ("foreground", 100.0, 90.0, 700.0)}, "not covered by a calibration of "),
        ({"training": ("foreground", 100.0, 300.0, 200.0)}, "CPUs and memory draw 300.0 W"),
        ({"gpu": "GPU-2"}, "was of other GPUs"),
        ({"domain": "gpu-1"}, "was of other domains"),
        ({"joules": None}, "the total is not known"),
        ({"measured": False}, "a part of the total is an estimate"),
        ({"host": "node-8"}, None),
    ],
)
def test_what_a_calibration_does_not_cover_is_null_with_the_reason(
    results: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], why: str | None
) -> None:
    calibrate(results, capsys)
    training = changes.get("training", ("foreground", 100.0, 80.0, 250.0))
    data = write_wall_run(results, "later", (training,), wall=None)
    gpu = data["energy"]["domains"][1]
    gpu["name"] = changes.get("domain", "gpu-0")
    gpu["joules"] = changes.get("joules", gpu["joules"])
    gpu["measured"] = changes.get("measured", True)
    data["environment"]["gpus"][0]["uuid"] = changes.get("gpu", "GPU-1")
    data["environment"]["hostname"] = changes.get("host", "node-7")
    (results / "later.json").write_text(json.dumps(data))
    joules, band, note = estimated(results, "later")
    assert (joules, band) == (None, None)
    assert note is None if why is None else why in (note or "")


def test_the_newest_calibration_that_fits_is_taken(
    results: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = calibrate(results, capsys)
    other = {**found, "meter": "bmc", "date_unix": found["date_unix"] - 86400 * 3}
    records.keep(record.path_of(MACHINE, "bmc"), other)
    assert (estimated(results, "alone")[2] or "").endswith(" against wall")
    records.keep(record.path_of(MACHINE, "bmc"), {**other, "date_unix": 2e9})
    assert estimated(results, "alone")[2] == (
        "estimated by a calibration of 2033-05-18 against bmc"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2}, {"meter": 1}, {"machine": {}}, {"date_unix": 1e300}, {"model": None},
        {"model": {"coefficients": [80.0]}}, {"model": {"coefficients": [80.0, "1.1"]}},
        {"model": {"inverse": [[1.0]]}}, {"model": {"level_variance": -1.0}},
        {"model": {"freedom": 0}}, {"model": {"freedom": 1.5}}, {"model": {"sum_watts": [1.0]}},
        {"model": {"coefficients": [float("nan"), 1.1]}}, {"model": {"cpu_line": [1.0]}},
        {"model": {"apart_watts": -1.0}},
    ],
)  # fmt: skip
def test_what_is_no_record_is_as_if_it_were_not_there(
    results: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    (found,) = calibrate(results, capsys)
    if isinstance(change.get("model"), dict):
        change = {"model": {**found["model"], **change["model"]}}
    Path(found["file"]).write_text(json.dumps({**found, **change}))
    assert estimated(results, "alone") == (None, None, None)
    Path(found["file"]).write_text("{")
    assert estimated(results, "alone") == (None, None, None)


def test_phases_that_tell_too_little_are_left_out_with_the_reason(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_wall_run(results, "odd", [*WALL_PHASES, ("idle", 0.4, 60.0, 70.0)])
    data["phases"][0]["joules"]["wall"] = None
    data["phases"][2]["uncertainty_joules"]["wall"] = data["phases"][2]["joules"]["wall"] / 4
    (results / "odd.json").write_text(json.dumps(data))
    estimate = write_wall_run(results, "estimate")
    estimate["energy"]["domains"][0]["measured"] = False
    (results / "estimate.json").write_text(json.dumps(estimate))
    (found,) = calibrate(results, capsys)
    assert (found["runs"], found["phases"]) == (3, 6)
    assert found["left_out"] == {
        "a run whose total is in part an estimate": 1,
        "a phase shorter than 1 s": 1,
        "a phase in which the energy of a domain is not known": 1,
        "a phase uncertain by more than 10 % at the wall: a slow meter needs longer ones": 1,
    }


def test_runs_in_whose_training_the_meter_failed_do_not_hide_its_accuracy(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> None:
        data = json.loads((results / f"{name}.json").read_text())
        data["energy"]["domains"][2].update(joules=None, uncertainty_joules=None, budget={})
        training = next(one for one in data["phases"] if one["name"] == "foreground")
        training["joules"]["wall"] = training["uncertainty_joules"]["wall"] = None
        (results / f"{name}.json").write_text(json.dumps(data))

    whole = calibrate(results, capsys)[0]["model"]
    write_wall_run(results, "failed", (WALL_PHASES[0], ("foreground", 60.0, 90.0, 300.0)))
    fail("failed")
    (found,) = calibrate(results, capsys)
    assert (found["model"], found["warnings"]) == (whole, [])
    assert (found["runs"], found["phases"]) == (2, 5)
    assert found["left_out"] == {"a run in whose training wall failed": 1}
    for path in results.glob("*.json"):
        fail(path.stem)
    (found,) = calibrate(results, capsys, code=3)
    assert (found["runs"], found["left_out"]) == (0, {"a run in whose training wall failed": 3})


def test_too_few_powers_are_refused_with_what_to_run(
    tmp_path: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wall_run(tmp_path / "results", "alone", ALONE)
    (found,) = calibrate(tmp_path / "results", capsys, code=3)
    assert "file" not in found
    assert not kept.exists()
    arguments = ["-C", str(tmp_path), "calibrate", "--against", "wall"]
    assert cli.run(arguments) == 3
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "node-7 (gpu-0, package-0) against wall: 2 phases of 1 run",
        "  not calibrated: 2 different powers of the domains (130.0 W, 420.0 W), and it takes 4 to "
        "tell what a straight line misses",
        "  run trainings alone and beside a background on it, with idle_seconds of a minute and "
        '"references": true, and calibrate again',
    ]


def test_machines_are_calibrated_each_by_itself(
    results: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wall_run(results, "other", ALONE, environment={"hostname": "node-8", "gpus": None})
    machines = calibrate(results, capsys, code=3)
    assert ["refused" in one for one in machines] == [False, True]
    assert [one["machine"]["hostname"] for one in machines] == ["node-7", "node-8"]
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "plug"], "have no domain 'plug': beside the total they have wall"),
        (["--against", "wall", "--twins"], "say what to calibrate: --twins"),
        (["--against", "wall", "--gpu", "1"], "--gpu goes with --twins"),
        (["--twins", "results"], "RESULTS goes with --against"),
        (["--against", "wall", "nothing"], "no such file or folder"),
    ],
)
def test_what_is_asked_wrongly_is_a_line_and_exit_code_2(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.run(["-C", str(results.parent), "calibrate", *arguments]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""


def test_a_meter_that_is_in_the_total_is_not_its_own_truth(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in results.glob("*.json"):
        data = json.loads(path.read_text())
        data["energy"]["domains"][2]["in_total"] = True
        path.write_text(json.dumps(data))
    (found,) = calibrate(results, capsys, code=3)
    assert found["left_out"] == {"a run with wall in its total": 2}


def test_a_record_that_cannot_be_kept_is_told(
    results: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.touch()
    (found,) = calibrate(results, capsys, code=3)
    assert found["file"] is None
    assert "not kept: " in found["warnings"][-1]


def test_what_is_found_is_shown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["-C", str(results.parent), "calibrate", "--against", "wall"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "node-7 (gpu-0, package-0) against wall: 5 phases of 2 runs"
    assert lines[1] == (
        "  domains 130.0 W: wall 223.0 W, estimated 223.0 ± 3.7 W, by the others 223.0 W "
        "(2 phases: idle)"
    )
    assert lines[5] == "wall = 80.00 ± 0.80 W + (1.100 ± 0.011) × (CPUs, memory and GPUs)"
    assert lines[6] == "a power that is left out is told 0.0 W wrong (rms), at worst 0.0 %"
    assert lines[7].startswith("written to ")


def test_a_wide_band_says_what_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bent(cpu: float, gpu: float) -> float:
        return 80 + 1.1 * (cpu + gpu) + 5 * ((gpu - 280) / 200) ** 2

    write_wall_run(tmp_path / "results", "beside", wall=bent)
    write_wall_run(tmp_path / "results", "alone", ALONE, wall=bent)
    (found,) = calibrate(tmp_path / "results", capsys)
    (line,) = found["warnings"]
    assert "a line through 4 powers misses some, more of them help" in line


def test_a_meter_that_states_no_accuracy_is_warned_of(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in results.glob("*.json"):
        data = json.loads(path.read_text())
        data["energy"]["domains"][2]["budget"] = {}
        path.write_text(json.dumps(data))
    (found,) = calibrate(results, capsys)
    assert found["model"]["scale"] == 0
    assert "the meter states no accuracy" in found["warnings"][-1]


def test_reports_say_by_what_it_is_estimated(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wall_sentences(energyctl.load(results)) == []
    calibrate(results, capsys)
    write_wall_run(results, "beyond", (("foreground", 100.0, 90.0, 700.0),), wall=None)
    runs = energyctl.load(results)
    total, lacking = wall_sentences(runs)
    date = records.day(_date())
    # 120 s at 718 W and 120 s at 542 W.
    assert total == (
        f"at the wall: 151.2 ± 2.1 kJ, of 2 runs, estimated by a calibration of {date} against wall"
    )
    assert lacking.startswith("no energy at the wall of 1 run: not covered by a calibration of ")
    assert lacking.endswith("the domains draw 790.0 W, and it covers 130.0 W to 580.0 W")
    chinese = Language("zh")
    assert chinese(total) == f"墙上：151.2 ± 2.1 kJ（2 次运行），由 {date} 对 wall 的校准估计"
    assert "790.0 W，校准范围 130.0 W 至 580.0 W" in chinese(lacking)

    table = next(one for one in facts(runs["beside"])["tables"] if one["title"] == "energy")
    note = f"estimated by a calibration of {date} against wall"
    assert table["rows"][-1] == [
        "at the wall", "86.2 ± 1.2 kJ (estimated)", note, "not in the total",
    ]  # fmt: skip
    assert f"86.2 ± 1.2 kJ, {note}" in runs["beside"]._repr_html_()
    assert "not known: not covered by" in runs["beyond"]._repr_html_()

    page = results.parent / "page.html"
    arguments = ["report", "--html", str(page), "--lang", "zh"]
    assert cli.run(["-C", str(results.parent), *arguments]) == 0
    assert chinese(total) in page.read_text(encoding="utf-8")
    capsys.readouterr()
    assert cli.run(["-C", str(results.parent), "report"]) == 0
    assert total in capsys.readouterr().out.replace("\n", " ")
    assert cli.run(["-C", str(results.parent), "export", "--out", "-"]) == 0
    rows = {
        row["experiment_id"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))
    }
    assert float(rows["beside"]["wall_joules_estimated"]) == pytest.approx(120 * 718.0)
    assert rows["beside"]["wall_note"] == note
    assert rows["beyond"]["wall_joules_estimated"] == ""
    assert rows["beyond"]["wall_uncertainty_joules_estimated"] == ""
