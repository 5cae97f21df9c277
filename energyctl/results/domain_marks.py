"""How domains are told apart wherever they are drawn: neutral tones, and dashes of lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = ("gpu", "cpu", "dram", "other")
TONES = {
    "gpu": ("#526877", "#647a8a"),
    "cpu": ("#a1917f", "#7b6c5b"),
    "dram": ("#7e817f", "#656865"),
    "other": ("#8c8f8c", "#696c69"),
}
"""By turns, so that neighbours in a stack differ in grey, too, whichever of them there are."""
DASHES = {
    "gpu": ([1, 0], [6, 2], [12, 3], [4, 4], [10, 2, 2, 2, 2, 2], [3, 1], [8, 6], [12, 2, 4, 2]),
    "cpu": ([2, 2], [8, 2, 2, 2], [5, 2, 1, 2], [1, 1]),
    "dram": ([1, 3], [1, 5], [1, 2, 1, 5], [1, 7]),
    "other": ([3, 6], [2, 1, 1, 1], [6, 1, 1, 1, 1, 1], [9, 1]),
}
"""Of lines of each kind of domain, by number."""


def kind_of(domain: str) -> str:
    """Of :data:`KINDS`, by the domain's name: `gpu-0`, `package-1`, `dram`, `psys` …"""
    base = domain.partition("-")[0]
    if domain.endswith("-mmio"):
        return "other"
    return {"gpu": "gpu", "package": "cpu", "cpu": "cpu", "dram": "dram"}.get(base, "other")


def colours_of(domains: Sequence[str]) -> list[str]:
    """A tone for each: by its kind and number, the same in every chart."""
    return [TONES[kind][place % len(TONES[kind])] for kind, place in _places(domains)]


def dashes_of(domains: Sequence[str]) -> list[list[int]]:
    """Of its line, for each: by its kind and number, the same in every chart."""
    return [list(DASHES[kind][place % len(DASHES[kind])]) for kind, place in _places(domains)]


def _places(domains: Sequence[str]) -> list[tuple[str, int]]:
    """Kind and number; of other kinds, which are few, the place among them."""
    others = [domain for domain in domains if kind_of(domain) == "other"]
    places = []
    for domain in domains:
        kind, number = kind_of(domain), domain.rpartition("-")[2]
        named = int(number) if number.isdigit() else 0
        places.append((kind, others.index(domain) if kind == "other" else named))
    return places
