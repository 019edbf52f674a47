#!/usr/bin/python3
"""Our queue in C++, our queue in Python and the independent peer on one segment: each creates, produces, consumes and
shares out messages with each, also all at once, and while producers are killed. Ends with a table of rates.

    python_slick_matrix.py [--seed N] [--repeat N] [--messages N] [--paced N] [test names of unittest]
"""

import argparse
import multiprocessing
import multiprocessing.shared_memory
import random
import signal
import sys
import unittest

from python_slick_rates import Rates, print_table
from queue_check import exactly_once, private_books, reservations, rows
from queue_support import (BulkProducer, NONE, OURS, OURS_IN_PYTHON, Peer, QueueTest, STATES, SharedCursor, payload)
from sluice.slick import AtomicCursor, SlickQueue

VERSIONS = ("1.2.0", "1.3.0", "1.4.0", "python")
LANGUAGES = (OURS, OURS_IN_PYTHON)
PREFIX = 99  # the producer of the messages that bring a queue close to its first wrap
ROUND = 400000  # messages at most, so that logs and segments stay small
KILLED = -signal.SIGKILL
PATIENCE = 120  # seconds; a watchdog


class Options:
    seed = 1
    messages = 20000


class Everybody(QueueTest):
    def run_producers(self, producers):
        self.start_file.touch()
        for process, _ in producers:
            process.end()
        self.stop_file.touch()
        return [log for _, log in producers]

    def begin(self, creator, adopter, capacity, element, n):
        """A queue whose first lap is nearly over, so that what comes wraps. Adopted, so that every version attaches."""
        self.create(creator, capacity, element, n, seed=Options.seed)
        self.assertFalse(self.newest(adopter)["found"])
        self.assertEqual(self.header()[0], STATES[creator] or 1)
        peer = self.own(Peer.open(self.segment, element, "1.2.0"))
        self.joined = capacity - random.Random(Options.seed).randrange(1, 30)
        BulkProducer(peer, PREFIX, self.seed, (1, 1)).produce(self.joined)
        self.cursor = self.name()
        self.own(SharedCursor(self.cursor)).store(self.joined)

    def start_readers(self, theirs, *bulk):
        self.private = [self.reader(side, start=self.joined) for side in LANGUAGES]
        self.private += [self.reader(theirs, *safe, *bulk, start=self.joined) for safe in ((), ("--safe",))]
        self.group = [self.reader(side, start=self.joined, cursor=self.cursor) for side in LANGUAGES]
        self.group += [self.reader(theirs, *bulk, cursor=self.cursor)]
        for reader in self.private + self.group:
            self.assertFalse(reader.await_reading().get("wiped", False))

    def check(self, sent):
        whole = reservations(sent, self.joined, self.capacity)
        self.assertEqual(whole.end, self.reserved())
        for reader in self.private:
            report = reader.end()
            exactly_once(sent, [reader.log], reader.what)
            tails = report["skipped"] + report.get("marker_skips", 0)
            self.assertEqual((report["cursor"], report["lost"], tails), (whole.end, 0, whole.tails), reader.what)
            if reader.gaps:
                private_books(sent, reader)
        reports = [reader.end() for reader in self.group]
        exactly_once(sent, [reader.log for reader in self.group], "group")
        self.assertEqual({report["cursor"] for report in reports}, {whole.end})
        self.assertEqual(sum(report["lost"] for report in reports), 0)


class Matrix(Everybody):
    """Who creates the queue is joined by producers, readers and groups of all three kinds."""

    MESSAGES = 150  # of each producer
    ELEMENT = 40

    def cell(self, creator, theirs):
        chosen = random.Random(f"{Options.seed} {creator}")
        theirs = theirs or chosen.choice(VERSIONS)
        n = chosen.choice(("1", "1:3", "1:3"))
        with self.subTest(creator=creator, theirs=theirs, n=n, seed=Options.seed):
            self.begin(creator, chosen.choice(LANGUAGES), 4096, self.ELEMENT, n)
            self.start_readers(theirs)
            producers = [self.producer(side, number, self.MESSAGES, "--start-file", self.start_file)
                         for number, side in enumerate((OURS, OURS_IN_PYTHON, theirs), 1)]
            self.check(self.run_producers(producers))
            self.check_header(creator)

    def check_header(self, creator):
        state, last, others = self.header()
        self.assertEqual(state, STATES[creator] or 1)
        if STATES[creator] == 3:
            self.assertNotEqual(last, NONE)
        else:
            self.assertEqual(others, bytes(len(others)), "a legacy segment's other words")

    def test_cpp_creates(self):
        self.cell(OURS, None)

    def test_python_creates(self):
        self.cell(OURS_IN_PYTHON, None)

    def test_120_creates(self):
        self.cell("1.2.0", "1.2.0")

    def test_130_creates(self):
        self.cell("1.3.0", "1.3.0")

    def test_140_creates(self):
        self.cell("1.4.0", "1.4.0")

    def test_the_original_in_python_creates(self):
        self.cell("python", "python")


