#!/usr/bin/python3
"""sluice.eshm.ESHM at the table where eshm_peer.py and eshm_channel_peer sit: their payload, options, lines of JSON and
logs. Exit code: 0 success, 1 refused, 3 timed out, 4 unsound."""

import argparse
import faulthandler
import json
import os
import pathlib
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "eshm_peer"))

import eshm_message as message  # noqa: E402
from eshm_log import COMPLETED, Log, NoLog, STARTED  # noqa: E402
from sluice.eshm import ESHM, ESHMRole, TIMEOUT_INFINITE  # noqa: E402

SUCCESS, REFUSED, TIMED_OUT, UNSOUND = 0, 1, 3, 4
SLICE_MS = 20  # of one read, between two looks at the stop file
SLICE = SLICE_MS / 1000
GRACE = 10  # for what --timeout cannot interrupt
ROLES = {"master": ESHMRole.MASTER, "slave": ESHMRole.SLAVE, "auto": ESHMRole.AUTO}
_output = threading.Lock()


def emit(event, **fields):
    with _output:
        print(json.dumps({"event": event, **fields}), flush=True)


class Serving:
    def __init__(self, arguments):
        self.arguments = arguments
        self.channel = ESHM(arguments.name, ROLES[arguments.role], reconnect_wait_ms=0, max_reconnect_attempts=0,
                            reconnect_retry_interval_ms=10, attach_timeout_ms=TIMEOUT_INFINITE,
                            stale_threshold_ms=arguments.stale)
        self.log = Log(arguments.log) if arguments.log else NoLog()
        self.written = self.refused = self.reads = self.torn = self.disorder = self.told = 0
        self.last = {}
        self.reader = None
        self.alive = self.seen = self.ended = False
        self.next_look = 0
        self.role = self.channel.get_role().name.lower()
        emit("ready", pid=os.getpid(), role=self.role)

    def wants_to_write(self):
        return self.arguments.write_count < 0 or self.written < self.arguments.write_count

    def over(self):
        if self.arguments.stop_file:
            return os.path.exists(self.arguments.stop_file)
        return not self.wants_to_write()

    def until_due(self):
        if self.arguments.rate <= 0:
            return 0
        return max(0, self.begun + (self.written + self.refused) / self.arguments.rate - time.monotonic())

    def turn(self):
        """Who writes has a thread that reads; who does not reads here."""
        if self.wants_to_write():
            wait = min(self.until_due(), SLICE)
            if wait == 0:
                self.write()
            else:
                time.sleep(wait)
        elif self.arguments.read and not self.reader:
            self.read(SLICE_MS)
        else:
            time.sleep(SLICE)
        self.watch()

    def keep_reading(self):
        while not self.ended:
            self.read(SLICE_MS)

    def write(self):
        arguments = self.arguments
        size = arguments.least + (self.written * 7919 + arguments.seed) % (arguments.most - arguments.least + 1)
        data = message.message(size, arguments.seed, arguments.writer, self.written)
        self.log.add(STARTED, size, arguments.writer, self.written)
        try:
            self.channel.write(data)
        except RuntimeError as error:
            if "the slave has no master now" not in str(error):
                raise
            self.refused += 1
            time.sleep(0.001)
            return
        self.log.add(COMPLETED, size, arguments.writer, self.written)
        self.written += 1

    def read(self, timeout_ms):
        try:
            data = self.channel.read(timeout_ms=timeout_ms) if timeout_ms else self.channel.try_read()
        except TimeoutError:
            return
        if data is None:
            return
        self.reads += 1
        origin = message.origin(data)
        if origin is None:
            self.torn += 1
        elif origin.writer:
            self.disorder += origin.number <= self.last.get(origin.writer, -1)
            self.last[origin.writer] = origin.number
        writer = origin.writer if origin else 0
        if self.reads == 1 or (origin and writer != self.told):
            self.told = writer
            emit("read", size=len(data), torn=origin is None, writer=writer)

    def watch(self):
        """What the other side's heartbeat says, as lines."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + 0.005
        peer = "slave_pid" if self.role == "master" else "master_pid"
        alive = self.channel.is_remote_alive() and self.channel.get_stats()[peer] != 0
        if alive != self.alive:
            emit("stale" if not alive else "reconnected" if self.seen else "connected")
            self.alive, self.seen = alive, True

    def run(self):
        deadline = time.monotonic() + self.arguments.timeout
        while self.arguments.start_file and not os.path.exists(self.arguments.start_file):
            if time.monotonic() > deadline:
                return TIMED_OUT
            time.sleep(0.001)
        self.begun = time.monotonic()
        if self.arguments.read and self.wants_to_write():
            self.reader = threading.Thread(target=self.keep_reading)
            self.reader.start()
        while not self.over() and time.monotonic() < deadline:
            self.turn()
        self.ended = True
        if self.reader:
            self.reader.join()
        if self.arguments.read:
            self.read(0)  # what came before the end was seen
        self.report()
        if time.monotonic() >= deadline:
            return TIMED_OUT
        return UNSOUND if self.torn or self.disorder else SUCCESS

    def report(self):
        emit("done", completed=self.written, refused=self.refused, reads=self.reads, torn=self.torn,
             disorder=self.disorder, last=self.last, stats=self.channel.get_stats(),
             seconds=time.monotonic() - self.begun, **self.channel.get_books())


def parser():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("role", choices=ROLES)
    options.add_argument("name")
    options.add_argument("--write-count", type=int, default=0, help="-1: without end")
    options.add_argument("--rate", type=float, default=0, help="messages per second; 0: unpaced")
    options.add_argument("--stale", type=int, default=100, help="ms; only the creator's counts")
    options.add_argument("--least", type=int, default=64)
    options.add_argument("--most", type=int, default=64)
    options.add_argument("--writer", type=int, default=1, help="another one for each life of a program")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--read", action="store_true")
    options.add_argument("--start-file", help="attach, then begin when this file is there")
    options.add_argument("--stop-file")
    options.add_argument("--log", help="eshm_log.py reads it")
    options.add_argument("--timeout", type=float, default=60, help="seconds, for everything")
    return options


def main():
    arguments = parser().parse_args()
    faulthandler.dump_traceback_later(arguments.timeout + GRACE, exit=True)
    try:
        serving = Serving(arguments)
        with serving.channel:
            return serving.run()
    except RuntimeError as error:
        emit("error", text=str(error))
        return REFUSED


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)  # a loop that writes must leave the other thread its messages
    sys.exit(main())
