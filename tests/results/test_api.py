"""`energyctl.load`: results as objects and DataFrames, and how notebooks show them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

import energyctl
from energyctl.results.api import TABLES
from energyctl.results.domain_marks import colours_of, dashes_of
from energyctl.results.tables import OF_PAIRS
from written_results import write_pair, write_runs

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "analysis.ipynb"


def loaded(tmp_path: Path, **changes: Any) -> energyctl.Run:
    write_runs(tmp_path, "parallel", [1234.5], **changes)
    return energyctl.load(tmp_path)[0]


def test_a_run_has_what_its_file_has_and_none_for_what_it_has_not(tmp_path: Path) -> None:
    job = {
        "job": "back_m", "repo": "back", "model": "m", "iterations": 7, "failures": 0,
        "coverage": 0.998, "load": None, "max_gap_seconds": 0.02, "missing": {"load": "it hung"},
    }  # fmt: skip
    phases = [
        {"name": "idle", "start": 100.0, "end": 110.0, "joules": {"gpu-0": 5.0}, "watts": {}},
        {"name": "foreground:train", "start": 110.0, "end": 120.0, "joules": {}, "watts": {}},
    ]  # fmt: skip
    run = loaded(tmp_path, background_info={"jobs": [job]}, phases=phases, warnings=["hot"])
    assert (run.status, run.repository, run.mode) == ("succeeded", "front", "parallel")
    assert run.energy is not None
    assert (run.energy.total_joules, run.energy.joules_of("gpu")) == (1234.5, 1234.5)
    assert run.energy.joules_of("dram") is None
    assert (run.jobs[0].coverage, run.jobs[0].load) == (0.998, None)
    assert [(p.name, p.step, p.end - p.start) for p in run.phases] == [
        ("idle", None, 10.0), ("foreground", "train", 10.0),
    ]  # fmt: skip
    assert run.hyperparameters["epochs"] == 10
    assert run.metrics == {"accuracy": 0.9}
    assert run.warnings == ["hot"]
    assert run.power().rows() == []


def test_samples_are_dataframes_by_time_with_nulls_for_what_failed(tmp_path: Path) -> None:
    run = loaded(tmp_path)
    folder = tmp_path / f"energy_{run.experiment_id}_attempt1"
    folder.mkdir()
    cpu = "timestamp,domain,power_w,energy_j\n100.5,package-0,50.5,\n101.5,package-0,,\n10"
    gpu = "timestamp,gpu,power_draw_w,energy_j\n101.0,0,250,1\nN/A,0,1,1\n"
    (folder / "cpu_power.csv").write_text(cpu)
    (folder / "gpu_power.csv").write_text(gpu)
    (folder / "gpu_temperature.csv").write_text(
        "timestamp,gpu,gpu_temp_c,memory_temp_c\n1.0,0,60,N/A\n"
    )
    assert run.power().rows() == [
        (100.5, "package-0", 50.5), (101.0, "gpu-0", 250.0), (101.5, "package-0", None),
    ]  # fmt: skip
    assert run.temperature().rows() == [(1.0, "0", 60.0, None)]
    assert run.utilization().rows() == []
    html = run._repr_html_()
    for domain in ("gpu-0", "package-0"):
        (tone,), (dash,) = colours_of([domain]), dashes_of([domain])
        drawn = "none" if dash == [1, 0] else " ".join(map(str, dash))
        line = f"stroke='{tone}' stroke-width='1.5' stroke-dasharray='{drawn}'"
        assert html.count(line) == 2  # the curve, and its key


def test_days_and_small_bands_are_said_as_they_are(tmp_path: Path) -> None:
    energy = {
        "seconds": 183_600.0, "total_joules": 5387.7, "uncertainty_joules": 0.0031,
        "measured": True, "domains": [],
    }  # fmt: skip
    run = loaded(tmp_path, energy=energy)
    for html in (run._repr_html_(), energyctl.load(tmp_path)._repr_html_()):
        assert "2 d 03 h" in html
        assert "5.3877000 ± 0.0000031 kJ" in html
        assert "parallel" not in html.replace(run.experiment_id, "")


def test_the_table_is_that_of_export(tmp_path: Path) -> None:
    write_runs(tmp_path / "results", "mutation", [1.5, 2.5])
    runs = energyctl.load(tmp_path / "results")
    out = tmp_path / "runs.parquet"
    command = [sys.executable, "-m", "energyctl", "-C", str(tmp_path), "export", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    assert runs.table().equals(pl.read_parquet(out))
    assert runs.where(lambda run: run.row["total_joules"] > 2).table().height == 1
    assert runs["20300317_170001_front_small"].energy.total_joules == 2.5  # type: ignore[union-attr]
    with pytest.raises(KeyError):
        runs["nothing"]
    with pytest.raises(energyctl.SettingsError, match="none of runs, domains"):
        runs.table("energies")


@pytest.mark.parametrize("name", TABLES)
def test_a_run_has_rows_of_every_table_but_pairs(tmp_path: Path, name: str) -> None:
    _, beside = write_pair(tmp_path / "results", 1)
    runs = energyctl.load(tmp_path / "results")
    rows = runs[beside["experiment_id"]].rows(name)
    assert bool(rows) == (name not in ("iterations", "series", "epochs", *OF_PAIRS))
    assert runs.table(name).height >= len(rows)


def test_what_cannot_be_read_is_left_out_and_shown(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [1.0])
    (tmp_path / "broken.json").write_text("{")
    heard: list[str] = []
    runs = energyctl.load(tmp_path, problem=heard.append)
    assert (len(runs), len(runs.problems)) == (1, 1)
    assert heard == list(runs.problems)
    assert "left out: " in runs._repr_html_()
    assert repr(runs) == "<Runs: 1 of 1 campaign, 1 left out>"
    with pytest.raises(energyctl.SettingsError, match="no such file or folder"):
        energyctl.load(tmp_path / "nowhere")


def test_nothing_that_a_training_was_called_becomes_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\"&"
    run = loaded(tmp_path, warnings=[evil])
    for html in (run._repr_html_(), energyctl.load(tmp_path)._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
    assert "1234.5 ± 1.0 J" in run._repr_html_()


def test_an_estimate_is_called_one_and_what_is_missing_is_no_zero(tmp_path: Path) -> None:
    energy = {
        "seconds": 10.0, "total_joules": None, "uncertainty_joules": None, "measured": False,
        "domains": [
            {
                "name": "cpu", "kind": "cpu", "source": "estimate", "measured": False,
                "in_total": True, "joules": 12.0, "uncertainty_joules": 12.0, "missing": None,
            }
        ],
    }  # fmt: skip
    run = loaded(tmp_path, energy=energy)
    assert "energy not known" in run._repr_html_()
    assert "12 ± 12 J (estimated)" in run._repr_html_()
    assert repr(run).endswith(": succeeded, energy not known>")


def test_the_types_are_those_that_a_type_checker_sees(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "import energyctl\n"
        "run = energyctl.load('results')[0]\n"
        "joules: float | None = run.energy.total_joules if run.energy else None\n"
        "names: list[str] = [job.name for job in run.jobs]\n"
        "wrong: int = run.status\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(user)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, done.stdout
    assert (
        'user.py:5: error: Incompatible types in assignment (expression has type "str"' in errors[0]
    )


def test_the_example_notebook_runs_over_the_results_of_a_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel is this interpreter; all that Jupyter writes is in a folder of the test."""
    settings = {
        "experiment_name": "digits", "seed": 1, "idle_seconds": 0.2, "cooldown_seconds": 0,
        "sample_interval_seconds": 0.2, "settle": {"seconds": 0.5, "timeout_seconds": 1},
        "experiments": [
            {"mode": "mutation", "repo": "digits", "model": "mlp", "mutate": ["learning_rate"],
             "hyperparameters": {"epochs": 3}},
            {"mode": "parallel",
             "foreground": {"repo": "digits", "model": "mlp", "mode": "default",
                            "hyperparameters": {"epochs": 3}},
             "background": {"repo": "digits", "model": "mlp_wide"}},
        ],
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(settings))
    nothing = {f"ENERGYCTL_{name}": str(tmp_path / "none") for name in ("POWERCAP", "PERF")}
    environment = {**os.environ, **nothing, "ENERGYCTL_LOCK": str(tmp_path / "lock")}
    command = [sys.executable, "-m", "energyctl", "-C", str(tmp_path), "run", "x.json"]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        place = tmp_path / "jupyter" / ("" if name == "JUPYTER_DATA_DIR" else name)
        monkeypatch.setenv(name, str(place))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    shown = json.dumps(outputs, ensure_ascii=False)
    assert "digits / mlp" in shown
    assert re.search(r"[0-9] ± [0-9.]+ k?J \(estimated\)", shown)
    assert "foreground " in shown
    assert "joules_per_epoch" in shown
    assert "2 runs," in shown
