#!/usr/bin/python3
"""launch/camera.yaml: large images through three processes by loan. What a stage costs is printed, not judged."""

import json
import re
import unittest

from support import SLUICE, SOURCE, DomainTest, wait_until

FILE = str(SOURCE / "launch" / "camera.yaml")
IMAGE = 1920 * 1080 * 3 + 16
STAGES = ["camera_source", "camera_filter", "camera_viewer"]


class Camera(DomainTest):
    def test_every_image_arrives(self):
        result = self.run_program(SLUICE, "launch", FILE, "frames:=45", "rate:=30")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for stage in STAGES:
            line = re.search(rf"{stage}: (\d+) frames, (\d+) lost, .*", result.stdout)
            self.assertIsNotNone(line, result.stdout)
            print(line[0])
            self.assertEqual((line[1], line[2]), ("45", "0"))
        self.assertIn("0 images damaged or out of order", result.stdout)

    def topic(self, name):
        """What `topic info` says; nothing while nobody has it open."""
        result = self.sluice("topic", "info", name, "--json", "--config", str(SOURCE / "config" / "camera.yaml"))
        return json.loads(result.stdout) if result.returncode == 0 else None

    def test_no_image_is_copied(self):
        launched = self.start(SLUICE, "launch", FILE, "frames:=1000000", "rate:=30")
        for name in ("/camera/image", "/camera/negative"):
            wait_until(lambda: (info := self.topic(name)) and info["chunks"] and info["chunks"][0]["used"] > 0,
                       f"an image in a chunk of {name}, or the end of {launched.poll()}")
            info = self.topic(name)
            of_images = next(copies for copies in info["copies_per_delivery"] if copies["up_to"] >= IMAGE)
            self.assertEqual((of_images["publish_loan"], of_images["take"]), (0, 0))
            chunks, = info["chunks"]
            self.assertGreaterEqual(chunks["size"], IMAGE)
            self.assertEqual(chunks["count"], sum(chunks[state] for state in ("free", "lent", "held", "unread")))
        # Ended in the middle, nobody has a complete sequence; DomainTest sees that nothing stays behind.


if __name__ == "__main__":
    unittest.main(verbosity=2)
