"""Python processes with nodes: signals, forks, exits, kills. Each runs as a program of its own."""

import signal
import unittest

import sluice
from node_test_support import Imu, NodeTest, eventually

WAITS = {
    "spin": "node.spin()",
    "executor": "executor = sluice.Executor(); executor.add(node); executor.spin()",
}
INTERRUPTED = {
    "spin_for": "node.spin_for(100)",
    "take_for": "node.subscribe('/imu', Imu).take_for(None)",
    "take_batch": "node.subscribe('/imu', Imu).take_batch(5, None)",
    "wait_for_publishers": "node.subscribe('/imu', Imu).wait_for_publishers(1, None)",
    "wait_for_subscribers": "node.advertise('/imu', Imu).wait_for_subscribers(1, None)",
    "publish": "full = node.subscribe('/imu', Imu); node.advertise('/imu', Imu).publish_batch(Imu.zeros(9))",
    "sleep": "time.sleep(100)",
}


class Signals(NodeTest):
    def test_ctrl_c_and_sigterm_end_spin_in_order(self):
        for name, wait in WAITS.items():
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(name, signal=number):
                    program = self.start(f"node.every(0.01, lambda: print('ready'))\n{wait}\nprint('returned')")
                    self.line(program, "ready")
                    program.send_signal(number)
                    program.send_signal(number)  # its echo, as of a wrapper that forwards it
                    self.assertTrue(self.end(program).endswith("returned\n"))

    def test_ctrl_c_interrupts_every_wait(self):
        for name, wait in INTERRUPTED.items():
            with self.subTest(name):
                program = self.start(f"threading.Timer(0.1, lambda: print('ready')).start()\n"
                                     f"try:\n    {wait}\nexcept KeyboardInterrupt: print('interrupted')")
                self.line(program, "ready")
                program.send_signal(signal.SIGINT)
                self.assertEqual(self.end(program), "interrupted\n")

    def test_a_handler_of_the_programs_own_stays(self):
        program = self.start("signal.signal(signal.SIGTERM, lambda *_: (print('mine'), node.shutdown()))\n"
                             "other = sluice.Node('other', config=node and os.environ.get('X') or None, "
                             "handle_signals=False)\nother.close()\n"
                             "node.every(0.01, lambda: print('ready'))\nnode.spin()")
        self.line(program, "ready")
        program.terminate()
        self.assertIn("mine\n", self.end(program))


class Exits(NodeTest):
    def test_a_program_that_just_ends_leaves_nothing(self):
        for what in ("", "sub = node.subscribe('/imu', Imu, print); out = node.advertise('/imu', Imu)",
                     "message = None\nout = node.advertise('/imu', Imu); sub = node.subscribe('/imu', Imu)\n"
                     "out.publish(Imu.zeros()); view = sub.take().array; loan = out.loan(); array = loan.array"):
            with self.subTest(what):
                self.end(self.start(what))
                self.nothing_is_left()

    def test_threads_that_are_in_the_library_do_not_hinder_the_end(self):
        for wait in [*WAITS.values(), *INTERRUPTED.values()]:
            with self.subTest(wait):
                self.end(self.start(f"def wait():\n    {wait}\n"
                                    "threading.Thread(target=wait, daemon=True).start(); time.sleep(0.05)"))

    def test_an_exception_at_the_top_leaves_nothing(self):
        output = self.end(self.start("node.advertise('/imu', Imu); raise ValueError('oh')"), 1)
        self.assertIn("ValueError: oh", output)
        self.nothing_is_left()


