"""Results as tables: what a row says, types that hold, files read back, and what is refused."""

from __future__ import annotations

import copy
import csv
import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from energyctl import cli
from energyctl.config.settings import Settings
from energyctl.results import tables
from energyctl.results.history import read_history
from energyctl.results.tables import LAYOUTS, details
from energyctl.results.tables.accessors import checked
from energyctl.results.tables.columns import Layout
from energyctl.results.tables.part import NoResult
from energyctl.results.tables.summary import summary
from energyctl.system.dependencies import extra_install

START = 1_900_000_000.25
SERIAL, PARALLEL, FAILED = (
    "20300317_174640_front_small",
    "20300317_180000_front_small_parallel",
    "20300317_190000_back_large",
)


def domain(name: str, kind: str, joules: float | None, measured: bool = True) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "source": "powercap", "measured": measured, "in_total": True,
        "joules": joules, "uncertainty_joules": None if joules is None else 1.0,
        "budget": {} if joules is None else {"unit": 0.25, "window": 0.75},
        "missing": None if joules is not None else "it hung",
    }  # fmt: skip


def result(name: str = SERIAL, **changes: Any) -> dict[str, Any]:
    """A run of 10 s: a package with 500 J and a GPU with 1000 J, idle at 100 W."""
    data: dict[str, Any] = {
        "schema": 1,
        "experiment_id": name,
        "campaign": "study",
        "mode": "mutation",
        "status": "succeeded",
        "foreground_result": {
            "experiment_id": name,
            "success": True,
            "duration": 10.000000000000002,
            "retries": 0,
            "repo": "front",
            "model": "small",
            "hyperparameters": {"learning_rate": 5.12e-06, "epochs": 7, "amp": True, "opt": ""},
            "exit_code": 0,
            "error": None,
            "performance_metrics": {"accuracy": 91.5, "loss": 0.1 + 0.2},
            "attempts": [{"attempt": 1, "start": START + 20, "end": START + 30}],
        },
        "background_info": None,
        "energy": {
            "seconds": 10.0,
            "total_joules": 1500.0,
            "uncertainty_joules": 2.0,
            "cpu_package_joules": 500.0,
            "cpu_dram_joules": None,
            "gpu_joules": 1000.0,
            "measured": True,
            "domains": [domain("package-0", "cpu", 500.0), domain("gpu-0", "gpu", 1000.0)],
            "sampler": {"interval_seconds": 1.0, "samples": 11, "missed": 0},
            "above_idle_joules": 500.0,
            "missing": {"cpu_dram_joules": "dram cannot be measured"},
        },
        "foreign": {"foreground": {"cpu_cores": 0.0, "gpu_processes": []}},
        "phases": [
            {
                "name": "idle", "start": START, "end": START + 20,
                "joules": {"package-0": 800.0, "gpu-0": 1200.0},
                "watts": {"package-0": 40.0, "gpu-0": 60.0},
            },
            {
                "name": "foreground:train", "start": START + 20, "end": START + 30,
                "joules": {"package-0": 500.0, "gpu-0": None}, "missing": {"gpu-0": "it hung"},
            },
        ],
        "warnings": ["one, two", 'the "third"\nline'],
        "environment": {"seed": 7, "gpus": None, "run": {"index": 3, "mutated": ["learning_rate"]}},
    }  # fmt: skip
    return {**data, **changes}


def parallel() -> dict[str, Any]:
    job = {
        "job": "back_large", "repo": "back", "model": "large", "hyperparameters": {"epochs": 2.5},
        "iterations": 3, "failures": 0, "coverage": 0.875, "load": None,
        "utilization": {"gpu_percent": 60.0, "cpu_cores": None}, "max_gap_seconds": 0.5,
        "missing": {"load": "it was not looked at"}, "error": None,
    }  # fmt: skip
    info = {"jobs": [job, {**job, "job": "b", "coverage": 1.0}], "settle": None, "stop": None}
    return result(PARALLEL, mode="parallel", background_info=info)


