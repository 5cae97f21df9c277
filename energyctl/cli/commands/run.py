"""What the campaign commands do: wires reading, planning, showing and running together."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from energyctl import system as machine
from energyctl import text as words
from energyctl.campaign import campaign as campaigns
from energyctl.campaign import prepare as preparation
from energyctl.campaign.campaign import Outcome
from energyctl.campaign.journal import Journal, create, find
from energyctl.campaign.observer import Observer
from energyctl.campaign.prepare import Campaign, Prepared
from energyctl.campaign.run_state import rendered_token
from energyctl.campaign.status_file import Published
from energyctl.campaign.training import interpreters, preflight
from energyctl.campaign.training.invocations import Trainings
from energyctl.cli.output import tables
from energyctl.cli.output.live import Progress, make_console
from energyctl.config import settings
from energyctl.config.plan import Plan, Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Problem, Settings
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.meters import describe, open_meters
from energyctl.results.folder import ResultsFolder, read_text
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

SHOWN_RUNS = 30
PROBLEMS, INTERRUPTED = 2, 130


def run(root: Path, file: str | None, options: Mapping[str, Any]) -> int:
    """``energyctl run``; returns the exit code."""
    workspace = Workspace(root)
    document, text = _experiment(workspace, file, options)
    models, results = (_given(workspace, options[name]) for name in ("models", "results"))
    prepared = preparation.prepare(workspace, document, text, models, options["seed"], results)
    show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None:
        return PROBLEMS
    if prepared.invalid and options["strict"]:
        raise SettingsError(f"{prepared.name}: nothing was started (--strict)")
    if not options["dry_run"]:
        machine.refuse_if_held()
    runs = preparation.select(prepared.plan.runs, options["only"])
    if not runs:
        raise_nothing(prepared)
    folder = results_folder(workspace, options["results"])
    console, wanted, seed = make_console(), prepared.settings, prepared.plan.seed
    ends_in = _show_plan(console, runs, wanted, prepared.registry, folder, seed)
    _show_passed_over(console, prepared.plan, SHOWN_RUNS)
    total, plain = len(prepared.plan.runs), options["no_progress"]
    with _progress(console, total, len(runs), ends_in, plain) as progress:
        rendered = _given(workspace, options["rendered"])
        campaign = campaign_of(prepared, wanted, seed, runs, folder, rendered, progress)
        if options["dry_run"]:
            return _dry_run(campaign, console, prepared.invalid)
        _show_meters(console, wanted)
        outcome = _conduct(campaign, progress)
    return _close(console, outcome, prepared.invalid)


def campaign_of(
    prepared: Prepared,
    wanted: Settings,
    seed: int,
    runs: Sequence[Run],
    folder: ResultsFolder,
    rendered: Path | None,
    observer: Observer,
) -> Campaign:
    """The campaign of a settings file; its journal is written once everything is checked."""
    journal = partial(new_journal, prepared, runs, folder, rendered)
    return Campaign(
        workspace=prepared.workspace,
        settings=wanted,
        registry=prepared.registry,
        runs=runs,
        folder=folder,
        journal=journal,
        rendered=rendered,
        observer=observer,
        problems=[_words(p) for p in prepared.problems if p.severity == "warning"],
    )


def new_journal(
    prepared: Prepared,
    runs: Sequence[Run],
    folder: ResultsFolder,
    rendered: Path | None,
    cluster: Mapping[str, Any] | None = None,
) -> Journal:
    """The journal of a settings file that was found good."""
    assert prepared.settings is not None
    assert prepared.plan is not None
    return create(
        folder,
        prepared.settings.experiment_name,
        settings_text=prepared.text,
        settings_name=prepared.name,
        registry=prepared.registry.raw,
        runs=runs,
        seed=prepared.plan.seed,
        rendered=rendered,
        workspace=prepared.workspace.root,
        invalid=prepared.invalid,
        cluster=cluster,
    )


def raise_nothing(prepared: Prepared) -> None:
    """No run at all: every experiment is invalid or left out."""
    if prepared.invalid:
        raise EnergyctlError(f"{prepared.name}: no experiment is valid, nothing was started")
    raise SettingsError(f"{prepared.name}: no runs in it, nothing was started")


def _experiment(
    workspace: Workspace, file: str | None, options: Mapping[str, Any]
) -> tuple[settings.Document, str]:
    """The settings file, or the one that ``--repo … --model …`` stand for."""
    inline = {name: options[name] for name in ("repo", "model", "mutate", "runs")}
    given = [f"--{name}" for name, value in inline.items() if value is not None]
    if file is not None and given:
        raise click.UsageError(f"{given[0]} goes without a settings file")
    if file is not None:
        path = workspace.settings_file(file)
        return settings.read(path), read_text(path, "the settings") if path.is_file() else ""
    if not options["repo"] or not options["model"]:
        raise click.UsageError("name a settings file, or --repo R --model M")
    experiment: dict[str, Any] = {"repo": options["repo"], "model": options["model"]}
    experiment["mode"] = "mutation" if options["mutate"] else "default"
    if options["mutate"]:
        experiment["mutate"] = [name.strip() for name in options["mutate"].split(",")]
    text = json.dumps(
        {
            "experiment_name": f"{options['repo']}_{options['model']}",
            "runs_per_config": options["runs"] or 1,
            "experiments": [experiment],
        }
    )
    return settings.parse(text, "(command line)"), text


def _conduct(campaign: Campaign, progress: Progress) -> Outcome:
    acting = campaign.folder.user.acting
    campaign.observer = Published(
        inner=progress,
        path=campaign.runtime / "state.json",
        total=progress.total,
        results=campaign.folder.root,
        acting=acting,
        ends=lambda: progress.ends,
    )
    return campaigns.conduct(campaign)


def _close(console: Console, outcome: Outcome, invalid: bool) -> int:
    """The closing table and the exit code, which a terminal that is gone does not change."""
    with contextlib.suppress(OSError):
        _show_outcome(console, outcome)
    if outcome.interrupted is not None:
        return INTERRUPTED
    failed = any(result["status"] != "succeeded" for result in outcome.results)
    return 1 if failed or invalid else 0


def _show_outcome(console: Console, outcome: Outcome) -> None:
    if outcome.results:
        console.print(tables.closing_table(outcome.results))
    for text in tables.warnings_of(outcome.results):
        console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    console.print(f"results: {outcome.journal.folder.root}", markup=False, soft_wrap=True)
    if outcome.interrupted is not None:
        command = outcome.journal.resume_command
        console.print(f"interrupted; go on with: {command}", markup=False, soft_wrap=True)


def resume(
    root: Path,
    wanted: str | None,
    results: str | None,
    no_progress: bool,
    sbatch: Sequence[str] = (),
) -> int:
    """``energyctl resume``; returns the exit code."""
    workspace = Workspace(root)
    folder = results_folder(workspace, results)
    found = find(folder, wanted)
    if found.cluster is not None:
        from energyctl.cli.commands import submit as submitting

        return submitting.resume(workspace, found, sbatch)
    if sbatch:
        raise click.UsageError(f"--sbatch: {found.name} runs on one machine, not on a cluster")
    machine.refuse_if_held()
    console = make_console()
    with _progress(console, 0, 0, None, no_progress) as progress:
        campaign, journal, runs = campaigns.of_journal(workspace, found, progress)
        done = len(runs) - len(campaign.runs)
        console.print(f"{journal.name}: {done} of {len(runs)} runs are finished", markup=False)
        outcome = None
        if campaign.runs:
            progress.total, progress.planned = len(runs), len(campaign.runs)
            ends = _show_plan(console, campaign.runs, campaign.settings, campaign.registry, folder)
            progress.ends = None if ends is None else time.time() + ends
            outcome = _conduct(campaign, progress)
        else:
            campaigns.tidy(workspace, folder.user, progress)
    finished = [journal.folder.load(name) or {} for name in journal.finished().values()]
    failed = any(result.get("status") != "succeeded" for result in finished)
    failed = failed or bool(journal.head().get("invalid"))
    if outcome is not None:
        return max(_close(console, outcome, False), int(failed))
    console.print("nothing is left to run", markup=False)
    return int(failed)


def show_plan(
    root: Path,
    file: str,
    seed: int | None,
    models: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """``energyctl plan``; returns the exit code that ``run`` would begin with."""
    workspace = Workspace(root)
    prepared = prepare(workspace, file, seed, models, results)
    if as_json:
        shown = prepared.plan.to_json() if prepared.plan else _no_plan(prepared)
        click.echo(json_text(shown))
    else:
        show_problems(prepared.name, prepared.problems)
        if prepared.settings is not None and prepared.plan is not None:
            console = make_console()
            folder = results_folder(workspace, results)
            runs = prepared.plan.runs
            wanted, seed = prepared.settings, prepared.plan.seed
            _show_plan(console, runs, wanted, prepared.registry, folder, seed, len(runs))
            _show_passed_over(console, prepared.plan, len(prepared.plan.passed_over))
            for problem in _cannot_start(workspace, runs, prepared.registry):
                console.print(f"not ready: {problem}", style="yellow", markup=False, soft_wrap=True)
    return PROBLEMS if prepared.plan is None else int(prepared.invalid)


def _no_plan(prepared: Prepared) -> dict[str, Any]:
    wrong = [p.to_json() for p in prepared.problems if p.severity != "warning"]
    warnings = [p.to_json() for p in prepared.problems if p.severity == "warning"]
    return {"runs": [], "problems": wrong, "warnings": warnings, "separators": 0}


def render(
    root: Path, file: str, out_name: str, seed: int | None, models: str | None, results: str | None
) -> int:
    """``energyctl render``: the entries and the script of every parallel run, as files."""
    workspace = Workspace(root)
    prepared = prepare(workspace, file, seed, models, results)
    show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None:
        return PROBLEMS
    runs = [run for run in prepared.plan.runs if run.background]
    if not runs:
        raise SettingsError(f"{prepared.name}: no parallel run in it, so nothing to render")
    folder = results_folder(workspace, results)
    out = workspace.given(out_name)
    for run in runs:
        rendered = preparation.render_only(workspace, prepared, folder, run)
        out.mkdir(parents=True, exist_ok=True)
        for suffix, text in (("conf", rendered.entries), ("sh", rendered.script)):
            path = out / f"background_training_{rendered_token(run)}.{suffix}"
            path.write_text(text, encoding="utf-8")
            folder.user.own(path)
            click.echo(str(path))
    return int(prepared.invalid)


# -- shared --------------------------------------------------------------------------------


def _given(workspace: Workspace, name: str | None) -> Path | None:
    return None if name is None else workspace.given(name)


def results_folder(workspace: Workspace, name: str | None) -> ResultsFolder:
    root = workspace.results if name is None else workspace.given(name)
    return ResultsFolder(root, machine.invoking_user())


def prepare(
    workspace: Workspace,
    file: str,
    seed: int | None,
    models: str | None,
    results: str | None = None,
) -> Prepared:
    """A settings file, read, checked and planned. Raises SettingsError."""
    path = workspace.settings_file(file)
    document = settings.read(path)
    text = read_text(path, "the settings")
    return preparation.prepare(
        workspace, document, text, _given(workspace, models), seed, _given(workspace, results)
    )


def _words(problem: Problem) -> str:
    text = f"{problem.where}: {problem.message}" if problem.where else problem.message
    return f"{text}; {problem.suggestion}" if problem.suggestion else text


def show_problems(name: str, problems: Sequence[Problem]) -> None:
    """Every problem on a line of its own, on standard error, as ``file:line: …``."""
    for problem in problems:
        line = f":{problem.line}" if problem.line else ""
        print(f"{name}{line}: {problem.severity}: {_words(problem)}", file=sys.stderr)


def _show_plan(
    console: Console,
    runs: Sequence[Run],
    wanted: Settings,
    known: Registry,
    folder: ResultsFolder,
    seed: int | None = None,
    most: int = SHOWN_RUNS,
) -> float | None:
    """The plan's table; returns the seconds that the campaign will take, where that is known."""
    estimates = preparation.estimate_seconds(runs, wanted, known, preparation.durations(folder))
    title = f"{wanted.experiment_name}: {words.count(len(runs), 'run')}"
    if seed is not None and any(run.mutated for run in runs):
        title += f", values drawn with seed {seed}"
        title += "" if wanted.seed is not None else f" (--seed {seed} repeats them)"
    console.print(title, markup=False, soft_wrap=True)
    console.print(tables.plan_table(runs, estimates, most))
    if len(runs) > most:
        console.print(f"… and {len(runs) - most} more; energyctl plan shows all", markup=False)
    if not runs or any(seconds is None for seconds in estimates):
        return None
    total = sum(s for s in estimates if s is not None) + wanted.cooldown_seconds * (len(runs) - 1)
    ends = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + total))
    console.print(f"about {words.duration(total)}, until {ends}", markup=False)
    return total


def _show_passed_over(console: Console, made: Plan, most: int) -> None:
    for line in tables.passed_over_lines(made.passed_over, most):
        console.print(line, markup=False, soft_wrap=True)


def _show_meters(console: Console, wanted: Settings) -> None:
    meters, _ = open_meters(gpus=wanted.gpus)
    try:
        console.print(tables.meters_table(describe(meters)))
    finally:
        for meter in meters:
            meter.close()


def _cannot_start(workspace: Workspace, runs: Sequence[Run], known: Registry) -> list[str]:
    import os

    python = interpreters.own_python(os.environ, sys.executable)
    return preflight.check(runs, Trainings(known, workspace.root, python, os.environ))


def _dry_run(campaign: Campaign, console: Console, invalid: bool) -> int:
    _show_meters(console, campaign.settings)
    preparation.check(campaign)
    console.print("dry run: nothing was started", markup=False)
    return int(invalid)


def _progress(
    console: Console, total: int, planned: int, ends_in: float | None, plain: bool
) -> Progress:
    ends = None if ends_in is None else time.time() + ends_in
    return Progress(console, total, planned, live=console.is_terminal and not plain, ends=ends)
