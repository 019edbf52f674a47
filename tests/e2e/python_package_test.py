#!/usr/bin/python3
"""The Python package as a stranger gets it: by pip in a virtual environment, and in an installed prefix.

pip installs what the build tree holds; `./dev verify python_wheel` lets it compile everything for itself."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import unittest

from install_support import LIBRARIES, STATIC_PLUGINS, InstalledTest, blocks, cache_entry
from support import BUILD, SLUICE, SOURCE, wait_until

MAKE_VENV, PIP_INSTALL, RUN_LISTENER = blocks(SOURCE / "README.md", "sh")[2].splitlines()
PYTHON_DIRECTORY = cache_entry("SLUICE_PYTHON_DIR")
FROM_SCRATCH = os.environ.get("SLUICE_TEST_WHEEL_FROM_SCRATCH") == "1"
PRINT_MAPPED_LIBRARIES = """
import sluice, sluice._native
for line in open("/proc/self/maps"):
    if "libsluice" in line or "libeshm" in line or "_native" in line: print(line.split(maxsplit=5)[5].strip())
"""
LAUNCH_SLEEP = """
launch:
  - executable: {cmd: sleep 1000, name: sleeper}
"""


def pip_environment():
    """Offline, and without the hours that a build takes if a complete tree is there."""
    environment = dict(os.environ, PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    if not FROM_SCRATCH:
        environment["SLUICE_BUILD_DIR"] = str(BUILD)
    return environment


@functools.cache
def sources():
    """A directory in which the README's lines can be said: it holds links to what the source tree holds."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-python-"))
    atexit.register(shutil.rmtree, work)
    for path in SOURCE.iterdir():
        if path.name not in ("build", ".git"):
            (work / path.name).symlink_to(path)
    return work


def run(line, **environment):
    return subprocess.run(["sh", "-ec", line], cwd=sources(), env={**pip_environment(), **environment}, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)


@functools.cache
def environment_with_package(name="venv"):
    """A virtual environment made and filled with the README's lines."""
    for line in (MAKE_VENV, PIP_INSTALL):
        result = run(re.sub(r"\bvenv(?=$|/)", name, line.split("#")[0].strip()))
        assert result.returncode == 0, result.stdout + result.stderr
    return sources() / name


def packages_of(venv):
    found, = (venv / "lib").glob("python3*/site-packages")
    return found


class Command:
    """What `python3 -m sluice` must be like, wherever the package is. `python` runs it, `home` holds all of it."""

    def test_it_is_the_command_of_this_package(self):
        result = self.run_program(self.python, "-m", "sluice", "plugin", "list")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, "(?m)^slick ")
        paths = re.findall(r"(?m)^ +path: +(.*)$", result.stdout)
        if not STATIC_PLUGINS:
            self.assertEqual([path for path in paths if not path.startswith(str(self.home) + "/")], [])
            self.assertEqual(len(paths), 3)

    def test_its_output_and_exit_codes_are_the_command_s(self):
        for arguments in (["--help"], ["--version"], ["fly"], ["config", "check", "/nowhere.yaml"], []):
            ours, own = self.run_program(self.python, "-m", "sluice", *arguments), self.sluice(*arguments)
            self.assertEqual(ours.returncode, own.returncode, arguments)
            self.assertEqual((ours.stdout + ours.stderr).replace("Usage: sluice", f"Usage: {SLUICE}"),
                             own.stdout + own.stderr)

    def interrupted(self, *command):
        """The exit code of a launch that SIGINT ends; and whose program was running."""
        process = self.start(*command, "launch", self.file("sleep.yaml", LAUNCH_SLEEP))
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: process.poll() is not None or children.read_text(), "the launched program")
        executable = pathlib.Path(f"/proc/{process.pid}/exe").resolve()
        process.send_signal(signal.SIGINT)
        return process.wait(), executable

    def test_the_process_becomes_the_command(self):
        code, executable = self.interrupted(self.python, "-m", "sluice")
        self.assertEqual((code, executable.name), (self.interrupted(SLUICE)[0], "sluice"))
        self.assertTrue(executable.is_relative_to(self.home), executable)

    def test_a_reader_that_has_gone_ends_it_silently(self):
        """Python ignores SIGPIPE, and the command would inherit that."""
        ends = []
        for command in ([self.python, "-m", "sluice"], [SLUICE]):
            reading, writing = os.pipe()
            os.close(reading)
            ends.append(subprocess.run([*command, "plugin", "list"], env=self.environment, stdout=writing,
                                       stderr=subprocess.PIPE))
            os.close(writing)
        self.assertEqual((ends[0].returncode, ends[0].stderr), (ends[1].returncode, ends[1].stderr))

    def test_it_loads_the_libraries_of_this_package(self):
        mapped = set(self.succeeds(self.python, "-c", PRINT_MAPPED_LIBRARIES).splitlines())
        self.assertEqual([path for path in mapped if not path.startswith(str(self.home) + "/")], [])
        self.assertTrue(any("libsluice" in path for path in mapped), mapped)


