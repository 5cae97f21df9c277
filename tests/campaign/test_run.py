"""Campaigns from the settings file to the results, with a real supervisord and real trainings."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import energyctl
from bench import DEADLINE_SECONDS, Bench, open_way, python_for, wait_for
from energyctl import text
from energyctl.campaign import campaign
from energyctl.launchers.iteration import SUPERVISORD
from energyctl.meters.base import CLOCKS_SECONDS
from energyctl.system import processes
from hardware import cpus
from hardware.nvml import build, environment

RESULT_KEYS = {
    "schema",
    "experiment_id",
    "campaign",
    "mode",
    "status",
    "foreground_result",
    "background_info",
    "energy",
    "foreign",
    "phases",
    "warnings",
    "environment",
}


def test_a_single_run_writes_every_file_of_the_contract(bench: Bench) -> None:
    name = bench.settings(
        runs_per_config=1,
        experiments=[{"mode": "mutation", "repo": "front", "model": "small", "mutate": ["all"]}],
    )
    done = bench.run("run", name, "--seed", "7")
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    experiment = result["experiment_id"]
    assert result.keys() >= RESULT_KEYS
    assert result["mode"] == "mutation"
    assert result["background_info"] is None
    training = result["foreground_result"]
    assert training["success"] is True
    assert training["retries"] == 0
    assert training["exit_code"] == 0
    assert training["performance_metrics"] == {"loss": 1.25e-05, "accuracy": 91.5}
    assert [phase["name"] for phase in result["phases"]][:2] == ["idle", "foreground"]
    results = bench.root / "results"
    assert "training with" in (results / training["log"]).read_text()
    energy = results / f"energy_{experiment}_attempt0"
    assert {path.name for path in energy.iterdir()} == {
        "cpu_energy.txt",
        "cpu_power.csv",
        "gpu_power.csv",
        "gpu_temperature.csv",
        "gpu_utilization.csv",
    }
    (trial,) = bench.trials
    drawn = training["hyperparameters"]["learning_rate"]
    assert trial["argv"][trial["argv"].index("--lr") + 1] == repr(drawn)
    assert trial["cwd"] == str(bench.root / "repos" / "front")


def test_a_parallel_run_measures_the_foreground_under_load(bench: Bench) -> None:
    foreground = {"hyperparameters": {"seconds": 2.0}}
    settle = {"seconds": 2, "timeout_seconds": 30}
    every = {"last": 1000}
    name = bench.parallel(foreground=foreground, settle=settle, keep_logs=every)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    experiment = result["experiment_id"]
    assert experiment.endswith("_front_small_parallel")
    assert result["foreground_result"]["experiment_id"] == experiment.removesuffix("_parallel")
    info = result["background_info"]
    assert (info["repo"], info["model"]) == ("back", "large")
    assert info["note"] == "Background training served as GPU load only (not monitored)"
    (job,) = info["jobs"]
    assert job["iterations"] >= 2
    assert job["failures"] == 0
    assert 0.5 < job["coverage"] <= 1
    names = [phase["name"] for phase in result["phases"]]
    order = ["idle", "background_start", "background_only", "foreground", "background_only"]
    assert names == [*order, "background_stop"]
    for before, after in zip(result["phases"], result["phases"][1:], strict=False):
        assert before["end"] == after["start"]
    results = bench.root / "results"
    assert (results / f"background_training_{experiment}.conf").is_file()
    assert (results / f"background_training_{experiment}.sh").is_file()
    first, *around = (results / f"power_{experiment}.csv").read_text().splitlines()
    assert first == "timestamp,domain,power_w"
    spans = {phase["name"]: (phase["start"], phase["end"]) for phase in result["phases"]}
    times = [float(row.split(",")[0]) for row in around]
    assert [time for time in times if spans["background_start"][0] < time < spans["foreground"][0]]
    start, end = spans["foreground"]
    assert not [time for time in times if start + 0.1 < time < end - 0.1]
    (run,) = energyctl.load(results)
    sampled = run.power(all_phases=True)
    begun = run.power()["watts"].null_count()  # the first row of a domain has no power yet
    assert len(sampled) == len(run.power()) - begun + len(around)
    assert sampled["watts"].null_count() == 0
    assert sampled["timestamp"].is_sorted()
    logs = results / f"background_logs_{experiment}"
    rows = (logs / "iterations.csv").read_text().splitlines()
    assert rows[0] == "job,run,pid,started,ended,exit_code,signal"
    assert len(rows) - 1 == len(list(logs.glob("run_*.log")))
    roles = {trial["role"] for trial in bench.trials}
    assert roles == {"foreground", "background"}
    assert info["stop"]["left"] == []
    baseline = result["energy"]["baselines"]["background_only"]
    assert baseline["of"] == "iterations"
    assert 3 <= baseline["after"] <= baseline["before"]
    assert 0.2 < baseline["cycle_seconds"] < baseline["after_seconds"]
    assert result["energy"]["marginal_joules"] is not None
    after = result["phases"][names.index("foreground") + 1]
    assert after["end"] - after["start"] >= baseline["after_seconds"]


def test_a_signal_after_the_training_leaves_its_success(bench: Bench) -> None:
    """The load alone is watched once more then; what was seen of it counts."""
    settle = {"seconds": 4, "timeout_seconds": 30}
    popen = bench.start("run", bench.parallel(settle=settle, runs_per_config=2))
    state = bench.runtime / "state.json"

    def phase() -> str | None:
        try:
            return str(json.loads(state.read_text())["phase"])
        except (OSError, ValueError):
            return None

    wait_for(lambda: phase() == "foreground", "the training")
    wait_for(lambda: phase() == "background_only", "its end")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    (result,) = bench.results()
    assert result["status"] == "succeeded"
    assert any("not watched to its end" in line for line in result["warnings"])
    baseline = result["energy"]["baselines"]["background_only"]
    assert baseline["after"] < baseline["before"]


def test_a_background_in_one_long_iteration_is_no_baseline(bench: Bench) -> None:
    background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 60.0}}
    settle = {"seconds": 0.1, "timeout_seconds": 1}
    done = bench.run("run", bench.parallel(background=background, settle=settle))
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    energy = result["energy"]
    assert energy["marginal_joules"] is None
    assert energy["baselines"]["background_only"] is None
    reason = r"the iteration of background back_large is longer than its baseline \(\d+ s\): set .*"
    assert re.fullmatch(reason, energy["missing"]["marginal_joules"])


def test_the_machine_is_seen_idle_before_a_run_and_after_it(bench: Bench) -> None:
    done = bench.run(
        "run",
        bench.settings(
            idle_seconds=1.2,
            cooldown_seconds=1.5,
            runs_per_config=2,
            experiments=[{"mode": "default", "repo": "front", "model": "small"}],
        ),
    )
    assert done.returncode == 0, done.stderr
    first, last = bench.results()
    for result, rest in ((first, 1.5), (last, 1.2)):
        baseline = result["energy"]["baselines"]["idle"]
        assert (baseline["of"], baseline["before"], baseline["after"]) == ("seconds", 4, 4)
        assert baseline["after_seconds"] == pytest.approx(1.2)
        assert result["energy"]["above_idle_joules"] is not None
        cooldown = result["phases"][-1]
        assert cooldown["name"] == "cooldown"
        assert cooldown["end"] - cooldown["start"] >= rest


def test_an_estimate_is_labelled_wherever_it_is_shown_and_every_null_has_its_reason(
    bench: Bench,
) -> None:
    done = bench.run("run", bench.parallel())
    (result,) = bench.results()
    energy = result["energy"]
    assert energy["measured"] is False
    assert energy["cpu_package_joules"] is None
    assert energy["total_joules"] > 0
    assert all(not domain["measured"] for domain in energy["domains"] if domain["joules"])
    assert "(estimated)" in done.stdout
    folder = bench.root / "results" / f"energy_{result['experiment_id']}_attempt0"
    assert "estimated" in (folder / "cpu_energy.txt").read_text()
    # Every null has its reason.
    nulls = {key for key, value in energy.items() if value is None}
    assert {"cpu_package_joules", "cpu_dram_joules", "gpu_joules"} <= nulls
    assert nulls - {"above_idle_uncertainty_joules", "marginal_uncertainty_joules"} == set(
        energy["missing"]
    )
    assert "NVIDIA" in energy["missing"]["gpu_joules"]
    (job,) = result["background_info"]["jobs"]
    assert {key for key, value in job.items() if value is None} - {"error"} <= set(job["missing"])


@pytest.mark.alone
def test_the_time_series_holds_exactly_the_foreground(bench: Bench) -> None:
    bench.run("run", bench.parallel())
    (result,) = bench.results()
    folder = bench.root / "results" / f"energy_{result['experiment_id']}_attempt0"
    rows = [line.split(",") for line in (folder / "cpu_power.csv").read_text().splitlines()[1:]]
    (attempt,) = result["foreground_result"]["attempts"]
    assert float(rows[0][0]) == pytest.approx(attempt["start"], abs=0.02)
    assert float(rows[-1][0]) == pytest.approx(attempt["end"], abs=0.02)
    assert float(rows[0][3]) == 0.0
    assert float(rows[-1][3]) == pytest.approx(result["energy"]["total_joules"], rel=0.05)


def test_supervisorctl_shows_the_background_job_in_the_workspace(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 30.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")

    def shown() -> str:
        return subprocess.run(
            [Path(sys.executable).parent / "supervisorctl", "status"],
            cwd=bench.root,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        ).stdout

    assert ":back_large" in shown()
    wait_for(lambda: "RUNNING" in shown(), "the job to be past its start")  # STARTING between two
    (daemon,) = [p for p in processes.descendants([popen.pid]) if "supervisord" in p.command]
    status = json.loads(bench.run("status", "--json").stdout)
    assert status["run"]["phase"] == "foreground"
    assert (status["run"]["condition"], status["run"]["block"]) == ("beside back/large", None)

    def supervisords() -> set[str | None]:
        launchers = [p for p in processes.descendants([daemon.pid]) if "iterate.py" in p.command]
        return {processes.environment_value(p.pid, SUPERVISORD) for p in launchers} - {None}

    # A launcher whose supervisord was killed while it started must not go on.
    assert wait_for(supervisords, "a launcher") == {str(daemon.pid)}
    assert [job["job"] for job in status["jobs"]] == ["back_large"]
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both_trainings_and_leaves_an_interrupted_result(
    bench: Bench, signum: int
) -> None:
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 60.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")
    popen.send_signal(signum)
    assert popen.wait(DEADLINE_SECONDS) == 130
    assert bench.alive() == []
    (result,) = bench.results()
    assert result["status"] == "interrupted"
    assert result["foreground_result"]["success"] is False
    assert result["energy"]["total_joules"] > 0
    assert result["background_info"]["jobs"][0]["failures"] == 0


def test_a_second_interrupt_does_not_cut_the_cleaning_up_short(bench: Bench) -> None:
    foreground = {"hyperparameters": {"seconds": 60.0, "behaviour": "stubborn"}}
    popen = bench.start("run", bench.parallel(foreground=foreground))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")
    popen.send_signal(signal.SIGINT)
    wait_for(lambda: len(bench.alive()) < 6, "the end to begin")
    popen.send_signal(signal.SIGINT)
    assert popen.wait(DEADLINE_SECONDS) == 130
    assert bench.alive() == []
    assert bench.results()[0]["status"] == "interrupted"


def test_a_failed_attempt_is_tried_again(bench: Bench) -> None:
    foreground = {"hyperparameters": {"behaviour": "once", "seconds": 0.3}}
    done = bench.run("run", bench.parallel(foreground=foreground, max_retries=2))
    assert done.returncode == 0, done.stdout
    (result,) = bench.results()
    training = result["foreground_result"]
    assert training["retries"] == 1
    assert [attempt["exit_code"] for attempt in training["attempts"]] == [1, 0]
    assert [attempt["attempt"] for attempt in training["attempts"]] == [0, training["retries"]]
    assert len(list((bench.root / "results").glob("energy_*_attempt*"))) == 2


def test_a_run_that_never_succeeds_is_failed_after_its_retries(bench: Bench) -> None:
    experiment = {
        "mode": "default",
        "repo": "front",
        "model": "small",
        "hyperparameters": {"behaviour": "fails"},
    }
    done = bench.run("run", bench.settings(experiments=[experiment, experiment], max_retries=1))
    assert done.returncode == 1
    assert len(bench.results()) == 2
    for result in bench.results():
        assert result["status"] == "failed"
        assert result["foreground_result"]["retries"] == 1
        assert "exit code 3" in result["foreground_result"]["error"]
        assert result["energy"]["total_joules"] >= 0
        for attempt in (0, 1):
            folder = bench.root / "results" / f"energy_{result['experiment_id']}_attempt{attempt}"
            text = (folder / "cpu_energy.txt").read_text()
            assert "Package Energy (Joules): " in text


def test_a_training_that_takes_too_long_is_ended(bench: Bench) -> None:
    foreground = {
        "hyperparameters": {"seconds": 60.0, "behaviour": "daemon"},
        "timeout_seconds": 1,
    }
    done = bench.run("run", bench.parallel(foreground=foreground))
    assert done.returncode == 1
    (result,) = bench.results()
    assert "timeout" in result["foreground_result"]["error"]
    assert bench.alive() == []


def test_a_failing_background_does_not_harm_the_foreground(bench: Bench) -> None:
    background = {"repo": "back", "model": "large", "hyperparameters": {"behaviour": "fails"}}
    settle = {"seconds": 0.1, "timeout_seconds": 1}
    done = bench.run("run", bench.parallel(background=background, settle=settle))
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    assert result["status"] == "succeeded"
    assert any("back_large" in text for text in result["warnings"])
    assert any("not steady" in text for text in result["warnings"])
    energy = result["energy"]
    assert energy["marginal_joules"] is None
    reason = r"background back_large ran for only \d+\.\d % of the phase 'load alone'"
    assert re.fullmatch(reason, energy["missing"]["marginal_joules"])


def test_several_backgrounds_are_jobs_of_one_group(bench: Bench) -> None:
    background = [
        {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}, "copies": 2},
        {"repo": "front", "model": "large", "hyperparameters": {"seconds": 0.2}},
    ]
    done = bench.run("run", bench.parallel(background=background))
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    jobs = [job["job"] for job in result["background_info"]["jobs"]]
    assert jobs == ["back_large_1", "back_large_2", "front_large"]
    assert result["background_info"]["repo"] is None
    logs = bench.root / "results" / f"background_logs_{result['experiment_id']}"
    assert all((logs / job / "run_1.log").is_file() for job in jobs)


def test_a_background_below_min_coverage_fails_the_run(bench: Bench) -> None:
    background = {
        "repo": "back",
        "model": "large",
        "hyperparameters": {"seconds": 0.05},
        "restart_delay_seconds": 1,
    }
    settle = {"seconds": 0.1, "timeout_seconds": 3}
    name = bench.parallel(background=background, min_coverage=0.9, settle=settle)
    assert bench.run("run", name).returncode == 1
    (result,) = bench.results()
    assert "min_coverage" in result["foreground_result"]["error"]


def test_an_interrupted_campaign_is_resumed_without_repeating_what_is_finished(
    bench: Bench,
) -> None:
    experiment = {
        "mode": "mutation",
        "repo": "front",
        "model": "small",
        "mutate": ["learning_rate"],
        "hyperparameters": {"seconds": 1.0},
    }
    name = bench.settings(experiments=[experiment], runs_per_config=3, seed=5)
    popen = bench.start("run", name)
    wait_for(lambda: len(bench.trials) == 2, "the second run")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    first = bench.results()[0]
    (bench.root / "settings" / name).unlink()
    done = bench.run("resume")
    assert done.returncode == 0, done.stderr
    statuses = [result["status"] for result in bench.results()]
    assert statuses == ["succeeded", "interrupted", "succeeded", "succeeded"]
    assert bench.results()[0] == first
    planned = [run["hyperparameters"]["learning_rate"] for run in _journal(bench)["runs"]]
    finished = [r for r in bench.results() if r["status"] == "succeeded"]
    values = [r["foreground_result"]["hyperparameters"]["learning_rate"] for r in finished]
    assert values == planned
    again = bench.run("resume")
    assert again.returncode == 0
    assert "nothing is left to run" in again.stdout
    assert len(bench.results()) == 4


def _journal(bench: Bench) -> dict[str, Any]:
    (path,) = (bench.root / "results" / "campaigns").glob("*.jsonl")
    head: dict[str, Any] = json.loads(path.read_text().splitlines()[0])
    return head


def test_a_killed_energyctl_leaves_no_training_and_resume_goes_on(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 3.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")
    popen.kill()
    popen.wait(DEADLINE_SECONDS)
    wait_for(lambda: not bench.alive(), "everything of the run to end", 15)
    assert bench.results() == []
    done = bench.run("resume")
    assert done.returncode == 0, done.stderr
    assert [r["status"] for r in bench.results()] == ["interrupted", "succeeded"]


def test_what_a_crash_left_running_is_ended_before_the_next_start(bench: Bench) -> None:
    foreground = {"hyperparameters": {"seconds": 60.0, "behaviour": "daemon"}}
    popen = bench.start("run", bench.parallel(foreground=foreground))
    wait_for(lambda: any("sleep 1000" in line for line in bench.alive()), "the daemon")
    (launcher,) = [
        p for p in processes.descendants([popen.pid]) if "launchers/foreground.py" in p.command
    ]
    popen.send_signal(signal.SIGSTOP)  # so that it cannot end what its launcher leaves
    launcher.signal(signal.SIGKILL)
    popen.kill()
    popen.wait(DEADLINE_SECONDS)
    name = bench.parallel("y.json", foreground={"hyperparameters": {"seconds": 0.3}})
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    assert "left by a crash" in done.stdout
    assert any("sleep 1000" in text for text in bench.results()[-1]["warnings"])
    assert bench.alive() == []


def test_a_start_right_after_a_crash_waits_for_the_old_daemon(bench: Bench) -> None:
    background = {
        "repo": "back",
        "model": "large",
        "hyperparameters": {"seconds": 60.0, "behaviour": "stubborn"},
    }
    foreground = {"hyperparameters": {"seconds": 60.0}}
    settle = {"seconds": 0.1, "timeout_seconds": 1}  # an iteration is longer than anybody waits
    name = bench.parallel(background=background, foreground=foreground, settle=settle)
    popen = bench.start("run", name)
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")
    popen.kill()
    popen.wait(DEADLINE_SECONDS)
    done = bench.run("run", bench.parallel("y.json"))
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_does_not_end_the_campaign(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel())
    wait_for(lambda: bench.trials, "the first training")
    assert popen.stdout is not None
    popen.stdout.close()
    assert popen.wait(DEADLINE_SECONDS) == 0
    assert bench.results()[0]["status"] == "succeeded"


def test_the_printed_command_resumes_from_anywhere(bench: Bench, tmp_path: Path) -> None:
    foreground = {"hyperparameters": {"seconds": 60.0}}
    popen = bench.start("run", bench.parallel(foreground=foreground), "--results", "else where")
    wait_for(lambda: bench.trials, "the first training")
    popen.send_signal(signal.SIGTERM)
    out, _ = popen.communicate(timeout=DEADLINE_SECONDS)
    command = shlex.split(out.split("go on with: ")[1].splitlines()[0])
    journal = Path(command[-1])
    text = journal.read_text().replace('"seconds": 60.0', '"seconds": 0.3')
    journal.write_text(text)
    assert command[0] == "energyctl"
    done = bench.run(*command[1:])
    assert done.returncode == 0, done.stderr
    statuses = [result["status"] for result in bench.results("else where")]
    assert statuses == ["interrupted", "succeeded"]
    assert bench.results() == []


def test_a_run_is_told_once_its_result_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its cool-down, whose samples change the energy's uncertainty."""
    results = [
        {"experiment_id": "x", "status": "succeeded", "energy": joules, "foreground_result": {}}
        for joules in (5.1, 5.2)
    ]
    monkeypatch.setattr(
        campaign,
        "carry_out",
        lambda run, files, context, save, cooldown: [
            save(result, result is results[-1]) for result in results
        ],
    )
    monkeypatch.setattr(campaign.failures, "told", lambda *_: ())
    store, journal, context = mock.Mock(), mock.Mock(), mock.Mock()
    campaign._run_one(mock.Mock(index=1), store, context, journal, {}, cooldown=True)
    context.observer.finished.assert_called_once_with(1, results[-1])
    assert store.keep.call_count == 2
    assert journal.append.call_count == 2  # that it started, and that it finished


