"""Campaigns of the older tool become results: energies by hand, nothing made up, nothing twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import energyctl
from energyctl import cli
from energyctl.campaign import estimates
from energyctl.results import folder as results
from energyctl.results.importer.perf_output import cpu_energies, parse_perf
from energyctl.results.importer.sampled_power import POWER, UTILIZATION, parse_samples, power_span

START = 1_900_000_000  # 2030-03-17 17:46:40 UTC; the machine's clock shows two hours more
STAMPS = [START + s for s in (0, 1, 2, 4, 5, 6, 7, 8, 10)]  # a loop of "sleep 1" is slower than 1 s
WATTS = [100.0, 100.0, 200.0, 200.0, 200.0, 200.0, 200.0, 200.0, 100.0]
RAW = """# started on Sun Mar 17 19:46:40 2030


 Performance counter stats for 'system wide':

          1,234.50 Joules power/energy-pkg/
             70.25 Joules power/energy-ram/

      10.000000000 seconds time elapsed

"""


def csv(column: str, values: list[Any], stamps: list[int] = STAMPS) -> str:
    rows = [f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True)]
    return "\n".join([f"timestamp,{column}", *rows, ""])


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "repository": "repo",
        "model": "small",
        "hyperparameters": {"lr": 0.012345678901234567},
        "duration_seconds": 11.2,
        "energy_metrics": {
            "cpu_energy_pkg_joules": 1234.5,
            "cpu_energy_ram_joules": 70.25,
            "gpu_energy_total_joules": sum(WATTS),
        },
        "performance_metrics": {"accuracy": 0.5},
        "training_success": True,
        "retries": 0,
        "error_message": "Training completed successfully",
        **changes,
    }


def old_run(
    campaign: Path, name: str, *, busy: int = 0, background: bool = False, **changes: Any
) -> Path:
    """One old run; busy: percent of the GPU before the foreground's first kernel."""
    head = {"experiment_id": name, "timestamp": "2030-03-17T19:46:51.500000"}
    told = facts(**changes)
    whole: dict[str, Any] = {**head, **told}
    if background:
        load = {"repository": "other", "model": "load", "hyperparameters": {}}
        whole = {**head, "mode": "parallel", "foreground": told, "background": load}
    folder = campaign / name
    (folder / "energy").mkdir(parents=True)
    (folder / "experiment.json").write_text(json.dumps(whole))
    texts = {
        "cpu_energy_raw.txt": RAW,
        "gpu_power.csv": csv("power_draw_w", WATTS),
        "gpu_utilization.csv": csv("gpu_util_percent", [busy] * 4 + [90] * 5),
    }
    for file, text in texts.items():
        (folder / "energy" / file).write_text(text)
    return folder


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    return tmp_path / "old" / "campaign_1"


def run_import(tmp_path: Path, *folders: Path) -> int:
    return cli.run(["-C", str(tmp_path), "import", *map(str, folders)])


