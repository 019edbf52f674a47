"""How pip builds the wheel of the Python package: CMake compiles, and what it installs is laid out as a package.

    sluice/                   the Python files, _native.*.so, the stubs
    sluice/_native_prefix/    a prefix: bin/sluice, the libraries, lib/sluice/plugins, share/sluice

By default a build tree of the package's own is configured and built in build/pip, for the interpreter that pip runs
with. From the environment: SLUICE_BUILD_DIR names a build tree that is complete, and only has to be installed;
CMAKE_ARGS are more arguments for the configuration. The source tree is not written to, build/ apart."""

import atexit
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).resolve().parent
TARGETS = ("sluice_python", "sluice_python_package", "sluice_command", "sluice_eshm")  # and what these need
OPTIONS = ("-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DSLUICE_BUILD_PYTHON=ON", "-DSLUICE_BUILD_TOOLS=ON",
           "-DSLUICE_BUILD_EXAMPLES=OFF", "-DSLUICE_BUILD_TESTS=OFF", "-DSLUICE_BUILD_BENCHMARKS=OFF")
COMPONENTS = ("Unspecified", "python")  # of `cmake --install`; the first is CMake's name for what has none


def version():
    return re.search(r"^project\(sluice VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]


def cmake(*arguments):
    """Runs cmake; what it prints is pip's to show (pip -v, and whenever something fails)."""
    try:
        code = subprocess.run(["cmake", *map(str, arguments)], stdin=subprocess.DEVNULL).returncode
    except FileNotFoundError:
        sys.exit("sluice: building needs CMake, which is not installed (Debian: cmake)")
    if code != 0:
        sys.exit(f"sluice: cmake {shlex.join(map(str, arguments))} failed with exit code {code}, see above")


def own_tree():
    """The build tree of the wheel, configured and built; built on when it exists."""
    interpreter = pathlib.Path(sys.executable).resolve()  # of a virtual environment: the one that it was made from
    tree = ROOT / "build" / "pip" / sysconfig.get_config_var("SOABI")
    generator = ("-G", "Ninja") if shutil.which("ninja") and "CMAKE_GENERATOR" not in os.environ else ()
    more = shlex.split(os.environ.get("CMAKE_ARGS", ""))
    cmake("-S", ROOT, "-B", tree, *generator, *OPTIONS, f"-DSLUICE_PYTHON={interpreter}", *more)
    cmake("--build", tree, "--parallel", len(os.sched_getaffinity(0)), "--target", *TARGETS)
    return tree


def cache_entry(tree, name):
    found = re.search(rf"^{name}:\w+=(.+)$", (tree / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found[1] if found else None


def given_tree(name):
    """The build tree that SLUICE_BUILD_DIR names, if it can serve this interpreter."""
    tree = pathlib.Path(name).resolve()
    if not (tree / "CMakeCache.txt").exists():
        sys.exit(f"sluice: SLUICE_BUILD_DIR is {name}, and that is not a build tree of CMake")
    python_directory = cache_entry(tree, "SLUICE_PYTHON_DIR")
    if cache_entry(tree, "SLUICE_BUILD_PYTHON") != "ON" or python_directory is None:
        sys.exit(f"sluice: the build tree {tree} is without the Python package; configure it with "
                 "-DSLUICE_BUILD_PYTHON=ON, or unset SLUICE_BUILD_DIR")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    if not (tree / python_directory / "sluice" / f"_native{suffix}").exists():
        built = sorted(path.name for path in (tree / python_directory / "sluice").glob("_native*"))
        sys.exit(f"sluice: the build tree {tree} has no _native{suffix}, which {sys.executable} needs, but "
                 f"{', '.join(built) or 'none at all: build it first'}")
    return tree


def lay_out(prefix, python_directory, libraries, package):
    """Makes the package of the wheel from an installation of its own."""
    shutil.copytree(prefix / python_directory / "sluice", package)
    own = package / "_native_prefix"
    (own / "bin").mkdir(parents=True)
    shutil.copy2(prefix / "bin" / "sluice", own / "bin")
    shutil.copytree(prefix / "share" / "sluice", own / "share" / "sluice")
    (own / libraries).mkdir(parents=True)
    for name in (prefix / libraries).glob("lib*.so.*"):
        if name.is_symlink():  # a wheel knows no links: each library once, under the name that programs load
            shutil.copy2(name, own / libraries)
    if (prefix / libraries / "sluice" / "plugins").exists():  # not when they are a part of the library
        shutil.copytree(prefix / libraries / "sluice" / "plugins", own / libraries / "sluice" / "plugins")


class CMakeBuild(build_ext):
    """The step at which setuptools would compile the extension."""

    def run(self):
        if self.inplace or getattr(self, "editable_mode", False):
            sys.exit("sluice: there is no editable installation; for work on Sluice itself build it with ./dev build, "
                     "and set PYTHONPATH to build/release/lib/python3.11/dist-packages")
        given = os.environ.get("SLUICE_BUILD_DIR")
        tree = given_tree(given) if given else own_tree()
        prefix = pathlib.Path(self.build_temp).resolve() / "prefix"
        for component in COMPONENTS:
            cmake("--install", tree, "--prefix", prefix, "--component", component, "--strip")
        lay_out(prefix, cache_entry(tree, "SLUICE_PYTHON_DIR"), cache_entry(tree, "CMAKE_INSTALL_LIBDIR"),
                pathlib.Path(self.build_lib) / "sluice")


# setuptools wants to write beside the sources; all of it goes here instead.
scratch = tempfile.mkdtemp(prefix="sluice-pip-")
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
setup(version=version(), packages=[], ext_modules=[Extension("sluice._native", sources=[])],
      cmdclass={"build_ext": CMakeBuild},
      options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}})
