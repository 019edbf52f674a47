"""Class Peer: an original's behaviour on a segment, version by version, with what it gets wrong left wrong."""

import os
import struct
import time
from typing import NamedTuple, Optional

import peer_native as native
import peer_segment as segment
from peer_segment import (AttachRefused, HEADER_SIZE, LAST_PUBLISHED, NONE, PAGE, PeerError, POLL, SLOT_SIZE, VERSIONS,
                          WouldCrash)

INDEX_SHIFT, SIZE_MASK = 16, 0xFFFF
MASK_64 = (1 << 64) - 1
UPSTREAM_POLLS = 2000  # 1.4.0's wait for a creator, in milliseconds


class Message(NamedTuple):
    cursor: int  # where the reader stood
    index: int   # where the message says it is; beyond the cursor when the reader was lapped
    size: int    # in elements
    data: bytes


class Last(NamedTuple):
    index: int
    size: Optional[int]  # 1.2.x and 1.3.0 do not tell
    data: bytes


class SharedCursor:
    """The eight-byte object through which consumers share out the messages of a queue."""

    def __init__(self, name, patience=10.0):
        self.path = segment.object_path(name)
        try:
            descriptor = segment.open_new(self.path, 0o666)
            os.ftruncate(descriptor, 8)
        except FileExistsError:
            descriptor = segment.open_existing(self.path)
            self._await_size(descriptor, patience)
        self.mapping = segment.Mapping(descriptor, 8)
        os.close(descriptor)
        self.address = self.mapping.address

    def _await_size(self, descriptor, patience):
        deadline = time.monotonic() + patience
        while os.fstat(descriptor).st_size < 8:
            if time.monotonic() > deadline:
                raise AttachRefused(f"{self.path} stayed empty")
            time.sleep(POLL)

    def load(self):
        return native.load_acquire_64(self.address)

    def store(self, value):
        """Where to begin, before anybody reads."""
        native.store_release_64(self.address, value)

    def close(self):
        self.mapping.close()


