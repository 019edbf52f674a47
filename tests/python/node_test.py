"""Nodes in Python: names, parameters, callbacks, timers, executors, and who keeps whom."""

import gc
import threading
import time
import unittest
import weakref

import sluice
from node_test_support import Imu, NodeTest, eventually


class Names(NodeTest):
    def test_names_namespaces_remaps_and_arguments(self):
        node = self.node("camera", arguments=["--ns", "/robot", "rest", "--remap", "a:=b"], remaps={"image": "/front"})
        self.assertEqual((node.name, node.fully_qualified_name), ("camera", "/robot/camera"))
        self.assertEqual(node.arguments, ["rest"])
        self.assertEqual(node.advertise_bytes("image").topic, "/front")
        self.assertEqual(node.subscribe_bytes("a").topic, "/robot/b")

    def test_parameters_have_the_type_of_their_default(self):
        node = self.node(parameters={"gain": 2, "on": True, "name": "x", "word": "many"})
        self.assertEqual(node.parameter("gain", 1.0), 2.0)
        self.assertIs(node.parameter("on", False), True)
        self.assertEqual(node.parameter("name", ""), "x")
        self.assertEqual(node.parameter("missing", 5), 5)
        self.refuses(ValueError, "node '/test': parameter 'word' has the value 'many', which is no int", node.parameter,
                     "word", 1)

    def test_errors_are_the_sentences_of_the_library(self):
        with self.assertRaisesRegex(sluice.Error, "'bad name!'"):
            sluice.Node("bad name!", config=self.config)
        self.config.write_text("topics: {/a: {dept: 3}}", encoding="utf-8")
        with self.assertRaisesRegex(sluice.ConfigError, r"test\.yaml:1:15: .*'dept'.*did you mean 'depth'"):
            sluice.Node("n", config=self.config)
        with self.assertRaisesRegex(sluice.Error, "missing.yaml"):
            sluice.Node("n", config=self.directory / "missing.yaml")
        with self.assertRaisesRegex(sluice.Error, "--remap"):
            sluice.Node("n", ["--remap"])


class Callbacks(NodeTest):
    def test_a_callback_gets_every_message_and_may_keep_it(self):
        kept = []
        out, in_ = self.pair(callback=kept.append)
        for number in range(5):
            out.publish((number, [number] * 3))
        while len(kept) < 5:
            self.nodes[0].spin_for(0.01)
        self.assertEqual([int(message["number"]) for message in kept], list(range(5)))
        self.assertTrue(all(message.valid for message in kept))
        self.assertEqual(in_.stats().received, 5)

    def test_a_traceback_is_printed_and_the_node_goes_on(self):
        program = self.start(
            "def fail(message):\n"
            "    if message['number'] < 2: raise ValueError('no %d' % message['number'])\n"
            "    print('went on', flush=True); node.shutdown()\n"
            "def tick(): out.publish((next(numbers), [0, 0, 0])); 1 / 0\n"
            "import itertools; numbers = itertools.count()\n"
            "out = node.advertise('/imu', Imu); node.subscribe('/imu', Imu, fail); node.every(0.01, tick); node.spin()")
        output = self.end(program)
        for text in ("sluice: the callback of '/imu' raised:\nTraceback (most recent call last):", "ValueError: no 0\n",
                     "ValueError: no 1\n", "sluice: a timer's callback raised:\n", "ZeroDivisionError", "went on"):
            self.assertIn(text, output)

    def test_leaving_the_program_from_a_callback(self):
        self.end(self.start("node.every(0.01, lambda: sys.exit(3)); node.spin()"), 3)

    def test_what_is_no_callback_is_refused(self):
        self.refuses(TypeError, "a subscription's callback must be callable, not 5", self.node().subscribe, "/imu", Imu,
                     5)

    def test_a_callback_may_close_its_own_subscription(self):
        calls = []
        node = self.node()
        out = node.advertise("/imu", Imu)
        in_ = node.subscribe("/imu", Imu, lambda message: (calls.append(message), in_.close()))
        out.publish_batch(Imu.zeros(3))
        node.spin_for(0.05)
        self.assertEqual(len(calls), 1)
        self.assertTrue(in_.closed)
        self.refuses(sluice.Error, "the subscription to '/imu' is closed", in_.take)

    def test_closing_waits_for_a_callback_of_another_thread(self):
        node, entered, left = self.node(), threading.Event(), []

        def slow(_message):
            entered.set()
            time.sleep(0.2)
            left.append(True)

        out, in_ = node.advertise("/imu", Imu), node.subscribe("/imu", Imu, slow)
        spinning = threading.Thread(target=node.spin)
        spinning.start()
        out.publish(Imu.zeros())
        entered.wait()
        in_.close()
        self.assertEqual(left, [True])
        node.shutdown()
        spinning.join()

    def test_a_node_may_be_closed_in_its_own_callback(self):
        node = self.node()
        node.every(0.01, node.close)
        node.spin()
        self.assertTrue(node.closed)
        self.refuses(sluice.Error, "node 'test' is closed", node.spin)