def written(tmp_path: Path) -> list[dict[str, Any]]:
    paths = sorted((tmp_path / "results").glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


# -- energies --------------------------------------------------------------------------------


def test_power_is_integrated_over_the_true_stamps_of_the_span() -> None:
    samples = parse_samples(csv("power_draw_w", WATTS), POWER)
    # A second late in both: 100 W, a ramp of 150 J, 6 s at 200 W, a ramp over 2 s with 300 J.
    assert power_span(samples, START + 0.5, START + 10.5).joules == 100 + 150 + 1200 + 300
    # Clipped inside the first second, and held for one more than was sampled.
    assert power_span(samples, START + 1.0, START + 11.5).joules == 50 + 150 + 1200 + 300 + 100


def test_each_part_of_the_uncertainty_is_named_and_holds_what_stamps_hide() -> None:
    watts = [100.0, 250.0, 90.0, 240.0, 110.0, 230.0, 100.0, 260.0, 100.0]
    samples = parse_samples(csv("power_draw_w", watts), POWER)
    late = START + 10.5 + 1.5
    span = power_span(samples, START + 0.5, late)
    assert span.joules is not None
    assert set(span.budget) == {"gaps", "averaging", "unit", "stated", "edges", "stamps"}
    assert span.budget["stated"] == pytest.approx(0.05 * span.joules)
    assert span.budget["edges"] == pytest.approx(1.5 * (260 - 100))
    moved = [stamp + (0.5 if n % 2 else -0.5) for n, stamp in enumerate(samples.times)]
    other = sum(
        (b - a) * (u + v) / 2
        for a, b, u, v in zip(moved, moved[1:], watts, watts[1:], strict=False)
    )
    inside = power_span(samples, samples.times[0], samples.times[-1])
    assert inside.joules is not None
    assert abs(other - inside.joules) <= inside.budget["stamps"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (csv("power_draw_w", [100.0] * 9, [s + 60 * (s > START + 4) for s in STAMPS]), "without"),
        (csv("power_draw_w", [100.0] * 9, STAMPS[:5] + STAMPS[:4]), "goes back"),
        (csv("power_draw_w", [100.0] * 18, sorted(STAMPS * 2)), "several GPUs"),
        (csv("power_draw_w", [100.0] * 3, STAMPS[:3]), "last 68 s"),
        (csv("watts", WATTS), "no columns"),
        (csv("power_draw_w", ["[N/A]"] * 9), "no sample"),
    ],
)
def test_what_was_not_sampled_is_unknown_with_the_reason(text: str, reason: str) -> None:
    span = power_span(parse_samples(text, POWER), START + 0.5, START + 71)
    assert span.joules is None
    assert reason in (span.missing or "")


def test_a_row_that_is_cut_off_is_no_sample() -> None:
    whole = csv("gpu_util_percent", [50] * 9)
    assert parse_samples(whole, UTILIZATION).unread == 0
    cut = parse_samples(whole.removesuffix("0\n"), UTILIZATION)
    assert (len(cut.values), cut.unread, min(cut.values)) == (8, 1, 50)


def test_perf_is_read_in_its_own_words() -> None:
    output = parse_perf(
        "# started on Wed Jan  7 06:03:02 2026\n"
        "S0   1   161.167,82 Joules power/energy-pkg/\n"
        "S1   1     <not counted> Joules power/energy-pkg/   (0,00%)\n"
        "     5\u202f013,80 Joules power/energy-ram/\n"
        "  4138,124820596 seconds time elapsed\n"
    )
    assert (str(output.started), output.seconds) == ("2026-01-07 06:03:02", 4138.124820596)
    first, second, dram = cpu_energies(output.readings, 4138.124820596, source="perf")
    assert (first.domain.name, first.joules) == ("package-0", 161167.82)
    assert (second.joules, second.missing) == (None, "perf says <not counted>")
    assert (dram.domain.kind, dram.joules) == ("dram", 5013.8)
    assert set(first.budget) == {"location", "window", "unit"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0.00 Joules power/energy-pkg/", "nothing was counted"),
        ("12.50 power/energy-pkg/", "unit is not said"),
        ("12.50 Joules power/energy-pkg/   (83.33%)", "83.33 % of the time"),
        ("<not supported> Joules power/energy-pkg/", "<not supported>"),
    ],
)
def test_a_figure_of_perf_that_is_none_is_null(line: str, reason: str) -> None:
    package, _ = cpu_energies(parse_perf(line).readings, 1.0, source="perf")
    assert package.joules is None
    assert reason in (package.missing or "")


# -- results ---------------------------------------------------------------------------------


