"""The result of a run, as the results file holds it, from the run that was in progress."""

from __future__ import annotations

from energyctl.background import info
from energyctl.background.group import BackgroundGroup
from energyctl.campaign.run_state import RunState, SharedIdle
from energyctl.config.plan import Run
from energyctl.energy import Baseline, Energy, Recording, above, baseline_of, doubtful
from energyctl.errors import MachineError
from energyctl.meters import why_null, write_cpu_energy
from energyctl.results import document, schema
from energyctl.results.foreign_load import unknown
from energyctl.results.ledger import operator_warnings
from energyctl.results.paths import CPU_ENERGY, RunFiles
from energyctl.results.phases import phase_words
from energyctl.text import percent

FOREIGN_WHEN = {"idle": "while idle", "foreground": "during the training"}

NEVER_RAN = "the foreground never ran"

LEAST_BASELINE = 0.9
"""Share of the phase ``background_only`` that each job has to run for it to be a baseline."""

LOAD_ALONE = "background_only"
"""The phase above whose power is what is marginal."""


def make_result(live: RunState, recording: Recording) -> schema.Result:
    """The result of the run, as the results file holds it."""
    run, files, context = live.run, live.files, live.context
    energy = None  # of the last attempt that ended
    for attempt in live.attempts:
        if attempt.start is not None and attempt.end is not None:
            slack = attempt.slack_seconds
            energy = recording.energy(attempt.start, attempt.end, slack_seconds=slack)
            live.warnings += _write_cpu_energy(live, attempt.number, energy)
    warnings = [*context.warnings, *live.warnings, *recording.warnings]
    warnings += energy.warnings if energy else ()
    for name, when in FOREIGN_WHEN.items():
        warnings += live.foreign[name].warnings(when) if name in live.foreign else ()
    group = live.background or live.ended_background
    background = _background(live, group, warnings)
    data = _energy(energy, recording, live, group, warnings) if energy else None
    _share_idle(live, recording)
    status, error = _verdict(live)
    return document.make_result(
        experiment_id=files.experiment_id,
        campaign=context.campaign,
        mode=run.mode,
        status=status,
        foreground=document.foreground_result(
            files.foreground_id,
            run.foreground,
            error,
            [attempt.to_json() for attempt in live.attempts],
            files.outputs.name if files.outputs.is_dir() else None,
        ),
        background=background,
        energy=data or NEVER_RAN,
        foreign=_foreign(live),
        phases=recording.phases_json(),
        warnings=warnings,
        environment=document.environment(
            run,
            {
                **context.facts,
                "started": live.began,
                "rendered": str(context.rendered) if context.rendered else None,
            },
        ),
    )


def _background(
    live: RunState, group: BackgroundGroup | None, warnings: list[str]
) -> schema.BackgroundInfo | None:
    """What ran as load during the last attempt that ended; adds to *warnings*."""
    if group is None:
        why = "the run ended before it was started"
        return info.planned_info(live.run, why) if live.run.background else None
    last = next((a for a in reversed(live.attempts) if a.end is not None), None)
    background = group.info(*((last.start, last.end) if last else (None, None)))
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
    return "failed", live.error or (final.error if final else None) or NEVER_RAN


def _foreign(live: RunState) -> schema.ForeignByPhase:
    """That of the last attempt stands for the foreground."""
    shared = _idle_of_another(live)
    if shared is not None:
        live.foreign.setdefault("idle", unknown(f"the idle baseline is of {shared.experiment_id}"))
    return document.foreign_by_phase(live.foreign, "the run ended before it")


def _energy(
    energy: Energy,
    recording: Recording,
    live: RunState,
    group: BackgroundGroup | None,
    warnings: list[str],
) -> schema.EnergyJson:
    """The "energy" object, with a reason for each figure that is null."""
    shared = _idle_of_another(live)
    idle: str | Baseline = shared.baseline if shared and shared.baseline else "idle"
    above_idle = above(recording, idle, energy.start, energy.end)
    marginal = above(recording, LOAD_ALONE, energy.start, energy.end)
    why = _no_load_alone(energy, recording, live.run.mode, group)
    if why is not None:
        marginal = document.nothing_added(energy, why)
    for name, (total, _) in {"above_idle": above_idle, "marginal": marginal}.items():
        line = doubtful(f"{name}_joules", total, energy.total_joules)
        # What is estimated has its warning.
        warnings += [line] if line and energy.measured else []
    missing = why_null(energy, live.context.meters)
    data = document.energy_json(energy, above_idle, marginal, missing)
    if shared is not None and shared.experiment_id is not None:
        data["idle_of"] = shared.experiment_id
    return data


def _share_idle(live: RunState, recording: Recording) -> None:
    """Keeps this run's idle baseline for those that follow it, where they have none of theirs."""
    shared = live.context.shared_idle
    if shared is None or shared.baseline is not None or not recording.phases:
        return
    found = baseline_of(recording, "idle", recording.phases[-1].end)
    if found.missing is None and all(power.missing is None for power in found.power.values()):
        shared.baseline, shared.experiment_id = found, live.files.experiment_id


def _idle_of_another(live: RunState) -> SharedIdle | None:
    """The idle baseline, where it is that of an earlier run."""
    shared = live.context.shared_idle
    own = shared is None or shared.experiment_id in (None, live.files.experiment_id)
    return None if own else shared


def _no_load_alone(
    energy: Energy, recording: Recording, mode: str, group: BackgroundGroup | None
) -> str | None:
    """Why the load alone is no baseline: it was not there."""
    if mode != "parallel" or group is None:
        return "there is no background in this mode"
    spans = [
        (phase.start, phase.end)
        for phase in recording.phases
        if phase.name == LOAD_ALONE and phase.end <= energy.start
    ]
    if spans:
        for job, share in group.coverage(spans).items():
            if share < LEAST_BASELINE:
                phase = phase_words(LOAD_ALONE)
                return f"background {job} ran for only {percent(share)} of the phase {phase!r}"
    return None


def _write_cpu_energy(live: RunState, attempt: int, energy: Energy) -> list[str]:
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


def cut_off_result(run: Run, files: RunFiles, campaign: str) -> schema.Result:
    """The result of a run that was cut off by a crash: nothing is known but that it began."""
    why = "energyctl was cut off during this run"
    return document.make_result(
        experiment_id=files.experiment_id,
        campaign=campaign,
        mode=run.mode,
        status="interrupted",
        foreground=document.foreground_result(files.foreground_id, run.foreground, why),
        background=info.planned_info(run, why) if run.background else None,
        energy=why,
        foreign=document.foreign_by_phase({}, why),
        phases=[],
        warnings=[why],
        environment=document.environment(run, {}),
    )