class InVirtualEnvironment(Command, InstalledTest):
    patience = 3600 if FROM_SCRATCH else InstalledTest.patience

    def setUp(self):
        super().setUp()
        self.venv = environment_with_package()
        self.python = str(self.venv / "bin" / "python")
        self.home = packages_of(self.venv) / "sluice"

    def test_pip_wrote_nothing_beside_the_sources(self):
        self.assertEqual({path.name for path in sources().iterdir() if not path.is_symlink()} - {"venv", "leaving"},
                         set())
        self.assertEqual(list(SOURCE.glob("*.egg-info")), [])

    def test_the_wheel_is_of_this_interpreter_and_of_the_project_s_version(self):
        information, = packages_of(self.venv).glob("sluice-*.dist-info")
        tag = sysconfig.get_config_var("SOABI").split("-")[1]
        self.assertIn(f"Tag: cp{tag}-cp{tag}-linux_", (information / "WHEEL").read_text())
        version, = re.findall(r"^Version: (.*)$", (information / "METADATA").read_text(), re.MULTILINE)
        self.assertIn(f"project(sluice VERSION {version} ", (SOURCE / "CMakeLists.txt").read_text())

    def test_it_holds_what_running_needs_and_nothing_else(self):
        files = {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}
        prefix = {name.removeprefix("_native_prefix/") for name in files if name.startswith("_native_prefix/")}
        plugins = set() if STATIC_PLUGINS else {f"{LIBRARIES}/sluice/plugins/sluice_{name}.so"
                                                for name in ("slick", "eshm", "inproc")}
        libraries = {name for name in prefix if re.fullmatch(rf"{LIBRARIES}/lib[\w-]+\.so[.\d]+", name)}
        self.assertEqual({re.sub(r"\.so.*", "", pathlib.PurePath(name).name) for name in libraries},
                         {"libsluice", "libsluice-core", "libeshm"})
        self.assertEqual(prefix - libraries - plugins, {"bin/sluice"} | {
            f"share/sluice/{path.relative_to(SOURCE)}" for folder in ("config", "launch")
            for path in (SOURCE / folder).glob("*.yaml")})
        self.assertLessEqual(plugins, prefix)
        for path in (SOURCE / "python" / "sluice").iterdir():
            if path.suffix in (".py", ".pyi", ".typed"):
                self.assertIn(path.name, files)

    def test_the_command_is_on_the_environment_s_path(self):
        result = self.run_program(str(self.venv / "bin" / "sluice"), "plugin", "list")
        self.assertIn(str(self.home), result.stdout, result.stderr)

    def test_a_python_listener_hears_the_cpp_talker(self):
        self.environment["SLUICE_LOG_LEVEL"] = "info"
        self.start(str(BUILD / "bin" / "talker"))
        listener = self.start("sh", "-c", f"cd {sources()} && exec {RUN_LISTENER.split('#')[0]} 2>&1")
        heard = []
        while not heard or not re.search("received [1-9]|^$", heard[-1]):  # "": it has ended
            heard.append(listener.stdout.readline())
        self.assertRegex(heard[-1], "received [1-9][0-9]*, lost 0,", heard)
        listener.send_signal(signal.SIGINT)
        self.assertEqual(listener.wait(), 0)


class InPrefix(Command, InstalledTest):
    """An installation that was moved to a name with a space in it."""

    prefix_name = "moved prefix"

    def setUp(self):
        super().setUp()
        self.environment["PYTHONPATH"] = str(self.prefix / PYTHON_DIRECTORY)
        self.python, self.home = "/usr/bin/python3", self.prefix


class InBuildTree(Command, InstalledTest):
    def setUp(self):
        super().setUp()
        self.environment["PYTHONPATH"] = str(BUILD / PYTHON_DIRECTORY)
        self.python, self.home = "/usr/bin/python3", BUILD

    def test_without_its_command_it_says_where_that_should_be(self):
        alone = shutil.copytree(BUILD / PYTHON_DIRECTORY / "sluice", self.work / "a" / "sluice")
        self.environment["PYTHONPATH"] = str(alone.parent)
        self.environment["LD_LIBRARY_PATH"] = str(BUILD / "lib")
        result = self.run_program(self.python, "-m", "sluice")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr, f"^sluice: the command 'sluice' did not come with the Python package in {alone}"
                                        f": looked for {alone}/_native_prefix/bin/sluice and .*/bin/sluice\n$")


