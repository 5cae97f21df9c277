from __future__ import annotations

import copy
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from jsonschema.exceptions import best_match
from pydantic import TypeAdapter

from bench import Bench, wait_for
from energyctl.results import schema
from energyctl.results.journal_schema import JournalHead, JournalLine
from energyctl.results.json_schema import schema as published
from energyctl.results.phases import PHASES
from result_schema import faults, validator


def test_the_command_prints_it(bench: Bench) -> None:
    done = bench.look("schema", "--results")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == published()


@pytest.fixture
def result(bench: Bench) -> Any:
    done = bench.run("run", bench.parallel())
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    return result


def test_a_key_that_is_gone_or_of_another_type_is_refused(result: Any) -> None:
    def at(data: Any, place: str) -> Any:
        for key in place.split("/"):
            data = data[int(key)] if key.isdigit() else data[key]
        return data

    assert not list(validator().iter_errors(result))
    assert {phase["name"] for phase in result["phases"]} < set(PHASES)
    for place, key in (
        ("energy", "total_joules"),
        ("energy/domains/0", "in_total"),
        ("energy/sampler", "missed"),
        ("foreground_result", "retries"),
        ("foreground_result/attempts/0", "steps"),
        ("background_info/jobs/0", "coverage"),
        ("background_info/settle", "steady"),
        ("foreign/idle", "cpu_cores"),
        ("phases/0", "watts"),
        ("environment/run", "index"),
    ):
        wrong = copy.deepcopy(result)
        del at(wrong, place)[key]
        assert best_match(validator().iter_errors(wrong)).message == (
            f"'{key}' is a required property"
        )
        at(wrong, place)[key] = "seven"
        error = best_match(validator().iter_errors(wrong))
        assert "/".join(map(str, error.absolute_path)) == f"{place}/{key}"


def test_the_lines_of_a_journal_are_as_their_types_say(result: Any, bench: Bench) -> None:
    (journal,) = (bench.root / "results" / "campaigns").glob("*.jsonl")
    head, *lines = map(json.loads, journal.read_text().splitlines())
    TypeAdapter(JournalHead).validate_python(head, strict=True)
    assert head.keys() <= JournalHead.__annotations__.keys()
    assert [line["event"] for line in lines] == ["started", "finished", "ended"]
    for line in lines:
        TypeAdapter(JournalLine).validate_python(line, strict=True)
        assert line.keys() <= JournalLine.__annotations__.keys()


def test_further_keys_are_free(result: Any) -> None:
    result["condition"] = "alone"
    result["energy"]["carbon_grams"] = 3
    assert not list(validator().iter_errors(result))


def test_an_interrupted_run_and_one_that_was_cut_off_have_every_key(bench: Bench) -> None:
    bench.parallel(foreground={"hyperparameters": {"seconds": 60.0}})
    started = bench.start("run", "x.json")
    wait_for(lambda: any(one["role"] == "foreground" for one in bench.trials), "the training")
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    again = bench.start("resume")
    wait_for(lambda: len([one for one in bench.trials if one["role"] == "foreground"]) == 2, "it")
    again.send_signal(signal.SIGKILL)
    again.communicate(timeout=60)
    bench.run("stop")
    third = bench.start("resume")
    wait_for(lambda: len(bench.results()) >= 2, "the result of the run that was cut off")
    third.send_signal(signal.SIGINT)
    third.communicate(timeout=60)
    found = sorted((bench.root / "results").glob("*.json"))
    assert len(found) >= 2
    results = [json.loads(path.read_text()) for path in found]
    assert {one["status"] for one in results} == {"interrupted"}
    assert any(one["energy"] is None for one in results)
    assert not [line for path in found for line in faults(path)]
    whole = {name for name, kind in schema.Result.__annotations__.items()} - {
        "activity",
        "alone_of",
        "footprint_factors",
        "imported",
        "machine_settings",
        "reach",
        "superseded",
        "trial",
    }
    assert all(whole <= one.keys() for one in results)


def test_every_key_of_a_figure_says_what_it_is() -> None:
    """A unit in its name, or a description."""
    units = ("joules", "seconds", "bytes", "watts", "percent", "cores")
    for name, part in published()["$defs"].items():
        for key, field in part["properties"].items():
            kinds = [kind.get("type") for kind in field.get("anyOf", [field])]
            if "number" in kinds and not any(unit in key for unit in units):
                assert field.get("description"), f"{name}.{key}"


def test_a_file_that_is_no_result_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"experiments": []}')
    assert faults(tmp_path / "x.json") == []
