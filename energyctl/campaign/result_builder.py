"""The result of a run, as the results file holds it, from the run that was in progress."""

from __future__ import annotations

from energyctl.background import info
from energyctl.background.group import BackgroundGroup
from energyctl.campaign.activity.spans import activity_of, spans_of
from energyctl.campaign.added_energy import (
    AroundForeground,
    idle_machine,
    idle_of_another,
    load_alone,
    share_idle,
)
from energyctl.campaign.reach import reached
from energyctl.campaign.run_state import RunState
from energyctl.campaign.training.marks import told_json
from energyctl.config.plan import Run
from energyctl.config.settings.machine import GOVERNOR
from energyctl.energy import Energy, Recording, above
from energyctl.errors import MachineError
from energyctl.meters import why_null, write_cpu_energy
from energyctl.results import document, schema, throttling
from energyctl.results.foreign_load import unknown
from energyctl.results.ledger import operator_warnings
from energyctl.results.paths import CPU_ENERGY, RunFiles

FOREIGN_WHEN = {"idle": "while idle", "foreground": "during the training"}

NEVER_RAN = "the foreground never ran"


def make_result(live: RunState, recording: Recording) -> schema.Result:
    """The result of the run, as the results file holds it."""
    run, files, context = live.run, live.files, live.context
    energy = None  # of the last attempt that ended
    for attempt in live.attempts:
        if attempt.start is not None and attempt.end is not None:
            slack = attempt.slack_seconds
            energy = recording.energy(attempt.start, attempt.end, slack_seconds=slack)
            live.warnings += _write_cpu_energy(live, attempt.number, energy)
    of_experiment = context.experiment_warnings.get(run.experiment, ())
    phases = recording.phases_json()
    warnings = [*context.warnings, *of_experiment, *context.machine.warnings(phases)]
    warnings += [*live.warnings, *recording.warnings]
    if energy is not None:
        warnings += energy.warnings
        warnings += throttling.warnings(phases, energy.start, energy.end)
    for name, when in FOREIGN_WHEN.items():
        warnings += live.foreign[name].warnings(when) if name in live.foreign else ()
    group = live.background or live.ended_background
    background = _background(live, group, recording, warnings)
    data, activity = None, list[schema.SpanJson]()
    if energy is not None:
        load = load_alone(live, recording, energy, group)
        data = _energy(energy, recording, live, load, warnings)
        activity = _activity(energy, recording, live, group, load, warnings)
    share_idle(live, recording)
    status, error = _verdict(live)
    ended = [attempt for attempt in live.attempts if attempt.end is not None]
    shown = next(reversed(ended or live.attempts), None)
    return document.make_result(
        experiment_id=files.experiment_id,
        campaign=context.campaign,
        mode=run.mode,
        run=run,
        status=status,
        foreground=document.foreground_result(
            files.foreground_id,
            run.foreground,
            error,
            [attempt.to_json() for attempt in live.attempts],
            files.outputs.name if files.outputs.is_dir() else None,
            shown.series if shown is not None else None,
            context.trainings.placed(run.place),
            told_json(shown, recording),
        ),
        background=background,
        energy=data or NEVER_RAN,
        foreign=_foreign(live),
        phases=phases,
        activity=activity,
        reach=reached(shown, live.repository, recording),
        machine_settings=context.machine.to_json(phases),
        footprint_factors=context.settings.footprint_factors,
        warnings=warnings,
        environment=document.environment(
            run,
            {
                **context.facts,
                **context.machine.facts,
                "governor_asked": run.machine.get(GOVERNOR),
                "started": live.began,
                "rendered": str(context.rendered) if context.rendered else None,
            },
        ),
    )


