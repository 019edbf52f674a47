"""Messages between a publisher and a subscription in Python: types, views, loans, batches, and how long they live."""

import ctypes
import gc
import os
import unittest

import numpy

import sluice
from node_test_support import Imu, NodeTest

Number = sluice.MessageType("demo/Number", "u8")


class Types(NodeTest):
    def test_a_type_has_the_layout_of_a_c_struct(self):
        class Mixed(ctypes.Structure):
            _fields_ = [("flag", ctypes.c_uint8), ("value", ctypes.c_double), ("count", ctypes.c_uint16)]

        mixed = sluice.MessageType("demo/Mixed", [("flag", "u1"), ("value", "f8"), ("count", "u2")])
        self.assertEqual(mixed.size, ctypes.sizeof(Mixed))
        self.assertEqual(mixed.dtype.fields["value"][1], Mixed.value.offset)
        self.assertEqual(repr(Imu)[:24], "MessageType('demo/Imu', ")

    def test_what_is_no_fixed_layout_is_refused(self):
        self.refuses(ValueError, "a message type needs a name, such as 'demo/Imu'", sluice.MessageType, "", "u8")
        for fields in ("O", [("text", "U0")], [("any", object)]):
            with self.assertRaisesRegex(TypeError, "message type 'x': .* cannot be sent: a message is bytes"):
                sluice.MessageType("x", fields)
        self.refuses(TypeError, "a topic's type must be a sluice.MessageType, not 'demo/Imu'; for messages without a "
                     "fixed layout use advertise_bytes and subscribe_bytes", self.node().advertise, "imu", "demo/Imu")

    def test_both_sides_agree_on_name_and_size(self):
        node = self.node()
        node.advertise("imu", Imu)
        with self.assertRaisesRegex(sluice.Error, "type is 'demo/Other' here, but the topic was .*'demo/Imu'"):
            node.subscribe("imu", sluice.MessageType("demo/Other", Imu.dtype))
        with self.assertRaisesRegex(sluice.Error, "'/imu'.*24.*32"):
            node.subscribe("imu", sluice.MessageType("demo/Imu", [("accel", "f8", 3)]))


