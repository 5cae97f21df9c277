"""``python -m energyctl``, and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; errors become one line and the exit code of their kind."""
    try:
        from energyctl.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while it imports: `run` handles its own
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
