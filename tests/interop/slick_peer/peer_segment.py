"""The segment: where things are, and how each original version makes one or attaches to one.

Where an original would die of SIGBUS or read outside its mapping, the peer raises WouldCrash instead.
"""

import ctypes
import errno
import mmap
import os
import struct
import time
from typing import NamedTuple

import peer_native as native

DIRECTORY = "/dev/shm"
HEADER_SIZE, SLOT_SIZE, PAGE = 64, 16, mmap.PAGESIZE
RESERVED, CAPACITY, ELEMENT, LAST_PUBLISHED, MAGIC, STATE = 0, 8, 12, 16, 24, 48
HEADER_MAGIC = 0x534C5131
NONE = (1 << 64) - 1
UNINITIALISED, LEGACY, INITIALISING, READY = 0, 1, 2, 3
POLL = 0.001
LEGACY_POLLS = 5


class PeerError(Exception):
    kind = "error"


class AttachRefused(PeerError):
    """The original refuses: absent, mismatched, or its wait for the creator has ended."""
    kind = "refused"


class WouldCrash(PeerError):
    """The original would be killed here, or touch memory that is not the queue's."""
    kind = "would-crash"


class Version(NamedTuple):
    name: str
    claims: bool          # open-or-create claims offset 48 by compare-and-swap (1.3.0 and later)
    ready_state: bool     # states 2 and 3, magic, last_published (1.4.0)
    adds_single: bool     # reserve(1) by fetch_add
    checks_open: bool     # attaching by name checks N and E
    checks_element: bool  # attaching with a size checks E too
    waits: bool           # attaching with a size sleeps a millisecond first
    python: bool = False


VERSIONS = {version.name: version for version in (
    Version("1.2.0", False, False, False, False, False, False),
    Version("1.2.3", False, False, True, True, True, True),
    Version("1.3.0", True, False, True, True, True, True),
    Version("1.4.0", True, True, True, True, True, False),
    Version("python", False, False, False, True, True, False, python=True),
)}


def object_path(name):
    name = name[1:] if name.startswith("/") else name
    if not name or "/" in name:
        raise AttachRefused(f"not a name for shared memory: '{name}'")
    return os.path.join(DIRECTORY, name)


def segment_size(capacity, element_size):
    return HEADER_SIZE + capacity * (SLOT_SIZE + element_size)


def is_power_of_two(value):
    return value > 0 and value & (value - 1) == 0


class Mapping:
    """A shared mapping of a whole object, with its address, so that words in it can be reached atomically."""

    def __init__(self, descriptor, size):
        if os.fstat(descriptor).st_size < size:
            raise WouldCrash(f"a mapping of {size} bytes reaches beyond the object of "
                             f"{os.fstat(descriptor).st_size} bytes: SIGBUS when touched")
        self.size = size
        self.bytes = mmap.mmap(descriptor, size)
        self._anchor = ctypes.c_char.from_buffer(self.bytes)
        self.address = ctypes.addressof(self._anchor)

    def close(self):
        del self._anchor  # a mapping that somebody points into cannot be closed
        self.bytes.close()

    def u32(self, offset):
        return struct.unpack_from("<I", self.bytes, offset)[0]


class Attached(NamedTuple):
    mapping: Mapping
    path: str
    capacity: int
    owner: bool        # created or claimed it, and unlinks it at the end
    wiped: bool        # claimed what another program was using (H7)
    tracks_last: bool  # maintains and trusts last_published


def open_new(path, mode):
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)


def open_existing(path):
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise AttachRefused(f"there is no {path}") from error


def _write_slots(mapping, capacity):
    mapping.bytes[HEADER_SIZE:HEADER_SIZE + capacity * SLOT_SIZE] = struct.pack("<QII", NONE, 1, 0) * capacity


def _initialise(version, mapping, capacity, element_size):
    """2.7: the stores in each version's order, after offset 48 was claimed where the version does so."""
    base = mapping.address
    if version.python:
        mapping.bytes[:HEADER_SIZE] = bytes(HEADER_SIZE)
    elif version.ready_state:
        native.store_relaxed_32(base + MAGIC, HEADER_MAGIC)
        native.store_relaxed_64(base + RESERVED, 0)
        native.store_relaxed_64(base + LAST_PUBLISHED, NONE)
    else:
        native.store_relaxed_64(base + RESERVED, 0)
    struct.pack_into("<I", mapping.bytes, CAPACITY, capacity)
    struct.pack_into("<I", mapping.bytes, ELEMENT, element_size)
    _write_slots(mapping, capacity)
    if version.ready_state:
        native.store_release_32(base + STATE, READY)


