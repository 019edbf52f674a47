#!/usr/bin/python3
"""A program written for slick_queue, against an installation that was moved: through each of its two packages."""

import os
import unittest

from install_support import InstalledTest

PROJECT = """
cmake_minimum_required(VERSION 3.22)
project(ticks LANGUAGES CXX)
find_package({package} 1.4 REQUIRED)
add_executable(ticks ticks.cpp)
target_link_libraries(ticks PRIVATE {target})
foreach(target slick::queue slick::slick_queue)
  if(NOT TARGET ${{target}})
    message(FATAL_ERROR "no ${{target}}")
  endif()
endforeach()
"""
# As programs for the original are: they say nothing about C++20 and nothing about Sluice.
TICKS = """
#include <slick/queue.h>

#include <cstdint>
#include <cstdio>

struct Tick {
  std::uint64_t time;
  double price;
};

int main(int, char** arguments) {
  slick::SlickQueue<Tick> writer(8, arguments[1]);
  slick::SlickQueue<Tick> reader(arguments[1]);
  std::uint64_t cursor = reader.initial_reading_index();
  const std::uint64_t index = writer.reserve();
  *writer[index] = {1, 2.5};
  writer.publish(index);
  const auto [tick, size] = reader.read(cursor);
  if (tick == nullptr) return 1;
  std::printf("%.1f %u %d%d\\n", tick->price, size, writer.own_buffer(), reader.own_buffer());
}
"""
VERSIONS = """
cmake_minimum_required(VERSION 3.22)
project(versions LANGUAGES CXX)
foreach(version 1.2 1.2.3 1.3 1.3.0 1.4 1.4.0 1.5 2.0)
  unset({package}_DIR CACHE)
  find_package({package} ${{version}} QUIET)
  message(STATUS "version ${{version}}: ${{{package}_FOUND}}")
endforeach()
"""
PACKAGES = {"slick-queue": "slick::queue", "slick_queue": "slick::slick_queue"}


class SlickQueuePackages(InstalledTest):
    prefix_name = "moved prefix"

    def test_a_program_for_slick_queue_is_built_and_runs(self):
        for package, target in PACKAGES.items():
            with self.subTest(package):
                directory = self.project(package, CMakeLists__txt=PROJECT.format(package=package, target=target),
                                         ticks__cpp=TICKS)
                build = self.build(directory)
                name = f"/sluice-e2e-{os.getpid()}-ticks"
                self.assertEqual(self.succeeds(build / "ticks", name), "2.5 1 10\n")
                self.assertFalse(os.path.exists("/dev/shm" + name), "the creator removes it")
                self.assertTrue(any("libsluice-core" in each for each in self.needed_libraries(build / "ticks")))

    def test_requests_for_the_versions_that_it_stands_for_succeed(self):
        for package in PACKAGES:
            with self.subTest(package):
                directory = self.project(package + "-versions", CMakeLists__txt=VERSIONS.format(package=package))
                text = self.configure(directory, f"-DCMAKE_PREFIX_PATH={self.prefix}")
                for version in ("1.2", "1.2.3", "1.3", "1.3.0", "1.4", "1.4.0"):
                    self.assertRegex(text, rf"version {version}: (1|TRUE)\n")
                for version in ("1.5", "2.0"):
                    self.assertRegex(text, rf"version {version}: (0|FALSE)\n")

    def test_it_is_the_sluice_beside_it_that_is_taken(self):
        """A prefix of another Sluice, found first, is not asked."""
        other = self.work / "other" / "lib" / "cmake" / "sluice"
        other.mkdir(parents=True)
        (other / "sluice-config.cmake").write_text('message(FATAL_ERROR "the wrong sluice")\n')
        directory = self.project("beside", CMakeLists__txt=PROJECT.format(package="slick-queue", target="slick::queue"),
                                 ticks__cpp=TICKS)
        self.configure(directory, f"-DCMAKE_PREFIX_PATH={other.parents[2]};{self.prefix}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
