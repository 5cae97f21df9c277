"""The end of a run's containers: proved, and said where it cannot be."""

from __future__ import annotations

from energyctl.campaign.run_state import RunState
from energyctl.campaign.training import containers as in_containers
from energyctl.system import containers


def end_containers(live: RunState) -> None:
    """Proves that none of the campaign is left once a run's trainings have ended: their launchers
    have ended them, and what they could not end is ended here."""
    context, trees = live.context, live.context.watch.containers
    if trees is None:
        return
    runtimes = in_containers.runtimes([live.run], context.trainings.registry)
    done, left = containers.end(runtimes, context.nonce)
    live.warnings += done
    for line in (f"still running: {one}" for one in left):
        live.warnings.append(line)
        context.observer.say(f"warning: {line}")
    if not left:
        containers.forget(context.runtime)
    live.warnings += [
        f"{runtime} does not tell which processes are a container's: what they spend counts as "
        "foreign, and is missing in the load of their job"
        for runtime in sorted(trees.unseen)
    ]
    trees.unseen.clear()
