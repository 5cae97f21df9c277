"""Lines of text, tables and sections, fitted into a terminal of so many columns and lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

from rich.text import Text

from energyctl.text import count, printable

GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True)
class Section:
    """Entries of one kind, each of some lines.

    least: so many lines, with the heading, stay where room is scarce. what: an entry, where those
    that are not shown are counted. beyond: entries that are not among these. newest_last: the last
    entries stay, not the first.
    """

    entries: Sequence[Sequence[Text]]
    least: int
    what: str = ""
    heading: Text | None = None
    beyond: int = 0
    newest_last: bool = False
    apart: bool = True
    """With a blank line before it, where there is room."""

    @property
    def size(self) -> int:
        """Lines of all of it."""
        own = sum(map(len, self.entries)) + bool(self.heading)
        return own + bool(self.beyond) if own else 0

    def shown(self, room: int) -> list[Text]:
        """Not more than *room* lines of it."""
        head = [self.heading] if self.heading and room > 1 else []
        room -= len(head)
        if room <= 0:
            return []
        order = list(reversed(self.entries)) if self.newest_last else list(self.entries)
        hidden, counted = len(order) + self.beyond, bool(self.what) and room > 1
        chosen = list[Sequence[Text]]()
        for entry in order:
            note = 1 if counted and hidden > 1 else 0
            if len(entry) + note > room:
                break
            chosen.append(entry)
            room, hidden = room - len(entry), hidden - 1
        rest = [Text(f"… {count(hidden, f'more {self.what}')}", "dim")] * bool(hidden and counted)
        if self.newest_last:
            return [*head, *rest, *(line for entry in reversed(chosen) for line in entry)]
        return [*head, *(line for entry in chosen for line in entry), *rest]


def stacked(sections: Sequence[Section], height: int) -> list[Text]:
    """The sections one below the other, the most important first, in *height* lines at most.

    Each has its least as long as there is room; the rest is shared out line by line.
    """
    sections = [section for section in sections if section.size]
    rooms, left = list[int](), height
    for section in sections:
        rooms.append(min(section.least, section.size, left))
        left -= rooms[-1]
    blanks = sum(section.apart for section in sections[1:])
    blanks = blanks if left >= blanks else 0
    left -= blanks
    while left > 0 and (growing := [n for n, s in enumerate(sections) if rooms[n] < s.size]):
        for number in growing[:left]:
            rooms[number] += 1
        left -= len(growing[:left])
    lines = list[Text]()
    for section, room in zip(sections, rooms, strict=True):
        new = section.shown(room)
        lines += [Text("")] * bool(blanks and lines and new and section.apart) + new
    return lines


def side_by_side(left: Sequence[Text], right: Sequence[Text], width: int) -> Iterator[Text]:
    """Two columns; the left one is *width* wide."""
    for one, other in zip_longest(left, right, fillvalue=Text("")):
        line = cut(one, width)
        line.pad_right(width - line.cell_len + 2 * GAP)
        yield line.append_text(other)


def cut(text: Text, width: int) -> Text:
    """One line that is not wider, cut between words where it can be."""
    line = text.copy()
    line.plain = printable(line.plain)
    line.no_wrap, line.overflow = True, "ellipsis"
    if line.cell_len > width:
        line.truncate(max(0, width - 2), overflow="crop")
        space = line.plain.rfind(" ")
        if space > width // 2:
            line.right_crop(len(line) - space)
            line.append(" ")
        line.append("…")
    return line


def wrapped(text: Text, width: int, most: int) -> list[Text]:
    """The same in *most* lines at most, of which all but the first are indented."""
    words, lines = printable(text.plain).split(" "), [Text(style=text.style)]
    for number, word in enumerate(words):
        new = Text(word)
        if lines[-1].plain.strip() and lines[-1].cell_len + new.cell_len + 1 > width:
            if len(lines) == most:
                lines[-1].append(" " + " ".join(words[number:]))
                break
            lines.append(Text("  ", style=text.style))
        elif lines[-1].plain.strip():
            lines[-1].append(" ")
        lines[-1].append(word)
    return [cut(line, width) for line in lines]


def parts(width: int, *texts: Text | str) -> Text:
    """Those of *texts* that fit into a line, two blanks apart."""
    line = Text("")
    for text in texts:
        part = Text(text) if isinstance(text, str) else text
        if part.plain and not line.plain:
            line = cut(part, width)
        elif part.plain and line.cell_len + GAP + part.cell_len <= width:
            line = line + Text(" " * GAP) + part
    return line


@dataclass(frozen=True)
class Column:
    """Of a table. optional: it is left out, the rightmost first, where there is no room."""

    head: str
    cells: Sequence[Text]
    right: bool = False
    optional: bool = False

    @cached_property
    def width(self) -> int:
        return max([Text(self.head).cell_len, *(cell.cell_len for cell in self.cells)])


def width_of(columns: Sequence[Column]) -> int:
    return sum(column.width + GAP for column in columns) - GAP


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Those that are not empty and for which there is room."""
    kept = [column for column in columns if any(cell.plain for cell in column.cells)]
    while width_of(kept) > width and (rare := [c for c in kept if c.optional]):
        kept.remove(rare[-1])
    return kept


def rows(columns: Sequence[Column], width: int, least: int = 18) -> tuple[Text, list[Text]]:
    """The heading and the lines of a table; its first column is cut where there is no room."""
    kept = fitting(columns, width + max(0, columns[0].width - least))
    if (over := width_of(kept) - width) > 0:
        first = max(1, kept[0].width - over)
        cells = [cut(cell, first) for cell in kept[0].cells]
        kept[0] = replace(kept[0], head=kept[0].head[:first], cells=cells)
    head = _row([Text(column.head, "dim") for column in kept], kept)
    lines = zip(*(column.cells for column in kept), strict=True)
    return head, [_row(list(line), kept) for line in lines]


def _row(cells: Sequence[Text], columns: Sequence[Column]) -> Text:
    line = Text("")
    for number, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        blanks = " " * (column.width - cell.cell_len)
        line.append(" " * GAP if number else "")
        line.append(blanks if column.right else "").append_text(cell)
        line.append("" if column.right else blanks)
    line.rstrip()
    return line
