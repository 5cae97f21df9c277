from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyctl.config import settings
from energyctl.config.jsonfile import reader as jsonfile
from energyctl.config.jsonfile.validation import intended_field
from energyctl.errors import SettingsError

TEXT = """{
  "experiment_name": "first",
  "experiments": [
    {"comment": "part 1"},
    {
      "repo": "net", "mutate": ["epochs",
        "learning_rate"]
    }
  ]
}
"""


def test_every_place_has_its_line_and_column() -> None:
    document = settings.parse(TEXT, "x.json")
    assert document.positions[""] == (1, 1)
    assert document.positions["experiment_name"] == (2, 3)
    assert document.positions["experiments[1]"] == (5, 5)
    assert document.positions["experiments[1].repo"] == (6, 7)
    assert document.positions["experiments[1].mutate[1]"] == (7, 9)


def test_what_is_missing_is_located_at_what_encloses_it() -> None:
    document = settings.parse(TEXT, "x.json")
    assert document.locate("experiments", 1, "foreground", "repo") == (5, 5)


def test_a_key_that_looks_like_a_path_stays_one_place() -> None:
    document = jsonfile.parse('{"a.b": {"c": 1}, "a": {"b": {"c": 2}}}', "x.json")
    assert '["a.b"].c' in document.positions
    assert "a.b.c" in document.positions


def test_strings_may_hold_what_looks_like_structure() -> None:
    document = jsonfile.parse(r'{"a": "}, {\"b\": [1]\\", "c": [2]}', "x.json")
    assert document.data["c"] == [2]
    assert set(document.positions) == {"", "a", "c", "c[0]"}


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert settings.read(file).data["experiment_name"] == "first"
    assert settings.parse("\ufeff" + TEXT, "x.json").positions["experiment_name"] == (2, 3)


def test_a_repeated_key_is_noted_and_its_last_value_counts() -> None:
    document = jsonfile.parse('{"a": 1, "a": 2, "b": [1], "b": [1]}', "x.json")
    assert document.data == {"a": 2, "b": [1]}
    assert document.duplicates == (
        jsonfile.Duplicate(("a",), True),
        jsonfile.Duplicate(("b",), False),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("[]", "must hold a JSON object"),
        ("{}", 'has no list "experiments"'),
        ('{"experiment": []}', '"experiment" should be "experiments"'),
        ('{\n "experiments": {}}', "line 2: experiments: must be a list"),
        ('{"experiments": [1,]}', "remove the comma before the closing bracket"),
        ('{"experiments": [],\n}', "remove the comma before the closing bracket"),
        ('{\n // all\n "experiments": []}', "line 2, column 2: not JSON"),
        ('{\n // all\n "experiments": []}', "JSON has no comments"),
        ("{'experiments': []}", "JSON wants double quotes"),
        ('{"experiments": [], "use_deduplication": True}', "JSON writes true, false and null"),
        ('{"experiments": [],\n "seed": NaN}', "line 2, column 10: NaN is not a finite number"),
        ('{"experiments": [-Infinity]}', "-Infinity is not a finite number"),
        ('{"experiments": [], "seed": 1e999}', "1e999 is not a finite number"),
        ('{"experiments": [], "seed": 1' + "0" * 400 + "}", "is not a finite number"),
        ('{"experiments": [], "seed": 1' + "0" * 9000 + "}", "number"),
        ('{"experiments": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"experiments": []} x', "line 1, column 21: not JSON"),
        ('{"experiments": [}', "not JSON"),
    ],
)
def test_text_that_is_no_experiment_file_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.parse(text, "x.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x.json: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.json: no such file"):
        settings.read(tmp_path / "absent.json")
    with pytest.raises(SettingsError, match="is a folder"):
        settings.read(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.read(tmp_path / "a\0b")
    latin = tmp_path / "latin.json"
    latin.write_bytes('{\n"comment": "é"}'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin\.json: line 2: not UTF-8"):
        settings.read(latin)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("runs_per_confg", "runs_per_config"),
        ("runsPerConfig", "runs_per_config"),
        ("Runs-Per-Config", "runs_per_config"),
        ("max_retrys", "max_retries"),
        ("forground", "foreground"),
        ("backgroud", "background"),
        ("hyper_parameters", "hyperparameters"),
        ("timeout", "timeout_seconds"),
        ("timeout_minutes", "timeout_seconds"),
        ("cooldown", "cooldown_seconds"),
        ("mdoe", "mode"),
        ("gpu", "gpus"),
        ("experiment_time", None),
        ("experiment_id", None),
        ("estimated_experiments", None),
        ("target_experiments", None),
        ("session_name", None),
        ("deduplication", None),
        ("node", None),
    ],
)
def test_near_misses_of_field_names_are_told_from_free_text(name: str, field: str | None) -> None:
    known = [*settings.Settings.model_fields, "foreground", "background", "hyperparameters"]
    assert intended_field(name, [*known, "timeout_seconds", "mutate"]) == field


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    for path in (tmp_path / "x.json", Path("/dev/zero")):
        with pytest.raises(SettingsError, match="not a regular file"):
            settings.read(path)
