"""What the tests of topics on ESHM channels share: nodes as processes, and books compared with logs."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "eshm_peer"))

from eshm_peer import COMPLETED, READ, STARTED, TORN, read_log  # noqa: E402
from selftest_support import PATIENCE, PeerTest, Process  # noqa: E402

__all__ = ["COMPLETED", "READ", "STARTED", "Node", "SIZES", "TopicTest", "completed", "count", "numbers", "read_log"]

TOPIC_PEER = os.environ["SLUICE_ESHM_TOPIC_PEER"]
SEED = 5
SIZES = (0, 4096)
TOPICS = {"/commands": "master_to_slave", "/state": "slave_to_master"}


class Node(Process):
    """An eshm_topic_peer: its lines besides the first and the last are what the node heard."""

    def __init__(self, *arguments):  # pylint: disable=super-init-not-called
        command = [TOPIC_PEER, *map(str, arguments), "--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.seen = []

    def heard(self):
        return [line["kind"] for line in self.seen if line["event"] == "heard"]

    def hear(self, kind):
        """The text of the next event of that kind."""
        while True:
            line = self.line("heard")
            if line["kind"] == kind:
                return line["message"]


def records(log):
    return read_log(log) if log.exists() else []


def count(log, kind):
    return sum(record.kind == kind for record in records(log))


def completed(log):
    return count(log, COMPLETED)


def numbers(log, kind=READ, writer=None):
    return [record.number for record in records(log) if record.kind == kind and writer in (None, record.writer)]


class TopicTest(PeerTest):
    """One channel, a topic on each of its mailboxes, and nodes of one domain in a directory of the test's."""

    def setUp(self):
        super().setUp()
        self.configure()
        self.stop_file = self.file("stop")
        self.logs = 0

    def configure(self, **options):
        topics = {topic: {"transport": "eshm", "channel": self.name, "direction": direction, **options}
                  for topic, direction in TOPICS.items()}
        config = {"domain": 84, "runtime_dir": str(self.file("run")), "topics": topics}
        self.config = self.file("config.yaml")
        self.config.write_text(json.dumps(config), encoding="ascii")  # JSON is YAML

    def new_log(self, what):
        self.logs += 1
        return self.file(f"{what}-{self.logs}")

    def node(self, command, topic, *options, ready=True):
        process = Node(command, "--config", self.config, "--topic", topic, "--seed", SEED, *options)
        self.addCleanup(process.stop)
        process.log = None
        if ready:
            process.line("ready")
        return process

    def publisher(self, topic, writer, *options, **keywords):
        log = self.new_log("published")
        process = self.node("publish", topic, "--writer", writer, "--sizes", f"{SIZES[0]}:{SIZES[1]}", "--log", log,
                            *options, **keywords)
        process.log = log
        return process

    def taker(self, topic, *options):
        log = self.new_log("taken")
        process = self.node("take", topic, "--log", log, "--stop-file", self.stop_file, *options)
        process.log = log
        return process

    def peer_process(self, role, version, *options):
        """An eshm_peer.py whose payload is of the same seed and sizes."""
        log = self.new_log("peer")
        process = self.serve(role, version, "--seed", SEED, "--sizes", f"{SIZES[0]}:{SIZES[1]}", "--log", log,
                             "--reconnect-wait", 0, "--attempts", 0, *options)
        process.log = log
        return process

    def await_last(self, taker, writer, number):
        """Until the taker has the message of that number, which was the last."""
        self.await_that(lambda: numbers(taker.log, writer=writer)[-1:] == [number])

    def end_taker(self, taker, code=0):
        """Its report, of which the parts have been compared."""
        self.stop_file.touch()
        report = taker.end(code)
        self.stop_file.unlink()
        self.assertEqual(report["received"] + report["lost"] + report["queued"],
                         report["completed"] - report["joined"], report)
        self.assertEqual((report["messages"], report["lost_before"]), (report["received"], report["lost"]), report)
        self.assertEqual((report["torn"], count(taker.log, TORN)), (0, 0))
        return report
