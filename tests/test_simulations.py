"""Benchmarks on simulated clocks run, beside any other test: a busy machine changes no figure."""

from __future__ import annotations

import re
from statistics import fmean

from benchmarks.running import printed


def test_settling_prints_a_row_for_each_background() -> None:
    output = printed("settling", "--repeats", "3", "--seconds", "60", "--only", "20 s (4)")
    row = re.search(
        r"^\| 20 s \(4\) \| (\d+) \((\d+)\) \| 1.00 \| 0.00 \| 0.00 \|", output, re.MULTILINE
    )
    assert row
    assert 55 < float(row[1]) <= float(row[2]) < 70


def test_baselines_prints_how_many_figures_were_inside() -> None:
    output = printed("baselines", "--runs", "1", "--lengths", "20")
    rows = re.findall(r"^\| (.*) \| 20 \| ([01])\.000 \| ([0-9.]+) \|", output, re.MULTILINE)
    assert len(rows) == 33
    assert all(float(error) < 20 for _, _, error in rows)
    assert re.search(r"^\d+ missed", output, re.MULTILINE)


def test_work_prints_errors_beside_known_rates() -> None:
    output = printed("work", "--runs", "2")
    rows = re.findall(
        r"^\| iterations of .* \| ([0-9.]+) \(.*\) \| ([0-9.]+) \(.*\) \| ([01]\.\d+) \|",
        output,
        re.MULTILINE,
    )
    assert len(rows) == 9
    assert all(float(slowdown) < 5 and float(lost) < 5 for slowdown, lost, _ in rows)


def test_searches_print_the_share_of_the_front_that_was_found() -> None:
    output = printed("search", "--seeds", "2", "--trials", "10")
    rows = re.findall(r"^\| (random|tpe) \| ([01]\.\d+) \(", output, re.MULTILINE)
    assert [name for name, _ in rows] == ["random", "tpe"]
    assert all(0.3 < float(share) <= 1 for _, share in rows)


def test_claims_are_as_rare_as_they_should_be() -> None:
    """In few campaigns, so all kinds of errors and sizes together."""
    output = printed("claims", "--campaigns", "20")
    rows = re.findall(r"^\| [^|]+ \| ([01]\.5) \|(.*)\|$", output, re.MULTILINE)
    assert len(rows) == 10 + 8
    figures = [
        [[float(n) for n in re.findall(r"[0-9.]+", cell)] for cell in row.split("|")]
        for _, row in rows
    ]
    false, coverage, power, three, four = (
        fmean(n for row in figures[:10] for n in row[column]) for column in range(5)
    )
    assert all(share < 6.5 for share in (false, three, four))
    assert coverage > 93
    assert power > 80
    rank_test = figures[14:16]
    assert all(share == 0 for row in rank_test for cell in row for share in cell)


def test_broken_counters_are_marked_and_healthy_ones_are_not() -> None:
    few = "--trials", "1", "--starts", "60", "--runs", "4"
    output = printed("broken_counters", *few, codes=(0,))
    assert len(re.findall(r"^\| .* \| .*(?:start|run|band)", output, re.MULTILINE)) == 14
    assert "60 healthy starts, 0 doubted" in output


def test_the_wall_is_told_within_its_band() -> None:
    output = printed("wall", "--machines", "40")
    rows = re.findall(r"^\| (apart|together) \| [015] s \| 1 \| (\d+) \| ", output, re.MULTILINE)
    assert [name for name, _ in rows] == ["apart"] * 3 + ["together"] * 3
    assert all(int(trainings) > 50 for _, trainings in rows)
    inside = re.findall(
        r"^(?:apart|together): ([0-9.]+)% of \d+ inside, ([0-9.]+)% inside the line's own band;$",
        output,
        re.MULTILINE,
    )
    assert len(inside) == 2
    assert all(float(share) >= 95 for shares in inside for share in shares)
    off = re.search(r"are ([0-9.]+)% off the line, .* left out ([0-9.]+)%", output)
    assert off
    assert float(off[1]) < float(off[2]) < 5
