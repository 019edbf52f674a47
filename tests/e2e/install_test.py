#!/usr/bin/python3
"""What a stranger does: install, then build a project of his own against the prefix."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from support import BUILD, SOURCE, DomainTest

CORE_ONLY = """
cmake_minimum_required(VERSION 3.22)
project(core_only LANGUAGES CXX)
find_package(sluice REQUIRED COMPONENTS core)
add_executable(core_only main.cpp)
target_link_libraries(core_only PRIVATE sluice::core)
"""

CORE_MAIN = """
#include <sluice/transport_registry.hpp>
int main() { return sluice::TransportRegistry().names().size() == 2 ? 0 : 1; }
"""


class InstalledPrefix(DomainTest):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-install-"))
        cls.prefix = cls.work / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def build(self, source, name):
        build = self.work / name
        for command in (["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                        ["cmake", "--build", build]):
            result = self.run_program(*map(str, command))
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return build

    def test_the_installed_command_finds_the_installed_plugins(self):
        result = self.run_program(str(self.prefix / "bin" / "sluice"), "plugin", "list")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn(str(self.prefix), result.stdout)

    def test_the_example_builds_against_the_prefix_and_talks(self):
        build = self.build(SOURCE / "examples" / "talker_listener", "talker_listener")
        self.environment["SLUICE_LOG_LEVEL"] = "info"
        listener = self.start(str(build / "listener"))
        talker = self.start(str(build / "talker"))
        while not re.search(r"received [1-9]\d*, lost 0", listener.stderr.readline()):
            self.assertIsNone(listener.poll())
        for process in (talker, listener):
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(), 0)

    def test_core_alone_links_with_nothing_else(self):
        source = self.work / "core_only_source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(CORE_ONLY)
        (source / "main.cpp").write_text(CORE_MAIN)
        program = self.build(source, "core_only") / "core_only"
        self.assertEqual(self.run_program(str(program)).returncode, 0)
        libraries = self.run_program("ldd", str(program)).stdout
        for library in ("boost", "spdlog", "fmt", "yaml"):
            self.assertNotIn(library, libraries)


if __name__ == "__main__":
    unittest.main(verbosity=2)
