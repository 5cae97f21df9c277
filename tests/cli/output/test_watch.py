"""The screen of `energyctl run` and `watch`: scenes drawn at the sizes of terminals."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from watched import NOW, drawn, finished, runs, scene, view

from energyctl.campaign.watcher import SHOWN_DONE, CampaignProgress, Scene
from energyctl.cli.output.live import Progress
from energyctl.cli.output.run_view import plain_line, seconds_left
from energyctl.cli.output.scene_sections import BLOCKS, curve
from energyctl.cli.output.watch import FULL, KEYS, plain

SAMPLES = Path(__file__).parents[2] / "samples" / "watch"
SIZES = [(80, 24), (120, 40), (200, 50)]
LONG = "transformers_pytorch_examples_run_glue_fine_tuning_of_a_rather_large_model"
CHINESE = "大型語言模型的微調訓練" * 4


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_run_is_drawn_whole_at_any_size(width: int, height: int) -> None:
    """To renew the samples: look at what is drawn, then put it into tests/samples/watch."""
    text = drawn(scene(), width, height, hint=KEYS)
    assert text == (SAMPLES / f"{width}x{height}.txt").read_text(encoding="utf-8")


def named(what: Scene, name: str) -> Scene:
    """The same with that name for campaign, training and jobs."""
    assert what.view is not None
    assert what.closed is not None
    jobs = [
        replace(job, name=f"{name}_{chr(97 + number)}") for number, job in enumerate(what.view.jobs)
    ]
    shown = replace(what.view, title=f"{name} / {name}", jobs=jobs, condition=name)
    return replace(what, view=shown, closed=replace(what.closed, name=name))


@pytest.mark.parametrize(("width", "height"), [*SIZES, (80, 20), (60, 12), (40, 5)])
@pytest.mark.parametrize("gpus", [0, 1, 8])
@pytest.mark.parametrize("jobs", [0, 1, 12])
@pytest.mark.parametrize("name", ["", LONG, CHINESE])
def test_nothing_is_wider_or_higher_or_cut_inside_a_number(
    width: int, height: int, gpus: int, jobs: int, name: str
) -> None:
    shown = view(gpus, jobs)
    scenes = [scene(shown), scene(replace(shown, watts={}, joules={}, gpus=[]), power={})]
    scenes += [scene(shown, dead=True), scene(shown, age_seconds=90.0, done=[], next_runs=[])]
    screens = [(one, "") for one in scenes] + [(scenes[0], full) for full in FULL.values()]
    for one, full in screens:
        text = drawn(named(one, name) if name else one, width, height, full, KEYS)
        lines = text.splitlines()
        assert len(lines) <= height
        assert max(map(cell_len, lines)) <= width
        assert not re.search(r"\d…", text)


@pytest.mark.parametrize(("width", "height"), [*SIZES, (80, 20), (80, 16)])
@pytest.mark.parametrize("jobs", [1, 3, 12, 50])
def test_jobs_that_are_not_shown_are_counted(width: int, height: int, jobs: int) -> None:
    text = drawn(scene(view(jobs=jobs)), width, height)
    shown = len(re.findall(r"^(?:examples_mnist_rnn|訓練_2|copy_\d+) ", text, re.MULTILINE))
    hidden = re.search(r"… (\d+) more background job", text)
    assert shown >= min(jobs, 2)
    assert shown + (int(hidden[1]) if hidden else 0) == jobs
    assert "> " in text  # the training is still to be seen
    if height == 50 and jobs <= 12:
        assert not hidden


def test_everything_is_there_at_200_columns() -> None:
    text = drawn(scene(view(gpus=8, jobs=12)), 200, 50)
    assert "more" not in text.replace("more slowly", "")
    for words in ("gpu-7", "copy_12", "epoch 1 of 10", "run 1 succeeded", "then run 12", "slowly"):
        assert words in text


def test_a_curve_begins_at_zero_and_says_where_it_ends() -> None:
    assert curve([0.0, 50.0, 100.0], 100.0, 3) == BLOCKS[0] + BLOCKS[4] + BLOCKS[7]
    assert curve([80.0, None, 81.0], 320.0, 5) == "  ▃ ▃"
    assert curve([], 0.0, 4) == "    "
    shown = view(gpus=0, watts={"package-0": 80.0, "package-1": 0.4, "dram-0": None})
    power = {"package-0": [79.0, 80.0], "package-1": [0.4], "dram-0": [None]}
    lines = drawn(scene(shown, power=power), 100, 30).splitlines()
    (zero, one, dram) = (line for line in lines if re.match(r"(package|dram)-", line))
    assert re.match(r"package-0 +80.0 W .*██ +80 W ", zero)
    assert re.match(r"package-1 +0.4 W .*▄ +1 W ", one + " ")
    assert re.match(r"dram-0 +\? *$", dram)
    assert any(line.startswith("total      80.4 W  without what is not known") for line in lines)


@pytest.mark.parametrize("phase", ["background_only", "foreground"])
def test_joules_are_those_of_the_measured_phase(phase: str) -> None:
    """So far, while it goes on; what an estimate has a part in is labelled."""
    shown = view(phase=phase, estimated=True)
    for text in (drawn(scene(shown), 120, 40), plain_line(shown, 12, None)):
        assert "26.02 kJ (estimated) in the training" in text
        assert ("so far" in text) == (phase == "foreground")
    unknown = view(joules={"package-0": 1.0, "gpu-0": None})
    assert "unknown in the training so far" in drawn(scene(unknown), 120, 40)
    assert "in the training" not in drawn(scene(view(joules={})), 120, 40)


@pytest.mark.parametrize(
    ("facts", "strip"),
    [
        ({"phase": "idle", "attempt": None}, "[idle] › load coming up › load alone › training"),
        ({"phase": "background_only", "attempt": None}, "load coming up › [load alone] › training"),
        ({"phase": "background_only"}, "training › [load alone] › load going down"),
        ({"phase": "foreground:train"}, "load alone › [training (train)] › load alone"),
        ({"phase": "step:prepare"}, "load alone › [prepare (not metered)] › load alone"),
        ({"phase": "between_steps"}, "load alone › [between steps] › load alone"),
        ({"phase": "cooldown"}, "load going down › [cool-down]"),
        ({"phase": "context_held", "attempt": None}, "idle › [context held] › load coming up"),
        ({"phase": "odd"}, "training › [odd] › load alone"),
    ],
)  # fmt: skip
def test_the_phases_stand_in_the_words_of_the_contract(facts: dict[str, Any], strip: str) -> None:
    assert strip in drawn(scene(view(**{"progress": None, **facts})), 120, 40)


def test_a_run_alone_has_no_phases_of_a_load() -> None:
    shown = view(jobs=0, condition="alone")
    assert "\nidle › [training] › cool-down\n" in drawn(scene(shown, run=runs()[3]), 80, 24)


def test_what_went_wrong_and_what_is_awaited_is_said() -> None:
    settling = view(phase="background_start", until=NOW + 230, moving="gpu-0 rises", progress=None)
    text = drawn(scene(settling, lines=()), 100, 30)
    assert "load coming up  1 min 10 s of 5 min 00 s at most  ━" in text
    assert "gpu-0 rises" in text
    dead = scene(dead=True)
    assert "this campaign died: `energyctl stop` ends what it left" in drawn(dead, 120, 30)
    assert "left, until" not in drawn(dead, 120, 30)
    assert plain(dead).startswith("this campaign died")
    assert "nothing new for 1 min 30 s" in drawn(scene(age_seconds=90.0), 100, 30)
    over = CampaignProgress(
        "c", 6, 6, {1: "failed", 2: "succeeded"}, NOW - 60, True, "energyctl resume x"
    )
    text = drawn(Scene(NOW, closed=over), 160, 10)
    assert "2 of 6 runs finished (1 failed, 1 succeeded); interrupted 1 min 00 s ago" in text
    assert "go on with: energyctl resume x" in text


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        ({}, 105.0),  # 4 of 10 in 70 s
        ({"phase": "background_only", "attempt": None, "progress": None}, None),
        ({"progress": None}, None),
        ({"phase": "between_steps"}, None),
        ({"phase": "cooldown", "progress": (10.0, 10.0)}, 0.0),
    ],
)
def test_a_training_tells_how_long_it_still_takes(
    facts: dict[str, Any], left: float | None
) -> None:
    assert seconds_left(view(**facts), NOW) == left


def test_the_bar_of_the_campaign_does_not_fall_once_the_training_is_over() -> None:
    now, later = scene(), scene(view(phase="cooldown", progress=(10.0, 10.0)))
    bars = [drawn(one, 80, 24).splitlines()[1].count("━") for one in (now, later)]
    assert bars[0] < bars[1]


def test_the_end_of_another_day_has_its_date() -> None:
    assert "left, until 2030-03-19 05:46" in drawn(scene(ends=NOW + 36 * 3600), 100, 30)


def test_warnings_of_one_kind_are_one_and_the_newest_comes_first() -> None:
    planned = runs()
    done = [finished(n, planned[n], warnings=[f"gap of {n}.5 ms", "rare"]) for n in (1, 2, 3)]
    text = drawn(scene(view(warnings=["gap of 9 ms"]), done=done), 120, 40)
    said = re.findall(r"^warning, (.*)", text, re.MULTILINE)
    assert said == ["run 6, 4 times: gap of 9 ms", "run 3, 3 times: rare"]


def test_one_section_alone_has_the_whole_screen() -> None:
    what = scene(view(jobs=12))
    assert "copy_12" in drawn(what, 80, 24, "jobs")
    assert "gpu-0" not in drawn(what, 80, 24, "jobs")
    assert "> epoch 1" in drawn(what, 80, 24, "log")
    text = drawn(what, 80, 24, "runs")
    assert "run 1 succeeded" in text
    assert "then run 12" in text


def test_run_shows_the_screen_of_watch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    (tmp_path / "log").write_text("epoch 3\nepoch 4\n")
    shown, planned = view(log=str(tmp_path / "log")), runs()
    console = Console(width=100, height=44, color_system=None, file=io.StringIO())
    progress = Progress(console, 12, 12, live=True, ends=NOW + 4000)
    progress.name, progress.runs = "learning rates", planned
    for run in planned[:5]:
        progress.finished(run.index, result_of(run.condition))  # type: ignore[arg-type]
    progress.view(shown)
    with console.capture() as captured:
        console.print(progress._draw())
    text = captured.get()
    assert "learning rates  5 of 12 runs done  5 failed" in text
    assert re.search(r"gpu-0 +250.2 W .* 320 W +98 % +74 °C", text)
    assert "> epoch 3\n> epoch 4" in "\n".join(line.rstrip() for line in text.splitlines())
    assert "run 1 failed  12.3456 ± 0.0070 kJ (estimated)  alone" in text
    assert "then run 7 " in text


def test_a_drawing_holds_a_bounded_part_of_what_is_finished(tmp_path: Path) -> None:
    """Else it would take more of a core with each run of a campaign, beside the metering."""
    progress = Progress(Console(file=io.StringIO()), 1000, 1000, live=True)
    progress.runs = runs()
    for index in range(1, 201):
        progress.finished(index, result_of("alone"))  # type: ignore[arg-type]
    what = progress._scene(view())
    assert len(what.done) == SHOWN_DONE
    assert what.closed is not None
    assert len(what.closed.finished) == 200


def result_of(condition: str) -> dict[str, object]:
    return {
        "experiment_id": "a", "status": "failed", "warnings": ["b", "c"], "background_info": None,
        "foreground_result": {"duration": 5.0, "error": None}, "condition": condition,
        "energy": {"total_joules": 12345.6, "uncertainty_joules": 7.0, "measured": False},
    }  # fmt: skip


def test_a_plain_line_says_what_the_screen_says() -> None:
    shown = view()
    line = plain_line(shown, 12, None)
    assert line.startswith("run 6 of 12  examples / mnist, beside two, block 2  training  ")
    control = replace(shown, index=0, experiment_id="control", condition="alone", block=None)
    assert plain_line(control, 6, None).startswith("control  examples / mnist, alone  training")
    warm_up = replace(shown, condition="alone", block=None, warm_up=True)
    assert "examples / mnist, alone, warm-up  training" in plain_line(warm_up, 6, None)
    assert "| package-0 121.4 W  gpu-0 250.2 W |" in line
    assert "background examples_mnist_rnn: iteration 12  covered 99.7 %, longest gap 20" in line
    assert "not running for 4.0 s, 3 failed" in line
    assert plain_line(replace(shown, last_line="epoch 4"), 12, None).endswith("| > epoch 4")


@pytest.mark.parametrize(("attempt", "said"), [(None, False), (0, False), (1, True)])
def test_a_further_attempt_is_named_by_the_number_of_its_folder(
    attempt: int | None, said: bool
) -> None:
    shown = view(attempt=attempt)
    for text in (plain_line(shown, 6, None), plain(scene(shown)), drawn(scene(shown), 80, 24)):
        assert ("attempt 1" in text) == said


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from energyctl.cli.output.watch import screen

    for unwanted in (False, True):
        if unwanted:
            monkeypatch.setenv("NO_COLOR", "1")
        console = Console(width=80, height=24, force_terminal=True, color_system="256")
        with console.capture() as captured:
            console.print(screen(scene(), 80, 24))
        assert bool(re.search(r"\x1b\[[0-9;]*3\d", captured.get())) != unwanted
