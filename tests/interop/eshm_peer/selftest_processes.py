"""Two programs at full speed: nothing torn, nothing in the wrong order, books that agree; the other sub-commands."""

import os
import signal
import subprocess
import sys

import eshm_native as native
import eshm_segment as segment
from eshm_peer import COMPLETED, READ, Timeout, read_log
from selftest_support import PATIENCE, PROGRAM, PeerTest

NEVER = 1 << 30  # ticks, for a master in this process that has no heartbeat


class Pairs(PeerTest):
    COUNT = 3000

    def run_pair(self, master_version, slave_version, sizes, rate, *options):
        for role, version in (("master", master_version), ("slave", slave_version)):
            self.peer(role, version).write(b"")  # of a count of 0 version 2 would take its baseline again
        stop, start = self.file("stop"), self.file("start")
        both = ("--write-count", self.COUNT, "--rate", rate, "--sizes", sizes, "--seed", 4, "--read", "--stop-file",
                stop, "--start-file", start, *options)
        sides = [self.serve(role, version, *both, "--writer", writer, "--log", self.file(role))
                 for role, version, writer in (("master", master_version, 1), ("slave", slave_version, 2))]
        for side in sides:
            side.line("reading")
        start.touch()
        self.await_that(lambda: all(self.dump()[name]["write_count"] == self.COUNT + 1 for name in ("m2s", "s2m")))
        stop.touch()
        reports = [side.end() for side in sides]
        stop.unlink()
        start.unlink()
        return reports

    def check_books(self, reports):
        for report, log, other in ((reports[0], "master", 2), (reports[1], "slave", 1)):
            self.assertEqual((report["completed"], report["torn"], report["disorder"]), (self.COUNT, 0, 0))
            self.assertEqual(report["last"], {str(other): self.COUNT - 1})  # the newest always arrives
            self.assertEqual((report["joined"], report["baseline"]), (1, self.COUNT + 1))
            self.assertEqual(report["reads"] + report["conflated"], self.COUNT)
            written = {record[1:4] for record in read_log(self.file("slave" if log == "master" else "master"))
                       if record.kind == COMPLETED}
            read = [record[1:4] for record in read_log(self.file(log)) if record.kind == READ and record.writer]
            self.assertGreater(len(read), 0)
            self.assertEqual(len(read), report["reads"] - report["anonymous"])
            self.assertLessEqual(set(read), written)

    def test_every_version_with_every_other(self):
        for versions in (("2", "2"), ("3", "3"), ("3", "2")):
            self.name = self.new_name()
            self.check_books(self.run_pair(*versions, "0:4096", 0))
            self.name = self.new_name()
            self.check_books(self.run_pair(*versions, "24:200", 2000))

    def test_a_slow_writer_loses_nothing_to_a_reader_that_waits(self):
        master = self.peer("master", "3", stale_threshold_ms=NEVER)
        slave = self.serve("slave", "3", "--read", "--read-count", 20, "--each")
        slave.line("reading")
        for _ in range(20):
            master.write(b"ring")
            slave.line("read")
        report = slave.end(code=4)  # "ring" is nobody's message
        self.assertEqual((report["reads"], report["conflated"], report["torn"]), (20, 0, 20))


class Programs(PeerTest):
    def test_a_sleeper_is_rung(self):
        master = self.peer("master", "3", stale_threshold_ms=NEVER)
        slave = self.serve("slave", "3", "--read")
        slave.line("reading")
        waiters = master.mapping.address + master.write_offset() + master.where.counters + segment.WAITERS
        while master.woken == 0:
            self.await_that(lambda: native.load_32(waiters) == 1)
            master.write(b"ring")
        os.kill(slave.pid, signal.SIGKILL)

    def test_greet(self):
        for language, prefix in (("cpp", ""), ("python", "Python ")):
            self.name = self.new_name()
            master = self.start("greet", "master", self.name, "--count", 1, "--rate", 20, "--language", language)
            master.line("ready")
            slave = self.start("greet", "slave", self.name, "--language", language)
            heard = slave.line("received")
            self.assertRegex(heard["text"], rf"^Hello from {prefix}master #\d$")
            self.assertEqual(heard["size"], len(heard["text"]) + 1)
            self.assertRegex(master.line("received")["text"], rf"^ACK from {prefix}slave #\d$")
            self.assertEqual(master.end()["received"], 1)
            slave.stop()

    def test_echo(self):
        master = self.peer("master")
        self.start("echo", "slave", self.name, "--no-threads").line("ready")
        answer = None
        while answer is None:  # each side's baseline is taken in its own time
            master.write(b"again")
            try:
                answer = master.read(10)
            except Timeout:
                pass
        self.assertEqual(answer, b"again")

    def test_dump_and_unlink(self):
        self.start("serve", "master", self.name, "--version", 3, "--write-count", 2, "--no-cleanup").end()
        found = self.start("dump", self.name).end()
        self.assertEqual((found["version"], found["m2s"]["write_count"], found["problems"]), (3, 2, []))
        self.start("unlink", self.name).end()
        self.assertEqual(self.start("dump", self.name).end(code=1)["kind"], "error")

    def test_exit_codes(self):
        self.assertEqual(self.start("serve", "slave", self.name).end(code=1)["kind"], "refused")
        command = [sys.executable, "-B", PROGRAM, "serve", "slave", self.name, "--stop-in-write", "1:here"]
        usage = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        self.assertEqual((usage.returncode, usage.stdout), (2, b""))
        self.place(b"")
        self.assertEqual(self.start("serve", "slave", self.name).end(code=5)["kind"], "would_crash")
        os.unlink("/dev/shm/eshm_" + self.name)
        report = self.start("serve", "master", self.name, "--read", "--read-count", 1, "--until-idle", 0.1).end(code=4)
        self.assertEqual(report["event"], "done")
