#!/usr/bin/python3
"""`sluice doctor TOPIC`: what becomes of files, programs without Sluice, containers."""

import os
import pathlib
import re
import signal
import subprocess
import unittest

from doctor_support import NAME, DoctorTopicTest
from support import SLUICE

NAMESPACES = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")
CLOCKS = ("unshare", "--map-root-user", "--time", "--boottime", "1000", "--fork", "--kill-child")


def allowed(command):
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


class DoctorForeign(DoctorTopicTest):
    # What became of the file.

    def test_removed_and_made_anew(self):
        source, sink = self.both()
        path = self.runtime / "domain-0" / "t.topic"
        path.unlink()
        removed = self.pair(source, sink) + (f"data flows, but '{path}' was removed while in use, so nobody else can "
                                             "join these two; restart both; keep cleaners, 'rm' and systemd's "
                                             "RemoveIPC away from shared memory")
        self.check(0, [removed], cause="file_removed")
        late = self.peer("subscribe", "/t")
        self.check(1, [removed, self.pair(source, late) + f"no data flows: '{path}' was removed while in use and made "
                       f"anew, and /source (process {source.pid}) has the old one; restart /source (process "
                       f"{source.pid})"], cause="file_replaced")

    def test_removed_under_one_alone(self):
        sink = self.peer("subscribe", "/t")
        path = self.runtime / "domain-0" / "t.topic"
        path.unlink()
        self.check(1, [self.alone("subscription", sink) + f"'{path}' was removed while it was in use, and it has the "
                       "old one; restart it; keep cleaners, 'rm' and systemd's RemoveIPC away from shared memory"],
                   cause="file_removed")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_no_permission(self):
        config = self.file("x.yaml", f"runtime_dir: {self.runtime}\ngroup: nogroup\nmode: 0660\n")
        self.base.chmod(0o755)
        source = self.publish("/t", 1, "--config", config)
        path = self.runtime / "domain-0" / "t.topic"
        path.chmod(0o600)
        sink = self.peer("subscribe", "/t", "--config", config, expected="refused",
                         prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        self.check(1, [self.alone("subscription", sink) + "it could not be opened: topic '/t': its file cannot be "
                       f"used: '{path}' may not be opened by this user; see 'mode' and 'group' in the configuration "
                       "(it runs as nobody, and the file belongs to root, mode 0600); set 'group' and 'mode' for all "
                       "of the domain", self.no_subscription(source)], cause="no_permission")

    # Programs without Sluice.

    def slick_write(self, *options):
        result = self.sluice("slick", "write", NAME, *options)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_element_size_of_a_raw_segment(self):
        self.slick_write("--create", "8", "--element", "32", "hello")
        config = self.file("x.yaml", f"topics: {{/t: {{segment: {NAME}, element: 64, depth: 8}}}}")
        sink = self.peer("subscribe", "/t", "--config", config, expected="refused")
        self.check(1, [self.alone("subscription", sink) + f"it could not be opened: segment '/dev/shm/{NAME}' has "
                       "elements of 32 bytes, but elements of 64 were asked for; give all programs the same element "
                       "size; then restart it"], cause="refused")

    def test_raw_segment(self):
        path = pathlib.Path("/dev/shm", NAME)
        config = self.file("x.yaml", f"topics: {{/t: {{segment: {NAME}, element: 64, depth: 8}}}}")
        sink = self.peer("subscribe", "/t", "--config", config)
        self.check(1, [self.no_publisher(sink)], cause="no_publisher")
        reader = self.start(SLUICE, "slick", "read", NAME, "--json")
        self.becomes("/t", "nothing_published")
        there = f"sluice (process {reader.pid}), not of this domain, has '{path}' open"
        self.check(1, [self.alone("subscription", sink) + there + " and has published nothing yet; see what it waits "
                       "for"], cause="nothing_published")
        self.slick_write("hello", "--element", "64")
        self.check(0, [f"subscription /sink (process {sink.pid}): data flows: " + there], cause="foreign_peer")
        self.end(reader)
        path.unlink()
        old = f"'{path}' was removed {{}}while it was in use, and it has the old one; restart it; keep cleaners, " \
              "'rm' and systemd's RemoveIPC away from shared memory"
        self.check(1, [self.alone("subscription", sink) + old.format("")], cause="file_removed")
        self.slick_write("--create", "8", "--element", "64", "hello")
        self.check(1, [self.alone("subscription", sink) + old.format("and made anew ")], cause="file_replaced")
        path.unlink()
        path.write_bytes(b"x" * 1000)
        self.check(1, [self.alone("subscription", sink) + f"'{path}': no SlickQueue segment; end the program that made "
                       "it so, and remove it"], cause="file_unusable")

    def test_channel(self):
        path = f"/dev/shm/eshm_{NAME}"
        config = self.file("x.yaml", f"topics: {{/t: {{transport: eshm, channel: {NAME}, "
                           "direction: master_to_slave}}\n")
        options = ("--config", config)
        sink = self.peer("subscribe", "/t", *options)
        self.check(1, [self.alone("subscription", sink) + f"no master has ever been on '{path}'; start the program "
                       "that is its master"], *options, cause="eshm_peer_absent")
        master = self.start(SLUICE, "eshm", "master", NAME, "--rate", "0")
        self.becomes("/t", "nothing_published", *options)
        peer = f"the master of '{path}' (pid {master.pid}) "
        self.check(1, [self.alone("subscription", sink) + peer + "has published nothing yet; see what it waits for"],
                   *options, cause="nothing_published")
        master.send_signal(signal.SIGSTOP)
        self.becomes("/t", "eshm_peer_stale", *options)
        self.check(1, [self.alone("subscription", sink) + peer + "is stale: its heartbeat stands still; let it go on "
                       "if it is stopped, or restart it"], *options, cause="eshm_peer_stale")
        master.send_signal(signal.SIGCONT)
        self.end(master)
        self.becomes("/t", "eshm_peer_dead", *options)
        self.check(1, [self.alone("subscription", sink) + peer + "is dead; start it again"], *options,
                   cause="eshm_peer_dead")
        master = self.start(SLUICE, "eshm", "master", NAME, "--rate", "100")
        self.becomes("/t", "foreign_peer", *options)
        self.check(0, [f"subscription /sink (process {sink.pid}): data flows: the master of '{path}' (pid "
                       f"{master.pid}) is on the other side"], *options, cause="foreign_peer")

    def test_channel_of_another_protocol(self):
        path = f"/dev/shm/eshm_{NAME}"
        config = self.file("x.yaml", f"topics: {{/t: {{transport: eshm, channel: {NAME}, "
                           "direction: master_to_slave}}\n")
        sink = self.peer("subscribe", "/t", "--config", config)
        with open(path, "r+b") as channel:
            channel.seek(4)
            self.assertIn(int.from_bytes(channel.read(4), "little"), (2, 3))
            channel.seek(4)
            channel.write((9).to_bytes(4, "little"))
        self.check(1, [self.alone("subscription", sink) + f"'{path}': of unknown protocol version 9; end the program "
                       "that made it so, and remove it"], cause="file_unusable")

    def test_mailbox_too_slow(self):
        config = self.file("x.yaml", f"topics: {{/t: {{transport: eshm, channel: {NAME}, "
                           "direction: master_to_slave}}\n")
        sink = self.peer("subscribe", "/t", "slow", "--config", config)
        source = self.publish("/t", 1000, "--config", config)
        self.becomes("/t", "subscription_lapped")
        output = re.sub(r"\b\d+ messages were", "N messages were", self.doctor("/t")[1])
        self.assertEqual(output, self.pair(source, sink) + "data flows, but the subscription was slower than the "
                         "publisher, and N messages were replaced unread: a channel holds one; set 'transport: slick' "
                         "if it must have every message\n")

    # Containers.

    @unittest.skipUnless(allowed(NAMESPACES), "this machine allows no namespaces to this user")
    def test_pid_namespaces(self):
        sink = self.peer("subscribe", "/t", prefix=NAMESPACES)
        source = self.publish("/t", 3)
        self.received()
        self.check(0, [f"/source (process {source.pid}) -> /sink (process 1): data flows: the two are in different PID "
                       "namespaces, where the same number means different processes"], cause="pid_namespaces_differ")
        sink.kill()  # unshare passes no other signal on
        self.leftovers_expected = True

    @unittest.skipUnless(allowed(CLOCKS), "this machine allows no time namespaces to this user")
    def test_clocks(self):
        sink = self.peer("subscribe", "/t", prefix=CLOCKS)
        source = self.publish("/t", 3)
        self.received()
        output = re.sub(r"sink \(process \d+\)", "sink (process N)", self.doctor("/t")[1])
        self.assertEqual(output, f"/source (process {source.pid}) -> /sink (process N): data flows, but the two are in "
                         "different time namespaces: latencies between them mean nothing; start both in one time "
                         "namespace\n")
        sink.kill()
        self.leftovers_expected = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