class Publishing(NodeTest):
    def test_whatever_has_the_types_layout_arrives_as_it_was_sent(self):
        out, in_ = self.pair()
        array = Imu.zeros(2)
        array[1] = (2, [1, 2, 3])
        for message in ((1, [1, 2, 3]), array[1], array[1:2], array[1].tobytes(), bytearray(array[1].tobytes()),
                        memoryview(array[1].tobytes())):
            self.assertIs(out.publish(message), sluice.PublishResult.ok)
            received = in_.take()
            self.assertEqual(received.array["accel"].tolist(), [1, 2, 3], message)
            self.assertEqual(received["number"], 1 if isinstance(message, tuple) else 2)
            self.assertIs(type(received["number"]), int)
        self.assertIsNone(in_.take())
        self.assertEqual(out.stats().published, 6)
        self.assertEqual(in_.stats().received, 6)

    def test_the_wrong_thing_is_refused_and_nothing_is_sent(self):
        out, in_ = self.pair()
        self.refuses(ValueError, "topic '/imu' carries demo/Imu of 32 bytes, not 31", out.publish, bytes(31))
        self.refuses(ValueError, "topic '/imu' carries demo/Imu of 32 bytes, not 64", out.publish, Imu.zeros(2))
        self.refuses(TypeError, f"topic '/imu' carries demo/Imu, whose dtype is {Imu.dtype}, not float64", out.publish,
                     numpy.zeros(4))
        with self.assertRaises((TypeError, ValueError)):
            out.publish("text")
        self.assertIsNone(in_.take())

    def test_bytes_of_any_size_up_to_the_topics(self):
        node = self.node()
        out, in_ = node.advertise_bytes("blob"), node.subscribe_bytes("blob")
        image = numpy.arange(64, dtype=numpy.uint8).reshape(8, 8)
        for message in (b"", b"\0text", image, image[:, ::2], image.T):
            out.publish(message)
            expected = message.tobytes() if isinstance(message, numpy.ndarray) else message
            received = in_.take()
            self.assertEqual(bytes(received), expected)
            self.assertEqual(len(received), len(expected))
            self.assertEqual(received.array.tobytes(), expected)
        with self.assertRaisesRegex(ValueError, "topic '/blob': .*1025 bytes.*max_size"):
            out.publish(bytes(1025))

    def test_a_full_reliable_topic_is_a_result(self):
        out, in_ = self.pair("/small")
        for number in range(4):
            self.assertIs(out.publish((number, [0, 0, 0])), sluice.PublishResult.ok)
        self.assertIs(out.publish((4, [0, 0, 0])), sluice.PublishResult.timeout)
        self.assertEqual(out.publish_batch(Imu.zeros(3)), 0)
        self.assertEqual([int(in_.take()["number"]) for _ in range(4)], [0, 1, 2, 3])
        self.assertEqual(out.publish_batch(Imu.zeros(6)), 4)
        self.assertEqual(out.stats().timeouts, 3)

    def test_batches_in_order_and_in_one_array_of_ones_own(self):
        out, in_ = self.pair()
        sent = Imu.zeros(6)
        sent["number"] = range(6)
        self.assertEqual(out.publish_batch(sent), 6)
        taken = in_.take_batch(4)
        self.assertEqual(taken.dtype, Imu.dtype)
        self.assertTrue(taken.flags.writeable)
        self.assertEqual(taken["number"].tolist(), [0, 1, 2, 3])
        out.publish_batch(sent)
        self.assertEqual(taken["number"].tolist(), [0, 1, 2, 3])
        self.assertEqual(in_.take_batch(100, timeout=1.0)["number"].tolist(), [4, 5, 0, 1, 2, 3, 4, 5])
        self.assertEqual(in_.take_batch(100).shape, (0,))
        self.assertEqual(in_.take_batch(0).shape, (0,))
        self.refuses(TypeError, f"topic '/imu' carries demo/Imu, whose dtype is {Imu.dtype}, not int64",
                     out.publish_batch, numpy.arange(4))

    def test_batches_of_any_length(self):
        out, in_ = self.pair("/wide")
        sent = Imu.zeros(300)
        sent["number"] = range(300)
        for length in (1, 63, 64, 65, 128, 300):
            self.assertEqual(out.publish_batch(sent[:length]), length)
            half = length // 2
            self.assertEqual(in_.take_batch(half)["number"].tolist(), list(range(half)))
            self.assertEqual(in_.take_batch(1000)["number"].tolist(), list(range(half, length)))
        self.assertEqual(out.publish_batch(sent[:5]), 5)
        infos = [message.info for message in iter(in_.take, None)]
        self.assertEqual(len({info.published_ns for info in infos}), 1)
        self.assertEqual([info.sequence - infos[0].sequence for info in infos], [0, 1, 2, 3, 4])

    def test_messages_of_another_size_are_left_out_of_a_batch(self):
        node = self.node()
        in_ = node.subscribe("/wide", Imu)
        out = node.advertise_bytes("/wide")
        for number in range(100):
            out.publish(b"short")
            out.publish(Imu.zeros())
        self.assertEqual(in_.take_batch(70).shape, (70,))
        self.assertEqual(in_.take_batch(70).shape, (30,))

    def test_batches_of_bytes_are_lists(self):
        node = self.node()
        out, in_ = node.advertise_bytes("blob"), node.subscribe_bytes("blob")
        for message in (b"a", b"", b"ccc"):
            out.publish(message)
        self.assertEqual(in_.take_batch(2), [b"a", b""])
        self.assertEqual(in_.take_batch(2), [b"ccc"])
        self.assertEqual(in_.take_batch(2), [])
        self.refuses(TypeError, "publish_batch is for topics of a fixed type; '/blob' carries bytes", out.publish_batch,
                     numpy.zeros(3))