def test_an_old_run_becomes_a_result_that_makes_nothing_up(tmp_path: Path, campaign: Path) -> None:
    old_run(campaign, "repo_small_001_parallel", busy=13, background=True)
    assert run_import(tmp_path, campaign) == 0
    (result,) = written(tmp_path)
    assert result["experiment_id"] == "20300317_194640_repo_small_parallel"
    assert (result["mode"], result["status"]) == ("parallel", "succeeded")
    assert result["campaign"] == "campaign_1"
    assert result["foreground_result"]["hyperparameters"] == {"lr": 0.012345678901234567}
    energy, imported = result["energy"], result["imported"]
    assert energy["seconds"] == pytest.approx(10.0)
    assert (energy["cpu_package_joules"], energy["cpu_dram_joules"]) == (1234.5, 70.25)
    assert energy["gpu_joules"] == pytest.approx(1750.0)
    assert energy["total_joules"] == pytest.approx(1750.0 + 1234.5 + 70.25)
    assert energy["marginal_joules"] is None
    assert energy["missing"]["marginal_joules"]
    assert imported["experiment_id"] == "repo_small_001_parallel"
    assert imported["gpu_joules_reported"] == 1500.0
    assert imported["gpu_joules_difference"] == pytest.approx(250.0)
    assert imported["gpu_difference_percent"] == pytest.approx(100 * 250 / 1500)
    assert imported["utc_offset_seconds"] == 7200
    assert [phase["name"] for phase in result["phases"]] == ["foreground"]
    assert result["phases"][0]["start"] == START + 0.5
    info = result["background_info"]
    (job,) = info["jobs"]
    for key in ("iterations", "coverage", "max_gap_seconds", "load", "logs"):
        assert job[key] is None
        assert job["missing"][key]
    assert info["presence"]["present_at_start"] is True


def test_presence_is_judged_from_the_utilisation_at_the_start(
    tmp_path: Path, campaign: Path
) -> None:
    old_run(campaign, "a_parallel", busy=0, background=True)
    old_run(campaign, "b", busy=13, model="other")
    assert run_import(tmp_path, campaign) == 0
    alone, loaded = sorted(written(tmp_path), key=lambda r: r["background_info"] is None)
    assert alone["background_info"]["presence"]["present_at_start"] is False
    assert any("no background was on the GPU" in line for line in alone["warnings"])
    assert loaded["mode"] is None
    assert any("something else was on the GPU" in line for line in loaded["warnings"])


def test_files_that_are_missing_leave_reasons(tmp_path: Path, campaign: Path) -> None:
    folder = old_run(campaign, "a", training_success=False, error_message="it fell over")
    (folder / "energy" / "cpu_energy_raw.txt").unlink()
    (folder / "energy" / "gpu_power.csv").unlink()
    assert run_import(tmp_path, campaign) == 0
    (result,) = written(tmp_path)
    energy = result["energy"]
    assert (result["status"], result["foreground_result"]["error"]) == ("failed", "it fell over")
    for key in ("total_joules", "cpu_package_joules", "cpu_dram_joules", "gpu_joules"):
        assert energy[key] is None
        assert energy["missing"][key]
    assert "gpu_power.csv" in energy["missing"]["gpu_joules"]
    assert result["imported"]["gpu_joules_difference"] is None
    assert result["imported"]["utc_offset_seconds"] is None


def test_a_summary_stands_in_where_perfs_output_is_lost_but_not_its_zeros(
    tmp_path: Path, campaign: Path
) -> None:
    folder = old_run(campaign, "a")
    (folder / "energy" / "cpu_energy_raw.txt").unlink()
    text = "Package Energy (Joules): 99.50\nRAM Energy (Joules): 0.00\n"
    (folder / "energy" / "cpu_energy.txt").write_text(text)
    assert run_import(tmp_path, campaign) == 0
    energy = written(tmp_path)[0]["energy"]
    assert (energy["cpu_package_joules"], energy["cpu_dram_joules"]) == (99.5, None)
    assert "0.00" in energy["missing"]["cpu_dram_joules"]
    assert energy["domains"][0]["budget"]["window"] > 1.0


# -- once, and in order ----------------------------------------------------------------------


