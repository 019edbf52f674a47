"""sluice.slick.SlickQueue: what it takes, what it gives, what it refuses and with which words."""

import gc
import os
import pathlib
import re
import sys
import threading
import time
import unittest

from slick_test_support import QueueTest
from sluice.slick import SlickQueue, check_platform_support, get_index, get_size, make_reserved_info


class InProcess(QueueTest):
    def test_messages_come_in_order_and_then_nothing(self):
        queue = SlickQueue(size=8, element_size=4)
        self.assertEqual((queue.size, queue.element_size, queue.get_shm_name()), (8, 4, None))
        self.assertTrue(queue.own_buffer())
        self.assertEqual(queue.read(0), (None, 0, 0))
        self.assertEqual([self.send(queue, b"%04d" % number) for number in range(3)], [0, 1, 2])
        self.assertEqual(queue.read(0), (b"0000", 1, 1))
        self.assertEqual(queue.read(cursor=1), (b"0001", 1, 2))
        self.assertEqual(queue.read(2), (b"0002", 1, 3))
        self.assertEqual(queue.read(3), (None, 0, 3))

    def test_a_message_of_several_elements_is_one_piece(self):
        queue = SlickQueue(size=8, element_size=2)
        self.assertEqual(self.send(queue, b"aabbcc", 3), 0)
        self.assertEqual(self.send(queue, b"ddeeff", 3), 3)
        self.assertEqual(self.send(queue, b"gghhii", 3), 8, "the array's last two elements are left out")
        cursor, got = 3, []
        for _ in range(2):
            data, count, cursor = queue.read(cursor)
            got.append((data, count, cursor))
        self.assertEqual(got, [(b"ddeeff", 3, 6), (b"gghhii", 3, 11)])
        self.assertEqual(queue.skipped_count(), 2)

    def test_one_reservation_may_be_published_in_pieces(self):
        queue = SlickQueue(size=8, element_size=1)
        index = queue.reserve(n=4)
        for number in range(4):
            queue[index + number][:] = b"%d" % number
        self.assertTrue(queue.publish(index=index, n=3))
        self.assertTrue(queue.publish(index + 3))
        self.assertEqual(queue.read(0), (b"012", 3, 3))
        self.assertEqual(queue.read(3), (b"3", 1, 4))

    def test_what_is_reserved_is_not_read(self):
        queue = SlickQueue(size=8, element_size=1, hole_timeout=None)
        queue.reserve()
        self.send(queue, b"x")
        self.assertEqual(queue.read(0), (None, 0, 0))
        self.assertEqual(queue.read(1), (b"x", 1, 2))

    def test_a_hole_is_waited_for_as_long_as_was_asked(self):
        queues = [SlickQueue(size=8, element_size=1, hole_timeout=timeout) for timeout in (None, 0, 1000, 0.001)]
        for queue in queues:
            queue.reserve()
            self.send(queue, b"x")
        *patient, hasty = queues
        until = time.monotonic() + 0.3  # longer than the default
        while time.monotonic() < until:
            for queue in patient:
                self.assertEqual(queue.read(0), (None, 0, 0))
            hasty.read(0)
        self.assertEqual([queue.skipped_count() for queue in patient], [0, 0, 0])
        self.assertGreater(hasty.skipped_count(), 0)

    def test_a_dead_producers_hole_is_stepped_over(self):
        queue = SlickQueue(size=8, element_size=1, hole_timeout=0.001)
        queue.reserve()
        self.send(queue, b"x")
        self.assertEqual(self.read_until_something(queue, 0), (b"x", 1, 2))
        self.assertEqual(queue.skipped_count(), 1)

    def test_read_last_is_the_newest_message_that_was_published(self):
        queue = SlickQueue(size=8, element_size=2)
        self.assertIsNone(queue.read_last())
        self.send(queue, b"aa")
        self.send(queue, b"bbcc", 2)
        queue.reserve()
        self.assertEqual(queue.read_last(), b"bbcc")

    def test_a_lapped_reader_goes_on_at_the_oldest_message_left(self):
        queue = SlickQueue(size=8, element_size=1)
        for number in range(21):
            self.send(queue, bytes([number]))
        self.assertEqual(queue.read(0), (b"\x0d", 1, 14))
        self.assertEqual(queue.loss_count(), 13)

    def test_whether_an_element_is_still_what_was_read(self):
        queue = SlickQueue(size=4, element_size=1)
        index = self.send(queue, b"a")
        self.assertTrue(queue.still_valid(index))
        for _ in range(4):
            self.send(queue, b"b")
        self.assertFalse(queue.still_valid(index))
        self.assertFalse(queue.still_valid(5), "not yet published")

    def test_a_producer_overtaken_by_a_lap_publishes_nothing(self):
        queue = SlickQueue(size=4, element_size=1)
        late = queue.reserve()
        for _ in range(4):
            self.send(queue, b"b")
        self.assertIs(queue.publish(late), False)
        self.assertEqual(queue.read(late), (b"b", 1, 2))

    def test_after_a_reset_it_begins_anew(self):
        queue = SlickQueue(size=4, element_size=1)
        self.send(queue, b"a")
        queue.reset()
        self.assertEqual((queue.read(0), queue.read_last()), ((None, 0, 0), None))
        self.assertEqual((queue.initial_reading_index(), self.send(queue, b"b")), (0, 0))
        self.assertEqual(queue.read(0), (b"b", 1, 1))

    def test_a_large_message_is_whole_although_others_run_while_it_is_copied(self):
        size = 1 << 22
        queue = SlickQueue(size=1, element_size=size)
        contents = [bytes([number]) * size for number in range(4)]
        stop = threading.Event()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-5)

        def produce():
            number = 0
            while not stop.is_set():
                self.send(queue, contents[number % len(contents)])
                number += 1
                if number % 8 == 0:
                    time.sleep(0.003)  # or the reader would be overtaken for ever

        thread = threading.Thread(target=produce)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        cursor, got, disturbed = 0, 0, 0
        while got < 60 or disturbed < 60:
            before = queue.initial_reading_index()
            data, count, cursor = queue.read(cursor)
            disturbed += queue.initial_reading_index() > before + 1
            if count:
                got += 1
                self.assertTrue(data in contents, "torn")

    def test_the_reservation_word(self):
        self.assertEqual(make_reserved_info(5, 3), 5 << 16 | 3)
        word = make_reserved_info(index=(1 << 48) - 1, size=65535)
        self.assertEqual((get_index(word), get_size(word), word), ((1 << 48) - 1, 65535, (1 << 64) - 1))
        self.refuses(ValueError, "an index must be a number from 0 to 281474976710655, not 281474976710656",
                     make_reserved_info, 1 << 48, 1)
        self.refuses(ValueError, "a size must be a number from 0 to 65535, not 65536", make_reserved_info, 1, 65536)

    def test_this_platform_is_supported(self):
        supported, why = check_platform_support()
        self.assertIs(supported, True)
        self.assertIn("Linux", why)


