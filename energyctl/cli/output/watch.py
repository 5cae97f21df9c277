"""What ``energyctl run`` and ``watch`` draw: a scene → lines for a terminal of any size."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.campaign.watcher import STALE_SECONDS, CampaignProgress, Scene
from energyctl.cli.output.run_view import job_words, number, phase, plain_line, progress
from energyctl.config.plan import Run
from energyctl.results.conditions import run_words
from energyctl.results.phases import TRAINING, kind_of, phase_words
from energyctl.text import count, duration, energy, energy_unit, power, printable, values

BLOCKS = "▁▂▃▄▅▆▇█"
PARALLEL = ("idle", "background_start", "background_only", "foreground", "background_stop")
ALONE = ("idle", "foreground")


def screen(scene: Scene, width: int, height: int) -> Group:
    """The view of a terminal of that size, never larger than it."""
    return Group(*(_fitted(line, width) for line in islice(_lines(scene, width, height), height)))


def _fitted(line: Text, width: int) -> Text:
    """One line, cut at the terminal's width, by the width of its characters."""
    fitted = line.copy()
    fitted.plain = printable(fitted.plain)
    fitted.no_wrap, fitted.overflow = True, "ellipsis"
    fitted.truncate(width, overflow="ellipsis")
    return fitted


def _lines(scene: Scene, width: int, height: int) -> Iterator[Text]:
    view = scene.view
    if view is None:
        yield from _nothing(scene)
        return
    name = scene.closed.name if scene.closed else "campaign"
    yield Text(name, style="bold")
    if scene.dead:
        yield Text(died(scene), style="bold red")
    elif scene.age_seconds > STALE_SECONDS:
        yield Text(f"nothing new for {duration(scene.age_seconds)}", style="yellow")
    yield Text(_where(scene, view))
    if scene.run is not None:
        yield Text(_training(scene.run), style="dim")
    yield _strip(scene, view, width)
    yield Text("")
    yield from _power(scene, view, width)
    yield Text("")
    room = height - 8 - len(scene.power) - (1 if scene.dead else 0)
    jobs = list(_jobs(view, width))
    few = max(1, min(len(jobs), room - 7))
    if jobs:
        yield from jobs[:few]
        if len(jobs) > few:
            yield Text(f"… and {len(jobs) - few} more background jobs", style="dim")
        yield Text("")
        room -= min(len(jobs), few + 1) + 1
    yield from _foreground(scene, view, width)
    yield Text("")
    yield from _queue(scene, width)


def _where(scene: Scene, view: View) -> str:
    """Run k of n, and when all of it is expected to end."""
    last = scene.closed.last if scene.closed else "?"
    parts = [number(view, last)]
    if scene.closed is not None:
        bad = sum(status != "succeeded" for status in scene.closed.finished.values())
        parts.append(f"{len(scene.closed.finished)} finished" + (f", {bad} failed" if bad else ""))
    if scene.ends is not None and not scene.dead:
        left = scene.ends - scene.now
        clock = time.strftime("%H:%M", time.localtime(scene.ends))
        parts.append(
            f"ends about {clock}, in {duration(left)}" if left > 0 else "longer than expected"
        )
    return "  ·  ".join(parts)


def _training(run: Run) -> str:
    title = f"{run.foreground.repo} / {run.foreground.model}"
    what = f"{run.mode}: {run_words(title, run.condition, run.block, run.warm_up)}"
    parameters = values(run.foreground.hyperparameters)
    return what + (f", {parameters}" if parameters else "")


def _strip(scene: Scene, view: View, width: int) -> Text:
    """The phases of the run, and where it is; where that is too long, without the first ones."""
    kind = kind_of(view.phase)
    parallel = scene.run is None or scene.run.mode == "parallel"
    names = [*(PARALLEL if parallel else ALONE), "cooldown"]
    place = names.index(kind) if kind in names else names.index("foreground")
    now = Text(f"[{phase(view, scene.now)}]", style="bold cyan")
    before = [Text(phase_words(name), style="green") for name in names[:place]]
    after = [Text(phase_words(name), style="dim") for name in names[place + 1 :]]
    between = Text(" › ", style="dim")
    strip = between.join([*before, now, *after])
    if strip.cell_len > width and before:
        strip = between.join([Text("…", style="dim"), now, *after])
    return strip