def test_the_energy_that_is_said_of_a_run_is_that_of_its_file(bench: Bench, tmp_path: Path) -> None:
    """Also what a counter shows in the cool-down tells how uncertain the training's energy is."""
    told = environment(build(tmp_path), GPUS="1")
    env = {k: v for k, v in told.items() if k.startswith(("FAKE_", "LD_LIBRARY_PATH"))}
    training = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.3}}
    experiments = [{"mode": "default", **training, "runs_per_config": 2}]
    done = bench.run("run", bench.settings(experiments=experiments, cooldown_seconds=0.5), env=env)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"run \d of 2 succeeded .*", done.stdout)
    energies = [result["energy"] for result in bench.results()]
    assert len(said) == len(energies) == 2
    for line, one in zip(said, energies, strict=True):
        figure = text.energy(
            one["total_joules"], one["uncertainty_joules"], measured=one["measured"]
        )
        assert f"  {figure}" in line


def test_a_training_on_a_hot_gpu_says_at_which_clock_it_ran_and_why(
    bench: Bench, tmp_path: Path
) -> None:
    told = environment(build(tmp_path), GPUS="1", REASONS="32")
    env = {k: v for k, v in told.items() if k.startswith(("FAKE_", "LD_LIBRARY_PATH"))}
    env["ENERGYCTL_CPUFREQ"] = str(cpus.tree(tmp_path / "cpu", packages=1))
    # Longer than it can be between two looks at a clock.
    hyperparameters = {"seconds": CLOCKS_SECONDS + 1.5}
    training = {"repo": "front", "model": "small", "hyperparameters": hyperparameters}
    name = bench.settings(experiments=[{"mode": "default", **training}])
    done = bench.run("run", name, env=env)
    assert done.returncode == 0, done.stderr
    (result,) = bench.results()
    (training,) = [p for p in result["phases"] if p["name"] == "foreground"]
    state = training["state"]
    gpu, package = state["gpus"]["gpu-0"], state["cpus"]["package-0"]
    seconds = training["end"] - training["start"]
    assert (gpu["sm_mhz"], gpu["memory_mhz"]) == (1200, 2619)
    assert gpu["performance_state_seconds"] == {"P2": pytest.approx(seconds)}
    assert gpu["limited_seconds"]["heat"] == pytest.approx(seconds)
    assert gpu["limited_seconds"]["power_cap"] == 0
    assert package["mhz"] == 2000
    (line,) = [w for w in result["warnings"] if "held down" in w]
    assert line.startswith("gpu-0 was held down by heat for 100.0 % of the training (SM clock 1200")


