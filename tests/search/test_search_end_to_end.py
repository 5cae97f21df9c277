"""`energyctl search`: trials measured as runs are, limits, budgets, a crash in the middle."""

from __future__ import annotations

import json
import signal
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

import energyctl
from bench import Bench, wait_for

TRAIN = """#!{python} -S
import json, os, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(os.environ["TRIALS"], "a") as file:
    file.write(json.dumps({{"lr": float(flags["--lr"])}}) + "\\n")
time.sleep(float(os.environ.get("TRAIN_SECONDS", "0")))
if float(flags["--lr"]) > float(os.environ.get("FAILS_ABOVE", "2")):
    sys.exit(3)
print("accuracy:", 1 - abs(float(flags["--lr"]) - 0.5))
"""


@pytest.fixture
def searching(bench: Bench) -> Bench:
    """A workspace with a training whose accuracy is 1 - |lr - 0.5|."""
    registry: Any = {
        "models": {
            "tuned": {
                "path": "repos/tuned",
                "train_script": "./train.sh",
                "models": ["small"],
                "model_flag": "-n",
                "supported_hyperparams": {
                    "lr": {"flag": "--lr", "type": "float", "default": 0.1, "range": [0.0, 1.0]}
                },
                "performance_metrics": {
                    "log_patterns": {
                        "accuracy": {"pattern": "accuracy: {number}", "better": "higher"}
                    }
                },
            }
        }
    }
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    script = bench.root / "repos" / "tuned" / "train.sh"
    script.parent.mkdir(parents=True)
    script.write_text(TRAIN.format(python=sys.executable))
    script.chmod(0o755)
    return bench


def settings(bench: Bench, *, trials: int = 3, cooldown_seconds: float = 0, **search: Any) -> str:
    experiment = {"repo": "tuned", "model": "small", "mutate": ["lr"]}
    section = {"metric": "accuracy", "trials": trials, **search}
    fields = {"search": section, "seed": 3, "cooldown_seconds": cooldown_seconds}
    fields["notify"] = ["sh", "-c", "cat > told.json"]
    return bench.settings(experiments=[experiment], **fields)


def tried(bench: Bench) -> list[float]:
    return [trial["lr"] for trial in bench.trials]


def ran(bench: Bench, *arguments: str) -> str:
    """What a search printed that has ended well."""
    done = bench.run(*arguments, "--no-progress")
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(lr: float) -> float:
    return 1 - abs(lr - 0.5)


def test_each_trial_is_a_block_and_the_front_is_told(searching: Bench) -> None:
    (searching.root / "metrics").mkdir()
    said = ran(searching, "search", settings(searching), "--textfile", "metrics")
    assert json.loads((searching.root / "told.json").read_text())["runs"] == {"succeeded": 3}
    assert "looked for: less energy and a higher accuracy" in said
    assert "trial 3 of 3: accuracy" in said
    assert "3 of 3 trials, less energy and a higher accuracy" in said
    runs = energyctl.load(searching.root / "results")
    assert [run.trial for run in runs] == [run.block for run in runs] == [1, 2, 3]
    assert [run.hyperparameters["lr"] for run in runs] == tried(searching)
    assert tried(searching)[0] == 0.1
    reported = searching.look("report").stdout
    best = max(runs, key=lambda run: run.metrics["accuracy"])
    front = reported.partition("on the Pareto front")[2]
    assert f"{best.metrics['accuracy']:.4f}" in front
    page = searching.root / "page.html"
    assert searching.look("report", "--html", str(page), "--lang", "zh").returncode == 0
    section = page.read_text().partition('id="h-search"')[2].partition("</section>")[0]
    assert "可能在前沿上" in section or "在前沿上" in section
    assert "3 次试验完成 3 次，求更少的能量和更高的 accuracy：帕累托前沿上有" in section
    assert f"{best.metrics['accuracy']:.4f}" in section


def test_a_limit_is_kept_and_a_trial_that_fails_does_not_count(searching: Bench) -> None:
    done = searching.run(
        "search",
        settings(searching, metric_limit=0.62),
        "--no-progress",
        env={"FAILS_ABOVE": "0.86"},
    )
    said = done.stdout
    assert "trial 3 of 3: does not count, " in said
    assert done.returncode == 1
    assert "the least energy with accuracy at least 0.62" in said
    inside = [n for n, lr in enumerate(tried(searching), 1) if lr <= 0.86 and accuracy(lr) >= 0.62]
    found = said.partition("with accuracy at least 0.62: trial ")[2]
    assert int(found.split()[0].strip(",")) in inside
    assert said.count("outside the limit") == 2 - len(inside)


def test_no_trial_begins_that_would_exceed_the_budget(searching: Bench) -> None:
    said = ran(searching, "search", settings(searching, budget_joules=1e-6))
    assert len(tried(searching)) == 1
    assert "trial 2 is not started: 0 µJ of the budget are left" in said
    again = ran(searching, "resume")
    assert "nothing is left to run" in again
    assert len(tried(searching)) == 1


