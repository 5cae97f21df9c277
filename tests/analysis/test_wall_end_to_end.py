"""From runs beside a known meter at the wall to the energy there of a run that was held out."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

import energyctl
from bench import REGISTRY, Bench
from hardware.wall import CONSTANT_WATTS, SLOPE, install_wall


def run_campaign(bench: Bench, folder: Path) -> tuple[list[str], str]:
    """A training alone and beside a load, and one of a power between them: the experiment ids of
    the first two runs, and that of the third."""
    registry = json.loads(json.dumps(REGISTRY))
    registry["models"]["front"]["models"].append("middle")
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    seconds = {"repo": "front", "mode": "default", "hyperparameters": {"seconds": 2.0}}
    load = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 1.0}}
    pair = {**seconds, "model": "small", "conditions": {"alone": None, "beside": load}}
    name = bench.settings(experiments=[pair, {**seconds, "model": "middle"}], idle_seconds=2)
    install_wall(folder / "site")
    paths = [str(folder / "site"), bench.env.get("PYTHONPATH", "")]
    bench.env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    bench.env["ENERGYCTL_ACCEPTANCE"] = str(folder / "kept")
    done = bench.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    *pair_ids, other = [str(result["experiment_id"]) for result in bench.results()]
    return pair_ids, other


def test_a_run_shows_its_energy_at_the_wall_by_the_calibration_of_others(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, other = run_campaign(bench, tmp_path)
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", bench.env["ENERGYCTL_ACCEPTANCE"])
    before = bench.results()
    assert "wall" not in bench.look("report").stdout
    assert energyctl.load(bench.root / "results")[other].energy.wall_note is None

    done = bench.look("calibrate", "--against", "wall", *pair, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["machines"]
    assert (found["runs"], len(found["levels"])) == (2, 4)
    assert found["machine"]["domains"] == ["package-0"]
    constant, slope = found["parameters"].values()
    # On a busy machine power is read late around the ends of phases.
    assert abs(constant["value"] - CONSTANT_WATTS) <= constant["uncertainty"]
    assert abs(slope["value"] - SLOPE) <= slope["uncertainty"]
    assert found["model"]["scale"] == pytest.approx(0.01)
    assert found["left_out_worst_share"] < 0.1
    assert json.loads(Path(found["file"]).read_text())["model"] == found["model"]

    run = energyctl.load(bench.root / "results")[other]
    truth = next(one for one in run.energy.domains if one.name == "wall")
    estimated, band = run.energy.wall_joules_estimated, run.energy.wall_uncertainty_joules_estimated
    assert abs(estimated - truth.joules) <= band < 0.2 * truth.joules
    assert re.fullmatch(
        r"estimated by a calibration of \d{4}-\d\d-\d\d against wall", run.energy.wall_note
    )

    shown = bench.look("report").stdout
    assert "at the wall, estimated (" in shown
    assert re.search(r"at the wall: [\d.]+ ± [\d.]+ k?J, estimated by a calibration of 20", shown)
    (row,) = csv.DictReader(bench.look("export", other, "--out", "-").stdout.splitlines())
    assert float(row["wall_joules_estimated"]) == estimated
    assert float(row["wall_uncertainty_joules_estimated"]) == band
    assert row["wall_note"] == run.energy.wall_note
    assert bench.results() == before
