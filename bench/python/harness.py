"""Two processes, of C++ or Python, on two cores."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Iterator

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 60  # seconds; a run that has not ended then hangs

CONFIGURATION = """
runtime_dir: {directory}
topics:
  /**: {{depth: 1024, reliability: reliable, max_size: 64, max_blocking_time: 20s}}
  /images: {{depth: 4, reliability: reliable, max_size: 5000000, max_blocking_time: 20s}}
"""


class RunFailed(Exception):
    """A side died, failed or hung."""


@dataclasses.dataclass(frozen=True)
class Side:
    language: str  # "C++" or "Python"
    role: str


def cpp(role: str) -> Side:
    return Side("C++", role)


def python(role: str) -> Side:
    return Side("Python", role)


def settle(core: int) -> None:
    """In the child, before it becomes what it is to be."""
    os.sched_setaffinity(0, {core})
    signal.alarm(2 * PATIENCE)  # should the bench be killed, its sides end all the same


class Process:
    """One side of a run, pinned to a core."""

    def __init__(self, bench: Bench, side: Side, name: str, count: int, core: int) -> None:
        program = [str(bench.build / "bin" / "bench_peer")]
        if side.language == "Python":
            program = [sys.executable, "-B", str(HERE / "roles.py")]
        self._what = f"{side.language} {side.role}"
        self._process = subprocess.Popen([*program, side.role, name, str(count)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, env=bench.environment, text=True,
                                         start_new_session=True, preexec_fn=lambda: settle(core))
        self._watchdog = threading.Timer(PATIENCE, self._process.kill)
        self._watchdog.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_open(self) -> None:
        if self._process.stdout.readline() != "ready\n":
            raise RunFailed(f"{self._what} did not open what it needs")

    def go(self) -> None:
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def figures(self) -> dict[str, float]:
        output, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise RunFailed(f"{self._what} ended with {self._process.returncode}; -9 is the watchdog's, after "
                            f"{PATIENCE} s")
        return json.loads(output)

    def end(self) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.communicate()


def in_the_order_they_end(processes: list[Process]) -> Iterator[Process]:
    """So that who waits for a side that failed need not be waited for."""
    poller = select.poll()
    running = {os.pidfd_open(process.pid): process for process in processes}
    try:
        for descriptor in running:
            poller.register(descriptor, select.POLLIN)
        while running:
            for descriptor, _ in poller.poll():
                poller.unregister(descriptor)
                os.close(descriptor)
                yield running.pop(descriptor)
    finally:
        for descriptor in running:
            os.close(descriptor)


class Bench:
    """Runs pairs of processes in a directory of their own, which goes with it."""

    def __init__(self, build: pathlib.Path, cores: list[int]) -> None:
        self.build = build
        self._cores = cores
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm"))
        self._name = f"{self._directory.name}-segment"  # of a queue or a channel
        configuration = self._directory / "bench.yaml"
        configuration.write_text(CONFIGURATION.format(directory=self._directory))
        package = next(build.glob("lib/python3*/dist-packages"), None)
        if package is None or not (build / "bin" / "bench_peer").exists():
            raise RunFailed(f"{build} has no Python package or no bench_peer: build it with SLUICE_BUILD_PYTHON and "
                            "SLUICE_BUILD_BENCHMARKS")
        self.environment = dict(os.environ, PYTHONPATH=str(package), SLUICE_CONFIG=str(configuration),
                                SLUICE_LOG_LEVEL="warn")
        for name in ("SLUICE_DOMAIN", "SLUICE_PLUGIN_PATH", "SLUICE_RUNTIME_DIR"):
            self.environment.pop(name, None)

    def run(self, first: Side, second: Side, count: int) -> dict[str, float]:
        """The figures of the side that has some; where both have, those of the slower one."""
        processes: list[Process] = []
        try:
            for side, core in zip((first, second), self._cores):
                processes.append(Process(self, side, self._name, count, core))
                processes[-1].wait_until_open()
            processes[1].go()
            processes[0].go()
            figures = [process.figures() for process in in_the_order_they_end(processes)]
            return min((found for found in figures if found), key=lambda found: found["value"])
        finally:
            for process in processes:
                process.end()
            for segment in (self._name, f"eshm_{self._name}"):
                pathlib.Path("/dev/shm", segment).unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
