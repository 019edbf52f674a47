#!/usr/bin/python3
"""An installed prefix: what is in it, that it can be moved, used and removed, and how its packages refuse."""

import json
import pathlib
import re
import shlex
import shutil
import unittest

from install_support import LIBRARIES, STATIC_PLUGINS, InstalledTest, blocks, cache_entry, install
from support import SOURCE

CORE_PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(core_only LANGUAGES CXX)
find_package(sluice REQUIRED COMPONENTS core)
add_executable(core_only main.cpp)
target_link_libraries(core_only PRIVATE sluice::core)
"""
CORE_MAIN = """
#include <sluice/transport_registry.hpp>
int main() { return sluice::TransportRegistry().names().size() == 3 ? 0 : 1; }
"""
REFUSED = """
cmake_minimum_required(VERSION 3.22)
project(refused LANGUAGES CXX)
find_package(sluice {})
message(STATUS "sluice_FOUND: ${{sluice_FOUND}}")
"""
WARNINGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
LIBRARIES_OF_NODES = ("Boost", "spdlog", "fmt", "yaml-cpp", "CLI11", "nlohmann_json", "OpenSSL")


class InstalledPrefix(InstalledTest):
    """The prefix was moved, and its new name has a space in it."""

    prefix_name = "moved prefix"

    def files(self):
        return [path for path in self.prefix.rglob("*") if path.is_file()]

    def test_the_command_finds_the_plugins(self):
        result = self.run_program(str(self.prefix / "bin" / "sluice"), "plugin", "list")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"(?m)^slick ")
        if not STATIC_PLUGINS:
            self.assertIn(str(self.prefix), result.stdout)

    def test_the_shipped_launch_file_finds_nodes_and_configuration(self):
        launch_file = self.prefix / "share" / "sluice" / "launch" / "demo.yaml"
        plan = self.succeeds(self.prefix / "bin" / "sluice", "launch", launch_file, "--print")
        self.assertIn(str(self.prefix / "libexec" / "sluice" / "file_sink"), plan)
        self.assertIn(str(self.prefix / "share" / "sluice" / "config" / "demo.yaml"), plan)

    def test_nobody_s_path_gets_common_names(self):
        for program in (self.prefix / "bin").iterdir():
            self.assertTrue(program.name.startswith("sluice"), program.name)

    def test_nothing_remembers_where_it_was_built_or_installed(self):
        places = (str(SOURCE), str(cache_entry("CMAKE_HOME_DIRECTORY")), str(self.prefix.parent / "first"))
        for file in self.files():
            if file.suffix in (".cmake", ".pc", ".hpp", ".h", ".yaml"):
                for place in places:
                    self.assertNotIn(place, file.read_text(), file)
            elif file.read_bytes().startswith(b"\x7fELF"):
                for path in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", self.succeeds("readelf", "-d", file)):
                    self.assertRegex(path, r"^\$ORIGIN[^:]*(:\$ORIGIN[^:]*)*$", file)

    def test_a_library_s_name_changes_with_the_minor_version(self):
        for library in ("libsluice.so", "libsluice-core.so"):
            text = self.succeeds("readelf", "-d", self.prefix / LIBRARIES / library)
            self.assertRegex(text, r"\(SONAME\).*\[" + re.escape(library) + r"\.\d+\.\d+\]")

    def test_core_alone_needs_nothing_else(self):
        """Where CMake finds none of the other libraries; and none is included or linked."""
        project = self.project("core_only", CMakeLists__txt=CORE_PROJECT, main__cpp=CORE_MAIN)
        build = self.build(project, *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in LIBRARIES_OF_NODES))
        self.succeeds(build / "core_only")
        compile_command, = json.loads((build / "compile_commands.json").read_text())
        command = shlex.split(compile_command["command"])
        command = [word for word in command[command.index(cache_entry("CMAKE_CXX_COMPILER")):] if word != "-c"]
        headers = self.succeeds(*command[:command.index("-o")], "-M", project / "main.cpp")
        self.assertIn("sluice/transport_registry.hpp", headers)
        core = self.prefix / LIBRARIES / "libsluice-core.so"
        for name in ("boost", "spdlog", "fmt", "yaml"):
            self.assertNotRegex(headers, rf"/{name}[/-]")
        for file in (build / "core_only", core):
            for library in self.needed_libraries(file):
                self.assertRegex(library, r"^(libsluice-core|libstdc\+\+|libgcc_s|libm|libc|ld-linux[^.]*)\.so")

    def test_pkg_config_gives_everything_and_the_headers_are_free_of_warnings(self):
        self.environment["PKG_CONFIG_PATH"] = str(self.prefix / LIBRARIES / "pkgconfig")
        self.environment["LD_LIBRARY_PATH"] = str(self.prefix / LIBRARIES)
        nodes, = blocks(SOURCE / "README.md", "cpp")
        for package, main in (("sluice", nodes), ("sluice-core", CORE_MAIN)):
            project = self.project(package, main__cpp=main)
            flags = shlex.split(self.succeeds("pkg-config", "--cflags", "--libs", package))
            self.succeeds(self.environment["CXX"], *WARNINGS, project / "main.cpp", "-o", project / "main", *flags)
            self.succeeds(project / "main")
            self.assertEqual("spdlog" in " ".join(flags), package == "sluice")
            found, = shlex.split(self.succeeds("pkg-config", "--variable=prefix", package))
            self.assertEqual(pathlib.Path(found).resolve(), self.prefix.resolve())
        plugins = self.succeeds("pkg-config", "--variable=plugindir", "sluice-core").strip()
        self.assertTrue(STATIC_PLUGINS or (pathlib.Path(shlex.split(plugins)[0]) / "sluice_slick.so").exists(), plugins)

    def refusal(self, arguments, *options):
        """What CMake says when find_package fails; whether it went on."""
        project = self.project("refused", CMakeLists__txt=REFUSED.format(arguments))
        self.addCleanup(shutil.rmtree, project, ignore_errors=True)
        result = self.run_program("cmake", "-S", str(project), "-B", str(project / "build"),
                                  f"-DCMAKE_PREFIX_PATH={self.prefix}", *options)
        shutil.rmtree(project)
        return result.returncode == 0, " ".join((result.stdout + result.stderr).split())

    def test_an_unknown_component_is_named_with_those_there_are(self):
        went_on, text = self.refusal("REQUIRED COMPONENTS core nodes")
        self.assertFalse(went_on)
        self.assertIn("sluice has no component 'nodes'; it has: core, sluice.", text)
        went_on, text = self.refusal("COMPONENTS core OPTIONAL_COMPONENTS nodes")
        self.assertTrue(went_on)
        self.assertRegex(text, "sluice_FOUND: (1|TRUE)")

    def test_a_missing_library_is_named_with_the_remedy(self):
        went_on, text = self.refusal("REQUIRED", "-DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON")
        self.assertFalse(went_on)
        self.assertIn("sluice::sluice needs spdlog, whose CMake package was not found", text)
        self.assertIn("libspdlog-dev", text)
        went_on, text = self.refusal("QUIET", "-DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON")
        self.assertTrue(went_on)
        self.assertIn("sluice_FOUND: 0", text)


class Installing(InstalledTest):
    """These install for themselves."""

    def contents(self, directory):
        return sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())

    def test_twice_is_as_once_and_removing_leaves_nothing_but_what_is_others(self):
        target = self.work / "target"
        written = install(target)
        self.assertEqual(self.contents(target), sorted(written))
        self.assertEqual(sorted(install(target)), sorted(written))
        self.assertEqual(self.contents(target), sorted(written))
        foreign = [target / "lib" / "libother.so", target / "share" / "sluice" / "config" / "mine.yaml"]
        for file in foreign:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        manifest = self.work / "install_manifest.txt"  # the build tree's own is of whoever installed last
        manifest.write_text("\n".join(map(str, written)) + "\n")
        self.succeeds("cmake", "-D", f"MANIFEST={manifest}", "-P", SOURCE / "cmake" / "uninstall.cmake")
        self.assertEqual(self.contents(target), sorted(foreign))
        ours = [path.relative_to(target) for path in target.rglob("*") if path.is_dir()]
        ours = sorted(str(path) for path in ours if re.search("sluice|slick|eshm", str(path)))
        self.assertEqual(ours, ["share/sluice", "share/sluice/config"])

    def test_destdir_stages_what_works_in_its_place(self):
        install("/opt/sluice", DESTDIR=str(self.work / "stage"))
        staged = self.work / "stage" / "opt" / "sluice"
        self.assertEqual([path.relative_to(staged) for path in self.contents(staged)],
                         [path.relative_to(self.prefix) for path in self.contents(self.prefix)])
        self.succeeds(staged / "bin" / "sluice", "plugin", "list")


if __name__ == "__main__":
    unittest.main(verbosity=2)