def _background(
    live: RunState, group: BackgroundGroup | None, recording: Recording, warnings: list[str]
) -> schema.BackgroundInfo | None:
    """What ran as load during the last attempt that ended; adds to *warnings*."""
    if group is None:
        why = "the run ended before it was started"
        return info.planned_info(live.run, why) if live.run.background else None
    last = next((a for a in reversed(live.attempts) if a.end is not None), None)
    span = (last.start, last.end) if last else (None, None)
    background = group.info(*span, recording.phases)
    background["settle"] = live.settled
    warnings += info.coverage_warnings(background)
    warnings += operator_warnings(group.operations())
    return background


def _verdict(live: RunState) -> tuple[schema.Status, str | None]:
    """The status, and the error; None where it succeeded."""
    final = live.attempts[-1] if live.attempts else None
    if live.interrupted:
        return "interrupted", live.error or "interrupted"
    if final is not None and final.succeeded and not live.error:
        return "succeeded", None
    error = live.error or (final.error if final else None) or NEVER_RAN
    if final is not None and final.log.name not in error:
        error = f"{error}; its log: {final.log.name}"
    return "failed", error


def _foreign(live: RunState) -> schema.ForeignByPhase:
    """That of the last attempt stands for the foreground."""
    shared = idle_of_another(live)
    if shared is not None:
        live.foreign.setdefault("idle", unknown(f"the idle baseline is of {shared.experiment_id}"))
    return document.foreign_by_phase(live.foreign, "the run ended before it")


def _energy(
    energy: Energy,
    recording: Recording,
    live: RunState,
    load: AroundForeground,
    warnings: list[str],
) -> schema.EnergyJson:
    """The "energy" object, with a reason for each figure that is null."""
    idle = idle_machine(live, recording, energy)
    added = {}
    for name, around in {"above_idle_joules": idle, "marginal_joules": load}.items():
        added[name] = above(energy, around.baseline)
        # What is estimated has its warning.
        warnings += around.warnings(name, added[name][0]) if energy.measured else ()
    missing = why_null(energy, live.context.meters)
    data = document.energy_json(
        energy, added["above_idle_joules"], added["marginal_joules"], missing
    )
    data["baselines"] = {"idle": idle.to_json(), "background_only": load.to_json()}
    shared = idle_of_another(live)
    if shared is not None and shared.experiment_id is not None:
        data["idle_of"] = shared.experiment_id
    return data


def _activity(
    energy: Energy,
    recording: Recording,
    live: RunState,
    group: BackgroundGroup | None,
    load: AroundForeground,
    warnings: list[str],
) -> list[schema.SpanJson]:
    """What foreground and background kept busy, span by span; adds to *warnings*."""
    jobs = group.loads.cpu_lines() if group is not None and group.loads is not None else {}
    beside = bool(live.run.background)
    try:
        activity = activity_of(live.activity, recording, energy, jobs)
        return activity.to_json(spans_of(recording, energy, load.blocks, beside=beside))
    except Exception as error:  # whatever a driver told: the result matters more
        why = f"{type(error).__name__}: {error}"
        warnings.append(f"who kept GPUs and CPUs busy cannot be computed, and is left out: {why}")
        return []


def _write_cpu_energy(live: RunState, attempt: int, energy: Energy) -> list[str]:
    """``cpu_energy.txt``; a warning where it cannot be written: the result matters more."""
    path = live.files.energy(attempt) / CPU_ENERGY
    try:
        write_cpu_energy(path, energy)
    except MachineError as error:
        return [str(error)]
    return []


def cut_off_result(run: Run, files: RunFiles, campaign: str) -> schema.Result:
    """The result of a run that was cut off by a crash: nothing is known but that it began."""
    why = "energyctl was cut off during this run"
    return document.make_result(
        experiment_id=files.experiment_id,
        campaign=campaign,
        mode=run.mode,
        run=run,
        status="interrupted",
        foreground=document.foreground_result(files.foreground_id, run.foreground, why),
        background=info.planned_info(run, why) if run.background else None,
        energy=why,
        foreign=document.foreign_by_phase({}, why),
        phases=[],
        warnings=[why],
        environment=document.environment(run, {}),
    )