class Peer:
    def __init__(self, version, attached, element_size):
        self.version = VERSIONS[version]
        self.attached = attached
        self.mapping = attached.mapping
        self.base = attached.mapping.address
        self.capacity = attached.capacity
        self.mask = attached.capacity - 1
        self.element_size = element_size
        self.owner = attached.owner
        self.wiped = attached.wiped
        self.tracks_last = attached.tracks_last
        self.data_offset = HEADER_SIZE + SLOT_SIZE * attached.capacity
        self.shared_marker_skips = 0  # indices that this peer moved a shared cursor past at wrap markers
        self.before_marker = lambda: None  # runs between a wrapping reservation and its marker

    @classmethod
    def open(cls, name, element_size, version="1.2.0", polls=UPSTREAM_POLLS):
        """Attach by name."""
        return cls(version, segment.open_segment(VERSIONS[version], name, element_size, polls), element_size)

    @classmethod
    def attach_or_create(cls, name, capacity, element_size, version="1.2.0", polls=UPSTREAM_POLLS):
        """Attach with name and size; wipes where the original wipes, and `wiped` then says so."""
        attached = segment.create_or_open_segment(VERSIONS[version], name, capacity, element_size, polls)
        return cls(version, attached, element_size)

    @classmethod
    def create(cls, name, capacity, element_size, version="1.2.0"):
        """attach_or_create for one who knows that there is none yet."""
        if os.path.exists(segment.object_path(name)):
            raise AttachRefused(f"{name} is already there")
        return cls.attach_or_create(name, capacity, element_size, version)

    def close(self, unlink=None):
        """As the original's destructor: a C++ owner takes the name with it, Python leaves it to unlink()."""
        if unlink is None:
            unlink = self.owner and not self.version.python
        self.mapping.close()
        if unlink:
            try:
                os.unlink(self.attached.path)
            except FileNotFoundError:
                pass

    # Where things are

    def slot(self, index):
        return self.base + HEADER_SIZE + (index & self.mask) * SLOT_SIZE

    def slots(self):
        """(data_index, size) of every slot, as last seen."""
        return [struct.unpack_from("<QI", self.mapping.bytes, HEADER_SIZE + number * SLOT_SIZE)
                for number in range(self.capacity)]

    def reserved(self):
        """(index, size) of the reserved word."""
        word = native.load_relaxed_64(self.base)
        return word >> INDEX_SHIFT, word & SIZE_MASK

    def reserved_index(self):
        return native.load_relaxed_64(self.base) >> INDEX_SHIFT

    initial_reading_index = reserved_index

    def elements(self, index, size):
        """A copy of `size` elements from `index & mask`, cut off at the array's end."""
        start = self.data_offset + (index & self.mask) * self.element_size
        return self.mapping.bytes[start:min(start + size * self.element_size, self.mapping.size)]

    # 2.1, 2.2: producing

    def reserve(self, count=1):
        if count > self.capacity:
            raise PeerError(f"reserve({count}) of {self.capacity}")
        if count < 1 and self.version.name != "1.2.0":
            raise ValueError(f"reserve({count})")
        if count == 1 and self.version.adds_single:
            return self._reserve_one()
        current = native.load_relaxed_64(self.base)
        while True:
            position = current >> INDEX_SHIFT
            offset = position & self.mask
            wrapped = offset + count > self.capacity
            index = position + self.capacity - offset if wrapped else position
            desired = ((index + count) << INDEX_SHIFT | (count & SIZE_MASK)) & MASK_64
            seen = native.compare_exchange_release_64(self.base, current, desired)
            if seen == current:
                break
            current = seen
        if wrapped:
            self.before_marker()
            self._write_marker(position, index, count)
        return index

    def _reserve_one(self):
        before = native.fetch_add_release_64(self.base, 1 << INDEX_SHIFT)
        index, size = before >> INDEX_SHIFT, before & SIZE_MASK
        if size != 1:
            after = (index + 1) << INDEX_SHIFT & MASK_64
            native.compare_exchange_release_64(self.base, after | size, after | 1)
        return index

    def _write_marker(self, position, index, count):
        slot = self.slot(position)
        if self.version.python:  # bytes, and the index first (H13)
            struct.pack_into("<Q", self.mapping.bytes, slot - self.base, index)
            struct.pack_into("<I", self.mapping.bytes, slot - self.base + 8, count)
            return
        native.store_relaxed_32(slot + 8, count)
        native.store_release_64(slot, index)

    def write(self, index, data):
        """Fills elements that were reserved."""
        start = self.data_offset + (index & self.mask) * self.element_size
        if start + len(data) > self.mapping.size:
            raise WouldCrash("a write beyond the array")
        self.mapping.bytes[start:start + len(data)] = data

    def publish(self, index, count=1):
        slot = self.slot(index)
        native.store_relaxed_32(slot + 8, count)
        native.store_release_64(slot, index)
        if self.tracks_last:
            self._advance_last_published(index)

    def _advance_last_published(self, index):
        word = self.base + LAST_PUBLISHED
        current = native.load_relaxed_64(word)
        while current == NONE or current < index:
            seen = native.compare_exchange_release_64(word, current, index)
            if seen == current:
                return
            current = seen

    def send(self, data):
        """reserve, write, publish; returns the index."""
        count = len(data) // self.element_size
        index = self.reserve(count)
        self.write(index, data)
        self.publish(index, count)
        return index

    # 2.3, 2.4: reading

    def read(self, cursor):
        """(message or None, the new cursor). Nothing is checked after the copy, as in the original."""
        while True:
            slot = self.slot(cursor)
            index = native.load_acquire_64(slot)
            if index != NONE and self.reserved_index() < index:
                cursor = 0  # H9: goes on with the index and size of the slot it came from
            if index == NONE or index < cursor:
                return None, cursor
            if index > cursor and index & self.mask != cursor & self.mask:
                cursor = index
                continue
            size = native.load_relaxed_32(slot + 8)
            return Message(cursor, index, size, self.elements(cursor, size)), index + size

    def read_shared(self, shared):
        """The next message that no other holder of the SharedCursor gets, or None."""
        relaxed = self.version.ready_state
        load = native.load_relaxed_64 if relaxed else native.load_acquire_64
        exchange = native.compare_exchange_relaxed_64 if relaxed else native.compare_exchange_release_64
        while True:
            cursor = load(shared.address)
            slot = self.slot(cursor)
            index = native.load_acquire_64(slot)
            if index != NONE and self.reserved_index() < index:
                native.store_release_64(shared.address, 0)
                continue
            if index == NONE or index < cursor:
                return None
            if index > cursor and index & self.mask != cursor & self.mask:
                if exchange(shared.address, cursor, index) == cursor:
                    self.shared_marker_skips += index - cursor
                continue
            size = native.load_relaxed_32(slot + 8)
            if exchange(shared.address, cursor, index + size) == cursor:
                return Message(cursor, index, size, self.elements(cursor, size))

    # 2.5, 2.6

    def read_last(self):
        if self.tracks_last:
            return self._read_last_published()
        index, size = self.reserved()
        if index == 0:
            return None
        index = (index - size) & (MASK_64 >> INDEX_SHIFT)
        if self.version.ready_state:
            return Last(index, size, self.elements(index, size))
        return Last(index, None, self.elements(index, 1))

    def _read_last_published(self):
        index = native.load_acquire_64(self.base + LAST_PUBLISHED)
        if index == NONE:
            return None
        word = HEADER_SIZE + index * SLOT_SIZE + 8  # H10: no mask
        if word + 4 > -(-self.mapping.size // PAGE) * PAGE:
            raise WouldCrash("1.4.0's read_last reads a size beyond its mapping")
        size = native.load_relaxed_32(self.base + word)
        return Last(index, size, self.elements(index, size))

    def reset(self):
        segment.reset_segment(self.attached)
