"""Who can attach to what, what each version gets wrong, and the payload convention in its three languages."""

import os
import pathlib
import stat
import struct
import subprocess

import peer_native as native
from peer_bulk import BulkConsumer
from selftest_support import PATIENCE, PeerTest
from slick_peer import AttachRefused, Peer, PeerError, SafeReader, SharedCursor, VERSIONS, WouldCrash, payload

CAPACITY, ELEMENT = 8, 24
STATE = 48
OK, WIPES, FAILS = "ok", "wipes", "fails"
OLD, NEWER = ("1.2.0", "1.2.3", "python"), ("1.3.0", "1.4.0")
FEW_POLLS = 20
NONE = (1 << 64) - 1


def expected_outcome(creator, attacher, form):
    if creator in OLD and attacher in NEWER and form == "size":
        return WIPES
    return FAILS if creator in OLD and attacher == "1.4.0" else OK


class Attaching(PeerTest):
    def attach(self, name, attacher, form):
        if form == "open":
            return Peer.open(name, ELEMENT, attacher, polls=FEW_POLLS)
        return Peer.attach_or_create(name, CAPACITY, ELEMENT, attacher, polls=FEW_POLLS)

    def outcome(self, name, attacher, form):
        try:
            peer = self.attach(name, attacher, form)
        except AttachRefused:
            return FAILS
        wiped, owner = peer.wiped, peer.owner
        messages = peer.read(0)[0]
        peer.close(unlink=False)
        self.assertEqual(wiped, owner)
        self.assertEqual(wiped, messages is None)
        return WIPES if wiped else OK

    def test_every_creator_with_every_attacher(self):
        for creator in VERSIONS:
            for attacher in VERSIONS:
                for form in ("open", "size"):
                    with self.subTest(creator=creator, attacher=attacher, form=form):
                        name = self.name()
                        peer = self.own(Peer.create(name, CAPACITY, ELEMENT, creator))
                        peer.send(payload.message(ELEMENT, 0, 1, 0, 1))
                        self.assertEqual(self.outcome(name, attacher, form), expected_outcome(creator, attacher, form))

    def test_1_4_0_waits_for_a_creator_that_is_not_finished(self):
        name = self.name()
        peer = self.own(Peer.create(name, CAPACITY, ELEMENT, "1.4.0"))
        native.store_release_32(peer.base + STATE, 2)
        self.assertRaises(AttachRefused, Peer.open, name, ELEMENT, "1.4.0", polls=FEW_POLLS)
        waiting = self.start("consume", "--name", name, "--version", "1.4.0", "--element", ELEMENT, "--polls", 10**6,
                             "--count", 1)
        native.store_release_32(peer.base + STATE, 3)
        self.assertTrue(waiting.line("ready")["tracks_last"])
        peer.send(payload.message(ELEMENT, 0, 1, 0, 1))
        self.assertEqual(waiting.end()["messages"], 1)

    def test_1_4_0_leaves_last_published_of_an_older_segment_alone(self):
        name = self.name()
        self.own(Peer.create(name, CAPACITY, ELEMENT, "1.3.0"))
        newer = self.own(Peer.open(name, ELEMENT, "1.4.0"))
        for _ in range(3):
            newer.send(bytes(ELEMENT))
        self.assertEqual(self.content(name)[16:28], bytes(12))

    def test_empty_files(self):
        expected = {"1.2.0": WouldCrash, "1.2.3": WouldCrash, "1.3.0": AttachRefused, "1.4.0": AttachRefused,
                    "python": AttachRefused}
        for version, error in expected.items():
            self.assertRaises(error, Peer.open, self.object(b""), ELEMENT, version)
        for version in NEWER:  # an opener makes the creator's file for him, and himself the owner
            peer = self.own(Peer.attach_or_create(self.object(b""), CAPACITY, ELEMENT, version))
            self.assertTrue(peer.owner)
            self.assertFalse(peer.wiped)

    def test_mismatches(self):
        name = self.name()
        self.own(Peer.create(name, CAPACITY, ELEMENT, "1.4.0"))
        for version in VERSIONS:
            self.assertRaises((AttachRefused, WouldCrash), Peer.attach_or_create, name, 2 * CAPACITY, ELEMENT, version)
            self.assertRaises(AttachRefused, Peer.attach_or_create, name, CAPACITY // 2, ELEMENT, version)
        for version in ("1.2.3", "1.3.0", "1.4.0", "python"):
            self.assertRaises(AttachRefused, Peer.open, name, ELEMENT - 8, version)
            self.assertRaises(AttachRefused, Peer.attach_or_create, name, CAPACITY, ELEMENT - 8, version)
        for form in (lambda: Peer.open(name, ELEMENT - 8, "1.2.0"),  # the one version that does not look
                     lambda: Peer.attach_or_create(name, CAPACITY, ELEMENT - 8, "1.2.0")):
            self.own(form())
        self.assertRaises(AttachRefused, Peer.open, self.name(), ELEMENT)
        self.assertRaises(AttachRefused, Peer.create, self.name(), 12, ELEMENT)

    def test_names_modes_and_who_unlinks(self):
        mask = os.umask(0o022)
        self.addCleanup(os.umask, mask)
        for version, mode in (("1.2.0", 0o644), ("1.3.0", 0o644), ("1.4.0", 0o644), ("python", 0o600)):
            name = self.name()
            path = pathlib.Path("/dev/shm", name)
            creator = Peer.create("/" + name, CAPACITY, ELEMENT, version)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode)
            Peer.open(name, ELEMENT, "1.2.0").close()
            self.assertTrue(path.exists())
            creator.close()
            self.assertEqual(path.exists(), version == "python")


