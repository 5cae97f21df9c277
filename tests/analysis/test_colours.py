"""Colours, shapes and dashes that everybody can tell apart: as the colour-blind see them, in grey,
and on the background of every theme."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from energyctl.analysis.charts import themes
from energyctl.results import domain_marks
from energyctl.results.pairs import PARTS

VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868],
         [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968],
         [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779],
         [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
    "grey": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}  # fmt: skip
"""Linear RGB → linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.0; luminance."""
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
"""Linear sRGB → CIE XYZ, D65."""

CONDITIONS_APART = 30.0
"""Least distance in CIE Lab (1976) of the first four conditions, in every colour vision."""
NEIGHBOURS_APART = 7.0
"""Of parts that lie beside each other in a stacked bar, in grey, too."""
APART = 3.4
"""Of any two parts of one bar, in grey; a step of lightness of 1 is just seen side by side."""

SERVER = ["gpu-0", "gpu-1", "package-0", "package-1", "dram"]
SMALL = (["gpu-0", "package-0", "dram"], ["gpu-0", "gpu-1", "package-0", "dram"])
LARGE = [*(f"gpu-{number}" for number in range(8)), "package-0", "package-1", "dram"]


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray:
    seen = np.clip(VISIONS[vision] @ linear(colour), 0, 1)
    x, y, z = (
        np.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116
        for t in XYZ @ seen / XYZ.sum(axis=1)
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, vision: str) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


def test_distances_are_those_of_known_colours() -> None:
    assert distance("#000000", "#ffffff", "normal") == pytest.approx(100, abs=0.01)
    assert lab("#ff0000", "normal") == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    assert distance("#ff0000", "#b8a000", "deuteranopia") < distance("#ff0000", "#b8a000", "normal")


@pytest.mark.parametrize("vision", [name for name in VISIONS if name != "grey"])
def test_the_first_four_conditions_differ_by_colour_alone(vision: str) -> None:
    for one, other in combinations(themes.CONDITION_COLOURS[:4], 2):
        assert distance(one, other, vision) >= CONDITIONS_APART, (one, other)


def test_conditions_differ_by_shape_and_stay_apart_beyond_eight() -> None:
    marks = themes.condition_marks(f"beside {number}" for number in range(24))
    assert len({*marks.values()}) == 24
    for group in ([*marks.values()][:8], [*marks.values()][8:16]):
        assert len({mark.shape for mark in group}) == 8
        assert len({mark.colour for mark in group}) == 8


def test_alone_comes_first_and_a_mark_does_not_depend_on_the_order_of_runs() -> None:
    marks = themes.condition_marks(["beside b", "a quiet night", "alone", "beside b"])
    assert [*marks] == ["alone", "a quiet night", "beside b"]
    assert marks["alone"] == (themes.CONDITION_COLOURS[0], "circle")
    assert marks == themes.condition_marks(reversed(list(marks)))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("domains", [SERVER, LARGE, *SMALL], ids="-".join)
def test_domains_are_told_apart_as_bars_and_as_lines(domains: list[str], vision: str) -> None:
    tones, dashes = domain_marks.colours_of(domains), domain_marks.dashes_of(domains)
    for one, other in pairwise(tones):  # in the order in which bars are stacked
        assert distance(one, other, vision) >= NEIGHBOURS_APART, (one, other)
    if domains is not LARGE:
        for one, other in combinations(tones, 2):
            assert distance(one, other, vision) >= APART, (one, other)
    assert len({tuple(dash) for dash in dashes}) == len(domains)


@pytest.mark.parametrize("vision", VISIONS)
def test_parts_of_energy_are_told_apart(vision: str) -> None:
    colours = [themes.SHARE_COLOURS[part] for part in PARTS]
    for one, other in pairwise(colours):
        assert distance(one, other, vision) >= NEIGHBOURS_APART, (one, other)
    for one, other in combinations(colours, 2):
        assert distance(one, other, vision) >= APART, (one, other)


def test_no_domain_part_or_phase_has_the_colour_of_a_condition() -> None:
    tones = {tone for kind in domain_marks.TONES.values() for tone in kind}
    others = tones | {*themes.SHARE_COLOURS.values()} | {*themes.PHASE_COLOURS.values()}
    for colour in others | {themes.FRONT}:
        for condition in themes.CONDITION_COLOURS[:4]:
            assert distance(colour, condition, "normal") >= 25, (colour, condition)
        assert colour not in themes.CONDITION_COLOURS
    assert all(np.hypot(*lab(tone, "normal")[1:]) <= 12.5 for tone in tones)  # neutral


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def test_colours_stand_out_from_the_background_of_every_theme() -> None:
    drawn = {tone for kind in domain_marks.TONES.values() for tone in kind}
    drawn |= {*themes.CONDITION_COLOURS, *themes.SHARE_COLOURS.values()}
    for colour in drawn | {themes.FAILED, themes.FRONT, *themes.PHASE_COLOURS.values()}:
        for background in themes.BACKGROUNDS.values():
            low, high = sorted((luminance(colour), luminance(background)))
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, background)


def test_a_domain_has_its_colour_whatever_stands_beside_it() -> None:
    several = ["package-0", "gpu-0", "gpu-1"]
    for device in (domain_marks.colours_of, domain_marks.dashes_of):
        assert [*device(["gpu-1"])] == [*device(several)][2:]
