from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bench import Bench, wait_for
from energyctl.config import settings
from energyctl.config.jsonfile.editor import Edits
from energyctl.config.jsonfile.reader import parse
from energyctl.config.settings import Migration

OLD = """{
  "session_name" : "étude",
  "mode": "batch",
  "note": "caf\\u00e9 1e-5",
  "max_retries": 2,

  "experiments": [
    {"comment": "=== part one ==="},
    { "repository":"front", "model":"small", "num_mutations": 3,
      "mutate_params": [
        "learning_rate"
      ], "mode": "nonparallel", "comment": "only the rate" },
    {
      "repo": "front",
      "model": "small",
      "mode": "default",
      "fixed_hyperparams": {"learning_rate": 1e-1, "seconds": 0.50}
    }
  ]
}
"""
NEW = """{
  "experiment_name" : "étude",
  "_mode": "batch",
  "note": "caf\\u00e9 1e-5",
  "max_retries": 2,

  "experiments": [
    {"comment": "=== part one ==="},
    { "repo":"front", "model":"small", "runs_per_config": 3,
      "mutate": [
        "learning_rate"
      ], "mode": "mutation", "comment": "only the rate" },
    {
      "repo": "front",
      "model": "small",
      "mode": "default",
      "hyperparameters": {"learning_rate": 1e-1, "seconds": 0.50}
    }
  ]
}
"""
MUTATED = {"repo": "r", "model": "m", "mutate": ["a"]}
FIXED = {"repo": "r", "model": "m", "hyperparameters": {"a": 1}}


def migrated(*prefer: str, **top: Any) -> Migration:
    return settings.migrate(
        json.dumps(top),
        "x.json",
        lambda question: next((word for word in prefer if word in question.choices), None),
    )


def result(*prefer: str, **top: Any) -> dict[str, Any]:
    made = migrated(*prefer, **top)
    assert not made.questions
    data: dict[str, Any] = json.loads(made.text)
    return data


def entry(*prefer: str, **fields: Any) -> dict[str, Any]:
    """The only experiment of a file, in today's words."""
    found: dict[str, Any] = result(*prefer, experiments=[fields])["experiments"][0]
    return found


