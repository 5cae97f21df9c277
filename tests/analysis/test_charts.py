"""Charts as specifications, the rows they draw, and figures for print.

Golden specifications lie in tests/samples/charts. Renew them, and look at the difference:
RENEW_SAMPLES=1 python -m pytest tests/test_charts.py -k specifications
"""

from __future__ import annotations

import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import energyctl
from energyctl import cli
from energyctl.analysis import charts
from energyctl.analysis.charts import figure_files, plots, themes, timeline
from energyctl.system.dependencies import extra_install

SAMPLES = Path(__file__).parents[1] / "samples" / "charts"
START = 1_795_487_000.0
SVG = "{http://www.w3.org/2000/svg}"


def domain(name: str, kind: str, joules: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "source": "sample", "measured": True, "in_total": True,
        "joules": joules, "uncertainty_joules": joules / 100, "missing": None, **more,
    }  # fmt: skip


def write_run(folder: Path, number: int, **more: Any) -> Path:
    """A run of 10 s after an idle phase of 4 s, sampled each second; 100 W, and 300 W at 6 s."""
    name = f"20261124_10{number:02d}00_digits_mlp"
    domains = [domain("package-0", "cpu", 1000.0 * number), domain("gpu-0", "gpu", 3000.0)]
    total = sum(one["joules"] for one in domains)
    result = {
        "schema": 1, "experiment_id": name, "campaign": "sample", "mode": "mutation",
        "status": "succeeded",
        "foreground_result": {
            "experiment_id": name, "success": True, "duration": 10.0, "retries": 0,
            "repo": "digits", "model": "mlp", "hyperparameters": {"rate": 0.001 * 10**number},
            "exit_code": 0, "error": None,
            "performance_metrics": {"accuracy": 0.9 + number / 100, "loss": 1.0 / number},
            "log": None,
            "attempts": [{"attempt": 1, "success": True, "start": START, "end": START + 10}],
        },
        "background_info": None,
        "energy": {
            "seconds": 10.0, "total_joules": total, "uncertainty_joules": total / 100,
            "measured": True, "domains": domains,
        },
        "phases": [
            {"name": "idle", "start": START - 4, "end": START, "watts": {"package-0": 40.0}},
            {"name": "foreground", "start": START, "end": START + 10, "watts": {}},
            {"name": "idle", "start": START + 10, "end": START + 10.1, "watts": {"gpu-0": 900.0}},
        ],
        "warnings": [], "environment": {}, **more,
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result), encoding="utf-8")
    series = folder / f"energy_{name}_attempt1"
    series.mkdir()
    samples = [f"{START + s},package-0,{300 if s == 6 else 100},0" for s in range(1, 11)]
    rows = ["timestamp,domain,power_w,energy_j", f"{START},package-0,,0", *samples]
    (series / "cpu_power.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    for number in (1, 2, 3):
        write_run(folder, number)
    return folder


# -- specifications ----------------------------------------------------------------------------

DOMAINS = ["gpu-0", "gpu-1", "package-0", "dram-0"]
TOLD = ["alone", "beside digits/mlp"]
PANEL = charts.Panel(
    number=0, training="front / small: ", note="8 blocks", names=("alone", "two"),
    conditions=("alone", "two"), value="Total energy (J)",
    domain=(650.0, 1550.0), ticks=[800, 1000, 1200, 1400], log=True, change="Ratio − 1 (%)",
    changes=(-5.0, 5.2), blocks=8, along="Block", margin=(-4.76, 5.0),
)  # fmt: skip
SHARES = charts.ShareChart(
    ["beside two\ngpu-0", "night\ngpu-0"], ["beside two", "night"], TOLD, "kJ", {}
)
SPECIFICATIONS = {
    "run_power": lambda: charts.run_power(DOMAINS, estimated=["dram-0"]),
    "run_overview": lambda: charts.run_overview(DOMAINS, ["digits_mlp"], gpu=True),
    "energy_by_run": lambda: charts.energy_by_run(DOMAINS, TOLD, estimates=True),
    "energy_by_run_named": lambda: charts.energy_by_run(
        DOMAINS, TOLD, 200, unit="MJ", horizontal=True
    ),
    "energy_against": lambda: charts.energy_against("learning_rate", TOLD, log_x=True),
    "metric_against": lambda: charts.metric_against("optimizer", "loss", TOLD, numeric=False),
    "metric_against_energy": lambda: charts.metric_against_energy("loss", TOLD),
    "presence": lambda: charts.presence(TOLD),
    "foreign": lambda: charts.foreign(TOLD),
    "energy_by_machine": lambda: charts.energy_by_machine(TOLD),
    "block_lines": lambda: charts.block_lines(PANEL),
    "block_ratios": lambda: charts.block_ratios(PANEL),
    "share_bars": lambda: charts.share_bars(SHARES),
    "savings": lambda: charts.savings(SHARES),
    "shares_and_savings": lambda: charts.shares_and_savings(SHARES, 180, 75, 3.7),
    "comparison": lambda: charts.comparison([replace(PANEL, blocks=0, margin=None)], 180, 75, 3.7),
}


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_specifications_are_as_they_were(name: str) -> None:
    made = SPECIFICATIONS[name]().to_dict()
    made.pop("config", None)
    made.pop("$schema")
    golden = SAMPLES / f"{name}.json"
    if os.environ.get("RENEW_SAMPLES"):
        golden.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert json.loads(json.dumps(made)) == json.loads(golden.read_text(encoding="utf-8"))


def test_vega_lite_is_the_version_that_altair_writes_for() -> None:
    import altair
    import vl_convert

    schema = altair.SCHEMA_VERSION.removeprefix("v")
    assert schema.rpartition(".")[0] == figure_files.VEGA_LITE
    assert figure_files.VEGA_LITE in vl_convert.get_vegalite_versions()


# -- rows --------------------------------------------------------------------------------------

VALUES = st.none() | st.floats(0, 1e4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), VALUES), min_size=1, max_size=300))
def test_thinning_keeps_every_peak_and_every_gap(samples: list[tuple[str, float | None]]) -> None:
    buckets = 10
    frame = pl.DataFrame(
        [(float(at), *sample) for at, sample in enumerate(samples)],
        schema={"timestamp": pl.Float64, "domain": pl.String, "watts": pl.Float64},
        orient="row",
    )
    thin = charts.thinned(frame, "domain", ["watts"], buckets)
    assert {*thin.iter_rows()} <= {*frame.iter_rows()}
    assert thin["timestamp"].is_sorted()
    if frame.height > 2 * buckets:
        assert thin.height <= 2 * 3 * buckets + 2 * 2 * buckets
    width = (frame.height - 1) / buckets or 1.0
    for domain_name in "ab":
        for bucket in range(buckets):
            inside = (pl.col("domain") == domain_name) & (
                (pl.col("timestamp") / width).floor().clip(0, buckets - 1) == bucket
            )
            before, after = frame.filter(inside)["watts"], thin.filter(inside)["watts"]
            assert (before.max(), before.min()) == (after.max(), after.min())
            assert (before.null_count() > 0) == (after.null_count() > 0)


