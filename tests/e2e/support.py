"""What the end-to-end tests share: running programs in a domain of their own, with a watchdog."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", "build/release")).resolve()
SOURCE = pathlib.Path(os.environ.get("SLUICE_SOURCE", ".")).resolve()
SLUICE = str(BUILD / "bin" / "sluice")
OPEN_TOPIC = str(BUILD / "tests" / "open_topic")
PATIENCE = 120  # a watchdog; no test expects anything to be this slow


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("still waiting for: " + what)
        time.sleep(0.005)


def on_watchdog(_signal, _frame):
    raise AssertionError("the test was still waiting when its watchdog came")


class DomainTest(unittest.TestCase):
    """Each test has a runtime directory of its own in shared memory, and must leave it empty or gone."""

    patience = PATIENCE

    def setUp(self):
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(self.patience)
        self.addCleanup(signal.alarm, 0)
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-", dir="/dev/shm"))
        self.runtime = self.base / "run"
        self.environment = dict(os.environ, SLUICE_RUNTIME_DIR=str(self.runtime), NO_COLOR="1", SLUICE_LOG_LEVEL="warn")
        for name in ("SLUICE_CONFIG", "SLUICE_DOMAIN", "SLUICE_PLUGIN_PATH"):
            self.environment.pop(name, None)
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGCONT)
        for process in self.started:
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
        leftovers = [str(path) for path in self.runtime.rglob("*") if path.is_file()] if self.runtime.exists() else []
        shutil.rmtree(self.base, ignore_errors=True)
        if not getattr(self, "leftovers_expected", False):
            self.assertEqual(leftovers, [], "left in shared memory")

    def file(self, name, text):
        path = self.base / name
        path.write_text(text)
        return str(path)

    def run_program(self, *command, **options):
        return subprocess.run(command, env=self.environment, text=True, capture_output=True, timeout=self.patience,
                              stdin=subprocess.DEVNULL, **options)

    def sluice(self, *arguments):
        return self.run_program(SLUICE, *arguments)

    def start(self, *command):
        process = subprocess.Popen(command, env=self.environment, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.started.append(process)
        return process

    def open_topic(self, side, topic, *options):
        process = self.start(OPEN_TOPIC, side, topic, *options)
        self.assertEqual(process.stdout.readline(), "open\n")
        return process