class Oddities(PeerTest):
    def pair(self, version="1.2.0", capacity=CAPACITY):
        return self.own(Peer.create(self.name(), capacity, ELEMENT, version))

    def test_counts_that_reserve_refuses(self):
        self.assertEqual(self.pair("1.2.0").reserve(0), 0)
        for version in ("1.2.3", "1.3.0", "1.4.0", "python"):
            self.assertRaises(ValueError, self.pair(version).reserve, 0)
        for version in VERSIONS:
            self.assertRaises(PeerError, self.pair(version).reserve, CAPACITY + 1)

    def test_a_single_reservation_corrects_the_size(self):
        for version in VERSIONS:
            peer = self.pair(version)
            peer.reserve(3)
            self.assertEqual(peer.reserved(), (3, 3))
            peer.reserve(1)
            self.assertEqual(peer.reserved(), (4, 1))

    def test_the_reserved_size_is_cut_to_16_bits(self):
        peer = self.pair(capacity=1 << 17)
        peer.reserve(65537)
        self.assertEqual(peer.reserved(), (65537, 1))

    def test_reset(self):
        for version in VERSIONS:
            peer = self.pair(version)
            for _ in range(11):
                peer.send(bytes(ELEMENT))
            reader = SafeReader(peer, 11)
            data = bytes(peer.mapping.bytes)[peer.data_offset:]
            peer.reset()
            fresh = self.pair(version)
            self.assertEqual(bytes(peer.mapping.bytes), bytes(fresh.mapping.bytes)[:peer.data_offset] + data)
            peer.send(bytes(ELEMENT))
            self.assertEqual(peer.read(11), (None, 11))  # the original waits until the index has caught up
            self.assertEqual((reader.take().index, reader.resets), (0, 1))

    def test_a_reset_seen_halfway_delivers_element_0_with_a_wrong_cursor(self):
        peer = self.pair()
        for value in range(9):
            peer.send(bytes([value]) * ELEMENT)
        native.store_relaxed_64(peer.base, 0)
        message, cursor = peer.read(8)
        self.assertEqual((message.cursor, message.index, message.data[0], cursor), (0, 8, 8, 9))

    def test_a_zeroed_slot_is_message_0_of_size_0_forever(self):
        peer = self.pair()
        peer.mapping.bytes[64:80] = bytes(16)
        self.assertEqual(peer.read(0)[0].size, 0)
        self.assertEqual(peer.read(0)[1], 0)
        self.assertIsNone(SafeReader(peer).take())

    def test_a_late_writer_takes_a_slot_back(self):
        peer = self.pair()
        late = peer.reserve(1)
        for _ in range(8):
            peer.send(bytes(ELEMENT))
        self.assertEqual(peer.slots()[0][0], 8)
        peer.publish(late)
        self.assertEqual(peer.slots()[0][0], late)

    def test_half_a_marker_is_waited_for(self):
        peer = self.pair()
        peer.reserve(6)
        peer.reserve(6)  # 8 to 13
        slot = 64 + 6 * 16
        for half in (9, 16):  # not at the array's start; not reserved yet
            struct.pack_into("<Q", peer.mapping.bytes, slot, half)
            reader = SafeReader(peer, 6)
            self.assertEqual((reader.take(), reader.cursor), (None, 6))

    def test_a_reader_that_is_overtaken_while_it_copies(self):
        peer = self.pair()
        peer.send(bytes(ELEMENT))
        copy, overtakers = peer.elements, [7, 2]

        def copy_and_be_overtaken(index, size):
            data = copy(index, size)
            for _ in range(overtakers.pop(0) if overtakers else 0):
                peer.send(bytes(ELEMENT))
            return data

        peer.elements = copy_and_be_overtaken
        reader = SafeReader(peer)
        self.assertEqual(reader.take().index, 0)  # seven more just fill the lap
        self.assertEqual((reader.take().index, reader.lost, reader.discarded), (2, 1, 1))

    def test_a_reader_that_is_overtaken_inside_a_message(self):
        peer = self.pair()
        for _ in range(3):
            peer.send(bytes(ELEMENT * 2))
        copy, overtakers = peer.elements, [3]

        def copy_and_be_overtaken(index, size):
            data = copy(index, size)
            if overtakers:
                peer.send(bytes(ELEMENT * overtakers.pop()))
            return data

        peer.elements = copy_and_be_overtaken
        reader = SafeReader(peer, 2)
        self.assertEqual((reader.take().index, reader.lost, reader.discarded), (4, 2, 1))
        self.assertEqual(peer.slots()[2], (2, 2))  # which says nothing of the element behind it

    def test_a_margin_keeps_away_from_the_writers(self):
        peer = self.pair()
        for _ in range(8):
            peer.send(bytes(ELEMENT))
        self.assertEqual(SafeReader(peer).take().index, 0)
        reader = SafeReader(peer, margin=2)
        self.assertEqual((reader.take().index, reader.lost), (2, 2))
        bulk = BulkConsumer(peer, lap_checked=True, margin=2)
        self.assertEqual((bulk.consume(1), bulk.state.lost), (1, 2))

    def test_a_pieced_publication(self):
        peer = self.pair()
        peer.reserve(4)
        peer.publish(0, 2)
        peer.publish(2, 2)
        reader = SafeReader(peer)
        self.assertEqual([(message.index, message.size) for message in iter(reader.take, None)], [(0, 2), (2, 2)])

    def test_the_shared_cursor_gives_each_message_once(self):
        for version in VERSIONS:
            peer = self.pair(version)
            first, second = (SharedCursor(name) for name in [self.name()] * 2)
            for shared in (first, second):
                self.addCleanup(shared.close)
            for count in (3, 3):
                peer.send(bytes(ELEMENT * count))
            self.assertEqual(peer.read_shared(first).index, 0)
            self.assertEqual(peer.read_shared(second).index, 3)
            peer.send(bytes(ELEMENT * 3))
            self.assertEqual(peer.read_shared(first).index, 8)  # behind the wrap marker
            self.assertIsNone(peer.read_shared(second))
            self.assertEqual(second.load(), 11)

    def test_the_join_position(self):
        peer = self.pair()
        peer.reserve(3)
        self.assertEqual(peer.initial_reading_index(), 3)


