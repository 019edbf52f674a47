"""The peer against the files that the original versions wrote (tests/golden)."""

import hashlib
import itertools
import json
import pathlib
import re
import struct
import zlib

from peer_bulk import BulkConsumer, BulkProducer
from selftest_support import PeerTest
from slick_peer import Message, Peer, SafeReader, payload, safe_read_last

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden"
ROWS = json.loads((GOLDEN / "slick.json").read_text())
NONE = (1 << 64) - 1
CAPACITY, ELEMENT = 8, 8
SCENARIOS = {"empty": [], "one": [1], "three": [1, 1, 1], "wrap": [3, 3, 3], "wrapclobber": [2, 2, 2, 3],
             "lapped": [1] * 21}


def version_of(file):
    """Which original reads a file: the one that wrote it, or as the manifest was verified."""
    found = re.match(r"slick-(1\.[234]\.0)-", file)
    return found.group(1) if found else "python" if "-py-" in file else "1.4.0"


def messages_of(expected):
    return [Message(message["cursor"], message["index"], message["size"],
                    b"".join(struct.pack("<Q", int(word, 16)) for word in message["payload"]))
            for message in expected["messages"]]


def read_all(peer, cursor):
    messages = []
    while True:
        message, cursor = peer.read(cursor)
        if message is None:
            return messages, cursor
        messages.append(message)


def send(peer, count):
    index = peer.reserve(count)
    peer.write(index, b"".join(struct.pack("<Q", 0xC0DE << 48 | index + number) for number in range(count)))
    peer.publish(index, count)


class Lines(list):
    write_all = list.extend


class DiedBeforeMarker(Exception):
    pass


class Golden(PeerTest):
    def attach(self, row, version=None):
        name = self.object((GOLDEN / row["file"]).read_bytes())
        return self.own(Peer.open(name, ELEMENT, version or version_of(row["file"])))

    def test_the_files_are_those_of_the_manifest(self):
        self.assertEqual({row["file"] for row in ROWS}, {path.name for path in GOLDEN.glob("*slick-*.bin")})
        for row in ROWS:
            with self.subTest(row["file"]):
                self.assertEqual(hashlib.sha256((GOLDEN / row["file"]).read_bytes()).hexdigest(), row["sha256"])

    def test_header_and_slots(self):
        for row in ROWS:
            with self.subTest(row["file"]):
                peer = self.attach(row)
                self.assertEqual((peer.capacity, peer.reserved()), (row["capacity"], (row["reserved_index"],
                                                                                      row["reserved_size"])))
                slots = [(NONE if index == "MAX" else index, size) for index, size in row["slots"]]
                self.assertEqual(peer.slots(), slots)
                self.assertEqual(peer.tracks_last, row["last_published"] != "absent")

    def test_upstream_reads(self):
        for row in ROWS:
            with self.subTest(row["file"]):
                for expected in row["reads"]:
                    messages, cursor = read_all(self.attach(row), expected["start"])
                    self.assertEqual(messages, messages_of(expected["upstream"]))
                    self.assertEqual(cursor, expected["upstream"]["final_cursor"])

    def test_lap_checked_reads(self):
        for row in ROWS:
            with self.subTest(row["file"]):
                for expected in row["reads"]:
                    reader = SafeReader(self.attach(row), expected["start"])
                    self.assertEqual(list(iter(reader.take, None)), messages_of(expected["lap_checked"]))
                    self.assertEqual((reader.cursor, reader.lost), (expected["lap_checked"]["final_cursor"],
                                                                    expected["lap_checked"]["lost_indices"]))

    def test_a_hole_timer_skips_the_hole(self):
        for version in ("1.2.0", "1.3.0", "1.4.0"):
            row = next(row for row in ROWS if row["file"] == f"slick-{version}-hole.bin")
            reader = SafeReader(self.attach(row), 1, hole_timeout=0)
            self.assertEqual([message.index for message in iter(reader.take, None)], [2, 3])
            self.assertEqual((reader.cursor, reader.skipped, reader.lost), (4, 1, 0))
        row = next(row for row in ROWS if row["file"] == "synthetic-slick-1.4-wrap-no-marker.bin")
        peer = self.attach(row)
        reader = SafeReader(peer, 6, hole_timeout=0)
        self.assertEqual((reader.take(), reader.cursor), (None, 6))
        send(peer, 1)
        self.assertEqual(reader.take().index, 11)

    def test_bulk_reads_find_the_same_messages(self):
        for row in ROWS:
            for expected, kind in itertools.product(row["reads"], ("upstream", "lap_checked")):
                with self.subTest(row["file"], start=expected["start"], kind=kind):
                    self.bulk_read(row, expected["start"], kind, expected[kind])

    def bulk_read(self, row, start, kind, expected):
        consumer = BulkConsumer(self.attach(row), start, lap_checked=kind == "lap_checked")
        found = Lines()
        consumer.consume(100, found)
        self.assertEqual([(index, size, checksum) for index, size, _, checksum in found],
                         [(message.index, message.size, zlib.crc32(message.data)) for message in messages_of(expected)])
        self.assertEqual(consumer.state.cursor, expected["final_cursor"])
        if kind == "lap_checked":
            self.assertEqual(consumer.state.lost, expected["lost_indices"])

    def test_read_last_by_looking_at_the_slots(self):
        for row in ROWS:
            with self.subTest(row["file"]):
                expected = row["read_last"] and messages_of({"messages": [dict(row["read_last"], cursor=0)]})[0]
                found = safe_read_last(self.attach(row))
                self.assertEqual(found and found[1:], expected and expected[1:])

    def test_read_last_as_the_originals_do_it(self):
        # 1.4.0 takes the size from beyond the slots once the index has reached the capacity (H10).
        sizes = {"slick-1.4.0-wrap.bin": 9, "slick-1.4.0-wrapclobber.bin": 9, "slick-1.4.0-lapped.bin": 0}
        for row in ROWS:
            with self.subTest(row["file"]):
                found = self.attach(row).read_last()
                if row["last_published"] == "absent" and row["reserved_index"] > 0:
                    self.assertEqual(found[:2], (row["reserved_index"] - row["reserved_size"], None))
                    self.assertEqual(len(found.data), ELEMENT)
                elif row["last_published"] in ("absent", "none"):
                    self.assertIsNone(found)
                else:
                    index = row["last_published"]
                    size = sizes.get(row["file"], row["slots"][index & 7][1])
                    self.assertEqual(found[:2], (index, size))


