"""How fast messages go between languages: paced, and as fast as it goes. Nothing may be lost, for the queue holds all
of them; the rates are printed, never judged."""

import time
from typing import NamedTuple

from queue_support import OURS, OURS_IN_PYTHON, QueueTest

ELEMENT = 64
PACE = 1000  # messages a second
THEIRS = "1.4.0"
NAMES = {OURS: "C++", OURS_IN_PYTHON: "Python", THEIRS: "peer"}
PAIRS = [(sender, receiver) for sender in (OURS, OURS_IN_PYTHON) for receiver in (OURS, OURS_IN_PYTHON)]
PAIRS += [(THEIRS, OURS_IN_PYTHON), (OURS_IN_PYTHON, THEIRS)]


class Row(NamedTuple):
    sender: str
    receiver: str
    paced: float  # messages a second
    unpaced: float
    lost: int


class Rates(QueueTest):
    PACED = 400  # messages
    UNPACED = 40000
    rows = []

    def test_each_language_to_each(self):
        for sender, receiver in PAIRS:
            with self.subTest(sender=sender, receiver=receiver):
                self.still_waiting()
                paced, lost = self.measure(sender, receiver, self.PACED, "--rate", PACE)
                unpaced, more = self.measure(sender, receiver, self.UNPACED)
                self.rows.append(Row(NAMES[sender], NAMES[receiver], paced, unpaced, lost + more))

    def measure(self, sender, receiver, count, *pace):
        """The sender makes the queue. Messages a second until the receiver has checked the last one, and the lost."""
        self.create(sender, 1 << count.bit_length(), ELEMENT, "1")
        bulk = ("--bulk",) if receiver == THEIRS else ()
        reader = self.reader(receiver, "--count", count, *bulk)
        reader.await_reading()
        bulk = ("--bulk",) if sender == THEIRS else ()
        producer, _ = self.producer(sender, 1, count, "--start-file", self.start_file, *pace, *bulk)
        started = time.monotonic()
        self.start_file.touch()
        report = reader.process.line("done")
        seconds = time.monotonic() - started
        reader.process.end()
        producer.end()
        self.assertEqual((report["messages"], report["lost"], report["torn"], report["disorder"]), (count, 0, 0, 0))
        self.assertEqual(report["sources"], {"1": count})
        return count / seconds, report["lost"]


def print_table():
    print("\nSlickQueue, verified messages of 64 bytes; the sender creates the queue; peer: an independent program")
    print(f"{'sender':8} {'receiver':8} {'paced 1 kHz':>12} {'unpaced':>12} {'lost':>6}")
    for row in Rates.rows:
        print(f"{row.sender:8} {row.receiver:8} {row.paced:>10.0f}/s {row.unpaced:>10.0f}/s {row.lost:>6}")
