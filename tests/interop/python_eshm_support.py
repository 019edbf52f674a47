"""What the ESHM half of the interoperability script is made of: programs of every language on one channel, each bounded
and ended by its own process id, and the table of what was measured."""

import itertools
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(HERE / "eshm_peer"))

from eshm_peer import dump, object_path  # noqa: E402

SLUICE = os.environ["SLUICE_BIN"]
EXAMPLES = SOURCE / "examples" / "python"
CPP, PYTHON, PEER_2, PEER_3 = "C++", "Python", "peer 2", "peer 3"
PEERS = (PEER_2, PEER_3)
PROGRAMS = {CPP: [os.environ["SLUICE_ESHM_CHANNEL_PEER"]],
            PYTHON: [sys.executable, "-B", str(HERE / "eshm_python_peer.py")],
            PEER_2: [sys.executable, "-B", str(HERE / "eshm_peer" / "eshm_peer.py"), "serve"],
            PEER_3: [sys.executable, "-B", str(HERE / "eshm_peer" / "eshm_peer.py"), "serve"]}
PATIENT = ["--reconnect-wait", "0", "--attempts", "0", "--retry", "10"]
PATIENCE = 120  # a watchdog for each test; no test expects anything to be this slow
OUTGOING = {"master": "m2s", "slave": "s2m"}
OTHER = {"master": "slave", "slave": "master"}
_numbers = itertools.count()


def script(name, *arguments):
    return [sys.executable, "-B", str(EXAMPLES / name), *map(str, arguments)]


class Program:
    """A process whose lines are drained while it runs."""

    def __init__(self, command):
        self.command = list(map(str, command))
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.lines, self.seen, self.errors = queue.Queue(), [], []
        self.drains = [threading.Thread(target=self._drain, args=each, daemon=True)
                       for each in ((self.process.stdout, self.lines.put), (self.process.stderr, self.errors.append))]
        for drain in self.drains:
            drain.start()

    def _drain(self, stream, take):
        for line in stream:
            take(line)
        if stream is self.process.stdout:
            take(None)
        stream.close()

    def story(self):
        return f"{' '.join(self.command)}\n{''.join(self.seen)}{''.join(self.errors)}"

    def next_line(self):
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("no line any more: " + self.story()) from None
        if line is not None:
            self.seen.append(line)
        return line

    def matching(self, pattern):
        """The next line that begins so, as a match."""
        while (line := self.next_line()) is not None:
            if found := re.match(pattern, line):
                return found
        raise AssertionError(f"'{pattern}' never came: {self.story()}")

    def event(self, *names):
        """The next line of one of these events."""
        while (line := self.next_line()) is not None:
            if (found := json.loads(line))["event"] in names:
                return found
        raise AssertionError(f"{names} never came: {self.story()}")

    def await_sleeps(self):
        """It goes to sleep and wakes up again and again: it waits for somebody."""
        first = self.sleeps()
        while self.process.poll() is None and self.sleeps() < first + 10:
            time.sleep(0.001)

    def sleeps(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1])

    def ends(self, code=0):
        """All its lines, after it ended by itself."""
        while self.next_line() is not None:
            pass
        found = self.process.wait(PATIENCE)
        for drain in self.drains:
            drain.join(PATIENCE)
        if found != code:
            raise AssertionError(f"exit code {found} instead of {code}: {self.story()}")
        return self.seen

    def done(self):
        return json.loads(self.ends()[-1])

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        """For the end of a test, whatever happened before."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for drain in self.drains:
            drain.join(PATIENCE)


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


class ChannelTest(unittest.TestCase):
    patience = PATIENCE
    latest = None  # whose cleanups Ctrl-C would leave undone

    def setUp(self):
        ChannelTest.latest = self
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(self.patience)
        self.addCleanup(signal.alarm, 0)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="eshm-matrix-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.fresh()

    def fresh(self):
        """Another channel; whatever happens, it is not there after the test."""
        self.name = f"eshm-matrix-{os.getpid()}-{next(_numbers)}"
        self.addCleanup(pathlib.Path(object_path(self.name)).unlink, missing_ok=True)
        self.start_file, self.stop_file = (self.directory / f"{what}-{self.name}" for what in ("start", "stop"))

    def start(self, command):
        program = Program(command)
        self.addCleanup(program.stop)
        return program

    def side(self, kind, role, writer, *, count=0, rate=0.0, read=True, stale=100):
        """A program of that kind at the table, which has taken its role and begins with the start file."""
        command = [*PROGRAMS[kind], role, self.name, "--writer", writer, "--write-count", count, "--rate", rate,
                   "--stale", stale, "--start-file", self.start_file, "--stop-file", self.stop_file,
                   "--timeout", self.patience]
        command += ["--read"] if read else []
        if kind in PEERS:
            command += ["--version", kind[-1], *(PATIENT if role == "slave" else ())]
        program = self.start(command)
        program.event("ready")
        if kind in PEERS and read:
            program.event("reading")
        return program

    def inside(self, writer):
        """A direction of the segment, read from outside by the independent parser."""
        return dump(object_path(self.name))[OUTGOING[writer]]

    def written(self, writer):
        return self.inside(writer)["sequence"] // 2

    def await_that(self, condition):
        """The watchdog bounds it."""
        while not condition():
            time.sleep(0.001)


class Table:
    """Sender, receiver, and what is known of the two."""

    def __init__(self):
        self.rows = {}

    def row(self, sender, receiver):
        return self.rows.setdefault((sender, receiver), {})

    def __str__(self):
        """The best rate of all repetitions, and all that was lost."""
        head = ("sender", "receiver", "paced/s", "unread", "unpaced/s", "received/s", "unread", "lost", "round trips/s")
        keys = ("paced", "paced_unread", "unpaced", "unpaced_received", "unpaced_unread", "lost", "round_trips")
        lines = ["{:8} {:8} {:>9} {:>7} {:>11} {:>11} {:>9} {:>5} {:>14}".format(*head)]
        for (sender, receiver), row in sorted(self.rows.items()):
            cells = ["-" if key not in row else f"{row[key]:.0f}" for key in keys]
            lines.append("{:8} {:8} {:>9} {:>7} {:>11} {:>11} {:>9} {:>5} {:>14}".format(sender, receiver, *cells))
        return "\n".join(lines)
