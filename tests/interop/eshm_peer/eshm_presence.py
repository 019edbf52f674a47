"""Heartbeat and monitor of one side: staleness, and the slave's way back to its master (2.2 and 2.3)."""

import os
import threading
import time

import eshm_native as native
import eshm_segment as segment

PERIOD = 0.001
DETACH = 0.02
CONNECTED, RECONNECTING, GIVEN_UP, STOPPED = "connected", "reconnecting", "given_up", "stopped"


class Presence:
    """Two threads. Only the monitor changes `peer.mapping`, `stale` and `state`; everybody else looks."""

    def __init__(self, peer, heartbeat=True, on_event=lambda event, **fields: None):
        self.peer, self.on_event = peer, on_event
        self.stale, self.state = False, CONNECTED
        self.crash = None
        self.own, self.remote = segment.MASTER_HEARTBEAT, segment.SLAVE_HEARTBEAT
        if peer.role == "slave":
            self.own, self.remote = self.remote, self.own
        self.last, self.unchanged = None, 0
        self.wait = self.since_try = self.attempts = 0
        self.stopping = threading.Event()
        loops = [self._monitor] + ([self._beat] if heartbeat else [])
        self.threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _beat(self):
        while not self.stopping.is_set():
            mapping = self.peer.mapping
            if mapping is not None:
                native.add_64(mapping.address + self.own, 1)
            time.sleep(PERIOD)

    def _monitor(self):
        while not self.stopping.is_set():
            try:
                self._reconnect() if self.state == RECONNECTING else self._watch()
            except segment.WouldCrash as error:
                self.crash = error
                self._end(GIVEN_UP)
            time.sleep(PERIOD)

    def _end(self, state):
        self.state = state
        self.stopping.set()

    def _watch(self):
        mapping = self.peer.mapping
        heartbeat = mapping.load_64(self.remote)
        if heartbeat != self.last:
            if self.stale:
                self.on_event("alive")
            self.last, self.unchanged, self.stale = heartbeat, 0, False
            return
        self.unchanged += 1
        if self.unchanged >= mapping.load_32(segment.STALE_THRESHOLD) and not self.stale:
            self._become_stale()

    def _become_stale(self):
        self.stale = True
        self.on_event("stale", heartbeat=self.last)
        if self.peer.role == "master":
            return
        if self.peer.disconnect == "immediately":
            self._end(STOPPED)
            return
        self.state = RECONNECTING
        self.wait, self.attempts, self.since_try = 0, 0, self.peer.retry_ms

    def _reconnect(self):
        self.wait += 1
        self.since_try += 1
        if self.since_try >= self.peer.retry_ms:
            self.since_try = 0
            self.attempts += 1
            self._detach()
            if self._attach():
                return
            if 0 < self.peer.attempts <= self.attempts:
                self._give_up()
                return
        if 0 < self.peer.reconnect_wait_ms <= self.wait:
            self._give_up()

    def _give_up(self):
        self._end(GIVEN_UP)
        self.on_event("gave_up", attempts=self.attempts, waited=self.wait)

    def _detach(self):
        mapping, self.peer.mapping = self.peer.mapping, None
        if mapping is None:
            return
        if self.peer.version == "3":
            for channel in (self.peer.where.master_to_slave, self.peer.where.slave_to_master):
                native.wake_all(mapping.address + channel + self.peer.where.counters + segment.WAKE_SEQUENCE)
        time.sleep(DETACH)

    def _attach(self):
        try:
            mapping = segment.attach(self.peer.name, None, self.peer.where)
        except segment.Refused:
            return False
        heartbeat = mapping.load_64(self.remote)
        if heartbeat == self.last:
            return False
        mapping.store_32(segment.SLAVE_PID, os.getpid())
        mapping.store_32(segment.SLAVE_ALIVE, 1)
        if self.peer.version == "3":
            self.peer.baseline = None
        self.last, self.unchanged, self.stale, self.state = heartbeat, 0, False, CONNECTED
        self.peer.reconnects += 1
        self.peer.mapping = mapping
        self.on_event("reconnected", attempts=self.attempts, generation=mapping.load_32(segment.GENERATION))
        return True
