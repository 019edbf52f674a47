#!/usr/bin/python3
"""Our Python side of the table where slick_peer.py sits on the other: the commands, options, logs and lines of JSON of
queue_peer, on sluice.slick. Of slick_peer only what does not touch the queue is used: the payload, and the clock."""

import argparse
import ctypes
import faulthandler
import os
import pathlib
import signal
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "slick_peer"))

import peer_native as native  # noqa: E402
from peer_payload import Origin, require_element_size  # noqa: E402
from peer_programs import Bounds, Log, Pace, REFUSED, SUCCESS, TIMED_OUT, TimedOut, UNSOUND, emit  # noqa: E402
from slick_peer import SharedCursor, WATCHDOG_GRACE, sizes  # noqa: E402
from sluice.slick import AtomicCursor, SlickQueue  # noqa: E402

BATCH = 256  # messages between two looks at the clock
PATIENCE = 0.05  # longer than a queue may go without a close look


class Lines:
    """A log that is written in blocks."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii") if path else None

    def message(self, index, size, origin, data):
        if self.file:
            self.file.write(Log.line(index, size, origin, zlib.crc32(data)))

    def gap(self, *numbers):
        if self.file:
            print(*numbers, file=self.file)

    def flush(self):
        if self.file:
            self.file.flush()


# ---- produce

class Message:
    """A message of the payload convention, as often as wanted in the same memory."""

    def __init__(self, element_size, arguments):
        require_element_size(element_size)
        self.element_size, self.seed, self.producer, self.n = (element_size, arguments.seed, arguments.producer,
                                                               arguments.n)
        self.memory = bytearray(self.n[1] * element_size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        view = memoryview(self.memory)
        self.elements = [view[number * element_size:(number + 1) * element_size] for number in range(self.n[1])]

    def fill(self, sequence):
        """Its number of elements."""
        smallest, largest = self.n
        size = smallest
        if largest > smallest:
            size = native.message_size(self.seed, self.producer, sequence, smallest, largest)
        for number in range(size):
            native.fill_element(self.address + number * self.element_size, self.element_size, self.seed, self.producer,
                                sequence, number)
        return size

    def data(self, size):
        return memoryview(self.memory)[:size * self.element_size]


def produce(queue, arguments, bounds):
    log, message = Lines(arguments.log), Message(queue.element_size, arguments)
    bounds.await_start()
    pace, sequence, elements, refused = Pace(arguments.rate, bounds), 0, 0, 0
    while arguments.count is None or sequence < arguments.count:
        if sequence % BATCH == 0 or arguments.rate:
            if bounds.stopped():
                break
            pace.await_turn(sequence)
        size = message.fill(sequence)
        index = queue.reserve(size)
        if sequence == arguments.die_after_reserve:
            log.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        for number in range(size):
            queue[index + number][:] = message.elements[number]
        if queue.publish(index, size):
            elements += size
            log.message(index, size, Origin(arguments.producer, sequence), message.data(size))
        else:
            refused += 1
        sequence += 1
    emit("done", messages=sequence - refused, elements=elements, refused=refused,
         reserved=queue.initial_reading_index())
    return SUCCESS


# ---- consume and steal

class Reader:
    """One reader and its books: cursor - start = elements + lost + skipped, of a group for the sums of all."""

    def __init__(self, queue, arguments, shared):
        require_element_size(queue.element_size)
        self.queue, self.arguments, self.shared = queue, arguments, shared
        self.cursor = arguments.start
        self.log, self.gaps = Lines(arguments.log), Lines(arguments.gaps)
        self.messages = self.elements = self.torn = self.disorder = self.unbalanced = self.resets = 0
        self.next_sequence, self.sources = {}, {}

    def take(self):
        """Whether there was a message."""
        if self.shared is not None:
            data, size, index = self.queue.read(self.shared)
        else:
            data, size, index = self._read_private()
        if size:
            self._account(data, size, index)
        return size != 0

    def _read_private(self):
        queue, start = self.queue, self.cursor
        lost, skipped = queue.loss_count(), queue.skipped_count()
        data, size, self.cursor = queue.read(start)
        index = self.cursor - size
        if index != start:
            lost, skipped = queue.loss_count() - lost, queue.skipped_count() - skipped
            self.resets += index < start
            self.unbalanced += index > start and index - start != lost + skipped
            self.gaps.gap(start, index, lost, skipped)
        return data, size, index

    def _origin(self, data, size):
        producer, sequence = native.U64(), native.U64()
        element_size = self.queue.element_size
        if len(data) != size * element_size:
            return None
        if not native.message_intact(data, size, element_size, ctypes.byref(producer), ctypes.byref(sequence)):
            return None
        origin, n = Origin(producer.value, sequence.value), self.arguments.n
        if n and n[1] > n[0] and size != native.message_size(self.arguments.seed, *origin, *n):
            return None
        return origin if not n or n[0] <= size <= n[1] else None

    def _account(self, data, size, index):
        origin = self._origin(data, size)
        self.messages += 1
        self.elements += size
        if origin:
            producer, sequence = origin
            self.disorder += sequence < self.next_sequence.get(producer, 0)
            self.next_sequence[producer] = sequence + 1
            self.sources[producer] = self.sources.get(producer, 0) + 1
        else:
            self.torn += 1
        self.log.message(index, size, origin, data)

    def sound(self):
        return not (self.torn or self.disorder or self.unbalanced or self.resets)

    def report(self):
        names = ("messages", "elements", "torn", "disorder", "unbalanced", "resets", "sources")
        fields = {name: getattr(self, name) for name in names}
        return {**fields, "lost": self.queue.loss_count(), "skipped": self.queue.skipped_count(), "discarded": 0,
                "start": self.arguments.start, "cursor": self.shared.load() if self.shared else self.cursor,
                "reserved": self.queue.initial_reading_index()}


def read_to_the_end(reader, arguments, bounds):
    """Ends with `count` messages, or with nothing left once the stop file is there: nothing for as long as a hole may
    hold it up: three times its time-out, if the queue watched another place before. There may be several in a row."""
    give_up, skipped = None, 0
    while arguments.count is None or reader.messages < arguments.count:
        stopping = bounds.stopped()  # looked at first: what was published before it must still be read
        taken = 0
        while taken < BATCH and (arguments.count is None or reader.messages < arguments.count) and reader.take():
            taken += 1
        now = time.monotonic()
        if taken or reader.queue.skipped_count() != skipped:
            give_up, skipped = None, reader.queue.skipped_count()
            bounds.check()
            continue
        if stopping and give_up is None:
            give_up = now + 4 * arguments.hole_timeout + PATIENCE
        if give_up is not None and now > give_up:
            break
        bounds.nap()


def consume(queue, arguments, bounds):
    shared = AtomicCursor(SharedCursor(arguments.cursor).mapping.bytes) if arguments.command == "steal" else None
    reader = Reader(queue, arguments, shared)
    emit("reading", start=arguments.start)
    bounds.await_start()
    read_to_the_end(reader, arguments, bounds)
    emit("done", **reader.report())
    complete = arguments.count is None or reader.messages == arguments.count
    return SUCCESS if complete and reader.sound() else UNSOUND


def last(queue):
    data = queue.read_last()
    fields = {"found": data is not None}
    if data is not None:
        producer, sequence = native.U64(), native.U64()
        size = len(data) // queue.element_size
        native.message_intact(data, size, queue.element_size, ctypes.byref(producer), ctypes.byref(sequence))
        fields.update(size=size, producer=producer.value, sequence=sequence.value)
    emit("done", **fields)
    return SUCCESS


def hold(bounds):
    while not bounds.stopped():
        bounds.nap(0.005)
    emit("done")
    return SUCCESS


# ---- the program

def parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", required=True)
    common.add_argument("--capacity", type=int, help="elements; create or open. Without it: open")
    common.add_argument("--element", type=int, default=64, help="bytes")
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--timeout", type=float, default=60, help="seconds, for everything")
    common.add_argument("--start-file", help="attach, then begin when this file is there")
    common.add_argument("--stop-file", help="end when this file is there")
    common.add_argument("--log", help="one line a message: index size producer sequence crc")
    common.add_argument("--count", type=int)
    common.set_defaults(hole_timeout=0, n=None)
    root = argparse.ArgumentParser(prog="python_queue_peer.py", description="Our Python side in interoperability tests")
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser("create", parents=[common], help="create or open, and hold until the stop file")
    commands.add_parser("last", parents=[common], help="the newest message")
    producer = commands.add_parser("produce", parents=[common])
    producer.add_argument("--producer", type=int, default=1, help="1 to 65535")
    producer.add_argument("--n", type=sizes, default=(1, 1), help="elements a message: fixed, or a:b chosen by seed")
    producer.add_argument("--rate", type=float, help="messages per second")
    producer.add_argument("--die-after-reserve", type=int, help="SIGKILL with this message reserved and unwritten")
    for name in ("consume", "steal"):
        reader = commands.add_parser(name, parents=[common])
        reader.add_argument("--n", type=sizes, help="what producers were given with this --seed: sizes are checked")
        reader.add_argument("--start", type=int, default=0)
        reader.add_argument("--gaps", help="one line a stretch not delivered: from to lost skipped")
        reader.add_argument("--hole-timeout", type=float, help="seconds; 0: never")
        reader.add_argument("--cursor", required=name == "steal", help="name of the shared cursor's object")
    return root


def run(arguments):
    bounds = Bounds(arguments)
    with SlickQueue(name=arguments.name, size=arguments.capacity, element_size=arguments.element,
                    hole_timeout=arguments.hole_timeout) as queue:
        emit("ready", pid=os.getpid(), capacity=queue.size, owner=queue.own_buffer(), shm_name=queue.get_shm_name(),
             reserved=queue.initial_reading_index())
        if arguments.command == "produce":
            return produce(queue, arguments, bounds)
        if arguments.command == "create":
            return hold(bounds)
        return last(queue) if arguments.command == "last" else consume(queue, arguments, bounds)


def main():
    arguments = parser().parse_args()
    faulthandler.dump_traceback_later(arguments.timeout + WATCHDOG_GRACE, exit=True)
    try:
        return run(arguments)
    except TimedOut:
        emit("error", kind="timeout", text=f"not finished after {arguments.timeout} s")
        return TIMED_OUT
    except (OSError, ValueError, RuntimeError) as error:
        emit("error", kind=type(error).__name__, text=str(error))
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
