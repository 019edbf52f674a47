#!/usr/bin/python3
"""The code of docs/python.md is run: what a newcomer would copy, in the order of the page.

A `python` block is a program that ends by itself, with exit code 0; if its first line is `# NAME.py` it is only saved
under that name. A `sh` block is commands in the directory of these files. A `text` block is the end of what the block
before it printed."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import unittest

from install_support import InstalledTest, as_pattern, cache_entry
from support import BUILD, PATIENCE, SOURCE

PAGE = SOURCE / "docs" / "python.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def code():
    """(line, language, text) of every block."""
    text = PAGE.read_text()
    return [(text.count("\n", 0, block.start()) + 1, *block.groups()) for block in BLOCK.finditer(text)]


class Page(InstalledTest):
    def setUp(self):
        super().setUp()
        programs = self.work / "bin"
        programs.mkdir()
        (programs / "python3").symlink_to("/usr/bin/python3")  # and not another one on the path
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        self.environment.update(PYTHONPATH=str(BUILD / cache_entry("SLUICE_PYTHON_DIR")), SLUICE_LOG_LEVEL="warn")
        self.directory = self.project("newcomer")

    def output(self, *command):
        """What it printed. Nothing that it started outlives it."""
        log = self.work / "log"
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=self.directory, env=self.environment, start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        ended = process.poll() is not None
        with contextlib.suppress(ProcessLookupError):  # usually nobody of its group is left
            os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual((ended, process.wait()), (True, 0), log.read_text()[-2000:])
        return log.read_text()

    def run_block(self, line, language, text):
        """What the block printed; None for a file that is only saved."""
        if language == "sh":
            return self.output("sh", "-ec", text)
        named = re.match(r"# (\w+\.py)\n", text)
        file = self.directory / (named[1] if named else f"line_{line}.py")
        file.write_text(text)
        return None if named else self.output("python3", str(file))

    def test_its_code_runs_and_prints_what_it_shows(self):
        printed, ran = None, 0
        for line, language, text in code():
            with self.subTest(f"{PAGE.name}:{line}"):
                if language == "text":
                    shown = text.splitlines()
                    for expected, found in zip(shown, (printed or "").splitlines()[-len(shown):], strict=True):
                        self.assertRegex(found, f"^{as_pattern(expected)}$", printed)
                    continue
                self.assertIn(language, ("python", "sh"))
                printed = self.run_block(line, language, text)
                ran += 1
        self.assertGreaterEqual(ran, 10)

    def test_its_files_are_those_that_it_names(self):
        saved = {named[1] for _, language, text in code() if language == "python"
                 and (named := re.match(r"# (\w+\.py)\n", text))}
        used = {pathlib.PurePath(name).name for _, language, text in code() if language == "sh"
                for name in re.findall(r"[\w/]+\.py\b", text)}
        self.assertEqual(saved, used)


if __name__ == "__main__":
    unittest.main(verbosity=2)
