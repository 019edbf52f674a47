#!/usr/bin/python3
"""libeshm.so under a wrapper as Python programs for ESHM have one: by path, with structures of its own."""

import ctypes
import enum
import os
import pathlib
import subprocess
import sys
import unittest

from support import BUILD, DomainTest

LIBRARY = BUILD / "lib" / "libeshm.so"
GREETING = 21  # bytes of "Hello from master #0" and its NUL


class ESHMRole(enum.IntEnum):
    MASTER = 0
    SLAVE = 1
    AUTO = 2


class ESHMDisconnectBehavior(enum.IntEnum):
    IMMEDIATELY = 0
    ON_TIMEOUT = 1
    NEVER = 2


class ESHMError(enum.IntEnum):
    SUCCESS = 0
    NO_DATA = -9
    TIMEOUT = -10


class ESHMConfig(ctypes.Structure):
    _fields_ = [("shm_name", ctypes.c_char_p), ("role", ctypes.c_int), ("disconnect_behavior", ctypes.c_int),
                ("stale_threshold_ms", ctypes.c_uint32), ("reconnect_wait_ms", ctypes.c_uint32),
                ("reconnect_retry_interval_ms", ctypes.c_uint32), ("max_reconnect_attempts", ctypes.c_uint32),
                ("auto_cleanup", ctypes.c_bool), ("use_threads", ctypes.c_bool)]


class ESHMStats(ctypes.Structure):
    _fields_ = [("master_heartbeat", ctypes.c_uint64), ("slave_heartbeat", ctypes.c_uint64),
                ("master_pid", ctypes.c_int32), ("slave_pid", ctypes.c_int32), ("master_alive", ctypes.c_bool),
                ("slave_alive", ctypes.c_bool), ("stale_threshold", ctypes.c_uint32),
                ("master_heartbeat_delta", ctypes.c_uint64), ("slave_heartbeat_delta", ctypes.c_uint64),
                ("m2s_write_count", ctypes.c_uint64), ("m2s_read_count", ctypes.c_uint64),
                ("s2m_write_count", ctypes.c_uint64), ("s2m_read_count", ctypes.c_uint64)]


