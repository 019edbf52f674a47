"""What a type checker is told is true: the stubs are those of the extension, and the package, the examples and the code
of docs/python.md type-check against them."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["SLUICE_SOURCE"])
# How pybind11 makes classes, which no stub can say.
OF_PYBIND11 = re.compile(r" is inconsistent, metaclass differs$|\.__init__ is inconsistent, stub does not have \*args")
MISTAKES = """
import sluice
Tick = sluice.MessageType("demo/Tick", [("number", "u8")])
with sluice.Node("mistaken") as node:
    out = node.advertise(Tick, "ticks")  # the wrong way round
    out.publish(1)  # no buffer
    out.wait_for_subscribers(timeout="1s")  # seconds, as a number
    ticks = node.subscribe("ticks", Tick)
    ticks.take().array  # it may be None
    ticks.stats().receved  # a slip
"""


class Types(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="sluice-types-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.environment = dict(os.environ, MYPYPATH=os.environ["PYTHONPATH"],
                               MYPY_CACHE_DIR=str(cls.directory / "cache"))

    def run_module(self, *command):
        result = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=self.directory, env=self.environment,
                                stdin=subprocess.DEVNULL, text=True, capture_output=True)
        self.assertNotIn("No module named", result.stderr, "python3-mypy is not installed; ./dev setup installs it")
        return result

    def check(self, *arguments):
        return self.run_module("mypy", "--check-untyped-defs", "--no-error-summary", *arguments)

    def assert_clean(self, result):
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_the_stubs_are_those_of_the_extension(self):
        result = self.run_module("mypy.stubtest", "--concise", "sluice._native")
        lines = (result.stdout + result.stderr).splitlines()
        self.assertTrue(any(OF_PYBIND11.search(line) for line in lines), lines)  # it has looked at the extension
        self.assertEqual([line for line in lines if not OF_PYBIND11.search(line)], [])

    def test_the_package_is_right_in_itself(self):
        self.assert_clean(self.check("--disallow-untyped-defs", "-p", "sluice"))

    def test_the_examples_are_right(self):
        for example in sorted((SOURCE / "examples" / "python").glob("*.py")):
            with self.subTest(example.name):
                self.assert_clean(self.check(example))

    def test_the_documentation_is_right(self):
        page = (SOURCE / "docs" / "python.md").read_text()
        blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        self.assertNotEqual(blocks, [])
        for number, block in enumerate(blocks):
            program = self.directory / f"block_{number}.py"
            program.write_text(block)
            with self.subTest(block[:60]):
                self.assert_clean(self.check(program))

    def test_mistakes_are_seen(self):
        program = self.directory / "mistaken.py"
        program.write_text(MISTAKES)
        found = {int(line) for line in re.findall(r"mistaken\.py:(\d+): error", self.check(program).stdout)}
        wrong = {number for number, line in enumerate(MISTAKES.splitlines(), 1) if "  # " in line}
        self.assertEqual(found, wrong)


if __name__ == "__main__":
    unittest.main()
