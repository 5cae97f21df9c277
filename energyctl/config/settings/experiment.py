"""One entry of `experiments`: what it means, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from energyctl.config.jsonfile.validation import nearest, shown, validated
from energyctl.config.places import Place
from energyctl.config.settings.factors import (
    backgrounds,
    check_conditions,
    check_grid,
    check_machine,
    check_references,
    check_size,
)
from energyctl.config.settings.machine import machine_settings
from energyctl.config.settings.misspelled import Level, intended_mode, misread_names
from energyctl.config.settings.model import Condition, Experiment, ForegroundSpec
from energyctl.config.settings.problems import Path, ProblemCollector
from energyctl.config.settings.references import References, chosen
from energyctl.config.settings.schema import (
    MODES,
    BackgroundSpec,
    CampaignFields,
    ExperimentFields,
    Mode,
)

# What a foreground takes from its experiment where it says nothing itself.
_INHERITED = (
    "repo", "model", "mutate", "grid", "exclude", "hyperparameters", "timeout_seconds", "place",
    "reach",
)  # fmt: skip


def is_separator(entry: Any) -> bool:
    """Whether an entry is free text only."""
    if not isinstance(entry, dict) or entry.keys() & set(Level.EXPERIMENT.fields):
        return False
    misread = misread_names(Level.EXPERIMENT, entry)
    return not any(name.severity == "invalid" for name in misread)


def resolve(
    number: int, entry: Any, campaign: CampaignFields, problems: ProblemCollector
) -> Experiment | None:
    """The experiment with every default applied; None where it is invalid (see the problems)."""
    path: Path = ("experiments", number)
    if not isinstance(entry, dict):
        problems.add(path, f"must be an object, not {shown(entry)}")
        return None
    meant = problems.names(Level.EXPERIMENT, path, entry)
    fields, faults = validated(ExperimentFields, entry)
    for inside, message, suggestion in faults:
        if inside != ("mode",):
            problems.add((*path, *inside), message, suggestion)
    mode = None if "mode" in meant else _mode(path, entry, meant, campaign, problems)
    _check_structure(path, entry, mode, meant, problems)
    if number in problems.invalid or fields is None or mode is None:
        return None
    experiment = _experiment(number, entry, fields, mode, campaign)
    training = (*path, "foreground") if fields.foreground else path
    check_size(training, experiment, campaign.most_runs, problems)
    return None if number in problems.invalid else experiment


def _mode(
    path: Path,
    entry: dict[str, Any],
    meant: set[str],
    campaign: CampaignFields,
    problems: ProblemCollector,
) -> Mode | None:
    """The entry's mode, with conditions what they stand for, else the file's; None, and reported,
    where it is none."""
    written = entry.get("mode")
    if written is None and (entry.get("conditions") is not None or "conditions" in meant):
        return "parallel" if entry.get("foreground") is not None else _training_mode(entry)
    name = campaign.mode if written is None else written
    for mode in MODES:
        if name == mode:
            return mode
    if written is None:
        problems.add(
            path,
            f"has no mode of its own, and the file's {shown(name)} is not a mode",
            'add "mode": "parallel", "mutation", "default" or "grid"',
        )
        return None
    like = intended_mode(written) or nearest(written, MODES) if isinstance(written, str) else None
    problems.add(
        (*path, "mode"),
        f'must be "parallel", "mutation", "default" or "grid", not {shown(written)}',
        f'write "{like}" if that is meant' if like else None,
    )
    return None


def _training_mode(training: Mapping[str, Any]) -> Literal["mutation", "default", "grid"]:
    """Of one that does not say it."""
    if training.get("grid"):
        return "grid"
    return "mutation" if training.get("mutate") else "default"


def _check_structure(
    path: Path,
    entry: dict[str, Any],
    mode: Mode | None,
    meant: set[str],
    problems: ProblemCollector,
) -> None:
    """What an experiment of its mode must hold and must not; works on wrong types, too."""
    foreground, background = entry.get("foreground"), entry.get("background")
    conditions = entry.get("conditions")
    fg_meant = problems.names(Level.FOREGROUND, (*path, "foreground"), foreground)
    jobs = list(backgrounds(path, entry))
    for where, job in jobs:
        problems.names(Level.BACKGROUND, where, job)
    for where, training in [(path, entry), ((*path, "foreground"), foreground), *jobs]:
        _check_places((*where, "place"), training, problems)
    check_machine(path, entry, problems)
    if conditions is not None:
        check_conditions(path, entry, problems)
        background = None
    check_references(path, entry, [entry], problems)
    if mode == "parallel":
        if foreground is None and "foreground" not in meant:
            hint = 'add "foreground": { … }'
            hint += ', or leave "mode" out' if conditions is not None else ""
            problems.add(path, 'mode "parallel" needs a foreground', hint)
        if background is None and conditions is None and not meant & {"background", "conditions"}:
            hint = 'add "background": { … }'
            problems.add(path, 'mode "parallel" needs a background', hint)
        if isinstance(foreground, dict):
            _warn_of_unused(path, entry, foreground, problems)
            inside = _inherited(entry, foreground)
            _check_training((*path, "foreground"), inside, inside.get("mode"), fg_meant, problems)
    elif mode is not None:
        for name, value in (("foreground", foreground), ("background", background)):
            if value is not None:
                problems.add(
                    (*path, name), f'has no place in mode "{mode}"', 'write "mode": "parallel"'
                )
        if foreground is None:
            _check_training(path, entry, mode, meant, problems)


def _check_places(path: Path, training: Any, problems: ProblemCollector) -> None:
    """Names in the places of a training, and whether each copy has one."""
    place = training.get("place") if isinstance(training, dict) else None
    problems.names(Level.PLACE, path, place)
    if not isinstance(place, list):
        return
    for number, one in enumerate(place):
        problems.names(Level.PLACE, (*path, number), one)
    copies = training.get("copies", 1)
    if isinstance(copies, int) and len(place) not in (0, copies):
        message = f'holds {len(place)} places, but "copies" is {copies}'
        problems.add(path, message, "write one for each copy, or one object for all of them")


def _inherited(entry: Mapping[str, Any], foreground: Mapping[str, Any]) -> dict[str, Any]:
    """The foreground, completed by what the experiment says beside it."""
    above = {
        name: entry[name]
        for name in _INHERITED
        if entry.get(name) is not None and entry[name] != "placeholder"
    }
    complete = above | {name: value for name, value in foreground.items() if value is not None}
    complete.setdefault("mode", _training_mode(complete))
    return complete


def _warn_of_unused(
    path: Path, entry: Mapping[str, Any], foreground: Mapping[str, Any], problems: ProblemCollector
) -> None:
    for name in _INHERITED:
        above, own = entry.get(name), foreground.get(name)
        if above and above != "placeholder" and own is not None and own != above:
            problems.add(
                (*path, name), "is not used: the foreground has its own", None, severity="warning"
            )


def _check_training(
    path: Path, training: Mapping[str, Any], mode: Any, meant: set[str], problems: ProblemCollector
) -> None:
    for name in ("repo", "model"):
        if training.get(name) is None and name not in meant:
            problems.add(path, f'"{name}" is missing')
    mutate = training.get("mutate")
    if mode == "mutation" and not mutate and "mutate" not in meant:
        problems.add(
            path, 'mode "mutation" needs "mutate"', 'name the hyper-parameters, or write ["all"]'
        )
    if mode == "default" and mutate:
        problems.add(
            (*path, "mutate"),
            'is not used: mode "default" mutates nothing',
            'write "mode": "mutation" if it should',
            severity="warning",
        )
    if "grid" not in meant or "grid" in training:
        check_grid(path, training, mode, problems)


def _experiment(
    number: int,
    entry: Mapping[str, Any],
    fields: ExperimentFields,
    mode: Mode,
    campaign: CampaignFields,
) -> Experiment:
    """From fields that were found valid."""
    foreground = fields.foreground
    own: Mapping[str, Any] = entry
    if foreground:
        own = _inherited(entry, entry["foreground"])
    measured_mode = own["mode"] if mode == "parallel" else mode
    measured = ForegroundSpec(
        repo=own["repo"],
        model=own["model"],
        mode=measured_mode,
        mutate=tuple(own.get("mutate") or ()) if measured_mode != "default" else (),
        grid={name: tuple(levels) for name, levels in (own.get("grid") or {}).items()},
        exclude=tuple(own.get("exclude") or ()),
        hyperparameters=dict(own.get("hyperparameters") or {}),
        timeout_seconds=own.get("timeout_seconds"),
        place=None if own.get("place") is None else Place.model_validate(own["place"]),
        reach={name: float(value) for name, value in (own.get("reach") or {}).items()},
    )
    references = chosen(fields.references, campaign.references)
    conditions = _conditions(fields, references)
    return Experiment(
        number=number,
        mode=mode,
        repo=fields.repo,
        model=fields.model,
        mutate=fields.mutate,
        hyperparameters=fields.hyperparameters,
        runs_per_config=fields.runs_per_config
        or (foreground and foreground.runs_per_config)
        or campaign.runs_per_config,
        measured=measured,
        background=() if conditions else _jobs(fields.background),
        description=_description(entry),
        conditions=conditions,
        order=fields.order
        or campaign.order
        or ("blocks" if conditions or own.get("grid") else "as_written"),
        references=references,
        machine=machine_settings(campaign, fields),
    )


def _conditions(fields: ExperimentFields, references: References | None) -> tuple[Condition, ...]:
    """Those that are listed, and the training alone where the references ask for it."""
    listed = (fields.conditions or {}).items()
    conditions = [Condition(label.strip(), _jobs(one)) for label, one in listed]
    if references is not None and references.foreground_alone:
        if fields.background is not None:
            conditions = [Condition("", _jobs(fields.background))]
        if conditions and all(condition.background for condition in conditions):
            conditions.append(Condition(""))
    return tuple(conditions)


def _jobs(given: BackgroundSpec | tuple[BackgroundSpec, ...] | None) -> tuple[BackgroundSpec, ...]:
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


def _description(entry: Mapping[str, Any]) -> str | None:
    for name in ("description", "comment", "note"):
        if isinstance(text := entry.get(name), str):
            return text.encode("utf-8", "replace").decode()
    return None
