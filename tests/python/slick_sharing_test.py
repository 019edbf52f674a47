"""sluice.slick between threads and processes: shared cursors, forks, ends of programs, and the originals' segments."""

import hashlib
import json
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import sys
import threading
import unittest

from slick_test_support import PATIENCE, QueueTest
from sluice.slick import AtomicCursor, SlickQueue

GOLDEN = pathlib.Path(os.environ["SLUICE_SOURCE"], "tests", "golden")
CAPACITY = 8  # of every golden file
LARGEST = (1 << 64) - 1


class Cursors(QueueTest):
    def test_the_operations(self):
        memory = bytearray(24)
        cursor = AtomicCursor(memory, offset=8)
        self.assertEqual(cursor.load(), 0)
        cursor.store(LARGEST)
        self.assertEqual((cursor.load(), memory), (LARGEST, bytes(8) + b"\xff" * 8 + bytes(8)))
        self.assertEqual(cursor.compare_exchange_weak(5, 6), (False, LARGEST))
        self.assertEqual(cursor.compare_exchange_weak(expected=LARGEST, desired=6), (True, LARGEST))
        self.assertEqual(memory[8:16], struct.pack("<Q", 6))
        for value in (-1, LARGEST + 1):
            self.refuses(ValueError, f"a cursor's value must be a number from 0 to {LARGEST}, not {value}",
                         cursor.store, value)

    def test_what_no_cursor_can_lie_in(self):
        for size, offset in ((7, 0), (0, 0), (16, 9), (16, -8), (16, 1 << 40)):
            self.refuses(ValueError, f"a cursor has 8 bytes, but the buffer has {size} and the offset is {offset}",
                         AtomicCursor, bytearray(size), offset)
        self.refuses(ValueError, "a cursor's address must be a multiple of 8, and at the offset 4 of this buffer it is "
                     "not; take another offset", AtomicCursor, bytearray(16), 4)
        self.refuses(BufferError, "a cursor's buffer must be writable and in one piece", AtomicCursor, bytes(8))
        self.refuses(BufferError, "a cursor's buffer must be writable and in one piece", AtomicCursor,
                     memoryview(bytearray(64))[::2])
        self.refuses(TypeError, "a cursor lies in a writable buffer, such as a bytearray, not in a int", AtomicCursor,
                     8)

    def test_the_buffer_stays_until_it_is_released(self):
        memory = bytearray(8)
        for cursor in (AtomicCursor(memory), AtomicCursor(memory)):
            with self.assertRaises(BufferError):
                memory.append(1)
            cursor.release()
            cursor.release()
            for call in (cursor.load, lambda: cursor.store(1), lambda: cursor.compare_exchange_weak(0, 1),
                         lambda: SlickQueue(size=4, element_size=1).read(cursor)):
                self.refuses(ValueError, "the cursor was released", call)
        with self.assertRaises(BufferError):
            with AtomicCursor(memory) as cursor:
                memory.append(1)
        with self.assertRaises(ValueError):
            AtomicCursor(memory, 1)
        memory.append(1)
        self.assertEqual(len(memory), 9, "a refused cursor holds nothing either")

    def test_it_lies_in_an_mmap_and_in_pythons_shared_memory(self):
        with mmap.mmap(-1, 64) as memory:
            with AtomicCursor(memory, 56) as cursor:
                cursor.store(5)
                with self.assertRaises(BufferError):
                    memory.close()
            self.assertEqual(memory[56], 5)
        name = self.name()
        memory = multiprocessing.shared_memory.SharedMemory(name=name, create=True, size=8)
        cursor = AtomicCursor(memory.buf)
        cursor.store(7)
        with self.assertRaises(BufferError):
            memory.close()
        cursor.release()
        self.assertEqual(bytes(memory.buf[:8]), struct.pack("<Q", 7))
        memory.close()
        memory.unlink()

    def test_a_group_gives_what_it_read_the_index_of(self):
        queue = SlickQueue(size=8, element_size=1)
        cursor = AtomicCursor(bytearray(8))
        self.assertEqual(queue.read(cursor), (None, 0, -1))
        self.send(queue, b"ab", 2)
        self.send(queue, b"c")
        self.assertEqual([queue.read(cursor), queue.read(cursor), queue.read(cursor)],
                         [(b"ab", 2, 0), (b"c", 1, 2), (None, 0, -1)])
        self.assertEqual(cursor.load(), 3)

    def test_each_message_goes_to_one_of_many_threads(self):
        count = 20000
        queue, memory = SlickQueue(size=1 << 15, element_size=8), bytearray(8)
        got = [[] for _ in range(4)]

        def work(mine):
            with AtomicCursor(memory) as cursor:
                while cursor.load() < count:
                    data, _, _ = queue.read(cursor)
                    if data:
                        mine.append(int.from_bytes(data, "little"))

        threads = [threading.Thread(target=work, args=(mine,), daemon=True) for mine in got]
        for thread in threads:
            thread.start()
        for number in range(count):
            self.send(queue, number.to_bytes(8, "little"))
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(number for mine in got for number in mine), list(range(count)))