class Named(QueueTest):
    def test_with_and_without_slash_is_one_segment(self):
        name = self.name()
        creator = self.own(SlickQueue(name=name, size=8, element_size=4))
        opener = self.own(SlickQueue(name="/" + name, element_size=4))
        again = self.own(SlickQueue(name="/" + name, size=8, element_size=4))
        for queue in (creator, opener, again):
            self.assertEqual((queue.get_shm_name(), queue.size, queue.element_size), ("/" + name, 8, 4))
        self.assertEqual([queue.own_buffer() for queue in (creator, opener, again)], [True, False, False])
        self.send(creator, b"here")
        self.send(again, b"then")
        self.assertEqual([opener.read(0)[0], opener.read(1)[0]], [b"here", b"then"])
        self.assertEqual(repr(opener), f"<SlickQueue '/{name}' size=8 element_size=4>")

    def test_a_new_segment_is_the_users_alone(self):
        name = self.name()
        self.own(SlickQueue(name=name, size=8, element_size=4))
        self.assertEqual(os.stat(f"/dev/shm/{name}").st_mode & 0o7777, 0o600)

    def test_only_unlink_removes_a_name_and_only_its_own(self):
        name = self.name()
        path = pathlib.Path("/dev/shm", name)
        with SlickQueue(name=name, size=8, element_size=4) as queue:
            self.assertTrue(path.exists())
        self.assertTrue(path.exists(), "closed")
        opener = self.own(SlickQueue(name=name, element_size=4))
        del queue
        gc.collect()
        self.assertTrue(path.exists(), "collected")
        self.assertIs(opener.unlink(), True)
        self.assertFalse(path.exists())
        self.assertIs(opener.unlink(), False)
        other = self.own(SlickQueue(name=name, size=8, element_size=4))
        opener.close()
        self.assertIs(opener.unlink(), False, "another segment's name by now")
        self.assertTrue(path.exists())
        other.close()
        self.assertIs(other.unlink(), True, "also when closed")
        self.assertIs(SlickQueue(size=8, element_size=4).unlink(), False)


