"""What tests of installed use share: a prefix, builds against it as a stranger does them, and READMEs that are run."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from support import BUILD, DomainTest


@functools.cache
def cache_entry(name):
    """A value of the build tree's CMake cache, or None."""
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found[1] if found else None


STATIC_PLUGINS = cache_entry("SLUICE_STATIC_PLUGINS") == "ON"
LIBRARIES = cache_entry("CMAKE_INSTALL_LIBDIR")  # lib, or lib/x86_64-linux-gnu


def install(prefix, **environment):
    """The files that `cmake --install` says it wrote."""
    result = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], text=True, capture_output=True,
                            env={**os.environ, **environment})
    assert result.returncode == 0, result.stderr
    paths = [pathlib.Path(path) for path in re.findall(r"^-- (?:Installing|Up-to-date): (.*)$", result.stdout, re.M)]
    return [path for path in paths if path.is_symlink() or not path.is_dir()]


@functools.cache
def prefix(name="moved"):
    """An installation, made once for a test program and then moved: whatever remembers its first place fails."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-install-"))
    atexit.register(shutil.rmtree, work)
    install(work / "first")
    (work / "first").rename(work / name)
    return work / name


def blocks(path, language):
    """The fenced blocks of a Markdown file that are in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def as_pattern(line):
    """A line that a README shows, as it looks at another time: numbers may differ, words may not."""
    return re.sub(r"\d+(\\\.\d+)?", r"\\d+(?:\\.\\d+)?", re.escape(line))


class InstalledTest(DomainTest):
    """Programs are built in a directory of their own, with the compiler that built the libraries."""

    prefix_name = "moved"
    patience = 600  # for builds, on a machine that has more to do

    def setUp(self):
        super().setUp()
        self.prefix = prefix(self.prefix_name)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-stranger-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.environment.update(PREFIX=str(self.prefix), CMAKE_GENERATOR="Ninja", CXX=cache_entry("CMAKE_CXX_COMPILER"),
                                CMAKE_EXPORT_COMPILE_COMMANDS="ON", SLUICE_LOG_LEVEL="info")
        if launcher := cache_entry("CMAKE_CXX_COMPILER_LAUNCHER"):
            self.environment["CMAKE_CXX_COMPILER_LAUNCHER"] = launcher

    def succeeds(self, *command, **options):
        result = self.run_program(*map(str, command), **options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def shell(self, script, directory):
        """Runs a README's commands in the directory that it is about; what they print."""
        return self.succeeds("sh", "-ec", script, cwd=directory)

    def project(self, name, **files):
        """A directory with these files; `__` in a name stands for its dot."""
        directory = self.work / name
        directory.mkdir()
        for file, text in files.items():
            (directory / file.replace("__", ".")).write_text(text)
        return directory

    def configure(self, directory, *options):
        return self.succeeds("cmake", "-S", directory, "-B", directory / "build", *options)

    def build(self, directory, *options):
        """Configures and builds against the prefix; the directory of the programs."""
        self.configure(directory, f"-DCMAKE_PREFIX_PATH={self.prefix}", *options)
        self.succeeds("cmake", "--build", directory / "build")
        return directory / "build"

    def needed_libraries(self, file):
        return re.findall(r"\(NEEDED\).*\[(.*)\]", self.succeeds("readelf", "-d", file))
