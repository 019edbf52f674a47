#!/usr/bin/python3
"""`sluice doctor TOPIC`: every reason why data does not flow, or not as expected, made to happen, and its sentence.
What has to do with files and other programs is in doctor_foreign_test.py."""

import re
import signal
import unittest

from doctor_support import NAME, DoctorTopicTest
from support import SOURCE, wait_until


class DoctorTopic(DoctorTopicTest):
    # Who is there.

    def test_data_flows(self):
        source, sink = self.both()
        self.check(0, [self.pair(source, sink) + "data flows"], cause="flows")
        self.assertEqual(self.doctor("t")[0], 0, "the first slash may be left out")

    def test_unknown_topic(self):
        nobody = f"topic /t: no data flows: no process in '{self.runtime}/domain-0' has it open; "
        self.check(1, [nobody + "start its nodes, or say with --config, SLUICE_DOMAIN or SLUICE_RUNTIME_DIR which "
                       "domain is meant"], cause="unknown_topic")
        self.peer("publish", "/tt")
        self.check(1, [nobody + "did you mean '/tt'?"], cause="unknown_topic")

    def test_no_publisher(self):
        sink = self.peer("subscribe", "/t")
        self.check(1, [self.no_publisher(sink)], cause="no_publisher")

    def test_no_subscription(self):
        source = self.publish("/t", 1)
        self.check(1, [self.no_subscription(source)], cause="no_subscription")

    def test_nothing_published(self):
        source = self.peer("publish", "/t")
        sink = self.peer("subscribe", "/t")
        self.check(1, [self.pair(source, sink) + "no data flows: the publisher has published nothing yet; see what its "
                       "node waits for"], cause="nothing_published")

    def test_nothing_received(self):
        source = self.publish("/t", 3)
        sink = self.peer("subscribe", "/t")
        self.check(0, [self.pair(source, sink) + "data flows, but the subscription has received none of the 3 messages "
                       "published so far: it joined later, or does not take; see whether its node spins; 'durability: "
                       "transient_local' gives late joiners the last messages"], cause="nothing_received")

    def test_every_cause_is_explained(self):
        page = (SOURCE / "docs" / "doctor.md").read_text()
        for name in ("doctor_pair.cpp", "doctor_topic.cpp"):
            causes = re.findall(r'"([a-z]+_[a-z_]+)"', (SOURCE / "tools" / "commands" / name).read_text())
            self.assertGreater(len(causes), 5, name)
            self.assertEqual([cause for cause in causes if f"`{cause}`" not in page], [])

    # What does not fit.

    def test_refused(self):
        source = self.publish("/t", 1, "type=demo/A")
        sink = self.peer("subscribe", "/t", "type=demo/B", expected="refused")
        self.check(1, [self.alone("subscription", sink) + "it could not be opened: default: topic '/t': type is "
                       "'demo/B' here, but the topic was opened with 'demo/A' by doctor_peer "
                       f"(pid {source.pid}); give both the same configuration; then restart it",
                       self.no_subscription(source)], cause="refused")

    def test_types(self):
        """A channel knows no types, so both can join."""
        config = self.file("x.yaml", f"topics: {{/t: {{transport: eshm, channel: {NAME}, "
                           "direction: master_to_slave}}\n")
        differs = ": no data flows: the {} of the type is {} at publisher /source, and {} at subscription /sink; " \
                  "build both with the same definition"
        for ours, theirs, cause, sentence in (
                ("demo/A", "demo/B", "type_differs", ": no data flows: the type is 'demo/A' at publisher /source, and "
                 "'demo/B' at subscription /sink; change one of them, or rename one of the topics"),
                ("demo/A,48", "demo/A,56", "type_size_differs", differs.format("size", "48 bytes", "56 bytes")),
                ("demo/A,48,7", "demo/A,48,8", "layout_differs", differs.format("layout", "7", "8"))):
            with self.subTest(cause):
                sink = self.peer("subscribe", "/t", "type=" + theirs, "--config", config)
                source = self.publish("/t", 3, "type=" + ours, "--config", config)
                self.check(1, [self.pair(source, sink)[:-2] + sentence], cause=cause)
                self.end(source, sink)

    def test_transport_and_file(self):
        raw = self.file("raw.yaml", f"topics: {{/t: {{segment: {NAME}, element: 64, depth: 8}}}}")
        inproc = self.file("in.yaml", "topics: {/t: {transport: inproc}}")
        source = self.publish("/t", 3)
        first = self.peer("subscribe", "/t", "--config", inproc)
        remedy = "; give both the same configuration"
        self.check(1, [self.pair(source, first) + "no data flows: the transport is 'slick' at publisher /source, and "
                       "'inproc' at subscription /sink" + remedy], cause="transport_differs")
        self.end(first)
        second = self.peer("subscribe", "/t", "--config", raw)
        self.check(1, [self.pair(source, second) + "no data flows: the file that carries the topic is "
                       f"'{self.runtime}/domain-0/t.topic' at publisher /source, and '/dev/shm/{NAME}' at subscription "
                       "/sink" + remedy], cause="file_differs")

    def test_inproc_in_two_processes(self):
        config = self.file("x.yaml", "topics: {/t: {transport: inproc}}")
        source = self.publish("/t", 3, "--config", config)
        sink = self.peer("subscribe", "/t", "--config", config)
        self.check(1, [self.pair(source, sink) + "no data flows: transport 'inproc' carries messages within one "
                       "process, and these are two; set 'transport: slick', or put both nodes into one process"],
                   cause="inproc_processes")

    def test_deadline_and_liveliness(self):
        for key, value in (("deadline", "1h"), ("liveliness", "1h")):
            with self.subTest(key):
                config = self.file("x.yaml", f"topics: {{/t: {{{key}: {value}}}}}")
                sink = self.peer("subscribe", "/t", "--config", config)
                source = self.publish("/t", 3)
                self.received()
                self.check(0, [self.pair(source, sink) + f"data flows, but {key} is none at publisher /source, and 1h "
                               "at subscription /sink; give both the same configuration, or raise it at the "
                               "subscription"], cause=key + "_differs")
                self.end(source, sink)

    def test_deadline_missed(self):
        config = self.file("x.yaml", "topics: {/t: {deadline: 10ms}}")
        source, sink = self.both("--config", config)
        self.becomes("/t", "deadline_missed")
        output = re.sub(r"\b\d+ deadlines", "N deadlines", self.doctor("/t")[1])
        self.assertEqual(output, self.pair(source, sink) + "data flows, but for the subscription N deadlines passed "
                         "without a message; publish more often, or raise 'deadline'\n")

    # Who is slow.

    def test_lapped(self):
        config = self.file("x.yaml", "topics: {/t: {depth: 4}}")
        sink = self.peer("subscribe", "/t", "slow", "--config", config)
        source = self.publish("/t", 1000, "--config", config)
        self.becomes("/t", "subscription_lapped")
        output = re.sub(r"lost \d+", "lost N", self.doctor("/t")[1])
        self.assertEqual(output, self.pair(source, sink) + "data flows, but the subscription was too slow and lost N "
                         "messages, with a depth of 4; make its callback faster, raise 'depth', or set 'reliability: "
                         "reliable'\n")

    def test_timed_out(self):
        config = self.file("x.yaml", "topics: {/t: {depth: 4, reliability: reliable, max_blocking_time: 0ms}}")
        sink = self.peer("subscribe", "/t", "idle", "--config", config)
        source = self.publish("/t", 10, "--config", config)
        self.check(0, [self.pair(source, sink) + "data flows, but 6 publications timed out after 4 messages that the "
                       "subscription did not take, and depth is 4; see whether its node spins and what its callback "
                       "waits for"], cause="subscription_full")
        self.end(sink)
        sink = self.peer("subscribe", "/t", "slow", "--config", config)
        more = self.publish("/t", 100, "--config", config)
        self.becomes("/t", "publisher_timed_out")
        output = [line for line in self.doctor("/t")[1].splitlines() if f"process {more.pid}" in line]
        self.assertEqual([re.sub(r"\b\d+ (publications|messages)", r"N \1", line) for line in output],
                         [self.pair(more, sink) + "data flows, but N publications timed out for want of room; this "
                          "subscription has N messages unread now, and depth is 4; raise 'depth' or "
                          "'max_blocking_time' if it happens again"])
        self.end(source)

    def test_stopped(self):
        config = self.file("x.yaml", "topics: {/t: {liveliness: 1s}}")
        source, sink = self.both("--config", config)
        late = "no data flows: the {}'s process {} (doctor_peer) is late: no sign of life for N s: stopped by a " \
               "signal or a debugger; let it go on with 'kill -CONT {}', or from the debugger that holds it\n"
        for process, word in ((source, "publisher"), (sink, "subscription")):
            process.send_signal(signal.SIGSTOP)
            self.becomes("/t", word + "_late")
            output = re.sub(r"for \d+\.\d s", "for N s", self.doctor("/t")[1])
            self.assertEqual(output, self.pair(source, sink) + late.format(word, process.pid, process.pid))
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: self.doctor("/t")[0] == 0, "life")

    def test_hung(self):
        config = self.file("x.yaml", "topics: {/t: {liveliness: 1s}}")
        source = self.publish("/t", 3, "hang", "--config", config)
        sink = self.peer("subscribe", "/t", "--config", config)
        self.becomes("/t", "publisher_late")
        output = re.sub(r"for \d+\.\d s", "for N s", self.doctor("/t")[1])
        self.assertEqual(output, self.pair(source, sink) + f"no data flows: the publisher's process {source.pid} "
                         "(doctor_peer) is late: a callback has been running for N s (/source); see where it stands "
                         f"with 'gdb -p {source.pid}'; long work belongs on a thread of its own\n")

    def test_stopped_and_alone(self):
        config = self.file("x.yaml", "topics: {/t: {liveliness: 1s}}")
        sink = self.peer("subscribe", "/t", "--config", config)
        sink.send_signal(signal.SIGSTOP)
        self.becomes("/t", "subscription_late")
        output = re.sub(r"for \d+\.\d s", "for N s", self.doctor("/t")[1])
        self.assertEqual(output, self.alone("subscription", sink) + "its process is late: no sign of life for N s: "
                         f"stopped by a signal or a debugger; let it go on with 'kill -CONT {sink.pid}', or from the "
                         "debugger that holds it\n")

    def test_dead(self):
        self.leftovers_expected = True  # nobody is left who could remove them
        dead = "its process {} (doctor_peer) died without leaving; start it again; 'sluice shm clean' removes what " \
               "it left"
        source = self.publish("/t", 1)
        self.kill(source)
        self.check(1, [self.alone("publisher", source) + dead.format(source.pid)], cause="publisher_dead")
        self.assertEqual(self.sluice("shm", "clean").returncode, 0)
        sink = self.peer("subscribe", "/t")
        self.kill(sink)
        self.check(1, [self.alone("subscription", sink) + dead.format(sink.pid)], cause="subscription_dead")


if __name__ == "__main__":
    unittest.main(verbosity=2)