def test_a_run_that_ends_in_its_idle_phase_still_names_its_background(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel(idle_seconds=30))
    wait_for(lambda: (bench.runtime / "state.json").exists(), "the idle phase")
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    (result,) = bench.results()
    (job,) = result["background_info"]["jobs"]
    assert (job["job"], job["coverage"]) == ("back_large", None)
    assert job["missing"]["coverage"]


def test_very_long_names_still_fit_into_file_names(bench: Bench) -> None:
    path = bench.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    registry["models"]["r" * 150] = {**registry["models"]["front"], "models": ["m" * 150]}
    path.write_text(json.dumps(registry))
    experiment = {"mode": "default", "repo": "r" * 150, "model": "m" * 150}
    done = bench.run("run", bench.settings(experiments=[experiment]))
    assert done.returncode == 0, done.stderr


def test_stop_ends_the_background_of_a_running_campaign(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 4.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the foreground")
    stopped = bench.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert "back_large" in stopped.stdout
    assert popen.wait(DEADLINE_SECONDS) == 0
    (result,) = bench.results()
    assert result["background_info"]["jobs"][0]["coverage"] < 0.99
    assert any("did not run all the time of the training" in text for text in result["warnings"])


def test_a_second_campaign_is_refused_and_told_who_holds_the_machine(bench: Bench) -> None:
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 60.0}}))
    wait_for(lambda: bench.trials, "the first training")
    second = bench.run("run", "x.json")
    assert second.returncode == 3
    assert f"pid {popen.pid}" in second.stderr
    assert "'trial'" in second.stderr
    assert "Traceback" not in second.stderr
    popen.send_signal(signal.SIGTERM)
    popen.wait(DEADLINE_SECONDS)


