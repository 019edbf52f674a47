"""`python3 -m sluice ARGUMENTS` becomes the command `sluice` that came with this package."""

from __future__ import annotations

import os
import pathlib
import signal
import sys


def find_command() -> pathlib.Path:
    """The `sluice` program of the same wheel, or of the same prefix or build tree.

    Raises FileNotFoundError, with the places that were searched, when there is none.
    """
    package = pathlib.Path(__file__).resolve().parent
    prefixes = [package / "_native_prefix"]  # in a wheel
    if len(package.parents) > 3:
        prefixes.append(package.parents[3])  # above lib/python3.11/dist-packages, installed or built
    commands = [prefix / "bin" / "sluice" for prefix in prefixes]
    for command in commands:
        if os.access(command, os.X_OK) and command.is_file():
            return command
    raise FileNotFoundError(f"the command 'sluice' did not come with the Python package in {package}: looked for "
                            + " and ".join(map(str, commands)))


def main() -> None:
    """Replaces this process by the command: its arguments, exit code and signals are the command's own."""
    try:
        command = find_command()
    except FileNotFoundError as error:
        sys.exit(f"sluice: {error}")
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, at its start; the command would inherit it
        signal.signal(ignored, signal.SIG_DFL)
    os.execv(command, ["sluice", *sys.argv[1:]])


if __name__ == "__main__":
    main()