def load(path):
    library = ctypes.CDLL(str(path))
    handle = ctypes.c_void_p
    for name, result, arguments in (
            ("eshm_init", handle, [ctypes.POINTER(ESHMConfig)]),
            ("eshm_destroy", ctypes.c_int, [handle]),
            ("eshm_write", ctypes.c_int, [handle, ctypes.c_char_p, ctypes.c_size_t]),
            ("eshm_read_ex", ctypes.c_int, [handle, ctypes.c_void_p, ctypes.c_size_t,
                                            ctypes.POINTER(ctypes.c_size_t), ctypes.c_uint32]),
            ("eshm_get_stats", ctypes.c_int, [handle, ctypes.POINTER(ESHMStats)]),
            ("eshm_get_role", ctypes.c_int, [handle, ctypes.POINTER(ctypes.c_int)]),
            ("eshm_check_remote_alive", ctypes.c_int, [handle, ctypes.POINTER(ctypes.c_bool)]),
            ("eshm_error_string", ctypes.c_char_p, [ctypes.c_int])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class ESHM:
    def __init__(self, shm_name, role=ESHMRole.AUTO, disconnect_behavior=ESHMDisconnectBehavior.ON_TIMEOUT,
                 stale_threshold_ms=100, reconnect_wait_ms=5000, reconnect_retry_interval_ms=100,
                 max_reconnect_attempts=50, auto_cleanup=True, use_threads=True):
        self._library = load(LIBRARY)
        self._config = ESHMConfig(shm_name.encode(), role, disconnect_behavior, stale_threshold_ms, reconnect_wait_ms,
                                  reconnect_retry_interval_ms, max_reconnect_attempts, auto_cleanup, use_threads)
        self._handle = self._library.eshm_init(ctypes.byref(self._config))
        if not self._handle:
            raise RuntimeError("cannot open " + shm_name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._handle:
            self._library.eshm_destroy(self._handle)
        self._handle = None

    def _check(self, code):
        if code == ESHMError.TIMEOUT:
            raise TimeoutError(self._library.eshm_error_string(code).decode())
        if code != ESHMError.SUCCESS:
            raise RuntimeError(self._library.eshm_error_string(code).decode())

    def write(self, data):
        self._check(self._library.eshm_write(self._handle, data, len(data)))

    def read(self, buffer_size=4096, timeout_ms=None):
        data = self._read(buffer_size, 1000 if timeout_ms is None else timeout_ms)
        if data is None:
            raise RuntimeError("No data available")
        return data

    def try_read(self, buffer_size=4096):
        return self._read(buffer_size, 0)

    def _read(self, buffer_size, timeout_ms):
        buffer, size = ctypes.create_string_buffer(buffer_size), ctypes.c_size_t()
        code = self._library.eshm_read_ex(self._handle, buffer, buffer_size, ctypes.byref(size), timeout_ms)
        if code == ESHMError.NO_DATA:
            return None
        self._check(code)
        return buffer.raw[:size.value]

    def get_stats(self):
        stats = ESHMStats()
        self._check(self._library.eshm_get_stats(self._handle, ctypes.byref(stats)))
        return {name: getattr(stats, name) for name, *_ in ESHMStats._fields_}

    def get_role(self):
        role = ctypes.c_int(-1)
        self._check(self._library.eshm_get_role(self._handle, ctypes.byref(role)))
        return ESHMRole(role.value)

    def is_remote_alive(self):
        alive = ctypes.c_bool()
        self._check(self._library.eshm_check_remote_alive(self._handle, ctypes.byref(alive)))
        return alive.value


def slave(name):
    """The other process: answers each greeting with its own, until it is told to end."""
    with ESHM(name, ESHMRole.SLAVE) as channel:
        assert channel.try_read() is None
        print("ready", channel.get_role().name, flush=True)
        for number in range(5):
            greeting = channel.read(timeout_ms=30000)
            print(len(greeting), greeting, flush=True)
            channel.write(f"Hello from slave #{number}\0".encode())
        sys.stdin.readline()


class CtypesWrapper(DomainTest):
    def setUp(self):
        super().setUp()
        self.name = f"sluice-ctypes-{os.getpid()}"
        self.segment = pathlib.Path("/dev/shm/eshm_" + self.name)
        self.addCleanup(self.segment.unlink, missing_ok=True)

    def test_two_processes_greet_each_other(self):
        # On a busy machine a process may get no processor for 100 ms.
        with ESHM(self.name, ESHMRole.MASTER, stale_threshold_ms=30000) as master:
            self.assertIsNone(master.try_read())
            other = subprocess.Popen([sys.executable, "-B", __file__, "slave", self.name], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, env=self.environment)
            self.started.append(other)
            self.assertEqual(other.stdout.readline(), "ready SLAVE\n")
            for number in range(5):
                greeting = f"Hello from master #{number}\0".encode()
                self.assertEqual(len(greeting), GREETING)
                master.write(greeting)
                self.assertEqual(other.stdout.readline(), f"{GREETING} {greeting}\n")
                self.assertEqual(master.read(timeout_ms=30000), f"Hello from slave #{number}\0".encode())
            self.assertTrue(master.is_remote_alive())
            stats = master.get_stats()
            counts = [stats[each + "_count"] for each in ("m2s_write", "m2s_read", "s2m_write", "s2m_read")]
            self.assertEqual(counts, [5, 5, 5, 5])
            self.assertEqual((stats["master_pid"], stats["slave_pid"]), (os.getpid(), other.pid))
            self.assertEqual((stats["master_alive"], stats["slave_alive"]), (True, True))
            self.assertEqual(stats["stale_threshold"], 30000)
            other.communicate("\n", timeout=self.patience)
            self.assertEqual(other.returncode, 0)
        self.assertFalse(self.segment.exists())

    def test_what_goes_wrong_is_what_wrappers_expect(self):
        with self.assertRaises(RuntimeError):
            ESHM(self.name, ESHMRole.SLAVE)
        with ESHM(self.name) as master:
            self.assertEqual(master.get_role(), ESHMRole.MASTER)
            with self.assertRaisesRegex(RuntimeError, "No data available"):
                master.read(timeout_ms=0)
            with self.assertRaises(TimeoutError):
                master.read(timeout_ms=20)
            with self.assertRaises(RuntimeError):
                master.write(bytes(4097))
            with ESHM(self.name) as end:
                self.assertEqual(end.get_role(), ESHMRole.SLAVE)
                self.assertIsNone(end.try_read())
                master.write(b"")
                self.assertEqual(end.read(), b"")


if __name__ == "__main__":
    if sys.argv[1:2] == ["slave"]:
        slave(sys.argv[2])
    else:
        unittest.main(verbosity=2)
