"""The result of a run, as the results file holds it, from the run that was in progress."""

from __future__ import annotations

from typing import Any

from energyctl.background import info as judging
from energyctl.background.group import Background
from energyctl.campaign.foreign import unknown
from energyctl.campaign.run_state import Live, SharedIdle
from energyctl.campaign.training.foreground import Attempt
from energyctl.config.plan import Run
from energyctl.energy import (
    Added,
    Baseline,
    Energy,
    Recording,
    above,
    baseline_of,
    doubtful,
)
from energyctl.errors import MachineError
from energyctl.meters import why_null, write_cpu_energy
from energyctl.results.folder import SCHEMA, WHOLE_MACHINE_NOTE
from energyctl.results.ledger import operator_warnings
from energyctl.results.phases import phase_words
from energyctl.text import percent
from energyctl.results.paths import CPU_ENERGY, RunFiles

FOREIGN_WHEN = {"idle": "while idle", "foreground": "during the training"}

LEAST_BASELINE = 0.9
"""Share of the phase ``background_only`` that each job has to run for it to be a baseline."""

ADDED = {"above_idle": "idle", "marginal": "background_only"}
"""What the foreground added, and the phase whose power it is added to."""


def make_result(live: Live, recording: Recording) -> dict[str, Any]:
    """The result of the run, as the results file holds it."""
    run, files, context = live.run, live.files, live.context
    last = next((a for a in reversed(live.attempts) if a.end is not None), None)
    final = live.attempts[-1] if live.attempts else None
    energy = None  # of the last attempt that ended
    for attempt in live.attempts:
        if attempt.start is not None and attempt.end is not None:
            slack = attempt.slack_seconds
            energy = recording.energy(attempt.start, attempt.end, slack_seconds=slack)
            live.warnings += _write_cpu_energy(live, attempt.number, energy)
    background = None
    warnings = [*context.warnings, *live.warnings, *recording.warnings]
    warnings += energy.warnings if energy else ()
    for name, when in FOREIGN_WHEN.items():
        warnings += live.foreign[name].warnings(when) if name in live.foreign else ()
    group = live.background or live.ended_background
    if run.background and group is None:
        background = judging.planned_info(run, "the run ended before it was started")
    elif group is not None:
        span = (last.start, last.end) if last else (None, None)
        background = {**group.info(*span), "settle": live.settled}
        warnings += judging.coverage_warnings(background)
        warnings += operator_warnings(group.operations())
    data = _energy(energy, recording, live, group, warnings) if energy else None
    _share_idle(live, recording)
    succeeded = final is not None and final.succeeded and not live.interrupted and not live.error
    error = live.error or (final.error if final else None)
    if live.interrupted:
        error = live.error or "interrupted"
    return {
        "schema": SCHEMA,
        "experiment_id": files.experiment_id,
        "campaign": context.campaign,
        "mode": run.mode,
        "status": "interrupted" if live.interrupted else "succeeded" if succeeded else "failed",
        "foreground_result": foreground_result(live, last, succeeded, error),
        "background_info": background,
        "energy": data,
        "energy_missing": None if energy else "the foreground never ran",
        "energy_note": WHOLE_MACHINE_NOTE,
        "foreign": _foreign(live),
        "phases": recording.phases_json(),
        "warnings": list(dict.fromkeys(warnings)),
        "environment": {
            **context.facts,
            "started": live.began,
            "run": run.to_json(),
            "rendered": str(context.rendered) if context.rendered else None,
        },
    }


def _foreign(live: Live) -> dict[str, Any]:
    """Foreign load by phase; that of the last attempt stands for the foreground."""
    why = unknown("the run ended before it")
    shared = _idle_of_another(live)
    if shared is not None:
        live.foreign.setdefault("idle", unknown(f"the idle baseline is of {shared.experiment_id}"))
    return {name: live.foreign.get(name, why).to_json() for name in FOREIGN_WHEN}