class Refusals(QueueTest):
    def test_what_no_queue_can_be(self):
        for arguments, text in (
                ({}, "a queue without a name needs a size"),
                ({"element_size": 4}, "a queue without a name needs a size"),
                ({"size": 8}, "a queue needs an element_size, in bytes"),
                ({"name": "ticks"}, "a queue needs an element_size, in bytes"),
                ({"name": "ticks", "size": 8}, "a queue needs an element_size, in bytes"),
                ({"size": 12, "element_size": 4}, "a queue's size must be a power of two, not 12"),
                ({"size": 0, "element_size": 4}, "a queue's size must be a power of two, not 0"),
                ({"name": self.name(), "size": 12, "element_size": 4}, "a queue's size must be a power of two, not 12"),
                ({"size": -8, "element_size": 4}, "a queue's size must be a number from 0 to 4294967295, not -8"),
                ({"size": 8, "element_size": 0}, "an element has at least 1 byte, not 0"),
                ({"size": 8, "element_size": 1 << 32},
                 "an element's size must be a number from 0 to 4294967295, not 4294967296"),
                ({"name": "a/b", "size": 8, "element_size": 4},
                 "segment name 'a/b' must be one file name, with or without a leading '/'"),
                ({"size": 8, "element_size": 4, "hole_timeout": -1},
                 "hole_timeout must be a number of seconds from 0 on, or None for ever, not -1")):
            self.refuses(ValueError, text, SlickQueue, **arguments)
        with self.assertRaises(TypeError):
            SlickQueue("ticks", 8, 4)  # pylint: disable=too-many-function-args
        with self.assertRaises(TypeError):
            SlickQueue(size=8.0, element_size=4)

    def test_a_segment_that_differs(self):
        name = self.name()
        self.own(SlickQueue(name=name, size=8, element_size=8))
        what = f"segment '/dev/shm/{name}' has "
        self.refuses(ValueError, what + "a capacity of 8 elements, but 16 were asked for; give all programs the same "
                     "capacity", SlickQueue, name=name, size=16, element_size=8)
        element = (what + "elements of 8 bytes, but elements of 4 were asked for; give all programs the same element "
                   "size")
        self.refuses(ValueError, element, SlickQueue, name=name, element_size=4)
        self.refuses(ValueError, element, SlickQueue, name=name, size=8, element_size=4)
        short = self.name()
        pathlib.Path("/dev/shm", short).write_bytes(bytes(10))
        with self.assertRaisesRegex(ValueError, "10 bytes, too short for a SlickQueue segment"):
            SlickQueue(name=short, element_size=4)

    def test_a_segment_that_is_not_there(self):
        name = self.name()
        with self.assertRaises(FileNotFoundError) as caught:
            SlickQueue(name=name, element_size=4)
        self.assertRegex(str(caught.exception), f"cannot open segment '/dev/shm/{name}'.*: No such file or directory")
        self.own(SlickQueue(name=name, size=8, element_size=4))
        with self.assertRaisesRegex(FileNotFoundError, re.escape(f"(did you mean '/{name}'?)")):
            SlickQueue(name=name + "x", element_size=4)

    def test_a_segment_that_may_not_be_opened_is_the_systems_error(self):
        name = self.name()
        pathlib.Path("/dev/shm", name).symlink_to("/dev/null")
        with self.assertRaises(OSError) as caught:
            SlickQueue(name=name, element_size=4)
        self.assertEqual(caught.exception.errno, 40)
        self.assertIn(f"cannot open segment '/dev/shm/{name}'", str(caught.exception))

    def test_what_no_reservation_can_be(self):
        queue = SlickQueue(size=8, element_size=1)
        self.refuses(RuntimeError, "cannot reserve 9 elements in one piece: the queue has 8", queue.reserve, 9)
        self.refuses(ValueError, "cannot reserve 0 elements", queue.reserve, 0)
        self.refuses(ValueError, "the number of elements must be a number from 0 to 4294967295, not -1", queue.reserve,
                     -1)
        self.assertEqual(queue.initial_reading_index(), 0)
        self.assertEqual(queue.reserve(8), 0)
        self.refuses(ValueError, "cannot publish 3 elements from index 6 on: a reservation there has 1 to 2",
                     queue.publish, 6, 3)
        self.refuses(ValueError, "cannot publish 0 elements from index 6 on: a reservation there has 1 to 2",
                     queue.publish, 6, 0)
        self.assertEqual(queue.read(6), (None, 0, 6))

    def test_what_no_cursor_and_no_index_can_be(self):
        queue = SlickQueue(size=8, element_size=1)
        for value in (-1, 1 << 64):
            self.refuses(ValueError, f"a cursor must be a number from 0 to {(1 << 64) - 1}, not {value}", queue.read,
                         value)
            self.refuses(ValueError, f"an index must be a number from 0 to {(1 << 64) - 1}, not {value}",
                         queue.__getitem__, value)
        for value in ("0", 0.5, None, bytearray(8)):
            with self.assertRaises(TypeError):
                queue.read(value)
        with self.assertRaisesRegex(TypeError, "not iterable"):
            iter(queue)

    def test_a_closed_queue(self):
        name = self.name()
        queue = SlickQueue(name=name, size=8, element_size=1)
        queue.close()
        queue.close()
        for call in (queue.reserve, lambda: queue.publish(0), lambda: queue[0], lambda: queue.read(0), queue.read_last,
                     queue.reset, queue.loss_count, queue.skipped_count, queue.initial_reading_index,
                     lambda: queue.still_valid(0)):
            self.refuses(ValueError, f"the queue '/{name}' is closed", call)
        self.assertEqual((queue.size, queue.element_size, queue.get_shm_name()), (8, 1, "/" + name))
        own = SlickQueue(size=8, element_size=1)
        own.close()
        self.refuses(ValueError, "the queue is closed", own.read, 0)


