"""What eshm_peer.py's sub-commands do: serve, greet and echo, each bounded by a deadline."""

import json
import os
import re
import signal
import threading
import time

import eshm_message as message
from eshm_channel import BufferTooSmall, MasterStale, NoData, Timeout, WouldSpin
from eshm_log import COMPLETED, NoLog, READ, STARTED, TORN
from eshm_segment import WouldCrash

SUCCESS, REFUSED, TIMED_OUT, UNSOUND, LOST = 0, 1, 3, 4, 5
NAP = 0.001
READ_SLICE = 20  # milliseconds of one read, between two looks at the stop file
LAST_LINES = ("done", "error")
_output = threading.Lock()
_ended = False


def emit(event, **fields):
    """The monitor may have something to say after the last line; nobody hears it any more."""
    global _ended
    with _output:
        if not _ended:
            print(json.dumps({"event": event, **fields}), flush=True)
        _ended = event in LAST_LINES or _ended


class TimedOut(Exception):
    pass


class Bounds:
    """The deadline, and the files through which a test starts and stops a run."""

    def __init__(self, arguments):
        self.deadline = time.monotonic() + arguments.timeout
        self.start_file, self.stop_file = arguments.start_file, arguments.stop_file

    def check(self):
        if time.monotonic() > self.deadline:
            raise TimedOut()

    def stopped(self):
        self.check()
        return self.stop_file is not None and os.path.exists(self.stop_file)

    def await_start(self):
        while self.start_file is not None and not os.path.exists(self.start_file):
            self.check()
            time.sleep(NAP)


class Writing:
    """Messages of the payload convention, at a rate, with every way to die or to stop in the middle of one."""

    def __init__(self, peer, arguments, log):
        self.peer, self.arguments, self.log = peer, arguments, log
        self.number = arguments.first
        self.started = self.completed = self.refused = 0
        self.begun = time.monotonic()

    def wanted(self):
        count = self.arguments.write_count
        return count is None or self.completed < count

    def wait(self):
        """Seconds until the next message is due."""
        if not self.arguments.rate:
            return 0
        return max(0, self.begun + (self.started + self.refused) / self.arguments.rate - time.monotonic())

    def step(self):
        """The fault of this message: the step after which it strikes, and the signal."""
        for fault, number in ((self.arguments.die_in_write, signal.SIGKILL),
                              (self.arguments.stop_in_write, signal.SIGSTOP)):
            if fault and fault[0] == self.number:
                return fault[1], number
        return None, 0

    def write(self):
        writer, seed = self.arguments.writer, self.arguments.seed
        size = message.message_size(seed, writer, self.number, *self.arguments.sizes)
        data = message.message(size, seed, writer, self.number)
        self.log.add(STARTED, size, writer, self.number)
        self.started += 1
        try:
            self.peer.write(data, *self.step())
        except Timeout:
            self.refused += 1
            self.started -= 1
            time.sleep(NAP)
            return
        self.log.add(COMPLETED, size, writer, self.number)
        self.completed += 1
        self.number += 1

    def report(self):
        return {"started": self.started, "completed": self.completed, "refused": self.refused, "next": self.number}


class Reading:
    """Checks whatever comes and keeps the books."""

    def __init__(self, peer, log, each=False):
        self.peer, self.log, self.each = peer, log, each
        self.reads = self.torn = self.anonymous = self.repeated = self.disorder = self.missing = 0
        self.too_small = self.stale = 0
        self.last = {}
        self.latest = time.monotonic()

    def read(self, timeout_ms):
        try:
            data = self.peer.read(timeout_ms)
        except NoData:
            return None
        except MasterStale:
            self.stale += 1
            time.sleep(NAP)
            return None
        except Timeout:
            if self.peer.mapping is None:
                time.sleep(NAP)
            return None
        except BufferTooSmall:
            self.too_small += 1
            return None
        self.latest = time.monotonic()
        self._account(data)
        return data

    def _account(self, data):
        origin = message.origin(data)
        self.reads += 1
        if origin is None:
            self.torn += 1
            self.log.add(TORN, len(data), 0, 0)
        else:
            self.log.add(READ, len(data), *origin)
            self._order(origin)
        if self.each or self.reads == 1:
            emit("read", size=len(data), torn=origin is None, writer=origin and origin.writer,
                 number=origin and origin.number)

    def _order(self, origin):
        if origin.writer == 0:
            self.anonymous += 1
            return
        last = self.last.get(origin.writer)
        if last is not None:
            self.repeated += origin.number == last
            self.disorder += origin.number < last
            self.missing += max(0, origin.number - last - 1)
        self.last[origin.writer] = origin.number

    def report(self):
        names = ("reads", "torn", "anonymous", "repeated", "disorder", "missing", "too_small", "stale", "last")
        return {**{name: getattr(self, name) for name in names}, "conflated": self.peer.conflated,
                "joined": self.peer.joined, "baseline": self.peer.baseline}


