#!/usr/bin/python3
"""`sluice node info`: what a node publishes and subscribes to, and how its process is."""

import json
import signal
import unittest

from support import DomainTest, wait_until


class NodeInfo(DomainTest):
    def info(self, node):
        result = self.sluice("node", "info", node, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_for_people(self):
        process = self.open_topic("publish", "imu", "--name", "driver", "--ns", "robot")
        self.open_topic("subscribe", "/robot/imu", "--name", "filter")
        expected = ("/robot/driver\n  Subscribers:\n  Publishers:\n    /robot/imu: bytes\n"
                    f"  Process: {process.pid}\n  Executable: open_topic\n  State: alive\n")
        for name in ("/robot/driver", "robot/driver"):
            result = self.sluice("node", "info", name)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, expected, ""))
        self.assertIn("  Subscribers:\n    /robot/imu: bytes\n  Publishers:\n  Process: ",
                      self.sluice("node", "info", "/filter").stdout)

    def test_an_unknown_node_and_the_near_one(self):
        self.open_topic("publish", "/imu", "--name", "driver")
        result = self.sluice("node", "info", "/drivr")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", "Unknown node '/drivr'; did you mean '/driver'?\n"))

    def test_nodes_of_one_name_are_all_there(self):
        pids = {self.open_topic(side, "/imu", "--name", "twin").pid for side in ("publish", "subscribe")}
        nodes = self.info("twin")
        self.assertEqual({node["pid"] for node in nodes}, pids)
        self.assertEqual(sorted((len(node["publishers"]), len(node["subscriptions"])) for node in nodes),
                         [(0, 1), (1, 0)])

    def test_a_stopped_process_is_late_and_says_why(self):
        process = self.open_topic("publish", "/imu", "--name", "driver")
        process.send_signal(signal.SIGSTOP)  # the base class lets it go on
        wait_until(lambda: self.info("/driver")[0]["liveliness"] == "late", "the process to be late")
        reason = self.info("/driver")[0]["late_because"]
        self.assertNotEqual(reason, "")
        self.assertIn(f"  State: late ({reason.split()[0]}", self.sluice("node", "info", "/driver").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
