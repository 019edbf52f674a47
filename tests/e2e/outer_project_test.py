#!/usr/bin/python3
"""Sluice as a part of another project: add_subdirectory and FetchContent, with the lines that the README gives.

What is compiled is the same as in Sluice's own build, so of it only core and the plugins are built here, and a program
on top of core is run. SLUICE_TEST_WHOLE_OUTER_PROJECT=1 builds all of it."""

import json
import os
import re
import shlex
import shutil
import tarfile
import unittest

from install_support import STATIC_PLUGINS, InstalledTest, blocks
from support import SOURCE

WHOLE = os.environ.get("SLUICE_TEST_WHOLE_OUTER_PROJECT") == "1"
FIND_PACKAGE, ADD_SUBDIRECTORY, FETCH_CONTENT = blocks(SOURCE / "README.md", "cmake")
PROGRAMS = """
add_executable(list_transports list_transports.cpp)
target_link_libraries(list_transports PRIVATE sluice::core)
get_directory_property(leaked_options COMPILE_OPTIONS)
get_directory_property(leaked_definitions COMPILE_DEFINITIONS)
message(STATUS "leaked: [${leaked_options}${leaked_definitions}${CMAKE_RUNTIME_OUTPUT_DIRECTORY}]")
"""
LIST_TRANSPORTS = """
#include <cstdio>
#include <sluice/transport_registry.hpp>
int main() {
  const sluice::TransportRegistry registry;
  for (const auto& plugin : registry.plugins()) {
    std::printf("%s %s%s\\n", plugin.name.c_str(), plugin.path.c_str(), plugin.error.c_str());
  }
}
"""


def project_with(lines):
    """The README's project with `lines` in place of find_package, and a second program."""
    assert "find_package(sluice REQUIRED)\n" in FIND_PACKAGE
    programs = PROGRAMS
    if "find_package(sluice" not in lines:  # the targets that slick_queue programs link are there as well
        programs = PROGRAMS.replace("sluice::core)", "sluice::core slick::queue slick::slick_queue)")
    return FIND_PACKAGE.replace("find_package(sluice REQUIRED)\n", lines) + programs


def copy_sources(target):
    """What a release's archive would hold: no build trees, no history."""
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("build", ".git", "golden"))


class OuterProject(InstalledTest):
    def outer(self, name, lines):
        main, = blocks(SOURCE / "README.md", "cpp")
        return self.project(name, CMakeLists__txt=project_with(lines), main__cpp=main,
                            list_transports__cpp=LIST_TRANSPORTS)

    def flags(self, directory):
        """How each of the outer programs is compiled, paths of headers apart."""
        flags = {}
        for entry in json.loads((directory / "build" / "compile_commands.json").read_text()):
            source = os.path.relpath(entry["file"], directory)
            words = shlex.split(entry["command"])
            if source in ("main.cpp", "list_transports.cpp"):
                flags[source] = [word for word in words if re.match(r"-(?!I|isystem|o|c$)", word)]
        self.assertEqual(len(flags), 2)
        return flags

    def sources_compiled(self, directory):
        entries = json.loads((directory / "build" / "compile_commands.json").read_text())
        return {os.path.relpath(os.path.realpath(entry["file"]), os.path.realpath(directory)) for entry in entries}

    def assert_same_as_installed(self, directory):
        installed = self.outer("installed", "find_package(sluice REQUIRED)\n")
        self.configure(installed, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.assertEqual(self.flags(directory), self.flags(installed))
        for word in sum(self.flags(directory).values(), []):
            self.assertRegex(word, "^-(D(SPDLOG|FMT)_|std=|pthread)", "the user has not asked for it")

    def assert_programs_run(self, directory):
        """Only the programs are asked for: what they need at run time must come with them."""
        targets = ["list_transports", "imu_demo"] if WHOLE else ["list_transports"] + self.plugin_targets()
        if not WHOLE:
            self.configure(directory, "-DCMAKE_UNITY_BUILD=ON")  # half the time, and users may do it, too
        self.succeeds("cmake", "--build", directory / "build", "--target", *targets)
        transports = self.succeeds(directory / "build" / "list_transports").splitlines()
        self.assertEqual([line.split()[0] for line in transports], ["eshm", "inproc", "slick"])
        for line in transports:
            self.assertIn("" if STATIC_PLUGINS else f" {directory.resolve()}/build/", line)
        if WHOLE:
            output = self.succeeds(directory / "build" / "imu_demo")
            self.assertIn("number 10, 0 lost before it", output)

    def plugin_targets(self):
        return [] if STATIC_PLUGINS else ["sluice_plugin_eshm", "sluice_plugin_inproc", "sluice_plugin_slick"]

    def test_add_subdirectory(self):
        directory = self.outer("added", ADD_SUBDIRECTORY)
        copy_sources(directory / "sluice")
        static = f"-DSLUICE_STATIC_PLUGINS={'ON' if STATIC_PLUGINS else 'OFF'}"
        self.assertIn("leaked: []", self.configure(directory, static))
        self.assert_same_as_installed(directory)
        for source in self.sources_compiled(directory) - {"main.cpp", "list_transports.cpp"}:
            self.assertRegex(source, r"^sluice/(transport|plugins)/", "tests, tools and examples are not built")
        self.assertIn("Total Tests: 0", self.succeeds("ctest", "--test-dir", directory / "build", "-N"))
        self.assert_programs_run(directory)

    def test_fetch_content(self):
        directory = self.outer("fetched", FETCH_CONTENT)
        copy_sources(self.work / "sluice-sources")
        archive = self.work / "sluice.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(self.work / "sluice-sources", "sluice-1.0")
        self.assertIn("leaked: []", self.configure(directory, f"-DSLUICE_ARCHIVE={archive}"))
        self.assert_same_as_installed(directory)
        # The same sources with the same flags need not be compiled twice: the targets only have to be there.
        plan = self.succeeds("ninja", "-C", directory / "build", "-t", "commands", "imu_demo")
        for part in ("libsluice.so", "libsluice-core.so") + (() if STATIC_PLUGINS else ("sluice_slick.so",)):
            self.assertIn(part, plan)

    @unittest.skipIf(STATIC_PLUGINS, "there are no plugin files")
    def test_plugins_lie_beside_the_library_in_each_configuration(self):
        directory = self.outer("configurations", ADD_SUBDIRECTORY)
        copy_sources(directory / "sluice")
        self.environment["CMAKE_GENERATOR"] = "Ninja Multi-Config"
        self.configure(directory)
        plan = self.succeeds("ninja", "-C", directory / "build", "-f", "build-Debug.ninja", "-t", "commands",
                             "imu_demo")
        core, = set(re.findall(r"-o (\S+)/libsluice-core\.so", plan))
        self.assertIn("/Debug", core)
        self.assertIn(f"-o {core}/sluice/plugins/sluice_slick.so", plan)


if __name__ == "__main__":
    unittest.main(verbosity=2)
