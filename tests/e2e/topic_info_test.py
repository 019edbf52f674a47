#!/usr/bin/python3
"""`sluice topic info`: what carries a topic, who has it open, how often a message is copied, who has its chunks."""

import json
import os
import pathlib
import signal
import unittest

from support import DomainTest

MIXED = "topics: {/big: {max_size: 64KiB, depth: 4, reliability: reliable, inline_limit: 1KiB, max_publishers: 2, " \
        "max_subscribers: 2}}\n"
SEGMENT = f"sluice-info-test-{os.getpid()}"


class TopicInfo(DomainTest):
    def setUp(self):
        super().setUp()
        segment = pathlib.Path("/dev/shm", SEGMENT)  # which outlives its users, as SlickQueue's do
        self.addCleanup(segment.unlink, missing_ok=True)

    def info(self, topic, *options):
        result = self.sluice("topic", "info", topic, "--json", *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    @staticmethod
    def copies(info):
        return [(copies["up_to"], copies["publish_loan"], copies["publish_copy"], copies["take"])
                for copies in info["copies_per_delivery"]]

    def test_an_unknown_topic_and_the_near_one(self):
        result = self.sluice("topic", "info", "/chatter")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", "Unknown topic '/chatter'\n"))
        self.open_topic("publish", "/chatter")
        result = self.sluice("topic", "info", "/chater")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", "Unknown topic '/chater'; did you mean '/chatter'?\n"))

    def test_for_people(self):
        publisher = self.open_topic("publish", "imu/raw", "--name", "driver", "--ns", "robot")
        self.open_topic("subscribe", "/robot/imu/raw", "--name", "filter")
        result = self.sluice("topic", "info", "robot/imu/raw")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.startswith("Type: bytes\nPublisher count: 1\nSubscription count: 1\n"
                                                 "Transport: slick\n"
                                                 f"File: {self.runtime}/domain-0/robot.imu.raw.topic, "), result.stdout)
        self.assertIn("\nQoS: best_effort, depth 16, volatile, max_size 4KiB\n"
                      "Copies per delivery:\n  up to 4KiB: publish a loan 1, publish a copy 1, take 1\n"
                      f"Publishers:\n  /robot/driver (process {publisher.pid}, open_topic)\n"
                      "Subscriptions:\n  /filter (process ", result.stdout)
        verbose = self.sluice("topic", "info", "-v", "robot/imu/raw").stdout
        for node, namespace, kind in (("driver", "/robot", "PUBLISHER"), ("filter", "/", "SUBSCRIPTION")):
            self.assertIn(f"\nNode name: {node}\nNode namespace: {namespace}\nTopic type: bytes\n"
                          f"Endpoint type: {kind}\n", verbose)
        self.assertIn("\nQoS profile:\n  Reliability: BEST_EFFORT\n  History (Depth): KEEP_LAST (16)\n"
                      "  Durability: VOLATILE\n", verbose)

    def test_the_file_knows_better_than_the_defaults(self):
        """Nobody tells `sluice` the configuration of the nodes, and it needs none for a topic of Sluice's."""
        config = self.file("x.yaml", MIXED)
        self.open_topic("publish", "/big", "--config", config)
        info = self.info("/big")
        self.assertEqual(info["qos"], {"reliability": "reliable", "depth": 4, "durability": "volatile", "history": 0,
                                       "max_size": 64 << 10})
        self.assertEqual(self.copies(info), [(1 << 10, 1, 1, 0), (64 << 10, 0, 1, 0)])
        chunks = {"size": 64 << 10, "count": 4 + 2 * 2 + 2 * 4}
        self.assertEqual(info["chunks"],
                         [{**chunks, "free": chunks["count"], "lent": 0, "held": 0, "unread": 0, "used": 0}])
        self.assertEqual([file["exists"] for file in info["files"]], [True])
        self.assertEqual((len(info["publishers"]), info["subscriptions"]), (1, []))

    def test_short_messages_are_copied_out_only_where_they_may_be_overwritten(self):
        config = self.file("x.yaml", "topics:\n  /r: {reliability: reliable}\n  /b: {}\n"
                           "  /g: {reliability: reliable, group: a}\n")
        for topic, take in (("/r", 0), ("/b", 1), ("/g", 1)):
            self.open_topic("subscribe", topic, "--config", config)
            self.assertEqual(self.copies(self.info(topic, "--config", config)), [(4096, 1, 1, take)])

    def test_other_transports_say_it_too(self):
        config = self.file("x.yaml", "topics:\n  /in: {transport: inproc}\n"
                           f"  /raw: {{segment: {SEGMENT}, element: 64, depth: 8}}\n"
                           "  /eshm: {transport: eshm, channel: sluice-info-test, direction: master_to_slave, "
                           "max_size: 64}\n")
        for topic, copies, files in (("/in", (4096, 0, 1, 0), 0), ("/raw", None, 2), ("/eshm", (64, 1, 1, 1), 1)):
            with self.subTest(topic=topic):
                self.open_topic("publish", topic, "--config", config)
                info = self.info(topic, "--config", config)
                self.assertEqual(self.copies(info)[0][1:], copies[1:] if copies else (1, 1, 1))
                self.assertEqual([file["exists"] for file in info["files"]], [True] * files)
                self.assertEqual(info["chunks"], [])

    def test_what_the_configuration_does_not_say_is_not_guessed(self):
        config = self.file("x.yaml", f"topics: {{/raw: {{segment: {SEGMENT}, element: 64, depth: 8}}}}\n")
        self.open_topic("publish", "/raw", "--config", config)
        result = self.sluice("topic", "info", "/raw", "--json")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, "warning: topic '/raw' is not where this configuration says; give --config as "
                                        "its nodes have it\n")
        info = json.loads(result.stdout)
        self.assertEqual((info["copies_per_delivery"], info["chunks"]), (None, None))

    def test_stopped_processes_are_no_obstacle(self):
        process = self.open_topic("publish", "/big", "--config", self.file("x.yaml", MIXED))
        process.send_signal(signal.SIGSTOP)  # the base class lets it go on
        self.assertEqual(self.info("/big")["chunks"][0]["used"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