class Forks(NodeTest):
    SENTENCE = "was opened before fork() and belongs to the parent process; open another one in the child"

    def test_what_the_parent_opened_is_refused_in_the_child(self):
        program = self.start(
            "out, sub = node.advertise('/imu', Imu), node.subscribe('/imu', Imu)\n"
            "out.publish(Imu.zeros()); message, loan = sub.take(), out.loan(); loan['number'] = 6\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    for call in (lambda: out.publish(Imu.zeros()), sub.take, lambda: sub.take_for(1), sub.stats,\n"
            "                 out.loan, node.spin, node.shutdown, sub.fileno, lambda: node.advertise('/a', Imu),\n"
            "                 lambda: out.publish(loan)):\n"
            "        try: print('worked')\n"
            "        except sluice.Error as error: print(error)\n"
            "        try: call(); print('WORKED')\n"
            "        except sluice.Error as error: print('refused:', error)\n"
            "    assert not message.valid\n"
            "    out.close(); sub.close(); node.close()\n"
            "    del message, loan\n"
            f"    with sluice.Node('grandchild', config={str(self.config)!r}) as own:\n"
            "        own.advertise('/imu', Imu).publish((7, [0, 0, 0]))\n"
            "    sys.exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n"
            "out.publish(loan); out.publish((8, [0, 0, 0]))\n"
            "print([int(sub.take_for(1)['number']) for _ in range(3)], message.valid, sub.stats().received)")
        output = self.end(program)
        self.assertEqual(output.count("refused:"), 10, output)
        self.assertEqual(output.count(self.SENTENCE), 10, output)
        self.assertNotIn("WORKED", output)
        self.assertTrue(output.endswith("[7, 6, 8] True 4\n"), output)

    def test_multiprocessing_beside_a_node_that_spins(self):
        program = self.start(
            "import multiprocessing\n"
            "def work(number):\n"
            f"    with sluice.Node('worker', config={str(self.config)!r}) as own:\n"
            "        out = own.advertise('/work', Imu); out.wait_for_subscribers(1, 10)\n"
            "        out.publish((number, [0, 0, 0]))\n"
            "received = []\n"
            "node.subscribe('/work', Imu, lambda message: received.append(int(message['number'])))\n"
            "spinning = threading.Thread(target=node.spin); spinning.start()\n"
            "for method in ('fork',):\n"
            "    with multiprocessing.get_context(method).Pool(2) as pool: pool.map(work, range(8), chunksize=1)\n"
            "while len(received) < 8: time.sleep(0.001)\n"
            "node.shutdown(); spinning.join(); print(sorted(received))")
        self.assertTrue(self.end(program).endswith("[0, 1, 2, 3, 4, 5, 6, 7]\n"))


class Deaths(NodeTest):
    def tearDown(self):
        self.close_nodes()
        self.node("sweeper").close()  # whoever comes next removes what the dead left

    def test_a_killed_reader_holds_nobody_up(self):
        node = self.node()
        out = node.advertise("/imu", Imu)
        for _ in range(5):
            reader = self.start("sub = node.subscribe('/imu', Imu)\nkept = [sub.take_for(None) for _ in range(3)]\n"
                                "print('holding'); time.sleep(1000)")
            self.assertTrue(out.wait_for_subscribers(1, None))
            for _ in range(3):
                out.publish(Imu.zeros())
            self.line(reader, "holding")
            reader.kill()
            reader.wait()
            for _ in range(100):
                self.assertIs(out.publish(Imu.zeros()), sluice.PublishResult.ok)
            self.assertEqual(out.subscriber_count, 0)

    def test_a_killed_publisher_is_replaced(self):
        in_ = self.node().subscribe("/imu", Imu)
        for _ in range(5):
            writer = self.start("out = node.advertise('/imu', Imu)\nwhile True: out.publish((1, [0, 0, 0]))")
            for _ in range(100):
                self.assertIsNotNone(in_.take_for(None))
            writer.kill()
            writer.wait()
            while in_.take() is not None:
                pass
        eventually(lambda: in_.publisher_count == 0)
        stats = in_.stats()
        self.assertEqual(stats.reserved - stats.joined, stats.received + stats.lost + stats.skipped + stats.queued)

    def test_an_idle_subscriber_takes_no_measurable_time(self):
        program = self.start("node.subscribe('/imu', Imu, print); node.spin_for(0.2)\n"
                             "before = time.process_time(); node.spin_for(2); print(time.process_time() - before)")
        self.assertLess(float(self.end(program).split()[-1]), 0.02)  # a process that polls takes ten times as much


if __name__ == "__main__":
    unittest.main()
