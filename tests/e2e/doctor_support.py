"""What the tests of `sluice doctor TOPIC` share: patients, and the whole output compared."""

import json
import os
import pathlib
import signal

from support import BUILD, DomainTest, wait_until

PEER = str(BUILD / "tests" / "doctor_peer")
NAME = f"sluice-doctor-test-{os.getpid()}"


class DoctorTopicTest(DomainTest):
    def setUp(self):
        super().setUp()
        for name in (NAME, "eshm_" + NAME):
            self.addCleanup(pathlib.Path("/dev/shm", name).unlink, missing_ok=True)

    def peer(self, side, topic, *words, expected="open", prefix=()):
        process = self.start(*prefix, PEER, side, topic, *words)
        self.assertEqual(process.stdout.readline(), expected + "\n")
        return process

    def publish(self, topic, count, *words):
        """A publisher that has published."""
        process = self.peer("publish", topic, f"messages={count}", *words)
        self.assertRegex(process.stdout.readline(), "^sent ")
        return process

    def both(self, *words):
        """A subscription that has received, and its publisher."""
        sink = self.peer("subscribe", "/t", *words)
        source = self.publish("/t", 3, *words)
        self.received()
        return source, sink

    def received(self):
        """What was published before has arrived."""
        wait_until(lambda: "nothing_received" not in self.causes("/t"), "messages")

    def doctor(self, topic, *options):
        result = self.sluice("doctor", topic, *options)
        self.assertEqual(result.stderr, "")
        return result.returncode, result.stdout

    def causes(self, topic, *options):
        return [finding["cause"] for finding in json.loads(self.sluice("doctor", topic, "--json", *options).stdout)]

    def becomes(self, topic, cause, *options):
        wait_until(lambda: cause in self.causes(topic, *options), cause)

    def check(self, code, lines, *options, topic="/t", cause=None):
        """The whole output; processes come in the order of their numbers, which begin anew some day."""
        found, output = self.doctor(topic, *options)
        self.assertEqual((found, sorted(output.splitlines())), (code, sorted(lines)))
        self.assertIn(cause, self.causes(topic, *options))

    @staticmethod
    def pair(source, sink):
        return f"/source (process {source.pid}) -> /sink (process {sink.pid}): "

    @staticmethod
    def alone(word, process):
        return f"{word} /{'source' if word == 'publisher' else 'sink'} (process {process.pid}): no data flows: "

    def no_publisher(self, sink):
        return self.alone("subscription", sink) + ("nobody publishes on the topic; start a publisher in the same "
                                                   "domain, or compare names with 'sluice topic list'")

    def no_subscription(self, source):
        return self.alone("publisher", source) + ("nobody subscribes to the topic; start a subscription; 'sluice topic "
                                                  "echo /t' shows what is published")

    def end(self, *processes):
        for process in processes:
            process.send_signal(signal.SIGINT)
            process.communicate()
            self.started.remove(process)

    @staticmethod
    def kill(process):
        process.kill()
        process.wait()
