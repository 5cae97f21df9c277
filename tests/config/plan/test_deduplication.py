from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl.config import plan, registry, settings
from energyctl.results.history import read_history

KNOWN = registry.read(Path(__file__).parents[2] / "samples" / "registry.json")


def result(number: int, status: str = "succeeded", mode: str = "mutation", **values: Any) -> Any:
    """What a result file holds, as far as deduplication reads it."""
    return {
        "schema": 1,
        "experiment_id": f"2026_{number}",
        "mode": mode,
        "status": status,
        "foreground_result": {"repo": "net", "model": "small", "hyperparameters": values},
    }


def planned(
    root: Path, *names: str, runs: int = 3, repo: str = "net", **top: Any
) -> tuple[plan.Plan, list[settings.Problem]]:
    """The plan of one mutation in the workspace *root*, with what it says about its history."""
    experiment = {"repo": repo, "model": "small", "mode": "mutation", "mutate": list(names)}
    data = {"experiment_name": "x", "use_deduplication": True, "runs_per_config": runs, **top}
    document = settings.parse(json.dumps({**data, "experiments": [experiment]}), "x.json")
    checked = settings.check(document)
    assert checked.settings is not None
    history, problems = read_history(checked.settings, root, root / "results")
    made = plan.make(checked.settings, KNOWN, seed=7, document=document, history=history)
    return made, problems


def values(of: plan.Plan, name: str) -> list[Any]:
    return [run.foreground.hyperparameters[name] for run in of.runs]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path


def keep(root: Path, *results: Any) -> None:
    for number, data in enumerate(results):
        text = data if isinstance(data, str) else json.dumps(data)
        (root / "results" / f"E{number}.json").write_text(text)


def test_values_of_a_finished_run_are_drawn_anew_in_full_precision(root: Path) -> None:
    before, _ = planned(root, "learning_rate")
    drawn = values(before, "learning_rate")
    nearly = float(f"{drawn[1]:.6g}")
    keep(root, result(0, learning_rate=drawn[0]), result(1, learning_rate=nearly))
    after, problems = planned(root, "learning_rate")
    assert values(after, "learning_rate")[0] not in drawn
    assert values(after, "learning_rate")[1:] == drawn[1:]
    assert not problems
    (passed,) = after.passed_over
    assert passed.training.hyperparameters == {"learning_rate": drawn[0]}
    assert (passed.run, passed.source) == (1, "results/E0.json")
    shown = after.to_json()["passed_over"][0]
    assert shown["source"] == "results/E0.json"
    assert shown["hyperparameters"]["learning_rate"] == drawn[0]
    assert planned(root, "learning_rate")[0].runs == after.runs


def test_only_succeeded_runs_of_the_same_repository_model_and_mode_count(root: Path) -> None:
    foreign = result(3, kfold=5)
    foreign["foreground_result"]["model"] = "large"
    keep(
        root,
        result(0, status="failed", kfold=2),
        result(1, status="interrupted", kfold=4),
        result(2, mode="parallel", kfold=5),
        foreign,
    )
    made, _ = planned(root, "kfold")
    assert sorted(values(made, "kfold")) == [2, 4, 5]
    assert not made.passed_over


def test_imported_runs_count(root: Path) -> None:
    keep(root, {**result(0, kfold=2), "imported": {"from": "old", "experiment_id": "net_001"}})
    assert 2 not in values(planned(root, "kfold", runs=2)[0], "kfold")


def test_great_whole_numbers_are_told_apart(root: Path) -> None:
    seed = registry.Hyperparameter("seed", "--seed", "int", low=2**60, high=2**60 + 2)
    row = {"repository": "net", "model": "small", "hyperparam_seed": str(2**60 + 1)}
    for history in (
        plan.history_from_rows([row]),
        plan.history_from_results([("E", result(0, seed=2**60 + 1))]),
    ):
        found = plan.deduplication.taken_combinations(history, "net", "small", False, [seed])
        assert list(found) == [(2**60 + 1,)]


