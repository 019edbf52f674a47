#!/usr/bin/python3
"""`sluice topic pub`, `echo`, `hz`, `bw`, `delay` and `find`: what is published, from the shell."""

import json
import os
import pathlib
import unittest

from support import SLUICE, DomainTest

RELIABLE = "topics:\n  /r: {reliability: reliable, depth: 4, max_size: 2MiB, max_blocking_time: 0ms}\n" \
           "  /local: {transport: inproc}\n"


class TopicWatch(DomainTest):
    def publish(self, topic, data, *options):
        process = self.start(SLUICE, "topic", "pub", topic, data, *options)
        self.assertEqual(process.stdout.readline(), "publishing #1\n")
        return process

    def test_echo_shows_text_and_bytes(self):
        self.publish("/greeting", "hello", "--rate", "50")
        result = self.sluice("topic", "echo", "greeting", "--once")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "hello\n---\n", ""))
        result = self.sluice("topic", "echo", "/greeting", "-n", "2", "--hex")
        self.assertEqual(result.stdout, "68656c6c6f\n---\n" * 2)
        result = self.sluice("topic", "echo", "/greeting", "-n", "3", "--raw")
        self.assertEqual(result.stdout, "hello" * 3)
        messages = [json.loads(line) for line in
                    self.sluice("topic", "echo", "/greeting", "-n", "2", "--json").stdout.splitlines()]
        self.assertEqual(messages[1]["sequence"], messages[0]["sequence"] + 1)
        self.assertEqual((messages[0]["data"], messages[0]["size"], messages[0]["lost"]), ("hello", 5, 0))

    def test_numbers(self):
        self.publish("/n", "0100000000000000ffffffffffffffff", "--hex", "--rate", "50")
        self.assertEqual(self.sluice("topic", "echo", "/n", "--once", "-f", "i64").stdout, "1 -1\n---\n")
        result = self.sluice("topic", "echo", "/n", "--once", "-f", "texts")
        self.assertEqual((result.returncode, result.stderr.strip()),
                         (2, "sluice: there is no format 'texts'; did you mean 'text'? "
                          "(auto, hex, text, u64, i64, u32, i32, f64)"))

    def test_layout(self):
        layout = ("--layout", "u8 kind; f64 x[3]; char name[4]")
        self.publish("/l", "{kind: 7, x: [1, -0.5, 1e9], name: imu}", "--rate", "50", *layout)
        self.assertEqual(self.sluice("topic", "echo", "/l", "--once", *layout).stdout,
                         "kind: 7\nx: [1, -0.5, 1e+09]\nname: \"imu\"\n---\n")
        message = json.loads(self.sluice("topic", "echo", "/l", "--once", "--json", *layout).stdout)
        self.assertEqual((message["size"], message["data"]), (40, {"kind": 7, "x": [1, -0.5, 1e9], "name": "imu"}))
        result = self.sluice("topic", "echo", "/l", "--once", "--packed", *layout)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "sluice: topic '/l': the message has 40 bytes, but layout 'u8 kind; f64 x[3]; char "
                             "name[4]' has 29 packed; leave --packed out\n"))
        result = self.sluice("topic", "pub", "/l", "{kind: 300}", *layout)
        self.assertEqual((result.returncode, result.stderr),
                         (2, "sluice: data, column 8: field 'kind': '300' does not fit; u8 goes from 0 to 255\n"))

    def test_nothing_comes(self):
        result = self.sluice("topic", "echo", "/silent", "--timeout", "0.1")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", "topic '/silent' has no publisher; waiting for one\nno message on '/silent' within "
                          "0.1 s\n"))
        result = self.sluice("topic", "hz", "/silent", "--duration", "0.1")
        self.assertEqual((result.returncode, result.stderr.splitlines()[-1]), (1, "no messages on '/silent'"))

    def test_a_topic_that_cannot_be_observed(self):
        config = self.file("x.yaml", RELIABLE)
        result = self.sluice("topic", "echo", "/local", "--config", config)
        self.assertEqual(result.returncode, 2)
        self.assertIn("topic '/local': transport 'inproc' cannot be observed without taking part", result.stderr)

    def test_segments_and_channels(self):
        """What a foreign program wrote is shown as what a node published, by configuration or by an endpoint."""
        name = f"sluice-watch-test-{os.getpid()}"
        config = self.file("x.yaml", f"topics:\n  /raw: {{segment: {name}, element: 8, depth: 64}}\n"
                           f"  /channel: {{transport: eshm, channel: {name}, direction: master_to_slave}}\n")
        for file in (name, "eshm_" + name):
            self.addCleanup(pathlib.Path("/dev/shm", file).unlink, missing_ok=True)
        result = self.sluice("topic", "echo", "/raw", "--timeout", "0.1", "--config", config)
        self.assertEqual((result.returncode, result.stderr.splitlines()[0]),
                         (1, "topic '/raw' does not exist yet; waiting for a publisher, or for a program without "
                          "Sluice"))
        self.start(SLUICE, "slick", "write", name, "--create", "64", "--element", "8", "12345678", "--rate", "50",
                   "--count", "1000000")
        master = self.start(SLUICE, "eshm", "master", name, "--rate", "50")
        self.assertIn("[MASTER]", master.stdout.readline())
        result = self.sluice("topic", "echo", "/raw", "-n", "2", "--config", config)
        self.assertEqual((result.returncode, result.stdout), (0, "12345678\n---\n" * 2))
        self.assertEqual(result.stderr, "topic '/raw' has no publisher in this domain; waiting for what programs "
                         "without Sluice write\n")
        for topic in ("/raw", "/channel"):
            rate = json.loads(self.sluice("topic", "hz", topic, "--json", "--duration", "2.5", "--config",
                                          config).stdout.splitlines()[-1])
            self.assertAlmostEqual(rate["rate"], 50, delta=25)
        self.assertEqual(self.sluice("topic", "echo", "/channel", "--once", "--config", config).returncode, 0)
        self.open_topic("publish", "/raw", "--config", config)
        result = self.sluice("topic", "echo", "/raw", "--once")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "12345678\n---\n", ""))
        self.open_topic("subscribe", "/channel", "--config", config)
        result = self.sluice("topic", "echo", "/channel", "--once")
        self.assertEqual((result.returncode, result.stderr),
                         (2, f"sluice: topic '/channel' is one of the two directions of channel '/dev/shm/eshm_{name}'"
                          ", and only its configuration says which; give --config FILE, or export SLUICE_CONFIG\n"))

    def test_rate_and_bandwidth_of_a_reliable_topic_that_nobody_subscribes_to(self):
        """A publisher that waited for an observer would be refused here: it may not block."""
        config = self.file("x.yaml", RELIABLE)
        self.publish("/r", "x" * 1000, "--rate", "200", "--config", config)
        lines = self.sluice("topic", "hz", "/r", "--json", "--duration", "2.5").stdout.splitlines()
        rate = json.loads(lines[-1])
        self.assertAlmostEqual(rate["rate"], 200, delta=100)
        self.assertGreater(rate["window"], 200)
        lines = self.sluice("topic", "bw", "/r", "--duration", "1.5").stdout.splitlines()
        self.assertRegex(lines[0], r"^\d+\.\d\d KB/s from \d+ messages$")
        self.assertEqual(lines[1], "\tMessage size mean: 1.00 KB min: 1.00 KB max: 1.00 KB")

    def test_delay(self):
        self.publish("/d", "x", "--rate", "200")
        result = self.sluice("topic", "delay", "/d", "-n", "2", "--window", "50")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[2], r"^average delay: \d+\.\d{6}$")
        self.assertRegex(lines[3], r"^\tmin: \d+\.\d{6}s max: \S+s std dev: \S+s p50: \S+s p99: \S+s window: 50$")
        delay = json.loads(self.sluice("topic", "delay", "d", "-n", "1", "--json").stdout)
        ordered = [delay[key] for key in ("min", "p50", "p99", "max")]
        self.assertEqual(ordered, sorted(ordered))
        self.assertGreater(delay["min"], 0)
        self.assertEqual(delay["missed"], 0)

    def test_no_delay_without_times(self):
        name = f"sluice-delay-test-{os.getpid()}"
        config = self.file("x.yaml", "topics:\n  /off: {timestamps: off}\n"
                           f"  /raw: {{segment: {name}, element: 64, depth: 8}}\n"
                           f"  /channel: {{transport: eshm, channel: {name}, direction: master_to_slave}}\n")
        self.publish("/off", "x", "--rate", "50", "--config", config)
        shared = "it is shared with programs without Sluice, whose format has no place for it"
        off = "its publishers have 'timestamps: off'"
        for topic, because in (("/off", off), ("/raw", shared), ("/channel", shared)):
            result = self.sluice("topic", "delay", topic, "--config", config)
            self.assertEqual((result.returncode, result.stdout, result.stderr),
                             (1, "", f"topic '{topic}': its messages do not say when they were published: {because}\n"))
        self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)
        self.open_topic("subscribe", "/raw", "--config", config)
        result = self.sluice("topic", "delay", "/raw")  # the endpoint knows what this command was not told
        self.assertEqual((result.returncode, shared in result.stderr), (1, True))

    def test_find(self):
        self.publish("/a", "x", "--type", "demo/Text")
        self.assertEqual(self.sluice("topic", "find", "demo/Text").stdout, "/a\n")
        self.assertEqual(self.sluice("topic", "find", "demo/Texts").returncode, 1)


if __name__ == "__main__":
    unittest.main()