def test_invalid_experiments_are_skipped_or_stop_everything_with_strict(bench: Bench) -> None:
    good = {"mode": "default", "repo": "front", "model": "small"}
    bad = {"mode": "mutation", "repo": "frnt", "model": "small", "mutate_params": ["seconds"]}
    name = bench.settings(experiments=[bad, good, {"comment": "=== part 2 ==="}])
    strict = bench.look("run", name, "--strict")
    assert strict.returncode == 2
    assert bench.trials == []
    done = bench.run("run", name)
    assert done.returncode == 1
    assert "experiments[0].repo" in done.stderr
    assert len(bench.results()) == 1


def test_a_warning_of_one_experiment_is_in_its_results_alone(bench: Bench) -> None:
    odd = {"mode": "default", "repo": "front", "model": "small", "hyperparameters": {"odd": 1}}
    other = {"mode": "default", "repo": "front", "model": "large"}
    name = bench.settings(experiments=[odd, other], experiment_name=None)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stderr
    first, second = ("\n".join(result["warnings"]) for result in bench.results())
    assert "has no such hyper-parameter: it is not passed" in first
    assert "has no such hyper-parameter" not in second


def test_only_runs_the_named_runs_with_their_own_values(bench: Bench) -> None:
    experiment = {
        "mode": "mutation",
        "repo": "front",
        "model": "small",
        "mutate": ["learning_rate"],
    }
    name = bench.settings(experiments=[experiment], runs_per_config=4, seed=3)
    planned = json.loads(bench.look("plan", name, "--json").stdout)["runs"]
    assert bench.run("run", name, "--only", "2,4").returncode == 0
    values = [r["foreground_result"]["hyperparameters"] for r in bench.results()]
    assert values == [planned[1]["hyperparameters"], planned[3]["hyperparameters"]]