def test_importing_twice_changes_nothing_and_a_changed_source_is_said(
    tmp_path: Path, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = old_run(campaign, "a")
    old_run(campaign, "b")  # the same second, repository and model: another run all the same
    assert run_import(tmp_path, campaign) == 0
    place = tmp_path / "results"
    before = {
        path.name: (path.stat().st_mtime_ns, path.read_text())
        for path in place.iterdir()
        if path.is_file()
    }
    assert len(before) == 2
    assert run_import(tmp_path, campaign, folder) == 0
    (folder / "energy" / "gpu_power.csv").write_text(csv("power_draw_w", [w + 1 for w in WATTS]))
    capsys.readouterr()
    assert run_import(tmp_path, campaign) == 1
    assert "changed since it was imported" in capsys.readouterr().err
    for name, (time, text) in before.items():
        assert ((place / name).stat().st_mtime_ns, (place / name).read_text()) == (time, text)


def test_broken_folders_are_named_in_a_line_each_and_the_rest_goes_on(
    tmp_path: Path, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old_run(campaign, "whole")
    (old_run(campaign, "cut") / "experiment.json").write_text('{"experiment_id": "cu')
    (old_run(campaign, "half") / "experiment.json").unlink()
    (old_run(campaign, "bare") / "experiment.json").write_text('{"experiment_id": "bare"}')
    (old_run(campaign, "huge") / "experiment.json").write_text(
        json.dumps({"experiment_id": "huge", **facts()}).replace("0.5", "1e999")
    )
    assert run_import(tmp_path, campaign) == 1
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert [line.split(": ")[1].rpartition(os.sep)[2] for line in lines] == [
        "bare",
        "cut",
        "half",
        "huge",
    ]
    assert "1 imported" in said.out
    assert len(written(tmp_path)) == 1


def test_nothing_to_import_is_exit_2(
    tmp_path: Path, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign.mkdir(parents=True)
    assert run_import(tmp_path, campaign) == 2
    assert "no old run" in capsys.readouterr().err
    assert run_import(tmp_path, campaign / "nowhere") == 2
    assert not (tmp_path / "results").exists()


def test_an_imported_run_is_listed_but_no_estimate_of_durations(
    tmp_path: Path, campaign: Path
) -> None:
    old_run(campaign, "a")
    assert run_import(tmp_path, campaign) == 0
    found = written(tmp_path)
    assert results.load(tmp_path / "results" / f"{found[0]['experiment_id']}.json") == found[0]
    assert estimates.typical_seconds(iter(found)) == {}
    ours = {key: value for key, value in found[0].items() if key != "imported"}
    assert estimates.typical_seconds(iter([ours])) == {("repo", "small", False): 11.2}


# -- time series -----------------------------------------------------------------------------


def test_samples_come_beside_the_result_and_to_runs_imported_before_too(
    tmp_path: Path, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = old_run(campaign, "a")
    (folder / "energy" / "gpu_temperature.csv").write_text(
        f"timestamp,gpu_temp_c,memory_temp_c\n{STAMPS[0]},61,N/A\n{STAMPS[1]},[Unknown],N/A\n17000"
    )
    assert run_import(tmp_path, campaign) == 0
    assert "3 files of samples written" in " ".join(capsys.readouterr().out.split())
    run = energyctl.load(tmp_path / "results")[0]
    power = run.power()
    assert power["timestamp"].to_list() == [stamp + 0.5 for stamp in STAMPS]
    assert (power["domain"].unique().to_list(), power["watts"].to_list()) == (["gpu-0"], WATTS)
    assert run.temperature().rows() == [
        (STAMPS[0] + 0.5, "0", 61.0, None),
        (STAMPS[1] + 0.5, "0", None, None),
    ]
    beside = tmp_path / "results" / f"energy_{run.experiment_id}_attempt0"
    before = (beside / "gpu_power.csv").read_text()
    (beside / "gpu_power.csv").unlink()
    (beside / "gpu_utilization.csv").write_text("kept")
    assert run_import(tmp_path, campaign) == 0
    assert "1 files of samples written" in " ".join(capsys.readouterr().out.split())
    assert (beside / "gpu_power.csv").read_text() == before
    assert (beside / "gpu_utilization.csv").read_text() == "kept"