class Views(QueueTest):
    def test_a_view_is_one_writable_element_in_the_queues_memory(self):
        queue = self.own(SlickQueue(name=self.name(), size=4, element_size=3))
        view = queue[queue.reserve()]
        self.assertIsInstance(view, memoryview)
        self.assertEqual((view.nbytes, view.format, view.readonly), (3, "B", False))
        view[:] = b"abc"
        self.assertEqual(bytes(queue[4]), b"abc", "the same element, a lap later")
        with self.assertRaises(ValueError):
            view[:] = b"abcd"
        content = pathlib.Path("/dev/shm", queue.get_shm_name()[1:]).read_bytes()
        self.assertEqual(content[64 + 4 * 16:], b"abc" + bytes(9))

    def test_views_keep_the_memory_of_a_queue_that_is_closed_and_gone(self):
        name = self.name()
        for queue in (SlickQueue(name=name, size=4, element_size=3), SlickQueue(size=4, element_size=3)):
            view = queue[queue.reserve()]
            part = view[1:]
            queue.close()
            queue.unlink()
            del queue
            view[:] = b"xyz"
            view.release()
            gc.collect()
            self.assertEqual(bytes(part), b"yz")

    def test_the_memory_goes_with_the_last_view(self):
        name = self.name()
        queue = SlickQueue(name=name, size=4, element_size=3)
        view = queue[0]
        queue.close()
        self.assertTrue(self.is_mapped(name))
        del view
        self.assertFalse(self.is_mapped(name))


if __name__ == "__main__":
    unittest.main()