class Refusals(NodeTest):
    """What real transports do by bad luck, on a transport that does it on command: tests/unit/node/plugins."""

    def publisher(self):
        directory = os.path.join(os.environ["SLUICE_BUILD"], "tests", "scripted")
        self.config.write_text(f"runtime_dir: {self.run_directory}\nplugin_path: [{directory}]\n"
                               "topics: {/x: {transport: scripted, max_size: 8B}}", encoding="utf-8")
        node = self.node()
        return node.advertise_bytes("x"), node.advertise("x", Number), node.subscribe("x", Number)

    def test_every_result_has_its_exception(self):
        out, _, _ = self.publisher()
        self.assertIs(out.publish(bytes([0])), sluice.PublishResult.ok)
        self.assertIs(out.publish(bytes([1])), sluice.PublishResult.timeout)
        self.assertIs(out.publish(bytes([4])), sluice.PublishResult.uncertain)
        for number, error in ((2, ValueError), (3, ValueError), (5, sluice.OutOfChunksError),
                              (6, sluice.OwnSubscriptionFullError)):
            with self.assertRaisesRegex(error, "topic '/x': [a-z]"):
                out.publish(bytes([number]))
        with self.assertRaisesRegex(sluice.OutOfChunksError, "topic '/x': [a-z]"):
            out.loan(8)

    def test_a_batch_raises_when_nothing_of_it_was_sent(self):
        _, out, _ = self.publisher()
        self.assertEqual(out.publish_batch(numpy.array([0, 0, 6, 0], "u8")), 2)
        with self.assertRaises(sluice.OwnSubscriptionFullError):
            out.publish_batch(numpy.array([6, 0], "u8"))
        with self.assertRaises(sluice.OutOfChunksError):
            out.publish_batch(numpy.array([5, 0], "u8"))
        self.assertEqual(out.publish_batch(numpy.array([1, 0], "u8")), 0)

    def test_a_batch_goes_on_behind_what_is_uncertain_and_repeats_none_of_it(self):
        _, out, _ = self.publisher()
        self.assertEqual(out.publish_batch(numpy.array([0, 4, 4, 4, 0, 4, 0, 1, 0], "u8")), 7)
        self.assertEqual(out.stats().published, 7)
        self.assertEqual(out.stats().uncertain, 4)

    def test_what_was_overwritten_while_it_was_copied_is_not_in_a_batch(self):
        _, _, in_ = self.publisher()
        numbers = [number for number in range(100) if number % 3 != 2]
        taken = in_.take_batch(60).tolist() + in_.take_batch(60).tolist()
        self.assertEqual([number & 0xFF for number in taken], numbers)


class Loans(NodeTest):
    def test_a_loan_is_filled_and_published(self):
        out, in_ = self.pair()
        loan = out.loan()
        loan["number"] = 7
        loan.array["accel"] = [1, 2, 3]
        memoryview(loan)[8:16] = numpy.float64(9).tobytes()
        self.assertEqual(len(loan), 32)
        self.assertEqual(loan["number"], 7)
        out.publish(loan)
        self.assertEqual(bytes(in_.take()), numpy.array((7, [9, 2, 3]), Imu.dtype).tobytes())
        self.refuses(ValueError, "this loan was published or given back already", out.publish, loan)
        self.refuses(ValueError, "this Loan was given back already", lambda: loan["number"])

    def test_an_array_that_outlives_the_publication_reaches_no_other_message(self):
        out, in_ = self.pair()
        loan = out.loan()
        array = loan.array
        array["number"] = 1
        out.publish(loan)
        array["number"] = 2
        other = out.loan()
        other["number"] = 3
        array["number"] = 4
        out.publish(other)
        self.assertEqual([int(in_.take()["number"]) for _ in range(2)], [1, 3])
        out.close()
        array["number"] = 5  # still memory
        self.assertEqual(array["number"], 5)

    def test_loans_of_variable_size(self):
        node = self.node()
        out, in_ = node.advertise_bytes("blob"), node.subscribe_bytes("blob")
        loan = out.loan(100)
        loan.array[:4] = [1, 2, 3, 4]
        self.refuses(ValueError, "a loan of 100 bytes cannot have 101 used ones", out.publish, loan, 101)
        out.publish(loan, 4)
        self.assertEqual(bytes(in_.take()), bytes([1, 2, 3, 4]))
        self.refuses(TypeError, "topic '/blob' carries bytes: say loan(max_bytes)", out.loan)
        self.refuses(TypeError, "publish(loan, used) needs a loan", out.publish, b"1234", 2)
        with self.assertRaisesRegex(sluice.Error, "topic '/blob': .*1025 bytes.*max_size"):
            out.loan(1025)

    def test_dropping_a_loan_gives_it_back(self):
        out, _ = self.pair()
        for _ in range(1000):
            out.loan()
        held = []
        with self.assertRaisesRegex(sluice.OutOfChunksError, "topic '/imu': .*(loan|chunk)"):
            while len(held) < 1000:
                held.append(out.loan())
        held.pop()
        self.assertIsNotNone(out.loan())


