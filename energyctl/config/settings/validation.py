"""Checking an experiment file: every problem with its place, and what the file means."""

from __future__ import annotations

from dataclasses import dataclass

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem, nearest, shown, validated
from energyctl.config.registry.placeholders import names_in
from energyctl.config.settings.experiment import is_separator, resolve
from energyctl.config.settings.factors import check_references
from energyctl.config.settings.misspelled import Level
from energyctl.config.settings.model import Experiment, Settings
from energyctl.config.settings.problems import ProblemCollector
from energyctl.config.settings.schema import MODES, NOTIFY_PLACEHOLDERS, CampaignFields

SECTIONS = (
    Level.SETTLE, Level.KEEP_LOGS, Level.CONTROL, Level.SLURM, Level.CO2E, Level.PRICE,
    Level.SEARCH, Level.LOG_TO,
)  # fmt: skip
"""Objects at the top of the file."""


@dataclass(frozen=True)
class CheckedSettings:
    """`settings` is None where a problem is an "error"; invalid experiments are left out of it."""

    settings: Settings | None
    problems: tuple[Problem, ...]


def check(document: Document) -> CheckedSettings:
    """All that is wrong with the file, in its order, and the settings as far as they are valid."""
    collector = ProblemCollector(document)
    campaign = _campaign(document, collector)
    experiments: list[Experiment] = []
    separators = 0
    for number, entry in enumerate(document.data["experiments"]):
        if is_separator(entry):
            collector.names(Level.EXPERIMENT, ("experiments", number), entry)
            separators += 1
        elif experiment := resolve(number, entry, campaign, collector):
            experiments.append(experiment)
    check_references((), document.data, document.data["experiments"], collector)
    problems = tuple(sorted(collector.problems, key=lambda p: (p.line, p.column)))
    if any(problem.severity == "error" for problem in problems):
        return CheckedSettings(None, problems)
    values = {name: getattr(campaign, name) for name in CampaignFields.model_fields}
    values["experiment_name"] = campaign.experiment_name or document.path.stem
    settings = Settings.model_construct(
        **values, experiments=tuple(experiments), separators=separators
    )
    return CheckedSettings(settings, problems)


def _campaign(document: Document, problems: ProblemCollector) -> CampaignFields:
    """The fields of the file; defaults stand in for those that are wrong."""
    top = {name: value for name, value in document.data.items() if name != "experiments"}
    problems.names(Level.TOP, (), document.data)
    for level in SECTIONS:
        problems.names(level, (level.title,), top.get(level.title))
    campaign, faults = validated(CampaignFields, top)
    for path, message, suggestion in faults:
        problems.add(path, message, suggestion, "error")
    if campaign is None:
        wrong = {path[0] for path, _, _ in faults}
        campaign, _ = validated(CampaignFields, {n: v for n, v in top.items() if n not in wrong})
        assert campaign is not None
    if campaign.mode not in MODES:
        problems.add(
            ("mode",),
            f"{shown(campaign.mode)} is not a mode",
            'give each experiment its own: "parallel", "mutation", "default" or "grid"',
            "warning",
        )
    _check_notify(campaign, problems)
    settle = campaign.settle
    if settle.timeout_seconds <= settle.seconds:
        always = "every run fails" if settle.on_timeout == "fail" else "every run says so"
        problems.add(
            ("settle", "timeout_seconds"),
            f"{settle.timeout_seconds:g} s is no longer than the {settle.seconds:g} s over which "
            f"the load has to be steady: it never can be, and {always}",
            'make it longer, or "seconds" shorter',
            "error" if settle.on_timeout == "fail" else "warning",
        )
    if "experiment_name" not in document.data:
        stem = document.path.stem
        problems.add((), f'has no "experiment_name": {shown(stem)} stands in', None, "warning")
    return campaign


def _check_notify(campaign: CampaignFields, problems: ProblemCollector) -> None:
    """Its program must be named, and its placeholders be some."""
    words = campaign.notify or ()
    if words and not words[0].strip():
        problems.add(("notify", 0), "must name a program", None, "error")
    for number, word in enumerate(words):
        for name in names_in(word):
            if name not in NOTIFY_PLACEHOLDERS:
                like = nearest(name, NOTIFY_PLACEHOLDERS)
                known = ", ".join(f"{{{one}}}" for one in NOTIFY_PLACEHOLDERS)
                hint = f"write {{{like}}}" if like else f"known are {known}"
                problems.add(
                    ("notify", number),
                    f"has an unknown placeholder {shown(f'{{{name}}}')}",
                    f"{hint}; literal braces are {{{{ and }}}}",
                    "error",
                )
