"""sluice.eshm: threads, Ctrl-C, forks, and every way in which a channel ends."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from eshm_test import PATIENCE, EshmTest, await_that

from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE

READING = """
import sys, time
from sluice.eshm import *
with ESHM(sys.argv[1], ESHMRole.MASTER) as channel:
    try:
        print("reading", flush=True)
        channel.read(timeout_ms=TIMEOUT_INFINITE)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
WAITING = """
import sys
from sluice.eshm import *
try:
    print("waiting", flush=True)
    ESHM(sys.argv[1], ESHMRole.SLAVE, attach_timeout_ms=TIMEOUT_INFINITE)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
DAEMONS = """
import sys, threading
from sluice.eshm import *
channel = ESHM(sys.argv[1], ESHMRole.MASTER)
def read():
    while True:
        try:
            channel.read(timeout_ms=1)
        except TimeoutError:
            pass
for _ in range(3):
    threading.Thread(target=read, daemon=True).start()
"""


class Threads(EshmTest):
    def test_one_reads_while_another_writes(self):
        master, slave = self.open(ESHMRole.MASTER), self.open(ESHMRole.SLAVE)
        self.assertIsNone(master.try_read())
        self.assertIsNone(slave.try_read())
        echoes = []

        def echo():
            while (message := slave.read(timeout_ms=30000)) != b"end":
                slave.write(message)

        def read():
            while len(echoes) < 2000:
                echoes.append(master.read(timeout_ms=30000))

        threads = [threading.Thread(target=echo), threading.Thread(target=read)]
        for thread in threads:
            thread.start()
        for number in range(2000):
            master.write(b"%d" % number)
            await_that(lambda number=number: len(echoes) > number)
        master.write(b"end")
        for thread in threads:
            thread.join()
        self.assertEqual(echoes, [b"%d" % number for number in range(2000)])

    def test_others_run_while_one_waits(self):
        channel = self.open(ESHMRole.MASTER)
        reader = threading.Thread(target=self.ends_with, args=(RuntimeError, channel, []))
        reader.start()
        await_that(lambda: self.waiters() > 0)
        for _ in range(1000):
            channel.write(b"x")
            channel.get_stats()
        self.assertTrue(reader.is_alive())
        channel.close()
        reader.join()

    def ends_with(self, kind, channel, seen):
        try:
            channel.read(timeout_ms=TIMEOUT_INFINITE)
        except kind as error:
            seen.append(str(error))

    def waiters(self):
        return int.from_bytes(self.path.read_bytes()[4352 + 4124:4352 + 4128], "little")

    def test_closing_ends_a_read_of_another_thread(self):
        channel = self.open(ESHMRole.MASTER)
        seen = []
        readers = [threading.Thread(target=self.ends_with, args=(RuntimeError, channel, seen)) for _ in range(2)]
        for reader in readers:
            reader.start()
        await_that(lambda: self.waiters() > 0)
        channel.close()
        for reader in readers:
            reader.join()
        self.assertEqual(len(seen), 2)
        for text in seen:
            self.assertRegex(text, "it is closed|it was closed while a read waited")
        self.assertFalse(self.path.exists())

    def test_closing_in_the_middle_of_everything(self):
        for _ in range(20):
            channel = self.open(ESHMRole.MASTER)
            busy = threading.Barrier(4)
            failures = []

            def use(call):
                busy.wait()
                try:
                    while True:
                        call()
                except RuntimeError as error:
                    if "closed" not in str(error):
                        failures.append(error)

            calls = (lambda: channel.write(b"x"), channel.try_read, channel.get_stats)
            threads = [threading.Thread(target=use, args=(call,)) for call in calls]
            for thread in threads:
                thread.start()
            busy.wait()
            channel.close()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])


class Interrupts(EshmTest):
    def start(self, program):
        process = subprocess.Popen([sys.executable, "-c", program, self.name], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_ctrl_c_ends_a_read(self):
        process = self.start(READING)
        self.assertEqual(process.stdout.readline(), "reading\n")
        await_that(lambda: int.from_bytes(self.path.read_bytes()[8476:8480], "little") > 0)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "interrupted\n")
        self.assertEqual(process.wait(), 0)
        self.assertFalse(self.path.exists(), "closed in order")

    def test_ctrl_c_ends_the_wait_for_a_master(self):
        process = self.start(WAITING)
        self.assertEqual(process.stdout.readline(), "waiting\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "interrupted\n")
        self.assertEqual(process.wait(), 0)

    def test_a_handler_that_raises_nothing_lets_the_read_go_on(self):
        channel = self.open(ESHMRole.MASTER)
        slave = self.open(ESHMRole.SLAVE)
        self.assertIsNone(channel.try_read())
        signal.signal(signal.SIGUSR1, lambda *_: slave.write(b"from the handler"))
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.SIG_DFL)
        main = threading.main_thread().ident
        threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)).start()
        self.assertEqual(channel.read(timeout_ms=TIMEOUT_INFINITE), b"from the handler")

    def test_a_program_ends_while_daemon_threads_read(self):
        for _ in range(10):
            result = subprocess.run([sys.executable, "-c", DAEMONS, self.name], capture_output=True, text=True,
                                    timeout=PATIENCE)
            self.assertEqual((result.returncode, result.stderr), (0, ""))


def use_in_child(channel, results):
    found = []
    for call in (channel.try_read, lambda: channel.read(timeout_ms=TIMEOUT_INFINITE), lambda: channel.write(b"x"),
                 channel.get_stats, channel.get_role, channel.is_remote_alive):
        try:
            call()
            found.append("worked")
        except RuntimeError as error:
            found.append(str(error))
    channel.close()
    results.put(found)


class Forks(EshmTest):
    def test_a_forked_child_is_refused_and_the_parent_unharmed(self):
        master = self.open(ESHMRole.MASTER)
        slave = self.open(ESHMRole.SLAVE)
        self.assertIsNone(slave.try_read())
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=use_in_child, args=(master, results))
        child.start()
        found = results.get(timeout=PATIENCE)
        child.join()
        self.assertEqual(child.exitcode, 0)
        self.assertEqual(set(found), {f"channel '{self.name}': it was opened by the process that this one was forked "
                                      "from; open it here"})
        self.assertTrue(self.path.exists())
        master.write(b"still there")
        self.assertEqual(slave.read(), b"still there")

    def test_a_child_that_forgets_it_or_ends_harms_nobody(self):
        master = self.open(ESHMRole.MASTER)
        child = os.fork()
        if child == 0:
            del master
            gc.collect()
            os._exit(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(self.path.exists())
        self.assertIs(master.get_role(), ESHMRole.MASTER)

    def test_a_fork_while_other_threads_are_inside(self):
        master = self.open(ESHMRole.MASTER)
        over = threading.Event()

        def use():
            while not over.is_set():
                master.write(b"x")
                try:
                    master.read(timeout_ms=1)
                except TimeoutError:
                    pass

        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                try:
                    master.write(b"x")
                except RuntimeError:
                    master.close()
                    os._exit(0)
                os._exit(1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
        over.set()
        for thread in threads:
            thread.join()


class Ends(EshmTest):
    def test_closing_removes_what_was_created_and_is_repeatable(self):
        with self.open(ESHMRole.MASTER) as channel:
            self.assertTrue(self.path.exists())
            self.assertFalse(channel.closed)
        self.assertFalse(self.path.exists())
        self.assertTrue(channel.closed)
        self.assertEqual(repr(channel), f"<ESHM '{self.name}' closed>")
        channel.close()
        for call in (channel.read, channel.try_read, lambda: channel.write(b"x"), channel.get_stats, channel.get_role,
                     channel.is_remote_alive, channel.get_books, channel.update_heartbeat, channel.get_wakeup_mode):
            with self.assertRaisesRegex(RuntimeError, f"channel '{self.name}': it is closed"):
                call()

    def test_forgetting_is_closing(self):
        channel = ESHM(self.name, ESHMRole.MASTER)
        self.assertTrue(self.path.exists())
        del channel
        gc.collect()
        self.assertFalse(self.path.exists())

    def test_the_end_of_a_program_is_closing(self):
        program = "import sys; from sluice.eshm import *; channel = ESHM(sys.argv[1], ESHMRole.MASTER)"
        subprocess.run([sys.executable, "-c", program, self.name], check=True, timeout=PATIENCE)
        self.assertFalse(self.path.exists())

    def test_a_slave_removes_nothing(self):
        master, slave = self.open(ESHMRole.MASTER, auto_cleanup=False), self.open(ESHMRole.SLAVE)
        slave.close()
        self.assertTrue(self.path.exists())
        master.close()
        self.assertTrue(self.path.exists())

    def test_a_reader_at_rest_takes_no_processor(self):
        channel = self.open(ESHMRole.MASTER)
        before = time.thread_time()
        with self.assertRaises(TimeoutError):
            channel.read(timeout_ms=1000)
        self.assertLess(time.thread_time() - before, 0.1)


if __name__ == "__main__":
    unittest.main()
