"""Words and numbers of phases above a plot: all there, in order, and none over another."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.analysis.charts import run_overview
from energyctl.analysis.charts.figure_files import POINTS_PER_MM, figure
from energyctl.analysis.charts.phase_labels import GAP, phase_labels
from energyctl.results.phases import WORDS

LETTER = 3.7


def rows(*spans: tuple[str, float]) -> list[dict[str, Any]]:
    made, at = [], 0.0
    for label, seconds in spans:
        made.append({"label": label, "start": at, "end": at + seconds})
        at += seconds
    return made


RUN = rows(
    ("idle", 4), ("load coming up", 0.5), ("context held", 5), ("load coming up", 0.01),
    ("load coming up", 15), ("load alone", 0.06), ("training", 19), ("load alone", 17),
    ("load going down", 0.05), ("cool-down", 78),
)  # fmt: skip


def test_a_phase_that_is_too_narrow_has_a_number_and_its_key() -> None:
    found = phase_labels(RUN, 200, LETTER)
    texts = [one.text for one in found.labels]
    assert texts == ["1", "2", "3", "2", "4", "5", "4", "6", "cool-down"]
    assert found.key_lines(54) == [
        "1 idle · 2 load coming up · 3 context held",
        "4 load alone · 5 training · 6 load going down",
    ]
    assert phase_labels([], 200, LETTER).labels == ()


SPANS = st.lists(
    st.tuples(st.sampled_from(sorted(WORDS.values())), st.integers(0, 50_000)),
    min_size=1,
    max_size=14,
)


@pytest.mark.parametrize("width", [200.0, 440.0])
@given(spans=SPANS)
def test_no_label_meets_another_or_leaves_the_plot(
    width: float, spans: list[tuple[str, float]]
) -> None:
    found = phase_labels(rows(*spans), width, LETTER)
    boxes = [(one.middle - one.size / 2, one.middle + one.size / 2) for one in found.labels]
    assert all(one[1] + GAP <= other[0] + 1e-6 for one, other in pairwise(boxes))
    assert boxes[0][0] >= -1e-6
    assert boxes[-1][1] <= width + 1e-6
    words = {one.text for one in found.labels} | {*found.keys}
    assert {label for label, _ in spans} <= words


def test_the_figure_of_a_column_has_a_key_to_every_phase() -> None:
    def chart(width: float) -> Any:
        return run_overview(["gpu-0"], width=width, height=90, text=LETTER, phases=RUN)

    power = [{"seconds": at, "domain": "gpu-0", "watts": 200.0, "mean": False} for at in (0, 138)]
    phases = [{**one, "phase": "idle"} for one in RUN]
    drawn = figure(chart, {"power": power, "phases": phases}, "svg", 85 * POINTS_PER_MM).decode()
    root = ElementTree.fromstring(drawn)
    texts = [" ".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    said = " · ".join(texts)
    for words in {one["label"] for one in RUN}:
        assert f" {words}" in said
    assert float(root.attrib["width"]) == pytest.approx(85 * POINTS_PER_MM, abs=1)
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', drawn)]
    assert sizes
    assert min(sizes) >= 6
