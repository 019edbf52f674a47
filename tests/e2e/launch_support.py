"""A launch under test: what it printed, what it started, what survived it."""

import faulthandler
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

SLUICE = os.path.abspath(os.environ.get("SLUICE_BIN", "build/release/bin/sluice"))
SEED = int(os.environ.get("SLUICE_TEST_SEED", "1"))
PATIENCE = 60.0  # A watchdog: no test expects anything to be this slow.
MOST_OUTPUT = 1 << 29  # Another one, for a flood that does not end.
TAG = "SLUICE_LAUNCH_TEST_TAG"


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("still waiting for: " + (what() if callable(what) else what))
        time.sleep(0.002)


def processes():
    """pid -> parent of everything that is alive (no zombies)."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if stat[0] not in "ZX":
            found[int(entry)] = int(stat[1])
    return found


def tagged(tag):
    """Every process that inherited the environment of a launch, whoever its parent is now."""
    found = []
    for pid in processes():
        try:
            environment = pathlib.Path("/proc", str(pid), "environ").read_bytes()
        except OSError:
            continue
        if f"{TAG}={tag}".encode() in environment:
            found.append(pid)
    return found


class Launch:
    """A running launcher whose output is collected by a thread."""

    def __init__(self, directory, yaml, *args, env=None, read=True, **popen):
        self.tag = uuid.uuid4().hex
        path = pathlib.Path(directory, "demo.yaml")
        path.write_text(yaml)
        environment = {**os.environ, TAG: self.tag, **(env or {})}
        popen.setdefault("stdout", subprocess.PIPE)
        self.stderr = pathlib.Path(directory, self.tag)
        with open(self.stderr, "wb") as stderr:
            self.process = subprocess.Popen([SLUICE, "launch", "demo.yaml", *args], stderr=stderr, env=environment,
                                            cwd=directory, stdin=subprocess.DEVNULL, **popen)
        self.pid = self.process.pid
        self.chunks = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        if read:
            self.reader.start()

    def _read(self):
        size = 0
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            size += len(chunk)
            if size < MOST_OUTPUT:
                self.chunks.append(chunk)

    @property
    def output(self):
        return b"".join(self.chunks).decode()

    def lines(self, label):
        return re.findall(rf"^\[{label}\] (.*)$", self.output, re.M)

    def wait_for(self, text, count=1):
        wait_until(lambda: self.output.count(text) >= count, lambda: f"{text!r} in\n{self.output[-2000:]}")
        return self

    def wait_for_error(self, text):
        wait_until(lambda: text in self.stderr.read_text(), text + " on stderr")
        return self

    def send(self, number):
        os.kill(self.pid, number)
        return self

    def end(self):
        """The exit code, with nothing surviving."""
        code = self.process.wait(PATIENCE)
        wait_until(lambda: not tagged(self.tag), lambda: f"the end of {tagged(self.tag)}\n{self.output[-2000:]}")
        if self.reader.ident:
            self.reader.join(PATIENCE)
        self.process.stdout.close()
        return code

    def supervisor(self):
        found = [pid for pid, parent in processes().items() if parent == self.pid]
        return found[0] if found else None


class LaunchTest(unittest.TestCase):
    def setUp(self):
        faulthandler.dump_traceback_later(300, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        temporary = tempfile.TemporaryDirectory(prefix="sluice_launch_")
        self.addCleanup(temporary.cleanup)
        self.directory = os.path.realpath(temporary.name)

    def script(self, name, text, shebang="#!/bin/sh"):
        path = pathlib.Path(self.directory, name)
        path.write_text(f"{shebang}\n{text}\n")
        path.chmod(0o755)

    def python(self, name, text):
        self.script(name, text, "#!/usr/bin/python3 -u")

    def launch(self, actions, *args, root="", **kwargs):
        """`actions`: lines such as 'cmd: ./a, required: true', one executable each."""
        yaml = root + "\nlaunch:\n" + "".join(f"  - executable: {{{action}}}\n" for action in actions)
        started = Launch(self.directory, yaml, *args, **kwargs)
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in tagged(started.tag)])
        return started

    def forever(self, name="forever"):
        self.script(name, "echo ready; exec sleep 100000")
        return f"cmd: ./{name}"