class Processes(QueueTest):
    def forked(self, work):
        """Runs `work` in a fork and returns what it returned, drained before the fork is awaited."""
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        process = context.Process(target=lambda: results.put(work()), daemon=True)
        process.start()
        result = results.get(timeout=PATIENCE)
        process.join(PATIENCE)
        self.assertEqual(process.exitcode, 0)
        return result

    def test_a_fork_uses_the_parents_queue_and_leaves_it(self):
        name = self.name()
        queue = self.own(SlickQueue(name=name, size=8, element_size=1))
        view = queue[queue.reserve()]

        def child():
            view[:] = b"c"
            queue.publish(0)
            self.send(queue, b"d")
            with queue:
                return queue.read(1)

        self.assertEqual(self.forked(child), (b"d", 1, 2))
        self.assertEqual([queue.read(0), queue.read(1)], [(b"c", 1, 1), (b"d", 1, 2)])
        self.assertTrue(pathlib.Path("/dev/shm", name).exists())

    def test_a_fork_has_a_copy_of_a_queue_without_a_name(self):
        queue = SlickQueue(size=8, element_size=1)
        self.send(queue, b"a")
        self.assertEqual(self.forked(lambda: (queue.read(0), self.send(queue, b"b"))), ((b"a", 1, 1), 1))
        self.assertEqual(queue.read(1), (None, 0, 1))

    def test_a_queue_is_not_pickled(self):
        for thing in (SlickQueue(size=8, element_size=1), AtomicCursor(bytearray(8))):
            with self.assertRaises(TypeError):
                pickle.dumps(thing)

    def run_python(self, text, *arguments):
        return subprocess.run([sys.executable, "-B", "-c", text, *arguments], capture_output=True, text=True,
                              check=False, timeout=PATIENCE)

    def test_the_end_of_a_program_removes_nothing_and_says_nothing(self):
        name = self.name()
        creates = "import sys, sluice.slick as s; q = s.SlickQueue(name=sys.argv[1], size=8, element_size=1)\n"
        attaches = "import sys, sluice.slick as s; q = s.SlickQueue(name=sys.argv[1], element_size=1)\n"
        for text in (creates + "v = q[q.reserve()]; v[:] = b'x'; q.publish(0)", attaches, attaches + "v = q[0]",
                     attaches + "c = s.AtomicCursor(bytearray(8)); q.read(c)",
                     attaches + "import multiprocessing.shared_memory"):
            done = self.run_python(text, name)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertTrue(pathlib.Path("/dev/shm", name).exists(), text)
        self.assertEqual(self.own(SlickQueue(name=name, element_size=1)).read(0), (b"x", 1, 1))

    def test_a_process_that_is_killed_leaves_the_queue_as_it_is(self):
        name = self.name()
        queue = self.own(SlickQueue(name=name, size=8, element_size=1, hole_timeout=0.001))
        done = self.run_python("import os, sys, sluice.slick as s; q = s.SlickQueue(name=sys.argv[1], element_size=1)\n"
                               "q.reserve(); os.kill(os.getpid(), 9)", name)
        self.assertEqual(done.returncode, -signal.SIGKILL)
        self.send(queue, b"y")
        self.assertEqual(self.read_until_something(queue, 0), (b"y", 1, 2))

    def test_ctrl_c_ends_the_wait_for_a_creator_at_work(self):
        name = self.name()
        half_made = bytearray(64 + CAPACITY * 24)
        struct.pack_into("<I", half_made, 48, 2)  # a creator that is initialising, for ever
        pathlib.Path("/dev/shm", name).write_bytes(half_made)
        text = ("import signal, sys, sluice.slick as s\n"
                "signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))\n"
                "signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
                "s.SlickQueue(name=sys.argv[1], element_size=8)")
        done = self.run_python(text, name)
        self.assertEqual(done.stderr.splitlines()[-1], "KeyboardInterrupt")
        self.assertEqual(done.returncode, -signal.SIGINT)
        with self.assertRaisesRegex(ValueError, "its creator died while initialising it"):
            SlickQueue(name=name, element_size=8)


