"""sluice.eshm: the interface of ESHM's Python wrapper, beside the independent peer."""

import inspect
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

SOURCE = pathlib.Path(os.environ["SLUICE_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "interop" / "eshm_peer"))

from eshm_peer import EshmPeer, NoData, dump  # noqa: E402
from sluice.eshm import (ESHM, ESHMDisconnectBehavior, ESHMError, ESHMRole, ESHMWakeupMode, MAX_DATA_SIZE,  # noqa: E402
                         TIMEOUT_INFINITE)

PATIENCE = 120  # a watchdog; no test expects anything to be this slow
PATIENT = {"stale_threshold_ms": 30000}  # on a busy machine a process may get no processor for 100 ms
STATS = ["master_heartbeat", "slave_heartbeat", "master_pid", "slave_pid", "master_alive", "slave_alive",
         "stale_threshold", "master_heartbeat_delta", "slave_heartbeat_delta", "m2s_write_count", "m2s_read_count",
         "s2m_write_count", "s2m_read_count"]
_numbers = itertools.count()


def on_watchdog(_signal, _frame):
    raise AssertionError(f"the test was still waiting after {PATIENCE} s")


def await_that(condition):
    """The watchdog bounds it."""
    while not condition():
        time.sleep(0.001)


class EshmTest(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, on_watchdog)
        signal.alarm(PATIENCE)
        self.addCleanup(signal.alarm, 0)
        self.name = f"python-test-{os.getpid()}-{next(_numbers)}"
        self.path = pathlib.Path("/dev/shm/eshm_" + self.name)
        self.addCleanup(self.path.unlink, missing_ok=True)

    def open(self, role, **options):
        channel = ESHM(self.name, role, **{**PATIENT, **options})
        self.addCleanup(channel.close)
        return channel

    def peer(self, role, **options):
        peer = EshmPeer(self.name, role, **{"version": "3", **options})
        self.addCleanup(peer.close)
        return peer

    def pair(self):
        """A peer's master and our slave, which have both read once and so get what is written from now on."""
        master = self.peer("master", stale_threshold_ms=30000)
        slave = self.open(ESHMRole.SLAVE)
        self.assertIsNone(slave.try_read())
        with self.assertRaises(NoData):
            master.read(0)
        return master, slave


class Interface(EshmTest):
    def test_the_constructor_has_the_originals_arguments_and_defaults(self):
        parameters = inspect.signature(ESHM).parameters
        self.assertEqual({name: each.default for name, each in parameters.items()},
                         {"shm_name": inspect.Parameter.empty, "role": ESHMRole.AUTO,
                          "disconnect_behavior": ESHMDisconnectBehavior.ON_TIMEOUT, "stale_threshold_ms": 100,
                          "reconnect_wait_ms": 5000, "reconnect_retry_interval_ms": 100, "max_reconnect_attempts": 50,
                          "auto_cleanup": True, "use_threads": True, "attach_timeout_ms": 0})
        self.assertEqual(parameters["attach_timeout_ms"].kind, inspect.Parameter.KEYWORD_ONLY)

    def test_enumerations_have_the_originals_values(self):
        self.assertEqual([each.value for each in ESHMRole], [0, 1, 2])
        self.assertEqual(list(ESHMRole.__members__), ["MASTER", "SLAVE", "AUTO"])
        self.assertEqual(list(ESHMDisconnectBehavior.__members__), ["IMMEDIATELY", "ON_TIMEOUT", "NEVER"])
        self.assertEqual(list(ESHMWakeupMode.__members__), ["PUSH", "POLL"])
        self.assertEqual([each.value for each in ESHMError], list(range(0, -16, -1)))
        self.assertEqual((ESHMError.NO_DATA, ESHMError.TIMEOUT, ESHMError.BUFFER_TOO_SMALL), (-9, -10, -13))
        self.assertEqual((MAX_DATA_SIZE, TIMEOUT_INFINITE), (4096, 0xFFFFFFFF))

    def test_everything_says_what_it_does(self):
        for name, member in inspect.getmembers(ESHM):
            if not name.startswith("_"):
                self.assertGreater(len(inspect.getdoc(member) or ""), 20, name)

    def test_roles(self):
        first = self.open(ESHMRole.AUTO)
        second = self.open(ESHMRole.AUTO)
        self.assertIs(first.get_role(), ESHMRole.MASTER)
        self.assertIs(second.get_role(), ESHMRole.SLAVE)
        self.assertEqual(repr(first), f"<ESHM '{self.name}' MASTER>")
        self.assertTrue(second.is_remote_alive())

    def test_statistics_have_the_fields_of_the_c_structure(self):
        master, slave = self.pair()
        slave.write(b"one")
        master.write(b"two")
        self.assertEqual(slave.read(), b"two")
        stats = slave.get_stats()
        self.assertEqual(list(stats), STATS)
        inside = dump(str(self.path))
        self.assertEqual([stats[name] for name in ("m2s_write_count", "m2s_read_count", "s2m_write_count",
                                                   "s2m_read_count", "stale_threshold")], [1, 1, 1, 0, 30000])
        self.assertEqual((stats["master_pid"], stats["slave_pid"]), (inside["master_pid"], os.getpid()))
        self.assertEqual((stats["master_alive"], stats["slave_alive"]), (True, True))
        first = stats["slave_heartbeat"]
        await_that(lambda: slave.get_stats()["slave_heartbeat"] > first)
        self.assertEqual(slave.get_books(), {"written": 1, "received": 1, "conflated": 0, "interrupted": 0,
                                             "reconnects": 0})

    def test_the_wakeup_mode_is_what_was_set(self):
        master, slave = self.pair()
        self.assertIs(slave.get_wakeup_mode(), ESHMWakeupMode.PUSH)
        slave.set_wakeup_mode(ESHMWakeupMode.POLL)
        self.assertIs(slave.get_wakeup_mode(), ESHMWakeupMode.POLL)
        master.write(b"polled")
        self.assertEqual(slave.read(), b"polled")
        with self.assertRaisesRegex(ValueError, "PUSH .0. or POLL"):
            slave.set_wakeup_mode(2)

    def test_without_threads_the_heartbeat_is_the_programs(self):
        channel = self.open(ESHMRole.MASTER, use_threads=False)
        channel.update_heartbeat()
        channel.update_heartbeat()
        self.assertEqual(channel.get_stats()["master_heartbeat"], 2)

    def test_the_name_is_the_originals(self):
        path = pathlib.Path(str(self.path) + "_arm_left")
        self.addCleanup(path.unlink, missing_ok=True)
        with ESHM(self.name + "/arm/left", auto_cleanup=False) as channel:
            self.assertEqual(channel.shm_name, self.name + "/arm/left")
            self.assertTrue(path.exists())
        self.assertTrue(path.exists())


class Messages(EshmTest):
    def test_bytes_in_both_directions(self):
        master, slave = self.pair()
        for message in (b"go", b"", b"\0\xff" * 2048, bytes(4096)):
            master.write(message)
            self.assertEqual(slave.read(), message)
            slave.write(message)
            self.assertEqual(master.read(timeout_ms=30000), message)

    def test_whatever_has_a_buffer_is_written(self):
        master, slave = self.pair()
        for message in (bytearray(b"array"), memoryview(b"a view")[2:]):
            slave.write(message)
            self.assertEqual(master.read(timeout_ms=30000), bytes(message))
        for message in ("text", 5, None):
            with self.assertRaises(TypeError):
                slave.write(message)

    def test_text_has_a_nul_at_its_end_on_the_way_only(self):
        master, slave = self.pair()
        slave.write_text("Grüße")
        self.assertEqual(master.read(timeout_ms=30000), "Grüße\0".encode())
        master.write(b"Hello from master #0\0")
        self.assertEqual(slave.read_text(), "Hello from master #0")
        master.write(b"padded\0\0\0")
        self.assertEqual(slave.try_read_text(), "padded")
        self.assertIsNone(slave.try_read_text())
        master.write(b"\xff\0")
        with self.assertRaises(UnicodeDecodeError) as caught:
            slave.read_text()
        self.assertEqual(caught.exception.object, b"\xff")

    def test_a_buffer_too_small_is_an_error_and_loses_nothing(self):
        master, slave = self.pair()
        master.write(bytes(100))
        for read in (lambda: slave.read(99), lambda: slave.read(99, timeout_ms=0), lambda: slave.try_read(99)):
            with self.assertRaisesRegex(RuntimeError, "larger than buffer_size, 99 bytes, and can still be read"):
                read()
        self.assertEqual(slave.read(100), bytes(100))

    def test_a_message_too_long_is_refused(self):
        master, slave = self.pair()
        with self.assertRaisesRegex(RuntimeError, "at most 4096 bytes, not 4097"):
            slave.write(bytes(4097))
        slave.write(b"next")
        self.assertEqual(master.read(timeout_ms=30000), b"next")

    def test_what_is_replaced_unread_is_counted(self):
        master, slave = self.pair()
        for number in range(5):
            master.write(b"%d" % number)
        self.assertEqual(slave.read(), b"4")
        books = slave.get_books()
        self.assertEqual((books["received"], books["conflated"]), (1, 4))

    def test_what_was_written_before_the_first_read_is_not_delivered_unless_asked_for(self):
        master = self.peer("master")
        slave = self.open(ESHMRole.SLAVE)
        master.write(b"before the first read")
        self.assertIsNone(slave.try_read())
        slave.close()
        slave = self.open(ESHMRole.SLAVE, attach_timeout_ms=1)
        master.write(b"after the opening")
        self.assertEqual(slave.try_read(), b"after the opening")


class Exceptions(EshmTest):
    def test_no_data_and_timeout(self):
        _, slave = self.pair()
        self.assertIsNone(slave.try_read())
        with self.assertRaisesRegex(RuntimeError, "^No data available$") as caught:
            slave.read(timeout_ms=0)
        self.assertNotIsInstance(caught.exception, TimeoutError)
        before = time.monotonic()
        with self.assertRaisesRegex(TimeoutError, f"channel '{self.name}': no message came within 70 ms"):
            slave.read(timeout_ms=70)
        self.assertGreaterEqual(time.monotonic() - before, 0.07)
        before = time.monotonic()
        with self.assertRaisesRegex(TimeoutError, "within 1000 ms"):
            slave.read()
        self.assertGreaterEqual(time.monotonic() - before, 1)

    def test_numbers_that_are_none(self):
        _, slave = self.pair()
        for call in (lambda: slave.read(timeout_ms=-2), lambda: slave.read(timeout_ms=2**32), lambda: slave.read(-1),
                     lambda: slave.try_read(-1), lambda: self.open(ESHMRole.MASTER, attach_timeout_ms=-2),
                     lambda: ESHM("a\0b")):
            with self.assertRaises(ValueError):
                call()

    def test_a_channel_that_cannot_be_opened_says_why(self):
        with self.assertRaisesRegex(RuntimeError, f"channel '{self.path}' has no master; start it first"):
            self.open(ESHMRole.SLAVE)
        with self.assertRaisesRegex(RuntimeError, "no master, and none came within the timeout"):
            self.open(ESHMRole.SLAVE, attach_timeout_ms=20)
        self.open(ESHMRole.MASTER)
        with self.assertRaisesRegex(RuntimeError, rf"has a living master already \(pid {os.getpid()}\)"):
            self.open(ESHMRole.MASTER)
        with self.assertRaisesRegex(RuntimeError, "role 7 is none of"):
            self.open(7)
        self.path.unlink()
        self.path.write_bytes(b"x" * 100)
        with self.assertRaises(RuntimeError):
            self.open(ESHMRole.SLAVE)

    def test_the_reason_is_not_printed_as_well(self):
        program = "from sluice.eshm import *\ntry: ESHM('no-such-channel', ESHMRole.SLAVE)\nexcept RuntimeError: pass"
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_a_master_that_goes_away_at_once_means_the_end(self):
        master = self.peer("master", version="2", stale_threshold_ms=100)
        slave = self.open(ESHMRole.SLAVE, disconnect_behavior=ESHMDisconnectBehavior.IMMEDIATELY)
        master.abandon()
        with self.assertRaisesRegex(RuntimeError, "the other side is gone or stale") as caught:
            while True:
                try:
                    slave.read(timeout_ms=100)
                except TimeoutError:
                    pass
        self.assertNotIsInstance(caught.exception, TimeoutError)

    def test_a_slave_that_gave_up_says_so_and_does_not_wait(self):
        master = self.open(ESHMRole.MASTER, stale_threshold_ms=100)
        slave = self.open(ESHMRole.SLAVE, reconnect_retry_interval_ms=10, max_reconnect_attempts=2)
        self.assertIsNone(slave.try_read())
        master.close()
        with self.assertRaisesRegex(TimeoutError, "gave up looking for its master"):
            slave.read(timeout_ms=TIMEOUT_INFINITE)
        self.assertIsNone(slave.try_read())
        self.assertFalse(slave.is_remote_alive())
        with self.assertRaisesRegex(RuntimeError, "the slave has no master now; nothing was written"):
            slave.write(b"x")


if __name__ == "__main__":
    unittest.main()
