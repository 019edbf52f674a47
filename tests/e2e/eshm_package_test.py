#!/usr/bin/python3
"""A program in C written for ESHM, against an installation that was moved: through the CMake package and pkg-config."""

import os
import pathlib
import shlex
import subprocess
import unittest

from install_support import LIBRARIES, InstalledTest

PROJECT = """
cmake_minimum_required(VERSION 3.10)
project(demo LANGUAGES C)
set(CMAKE_C_STANDARD 11)
find_package(eshm 1.1 REQUIRED)
add_executable(demo demo.c)
target_link_libraries(demo PRIVATE {target})
"""
# As demos of ESHM are: one program, both ends, each greets the other a few times.
DEMO = """
#include <eshm.h>

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 5 };

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int is_master = strcmp(argv[1], "master") == 0;
  ESHMConfig config = eshm_default_config(argv[2]);
  config.role = is_master ? ESHM_ROLE_MASTER : ESHM_ROLE_SLAVE;
  ESHMHandle* handle = eshm_init(&config);
  if (handle == NULL) {
    fprintf(stderr, "eshm_init failed\\n");
    return 1;
  }
  char buffer[ESHM_MAX_DATA_SIZE];
  size_t size = 0;
  if (eshm_read_ex(handle, buffer, sizeof buffer, &size, 0) != ESHM_ERROR_NO_DATA) return 3;
  printf("ready\\n");
  fflush(stdout);
  getchar();
  for (int i = 0; i < ROUNDS; ++i) {
    char message[64];
    const int length = snprintf(message, sizeof message, "Hello from %s #%d", argv[1], i) + 1;
    if (is_master && eshm_write(handle, message, (size_t)length) != ESHM_SUCCESS) return 4;
    const int result = eshm_read_ex(handle, buffer, sizeof buffer, &size, 30000);
    if (result != ESHM_SUCCESS) {
      fprintf(stderr, "read: %s\\n", eshm_error_string(result));
      return 5;
    }
    printf("%zu %s\\n", size, buffer);
    if (!is_master && eshm_write(handle, message, (size_t)length) != ESHM_SUCCESS) return 6;
  }
  fflush(stdout);
  getchar();
  return eshm_destroy(handle) == ESHM_SUCCESS ? 0 : 7;
}
"""
VERSIONS = """
cmake_minimum_required(VERSION 3.10)
project(versions LANGUAGES C)
foreach(version 1.0 1.0.0 1.1 1.1.0 1.2 2.0)
  unset(eshm_DIR CACHE)
  find_package(eshm ${version} QUIET)
  message(STATUS "version ${version}: ${eshm_FOUND}")
endforeach()
"""
TARGETS = {"eshm::eshm": PROJECT, "eshm": PROJECT,
           "sluice::eshm": PROJECT.replace("eshm 1.1 REQUIRED", "sluice REQUIRED COMPONENTS core")}


class EshmPackage(InstalledTest):
    prefix_name = "moved prefix"

    def start_end(self, program, role, name):
        process = subprocess.Popen([program, role, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=self.environment)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def assert_demo_runs(self, program):
        name = f"sluice-e2e-{os.getpid()}"
        segment = pathlib.Path("/dev/shm/eshm_" + name)
        ends = {role: self.start_end(program, role, name) for role in ("master", "slave")}
        self.assertEqual(segment.stat().st_size, 8576)
        for role in ("slave", "master"):
            ends[role].stdin.write("\n")
            ends[role].stdin.flush()
        for role, other, size in (("master", "slave", 20), ("slave", "master", 21)):
            lines = [ends[role].stdout.readline() for _ in range(5)]
            self.assertEqual(lines, [f"{size} Hello from {other} #{number}\n" for number in range(5)])
        for role in ("slave", "master"):
            ends[role].communicate("\n", timeout=self.patience)
            self.assertEqual(ends[role].returncode, 0)
        self.assertFalse(segment.exists(), "the creator removes it")

    def test_a_project_in_c_is_built_and_runs(self):
        for target, project in TARGETS.items():
            with self.subTest(target):
                directory = self.project(target.replace(":", "_"), CMakeLists__txt=project.format(target=target),
                                         demo__c=DEMO)
                program = self.build(directory, "-DCMAKE_C_FLAGS=-Wall -Wextra -pedantic -Werror") / "demo"
                self.assertIn("libeshm.so.1", self.needed_libraries(program))
                self.assertFalse([name for name in self.needed_libraries(program) if "sluice" in name or "++" in name])
                self.assert_demo_runs(program)

    def test_pkg_config_is_enough(self):
        self.environment["PKG_CONFIG_PATH"] = str(self.prefix / LIBRARIES / "pkgconfig")
        directory = self.project("plain", demo__c=DEMO)
        flags = shlex.split(self.succeeds("pkg-config", "--cflags", "--libs", "eshm"))
        self.succeeds("cc", "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", directory / "demo.c", "-o",
                      directory / "demo", *flags)
        self.environment["LD_LIBRARY_PATH"] = str(self.prefix / LIBRARIES)
        self.assert_demo_runs(directory / "demo")

    def test_the_library_is_called_as_the_original_and_finds_its_own_beside_it(self):
        library = self.prefix / LIBRARIES / "libeshm.so"
        text = self.succeeds("readelf", "-d", library)
        self.assertRegex(text, r"\(SONAME\).*\[libeshm\.so\.1\]")
        self.assertRegex(text, r"\(RUNPATH\).*\[\$ORIGIN\]")
        for name in self.needed_libraries(library):
            self.assertRegex(name, r"^(libsluice-core|libstdc\+\+|libgcc_s|libm|libc|ld-linux[^.]*)\.so")

    def test_requests_for_the_versions_that_it_stands_for_succeed(self):
        directory = self.project("versions", CMakeLists__txt=VERSIONS)
        text = self.configure(directory, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        for version in ("1.0", "1.0.0", "1.1", "1.1.0"):
            self.assertRegex(text, rf"version {version}: (1|TRUE)\n")
        for version in ("1.2", "2.0"):
            self.assertRegex(text, rf"version {version}: (0|FALSE)\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
