"""The finished blocks that `plan --power` goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.errors import SettingsError
from energyctl.system.dependencies import extra_install
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.analysis.compare.power import PowerPlan
    from energyctl.campaign.prepare import PreparedCampaign
    from energyctl.config.plan import Run
    from energyctl.results.tables import Row


def power_plan(
    workspace: Workspace,
    prepared: PreparedCampaign,
    share: float,
    sources: Sequence[str],
    folder: str | None,
) -> PowerPlan:
    """How many blocks that plan needs: by those of *sources*, else of the newest campaign of its
    name that has some. Raises SettingsError where there are no conditions, or no finished block."""
    try:
        from energyctl.analysis.compare.power import Planned, plan_power
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("scipy", "numpy"):
            raise
        raise SettingsError(f"plan --power needs SciPy: {extra_install('report')}") from error

    runs = [] if prepared.whole is None else prepared.whole.runs
    planned = [
        Planned(
            f"{run.foreground.repo} / {run.foreground.model}", run.condition, not run.background
        )
        for run in runs
        if run.block is not None
    ]
    if len(set(planned)) <= len({one.training for one in planned}):
        raise SettingsError(
            f"{prepared.name}: --power compares conditions, and no experiment has two of them in "
            'blocks; write them as "conditions" (docs/load-study.md)'
        )
    for source, rows in _campaigns(workspace, prepared, sources, folder):
        found = plan_power(rows, planned, share, source)
        if found.contrasts:
            return found
    where = ", ".join(sources) or f"campaigns named {_name(prepared)}"
    raise SettingsError(
        f"--power: no block of these conditions has finished in {where}; run some blocks first "
        "(3 tell little, 5 are better), or name results by --from"
    )


def _campaigns(
    workspace: Workspace, prepared: PreparedCampaign, sources: Sequence[str], folder: str | None
) -> list[tuple[str | None, list[Row]]]:
    """By name of the journal, the newest first; those of *sources* together, without a name."""
    from energyctl.cli.result_arguments import load_campaigns, load_runs

    runs = load_campaigns(workspace, sources) if sources else load_runs(workspace, (), folder)
    campaigns: dict[str, list[Row]] = {}
    for run in runs:
        if sources or run.campaign == _name(prepared):
            journal = str(run.row["journal"] or run.campaign)
            campaigns.setdefault(journal, []).append(run.row)
    if sources:
        return [(None, [row for rows in campaigns.values() for row in rows])]
    return sorted(campaigns.items(), reverse=True)


def _training(run: Run) -> str:
    return f"{run.foreground.repo} / {run.foreground.model}"


def _name(prepared: PreparedCampaign) -> str | None:
    return None if prepared.settings is None else prepared.settings.experiment_name