def _energy(
    energy: Energy,
    recording: Recording,
    live: Live,
    group: Background | None,
    warnings: list[str],
) -> dict[str, Any]:
    """The "energy" object, with a reason for each figure that is null."""
    data = energy.to_json()
    missing = why_null(data, live.context.meters)
    shared = _idle_of_another(live)
    if shared is not None:
        data["idle_of"] = shared.experiment_id
    for name, baseline in ADDED.items():
        of: str | Baseline = baseline
        if baseline == "idle" and shared is not None and shared.baseline is not None:
            of = shared.baseline
        total, domains = above(recording, of, energy.start, energy.end)
        why = _no_baseline(baseline, energy, recording, live.run.mode, group)
        if why is not None:
            total, domains = Added(None, None, why), dict.fromkeys(domains, Added(None, None, why))
        for entry, added in [(data, total), *((d, domains[d["name"]]) for d in data["domains"])]:
            entry[f"{name}_joules"] = added.joules
            entry[f"{name}_uncertainty_joules"] = added.uncertainty_joules
        if total.missing is not None:
            missing[f"{name}_joules"] = total.missing
        line = doubtful(f"{name}_joules", total, energy.total_joules)
        # What is estimated has its warning.
        warnings += [line] if line and energy.measured else []
    return {**data, "missing": missing}


def _share_idle(live: Live, recording: Recording) -> None:
    """Keeps this run's idle baseline for those that follow it, where they have none of theirs."""
    shared = live.context.shared_idle
    if shared is None or shared.baseline is not None or not recording.phases:
        return
    found = baseline_of(recording, "idle", recording.phases[-1].end)
    if found.missing is None and all(power.missing is None for power in found.power.values()):
        shared.baseline, shared.experiment_id = found, live.files.experiment_id


def _idle_of_another(live: Live) -> SharedIdle | None:
    """The idle baseline, where it is that of an earlier run."""
    shared = live.context.shared_idle
    own = shared is None or shared.experiment_id in (None, live.files.experiment_id)
    return None if own else shared


def _no_baseline(
    baseline: str, energy: Energy, recording: Recording, mode: str, group: Background | None
) -> str | None:
    """Why a phase is no baseline: its load was not there."""
    if baseline != "background_only":
        return None
    if mode != "parallel" or group is None:
        return "there is no background in this mode"
    spans = [
        (phase.start, phase.end)
        for phase in recording.phases
        if phase.name == baseline and phase.end <= energy.start
    ]
    if spans:
        for job, share in group.coverage(spans).items():
            if share < LEAST_BASELINE:
                phase = phase_words(baseline)
                return f"background {job} ran for only {percent(share)} of the phase {phase!r}"
    return None


def _write_cpu_energy(live: Live, attempt: int, energy: Energy) -> list[str]:
    """``cpu_energy.txt``; a warning where it cannot be written: the result matters more."""
    path = live.files.energy(attempt) / CPU_ENERGY
    user = live.context.folder.user
    try:
        with user.writing(path.parent):
            write_cpu_energy(path, energy)
            user.own(path)
    except MachineError as error:
        return [str(error)]
    return []


def cut_off_result(run: Run, files: RunFiles, campaign: str) -> dict[str, Any]:
    """The result of a run that was cut off by a crash: nothing is known but that it began."""
    why = "energyctl was cut off during this run"
    training = run.foreground
    return {
        "schema": SCHEMA,
        "experiment_id": files.experiment_id,
        "campaign": campaign,
        "mode": run.mode,
        "status": "interrupted",
        "foreground_result": {
            "experiment_id": files.foreground_id,
            "success": False,
            "duration": None,
            "retries": None,
            "repo": training.repo,
            "model": training.model,
            "hyperparameters": training.hyperparameters,
            "exit_code": None,
            "error": why,
            "performance_metrics": {},
            "log": None,
            "outputs": None,
            "attempts": [],
        },
        "background_info": judging.planned_info(run, why) if run.background else None,
        "energy": None,
        "energy_missing": why,
        "energy_note": WHOLE_MACHINE_NOTE,
        "foreign": {name: unknown(why).to_json() for name in FOREIGN_WHEN},
        "phases": [],
        "warnings": [why],
        "environment": {"run": run.to_json()},
    }


def foreground_result(
    live: Live, last: Attempt | None, succeeded: bool, error: str | None
) -> dict[str, Any]:
    training = live.run.foreground
    shown = last or (live.attempts[-1] if live.attempts else None)
    return {
        "experiment_id": live.files.foreground_id,
        "success": succeeded,
        "duration": last.duration if last else None,
        "retries": max(0, len(live.attempts) - 1),
        "repo": training.repo,
        "model": training.model,
        "hyperparameters": training.hyperparameters,
        "exit_code": shown.exit_code if shown else None,
        "error": None if succeeded else error,
        "performance_metrics": dict(shown.metrics) if shown else {},
        "log": shown.log.name if shown else None,
        "outputs": live.files.outputs.name if live.files.outputs.is_dir() else None,
        "attempts": [attempt.to_json() for attempt in live.attempts],
    }