class Views(NodeTest):
    def test_a_view_is_read_only_and_without_a_copy_on_a_reliable_topic(self):
        out, in_ = self.pair()
        out.publish((1, [1, 2, 3]))
        message = in_.take()
        first, second = message.array, message.array
        self.assertEqual(first.__array_interface__["data"], second.__array_interface__["data"])
        with self.assertRaisesRegex(ValueError, "read-only"):
            first["number"] = 2
        self.assertTrue(memoryview(message).readonly)
        with self.assertRaises(TypeError):
            message["number"] = 2

    def test_a_view_keeps_its_place_in_the_topic(self):
        out, in_ = self.pair("/small")
        for number in range(4):
            out.publish((number, [number] * 3))
        accel = in_.take()["accel"]  # of message 0; nothing else refers to it
        rest = in_.take_batch(10)
        self.assertEqual(rest["number"].tolist(), [1, 2, 3])
        self.assertIs(out.publish((4, [4] * 3)), sluice.PublishResult.timeout)
        self.assertEqual(accel.tolist(), [0, 0, 0])
        del accel
        self.assertIs(out.publish((4, [4] * 3)), sluice.PublishResult.ok)

    def test_release_and_with_give_the_place_back(self):
        out, in_ = self.pair("/small")
        out.publish_batch(Imu.zeros(4))
        message = in_.take()
        view = memoryview(message)
        self.refuses(BufferError, "the message cannot be given back: 1 arrays or memoryviews still look into it; "
                     "delete them first, or copy what you need", message.release)
        view.release()
        message.release()
        message.release()
        self.assertFalse(message.valid)
        self.refuses(ValueError, "this Message was given back already", bytes, message)
        self.refuses(ValueError, "this Message was given back already", lambda: message.info)
        self.assertIs(out.publish((1, [0, 0, 0])), sluice.PublishResult.ok)
        with in_.take() as other:
            array = other.array
        self.assertTrue(other.valid)  # the array still needs it
        del array, other
        self.assertIs(out.publish((1, [0, 0, 0])), sluice.PublishResult.ok)

    def test_views_outlive_subscription_publisher_and_node(self):
        out, in_ = self.pair()
        out.publish((1, [1, 2, 3]))
        accel = in_.take()["accel"]
        for each in (in_, out):
            each.close()
        del in_, out
        gc.collect()
        self.assertEqual(accel.tolist(), [1, 2, 3])
        self.close_nodes()
        self.assertEqual(accel.tolist(), [1, 2, 3])

    def test_who_is_evicted_is_told(self):
        out, in_ = self.pair("/small")
        out.publish((1, [1, 2, 3]))
        message = in_.take()
        accel = message["accel"]
        self.assertTrue(message.valid)
        number = 1
        while in_.stats().evictions == 0:  # publishing until it is thrown out, and its memory is used anew
            number += 1
            out.publish((number, [number] * 3))
            in_.take()
        self.assertFalse(message.valid)
        self.assertEqual(accel.shape, (3,))  # memory, but not the message's
        float(accel[0])

    def test_the_books_add_up(self):
        out, in_ = self.pair()
        out.publish_batch(Imu.zeros(5))
        held = in_.take()
        stats = in_.stats()
        self.assertEqual(stats.reserved - stats.joined, stats.received + stats.lost + stats.skipped + stats.queued)
        self.assertEqual((stats.received, stats.queued, stats.bytes), (1, 4, 32))
        self.assertEqual(held.info.sequence, 0)
        self.assertEqual(held.info.lost, 0)
        self.assertGreater(held.info.published_ns, 0)

    def test_lost_messages_are_counted_in_the_next_ones_information(self):
        node = self.node()
        out, in_ = node.advertise("/unreliable", Imu), node.subscribe("/unreliable", Imu)
        out.publish_batch(Imu.zeros(1000))
        message = in_.take()
        self.assertGreater(message.info.lost, 0)
        self.assertEqual(message.info.sequence, message.info.lost)

    def test_messages_of_another_size_are_dropped(self):
        node = self.node()
        out = node.advertise_bytes("/mixed")
        in_ = node.subscribe("/mixed", sluice.MessageType("demo/Pair", [("a", "u4"), ("b", "u4")]))
        for message in (b"1234567", b"12345678", b"123456789"):
            out.publish(message)
        self.assertEqual(bytes(in_.take()), b"12345678")
        self.assertIsNone(in_.take())


if __name__ == "__main__":
    unittest.main()