class Campaign(Everybody):
    """Producers of both languages at full speed; nobody is lapped, so everybody gets everything."""

    def test_every_message_once(self):
        left, number = Options.messages, 0
        while left > 0:
            self.run_round(min(left, ROUND), random.Random(f"{Options.seed} {number}"))
            left, number = left - ROUND, number + 1
            self.doCleanups()  # its segments and logs are large, and the watchdog begins anew
            self.setUp()

    def run_round(self, messages, chosen):
        creator, theirs = chosen.choice(LANGUAGES + VERSIONS), chosen.choice(VERSIONS)
        element, n = chosen.choice((8, 24, 28, 64)), chosen.choice(("1", "1:3"))
        with self.subTest(creator=creator, theirs=theirs, element=element, n=n, seed=Options.seed):
            self.begin(creator, chosen.choice(LANGUAGES), 1 << (messages * 5 // 2).bit_length(), element, n)
            self.start_readers(theirs, "--bulk")
            waits = ("--start-file", self.start_file)
            producers = [self.producer(side, number, messages // 4, *waits)
                         for number, side in enumerate((OURS, OURS_IN_PYTHON, OURS_IN_PYTHON), 1)]
            producers.append(self.producer(theirs, 4, messages // 4, "--bulk", *waits))
            self.check(self.run_producers(producers))


class Deaths(QueueTest):
    """A producer is killed -9: between reserve and publish, and anywhere. Readers of both languages go on behind it."""

    def start_readers(self, timeout):
        cursor, options = self.name(), ("--hole-timeout", timeout)
        self.private = [self.reader(side, *options) for side in LANGUAGES]
        self.group = [self.reader(side, *options, cursor=cursor) for side in LANGUAGES]
        for reader in self.private + self.group:
            reader.await_reading()

    def test_between_reserve_and_publish(self):
        for dies in LANGUAGES:
            self.create(OURS_IN_PYTHON if dies == OURS else OURS, 4096, 64, "1:3", seed=Options.seed)
            self.start_readers(0.02)
            process, dead_log = self.producer(dies, 1, 100, "--die-after-reserve", 7)
            process.end(code=KILLED)
            logs = [dead_log]
            for number, side in enumerate(LANGUAGES, 2):
                process, log = self.producer(side, number, 50)
                process.end()
                logs.append(log)
            self.stop_file.touch()
            self.check_hole(logs, payload.message_size(self.seed, 1, 7, 1, 3))

    def check_hole(self, sent, hole):
        whole = reservations(sent, 0, self.capacity, [hole])
        self.assertEqual(whole.end, self.reserved())
        for reader in self.private:
            report = reader.end()
            exactly_once(sent, [reader.log], reader.what)
            private_books(sent, reader, whole.holes)
            self.assertEqual((report["cursor"], report["lost"], report["skipped"]), (whole.end, 0, hole + whole.tails))
        reports = [reader.end() for reader in self.group]
        exactly_once(sent, [reader.log for reader in self.group], "group")
        self.assertEqual(sum(report["skipped"] for report in reports), hole + whole.tails)

    def test_anywhere(self):
        """The killed ones' logs end somewhere; the others' messages all arrive, once and in order."""
        # A timeout that no producer outlasts which is merely waiting for a processor.
        self.create("1.3.0", 1 << 20, 64, "1", seed=Options.seed)
        self.newest(OURS_IN_PYTHON)
        self.start_readers(2)
        waits = ("--start-file", self.start_file)
        doomed = [self.producer(side, number, 100000, *waits) for number, side in enumerate(LANGUAGES, 1)]
        lasting = [self.producer(side, number, 5000, *waits) for number, side in enumerate(LANGUAGES, 3)]
        self.start_file.touch()
        while self.reserved() < 2000:
            pass  # the watchdog ends this
        for process, _ in doomed:
            process.process.kill()
        for process, _ in doomed:
            process.process.wait(PATIENCE)
        for process, _ in lasting:
            process.end()
        process, last_log = self.producer("1.2.0", 5, 1)  # behind every hole
        process.end()
        self.stop_file.touch()
        logs = [log for _, log in lasting] + [last_log]
        for readers in [[reader] for reader in self.private] + [self.group]:
            self.check_survivors(logs, readers)

    def check_survivors(self, sent, readers):
        for reader in readers:
            report = reader.end()
            self.assertEqual((report["torn"], report["disorder"], report["lost"]), (0, 0, 0), reader.what)
            self.assertLessEqual(report["skipped"], 2, reader.what)
            survivors = self.file(f"{reader.log.name}-survivors")
            survivors.write_text("".join(row.line for row in rows(reader.log) if int(row.producer) > 2),
                                 encoding="ascii")
        exactly_once(sent, [self.file(f"{reader.log.name}-survivors") for reader in readers], "survivors")


def produce_in_a_worker(name, producer, count):
    with SlickQueue(name=name, element_size=8) as queue:
        for sequence in range(count):
            index = queue.reserve()
            queue[index][:] = payload.element(8, 0, producer, sequence, 0)
            queue.publish(index)


def collect_in_a_worker(name, cursor_name, end, results):
    memory = multiprocessing.shared_memory.SharedMemory(name=cursor_name)
    with SlickQueue(name=name, element_size=8) as queue, AtomicCursor(memory.buf) as cursor:
        while cursor.load() < end:
            data, size, index = queue.read(cursor)
            if data is not None:
                results.put((index, size, *payload.origin(data, size, 8)))
    memory.close()


class Collected(QueueTest):
    """The originals' own test: workers put what they got into a multiprocessing.Queue. It is read while they run, for a
    worker does not end before its results are taken out of its hands. C++ creates, produces too, and reads it all."""

    EACH = 500

    def test_results_are_drained_while_processes_run(self):
        end = 3 * self.EACH
        self.create(OURS, 4096, 8, "1", seed=Options.seed)
        reader = self.reader(OURS, "--count", end)
        reader.await_reading()
        producer, _ = self.producer(OURS, 3, self.EACH, "--start-file", self.start_file)
        context, cursor_name = multiprocessing.get_context("fork"), self.name()
        cursor = multiprocessing.shared_memory.SharedMemory(name=cursor_name, create=True, size=8)
        results = context.Queue()
        works = [(collect_in_a_worker, (self.segment, cursor_name, end, results))] * 3
        works += [(produce_in_a_worker, (self.segment, number, self.EACH)) for number in (1, 2)]
        workers = [context.Process(target=work, args=arguments, daemon=True) for work, arguments in works]
        for worker in workers:
            worker.start()
        self.start_file.touch()
        got = [results.get(timeout=PATIENCE) for _ in range(end)]
        for worker in workers:
            worker.join(PATIENCE)
        cursor.close()
        cursor.unlink()
        self.assertEqual([worker.exitcode for worker in workers], [0] * len(workers))
        producer.end()
        reader.end()
        self.assertEqual(sorted(got), [(row.index, row.size, int(row.producer), int(row.sequence))
                                       for row in rows(reader.log)])
        self.assertEqual(sorted((producer, sequence) for _, _, producer, sequence in got),
                         [(producer, sequence) for producer in (1, 2, 3) for sequence in range(self.EACH)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen")
    parser.add_argument("--repeat", type=int, default=1, help="times, each with another seed; the table comes once")
    parser.add_argument("--messages", type=int, default=Options.messages, help="of the producers of both languages")
    parser.add_argument("--paced", type=int, default=Rates.PACED, help="messages of each paced row; 1 kHz")
    parser.add_argument("names", nargs="*", help="test names, as unittest takes them")
    arguments = parser.parse_args()
    Options.messages, Rates.PACED = arguments.messages, arguments.paced
    for number in range(arguments.repeat):
        Options.seed = arguments.seed + number
        names = arguments.names or [case.__name__ for case in (Matrix, Campaign, Deaths, Collected)]
        if not arguments.names and number == arguments.repeat - 1:
            names.append(Rates.__name__)
        suite = unittest.defaultTestLoader.loadTestsFromNames(names, sys.modules[__name__])
        if arguments.repeat > 1:
            print(f"-- repetition {number + 1} of {arguments.repeat}, seed {Options.seed}", file=sys.stderr)
        if not unittest.TextTestRunner().run(suite).wasSuccessful():
            return 1
    if Rates.rows:
        print_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
