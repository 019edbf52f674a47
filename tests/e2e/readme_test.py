#!/usr/bin/python3
"""The README's examples are programs: they are taken out of it, built against an installed prefix, and run."""

import re
import subprocess
import unittest

from install_support import LIBRARIES, InstalledTest, as_pattern, blocks
from support import SOURCE, DomainTest

README = SOURCE / "README.md"


def only(language):
    found, = blocks(README, language)
    return found


class OwnProject(InstalledTest):
    """The section about a project of one's own, in an empty directory. Its cmake blocks are: a whole project, and two
    other ways to say `find_package`; its sh blocks: how to build that project, and how to do without CMake."""

    def setUp(self):
        super().setUp()
        self.directory = self.project("stranger", main__cpp=only("cpp"), CMakeLists__txt=blocks(README, "cmake")[0])

    def assert_prints_what_the_readme_shows(self, output):
        shown = only("text").splitlines()
        for line, printed in zip(shown, output.splitlines()[-len(shown):], strict=True):
            self.assertRegex(printed, f"^{as_pattern(line)}$", output)
        self.assertTrue(output.endswith("number 10, 0 lost before it\n"), output)

    def test_the_project_builds_against_the_prefix_and_runs(self):
        output = self.shell(blocks(README, "sh")[0], self.directory)
        self.assert_prints_what_the_readme_shows(output)

    def test_pkg_config_is_enough(self):
        self.environment["PKG_CONFIG_PATH"] = f"{self.prefix}/{LIBRARIES}/pkgconfig"
        script = blocks(README, "sh")[1].replace("$PREFIX/lib", f"$PREFIX/{LIBRARIES}")
        output = self.shell(script, self.directory)
        self.assert_prints_what_the_readme_shows(output)


class Readme(DomainTest):
    def test_the_configuration_can_be_used(self):
        result = self.sluice("config", "check", self.file("readme.yaml", only("yaml")))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "ok: 4 topics, 1 wildcard\n", ""))

    def test_its_links_lead_somewhere(self):
        prose = re.sub(r"^```.*?^```", "", README.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)]+)\)", prose):
            self.assertTrue((SOURCE / target).exists(), target)

    def test_its_first_commands_are_those_of_dev(self):
        usage = subprocess.run([SOURCE / "dev", "help"], capture_output=True, text=True, check=True).stdout
        for command in re.findall(r"^    (\./dev \w+)", README.read_text(), re.MULTILINE):
            self.assertIn(command, usage)


if __name__ == "__main__":
    unittest.main(verbosity=2)
