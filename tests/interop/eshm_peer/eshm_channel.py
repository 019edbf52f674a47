"""One side of a channel, as the original of version "2" (libeshm 1.0.0) or "3" (1.1) behaves."""

import ctypes
import os
import time

import eshm_native as native
import eshm_segment as segment
from eshm_presence import CONNECTED, Presence

SLICE = 0.005          # seconds of version 2's polling between two looks at the connection
ODD_LIMIT = 0.1        # seconds that version 3 waits for a write to end
COPIES_AT_MOST = 16    # version 3's tries to get a whole message
FOREVER = 0xFFFFFFFF   # version 3's endless timeout; in version 2 merely 49.7 days
ROLES = ("master", "slave", "auto")
DISCONNECTS = ("immediately", "on_timeout", "never")


class InvalidParameter(segment.PeerError):
    kind, code = "invalid_param", -1


class NoData(segment.PeerError):
    kind, code = "no_data", -9


class Timeout(segment.PeerError):
    kind, code = "timeout", -10


class MasterStale(segment.PeerError):
    kind, code = "master_stale", -11


class BufferTooSmall(segment.PeerError):
    kind, code = "buffer_too_small", -13


class NotInitialised(segment.PeerError):
    kind, code = "not_initialised", -14


class WouldSpin(segment.PeerError):
    """Version 2 would spin for ever on an odd sequence; the peer stops after its spin limit."""
    kind = "would_spin"


