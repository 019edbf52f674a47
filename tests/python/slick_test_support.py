"""What the tests of sluice.slick share: names of their own, and a watchdog."""

import itertools
import os
import pathlib
import re
import signal
import unittest

PATIENCE = 120  # seconds; a watchdog, nothing is expected to be this slow
_numbers = itertools.count()


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


class QueueTest(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(PATIENCE)
        self.addCleanup(signal.alarm, 0)

    def name(self):
        """A segment's name without the slash; the segment is gone after the test."""
        name = f"sluice_python_slick_test_{os.getpid()}_{next(_numbers)}"
        self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)
        return name

    def own(self, queue):
        self.addCleanup(queue.close)
        return queue

    def refuses(self, error, text, call, *arguments, **named):
        """The call raises this error with exactly this text."""
        with self.assertRaisesRegex(error, "^" + re.escape(text) + "$"):
            call(*arguments, **named)

    @staticmethod
    def send(queue, data, count=1):
        index, size = queue.reserve(count), queue.element_size
        for number in range(count):
            queue[index + number][:] = data[number * size:(number + 1) * size]
        assert queue.publish(index, count)
        return index

    @staticmethod
    def read_until_something(queue, cursor):
        """What `read` gives once it gives anything; the watchdog ends it."""
        while True:
            result = queue.read(cursor)
            if result[1]:
                return result

    @staticmethod
    def is_mapped(name):
        """Whether this process has the segment's file mapped; a creator mapped it before it had a name."""
        inode = str(os.stat(f"/dev/shm/{name}").st_ino)
        lines = pathlib.Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
        return any(line.split()[4] == inode for line in lines)
