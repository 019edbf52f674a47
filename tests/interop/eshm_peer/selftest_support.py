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
import time
import unittest

from eshm_peer import EshmPeer, dump, object_path

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = str(HERE / "eshm_peer.py")
PATIENCE = 120  # a watchdog; no test expects anything to be this slow
_numbers = itertools.count()


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


class Process:
    """An eshm_peer.py that answers with JSON lines."""

    def __init__(self, *arguments):
        command = [sys.executable, "-B", PROGRAM, *map(str, arguments)]
        if arguments[0] in ("serve", "greet", "echo"):
            command += ["--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.seen = []

    def line(self, event):
        """The next line of that event; others before it are kept in `seen`."""
        for text in self.process.stdout:
            line = json.loads(text)
            self.seen.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"no line '{event}', only {self.seen}")

    def end(self, code=0):
        """The last line, or None when there is none, after the expected exit code."""
        output = self.process.stdout.read()  # communicate would not see what `line` has read ahead
        self.seen += [json.loads(text) for text in output.splitlines()]
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        if self.process.returncode != code:
            raise AssertionError(f"exit code {self.process.returncode} instead of {code}: {self.seen}")
        return self.seen[-1] if self.seen else None

    def events(self):
        return [line["event"] for line in self.seen]

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
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="eshm-peer-selftest-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.name = self.new_name()

    def new_name(self):
        name = f"peer_selftest_{os.getpid()}_{next(_numbers)}"
        self.addCleanup(pathlib.Path(object_path(name)).unlink, missing_ok=True)
        return name

    def place(self, content):
        pathlib.Path(object_path(self.name)).write_bytes(content)

    def content(self):
        return pathlib.Path(object_path(self.name)).read_bytes()

    def exists(self):
        return os.path.exists(object_path(self.name))

    def dump(self, max_size=None):
        return dump(object_path(self.name), max_size)

    def peer(self, role, version="2", **options):
        """Without threads, unless asked for, and gone at the end of the test as if killed."""
        options.setdefault("use_threads", False)
        peer = EshmPeer(self.name, role, version, **options)
        self.addCleanup(peer.abandon)
        return peer

    def start(self, *arguments):
        process = Process(*arguments)
        self.addCleanup(process.stop)
        return process

    def serve(self, role, version, *options):
        process = self.start("serve", role, self.name, "--version", version, *options)
        process.ready = process.line("ready")
        return process

    def file(self, name):
        return self.directory / name

    def await_that(self, condition):
        """The watchdog bounds it."""
        while not condition():
            time.sleep(0.001)