def failed() -> dict[str, Any]:
    """It never ran; of another repository, with a parameter and a metric of its own."""
    training = {
        **result()["foreground_result"],
        "success": False, "duration": None, "repo": "back", "attempts": [], "exit_code": None,
        "hyperparameters": {"dropout": 0.5, "epochs": 7.5}, "error": "no such program",
        "performance_metrics": {"perplexity": float("nan")},
    }  # fmt: skip
    return result(
        FAILED, status="failed", foreground_result=training, energy=None, phases=[],
        energy_missing="the foreground never ran",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder with a run, a parallel one with its ledger, and a failed one."""
    made = tmp_path / "results"
    made.mkdir()
    for data in (result(), parallel(), failed()):
        (made / f"{data['experiment_id']}.json").write_text(json.dumps(data))
    logs = made / f"background_logs_{PARALLEL}"
    logs.mkdir()
    (logs / "iterations.csv").write_text(
        "job,run,pid,started,ended,exit_code,signal\n"
        f"back_large,1,77,{START + 15!r},{START + 22!r},0,\n"
        f"back_large,2,78,{START + 22!r},{START + 31!r},,15\nback_large,3,7"
    )
    series = made / f"energy_{SERIAL}_attempt1"
    series.mkdir()
    (series / "gpu_power.csv").write_text(
        "timestamp,gpu,power_draw_w,energy_j\n1,0,,0\n1,1,40,0\n2,0,60,1\n2,1,50,1\n"
    )
    (series / "gpu_temperature.csv").write_text("timestamp,gpu,gpu_temp_c\n1,0,60\n2,0,70\n")
    return made


def export(*arguments: object) -> int:
    return cli.run(["export", *map(str, arguments)])


def said(captured: Any) -> list[str]:
    """Lines on standard error; another campaign of this machine is none of ours."""
    return [line for line in captured.err.splitlines() if "left by a crash" not in line]


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# -- what a row says -------------------------------------------------------------------------


def test_a_run_is_one_row_with_its_figures_and_reasons() -> None:
    row = tables.run_row(checked(result()), "E.json")
    assert row["total_watts"] == 150.0
    assert row["idle_watts"] == 100.0
    assert (row["gpu_joules"], row["gpu_uncertainty_joules"]) == (1000.0, 1.0)
    assert (row["cpu_dram_joules"], row["cpu_dram_uncertainty_joules"]) == (None, None)
    assert row["energy_missing"] == "cpu_dram_joules: dram cannot be measured"
    assert row["background_only_watts"] is None
    assert (row["background_jobs"], row["background_min_coverage"]) == (0, None)
    assert (row["foreign_cores"], row["foreign_idle_cores"]) == (0.0, None)
    assert (row["imported"], row["hyperparam_learning_rate"]) == (False, 5.12e-06)


def test_the_power_of_baselines_goes_before_that_of_phases() -> None:
    data = parallel()
    data["energy"]["baselines"] = {"idle": None, "background_only": {"watts": 250.0}}
    row = tables.run_row(checked(data), "E.json")
    assert (row["idle_watts"], row["background_only_watts"]) == (100.0, 250.0)


def test_the_least_of_the_jobs_stands_for_the_background_and_one_null_is_null() -> None:
    row = tables.run_row(checked(parallel()), "E.json")
    assert (row["background_jobs"], row["background_iterations"]) == (2, 6)
    assert (row["background_min_coverage"], row["background_min_load"]) == (0.875, None)
    assert row["background_model"] is None


def test_a_phase_names_its_step_and_a_domain_without_figure_its_reason() -> None:
    rows = details.phase_rows(checked(result()))
    assert [(row["phase"], row["step"]) for row in rows[1:3]] == [
        ("idle", None), ("foreground", "train"),
    ]  # fmt: skip
    assert (rows[3]["joules"], rows[3]["missing"]) == (None, "it hung")


def test_an_imported_run_is_marked_and_keeps_the_old_figures() -> None:
    old = {
        "from": "old/run_1", "experiment_id": "front_small_001", "gpu_joules_reported": 990.0,
        "gpu_joules_difference": 10.0, "timestamp": "2026-01-07T13:50:30.245750",
        "reported": {"gpu_power_max_watts": 120.5},
    }  # fmt: skip
    row = tables.run_row(checked(result(imported=old)), "E.json")
    assert row["imported"] is True
    assert row["imported_gpu_joules_difference"] == 10.0
    assert (row["gpu_max_watts"], row["gpu_mean_celsius"]) == (120.5, None)
    header, (cells,) = summary([row])
    assert cells[header.index("timestamp")] == "2026-01-07T13:50:30.245750"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "a newer energyctl wrote it: update"),
        ({"schema": None}, "no result of energyctl"),
        ({"status": None}, "half a result"),
        ({"foreground_result": None}, "half a result"),
        ({"energy": {"total_joules": "12"}}, "energy.total_joules is '12', not a number"),
        ({"energy": {"domains": [3]}}, r"energy.domains\[0\] is 3, not an object"),
        ({"energy": {"seconds": float("nan")}}, "energy.seconds is nan, not a finite number"),
        ({"environment": {"seed": 2**70}}, "not a whole number"),
        ({"phases": [{"name": "foreground", "start": 1e300}]}, "not a time in Unix seconds"),
        ({"warnings": "one"}, "warnings is 'one', not a list"),
    ],
)
def test_what_is_no_whole_result_is_said_with_its_place(
    change: dict[str, Any], message: str
) -> None:
    training = {**result()["foreground_result"], "attempts": []}
    with pytest.raises(NoResult, match=message):
        tables.run_row(checked(result(**{"foreground_result": training, **change})), "E.json")


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1, None, 2], "integer"),
        ([1, 2.0], "float"),
        ([True, None], "boolean"),
        ([True, 1], "text"),
        ([1, "a"], "text"),
        ([2**64], "text"),
        ([2**53 + 1, 0.5], "text"),
        ([None], "text"),
    ],
)
def test_the_type_of_a_hyperparameter_is_the_narrowest_that_loses_nothing(
    values: list[Any], type_: str
) -> None:
    columns = LAYOUTS["runs"].resolved([{"hyperparam_x": value} for value in values])
    assert (columns[-1].name, columns[-1].type) == ("hyperparam_x", type_)


# -- files read back ---------------------------------------------------------------------------


def test_csv_read_back_has_every_digit_and_an_empty_cell_for_null(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(folder, "--out", tmp_path / "out") == 0
    assert "runs.csv: 3 rows" in capsys.readouterr().out
    first, second, third = read_csv(tmp_path / "out" / "runs.csv")
    assert [r["status"] for r in (first, second, third)] == ["succeeded", "succeeded", "failed"]
    assert float(first["duration_seconds"]) == 10.000000000000002
    assert float(first["metric_loss"]) == 0.1 + 0.2
    assert (first["hyperparam_epochs"], third["hyperparam_epochs"]) == ("7.0", "7.5")
    assert (first["hyperparam_amp"], first["hyperparam_dropout"]) == ("true", "")
    assert (third["total_joules"], third["started"], third["metric_loss"]) == ("", "", "")
    assert (third["metric_perplexity"], third["error"]) == ("nan", "no such program")
    assert first["warnings"] == 'one, two | the "third"\nline'
    assert (first["gpu_max_watts"], first["gpu_min_watts"]) == ("110.0", "100.0")
    assert (first["gpu_mean_celsius"], second["gpu_mean_celsius"]) == ("65.0", "")
    ended = datetime.fromisoformat(first["ended"].replace("Z", "+00:00"))
    assert ended == datetime.fromtimestamp(START + 30, timezone.utc)
    iterations = read_csv(tmp_path / "out" / "iterations.csv")
    assert [(r["attempt_seconds"], r["signal"]) for r in iterations] == [("2.0", ""), ("8.0", "15")]
    assert {r["experiment_id"] for r in iterations} == {PARALLEL}
    domains = read_csv(tmp_path / "out" / "domains.csv")
    assert [r["budget_window_joules"] for r in domains] == ["0.75"] * 4


def test_parquet_read_back_has_the_types_also_of_columns_of_nulls(
    folder: Path, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export(folder, "--out", tmp_path / "out", "--format", "parquet") == 0
    assert export(folder / f"{FAILED}.json", "--out", tmp_path / "one.parquet") == 0
    whole = parquet.read_table(tmp_path / "out" / "runs.parquet")
    alone = parquet.read_table(tmp_path / "one.parquet")
    names = {
        "text": "string", "integer": "int64", "float": "double", "boolean": "bool",
        "timestamp": "timestamp[us, tz=UTC]",
    }  # fmt: skip
    for table in (whole, alone):
        for column in LAYOUTS["runs"].columns:
            assert str(table.schema.field(column.name).type) == names[column.type], column.name
    assert str(whole.schema.field("hyperparam_epochs").type) == "double"
    assert str(whole.schema.field("hyperparam_amp").type) == "bool"
    first, _, third = whole.to_pylist()
    assert first["metric_loss"] == 0.1 + 0.2
    assert first["ended"] == datetime.fromtimestamp(START + 30, timezone.utc)
    assert (first["hyperparam_opt"], third["hyperparam_opt"]) == ("", None)
    assert (third["total_joules"], third["training_success"]) == (None, False)
    assert whole.schema.field("total_joules").metadata[b"unit"] == b"J"
    iterations = parquet.read_table(tmp_path / "out" / "iterations.parquet").to_pylist()
    assert [row["seconds"] for row in iterations] == [7.0, 9.0]


def test_without_pyarrow_one_line_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert export(folder, "--out", tmp_path / "runs.parquet") == 2
    (line,) = said(capsys.readouterr())
    assert extra_install("tables") in line
    assert sorted(os.listdir(tmp_path)) == ["results"]


def test_the_summary_has_the_users_columns_and_is_read_as_history(
    folder: Path, tmp_path: Path
) -> None:
    sample = Path(__file__).parents[1] / "samples" / "summary.csv"
    assert export("--results", folder, "--format", "summary", "--out", tmp_path / "s.csv") == 0
    header = sample.read_text().splitlines()[0] + ",condition,block,training_seed,warm_up"
    assert (tmp_path / "s.csv").read_bytes().split(b"\r\n")[0].decode() == header
    first, second, third = read_csv(tmp_path / "s.csv")
    assert first["timestamp"] == datetime.fromtimestamp(START + 30).isoformat(
        timespec="microseconds"
    )
    assert (first["training_success"], third["training_success"]) == ("True", "False")
    assert (first["hyperparam_epochs"], first["hyperparam_learning_rate"]) == ("7", "5.12e-06")
    assert (first["energy_gpu_avg_watts"], first["energy_gpu_max_watts"]) == ("100.0", "110.0")
    assert (first["energy_cpu_pkg_joules"], first["energy_cpu_total_joules"]) == ("500.0", "")
    asked = Settings.model_construct(use_deduplication=True, historical_csvs=("s.csv",))
    history, problems = read_history(asked, tmp_path, tmp_path / "nothing")
    assert history is not None
    assert not problems
    assert set(history) == {("front", "small", False), ("front", "small", True)}
    assert history["front", "small", True][0].values["learning_rate"] == "5.12e-06"
    assert second["experiment_id"].endswith("_parallel")


def test_standard_output_takes_one_table(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export(folder, "--out", "-", "--table", "phases") == 0
    captured = capfd.readouterr()
    assert captured.out.splitlines()[0].startswith("experiment_id,phase_number,phase,step")
    assert len(captured.out.splitlines()) == 9
    assert said(captured) == []


# -- bad input -----------------------------------------------------------------------------------


def test_what_is_broken_is_named_and_the_rest_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = result("newer", schema=2)
    (folder / "newer.json").write_text(json.dumps(newer))
    (folder / "torn.json").write_text(json.dumps(newer)[:200])
    (folder / "copy.json").write_text(json.dumps(result()))
    (folder / ".E.json.cooling").write_text("{}")
    (folder / f"background_logs_{PARALLEL}" / "iterations.csv").unlink()
    assert export(folder, "--out", tmp_path / "out") == 1
    lines = [line for line in said(capsys.readouterr()) if "pairs: " not in line]
    assert len(lines) == 5
    for part in ("newer.json: of schema 2", "torn.json: broken", "its iterations are missing"):
        assert sum(part in line for line in lines) == 1, part
    assert f"{SERIAL} is in" in "\n".join(lines)
    assert len(read_csv(tmp_path / "out" / "runs.csv")) == 3


def test_no_result_at_all_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.json").write_text("[]")
    for place in ("empty", "gone", "x.json"):
        assert export(tmp_path / place, "--out", tmp_path / "runs.csv") == 2
    assert "no results in it" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["empty", "x.json"]


def test_a_file_that_is_there_is_replaced_only_with_force_and_keeps_its_mode(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "runs.csv"
    place.write_text("mine")
    place.chmod(0o640)
    assert export(folder, "--out", place) == 2
    assert "--force" in capsys.readouterr().err
    assert place.read_text() == "mine"
    assert export(folder, "--out", place, "--force") == 0
    assert len(read_csv(place)) == 3
    assert place.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["results", "runs.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv", "--table", "all"], "10 tables need a folder"),
        (["--out", "-", "--format", "parquet"], "--out FILE.parquet"),
        (["--out", "s.csv", "--format", "summary", "--table", "jobs"], "leave --table out"),
        (["--out", "/dev/null", "--force", "--table", "runs"], "no regular file"),
        (["--out", "gone/x.csv"], "gone/x.csv cannot be written: No such file"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(
    folder: Path, arguments: list[str], message: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    assert export(folder, *arguments) == 2
    (line,) = said(capsys.readouterr())
    assert message in line


def test_half_characters_and_long_numbers_reach_every_format(folder: Path, tmp_path: Path) -> None:
    data = copy.deepcopy(result("odd"))
    data["foreground_result"]["hyperparameters"] = {"n\ud83d": "a\ud83d\0b", "big": 2**70}
    (folder / "odd.json").write_text(json.dumps(data))
    pytest.importorskip("pyarrow")
    for kind in ("csv", "parquet", "summary"):
        assert export(folder, "--out", tmp_path / kind, "--format", kind) == 0
    row = next(r for r in read_csv(tmp_path / "csv" / "runs.csv") if r["experiment_id"] == "odd")
    assert row["hyperparam_n\\ud83d"] == "a\\ud83d\\x00b"
    assert row["hyperparam_big"] == str(2**70)


# -- the documents ---------------------------------------------------------------------------------


def described(layout: Layout) -> str:
    """The columns as a table in Markdown, as docs/tables.md has it."""
    lines = ["| column | type | unit | meaning | null where |", "|---|---|---|---|---|"]
    lines += [
        f"| `{c.name}` | {c.type} | {c.unit or '–'} | {c.meaning} | {c.null} |"
        for c in layout.columns
    ]
    lines += [
        f"| `{family.name('NAME')}` | {family.type or 'of its values'} | {family.unit or '–'} "
        f"| {family.meaning} | {family.null} |"
        for family in layout.families
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_documents_have_every_column(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    assert described(LAYOUTS[name]) in text
