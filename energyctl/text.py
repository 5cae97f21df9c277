"""Words for figures, names for files, JSON for documents: what every part says alike. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any


def duration(seconds: float | None) -> str:
    """``3 h 07 min``, ``12 min 05 s``, ``9.4 s``; ``?`` where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def brief(seconds: float) -> str:
    """``0.98 ms``, ``100 ms``, ``1.5 s``: two digits."""
    value, unit = (seconds * 1e3, "ms") if seconds < 1 else (seconds, "s")
    return f"{float(f'{value:.2g}'):g} {unit}"


def small_energy(joules: float) -> str:
    """``61 µJ``, ``95 mJ``, ``12.5 J``."""
    for scale, unit in ((1.0, "J"), (1e3, "mJ")):
        if joules * scale >= 1:
            return f"{joules * scale:.3g} {unit}"
    return f"{joules * 1e6:.3g} µJ"


def energy(joules: float | None, uncertainty: float | None = None, *, measured: bool = True) -> str:
    """``12.34 ± 0.05 kJ``, and ``(estimated)`` behind what was not measured."""
    if joules is None:
        return "unknown"
    unit, scale = ("J", 1.0) if abs(joules) < 10_000 else ("kJ", 1e3)
    if abs(joules) >= 10_000_000:
        unit, scale = "MJ", 1e6
    digits = 1 if unit == "J" else 2
    if uncertainty and uncertainty > 0:  # as many digits as show that it is not zero
        digits = min(6, max(digits, math.ceil(-math.log10(2 * uncertainty / scale))))
    text = f"{joules / scale:.{digits}f}"
    if uncertainty is not None:
        text += f" ± {uncertainty / scale:.{digits}f}"
    return f"{text} {unit}" + ("" if measured else " (estimated)")


def values(hyperparameters: Mapping[str, Any], names: tuple[str, ...] | None = None) -> str:
    """``learning_rate 0.1, epochs 20``, of *names* only where given; four digits are shown.

    With spaces, so that a narrow table breaks the line between words and not inside numbers.
    """
    chosen = hyperparameters if names is None else {n: hyperparameters[n] for n in names}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
    )


def count(number: int, noun: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def one_line(text: str, width: int = 100) -> str:
    """*text* without control characters, cut to *width*."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= width else clean[: width - 1] + "…"


def present(coverage: float | None, max_gap_seconds: float | None, load: float | None) -> str:
    """``  covered 99.7 %, longest gap 0.02 s, busy 98 %``; what is not known is left out."""
    parts = []
    if coverage is not None:
        parts.append(f"covered {100 * coverage:.1f} %")
    if max_gap_seconds is not None:
        parts.append(f"longest gap {max_gap_seconds:.2f} s")
    if load is not None:
        parts.append(f"busy {100 * load:.0f} %")
    return "  " + ", ".join(parts) if parts else ""


def safe_name(text: str) -> str:
    """*text* with everything but letters, digits, ``.``, ``_`` and ``-`` replaced by ``_``.

    Cut to 80 characters: a file's name holds 255, and some hold two of these and more.
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80] or "_"


def json_text(data: Any, *, ascii_only: bool = False) -> str:
    """Indented JSON that any reader takes: what is no finite number, JSON has no word for: null."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