def _await_ready(mapping, polls):
    """1.4.0: whether last_published may be trusted, once the creator has finished or is an older version."""
    for poll in range(polls):
        state = native.load_acquire_32(mapping.address + STATE)
        if state == READY:
            return native.load_relaxed_32(mapping.address + MAGIC) == HEADER_MAGIC
        if state == LEGACY and poll >= LEGACY_POLLS and mapping.u32(CAPACITY) and mapping.u32(ELEMENT):
            return False
        time.sleep(POLL)
    raise AttachRefused(f"1.4.0 waited {polls} ms for the creator: offset 48 is "
                        f"{native.load_acquire_32(mapping.address + STATE)}")


def _check(mapping, capacity, element_size):
    """None for what this version or form does not look at."""
    found = mapping.u32(CAPACITY), mapping.u32(ELEMENT)
    if not is_power_of_two(found[0]):
        raise AttachRefused(f"capacity {found[0]} is no power of two")
    if capacity is not None and found[0] != capacity:
        raise AttachRefused(f"capacity is {found[0]}, not {capacity}")
    if element_size is not None and found[1] != element_size:
        raise AttachRefused(f"element size is {found[1]}, not {element_size}")


def open_segment(version, name, element_size, polls):
    """The form that knows only the name."""
    path = object_path(name)
    descriptor = open_existing(path)
    try:
        if os.fstat(descriptor).st_size == 0 and (version.claims or version.python):
            raise AttachRefused(f"mmap of the empty {path}: {os.strerror(errno.EINVAL)}")
        header = Mapping(descriptor, HEADER_SIZE)
        try:
            tracks_last = _await_ready(header, polls) if version.ready_state else False
            if version.checks_open:
                _check(header, None, element_size)
            capacity = header.u32(CAPACITY)
        finally:
            header.close()
        if not capacity:
            raise WouldCrash("the header is not initialised, and this version does not look")
        mapping = Mapping(descriptor, segment_size(capacity, element_size))
    finally:
        os.close(descriptor)
    return Attached(mapping, path, capacity, False, False, tracks_last)


def create_or_open_segment(version, name, capacity, element_size, polls):
    """The form that knows name and size. 1.3.0 and 1.4.0 wipe here what 1.2.x or Python created (1.5)."""
    if not is_power_of_two(capacity):
        raise AttachRefused(f"capacity {capacity} is no power of two")
    path = object_path(name)
    size = segment_size(capacity, element_size)
    try:
        descriptor = open_new(path, 0o600 if version.python else 0o666)
        created = True
    except FileExistsError:
        descriptor = open_existing(path)
        created = False
    try:
        if created or (version.claims and os.fstat(descriptor).st_size == 0):
            os.ftruncate(descriptor, size)
        elif version.waits:
            time.sleep(POLL)
        mapping = Mapping(descriptor, size)
    finally:
        os.close(descriptor)
    return _claim_or_attach(version, Attached(mapping, path, capacity, created, False, False), element_size, polls)


def _claim_or_attach(version, attached, element_size, polls):
    mapping, capacity = attached.mapping, attached.capacity
    try:
        owner = attached.owner
        if version.claims:
            claimed = INITIALISING if version.ready_state else LEGACY
            owner = native.compare_exchange_acq_rel_32(mapping.address + STATE, UNINITIALISED, claimed) == UNINITIALISED
        if owner:
            wiped = mapping.u32(CAPACITY) != 0
            _initialise(version, mapping, capacity, element_size)
            return attached._replace(owner=True, wiped=wiped, tracks_last=version.ready_state)
        tracks_last = _await_ready(mapping, polls) if version.ready_state else False
        _check(mapping, capacity, element_size if version.checks_element else None)
        return attached._replace(owner=False, tracks_last=tracks_last)
    except PeerError:
        mapping.close()
        raise


def reset_segment(attached):
    _write_slots(attached.mapping, attached.capacity)
    native.store_release_64(attached.mapping.address + RESERVED, 0)
    if attached.tracks_last:
        native.store_relaxed_64(attached.mapping.address + LAST_PUBLISHED, NONE)
