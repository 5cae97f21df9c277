"""Checking an experiment file: every problem with its place, and what the file means."""

from __future__ import annotations

from dataclasses import dataclass

from energyctl.config.jsonfile import Document, Problem, shown, validated
from energyctl.config.settings.experiment import is_separator, resolve
from energyctl.config.settings.misspelled import Level
from energyctl.config.settings.model import Experiment, Settings
from energyctl.config.settings.problems import Report
from energyctl.config.settings.schema import MODES, Campaign


@dataclass(frozen=True)
class Checked:
    """`settings` is None where a problem is an "error"; invalid experiments are left out of it."""

    settings: Settings | None
    problems: tuple[Problem, ...]


def check(document: Document) -> Checked:
    """All that is wrong with the file, in its order, and the settings as far as they are valid."""
    report = Report(document)
    campaign = _campaign(document, report)
    experiments: list[Experiment] = []
    separators = 0
    for number, entry in enumerate(document.data["experiments"]):
        if is_separator(entry):
            report.names(Level.EXPERIMENT, ("experiments", number), entry)
            separators += 1
        elif experiment := resolve(number, entry, campaign, report):
            experiments.append(experiment)
    problems = tuple(sorted(report.problems, key=lambda found: (found.line, found.column)))
    if any(problem.severity == "error" for problem in problems):
        return Checked(None, problems)
    values = {name: getattr(campaign, name) for name in Campaign.model_fields}
    values["experiment_name"] = campaign.experiment_name or document.path.stem
    settings = Settings.model_construct(
        **values, experiments=tuple(experiments), separators=separators
    )
    return Checked(settings, problems)


def _campaign(document: Document, report: Report) -> Campaign:
    """The fields of the file; defaults stand in for those that are wrong."""
    top = {name: value for name, value in document.data.items() if name != "experiments"}
    report.names(Level.TOP, (), document.data)
    for level in (Level.SETTLE, Level.KEEP_LOGS, Level.SLURM):
        report.names(level, (level.value,), top.get(level.value))
    campaign, faults = validated(Campaign, top)
    for path, message, suggestion in faults:
        report.add(path, message, suggestion, "error")
    if campaign is None:
        wrong = {path[0] for path, _, _ in faults}
        campaign, _ = validated(Campaign, {n: v for n, v in top.items() if n not in wrong})
        assert campaign is not None
    if campaign.mode not in MODES:
        report.add(
            ("mode",),
            f"{shown(campaign.mode)} is not a mode",
            'give each experiment its own: "parallel", "mutation" or "default"',
            "warning",
        )
    settle = campaign.settle
    if settle.timeout_seconds <= settle.seconds:
        always = "every run fails" if settle.on_timeout == "fail" else "every run says so"
        report.add(
            ("settle", "timeout_seconds"),
            f"{settle.timeout_seconds:g} s is no longer than the {settle.seconds:g} s over which "
            f"the load has to be steady: it never can be, and {always}",
            'make it longer, or "seconds" shorter',
            "error" if settle.on_timeout == "fail" else "warning",
        )
    if "experiment_name" not in document.data:
        stem = document.path.stem
        report.add((), f'has no "experiment_name": {shown(stem)} stands in', None, "warning")
    return campaign