def test_old_words_become_todays_and_all_else_stays_as_it_is_written() -> None:
    made = settings.migrate(OLD, "x.json")
    assert made.text == NEW
    assert not made.questions
    assert settings.migrate(NEW, "x.json") == Migration(NEW, (), ())
    assert {change.line for change in made.changes} == {2, 3, 9, 10, 12, 17}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_stay(mark: str) -> None:
    text = mark + OLD.replace("\n", "\r\n")
    assert settings.migrate(text, "x.json").text == mark + NEW.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"mode": "nonparallel", **MUTATED}, {"mode": "mutation", **MUTATED}),
        ({"mode": "nonparallel", **FIXED}, {"mode": "default", **FIXED}),
        ({"mode": "Sequential", **FIXED}, {"mode": "default", **FIXED}),
        ({"mutation_type": "MUTATION", **MUTATED}, {"mode": "mutation", **MUTATED}),
        ({"experiment_type": "single", **FIXED}, {"mode": "default", **FIXED}),
        ({"runsPerConfig": 2, **MUTATED}, {"runs_per_config": 2, **MUTATED}),
        ({**MUTATED, "mutate": "a, b"}, {**MUTATED, "mutate": ["a", "b"]}),
        ({**MUTATED, "mutate": {"a": True, "b": {}}}, {**MUTATED, "mutate": ["a", "b"]}),
        ({**MUTATED, "repository": "r"}, {**MUTATED, "_repository": "r"}),
        (
            {**MUTATED, "mode": "parallel", "foreground": {"repository": "r", "hparams": {}}},
            {**MUTATED, "mode": "parallel", "foreground": {"repo": "r", "hyperparameters": {}}},
        ),
        (
            {**FIXED, "mode": "default", "background": [{"repository": "r"}]},
            {**FIXED, "mode": "default", "background": [{"repo": "r"}]},
        ),
    ],
)
def test_what_has_one_reading_is_written_so(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert entry(**fields) == wanted
    assert list(entry(**fields)) == list(wanted)


@pytest.mark.parametrize(
    ("fields", "choices", "prefer", "wanted"),
    [
        (
            {**MUTATED, "mutate_params": ["b"]},
            ["mutate", "mutate_params"],
            "mutate_params",
            {"repo": "r", "model": "m", "_mutate": ["a"], "mutate": ["b"]},
        ),
        (
            {**MUTATED, "mutate_params": ["b"]},
            ["mutate", "mutate_params"],
            "mutate",
            {**MUTATED, "_mutate_params": ["b"]},
        ),
        (
            {**MUTATED, "mode": "single"},
            ["mutation", "default"],
            "default",
            {**MUTATED, "mode": "default"},
        ),
        (
            {"repo": "r", "model": "m", "mode": "nonparallel"},
            ["default", "all"],
            "all",
            {"repo": "r", "model": "m", "mode": "mutation", "mutate": ["all"]},
        ),
        (
            {**MUTATED, "mode": "random"},
            ["parallel", "mutation", "default"],
            "mutation",
            {**MUTATED, "mode": "mutation"},
        ),
        ({**MUTATED, "runs": 4}, ["runs_per_config", "free_text"], "free_text",
         {**MUTATED, "_runs": 4}),
        ({**MUTATED, "modell": "m"}, None, "", {**MUTATED, "modell": "m"}),
        ({"repo": "r", "modell": "m", "mutate": ["a"]}, ["model", "free_text"], "model", MUTATED),
        (
            {**MUTATED, "mutate": {"a": [1, 2]}},
            ["names"],
            "names",
            MUTATED,
        ),
    ],
)  # fmt: skip
def test_what_has_two_readings_is_asked_and_not_guessed(
    fields: dict[str, Any], choices: list[str] | None, prefer: str, wanted: dict[str, Any]
) -> None:
    (question,) = migrated(experiments=[fields]).questions or (None,)
    assert (list(question.choices) if question else None) == choices
    assert entry(prefer, **fields) == wanted


@pytest.mark.parametrize(
    ("prefer", "runs"), [("num_mutations", 3), ("runs_per_config", None), ("product", 6)]
)
def test_num_mutations_under_another_number_of_runs_is_asked(prefer: str, runs: int | None) -> None:
    old = {**MUTATED, "num_mutations": 3}
    made = result(prefer, runs_per_config=2, experiments=[old])
    assert made["experiments"][0].get("runs_per_config") == runs
    assert len(migrated(runs_per_config=2, experiments=[old]).questions) == 1
    assert not migrated(runs_per_config=1, experiments=[old]).questions


@pytest.mark.parametrize(
    ("mode", "entries", "top", "each"),
    [
        ({}, [FIXED, FIXED], "default", [None, None]),
        ({}, [FIXED, MUTATED], None, ["default", None]),
        ({"mode": "batch"}, [MUTATED, MUTATED], "mutation", [None, None]),
        ({"mode": "batch"}, [MUTATED, FIXED], None, [None, "default"]),
        ({"mode": "mixed"}, [{**FIXED, "mode": "default"}], None, ["default"]),
        ({"mode": "Default"}, [FIXED], "default", [None]),
        ({"mode": "mutation"}, [FIXED], "mutation", [None]),
        ({"mode": "batch"}, [{"foreground": MUTATED, "background": FIXED}], "parallel", [None]),
    ],
)
def test_experiments_without_a_mode_get_the_only_one_that_can_be_run(
    mode: dict[str, Any], entries: list[Any], top: str | None, each: list[str | None]
) -> None:
    made = result(**mode, experiments=entries)
    assert made.get("mode") == top
    assert [found.get("mode") for found in made["experiments"]] == each
    assert made.get("_mode") == (mode.get("mode") if top is None else None)


names = st.sampled_from(
    ["repo", "repository", "model", "mutate", "mutate_params", "num_mutations", "mode", "note",
     "fixed_hyperparams", "hyperparameters", "runs_per_config", "runs", "modle", "foreground",
     "background", "experiment_type", "é"]
)  # fmt: skip
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
words = st.sampled_from(["nonparallel", "single", "mutation", "batch", "all", "a,b"])
anything = st.recursive(
    plain | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)


@examples(derandomize=True, deadline=None, max_examples=150)
@given(st.dictionaries(names, anything, max_size=4), st.lists(anything, max_size=3), st.data())
def test_whatever_a_file_holds_its_values_stay_and_twice_is_as_once(
    top: dict[str, Any], entries: list[Any], data: st.DataObject
) -> None:
    text = json.dumps({**top, "experiments": entries}, indent=data.draw(st.sampled_from([None, 2])))
    if text.count('"mode"') > 20:
        return

    def decide(question: settings.Question) -> str:
        return next(iter(question.choices))

    made = settings.migrate(text, "x.json", decide)
    assert not made.questions
    settings.parse(made.text, "x.json")
    twice = settings.migrate(made.text, "x.json", decide)
    assert twice.text == made.text
    if not made.changes:
        assert made.text == text


def test_edits_are_in_the_style_of_what_stands_beside() -> None:
    text = '{\n\t"a" : 1,\n\t"b" : {"c":[1, {"d":2}]}\n}'
    edits = Edits(text)
    edits.insert("new", [1], after=("a",))
    edits.insert("first", "é", before=("b", "c"))
    edits.rename(("b", "c", 1, "d"), "D")
    edits.replace(("b", "c", 0), 7)
    made = edits.text()
    assert made == (
        '{\n\t"a" : 1,\n\t"new" : [1],\n\t"b" : {"first":"\\u00e9", "c":[7, {"D":2}]}\n}'
    )
    assert parse(made, "x").data["b"]["c"] == [7, {"D": 2}]


# -- the command -------------------------------------------------------------------------------

UNCLEAR = OLD.replace('"max_retries": 2,', '"max_retries": 2, "runs_per_config": 2,')


@pytest.fixture
def old(bench: Bench) -> Path:
    path = bench.root / "settings" / "old.json"
    path.write_text(OLD, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_migrate_shows_the_difference_and_writes_nothing_unasked(bench: Bench, old: Path) -> None:
    done = bench.look("migrate", "old.json")
    assert done.returncode == 0, done.stderr
    assert '-  "session_name" : "étude",' in done.stdout
    assert '+  "experiment_name" : "étude",' in done.stdout
    assert not re.search(r'^[-+].*"mode": "default"', done.stdout, re.MULTILINE)
    assert "before: 0 runs, 2 invalid experiments" in done.stderr
    assert "now: 4 runs, 0 invalid experiments" in done.stderr
    assert "nothing was written" in done.stdout
    assert old.read_text(encoding="utf-8") == OLD


def test_write_keeps_the_old_file_and_its_mode(bench: Bench, old: Path) -> None:
    assert bench.look("migrate", "old.json", "--write").returncode == 0
    assert old.read_text(encoding="utf-8") == NEW
    backup = old.with_name("old.json.bak")
    assert backup.read_text(encoding="utf-8") == OLD
    assert {path.stat().st_mode & 0o777 for path in (old, backup)} == {0o640}
    again = bench.look("migrate", "old.json", "--write")
    assert again.returncode == 0
    assert "in today's words already" in again.stdout
    old.write_text(OLD, encoding="utf-8")
    assert bench.look("migrate", "old.json", "--write").returncode == 0
    assert len(list(old.parent.glob("old.json.bak*"))) == 2


def test_out_writes_another_file_or_standard_output_alone(bench: Bench, old: Path) -> None:
    assert bench.look("migrate", "old.json", "--out", "new.json").returncode == 0
    assert (bench.root / "new.json").read_text(encoding="utf-8") == NEW
    assert bench.look("migrate", "old.json", "--out", "-").stdout == NEW
    for out, said in (("new.json", "is there already"), ("settings/old.json", "--write"),
                      ("no/new.json", "is no folder")):  # fmt: skip
        refused = bench.look("migrate", "old.json", "--out", out)
        assert refused.returncode == 2
        assert said in refused.stderr
    assert old.read_text(encoding="utf-8") == OLD


def test_two_readings_are_named_and_nothing_is_written(bench: Bench, old: Path) -> None:
    old.write_text(UNCLEAR, encoding="utf-8")
    done = bench.look("migrate", "old.json", "--write")
    assert (done.returncode, done.stdout) == (2, "")
    assert "old.json:9: experiments[1].num_mutations" in done.stderr
    assert "3 x 2, 6 runs" in done.stderr
    assert "--prefer num_mutations or --prefer runs_per_config or --prefer product" in done.stderr
    assert old.read_text(encoding="utf-8") == UNCLEAR
    one = bench.look("migrate", "old.json", "--out", "-", "--prefer", "experiments[1]=product")
    assert one.returncode == 0
    assert json.loads(one.stdout)["experiments"][1]["runs_per_config"] == 6
    other = bench.look("migrate", "old.json", "--prefer", "experiments[2]=product")
    assert other.returncode == 2


def test_what_is_still_wrong_is_said(bench: Bench, old: Path) -> None:
    old.write_text(OLD.replace('"learning_rate"\n', '"lerning_rate"\n'), encoding="utf-8")
    done = bench.look("migrate", "old.json", "--write")
    assert done.returncode == 1
    assert "is no hyper-parameter" in done.stderr
    assert "learning_rate" in done.stderr
    assert "1 invalid experiment" in done.stderr
    old.write_text("{", encoding="utf-8")
    broken = bench.look("migrate", "old.json")
    assert broken.returncode == 2
    assert "not JSON" in broken.stderr


def test_on_a_terminal_it_asks_once_for_all_places_and_before_it_writes(
    bench: Bench, old: Path
) -> None:
    old.write_text(UNCLEAR, encoding="utf-8")
    master, slave = pty.openpty()
    shown = b""
    try:
        command = [bench.python, "-m", "energyctl", "migrate", "old.json"]
        popen = subprocess.Popen(
            command, cwd=bench.root, env=bench.env, stdin=slave, stdout=slave, stderr=slave
        )
        os.set_blocking(master, False)

        def says(text: bytes) -> bool:
            nonlocal shown
            with contextlib.suppress(BlockingIOError):
                shown += os.read(master, 65536)
            assert popen.poll() in (None, 0), shown.decode()
            return text in shown

        wait_for(lambda: says(b"which, for 1 place"), "the question")
        os.write(master, b"product\n")
        wait_for(lambda: says(b"keep the old one as old.json.bak?"), "the second question")
        os.write(master, b"y\n")
        assert popen.wait(60) == 0
    finally:
        os.close(master)
        os.close(slave)
    made = json.loads(old.read_text(encoding="utf-8"))
    assert made["experiments"][1]["runs_per_config"] == 6
    assert (old.parent / "old.json.bak").read_text(encoding="utf-8") == UNCLEAR