class Spinning(NodeTest):
    def test_a_timer_keeps_its_period_until_it_is_cancelled(self):
        node, calls = self.node(), []
        timer = node.every(0.02, lambda: calls.append(time.monotonic()))
        while len(calls) < 5:
            node.spin_for(0.02)
        timer.cancel()
        count = len(calls)
        node.spin_for(0.1)
        self.assertEqual(len(calls), count)
        self.assertGreaterEqual(calls[4] - calls[0], 0.07)
        for period in (-1, float("nan")):
            with self.assertRaisesRegex(ValueError, "a timer's period must be a number of seconds"):
                node.every(period, print)

    def test_spin_for_says_whether_it_lasted(self):
        node = self.node()
        self.assertTrue(node.spin_for(0.01))
        node.every(0.01, node.shutdown)
        self.assertFalse(node.spin_for(100))

    def test_other_threads_run_while_a_thread_waits(self):
        node = self.node()
        in_ = node.subscribe("/imu", Imu)
        count, stop = 0, threading.Event()
        taker = threading.Thread(target=lambda: (in_.take_for(0.2), stop.set()))
        taker.start()
        while not stop.is_set():
            count += 1
        taker.join()
        self.assertGreater(count, 1000)

    def test_a_publisher_that_waits_for_room_lets_the_reader_run(self):
        out, in_ = self.pair()
        received = []

        def read():
            while len(received) < 100:
                message = in_.take_for(1.0)
                received.append(int(message["number"]))

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(100):  # the topic has room for 8
            self.assertIs(out.publish((number, [0, 0, 0])), sluice.PublishResult.ok)
        reader.join()
        self.assertEqual(received, list(range(100)))

    def test_several_threads_share_a_publisher(self):
        out, in_ = self.pair()
        threads = [threading.Thread(target=lambda: [out.publish(Imu.zeros()) for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        sequences = [in_.take_for(None).info.sequence for _ in range(800)]
        for thread in threads:
            thread.join()
        self.assertEqual(sequences, list(range(800)))

    def test_several_nodes_in_one_executor(self):
        first, second, executor, calls = self.node("first"), self.node("second"), sluice.Executor(), []
        out = first.advertise("/imu", Imu)
        second.subscribe("/imu", Imu, lambda message: calls.append("message"))
        first.every(0.01, lambda: (calls.append("tick"), out.publish(Imu.zeros())))
        executor.add(first)
        executor.add(second)
        with self.assertRaisesRegex(sluice.Error, "node '/first' belongs to another executor"):
            first.spin()
        while not {"tick", "message"} <= set(calls):
            executor.spin_once(1.0)
        second.every(0.01, executor.shutdown)
        executor.spin()
        executor.remove(first)

    def test_waiting_for_the_other_side(self):
        node = self.node()
        out = node.advertise("/imu", Imu)
        self.assertFalse(out.wait_for_subscribers(1, 0.01))
        in_ = node.subscribe("/imu", Imu)
        self.assertTrue(out.wait_for_subscribers(timeout=10))
        self.assertTrue(in_.wait_for_publishers(timeout=10))
        self.assertEqual((out.subscriber_count, in_.publisher_count), (1, 1))

    def test_an_observer_takes_part_in_nothing(self):
        node = self.node()
        early = node.observe("small", Imu)  # the topic is not there yet
        self.assertIsNone(early.take())
        out = node.advertise("small", Imu)
        raw = node.observe_bytes("small", "demo/Imu")
        for number in range(100):  # one that took part would make this wait in vain
            self.assertTrue(out.publish((number, [0, 0, 0])))
            early.take()
        self.assertEqual(out.subscriber_count, 0)
        eventually(lambda: raw.take() is not None)
        for stats in (early.stats(), raw.stats()):
            self.assertGreater(stats.received, 0)
            self.assertEqual(stats.lost + stats.received + stats.queued, stats.reserved - stats.joined)
        self.assertGreater(raw.stats().lost, 0)
        with self.assertRaisesRegex(sluice.ConfigError, "'/local': transport 'inproc' cannot be observed .* subscribe"):
            node.observe_bytes("local")

    def test_a_thread_that_waits_ends_when_the_subscription_is_closed(self):
        in_, taken = self.node().subscribe("/imu", Imu), []
        thread = threading.Thread(target=lambda: taken.append(in_.take_for(None)))
        thread.start()
        eventually(lambda: in_._busy)
        in_.close()
        thread.join()
        self.assertEqual(taken, [None])


class Keeping(NodeTest):
    def test_a_node_keeps_what_it_opened(self):
        calls = []
        node = self.node()
        node.subscribe("/imu", Imu, calls.append)
        node.every(0.01, lambda: calls.append("tick"))
        node.advertise("/imu", Imu).publish(Imu.zeros())
        gc.collect()
        while len(calls) < 2:
            node.spin_for(0.02)
        self.assertGreaterEqual(len(calls), 2)

    def test_a_closed_endpoint_is_not_kept(self):
        node = self.node()
        out = node.advertise("/imu", Imu)
        gone = weakref.ref(out)
        out.close()
        out.close()
        self.assertTrue(out.closed)
        node.advertise("/other", Imu)
        del out
        gc.collect()
        self.assertIsNone(gone())

    def test_a_node_in_a_circle_is_collected(self):
        def make():
            node = sluice.Node("circle", config=self.config)
            node.subscribe("/imu", Imu, lambda message: node)
            node.every(1, lambda: node)
            node.on_event(lambda event: node)
            return weakref.ref(node)

        gone = make()
        gc.collect()
        self.assertIsNone(gone())
        self.assertFalse(self.run_directory.exists())

    def test_with_closes_everything(self):
        with sluice.Node("short", config=self.config) as node:
            out = node.advertise("/imu", Imu)
            with node.subscribe("/imu", Imu) as in_:
                pass
        self.assertTrue(in_.closed and out.closed and node.closed)
        self.refuses(sluice.Error, "the publisher of '/imu' is closed", out.publish, Imu.zeros())
        self.assertFalse(self.run_directory.exists())


if __name__ == "__main__":
    unittest.main()