class Payload(PeerTest):
    SIZES = (8, 24, 25, 31, 32, 61, 64, 4096)

    def messages(self):
        for element_size in self.SIZES:
            for producer, sequence in ((1, 0), (3, 77), (65535, (1 << 48) - 1)):
                size = payload.message_size(11, producer, sequence, 1, 4)
                data = payload.message(element_size, 11, producer, sequence, size)
                yield element_size, producer, sequence, data, size

    def test_c_agrees(self):
        for element_size, producer, sequence, data, size in self.messages():
            self.assertEqual(native.message_size(11, producer, sequence, 1, 4), size)
            buffer = (native.ctypes.c_char * len(data))()
            address = native.ctypes.addressof(buffer)
            for number in range(size):
                native.fill_element(address + number * element_size, element_size, 11, producer, sequence, number)
            self.assertEqual(buffer.raw, data)

    def test_cpp_agrees(self):
        program = os.environ.get("SLICK_PEER_PAYLOAD_PRINT")
        if not program:
            self.skipTest("SLICK_PEER_PAYLOAD_PRINT does not name the built program")
        for element_size, producer, sequence, data, _ in self.messages():
            output = subprocess.run([program, *map(str, (element_size, 11, producer, sequence, 1, 4))], text=True,
                                    stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout
            self.assertEqual(bytes.fromhex(output), data)

    def test_whatever_is_changed_is_noticed(self):
        for element_size, producer, sequence, data, size in self.messages():
            self.assertEqual(payload.origin(data, size, element_size), (producer, sequence))
            self.assertEqual(self.intact_in_c(data, size, element_size), (producer, sequence))
            for position in range(0, len(data), 1 + len(data) // 50):
                changed = bytearray(data)
                changed[position] ^= 1
                for judge in (payload.origin, self.intact_in_c):
                    self.assertNotEqual(judge(bytes(changed), size, element_size), (producer, sequence))

    def test_mixed_messages_are_noticed(self):
        for element_size in self.SIZES:
            one, other = (payload.message(element_size, 11, 1, sequence, 2) for sequence in (5, 6))
            mixed = one[:element_size] + other[element_size:]
            doubled = one[:element_size] * 2
            for judge in (payload.origin, self.intact_in_c):
                self.assertIsNone(judge(mixed, 2, element_size))
                self.assertIsNone(judge(bytes(2 * element_size), 2, element_size))
                if element_size != 8:
                    self.assertIsNone(judge(doubled, 2, element_size))

    @staticmethod
    def intact_in_c(data, size, element_size):
        producer, sequence = native.U64(), native.U64()
        if native.message_intact(data, size, element_size, producer, sequence):
            return payload.Origin(producer.value, sequence.value)
        return None