def killed(bench: Bench, until: Callable[[], Any], *arguments: str) -> None:
    """Ends energyctl in the middle of what *until* waits for."""
    crashed = bench.start(*arguments, "--no-progress", env={"TRAIN_SECONDS": "1"})
    wait_for(until, "the moment to crash")
    crashed.send_signal(signal.SIGKILL)
    crashed.communicate()


def test_a_crash_loses_no_trial_and_repeats_none(searching: Bench) -> None:
    results = searching.root / "results"
    name = settings(searching, cooldown_seconds=1.5)
    killed(searching, lambda: [*results.glob(".*.cooling")], "search", name)
    assert tried(searching) == [0.1]
    killed(searching, lambda: len(tried(searching)) == 2, "resume")
    status = json.loads(searching.look("status", "--json").stdout)
    assert (status["unfinished"]["runs"], status["unfinished"]["finished"]) == (3, 1)
    said = ran(searching, "resume")
    assert "1 of 3 runs are finished" in said
    first, cut_off, *rest = tried(searching)
    assert rest[0] == cut_off  # begun anew, with the same values
    assert len({first, *rest}) == len([first, *rest]) == 3
    found = searching.results()
    assert [one["trial"] for one in found if one["status"] == "interrupted"] == [2]
    succeeded = [one["trial"] for one in found if one["status"] == "succeeded"]
    assert sorted(succeeded) == [1, 2, 3]
    assert "nothing is left to run" in ran(searching, "resume")


def test_a_bundle_holds_all_trials_and_runs_them_again(
    searching: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energyctl.integrations.bundle.write._page", lambda *given: None)
    ran(searching, "search", settings(searching))
    assert searching.look("bundle", "--out", "a.zip").returncode == 0
    assert "3 runs: no fault" in searching.look("bundle", "--check", "a.zip").stdout
    with zipfile.ZipFile(searching.root / "a.zip") as archive:
        methods = archive.read("methods.md").decode()
    assert "3 runs planned, 3 results" in methods
    assert "a search of at most 3 trials" in methods
    first = tried(searching)
    again = searching.run("bundle", "--reproduce", "a.zip", "--yes")
    assert "the original was a search" in again.stderr
    assert tried(searching) == [*first, *first]
    assert "not done again" not in again.stdout
    settled = searching.run("bundle", "--reproduce", "a.zip", "--yes")
    assert "compared only" in settled.stderr


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"metric": "f1"}, '"f1" is no metric of tuned'),
        ({"metric_limit": 0.5, "energy_limit_joules": 1}, "leave nothing to make better"),
        ({"energy": "above_idle"}, "needs an idle baseline of 1 s or more, and idle_seconds is 0"),
        ({"energy": "marginal"}, "of a training alone needs an idle baseline of 1 s or more"),
        ({"energy": "reach"}, "needs a value of accuracy to reach"),
        ({"sampler": "grid"}, "sampler"),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_starts(
    searching: Bench, search: dict[str, Any], message: str
) -> None:
    done = searching.look("search", settings(searching, **search))
    assert done.returncode == 2
    assert message in done.stderr
    assert not searching.trials


def test_a_dry_run_starts_nothing(searching: Bench) -> None:
    done = searching.look("search", settings(searching), "--dry-run")
    assert done.returncode == 0
    assert "among: lr 0 to 1" in done.stdout
    assert not searching.trials
    assert not (searching.root / "results" / "campaigns").exists()


def test_values_that_run_out_are_said_before_anything_starts(searching: Bench) -> None:
    path = searching.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    lr = {"flag": "--lr", "type": "float", "default": 0.1, "choices": [0.1, 0.2]}
    registry["models"]["tuned"]["supported_hyperparams"] = {"lr": lr}
    path.write_text(json.dumps(registry))
    name = settings(searching, trials=3)
    said = "there are 2 combinations of values: the search ends after that"
    assert said in searching.look("validate", name).stderr
    assert said in searching.look("search", name, "--dry-run").stderr


def test_other_commands_say_where_a_search_belongs(searching: Bench) -> None:
    name = settings(searching)
    assert "`energyctl search` does 3 trials" in searching.look("plan", name).stdout
    assert "`energyctl search` searches" in searching.look("run", name, "--dry-run").stderr
    submitted = searching.look("submit", name)
    assert submitted.returncode == 2
    assert "a search runs on one machine" in submitted.stderr
    plain = searching.settings(experiments=[{"repo": "tuned", "model": "small", "mutate": ["lr"]}])
    assert 'no "search" in it' in searching.look("search", plain).stderr


def test_without_optuna_it_is_said_how_to_get_it(
    searching: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energyctl.search.trial_source.version", lambda package: None)
    done = searching.look("search", settings(searching))
    assert done.returncode == 2
    assert "a search needs Optuna: " in done.stderr
    assert (
        searching.look("search", settings(searching, sampler="random"), "--dry-run").returncode == 0
    )
