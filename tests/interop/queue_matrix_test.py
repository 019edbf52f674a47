"""Every creator with every original and with us: who produces, who consumes, and who shares out the messages, in all
directions, one element a message and one to three. Every message is compared with the producers' logs.

SLUICE_QUEUE_MATRIX_MESSAGES sets how many messages each producer sends."""

import os
import unittest

from queue_check import exactly_once, reservations
from queue_support import NONE, OURS, QueueTest, STATES, SharedCursor

MESSAGES = int(os.environ.get("SLUICE_QUEUE_MATRIX_MESSAGES", "120"))
ELEMENT = 40
PREFIX = 9  # the producer of the messages that bring the queue close to its first wrap

# Each original with its own segments and with ours, and where the versions differ in attaching also across.
PAIRS = [(version, version) for version in ("1.2.0", "1.3.0", "1.4.0", "python")]
PAIRS += [(OURS, version) for version in ("1.2.0", "1.3.0", "1.4.0", "python")]
PAIRS += [("1.2.0", "1.4.0"), ("python", "1.3.0"), ("1.4.0", "python"), ("1.3.0", "1.2.3")]


class Matrix(QueueTest):
    def run_cell(self, creator, theirs, n):
        capacity = 1 << (MESSAGES * 4 * 3).bit_length()  # what is sent after the prefix fits, whatever its sizes are
        self.create(creator, capacity, ELEMENT, n)
        self.attach_first(creator)
        self.start_mixed_group(theirs)
        self.send_prefix(capacity - MESSAGES)
        self.start_readers(theirs)
        self.they_produce(creator, theirs)
        self.we_produce(creator)
        self.both_produce(theirs)
        self.check_logs(theirs)
        self.check_header(creator)

    def attach_first(self, creator):
        state = STATES[creator]
        self.assertEqual(self.header()[0], state)
        self.assertFalse(self.newest()["found"])
        self.state = 1 if state == 0 else state
        self.assertEqual(self.header()[0], self.state, "adopted")

    def start_mixed_group(self, theirs):
        """Both sides look for the cursor at once, and either may create it."""
        self.cursor = self.name()
        self.mixed = [self.reader(side, cursor=self.cursor, check_sizes=False) for side in (OURS, theirs)]
        for reader in self.mixed:
            reader.await_reading()

    def send_prefix(self, count):
        process, log = self.producer(OURS, PREFIX, count, n="1")
        process.end()
        self.sent = [log]
        self.prefix_log, self.joined = log, count
        cursor = self.own(SharedCursor(self.cursor))
        while cursor.load() < count:
            pass  # the watchdog ends this

    def start_readers(self, theirs):
        own_cursor = self.name()
        self.group = [self.reader(OURS, *options, start=self.joined, cursor=own_cursor)
                      for options in ((), ("--in-place",))]
        by_size = ("--capacity", self.capacity, "--form", "size")  # where 1.3.0 and 1.4.0 wipe what is not adopted
        self.private = [self.reader(OURS, "--copy", start=self.joined), self.reader(OURS, "--in-place",
                                                                                    start=self.joined),
                        self.reader(theirs, *by_size, start=self.joined),
                        self.reader(theirs, "--safe", start=self.joined)]
        for reader in self.group + self.private:
            self.assertFalse(reader.await_reading().get("wiped", False))

    def send(self, *producers):
        started = [self.producer(side, number, MESSAGES, "--start-file", self.start_file) for side, number in producers]
        self.start_file.touch()
        for process, log in started:
            process.end()
            self.sent.append(log)
        self.start_file.unlink()
        return [log for _, log in started]

    def assert_newest(self, log):
        index, size, producer, sequence, _ = log.read_text(encoding="ascii").splitlines()[-1].split()
        self.assertEqual(self.newest(), {"event": "done", "found": True, "index": int(index), "size": int(size),
                                         "producer": int(producer), "sequence": int(sequence)})
        return int(index)

    def they_produce(self, creator, theirs):
        (log,) = self.send((theirs, 1))
        newest = self.assert_newest(log)
        if STATES[creator] == 3:
            self.assertEqual(self.header()[1], newest if theirs == "1.4.0" else self.joined - 1)

    def we_produce(self, creator):
        (log,) = self.send((OURS, 2))
        newest = self.assert_newest(log)
        if STATES[creator] == 3:
            self.assertEqual(self.header()[1], newest)

    def both_produce(self, theirs):
        self.send((theirs, 3), (OURS, 4))
        self.stop_file.touch()

    def check_logs(self, theirs):
        end = self.reserved()
        after = [log for log in self.sent if log != self.prefix_log]
        whole = reservations(after, self.joined, self.capacity)
        self.assertEqual(whole.end, end)
        for reader in self.private:
            report = reader.end()
            exactly_once(after, [reader.log], reader.what)
            tails = report["skipped"] + report.get("marker_skips", 0)
            self.assertEqual((report["cursor"], report["lost"], tails), (end, 0, whole.tails), reader.what)
        for group, sent in ((self.group, after), (self.mixed, self.sent)):
            reports = [reader.end() for reader in group]
            exactly_once(sent, [reader.log for reader in group], f"group with {theirs}")
            self.assertEqual({report["cursor"] for report in reports}, {end})
            self.assertEqual(sum(report["lost"] for report in reports), 0)
            self.assertEqual(sum(report["skipped"] + report.get("marker_skips", 0) for report in reports), whole.tails)

    def check_header(self, creator):
        state, last, others = self.header()
        self.assertEqual(state, self.state)
        if STATES[creator] == 3:
            self.assertNotEqual(last, NONE)
        else:
            self.assertEqual(others, bytes(len(others)), "a legacy segment's other words")


def add_cell(creator, theirs, n):
    def cell(self):
        self.run_cell(creator, theirs, n)
    kind = "single" if n == "1" else "of_one_to_three"
    setattr(Matrix, f"test_{creator}_creates_for_{theirs}_{kind}".replace(".", ""), cell)


for pair in PAIRS:
    for sizes in ("1", "1:3"):
        add_cell(*pair, sizes)

if __name__ == "__main__":
    unittest.main()
