#!/usr/bin/python3
"""`sluice topic info`: what carries a topic, who has it open, how often a message is copied, who has its chunks."""

import json
import os
import pathlib
import signal
import unittest

from support import BUILD, DomainTest, wait_until

MIXED = "topics: {/big: {max_size: 64KiB, depth: 4, reliability: reliable, inline_limit: 1KiB, max_publishers: 2, " \
        "max_subscribers: 2}}\n"
DOCTOR_PEER = str(BUILD / "tests" / "doctor_peer")
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
        path = "/dev/shm/" + SEGMENT  # the endpoint knows it
        self.assertEqual([(file["path"], file["exists"]) for file in info["files"]], [(path, True)])
        self.assertEqual(info["publishers"][0]["file"], path)

    def test_qos_and_books_of_each_endpoint(self):
        config = self.file("x.yaml", "topics: {/t: {depth: 8, deadline: 1h, liveliness: 5s}}\n")
        self.open_topic("subscribe", "/t", "--name", "sink", "--config", config)
        result = self.sluice("topic", "pub", "/t", "hello", "--once", "--config", config)
        self.assertEqual(result.returncode, 0, result.stderr)

        def arrived():
            return self.info("/t")["subscriptions"][0]["messages"] == 1
        wait_until(arrived, "the message")
        sink = self.info("/t")["subscriptions"][0]
        expected = {"kind": "subscription", "liveliness": "alive", "deadline_ns": 3600 * 10**9,
                    "liveliness_ns": 5 * 10**9, "bytes": 5, "lost": 0, "skipped": 0, "queued": 0,
                    "deadlines_missed": 0, "transport": "slick", "refused": ""}
        self.assertEqual({key: sink[key] for key in expected}, expected)
        self.assertGreaterEqual(sink["p99_ns"], sink["p50_ns"])
        text = self.sluice("topic", "info", "-v", "/t").stdout
        self.assertIn("\nState: alive\nQoS profile:\n  Reliability: BEST_EFFORT\n  History (Depth): KEEP_LAST (8)\n"
                      "  Durability: VOLATILE\n  Lifespan: Infinite\n  Deadline: 1h\n  Liveliness: AUTOMATIC\n"
                      "  Liveliness lease duration: 5s\nReceived: 1 (5 bytes), lost 0, skipped 0, queued 0\n"
                      "Latency: p50 ", text)
        self.assertTrue(text.endswith("\nDeadlines missed: 0\n"), text)

    def test_late_lost_and_refused(self):
        driver = self.open_topic("publish", "/t", "--name", "driver")
        both = self.file("x.yaml", "topics: {/t: {depth: 64}, /u: {}}\n")
        refused = self.start(DOCTOR_PEER, "subscribe", "/t", "--name", "sink", "--config", both)
        self.assertEqual(refused.stdout.readline(), "refused\n")
        driver.send_signal(signal.SIGSTOP)  # the base class lets it go on
        wait_until(lambda: self.info("/t")["publishers"][0]["liveliness"] == "late", "the publisher to be late")
        sink, = self.info("/t")["refused"]
        self.assertEqual((sink["node"], sink["pid"], sink["kind"]), ("/sink", refused.pid, "subscription"))
        self.assertIn("depth", sink["refused"])
        text = self.sluice("topic", "info", "/t").stdout
        self.assertIn(f"Publishers:\n  /driver (process {driver.pid}, open_topic, late)\nRefused:\n  /sink (process "
                      f"{refused.pid}, doctor_peer): {both}:1:", text)
        verbose = self.sluice("topic", "info", "-v", "/t").stdout
        self.assertIn("\nState: late: ", verbose)
        self.assertIn(f"\nState: alive\nRefused: {both}:1:", verbose)
        self.assertEqual(self.sluice("topic", "list", "-v").stdout,
                         "Published topics:\n * /t [bytes] 1 publisher (1 late)\n\n"
                         "Subscribed topics:\n * /t [bytes] 0 subscribers (1 refused)\n")
        topic, = json.loads(self.sluice("topic", "list", "-v", "--json").stdout)
        self.assertEqual((topic["publishers"], topic["publisher_states"], topic["subscription_states"]),
                         (1, {"late": 1, "lost": 0, "refused": 0}, {"late": 0, "lost": 0, "refused": 1}))
        nodes = self.sluice("node", "list", "-v").stdout.splitlines()
        self.assertRegex(nodes[0], rf"^/driver +{driver.pid}  open_topic +late \(no sign of life")
        self.assertRegex(nodes[1], rf"^/sink +{refused.pid}  doctor_peer +alive$")
        node = json.loads(self.sluice("node", "list", "--json").stdout)[0]
        self.assertEqual((node["node"], node["liveliness"]), ("/driver", "late"))
        refused.send_signal(signal.SIGINT)
        refused.wait()  # the living remove what the dead left
        driver.kill()
        driver.wait()
        self.leftovers_expected = True
        result = self.sluice("topic", "info", "/t")  # nobody has it open any more
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"Lost:\n  /driver (process {driver.pid}, open_topic)\n", result.stdout)

    def test_stopped_processes_are_no_obstacle(self):
        process = self.open_topic("publish", "/big", "--config", self.file("x.yaml", MIXED))
        process.send_signal(signal.SIGSTOP)  # the base class lets it go on
        self.assertEqual(self.info("/big")["chunks"][0]["used"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
