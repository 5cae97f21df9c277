"""The first lines of the screen: the campaign, its run, the phases and the one that goes on."""

from __future__ import annotations

import time
from collections import Counter

from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.campaign.watcher import STALE_SECONDS, CampaignProgress, Scene
from energyctl.cli.output.layout import GAP, cut, parts
from energyctl.cli.output.run_view import number, phase, progress
from energyctl.config.plan import Run
from energyctl.results.phases import TRAINING, kind_of, phase_words
from energyctl.text import duration, values

BESIDE = ("idle", "background_start", "background_only", "foreground", "background_only",
          "background_stop", "cooldown")  # fmt: skip
ALONE = ("idle", "foreground", "cooldown")
SHORTEST_BAR, LONGEST_BAR = 10, 60


def head(scene: Scene, view: View, width: int, hint: str = "") -> list[Text]:
    """Each fits into the width. hint: which keys there are."""
    lines = campaign_lines(scene, view, width, hint)
    if scene.dead:
        lines.append(Text(died(scene), "bold red"))
    elif scene.age_seconds > STALE_SECONDS:
        lines.append(Text(f"nothing new for {duration(scene.age_seconds)}", "yellow"))
    lines += [*_run(scene, view, width), strip(scene, view, width), *_phase(scene, view, width)]
    return [cut(line, width) for line in lines]


def campaign_lines(scene: Scene, view: View, width: int, hint: str = "") -> list[Text]:
    """Its name with how many runs are done; how far it is as a bar, and when it ends."""
    closed = scene.closed
    if closed is None:
        return [Text("campaign", "bold")]
    bad = sum(status != "succeeded" for status in closed.finished.values())
    done = len(closed.finished)
    title = parts(
        width,
        cut(Text(closed.name, "bold"), max(20, width - 40)),
        f"{done} of {closed.total} runs done",
        Text(f"{bad} failed" if bad else "", "bold red"),
    )
    room = width - title.cell_len - len(hint)
    if hint and room >= GAP:
        title.append(" " * room).append(hint, "dim")
    share = (done + (_share(view) or 0.0)) / closed.total if closed.total else 0.0
    left = "" if scene.dead else _left(scene)
    return [title, parts(width, _bar(share, width - len(left) - GAP), left)]


def _left(scene: Scene) -> str:
    if scene.ends is None:
        return "time left not known yet"
    if scene.ends <= scene.now:
        return "longer than expected"
    ends, today = time.localtime(scene.ends), time.localtime(scene.now)
    clock = time.strftime("%H:%M" if ends[:3] == today[:3] else "%Y-%m-%d %H:%M", ends)
    return f"about {duration(scene.ends - scene.now)} left, until {clock}"


def _share(view: View) -> float | None:
    """How much of the training is done, by what it says last."""
    done, total = view.progress or (0.0, None)
    return min(1.0, max(0.0, done / total)) if total and total > 0 else None


def _bar(share: float, width: int) -> Text:
    """Empty where there is too little room for one."""
    width = min(width, LONGEST_BAR)
    full = round(min(1.0, max(0.0, share)) * width)
    if width < SHORTEST_BAR:
        return Text("")
    return Text("").append("━" * full, "green").append("─" * (width - full), "dim")


def _run(scene: Scene, view: View, width: int) -> list[Text]:
    """Which run, of what, with which values: on one line where that fits."""
    last = scene.closed.last if scene.closed else "?"
    line = Text(number(view, last), "bold").append(f"  {view.words}", "not bold")
    text = values(scene.run.foreground.hyperparameters) if scene.run else ""
    if not text:
        return [line]
    whole = line.copy().append(f"  {text}", "not bold dim")
    return [whole] if whole.cell_len <= width else [line, Text(text, "dim")]


def strip(scene: Scene, view: View, width: int) -> Text:
    """The phases of the run, and where it is; where that is too long, without the first ones."""
    names, kind = list(_phases(scene.run, view)), kind_of(view.phase)
    step = "foreground" if kind in ("step", "between_steps") else kind
    after = names.index("foreground") if view.attempt is not None else 0
    if step not in names[after:]:
        names.insert(after + 1, step)
    place = names.index(step, after)
    words = [Text(phase_words(name), "green" if n < place else "dim")
             for n, name in enumerate(names)]  # fmt: skip
    words[place] = Text(f"[{phase_words(view.phase)}]", "bold cyan")
    for between in (" › ", "›"):
        line = Text(between, "dim").join(words)
        if line.cell_len <= width:
            return line
    first = 0
    while line.cell_len > width and first < place:
        first += 1
        line = Text(" › ", "dim").join([Text("…", "dim"), *words[first:]])
    return line


def _phases(run: Run | None, view: View) -> tuple[str, ...]:
    if not (run.background if run else view.jobs):
        return ALONE
    held = run is not None and run.references is not None
    return (BESIDE[0], "context_held", *BESIDE[1:]) if held else BESIDE


def _phase(scene: Scene, view: View, width: int) -> list[Text]:
    """The phase that goes on: for how long, how far it is, and what is waited for."""
    words, said, share = phase(view, scene.now, "  "), "", None
    if kind_of(view.phase) in TRAINING and view.progress is not None:
        said, share = progress(view, scene.now), _share(view)
    elif view.until is not None and view.until > view.phase_since:
        share = (scene.now - view.phase_since) / (view.until - view.phase_since)
    bar = Text("")
    if share is not None:
        bar = _bar(share, width - len(words) - len(said) - 2 * GAP)
    line = parts(width, Text(words, "bold"), bar, said)
    moving = Text(view.moving or "", "yellow")
    if not view.moving or line.cell_len + GAP + moving.cell_len <= width:
        return [parts(width, line, moving)]
    return [line, moving]


def died(scene: Scene) -> str:
    """What to do about a campaign whose process is gone."""
    go_on = scene.closed.resume if scene.closed else "energyctl resume"
    return f"this campaign died: `energyctl stop` ends what it left, `{go_on}` goes on with it"


def closing(closed: CampaignProgress, now: float) -> str:
    """How a campaign ended."""
    tally = Counter(closed.finished.values())
    counts = ", ".join(f"{number} {status}" for status, number in sorted(tally.items()))
    text = f"{closed.name}: {len(closed.finished)} of {closed.total} runs finished"
    text += f" ({counts})" if counts else ""
    if closed.ended is None:
        return f"{text}; it has not ended: {closed.resume}"
    how = "interrupted" if closed.interrupted else "ended"
    text += f"; {how} {duration(now - closed.ended)} ago"
    return text + (f"; go on with: {closed.resume}" if closed.interrupted else "")