def test_where_no_value_is_left_the_plan_says_so_and_which_were_run_where(root: Path) -> None:
    table = "experiment_id,repository,model,hyperparam_kfold\na,net,small,2\nb,net,small,4\n"
    (root / "old.csv").write_text(table)
    keep(root, result(0, kfold=5))
    made, _ = planned(root, "kfold", historical_csvs=["old.csv"])
    assert not made.runs
    (warning,) = (found for found in made.warnings if "instead of" in found.message)
    assert "0 runs instead of 3" in warning.message
    found = {item.training.hyperparameters["kfold"]: item for item in made.passed_over}
    assert {kfold: item.source for kfold, item in found.items()} == {
        2: "old.csv, row 1",
        4: "old.csv, row 2",
        5: "results/E0.json",
    }
    assert {item.run for item in made.passed_over} == {None}


def test_a_range_with_few_new_values_left_is_a_warning(root: Path) -> None:
    keep(root, result(0, kfold=2))
    made, _ = planned(root, "kfold", runs=2)
    assert len(made.runs) == 2
    (warning,) = made.warnings
    assert "after these 2 runs only 0 new ones are left" in warning.message
    assert not planned(root, "learning_rate")[0].warnings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"schema": 9, "experiment_id": "a"}', "unknown schema 9"),
        ('{"schema": 1, "experiment_id": "a", "foreground_result": []}', "not an object"),
        ('{"schema": 1, "experiment_id": "a", "mode": 1, "status": []}', "not text"),
    ],
)
def test_a_result_that_cannot_be_read_is_a_warning(root: Path, text: str, said: str) -> None:
    keep(root, text, result(1, kfold=2), '{"mine": true}')
    made, problems = planned(root, "kfold", runs=2)
    assert sorted(values(made, "kfold")) == [4, 5]
    (problem,) = problems
    assert problem.severity == "warning"
    assert said in problem.message
    assert "results/E0.json" in problem.message


def test_many_such_results_are_told_of_in_a_few_lines(root: Path) -> None:
    keep(root, *["{"] * 40)
    problems = planned(root, "kfold")[1]
    assert len(problems) == 6
    assert "35 more" in problems[-1].message


def test_values_of_any_type_in_results_do_no_harm(root: Path) -> None:
    odd: list[Any] = [None, [2], {"a": 2}, "two", True, 2.5, 1e400, "9" * 5000]
    keep(root, *(result(number, kfold=value) for number, value in enumerate(odd)))
    made, problems = planned(root, "kfold")
    assert sorted(values(made, "kfold")) == [2, 4, 5]
    assert not problems


def test_without_use_deduplication_no_result_is_opened(root: Path) -> None:
    keep(root, "{", result(0, kfold=2))
    made, problems = planned(root, "kfold", use_deduplication=False)
    assert (len(made.runs), problems, made.passed_over) == (3, [], ())


def test_resume_keeps_values_that_a_new_run_would_draw_anew(bench: Bench) -> None:
    quick = {"repo": "front", "model": "small", "mutate": ["learning_rate"]}
    bench.settings(
        experiments=[{**quick, "hyperparameters": {"seconds": 0.8}}],
        runs_per_config=2,
        seed=3,
        use_deduplication=True,
    )
    first = json.loads(bench.look("plan", "x.json", "--json").stdout)
    wanted = [run["hyperparameters"]["learning_rate"] for run in first["runs"]]
    started = bench.start("run", "x.json")
    wait_for(lambda: len(bench.trials) == 2, "the second training")
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    again = json.loads(bench.look("plan", "x.json", "--json").stdout)
    assert again["runs"][0]["hyperparameters"]["learning_rate"] not in wanted
    (passed,) = again["passed_over"]
    assert passed["hyperparameters"]["learning_rate"] == wanted[0]
    shown = bench.look("plan", "x.json").stdout
    assert f"learning_rate {wanted[0]!r}  ({passed['source']})" in shown
    assert bench.run("resume").returncode == 0
    done = [found for found in bench.results() if found["status"] == "succeeded"]
    ran = [found["foreground_result"]["hyperparameters"]["learning_rate"] for found in done]
    assert ran == wanted