def test_a_time_without_samples_is_a_gap() -> None:
    times = [0.0, 1.0, 2.0, 3.0, 60.0, 61.0]
    frame = pl.DataFrame({"timestamp": times, "domain": ["a"] * 6, "watts": [1.0] * 6})
    marked = charts.gaps_marked(frame, "domain", ["watts"])
    gaps = marked.filter(pl.col("watts").is_null())
    assert gaps["timestamp"].to_list() == [4.0]


def test_power_begins_where_its_interval_does_and_idle_is_a_level(results: Path) -> None:
    run = energyctl.load(results)[0]
    rows = charts.power_rows(run)
    sampled = [(row["seconds"], row["watts"]) for row in rows if not row["mean"]]
    assert sampled[:2] == [(4.0, 100.0), (5.0, 100.0)]
    assert (10.0, 300.0) in sampled
    levels = [(row["seconds"], row["watts"]) for row in rows if row["mean"]]
    assert levels == [(0.0, 40.0), (4.0, 40.0), (4.0, None)]  # that of 0.1 s tells nothing


POINTS = st.lists(st.tuples(st.none() | st.integers(0, 6), st.integers(0, 6)), max_size=25)


@given(POINTS, st.booleans(), st.booleans())
def test_the_pareto_front_is_that_of_brute_force(
    places: list[tuple[int | None, int]], less_x: bool, more_y: bool
) -> None:
    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        x = (other[0] - one[0]) * (1 if less_x else -1)
        y = (one[1] - other[1]) * (1 if more_y else -1)
        return x >= 0 and y >= 0 and (x > 0 or y > 0)

    known = [place for place in places if place[0] is not None]
    expected = [
        place[0] is not None and not any(beats(other, place) for other in known) for place in places
    ]
    points = [{"x": x, "y": y} for x, y in places]
    assert charts.pareto(points, less_x, more_y) == expected