def _power(scene: Scene, view: View, width: int) -> Iterator[Text]:
    if not scene.power:
        yield Text("power not known yet")
        return
    name_width = max(map(len, scene.power))
    graph = min(100, max(10, width - name_width - 34))
    for domain, readings in scene.power.items():
        known = [watts for watts in readings[-graph:] if watts is not None]
        now = readings[-1] if readings else None
        line = Text(f"{domain:<{name_width}} ")
        line.append(f"{'?' if now is None else f'{now:.1f}':>8} W ", style="bold")
        line.append(sparkline(readings[-graph:], graph), style="cyan")
        if known:
            line.append(f"  {min(known):.1f} … {power(max(known))}", style="dim")
        yield line
    if view.estimated:
        yield Text("the CPU's power is an estimate, not measured", style="yellow")


def sparkline(readings: Sequence[float | None], width: int) -> str:
    """One character a reading, the newest at the right; its foot is the lowest of them.

    A change of less than 2 % of the highest one is no more than a flat line.
    """
    known = [watts for watts in readings if watts is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    span = max(high - low, 0.02 * abs(high), 1e-9)
    levels = (None if watts is None else (watts - low) / span * 8 for watts in readings[-width:])
    cells = (" " if n is None else BLOCKS[int(n) if n < 7 else 7] for n in levels)
    return "".join(cells).rjust(width)


def _jobs(view: View, width: int) -> Iterator[Text]:
    """Each job in a line, or in two where the terminal is narrow."""
    for job in view.jobs:
        line = Text(f"background {job.name}", style="bold" if job.running else "yellow")
        counts, presence = job_words(job)
        line.append(f"  {counts}", style="not bold")
        if presence:
            fits = line.cell_len + len(presence) + 2 <= width
            line.append(("  " if fits else "\n    ") + presence, style="not bold")
        yield from line.split("\n")


def _foreground(scene: Scene, view: View, width: int) -> Iterator[Text]:
    if view.moving:
        yield Text(view.moving, style="yellow")
    if kind_of(view.phase) not in TRAINING:
        return
    if view.progress is not None:
        yield _bar(scene, view, width)
    for line in scene.lines:
        yield Text(f"> {line}", style="dim")


def _bar(scene: Scene, view: View, width: int) -> Text:
    assert view.progress is not None
    done, total = view.progress
    text = progress(view, scene.now)
    if not total or total <= 0:
        return Text(f"training: {text}")
    share = min(1.0, max(0.0, done / total))
    room = max(10, min(40, width - cell_len(text) - 13))
    full = round(share * room)
    line = Text("training ")
    line.append("━" * full, style="green").append("━" * (room - full), style="dim")
    return line.append(f" {text}")


def _queue(scene: Scene, width: int) -> Iterator[Text]:
    unit = energy_unit(done.joules for done in scene.done)
    for done in list(scene.done)[-3:]:
        style = "green" if done.status == "succeeded" else "red"
        line = Text(f"run {done.index} {done.status}", style=style)
        more = "  " + energy(
            done.joules, done.uncertainty_joules, measured=done.measured, unit=unit
        )
        more += f"  {count(done.warnings, 'warning')}" if done.warnings else ""
        yield line.append(more, style="default")
    waiting = list(scene.next_runs)
    for run in waiting[:2]:
        yield Text(f"then run {run.index}  {_training(run)}", style="dim")
    if len(waiting) > 2:
        yield Text(f"… and {len(waiting) - 2} more runs", style="dim")


def _nothing(scene: Scene) -> Iterator[Text]:
    yield Text("no campaign runs in this workspace", style="bold")
    if scene.closed is not None:
        yield Text(closing(scene.closed, scene.now))


def closing(closed: CampaignProgress, now: float) -> str:
    """How a campaign ended."""
    tally = Counter(closed.finished.values())
    counts = ", ".join(f"{number} {status}" for status, number in sorted(tally.items()))
    text = f"{closed.name}: {len(closed.finished)} of {closed.total} runs finished"
    text += f" ({counts})" if counts else ""
    if closed.ended is None:
        return f"{text}; it has not ended: {closed.resume}"
    text += (
        f"; {'interrupted' if closed.interrupted else 'ended'} {duration(now - closed.ended)} ago"
    )
    return text + (f"; go on with: {closed.resume}" if closed.interrupted else "")


def died(scene: Scene) -> str:
    """What to do about a campaign whose process is gone."""
    go_on = scene.closed.resume if scene.closed else "energyctl resume"
    return f"this campaign died: `energyctl stop` ends what it left, `{go_on}` goes on with it"


def plain(scene: Scene) -> str:
    """One line, for pipes and logs."""
    view = scene.view
    if view is None:
        return " | ".join(line.plain for line in _nothing(scene))
    last = scene.closed.last if scene.closed else 0
    parts = [died(scene)] if scene.dead else []
    return " | ".join([*parts, plain_line(view, last, scene.ends)])
