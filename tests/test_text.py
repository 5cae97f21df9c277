"""The words for figures: one function for each kind of quantity."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.text import (
    adding_up,
    duration,
    energy,
    energy_unit,
    json_text,
    number,
    percent,
    powers,
    present,
    printable,
    short_duration,
    values,
    with_uncertainty,
)


@pytest.mark.parametrize(
    ("joules", "band", "text"),
    [
        (109_322.14, 0.07, "109.322140 ± 0.000070 kJ"),
        (109_322.14, 7.0, "109.3221 ± 0.0070 kJ"),
        (5387.70, 68.45, "5.388 ± 0.068 kJ"),
        (12_340.0, 52.0, "12.340 ± 0.052 kJ"),
        (1234.5, 1.0, "1234.5 ± 1.0 J"),
        (1234.0, 123.0, "1230 ± 120 J"),
        (999.6, 99.6, "1000 ± 100 J"),
        (88.5, 88.4, "88 ± 88 J"),
        (0.0, 0.3, "0.00 ± 0.30 J"),
        (-30.2, 12.0, "-30 ± 12 J"),
        (-0.2, 12.0, "0 ± 12 J"),
        (12.5, 0.0, "12.5 ± 0 J"),
        (80.0, 1.4e-14, "80 ± 0 J"),
        (12_345.0, None, "12.35 kJ"),
        (3.2e7, 1e5, "32.00 ± 0.10 MJ"),
        (None, None, "unknown"),
    ],
)
def test_an_energy_has_two_digits_of_its_uncertainty_and_one_unit(
    joules: float | None, band: float | None, text: str
) -> None:
    assert energy(joules, band) == text


def test_parts_have_no_false_digits_where_the_uncertainty_is_none() -> None:
    assert adding_up([50.0, 30.0], 1.4e-14) == adding_up([50.0, 30.0], 0.0)


def test_the_rows_of_a_column_share_a_unit_and_an_estimate_is_named() -> None:
    column = [(12_340.0, 52.0), (950.0, 4.0)]
    unit = energy_unit(joules for joules, _ in column)
    assert [energy(*row, unit=unit) for row in column] == [
        "12.340 ± 0.052 kJ",
        "0.9500 ± 0.0040 kJ",
    ]
    assert energy_unit([None]) == energy_unit([]) == "J"
    assert energy(5.0, 5.0, measured=False) == "5.0 ± 5.0 J (estimated)"


@pytest.mark.parametrize("uncertainty", [3e-7, 0.004, 0.0996, 0.95, 1.0, 9.96, 42.0, 1e6])
def test_what_is_known_is_never_shown_as_none(uncertainty: float) -> None:
    _, shown = with_uncertainty(7.0, uncertainty)
    assert float(shown) == pytest.approx(uncertainty, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (9.44, "9.4 s"),
        (59.97, "1 min 00 s"),
        (725.0, "12 min 05 s"),
        (11_220.0, "3 h 07 min"),
        (86_390.0, "23 h 59 min"),
        (90_000.0, "1 d 01 h"),
        (183_600.0, "2 d 03 h"),
    ],
)
def test_a_duration_never_starts_over(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_small_figures_keep_their_digits() -> None:
    assert short_duration(0.0014) == "1.4 ms"
    assert short_duration(4.04) == "4 s"
    assert short_duration(0.0) == "0 s"
    assert short_duration(4000.0) == "1 h 06 min"
    assert percent(0.9971) == "99.7 %"
    assert percent(0.98, 0) == "98 %"
    assert percent(None) == "unknown"
    assert present(0.9971, 0.02, 0.98) == "covered 99.7 %, longest gap 20 ms, busy 98 %"
    assert present(None, None, None) == ""


def test_numbers_are_written_without_powers_of_ten_where_people_can_read_them() -> None:
    shown = [number(value) for value in (12_345.6, 0.000123456, 0.1, 20.0, 1e-9, 1.5e7)]
    assert shown == ["12346", "0.0001235", "0.1", "20", "1e-09", "1.5e+07"]
    assert number(math.nan) == "nan"


def test_values_are_short_in_tables_and_whole_where_one_run_is_shown() -> None:
    drawn = {"learning_rate": 0.012345678, "epochs": 20, "optimizer": "adam"}
    assert values(drawn) == "learning_rate 0.01235, epochs 20, optimizer adam"
    assert values(drawn, ("epochs",)) == "epochs 20"
    assert values({"learning_rate": 0.012345678}, whole=True) == "learning_rate 0.012345678"


def test_powers_name_estimates_and_are_nothing_where_nothing_is_known() -> None:
    assert powers({"package-0": 121.44, "gpu-0": None}) == "package-0 121.4 W"
    assert powers({"cpu": 4.0}, cpu_estimated=True) == "cpu 4.0 W  (CPU estimated)"
    assert powers({"cpu": None}, cpu_estimated=True) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("loss 0.1", "loss 0.1"),
        ("名称\u3000é\u00a0ß 👩\u200d💻", "名称\u3000é\u00a0ß 👩\u200d💻"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "?]0;title?"),
        ("a\nb\tc\r\u2028d\x85e", "a b c  d e"),
        ("\x9b2J\x7f\x00", "?2J??"),
        ("\u202egpj.exe\u2066", "?gpj.exe?"),
    ],
)
def test_a_terminal_is_told_nothing_by_a_text(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_json_is_exact_and_commands_no_terminal(text: str) -> None:
    document = json_text({text: [text]})
    assert json.loads(document) == {text: [text]}
    assert all(printable(line) == line for line in document.split("\n"))
