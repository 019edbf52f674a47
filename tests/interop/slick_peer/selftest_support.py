"""What the peer's own tests share: names in /dev/shm that are gone afterwards, and peers as processes."""

import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = str(HERE / "slick_peer.py")
PATIENCE = 120  # a watchdog; no test expects anything to be this slow
_numbers = itertools.count()


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


class Process:
    """A slick_peer.py that answers with JSON lines."""

    def __init__(self, *arguments):
        command = [sys.executable, "-B", PROGRAM, *map(str, arguments), "--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def line(self, event):
        line = json.loads(self.process.stdout.readline())
        if line["event"] != event:
            raise AssertionError(f"expected the line '{event}', got {line}")
        return line

    def end(self, code=0):
        """The last line, or None when there is none, after the expected exit code."""
        output = self.process.stdout.read()  # communicate() with a timeout would pass over what readline has buffered
        self.process.wait(timeout=PATIENCE)
        if self.process.returncode != code:
            raise AssertionError(f"exit code {self.process.returncode} instead of {code}: {output}")
        lines = output.splitlines()
        return json.loads(lines[-1]) if lines else None

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.process.communicate()


class PeerTest(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(PATIENCE)
        self.addCleanup(signal.alarm, 0)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="slick-peer-selftest-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def name(self):
        name = f"slick_peer_selftest_{os.getpid()}_{next(_numbers)}"
        self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)
        return name

    def object(self, content):
        name = self.name()
        pathlib.Path("/dev/shm", name).write_bytes(content)
        return name

    @staticmethod
    def content(name):
        return pathlib.Path("/dev/shm", name).read_bytes()

    def own(self, peer):
        """Closes the peer at the end of the test."""
        self.addCleanup(peer.close)
        return peer

    def start(self, *arguments):
        process = Process(*arguments)
        self.addCleanup(process.stop)
        return process

    def file(self, name):
        return self.directory / name
