"""``python -m energyctl``, ``python …/energyctl/__main__.py``, and the console script."""

# Nothing may be imported before this but `sys`, which is built in: Python looks first in the
# current folder (-m) or in that of this file, and a workspace may hold a queue.py of its own.
import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]


def main() -> None:
    """Runs the command line; errors become one line and the exit code of their kind."""
    try:
        _in_utf8()
        _write_no_bytecode_as_root()
        from energyctl.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while it imports: `run` handles its own
        code = 130
    sys.exit(code)


def _write_no_bytecode_as_root() -> None:
    """Under sudo the caller's limits hold (RLIMIT_FSIZE, setrlimit(2)), by which root would leave
    modules in the installation that are cut off, for all users."""
    import os

    if "SUDO_UID" in os.environ:
        sys.dont_write_bytecode = True


def _in_utf8() -> None:
    """Starts this process anew in Python's UTF-8 mode where the locale has another encoding.

    Names of files, arguments and what programs say are UTF-8 as the settings are, which not every
    encoding can hold. What is printed keeps the encoding of the terminal.
    """
    if sys.getfilesystemencoding() != "utf-8":
        import locale
        import os

        os.environ.setdefault("PYTHONIOENCODING", locale.getpreferredencoding(False))
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


if __name__ == "__main__":
    main()