class EshmPeer:
    """`write` from one thread, `read` from one thread. Fields of the configuration have the original's defaults."""

    def __init__(self, name, role="auto", version="2", max_size=segment.DEFAULT_SIZE, stale_threshold_ms=100,
                 reconnect_wait_ms=5000, retry_ms=100, attempts=50, disconnect="on_timeout", use_threads=True,
                 auto_cleanup=True, heartbeat=True, spin_limit=0.5, on_event=lambda event, **fields: None):
        assert role in ROLES and version in segment.VERSIONS and disconnect in DISCONNECTS
        self.name, self.role, self.version, self.disconnect = name, role, version, disconnect
        self.reconnect_wait_ms, self.retry_ms, self.attempts = reconnect_wait_ms, retry_ms, attempts
        self.auto_cleanup, self.spin_limit = auto_cleanup, spin_limit
        self.where = segment.layout(max_size)
        self.creator, self.taken_over = False, False
        self.baseline = None  # the write_count up to which everything was read; None: not taken
        self.joined = None    # as it was taken: joined + reads + conflated = baseline, without reconnections
        self.conflated = self.reconnects = self.woken = 0
        self._heartbeats = (0, 0)
        self._buffer = ctypes.create_string_buffer(max(max_size, 1))
        self.mapping = self._enter(stale_threshold_ms)
        self._announce()
        self.presence = Presence(self, heartbeat, on_event) if use_threads else None

    def _enter(self, stale_threshold):
        if self.role == "slave":
            return segment.attach(self.name, self.version, self.where)
        found = segment.slave_alive(self.name)
        if self.role == "auto" and found is not None:
            self.role = "slave"
            return segment.attach(self.name, self.version, self.where)
        self.role = "master"
        if found:
            self.taken_over = True
            return segment.attach(self.name, self.version, self.where)
        if found is not None:
            segment.unlink(self.name)
        self.creator = True
        return segment.create(self.name, self.version, self.where, stale_threshold)

    def _announce(self):
        own = (segment.MASTER_HEARTBEAT, segment.MASTER_PID, segment.MASTER_ALIVE)
        if self.role == "master":
            self.mapping.store_32(segment.GENERATION, self.mapping.load_32(segment.GENERATION) + 1)
        else:
            own = (segment.SLAVE_HEARTBEAT, segment.SLAVE_PID, segment.SLAVE_ALIVE)
        heartbeat, pid, alive = own
        self.mapping.store_32(pid, os.getpid())
        self.mapping.store_32(alive, 1)
        native.store_64(self.mapping.address + heartbeat, 0)

    def close(self):
        """The original's destroy."""
        mapping = self._leave()
        if mapping is not None:
            mapping.store_32(segment.MASTER_ALIVE if self.role == "master" else segment.SLAVE_ALIVE, 0)
        if self.creator and self.auto_cleanup:
            segment.unlink(self.name)

    def abandon(self):
        """Leaves everything as SIGKILL would."""
        self._leave()

    def _leave(self):
        if self.presence:
            self.presence.stop()
        mapping, self.mapping = self.mapping, None
        return mapping

    def write_offset(self):
        return self.where.master_to_slave if self.role == "master" else self.where.slave_to_master

    def read_offset(self):
        return self.where.slave_to_master if self.role == "master" else self.where.master_to_slave

    def _attached(self):
        """The mapping to work on, or the error that the original returns without one."""
        presence, mapping = self.presence, self.mapping
        if presence and presence.crash:
            raise presence.crash
        if mapping is not None:
            return mapping
        if presence and (presence.stale or presence.state != CONNECTED):
            raise Timeout("detached: reconnecting or given up")
        raise NotInitialised("detached")

    def write(self, data, step=None, signal=0):
        """After `step` of the write the process gets `signal`, or with 0 the write is left as it is."""
        if data is None:
            raise InvalidParameter("no data")
        if len(data) > self.where.max_size:
            raise BufferTooSmall(f"{len(data)} bytes do not fit into {self.where.max_size}")
        mapping = self._attached()
        number = native.STEPS.index(step) + 1 if step else 0
        self.woken += native.write(mapping.address + self.write_offset(), self.where.counters, self.version == "3",
                                   data, len(data), number, signal)

    def invert_parity(self):
        """What a writer's death inside a write leaves to all writers after it (H1)."""
        native.add_32(self.mapping.address + self.write_offset() + segment.SEQUENCE, 1)

    def _take_baseline(self, mapping):
        taken = bool(self.baseline) if self.version == "2" else self.baseline is not None
        if not taken:  # version 2 keeps no flag, so its 0 is "not taken" again
            self.baseline = self.joined = mapping.load_64(self.read_offset() + self.where.counters)

    def read(self, timeout_ms=1000, capacity=None):
        """The newest message, once; NoData with timeout 0, Timeout otherwise."""
        if capacity is None or capacity > self.where.max_size:
            capacity = self.where.max_size
        endless = timeout_ms == FOREVER and self.version == "3"
        deadline = None if endless else time.monotonic() + timeout_ms / 1000
        baseline_taken = False
        while True:
            mapping = self._attached()
            if self.disconnect == "immediately" and self.presence and self.presence.stale:
                raise MasterStale("the other side is stale")
            if not baseline_taken or self.baseline is None:
                self._take_baseline(mapping)
                baseline_taken = True
            data = self._try(mapping, capacity)
            if data is not None:
                return data
            left = 60 if endless else deadline - time.monotonic()
            if left <= 0:
                raise NoData("nothing new") if timeout_ms == 0 else Timeout(f"nothing new in {timeout_ms} ms")
            self._wait(mapping, left)

    def _wait(self, mapping, seconds):
        baseline = self.baseline
        if baseline is None:
            return  # dropped by a reconnection
        if self.version == "2":
            seconds = min(seconds, SLICE)
        native.await_message(mapping.address + self.read_offset(), self.where.counters, self.version == "3", baseline,
                             int(seconds * 1e9))

    def _try(self, mapping, capacity):
        channel, baseline = mapping.address + self.read_offset(), self.baseline
        count = native.load_64(channel + self.where.counters)
        if baseline is None or count <= baseline:
            return None
        size = native.U32()
        odd_limit, tries = (self.spin_limit, 0) if self.version == "2" else (ODD_LIMIT, COPIES_AT_MOST)
        result = native.copy_message(channel, self._buffer, capacity, ctypes.byref(size), int(odd_limit * 1e9), tries)
        if result == native.TOO_SMALL:
            raise BufferTooSmall(f"{size.value} bytes do not fit into {capacity}")
        if result == native.STILL_ODD and self.version == "2":
            raise WouldSpin(f"the sequence stayed odd for {self.spin_limit} s; the original waits for ever")
        if result != native.COPIED:
            return None
        native.count_read(channel, self.where.counters)
        self.conflated += count - baseline - 1
        self.baseline = count
        return ctypes.string_at(self._buffer, size.value)

    def alive(self):
        """check_remote_alive: always true without threads, also when nobody ever came."""
        return not (self.presence and self.presence.stale)

    def stats(self):
        """2.6; all zero, with the code, while detached."""
        mapping = self.mapping
        if mapping is None:
            return {"code": NotInitialised.code, **dict.fromkeys(self._stats(None), 0)}
        return {"code": 0, **self._stats(mapping)}

    def _stats(self, mapping):
        words = {"master_pid": segment.MASTER_PID, "slave_pid": segment.SLAVE_PID,
                 "master_alive": segment.MASTER_ALIVE, "slave_alive": segment.SLAVE_ALIVE,
                 "stale_threshold": segment.STALE_THRESHOLD}
        master = self.where.master_to_slave + self.where.counters
        slave = self.where.slave_to_master + self.where.counters
        counters = {"master_heartbeat": segment.MASTER_HEARTBEAT, "slave_heartbeat": segment.SLAVE_HEARTBEAT,
                    "m2s_write_count": master, "m2s_read_count": master + segment.READ_COUNT,
                    "s2m_write_count": slave, "s2m_read_count": slave + segment.READ_COUNT}
        deltas = ("master_heartbeat_delta", "slave_heartbeat_delta")
        if mapping is None:
            return [*words, *counters, *deltas]
        found = {name: mapping.load_32(offset) for name, offset in words.items()}
        found.update((name, mapping.load_64(offset)) for name, offset in counters.items())
        heartbeats = (found["master_heartbeat"], found["slave_heartbeat"])
        found.update(zip(deltas, (now - before for now, before in zip(heartbeats, self._heartbeats))))
        self._heartbeats = heartbeats
        return found
