"""Whose energy it was, in tables and sentences: the parts add up as they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import energyctl
from energyctl import cli
from energyctl.analysis.interference import document, share_words
from energyctl.analysis.interference.means import Mean
from energyctl.analysis.interference.share_means import (
    ShareMeans,
    by_domain,
    by_kind,
    share_means,
)
from energyctl.results.pairs import Pair
from energyctl.text import adding_up
from written_results import write_pair, write_shared_pair

BUSY = ((14.0, 10.0), (13.0, 11.5), (15.0, 8.5))
"""Seconds of kernels of foreground and background, at 200 W, of three blocks."""


def write_blocks(folder: Path, condition: str = "loaded") -> Path:
    for block, busy in enumerate(BUSY, 1):
        write_shared_pair(
            folder, block, busy=busy, joules=3000 + 200 * sum(busy), condition=condition,
            started=1.8e9 + 1000 * block,
        )  # fmt: skip
    return folder


def pairs_of(folder: Path) -> Sequence[Pair]:
    return energyctl.load(folder).pairs


def mean_of(folder: Path) -> ShareMeans:
    (found,) = share_means(pairs_of(folder), by_domain)
    return found


# -- means ---------------------------------------------------------------------------------------


def test_means_are_over_blocks_with_students_interval(tmp_path: Path) -> None:
    """2800, 2600 and 3000 J: 2800 ± 4.3027 × 200 ÷ √3."""
    found = mean_of(write_blocks(tmp_path))
    assert (found.n, found.size) == (3, "3 blocks")
    mean = found.foreground
    half = 4.302653 * 200 / 3**0.5
    assert (mean.value, mean.low, mean.high) == pytest.approx(
        (2800, 2800 - half, 2800 + half), abs=0.1
    )
    assert found.total.value == pytest.approx(3000 + 200 * (24 + 24.5 + 23.5) / 3)
    assert sum(found.parts) == pytest.approx(found.total.value)


def test_the_band_of_a_mean_is_the_mean_of_bands(tmp_path: Path) -> None:
    found = mean_of(write_blocks(tmp_path))
    bands = [pair.domains["gpu-0"].foreground.uncertainty or 0 for pair in pairs_of(tmp_path)]
    assert found.foreground_off == pytest.approx(sum(bands) / 3)


def test_pairs_that_are_not_agreed_on_are_in_no_mean(tmp_path: Path) -> None:
    write_blocks(tmp_path)
    write_shared_pair(tmp_path, 4, joules=10_000.0, started=1.8e9 + 5000)
    found = mean_of(tmp_path)
    assert (found.n, found.size) == (3, "3 of 4 blocks")
    assert found.verdicts == ("agreed", "refused")
    assert found.foreground.value == pytest.approx(2800)


def test_one_block_has_no_interval(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1)
    found = mean_of(tmp_path)
    assert (found.foreground.value, found.foreground.low) == (pytest.approx(2800), None)


def test_the_document_has_means_by_domain(tmp_path: Path) -> None:
    (mean,) = document(energyctl.load(write_blocks(tmp_path)).pairing)["means"]
    shares = mean["domains"]["gpu-0"]
    assert shares["foreground_joules"]["value"] == pytest.approx(2800)
    assert shares["foreground_joules"]["n"] == 3
    assert shares["foreground_uncertainty_joules"] > 175
    parts = ("idle", "context", "foreground", "background")
    assert sum(shares[f"{part}_joules"]["value"] for part in parts) == pytest.approx(
        shares["total_joules"]["value"]
    )


# -- sentences -----------------------------------------------------------------------------------


def of(parts: Sequence[float], off: float | None, domains: tuple[str, ...] = ("gpu-0",)) -> str:
    total, *means = (Mean(8, value) for value in (sum(parts), *parts))
    found = ShareMeans(
        "front / small",
        "beside demo/noise",
        domains,
        8,
        True,
        ("agreed",),
        off,
        off,
        {},
        total,
        *means,
    )
    return share_words.sentence(found)


def test_a_sentence_says_whose_the_energy_was() -> None:
    assert of([3100.0, 1000.0, 8600.0, 5500.0], 700.0) == (
        "Beside demo/noise, of 18.20 kJ of gpu-0, 8.60 ± 0.70 were the foreground's and 5.50 ± "
        "0.70 the background's; 1.00 went to open contexts and 3.10 to the idle machine (8 blocks)."
    )


def test_a_cpu_has_no_contexts() -> None:
    text = of([3100.0, 0.0, 8600.0, 5500.0], None, ("package-0", "package-1"))
    assert "of 17.20 kJ of package-0 and package-1, 8.60 were the foreground's and 5.50" in text
    assert text.endswith("background's; 3.10 went to the idle machine (8 blocks).")


@pytest.mark.parametrize("off", [None, 0.0, 3.0, 47.0, 700.0])
@pytest.mark.parametrize(
    "parts", [[3333.33, 333.33, 3333.33, 2000.01], [1.4, 1.4, 1.4, 1.4], [100.6, 0.6, -3.2, 5.6]]
)
def test_the_parts_of_a_sentence_add_up(parts: list[float], off: float | None) -> None:
    total, *figures = map(float, re.findall(r"-?\d+\.?\d*", of(parts, off).replace("gpu-0", "")))
    bands = 2 if off is not None else 0
    shares = [figures[0], figures[2]] if bands else figures[:2]
    context, idle = figures[4:6] if bands else figures[2:4]
    assert sum([*shares, context, idle]) == pytest.approx(total, abs=1e-9)


def test_texts_add_up_and_each_is_within_one_of_its_last_digit() -> None:
    parts = [0.1449, 0.2449, 0.3449, 0.2649]
    total, *texts = adding_up(parts, 0.11)
    assert total == "1.00"
    assert sum(map(float, texts)) == pytest.approx(1.0)
    for text, part in zip(texts, parts, strict=True):
        assert abs(float(text) - part) < 0.01


def test_several_jobs_have_their_part_of_the_backgrounds(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, jobs={"back_large": 7.5, "back_small": 2.5})
    write_shared_pair(
        tmp_path, 2, jobs={"back_large": 6.5, "back_small": 3.5}, started=1.8e9 + 1000
    )
    (line,) = share_words.sentences(share_words.known_means(pairs_of(tmp_path)))
    assert "the background's (back_large 70 %, back_small 30 %); 0.50 went" in line


def test_all_gpus_are_one_sentence(tmp_path: Path) -> None:
    write_blocks(tmp_path, "beside demo/noise")
    (found,) = share_means(pairs_of(tmp_path), by_kind)
    assert found.domains == ("gpu-0",)
    (line,) = share_words.sentences(share_words.known_means(pairs_of(tmp_path)))
    assert line.startswith("Beside demo/noise, of 7.80 kJ of gpu-0, 2.80 ± 0.2")
    assert line.endswith("(3 blocks).")


# -- reasons -------------------------------------------------------------------------------------


def test_reasons_are_grouped_over_pairs(tmp_path: Path) -> None:
    write_shared_pair(tmp_path, 1, joules=10_000.0)
    write_shared_pair(tmp_path, 2, joules=11_000.0, started=1.8e9 + 1000)
    write_shared_pair(tmp_path, 3, rates=(2.0, 0.3), started=1.8e9 + 2000)
    assert share_words.reasons(pairs_of(tmp_path)) == [
        "shares of gpu-0 are refused in 2 pairs, the first: the references explain 69 % of what "
        "was drawn above idle and context",
        "shares of gpu-0 disagree in 1 pair: the bands of activity and work do not meet",
    ]


def test_an_estimator_that_says_nothing_is_named(tmp_path: Path) -> None:
    _, beside = write_shared_pair(tmp_path, 1)
    del beside["background_info"]["jobs"][0]["work"]
    (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(beside))
    (line,) = share_words.reasons(pairs_of(tmp_path))
    assert line.startswith("shares of gpu-0 not known by work in 1 pair: ")
    ((*_, verdict),) = share_words.rows(pairs_of(tmp_path), "J")
    assert verdict == ("agreed", "activity alone")


# -- the terminal --------------------------------------------------------------------------------


def shown(folder: Path, capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    assert cli.run(["attribute", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_shares_that_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    write_blocks(tmp_path, "beside demo/noise")
    lines = shown(tmp_path, capsys, width)
    start = next(number for number, line in enumerate(lines) if "context" in line)
    rows = [line for line in lines[start:] if line.rstrip().endswith("agreed")]
    assert len(rows) == 3
    for row in rows:
        total, *parts = map(float, re.findall(r"\d+\.\d+", row))
        assert sum(parts) == pytest.approx(total)
    assert "no share" in " ".join(lines)
    assert "Beside demo/noise, of 7.80 kJ of gpu-0, 2.80 ±" in " ".join(
        " ".join(line.split()) for line in lines
    )


def test_both_estimators_are_shown_where_they_disagree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    write_shared_pair(tmp_path, 1, rates=(2.0, 0.3))
    lines = [" ".join(line.split()) for line in shown(tmp_path, capsys, 120)]
    assert "loaded, block 1 7.8 2.5 0.5 – – disagree" in lines
    assert "gpu-0 2.80 2.00 activity" in lines
    assert "3.86 0.94 work" in lines


def test_without_references_there_is_one_line_and_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    write_pair(tmp_path, 1)
    lines = shown(tmp_path, capsys, 200)
    assert not any("context  " in line for line in lines)
    why = 'a reference is missing: there is no phase "context held" ("references": true)'
    assert f"note: shares of gpu-0 are refused in 1 pair: {why}" in lines


def test_the_report_in_the_terminal_says_the_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blocks(tmp_path, "beside demo/noise")
    assert cli.run(["report", str(tmp_path)]) == 0
    assert "were the foreground's and" in " ".join(capsys.readouterr().out.split())
