"""What the tests of the library's queue beside the independent peer share: processes of both sides on one segment."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "slick_peer"))

from peer_bulk import BulkProducer  # noqa: E402
from selftest_support import PATIENCE, PROGRAM, PeerTest, Process  # noqa: E402
from slick_peer import Peer, SharedCursor, payload  # noqa: E402

__all__ = ["BulkProducer", "NONE", "OURS", "OURS_IN_PYTHON", "Peer", "QueueTest", "SEED", "STATES", "SharedCursor",
           "payload"]

QUEUE_PEER = os.environ["SLUICE_QUEUE_PEER"]
SEED = int(os.environ.get("SLUICE_QUEUE_SEED", "1"))
OURS = "ours"  # in C++
OURS_IN_PYTHON = "ours in python"
PROGRAMS = {OURS: (QUEUE_PEER,), OURS_IN_PYTHON: (sys.executable, "-B", str(HERE / "python_queue_peer.py"))}
STATES = {"1.2.0": 0, "1.2.3": 0, "1.3.0": 1, "1.4.0": 3, "python": 0, OURS: 3, OURS_IN_PYTHON: 3}  # by creator
NONE = (1 << 64) - 1


class Program(Process):
    """A queue_peer or a slick_peer.py; they speak alike."""

    def __init__(self, program, *arguments):  # pylint: disable=super-init-not-called
        command = [*program, *map(str, arguments), "--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def end(self, code=0):
        output = self.process.stdout.read()  # what `line` has read ahead, too
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        if self.process.returncode != code:
            raise AssertionError(f"exit code {self.process.returncode} instead of {code}: {output}")
        return json.loads(output.splitlines()[-1]) if output else None


class Reader:
    """A reading process, its log, and after `end` its report."""

    def __init__(self, what, process, log, gaps, start):
        self.what, self.process, self.log, self.gaps, self.start = what, process, log, gaps, start
        self.report = None

    def await_reading(self):
        ready = self.process.line("ready")
        self.process.line("reading")
        return ready

    def end(self):
        self.report = self.process.end()
        return self.report


class QueueTest(PeerTest):
    """One segment, which `create` makes; `ours` and `theirs` start processes on it."""

    def setUp(self):
        super().setUp()
        self.readers = 0

    def still_waiting(self):
        """Another round of a long campaign: the watchdog begins anew."""
        signal.alarm(PATIENCE)

    def create(self, creator, capacity, element, n, seed=SEED):
        self.segment, self.capacity, self.element, self.n, self.seed = self.name(), capacity, element, n, seed
        self.stop_file, self.start_file = self.file(f"{self.segment}-stop"), self.file(f"{self.segment}-start")
        if creator in PROGRAMS:
            holder = self.start_ours("create", "--capacity", capacity, *self.common(), "--stop-file",
                                     self.file("never"), side=creator)
            self.assertTrue(holder.line("ready")["owner"])
        else:
            self.own(Peer.create(self.segment, capacity, element, creator))

    def common(self):
        return ["--name", self.segment, "--element", self.element, "--seed", self.seed]

    def start(self, *arguments, program=(sys.executable, "-B", PROGRAM)):
        process = Program(program, *arguments)
        self.addCleanup(process.stop)
        return process

    def start_ours(self, *arguments, side=OURS):
        return self.start(*arguments, program=PROGRAMS[side])

    # Producers: the process and its log

    def producer(self, side, number, count, *options, n=None):
        """Starts one and waits until it is attached; `side` is one of PROGRAMS or a version."""
        log = self.file(f"{self.segment}-sent-{number}")
        arguments = ["produce", *self.common(), "--n", n or self.n, "--producer", number, "--log", log]
        if count is not None:
            arguments += ["--count", count]
        if side in PROGRAMS:
            process = self.start_ours(*arguments, *options, side=side)
        else:
            process = self.start(*arguments, "--version", side, *options)
        ready = process.line("ready")
        self.assertFalse(ready.get("wiped", False))
        return process, log

    # Readers

    def reader(self, side, *options, start=0, cursor=None, check_sizes=True):
        """Starts a private reader, or one of the group that shares `cursor`, without waiting for it."""
        self.readers += 1
        log, gaps = (self.file(f"{self.segment}-{what}-{self.readers}") for what in ("got", "gaps"))
        arguments = ["steal", "--cursor", cursor] if cursor else ["consume"]
        arguments += [*self.common(), "--log", log, "--stop-file", self.stop_file]
        arguments += ["--n", self.n] if check_sizes else []
        if side in PROGRAMS:
            process = self.start_ours(*arguments, "--gaps", gaps, "--start", start, *options, side=side)
        else:
            gaps = None
            arguments += [] if cursor else ["--start", start]
            process = self.start(*arguments, "--version", side, *options)
        what = " ".join(map(str, (side, "group" if cursor else "private", *options)))
        return Reader(what, process, log, gaps, start)

    # The segment from outside

    def header(self):
        """(state, last_published, the bytes that nobody of a legacy segment may write)"""
        header = self.content(self.segment)[:64]
        (last,) = struct.unpack_from("<Q", header, 16)
        (state,) = struct.unpack_from("<I", header, 48)
        return state, last, header[16:48] + header[52:]

    def reserved(self):
        with open(pathlib.Path("/dev/shm", self.segment), "rb") as file:
            return struct.unpack("<Q", file.read(8))[0] >> 16

    def newest(self, side=OURS):
        """What our read_last says; attaches, and so adopts."""
        process = self.start_ours("last", *self.common(), side=side)
        process.line("ready")
        return process.end()
