"""Rules that other programs check: clang-format, clang-tidy, shellcheck, pyflakes."""

import json
import os
import posixpath
import re
import shutil
import subprocess

from remembered import in_parallel
from tree import SOURCES, Violation, rule

CLANG_TIDY = "clang-tidy-16"
TIDY_FOLDERS = ("transport/", "plugins/", "tools/", "examples/", "python/")
# Where a mistake costs most: what every message goes through.
QUICK_FILES = ("plugins/slick/topic_writer.cpp", "plugins/slick/topic_reader.cpp", "plugins/slick/raw_reader.cpp",
               "plugins/eshm/link.cpp", "plugins/inproc/channel.cpp")


def run(tree, *command):
    if shutil.which(command[0]) is None:
        raise SystemExit(f"lint: {command[0]} is not installed; ./dev lint installs it")
    return subprocess.run(command, cwd=tree.root, capture_output=True, text=True)


def reported(output, pattern):
    """Violations from lines that match the pattern: path, line, message."""
    for path, line, message in re.findall(pattern, output, re.MULTILINE):
        yield Violation(posixpath.normpath(path), int(line), message)


@rule("clang-format", "clang-format -i FILE")
def clang_format(tree):
    output = run(tree, "clang-format", "--dry-run", *tree.files(SOURCES)).stderr
    first = {}
    for violation in reported(output, r"^(.+?):(\d+):\d+: \w+: (code should be clang-formatted)"):
        first.setdefault(violation.path, violation)
    yield from first.values()


@rule("shellcheck", "see https://www.shellcheck.net/wiki/ for the number")
def shellcheck(tree):
    output = run(tree, "shellcheck", "--format=gcc", "--external-sources", *tree.scripts()).stdout
    yield from reported(output, r"^(.+?):(\d+):\d+: (.*)$")


@rule("pyflakes", "remove or define the name")
def pyflakes(tree):
    result = run(tree, "/usr/bin/python3", "-m", "pyflakes", *tree.files((".py",)))
    if "No module named" in result.stderr:
        raise SystemExit("lint: pyflakes is not installed; ./dev lint installs it")
    yield from reported(result.stdout + result.stderr, r"^(.+?):(\d+):\d+:? (.*)$")


@rule("clang-tidy", "do what it says; .clang-tidy says why each check is there", compiles=True)
def clang_tidy(tree):
    """Every translation unit below TIDY_FOLDERS, as the preset "lint" compiles it. A unit that was clean is not looked
    at again until it, a header of ours that it includes, its command or .clang-tidy changes."""
    database = json.loads((tree.build / "compile_commands.json").read_text())
    commands = {os.path.relpath(entry["file"], tree.root): entry["command"] for entry in database}
    folders = QUICK_FILES if tree.quick else TIDY_FOLDERS
    for path in tree.files((".cpp",), folders):
        if path not in commands and not path.startswith("examples/"):
            yield Violation(path, 0, f"is not compiled in {tree.build}")
    paths = [path for path in tree.files((".cpp",), folders) if path in commands]
    salt = run(tree, CLANG_TIDY, "--version").stdout + tree.text(".clang-tidy") + tree.text("tests/lint/tool_rules.py")
    yield from in_parallel(tree, paths, lambda path: tidy(tree, path), lambda path: salt + commands[path])


def tidy(tree, path):
    result = run(tree, CLANG_TIDY, "--quiet", "-p", str(tree.build), path)
    pattern = r"^(/?[^\s:]+):(\d+):\d+: (?:error|warning): (.*?\[[\w.-]+)(?:,-warnings-as-errors)?\]$"
    found = [Violation(os.path.relpath(tree.root / each.path, tree.root), each.line, each.what + "]")
             for each in reported(result.stdout, pattern)]
    if result.returncode != 0 and not found:
        return [Violation(path, 0, (result.stdout + result.stderr).strip()[-300:])]
    return found
