"""What stands beside a training, in words: the label of a condition that has none of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from energyctl.config.settings import ALONE

BESIDE = "beside"


def derived_label(jobs: Iterable[tuple[str | None, str | None]]) -> str:
    """``alone``, ``beside REPO/MODEL`` or ``beside REPO/MODEL + 2 × REPO/MODEL``.

    *jobs*: repository and model of each copy of each background job, in their order.
    """
    copies = Counter(f"{repo}/{model}" if repo else "a background" for repo, model in jobs)
    if not copies:
        return ALONE
    words = (f"{n} × {name}" if n > 1 else name for name, n in copies.items())
    return f"{BESIDE} {' + '.join(words)}"
