"""``python -m energyctl``, and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; errors become one line and the exit code of their kind."""
    from energyctl.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