def test_rendered_entries_can_be_edited_and_used(bench: Bench) -> None:
    name = bench.parallel()
    rendered = bench.look("render", name, "--out", "mine")
    assert rendered.returncode == 0, rendered.stderr
    script = next((bench.root / "mine").glob("*.sh"))
    script.write_text(script.read_text().replace("--lr", "--edited-lr"))
    done = bench.run("run", name, "--rendered", "mine")
    assert done.returncode == 0, done.stderr
    background = [t for t in bench.trials if t["role"] == "background"]
    assert background
    assert all("--edited-lr" in trial["argv"] for trial in background)
    (result,) = bench.results()
    assert result["environment"]["rendered"] == str(bench.root / "mine")
    assert any("rendered files" in text for text in result["warnings"])


def test_the_governor_is_set_and_put_back(bench: Bench, tmp_path: Path) -> None:
    files = []
    for cpu in range(2):
        folder = tmp_path / "cpus" / f"cpu{cpu}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_available_governors").write_text("performance powersave\n")
        (folder / "scaling_governor").write_text("powersave\n")
        files.append(folder / "scaling_governor")
    bench.env["ENERGYCTL_CPUFREQ"] = str(tmp_path / "cpus")
    foreground = {"hyperparameters": {"seconds": 60.0}}
    popen = bench.start("run", bench.parallel(foreground=foreground, governor="performance"))
    wait_for(lambda: bench.trials, "a training")
    assert [file.read_text() for file in files] == ["performance", "performance"]
    popen.send_signal(signal.SIGTERM)
    assert popen.wait(DEADLINE_SECONDS) == 130
    assert [file.read_text().strip() for file in files] == ["powersave", "powersave"]


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (None, "this machine has no CPU frequency control"),
        ("powersave schedutil", "is not offered here; there are powersave, schedutil"),
        ("powersave performance", "could not be set: "),
    ],
)
def test_without_its_governor_no_campaign_starts(
    bench: Bench, tmp_path: Path, offered: str | None, said: str
) -> None:
    folder = tmp_path / "cpus" / "cpu0" / "cpufreq"
    bench.env["ENERGYCTL_CPUFREQ"] = str(tmp_path / "cpus")
    if offered is not None:
        folder.mkdir(parents=True)
        (folder / "scaling_available_governors").write_text(offered)
        (folder / "scaling_governor").symlink_to("/proc/self/oom_score_adj")  # takes numbers
    done = bench.run("run", bench.parallel(governor="performance"))
    assert done.returncode == 3
    (line,) = [line for line in done.stderr.splitlines() if "governor" in line]
    assert said in line
    assert 'leave "governor" out' in line
    assert not bench.trials
    assert not list((bench.root / "results").rglob("*.json*"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run trainings as another user")
def test_under_sudo_trainings_run_as_the_invoking_user(bench: Bench, tmp_path: Path) -> None:
    user = pwd.getpwnam("nobody")
    bench.python = python_for(user, bench.env)
    open_way(tmp_path)
    for script in (bench.root / "repos").rglob("train.sh"):
        script.write_text(script.read_text().replace(f"#!{sys.executable}", f"#!{bench.python}"))
    for path in (bench.root, *bench.root.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    trials = Path(bench.env["TRIALS"])
    trials.touch()
    trials.chmod(0o666)
    bench.env |= {"SUDO_UID": str(user.pw_uid), "SUDO_GID": str(user.pw_gid)}
    bench.env["ENERGYCTL_LOCK"] = str(bench.root / "lock")
    done = bench.run("run", bench.parallel())
    assert done.returncode == 0, done.stdout + done.stderr
    assert {trial["role"] for trial in bench.trials} == {"foreground", "background"}
    assert {trial["uid"] for trial in bench.trials} == {user.pw_uid}
    owners = {path.stat().st_uid for path in (bench.root / "results").rglob("*")}
    assert owners == {user.pw_uid}
    assert (bench.root / "supervisord.conf").stat().st_uid == user.pw_uid
    assert not bench.runtime.parent.with_name(f"energyctl-{user.pw_uid}").exists()
