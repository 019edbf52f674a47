#!/usr/bin/python3
"""`sluice topic hz` against the publisher's own log: a thousand times a mebibyte in a second."""

import json
import signal
import sys
import unittest

from support import BUILD, SLUICE, DomainTest

MEBIBYTE = 1 << 20
CONFIG = f"topics:\n  /image: {{reliability: reliable, depth: 8, max_size: {MEBIBYTE}B, max_blocking_time: 0ms}}\n"
PUBLISHER = f"""
import json, sluice, sys, time
node = sluice.Node("camera", config=sys.argv[1])
Image = sluice.MessageType("demo/Image", [("pixels", "u1", {MEBIBYTE})])
out = node.advertise("/image", Image)
sent, due = [], time.monotonic()
print("open", flush=True)
try:
    while True:
        out.publish(out.loan())
        sent.append(time.monotonic())
        due = max(due + 0.001, sent[-1])
        time.sleep(due - sent[-1])
except KeyboardInterrupt:
    print(json.dumps(sent))
"""


class Rate(DomainTest):
    def setUp(self):
        super().setUp()
        self.environment["PYTHONPATH"] = str(next(BUILD.glob("lib/python3*/dist-packages")))
        self.config = self.file("image.yaml", CONFIG)
        self.camera = self.start(sys.executable, "-B", "-c", PUBLISHER, self.config)
        self.assertEqual(self.camera.stdout.readline(), "open\n")

    def sent(self):
        self.camera.send_signal(signal.SIGINT)
        return json.loads(self.camera.communicate()[0])

    def topic_memory(self, pid):
        """Kilobytes of the topic's file that this process has looked at, and that it has mapped."""
        with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
            parts = smaps.read().split(str(self.runtime))[1:]
        topics = [part.splitlines() for part in parts if ".topic" in part[:99]]
        fields = [dict(line.split(":", 1) for line in lines[1:5]) for lines in topics]
        return [sum(int(each[name].split()[0]) for each in fields) for name in ("Rss", "Size")]

    def test_it_is_within_a_hundredth_of_what_was_published_and_no_payload_is_looked_at(self):
        hz = self.start(SLUICE, "topic", "hz", "/image", "--json", "--config", self.config, "--duration", "4")
        lines = [hz.stdout.readline()]
        looked_at, mapped = self.topic_memory(hz.pid)
        lines += hz.communicate()[0].splitlines()
        self.assertGreater(mapped, 8 * MEBIBYTE / 1024)
        self.assertLess(looked_at, MEBIBYTE / 1024)
        said, sent = json.loads(lines[-1]), self.sent()
        length = said["window"] + said["missed"]
        rates = [length / (last - first) for first, last in zip(sent, sent[length:])]
        # Which of the messages it saw first is not known; its answer must be that of some of them in a row.
        self.assertTrue(any(abs(said["rate"] / rate - 1) < 0.01 for rate in rates), (said, min(rates), max(rates)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