class Serving:
    def __init__(self, peer, arguments, bounds, log):
        self.peer, self.arguments, self.bounds = peer, arguments, bounds
        self.writing = Writing(peer, arguments, log or NoLog())
        self.reading = Reading(peer, log or NoLog(), arguments.each)

    def has_enough(self):
        return self.arguments.read_count is not None and self.reading.reads >= self.arguments.read_count

    def over(self):
        presence, idle = self.peer.presence, self.arguments.until_idle
        if self.bounds.stopped() or (presence and presence.state in ("given_up", "stopped")):
            return True
        if self.arguments.read:
            if self.has_enough():
                return True
            return idle is not None and time.monotonic() - self.reading.latest > idle
        return not self.writing.wanted() and not self.arguments.stop_file

    def turn(self):
        wait = self.writing.wait() if self.writing.wanted() else READ_SLICE / 1000
        if self.writing.wanted() and wait == 0:
            self.writing.write()
            if self.arguments.read:
                self.reading.read(0)
        elif self.arguments.read:
            self.reading.read(int(min(wait * 1000, READ_SLICE)))
        else:
            time.sleep(min(wait, READ_SLICE / 1000))

    def report(self):
        presence = self.peer.presence
        return {**self.writing.report(), **self.reading.report(), "woken": self.peer.woken,
                "reconnects": self.peer.reconnects,
                "state": presence.state if presence else None, "alive": self.peer.alive(), "stats": self.peer.stats()}

    def sound(self):
        arguments, reading = self.arguments, self.reading
        complete = not arguments.write_count or not self.writing.wanted()
        complete = complete and (arguments.read_count is None or self.has_enough())
        return complete and not reading.disorder and (arguments.allow_torn or not reading.torn)


def serve(peer, arguments, bounds, log):
    serving = Serving(peer, arguments, bounds, log)
    if arguments.invert_parity:
        peer.invert_parity()
    if arguments.read:
        serving.reading.read(0)
        emit("reading", baseline=peer.baseline)
    bounds.await_start()
    serving.writing.begun = serving.reading.latest = time.monotonic()
    lost = False
    try:
        while not serving.over():
            serving.turn()
        if arguments.read and not serving.has_enough():
            serving.reading.read(0)  # what came before the end was seen
    except (WouldSpin, WouldCrash) as error:
        emit(error.kind, text=str(error))
        lost = True
    emit("done", **serving.report())
    return LOST if lost else SUCCESS if serving.sound() else UNSOUND


def text_of(data):
    return data.rstrip(b"\0").decode(errors="replace")


def greet(peer, arguments, bounds):
    """The originals' demos: a master greets and reads, a slave reads and acknowledges, with the NUL inside the size."""
    python = "Python " if arguments.language == "python" else ""
    sent = received = 0
    due = time.monotonic()
    while not bounds.stopped() and (arguments.count is None or received < arguments.count):
        if peer.role == "master" and time.monotonic() >= due:
            peer.write(f"Hello from {python}master #{sent}\0".encode())
            due = time.monotonic() + 1 / arguments.rate
            sent += 1
        try:
            data = peer.read(READ_SLICE)
        except Timeout:
            continue
        received += 1
        emit("received", size=len(data), text=text_of(data))
        if peer.role == "slave":
            asked = re.search(r"#(\d+)$", text_of(data))
            peer.write(f"ACK from {python}slave #{asked[1] if asked else sent}\0".encode())
            sent += 1
    emit("done", sent=sent, received=received)
    return SUCCESS


def echo(peer, arguments, bounds):
    """Writes back whatever arrives."""
    count = 0
    while not bounds.stopped() and (arguments.count is None or count < arguments.count):
        try:
            peer.write(peer.read(READ_SLICE))
        except Timeout:
            continue
        count += 1
    emit("done", echoed=count)
    return SUCCESS
