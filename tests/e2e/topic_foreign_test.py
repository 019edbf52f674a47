#!/usr/bin/python3
"""`sluice topic info` of topics whose files programs without Sluice use."""

import json
import unittest

from doctor_support import NAME, DoctorTopicTest
from support import SLUICE, wait_until


class TopicForeign(DoctorTopicTest):
    def info(self, topic, config):
        result = self.sluice("topic", "info", topic, "--json", "--config", config)
        self.assertEqual(result.returncode, 0, result.stderr)
        (use,) = json.loads(result.stdout)["foreign"].values()
        return use

    def test_a_ring(self):
        config = self.file("x.yaml", f"topics: {{/t: {{segment: {NAME}, element: 64, depth: 8}}}}")
        result = self.sluice("topic", "info", "/t", "--config", config)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.splitlines()[-1], "Unknown topic '/t'")
        self.assertEqual(self.sluice("slick", "write", NAME, "--create", "8", "--element", "64", "x").returncode, 0)
        reader = self.start(SLUICE, "slick", "read", NAME, "--json")
        there = {"pid": reader.pid, "program": "sluice", "role": "", "state": "alive"}
        wait_until(lambda: there in self.info("/t", config)["peers"], "the reader to have it mapped")
        source = self.start(SLUICE, "topic", "pub", "/t", "x" * 64, "--rate", "100", "--config", config)
        self.assertEqual(source.stdout.readline(), "publishing #1\n")
        wait_until(lambda: self.info("/t", config)["rates"]["elements"] > 1, "elements to be written")
        self.assertEqual(self.info("/t", config)["peers"], [there])  # and not the publisher, which is of the domain
        text = self.sluice("topic", "info", "/t", "--config", config).stdout
        self.assertIn(f"Foreign peers:\n  process {reader.pid} (sluice): has the segment mapped; a ring does not tell "
                      "who publishes\n", text)
        self.assertRegex(text, r"\nWritten: elements \d+\.\d/s\n")

    def test_a_channel_that_nobody_of_the_domain_uses(self):
        config = self.file("x.yaml", f"topics: {{/t: {{transport: eshm, channel: {NAME}, "
                           "direction: master_to_slave}}\n")
        master = self.start(SLUICE, "eshm", "master", NAME, "--rate", "100")
        self.assertIn("[MASTER]", master.stdout.readline())
        wait_until(lambda: self.info("/t", config)["rates"]["master_to_slave"] > 1, "messages to be written")
        use = self.info("/t", config)
        self.assertEqual(use["peers"], [{"pid": master.pid, "program": "sluice", "role": "master", "state": "alive"}])
        self.assertEqual(use["rates"]["slave_to_master"], 0)
        text = self.sluice("topic", "info", "/t", "--config", config).stdout
        self.assertIn(f"Foreign peers:\n  master, process {master.pid} (sluice): alive\n", text)
        master.kill()
        master.communicate()
        self.started.remove(master)
        wait_until(lambda: self.info("/t", config)["peers"][0]["state"] in ("stale", "dead"), "the master to be missed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