@pytest.mark.parametrize(
    ("name", "less"),
    [("loss", True), ("val_loss", True), ("metric_top1_error", True), ("wer", True),
     ("test_accuracy", False), ("map", False), ("glossary", False), ("f1", False)],
)  # fmt: skip
def test_the_name_of_a_metric_tells_which_way_is_better(name: str, less: bool) -> None:
    assert charts.minimised(name) is less


def test_a_front_is_among_runs_that_can_be_compared() -> None:
    row = {
        "experiment_id": "e", "number": 1, "label": "1", "repository": "r",
        "model": "m", "imported": False, "measured": True, "joules": 5.0, "low": 4.0, "high": 6.0,
        "metric_loss": 0.1, "condition": "alone",
    }  # fmt: skip
    worse, beside = row | {"joules": 9.0}, row | {"joules": 9.0, "condition": "beside r/m"}
    unknown = row | {"joules": None}
    found = charts.points([row, worse, beside, unknown], "joules", "metric_loss")
    assert [point["front"] for point in found] == [True, False, True]


# -- figures -----------------------------------------------------------------------------------


def plot(results: Path, *arguments: str) -> int:
    return cli.run(["-C", str(results.parent), "plot", *arguments])


def test_an_svg_has_the_marks_of_its_data_and_the_width_asked_for(results: Path) -> None:
    assert plot(results, "--out", "fig.svg", "--width", "100mm") == 0
    root = ElementTree.parse(results.parent / "fig.svg").getroot()
    assert float(root.attrib["width"]) == pytest.approx(100 / 25.4 * 72, abs=1)
    bars = [g for g in root.iter(f"{SVG}g") if "mark-rect" in g.attrib.get("class", "")]
    assert sum(len(g) for g in bars) == 6  # three runs of two domains
    assert {element.tag for element in root.iter()} & {f"{SVG}image"} == set()


