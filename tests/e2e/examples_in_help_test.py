#!/usr/bin/python3
"""Each command's help ends with examples, and each example is a command line that `sluice` understands."""

import re
import shlex
import unittest

from support import SLUICE, DomainTest

REDIRECTION = r" > \S+$"


class ExamplesInHelp(DomainTest):
    def parses(self, line):
        program, *words = shlex.split(re.sub(REDIRECTION, "", line))
        self.assertEqual(program, "sluice", line)
        return self.sluice("--parse-only", *words)

    def check(self, command):
        text = self.sluice(*command, "--help").stdout
        self.assertIn("\nExamples:\n", text, command)
        examples = text.split("\nExamples:\n")[1].splitlines()
        for line in examples:
            self.assertTrue(line.startswith("  " + shlex.join(["sluice", *command])), line)
            result = self.parses(line.strip())
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""), line)
        if "\nSubcommands:\n" not in text:
            return 1
        listed = text.split("\nSubcommands:\n")[1].split("\n\n")[0]
        return sum(self.check([*command, name]) for name in re.findall(r"^  (\S+)", listed, re.MULTILINE))

    def test_every_command(self):
        self.assertGreater(self.check([]), 30)

    def test_what_is_no_command_line_is_refused(self):
        for line in ("sluice topic echo", "sluice topic list --jsn", "sluice topic echo /x --hex --raw", "sluice shm",
                     "sluice topic hz /x --window many", "sluice node list /x"):
            result = self.parses(line)
            self.assertEqual((result.returncode, result.stdout), (2, ""), line)
            self.assertNotEqual(result.stderr, "")

    def test_only_the_arguments_are_looked_at(self):
        process = self.open_topic("publish", "/x")
        process.kill()
        process.wait()
        self.assertEqual(self.sluice("--parse-only", "shm", "clean").stdout, "")
        self.assertIn("removed 3 leftover files", self.run_program(SLUICE, "shm", "clean").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