class Leaving(InstalledTest):
    patience = InVirtualEnvironment.patience

    def setUp(self):
        super().setUp()
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what it compiled has to go as well

    def test_uninstalling_leaves_nothing(self):
        venv = environment_with_package("leaving")
        packages = packages_of(venv)
        self.succeeds(venv / "bin" / "python", "-m", "sluice", "--help")
        self.succeeds(venv / "bin" / "python", "-c", "import sluice")
        self.assertTrue((packages / "sluice").exists())
        self.succeeds(venv / "bin" / "pip", "uninstall", "--yes", "sluice")
        self.assertEqual([str(path) for path in venv.rglob("*") if "sluice" in path.name], [])

    def test_cmake_s_uninstall_removes_what_python_compiled(self):
        target = self.work / "target"
        for component in ("Unspecified", "python"):
            self.succeeds("cmake", "--install", BUILD, "--prefix", target, "--component", component)
        self.environment["PYTHONPATH"] = str(target / PYTHON_DIRECTORY)
        self.succeeds("/usr/bin/python3", "-c", "import sluice")
        self.assertNotEqual(list(target.rglob("*.pyc")), [])
        manifest = self.work / "install_manifest.txt"
        manifest.write_text("".join(f"{path}\n" for path in target.rglob("*")
                                    if path.suffix != ".pyc" and (path.is_symlink() or path.is_file())))
        self.succeeds("cmake", "-D", f"MANIFEST={manifest}", "-P", SOURCE / "cmake" / "uninstall.cmake")
        self.assertEqual([path for path in (target / PYTHON_DIRECTORY).rglob("*")], [])


class Components(InstalledTest):
    def test_the_python_package_is_a_component(self):
        self.succeeds("cmake", "--install", BUILD, "--prefix", self.work / "python", "--component", "python")
        self.assertEqual([path.name for path in (self.work / "python" / PYTHON_DIRECTORY).iterdir()], ["sluice"])
        self.assertEqual([path.name for path in (self.work / "python").iterdir()], ["lib"])
        self.succeeds("cmake", "--install", BUILD, "--prefix", self.work / "rest", "--component", "Unspecified")
        self.assertFalse((self.work / "rest" / PYTHON_DIRECTORY).exists())
        self.assertTrue((self.work / "rest" / "bin" / "sluice").exists())


class Refusals(InstalledTest):
    def pip(self, *options, **environment):
        environment_with_package()
        result = run(f"venv/bin/pip install --no-build-isolation --force-reinstall --no-deps {' '.join(options)} .",
                     **environment)
        self.assertNotEqual(result.returncode, 0)
        return " ".join((result.stdout + result.stderr).split())

    def test_a_build_tree_that_cannot_serve_is_named(self):
        self.assertIn(f"SLUICE_BUILD_DIR is {self.work}, and that is not a build tree of CMake",
                      self.pip(SLUICE_BUILD_DIR=str(self.work)))
        cache = self.work / "CMakeCache.txt"
        cache.write_text("SLUICE_BUILD_PYTHON:BOOL=OFF\n")
        self.assertIn("is without the Python package; configure it with -DSLUICE_BUILD_PYTHON=ON",
                      self.pip(SLUICE_BUILD_DIR=str(self.work)))
        cache.write_text("SLUICE_BUILD_PYTHON:BOOL=ON\nSLUICE_PYTHON_DIR:STRING=python\n")
        package = self.work / "python" / "sluice"
        package.mkdir(parents=True)
        self.assertIn("but none at all: build it first", self.pip(SLUICE_BUILD_DIR=str(self.work)))
        (package / "_native.cpython-27-vax.so").touch()
        self.assertRegex(self.pip(SLUICE_BUILD_DIR=str(self.work)),
                         r"has no _native\.\S+\.so, which \S+ needs, but _native\.cpython-27-vax\.so")

    def test_an_editable_installation_is_refused(self):
        self.assertIn("there is no editable installation", self.pip("-e"))

    def configure_without(self, *options):
        return self.run_program("cmake", "-S", str(SOURCE), "-B", str(self.work / "build"), "-DSLUICE_BUILD_TESTS=OFF",
                                "-DSLUICE_BUILD_BENCHMARKS=OFF", "-DSLUICE_BUILD_EXAMPLES=OFF", *options)

    def test_missing_pybind11_is_named_and_can_be_done_without(self):
        missing = "-DCMAKE_DISABLE_FIND_PACKAGE_pybind11=ON"
        result = self.configure_without(missing)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("needs pybind11 2.10 or later: install it (Debian: pybind11-dev), or build without the Python "
                      "package: -DSLUICE_BUILD_PYTHON=OFF", " ".join(result.stderr.split()))
        result = self.configure_without(missing, "-DSLUICE_BUILD_PYTHON=OFF")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_missing_numpy_is_named(self):
        python = self.work / "python3"
        python.write_text('#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n')
        python.chmod(0o755)
        result = self.configure_without(f"-DSLUICE_PYTHON={python}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("cannot import NumPy, and so not sluice either: install it (Debian: python3-numpy)",
                      " ".join(result.stderr.split()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