def test_a_pdf_embeds_its_fonts_and_is_as_wide_as_a_column(results: Path) -> None:
    run = next(results.glob("*.json")).stem
    assert plot(results, run, "--out", "fig.pdf") == 0
    content = (results.parent / "fig.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    assert float(box[1]) == pytest.approx(85 / 25.4 * 72, abs=1)
    fonts = set(re.findall(rb"/FontName\s*/(\S+)", content))
    assert fonts
    assert len(re.findall(rb"/FontFile\d? ", content)) == len(fonts)
    assert all(b"LiberationSans" in font for font in fonts)


def test_a_png_has_the_pixels_of_its_size_in_print(results: Path) -> None:
    assert plot(results, "--out", "fig.png", "--width", "2in", "--dpi", "150") == 0
    content = (results.parent / "fig.png").read_bytes()
    assert int.from_bytes(content[16:20], "big") == pytest.approx(300, abs=2)


@pytest.mark.parametrize("form", figure_files.FORMS)
def test_equal_input_gives_equal_files(results: Path, form: figure_files.Form) -> None:
    runs = energyctl.load(results)
    drawing = plots.energy(runs, plots.PlotOptions())
    made = [figure_files.figure(drawing.chart, drawing.rows, form, 200) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("kind", "titles"),
    [("power", {"Power (W)"}), ("overview", {"Power (W)"}),
     ("effect", {"Energy (kJ)"}), ("pareto", {"Energy (kJ)", "loss"})],
)  # fmt: skip
def test_every_kind_can_be_drawn(results: Path, kind: str, titles: set[str]) -> None:
    one = [] if kind in ("effect", "pareto") else [next(results.glob("*.json")).stem]
    y = ["--y", "loss"] if kind == "pareto" else []
    assert plot(results, *one, "--kind", kind, *y, "--theme", "dark", "--out", "f.svg") == 0
    text = (results.parent / "f.svg").read_text()
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', text)]
    assert min(sizes) >= 6
    possible = {"Energy (kJ)", "Power (W)", "loss"}
    assert {title for title in possible if f">{title}<" in text} == titles


def test_a_domain_without_samples_is_a_level_and_no_energy_is_below_zero(results: Path) -> None:
    path = write_run(results, 9)
    data = json.loads(path.read_text())
    for phase in data["phases"]:
        if phase["name"] == "foreground":
            phase["watts"] = {"package-0": 120.0, "dram-0": 7.0}
    data["energy"] |= {"total_joules": 10.0, "uncertainty_joules": 10.5}
    path.write_text(json.dumps(data), encoding="utf-8")
    run = energyctl.load(path)[0]
    levels = [row for row in charts.power_rows(run) if row["domain"] == "dram-0"]
    assert [(row["watts"], row["mean"]) for row in levels] == [(7, True), (7, True), (None, True)]
    sampled = [row for row in charts.power_rows(run) if row["domain"] == "package-0"]
    assert not any(row["mean"] for row in sampled if 4 < row["seconds"] < 14)
    (row,) = charts.run_rows([run])
    assert (row["low"], row["high"]) == (0.0, 20.5)


def test_an_estimate_and_an_imported_run_are_named_as_such(results: Path) -> None:
    domains = [domain("package-0", "cpu", 500.0, measured=False)]
    figure_of = {"seconds": 10.0, "total_joules": 500.0, "measured": False, "domains": domains}
    path = write_run(results, 4, energy=figure_of, imported={"from": "older tool"})
    for kind, words in (("power", "package-0 (estimate)"), ("energy", "estimate")):
        assert plot(results, str(path), "--kind", kind, "--out", "f.svg", "--force") == 0
        text = (results.parent / "f.svg").read_text()
        assert f">{words}<" in text
        assert "imported" in text


def test_a_front_is_drawn_by_repository_and_names_its_models(results: Path) -> None:
    for number, (repository, model) in enumerate([("digits", "cnn"), ("other", "net")], 4):
        path = write_run(results, number)
        data = json.loads(path.read_text())
        data["foreground_result"] |= {"repo": repository, "model": model}
        path.write_text(json.dumps(data), encoding="utf-8")
    assert plot(results, "--kind", "pareto", "--y", "accuracy", "--out", "f.svg") == 0
    text = (results.parent / "f.svg").read_text()
    for name in ("digits", "other"):
        assert text.count(f">{name}<") == 1
    assert {"mlp", "cnn", "net"} <= {each.strip() for each in re.findall(">([^<>]+)<", text)}
    (results / f"{path.stem}.json").unlink()
    assert plot(results, "--kind", "pareto", "--y", "accuracy", "--out", "g.svg") == 0
    assert ">digits<" not in (results.parent / "g.svg").read_text()


def test_the_commands_kinds_are_those_that_can_be_drawn() -> None:
    from energyctl.cli.commands.plot import ENDINGS, KINDS, THEMES

    assert tuple(plots.KINDS) == KINDS
    assert {*THEMES} == {*charts.THEMES}
    assert {ending[1:] for ending in ENDINGS} == {*figure_files.FORMS}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "fig.gif"], "fig.gif: a figure ends in .svg, .pdf, .png"),
        (["--out", "there.svg"], "is there already: --force replaces it"),
        (["--out", "no/such/fig.svg"], "cannot be written: No such file or directory"),
        (["--out", "f.svg", "--width", "wide"], "'wide' is no length"),
        (["--out", "f.svg", "--width", "5mm"], "5 mm is too narrow"),
        (["--out", "f.svg", "--kind", "power"], "draws one run, and 3 were given"),
        (["--out", "f.svg", "--kind", "pareto", "--y", "bleu"], "there are accuracy, loss"),
        (["--out", "f.svg", "--kind", "pareto"], "choose with --y: accuracy, loss"),
        (["--out", "f.svg", "--kind", "effect", "--x", "lr"], "there are rate"),
        (["--out", "f.svg", "--kind", "presence"], "coverage"),
        (["nothing", "--out", "f.svg"], "no such file or folder of results"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (results.parent / "there.svg").write_text("mine")
    assert plot(results, *arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
    assert not (results.parent / "f.svg").exists()
    assert (results.parent / "there.svg").read_text() == "mine"


def test_a_run_without_samples_is_said_so(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run(results, 5)
    (results / f"energy_{path.stem}_attempt1" / "cpu_power.csv").unlink()
    assert plot(results, path.stem, "--out", "f.svg") == 2
    assert "no power samples lie beside its result; --kind energy" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["vl_convert", "altair"])
def test_without_the_extra_one_line_says_what_to_install(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    library: str,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for name in [name for name in sys.modules if name.startswith("energyctl.analysis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(energyctl, "analysis")
    assert plot(results, "--out", "f.svg") == 2
    assert extra_install("report") in capsys.readouterr().err


def test_the_text_of_print_is_seven_points() -> None:
    assert themes.config("paper")["axis"]["labelFontSize"] == 7
    assert timeline.TIME.endswith("(s)")
