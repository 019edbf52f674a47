#!/usr/bin/python3
"""./dev lint --self-test: a guard that cannot fail is none. Plants violations of every rule in a copy of the tree, one
at a time, and demands that the rule reports each of them there."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lint  # noqa: E402
from planted_violations import PLANTED, TOLERATED  # noqa: E402
from tree import RULES, Tree  # noqa: E402

FIND = {rule.name: rule.find for rule in RULES}


class Planted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-lint-"))
        cls.root = cls.work / "tree"
        cls.build = cls.work / "build"
        cls.build.mkdir()
        for path in Tree(lint.ROOT, cls.build).files():
            (cls.root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(lint.ROOT / path, cls.root / path)
        subprocess.run(["git", "init", "-q"], cwd=cls.root, check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def plant(self, planted):
        """Changes the copy; puts it back after the test."""
        file = self.root / planted.path
        before = file.read_bytes() if file.exists() else None

        def restore():
            if before is None:
                file.unlink()
            else:
                file.write_bytes(before)

        file.parent.mkdir(parents=True, exist_ok=True)
        if planted.replace is None:
            old = before.decode() if before is not None and planted.append else ""
            file.write_text(planted.text + old if planted.first else old + planted.text)
        else:
            self.assertIn(planted.replace, before.decode(), f"{planted.path} has changed: adapt this test")
            file.write_text(before.decode().replace(planted.replace, planted.text, 1))
        self.addCleanup(restore)

    def violations(self, rule, path):
        """What the rule says about the copy. Rules that start a program are shown the planted file alone."""
        tree = Tree(self.root, self.build)
        if rule in ("self-contained", "clang-format", "shellcheck", "pyflakes", "clang-tidy"):
            tree.__dict__["_listed"] = [path]
        if rule == "clang-tidy":
            entry = {"directory": str(self.root), "file": str(self.root / path), "command": f"c++ -std=c++20 -c {path}"}
            (self.build / "compile_commands.json").write_text(json.dumps([entry]))
        return list(FIND[rule](tree))

    def test_every_rule_reports_what_breaks_it(self):
        for planted in PLANTED:
            with self.subTest(rule=planted.rule, planted=planted.text.strip()[:60] or planted.path):
                before = set()
                if (self.root / planted.path).exists():
                    before = {(each.path, each.what) for each in self.violations(planted.rule, planted.path)}
                self.plant(planted)
                found = {(each.path, each.what) for each in self.violations(planted.rule, planted.path)} - before
                self.doCleanups()
                self.assertTrue(any((planted.where or planted.path) == path and planted.says in what
                                    for path, what in found),
                                f"expected '{planted.says}' about {planted.where or planted.path}, found {found}")

    def test_what_is_allowed_is_not_reported(self):
        for planted in TOLERATED:
            with self.subTest(rule=planted.rule, planted=planted.text.strip()[:60]):
                before = {(each.path, each.what) for each in self.violations(planted.rule, planted.path)}
                self.plant(planted)
                found = {(each.path, each.what) for each in self.violations(planted.rule, planted.path)} - before
                self.doCleanups()
                self.assertEqual(found, set())

    def test_no_rule_goes_without_a_planted_violation(self):
        self.assertEqual({rule.name for rule in RULES}, {planted.rule for planted in PLANTED})

    def run_lint(self, *words):
        return subprocess.run([sys.executable, "-B", lint.__file__, "--root", self.root, "--build", self.build, *words],
                              capture_output=True, text=True)

    def test_the_output_says_rule_place_fault_and_remedy(self):
        clean = self.run_lint("decisions")
        self.assertEqual((clean.returncode, clean.stdout, clean.stderr), (0, "lint: clean\n", ""))
        self.plant(next(planted for planted in PLANTED if planted.rule == "decisions"))
        broken = self.run_lint("decisions")
        self.assertEqual(broken.returncode, 1)
        self.assertEqual(broken.stdout.splitlines(), [
            "decisions: 1",
            "  docs/decisions/1-first.md: is not named NNN-title.md",
            "  what to do: docs/decisions/NNN-title.md, each number once, with a heading",
            "",
            "lint: 1 rules are broken"])

    def test_an_unknown_rule_is_refused(self):
        result = self.run_lint("no-such-rule")
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is no rule 'no-such-rule'; there are: layering, ", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