def files():
    """(version, scenario, file) for every file that one version alone wrote; 1.2.3 wrote the same as 1.2.0."""
    for row in ROWS:
        found = re.match(r"slick-(1\.[234]\.0|py-1\.0\.1)-(.*)\.bin$", row["file"])
        if found:
            versions = {"1.2.0": ["1.2.0", "1.2.3"], "py-1.0.1": ["python"]}.get(found[1], [found[1]])
            yield from ((version, found[2], row["file"]) for version in versions)


class Production(PeerTest):
    """The operations that made each file, made again: every byte is the same."""

    def created(self, version):
        return self.own(Peer.create(self.name(), CAPACITY, ELEMENT, version))

    def expect(self, peer, file):
        self.assertEqual(bytes(peer.mapping.bytes).hex(" ", 16), (GOLDEN / file).read_bytes().hex(" ", 16))
        self.assertEqual(len(self.content(pathlib.Path(peer.attached.path).name)), len((GOLDEN / file).read_bytes()))

    def test_every_scenario_of_every_version(self):
        for version, scenario, file in files():
            with self.subTest(file, version=version):
                peer = self.created(version)
                if scenario == "hole":
                    send(peer, 1)
                    peer.reserve(1)
                    send(peer, 1)
                    send(peer, 1)
                elif scenario == "wrap-pending":
                    send(peer, 3)
                    send(peer, 3)
                    self.assertEqual(peer.reserve(3), 8)
                else:
                    for count in SCENARIOS[scenario]:
                        send(peer, count)
                self.expect(peer, file)

    def test_an_old_producer_on_a_new_segment(self):
        creator = self.created("1.4.0")
        send(creator, 1)
        producer = self.own(Peer.open(creator.attached.path.rpartition("/")[2], ELEMENT, "1.2.0"))
        send(producer, 1)
        send(producer, 1)
        self.expect(creator, "slick-mixed-1.4.0-creator-1.2.0-producer.bin")
        self.assertEqual(creator.read_last().index, 0)
        self.assertEqual(safe_read_last(creator).index, 2)

    def test_death_between_reservation_and_marker(self):
        peer = self.created("1.4.0")
        send(peer, 3)
        send(peer, 3)

        def die():
            raise DiedBeforeMarker

        peer.before_marker = die
        self.assertRaises(DiedBeforeMarker, peer.reserve, 3)
        self.expect(peer, "synthetic-slick-1.4-wrap-no-marker.bin")

    def test_the_bulk_loop_writes_what_the_slow_one_writes(self):
        for version in ("1.2.0", "1.2.3", "1.3.0", "1.4.0", "python"):
            for element_size in (8, 24, 61):
                with self.subTest(version, element_size=element_size):
                    slow, bulk = (self.own(Peer.create(self.name(), 64, element_size, version)) for _ in range(2))
                    producer = BulkProducer(bulk, producer=2, seed=7, sizes=(1, 5))
                    for sequence in range(200):
                        size = payload.message_size(7, 2, sequence, 1, 5)
                        slow.send(payload.message(element_size, 7, 2, sequence, size))
                        producer.produce(1)
                        self.assertEqual(bytes(slow.mapping.bytes), bytes(bulk.mapping.bytes))