def golden_element(index):
    return struct.pack("<Q", 0xC0DE << 48 | index)


class Golden(QueueTest):
    """The files that the originals wrote, and what each of their rows says; queue_golden_test.cpp does it in C++."""

    def setUp(self):
        super().setUp()
        self.rows = json.loads((GOLDEN / "slick.json").read_text(encoding="ascii"))

    def planted(self, row, **options):
        content = (GOLDEN / row["file"]).read_bytes()
        self.assertEqual(hashlib.sha256(content).hexdigest(), row["sha256"])
        name = self.name()
        pathlib.Path("/dev/shm", name).write_bytes(content)
        return self.own(SlickQueue(name=name, element_size=row["element_size"], **options))

    @staticmethod
    def payload(message):
        return b"".join(struct.pack("<Q", int(element, 16)) for element in message["payload"])

    def test_every_reader_gets_what_its_row_says(self):
        self.assertGreater(len(self.rows), 25)
        for row in self.rows:
            for read in row["reads"]:
                with self.subTest(file=row["file"], start=read["start"]):
                    self.check_read(row, read["start"], read["lap_checked"])

    def check_read(self, row, start, expected):
        wanted = [(self.payload(message), message["size"], message["index"]) for message in expected["messages"]]
        queue = self.planted(row, hole_timeout=0)
        self.assertEqual(queue.size, row["capacity"])
        cursor, got = start, []
        while (result := queue.read(cursor))[1]:
            data, count, cursor = result
            got.append((data, count, cursor - count))
        self.assertEqual((got, result[2]), (wanted, expected["final_cursor"]))
        self.assertEqual(queue.loss_count(), expected["lost_indices"])
        group = AtomicCursor(bytearray(struct.pack("<Q", start)))
        got = []
        while (result := queue.read(group))[1]:
            got.append(result)
        self.assertEqual((got, result, group.load()), (wanted, (None, 0, -1), expected["final_cursor"]))

    def test_read_last_is_what_the_row_says(self):
        for row in self.rows:
            with self.subTest(file=row["file"]):
                last = row["read_last"]
                self.assertEqual(self.planted(row).read_last(), last and self.payload(last))

    def test_what_we_write_is_byte_for_byte_what_the_original_writes(self):
        scenarios = {"empty": [], "one": [1], "three": [1] * 3, "wrap": [3] * 3, "wrapclobber": [2, 2, 2, 3],
                     "lapped": [1] * 21}
        for scenario, sizes in scenarios.items():
            for creator in ("1.4.0", "1.3.0", "1.2.0"):
                if creator != "1.4.0" and scenario == "one":
                    continue  # there is no such file
                with self.subTest(scenario=scenario, creator=creator):
                    self.check_written(creator, scenario, sizes)

    def check_written(self, creator, scenario, sizes):
        if creator == "1.4.0":
            name = self.name()
            queue = self.own(SlickQueue(name=name, size=CAPACITY, element_size=8))
        else:
            queue = self.planted(next(row for row in self.rows if row["file"] == f"slick-{creator}-empty.bin"))
            name = queue.get_shm_name()[1:]
        for count in sizes:
            index = queue.reserve(count)
            for number in range(index, index + count):
                queue[number][:] = golden_element(number)
            queue.publish(index, count)
        expected = bytearray((GOLDEN / f"slick-{creator}-{scenario}.bin").read_bytes())
        if creator == "1.2.0":
            expected[48] = 1  # adopted
        self.assertEqual(pathlib.Path("/dev/shm", name).read_bytes(), bytes(expected))


if __name__ == "__main__":
    unittest.main()
