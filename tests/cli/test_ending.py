"""The end of a campaign: warnings by kind, the runs, what was found, on a screen of 24 lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import energyctl
from bench import Bench
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.ending import show_end
from tests.written_results import write_pair, write_runs

LAST = ("results: /home/someone/lab/results",)
NOISE = [
    "foreign load while idle: other processes used 1.97 CPU cores on average: pid 12 (root) x",
    "marginal_joules is 1000 ± 200 J: the load's power varied from iteration to iteration",
]


def shown(folder: Path, width: int = 80, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    console = LineConsole(
        file=file, width=width, height=24, force_terminal=terminal, color_system=None,
        highlight=False, markup=False, emoji=False,
    )  # fmt: skip
    show_end(console, [run.result for run in energyctl.load(folder)], folder, LAST)
    return file.getvalue().splitlines()


def blocks(folder: Path, number: int) -> Path:
    for block in range(1, number + 1):
        joules = 6000.0 + 50 * block, 9000.0 + 40 * block
        began = 1_800_000_000.0 + 1000 * block
        sides = [
            {
                "warnings": [line.replace("1", str(block)) for line in NOISE],
                "environment": {"journal": "study", "run": {"index": 2 * block - first}},
            }
            for first in (1, 0)
        ]
        write_pair(folder, block, joules=joules, started=began, alone=sides[0], beside=sides[1])
    return folder


@pytest.mark.parametrize("number", [1, 2, 4, 20])
def test_it_fits_a_screen_of_24_lines_with_the_answer_on_it(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = shown(blocks(Path("results"), number))
    assert len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert lines[-2] == LAST[0]
    assert lines[-1] == "a page of it, with pictures: energyctl report --html report.html"
    assert f"{2 * number} runs, all succeeded; " in text
    assert "more total energy than alone" in " ".join(text.split())
    rows = [line for line in lines if " ± 0.0030" in line]
    assert len(rows) == (2 * number if number < 5 else 3)


def test_warnings_are_a_line_for_each_kind_and_end_behind_a_word(tmp_path: Path) -> None:
    lines = shown(blocks(tmp_path, 1))
    assert lines[:2] == [
        "warning: 2 of 2 runs: foreign load while idle: other processes used 1.97 CPU …",
        "warning: 2 of 2 runs: marginal_joules is 1000 ± 200 J: the load's power …",
    ]


def test_a_file_has_all_of_it_and_no_sentence_is_broken(tmp_path: Path) -> None:
    lines = shown(blocks(tmp_path, 20), 120, terminal=False)
    assert lines[0] == f"warning: 40 of 40 runs: {NOISE[0]}"
    assert sum(" ± " in line and "kJ" not in line for line in lines) >= 40  # a row for each run
    (sentence,) = [line for line in lines if "more total energy than alone" in line]
    assert sentence.startswith("Loaded: 4")
    assert sentence.endswith(").")


def test_energies_of_a_column_are_of_one_unit_and_name_their_band(tmp_path: Path) -> None:
    lines = shown(blocks(tmp_path, 3), 120)
    (head,) = [line for line in lines if line.startswith("run ")]
    assert "energy ± band (kJ)" in head
    (level,) = [line for line in lines if line.startswith("condition ")]
    assert " ".join(level.split()) == "condition runs mean energy (kJ) 95 % interval of it (kJ)"
    means = [line for line in lines if line.startswith(("alone ", "loaded "))]
    # 6.10 ± 4.303 x 0.05 / sqrt(3), 9.08 ± 4.303 x 0.04 / sqrt(3)
    assert [line.split() for line in means] == [
        ["alone", "3", "6.10", "5.98", "to", "6.22"],
        ["loaded", "3", "9.080", "8.981", "to", "9.179"],
    ]


def test_much_of_everything_fits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(15):
        kinds = [f"{letter * 9}: of its own" for letter in "abcdefghijkl"]
        changes = {
            "warnings": kinds,
            "condition": f"beside {'x' * 180} {number % 5}",
            "environment": {"journal": "study", "run": {"index": number + 1}},
        }
        write_runs(Path("results"), "parallel", [100.0 + number], **changes)
    lines = shown(Path("results"))
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80


def test_where_it_cannot_be_shown_the_results_are_named_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("numpy.dtype size changed")

    write_runs(tmp_path, "mutation", [5000.0])
    monkeypatch.setattr("energyctl.cli.output.ending.answer_of", broken)
    first, *last = shown(tmp_path, 200)
    assert first.startswith(
        "what was found cannot be shown here (ValueError: numpy.dtype size changed); try: "
    )
    assert last[0] == LAST[0]


def test_what_failed_is_never_folded(tmp_path: Path) -> None:
    write_runs(tmp_path, "mutation", [5000.0 + number for number in range(20)])
    write_runs(tmp_path, "mutation", [1.0], status="failed", error="CUDA out of memory")
    lines = shown(tmp_path)
    assert any(" failed " in line for line in lines)
    assert "and 18 more runs: energyctl report" in [line.strip() for line in lines]
    assert "1 failed" in "\n".join(lines)


def test_the_end_of_a_campaign_says_what_was_found(bench: Bench) -> None:
    bench.parallel(runs_per_config=2)
    done = bench.run("run", "x.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    page = "a page of it, with pictures: energyctl report --html report.html"
    assert lines[-2:] == [f"results: {bench.root / 'results'}", page]
    assert "trial: 2 runs, all succeeded; " in done.stdout
    assert lines[-3].startswith("all runs were beside back/large: with `conditions` in the exp")
