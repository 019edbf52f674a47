"""What slick_peer.py's sub-commands do: produce, consume and steal, each bounded by a deadline."""

import json
import os
import signal
import time
import zlib

import peer_payload as payload
from peer_bulk import BATCH, BulkConsumer, BulkProducer
from peer_safe_reader import SafeReader

NAP = 0.0002  # when there is nothing to read
BULK_CHUNK = 1000
SUCCESS, REFUSED, TIMED_OUT, UNSOUND = 0, 1, 3, 4


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class TimedOut(Exception):
    pass


class Bounds:
    """The deadline, and the files through which a test starts and stops a run."""

    def __init__(self, arguments):
        self.deadline = time.monotonic() + arguments.timeout
        self.start_file = arguments.start_file
        self.stop_file = arguments.stop_file

    def check(self):
        if time.monotonic() > self.deadline:
            raise TimedOut()

    def nap(self, seconds=NAP):
        self.check()
        time.sleep(seconds)

    def sleep(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.nap(max(0, min(0.05, end - time.monotonic())))

    def stopped(self):
        return self.stop_file is not None and os.path.exists(self.stop_file)

    def await_start(self):
        while self.start_file is not None and not os.path.exists(self.start_file):
            self.nap()


class Log:
    """One line a message, complete at once, so that it survives our own death: index size producer sequence crc."""

    def __init__(self, path):
        self.file = open(path, "w", buffering=1, encoding="ascii")

    @staticmethod
    def line(index, size, origin, checksum):
        producer, sequence = origin if origin else ("-", "-")
        return f"{index} {size} {producer} {sequence} {checksum:08x}\n"

    def write(self, index, size, origin, checksum):
        self.file.write(self.line(index, size, origin, checksum))

    def write_all(self, lines):
        self.file.write("".join(self.line(*line) for line in lines))


def read_log(path):
    """[(index, size, producer, sequence, crc)]; producer and sequence are None for a torn message."""
    def number(text):
        return None if text == "-" else int(text)

    with open(path, encoding="ascii") as file:
        rows = [line.split() for line in file if line.endswith("\n")]
    return [(int(row[0]), int(row[1]), number(row[2]), number(row[3]), int(row[4], 16)) for row in rows]


# ---- produce

class Pace:
    def __init__(self, rate, bounds):
        self.rate = rate
        self.bounds = bounds
        self.started = time.monotonic()

    def await_turn(self, done):
        self.bounds.check()
        if self.rate:
            ahead = self.started + done / self.rate - time.monotonic()
            if ahead > 0:
                self.bounds.sleep(ahead)


class Producer:
    """One message at a time, with every way to be slow or to die."""

    def __init__(self, peer, arguments, bounds):
        payload.require_element_size(peer.element_size)
        self.peer, self.arguments, self.bounds = peer, arguments, bounds
        self.elements = 0
        self.sequence = arguments.first_sequence
        peer.before_marker = self._before_marker

    def _before_marker(self):
        if self.arguments.die_before_marker is not None and self.sequence >= self.arguments.die_before_marker:
            os.kill(os.getpid(), signal.SIGKILL)

    def _delay(self, seconds):
        if seconds and self.sequence % self.arguments.delay_every == 0:
            self.bounds.sleep(seconds)

    def produce(self, count, log=None):
        for _ in range(count):
            self._produce_one(log)

    def _produce_one(self, log):
        peer, arguments, sequence = self.peer, self.arguments, self.sequence
        size = payload.message_size(arguments.seed, arguments.producer, sequence, *arguments.n)
        data = payload.message(peer.element_size, arguments.seed, arguments.producer, sequence, size)
        index = peer.reserve(size)
        if sequence == arguments.die_after_reserve:
            os.kill(os.getpid(), signal.SIGKILL)
        self._delay(arguments.delay_before_write)
        peer.write(index, data)
        self._delay(arguments.delay_in_publish)
        peer.publish(index, size)
        self.sequence += 1
        self.elements += size
        if log is not None:
            log.write(index, size, payload.Origin(arguments.producer, sequence), zlib.crc32(data))


def produce(peer, arguments, bounds, log):
    if arguments.bulk:
        producer = BulkProducer(peer, arguments.producer, arguments.seed, arguments.n, arguments.first_sequence)
        chunk = BULK_CHUNK if not arguments.rate else max(1, min(BULK_CHUNK, int(arguments.rate / 100)))
    else:
        producer, chunk = Producer(peer, arguments, bounds), 1
    bounds.await_start()
    pace, done = Pace(arguments.rate, bounds), 0
    while (arguments.count is None or done < arguments.count) and not bounds.stopped():
        pace.await_turn(done)
        now = chunk if arguments.count is None else min(chunk, arguments.count - done)
        producer.produce(now, log)
        done += now
    emit("done", messages=done, elements=producer.elements, reserved=peer.reserved_index())
    return SUCCESS


# ---- consume and steal

class Consumer:
    """One message at a time: the original's read, the lap-checked one, or work stealing."""

    def __init__(self, peer, cursor=0, safe=False, hole_timeout=None, seed=0, sizes=(0, 0), shared=None, margin=0):
        payload.require_element_size(peer.element_size)
        self.peer, self.cursor, self.shared = peer, cursor, shared
        self.seed, self.sizes = seed, sizes
        self.safe = SafeReader(peer, cursor, hole_timeout, margin) if safe else None
        self.messages = self.elements = self.lost = self.marker_skips = self.torn = self.disorder = self.resets = 0
        self.next_sequence, self.sources = {}, {}

    def consume(self, limit, log=None):
        done = 0
        while done < min(limit, BATCH):
            message = self._take()
            if message is None:
                break
            self._account(message, log)
            done += 1
        return done

    def _take(self):
        if self.safe:
            return self.safe.take()
        if self.shared:
            message = self.peer.read_shared(self.shared)
            self.marker_skips = self.peer.shared_marker_skips
        else:
            before = self.cursor
            message, self.cursor = self.peer.read(self.cursor)
            stood = message.cursor if message else self.cursor
            self.resets += stood < before
            self.marker_skips += max(0, stood - before)
        if message:
            self.lost += message.index - message.cursor
        return message

    def _account(self, message, log):
        origin = payload.origin(message.data, message.size, self.peer.element_size)
        if origin and self.sizes[0] and message.size != payload.message_size(self.seed, *origin, *self.sizes):
            origin = None
        self.messages += 1
        self.elements += message.size
        if origin:
            self.disorder += origin.sequence < self.next_sequence.get(origin.producer, 0)
            self.next_sequence[origin.producer] = origin.sequence + 1
            self.sources[origin.producer] = self.sources.get(origin.producer, 0) + 1
        else:
            self.torn += 1
        if log is not None:
            log.write(message.index, message.size, origin, zlib.crc32(message.data))

    def report(self):
        names = ("messages", "elements", "lost", "marker_skips", "torn", "disorder", "resets")
        fields = {name: getattr(self, name) for name in names}
        cursor = self.shared.load() if self.shared else self.cursor
        fields.update(cursor=cursor, skipped=0, discarded=0, sources=self.sources)
        if self.safe:
            books = ("lost", "marker_skips", "skipped", "discarded", "resets", "cursor")
            fields.update({name: getattr(self.safe, name) for name in books})
        return fields


def make_consumer(peer, arguments, shared):
    start = 0
    if shared is None:
        start = peer.initial_reading_index() if arguments.start == "join" else int(arguments.start)
    sizes = arguments.n or (0, 0)
    if arguments.bulk:
        return start, BulkConsumer(peer, start, arguments.safe, arguments.seed, sizes, shared, arguments.margin)
    return start, Consumer(peer, start, arguments.safe, arguments.hole_timeout, arguments.seed, sizes, shared,
                           arguments.margin)


def consume(peer, arguments, bounds, log, shared=None):
    """Ends with `count` messages, when idle for --until-idle, or with nothing left once the stop file is there."""
    start, consumer = make_consumer(peer, arguments, shared)
    emit("reading", start=start)
    bounds.await_start()
    done, last = 0, time.monotonic()
    while arguments.count is None or done < arguments.count:
        stopping = bounds.stopped()  # looked at first: what was published before it must still be read
        count = consumer.consume(BATCH if arguments.count is None else arguments.count - done, log)
        if count:
            done, last = done + count, time.monotonic()
            bounds.check()
            continue
        if stopping or (arguments.until_idle is not None and time.monotonic() - last > arguments.until_idle):
            break
        bounds.check() if arguments.spin else bounds.nap()
    report = consumer.report()
    emit("done", start=start, reserved=peer.reserved_index(), **report)
    complete = arguments.count is None or done == arguments.count
    sound = report["disorder"] == 0 and (report["torn"] == 0 or arguments.allow_torn)
    return SUCCESS if complete and sound else UNSOUND
