#!/usr/bin/python3
"""The README's examples are programs: they are taken out of it, built against an installed prefix, and run."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import BUILD, SOURCE, DomainTest


def block(language):
    found = re.findall(rf"^```{language}\n(.*?)^```", (SOURCE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"the README has {len(found)} {language} blocks"
    return found[0]


class Readme(DomainTest):
    def test_the_program_builds_against_a_prefix_and_runs(self):
        work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-readme-"))
        self.addCleanup(shutil.rmtree, work)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", work / "prefix"], check=True, capture_output=True)
        (work / "main.cpp").write_text(block("cpp"))
        (work / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(readme LANGUAGES CXX)\n" + block("cmake"))
        for command in (["cmake", "-S", work, "-B", work / "build", f"-DCMAKE_PREFIX_PATH={work / 'prefix'}"],
                        ["cmake", "--build", work / "build"]):
            result = self.run_program(*map(str, command))
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.environment["SLUICE_LOG_LEVEL"] = "info"
        result = self.run_program(str(work / "build" / "imu_demo"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("number 10, 0 lost before it", result.stderr)

    def test_the_configuration_can_be_used(self):
        result = self.sluice("config", "check", self.file("readme.yaml", block("yaml")))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "ok: 3 topics, 1 wildcard\n", ""))

    def test_its_links_lead_somewhere(self):
        prose = re.sub(r"^```.*?^```", "", (SOURCE / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)]+)\)", prose):
            self.assertTrue((SOURCE / target).exists(), target)

    def test_its_first_commands_are_those_of_dev(self):
        usage = subprocess.run([SOURCE / "dev", "help"], capture_output=True, text=True, check=True).stdout
        for command in re.findall(r"^    (\./dev \w+)", (SOURCE / "README.md").read_text(), re.MULTILINE):
            self.assertIn(command, usage)


if __name__ == "__main__":
    unittest.main(verbosity=2)
