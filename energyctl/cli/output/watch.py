"""What ``energyctl run`` and ``watch`` draw: a scene → lines for a terminal of any size."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.campaign.watcher import Scene
from energyctl.cli.output import scene_sections as sections
from energyctl.cli.output.layout import GAP, Section, cut, side_by_side, stacked
from energyctl.cli.output.run_view import plain_line
from energyctl.cli.output.scene_head import campaign_lines, closing, died, head

TWO_COLUMNS = 160
"""From so many columns on."""

TALL = 36
"""From so many lines on, long warnings are shown whole."""

KEYS = "q quits, l log, j jobs, r runs"
FULL = {"l": "log", "j": "jobs", "r": "runs"}
"""Key → the section that it shows alone."""


def screen(scene: Scene, width: int, height: int, full: str = "", hint: str = "") -> Group:
    """The view of a terminal of that size, never larger than it. full: one of FULL, alone."""
    view = scene.view
    if view is None:
        lines = [cut(line, width) for line in _nothing(scene)]
    elif full:
        lines = campaign_lines(scene, view, width, "esc back")
        lines += stacked(_one(scene, view, width, full, height), height - len(lines))
    else:
        lines = _whole(scene, view, width, height, hint)
    return Group(*(cut(line, width) for line in lines[:height]))


def _whole(scene: Scene, view: View, width: int, height: int, hint: str) -> list[Text]:
    top = head(scene, view, width, hint)
    room, lines = height - len(top) - 1, sections.WARNING_LINES if height >= TALL else 1
    if width < TWO_COLUMNS:
        every = [*_left(scene, view, width), *_right(scene, view, width, height, lines)]
        head_section = Section([[line] for line in top], len(top))
        return stacked([head_section, *every], height)
    half = (width - 2 * GAP) // 2
    left = stacked(_left(scene, view, half), room)
    right = stacked(_right(scene, view, half, height, lines), room)
    return [*top, Text(""), *side_by_side(left, right, half)]


def _left(scene: Scene, view: View, width: int) -> list[Section]:
    return [sections.devices(scene, view, width), sections.jobs(view, width)]


def _right(scene: Scene, view: View, width: int, height: int, lines: int) -> list[Section]:
    return [
        sections.log(scene, width),
        sections.warnings(scene, view, width, lines),
        sections.finished(scene, width),
        sections.following(scene, width, height),
    ]


def _one(scene: Scene, view: View, width: int, full: str, height: int) -> list[Section]:
    if full == "jobs":
        return [sections.jobs(view, width)]
    if full == "log":
        return [sections.log(scene, width)]
    return [sections.finished(scene, width), sections.following(scene, width, height)]


def _nothing(scene: Scene) -> list[Text]:
    lines = [Text("no campaign runs in this workspace", "bold")]
    return [*lines, Text(closing(scene.closed, scene.now))] if scene.closed else lines


def plain(scene: Scene) -> str:
    """One line, for pipes and logs."""
    view = scene.view
    if view is None:
        return " | ".join(line.plain for line in _nothing(scene))
    last = scene.closed.last if scene.closed else 0
    parts = [died(scene)] if scene.dead else []
    return " | ".join([*parts, plain_line(view, last, scene.ends)])
