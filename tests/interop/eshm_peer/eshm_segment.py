"""The segment: where things are, how each original creates one or attaches to one, and what a judge says of one.

Where an original would die of SIGBUS, the peer raises WouldCrash instead.
"""

import ctypes
import mmap
import os
import struct
from typing import NamedTuple

import eshm_native as native

DIRECTORY = "/dev/shm"
LONGEST_NAME = 255
MAGIC, DEFAULT_SIZE, FEATURE_FUTEX = 0x4553484D, 4096, 1
VERSIONS = ("2", "3")

HEADER_SIZE = 128
(MASTER_HEARTBEAT, SLAVE_HEARTBEAT, MASTER_PID, SLAVE_PID, MASTER_ALIVE, SLAVE_ALIVE, STALE_THRESHOLD, GENERATION,
 FEATURES, LAYOUT_SIZE, HEADER_PADDING) = 8, 16, 24, 28, 32, 36, 40, 44, 48, 52, 56

SEQUENCE, DATA_SIZE, DATA = 0, 4, 8
READ_COUNT, WAKE_SEQUENCE, WAITERS, CHANNEL_PADDING = 8, 16, 20, 24  # from write_count, which lies behind the data


class PeerError(Exception):
    kind = "error"
    code = None


class Refused(PeerError):
    """The original's init returns NULL."""
    kind = "refused"


class WouldCrash(PeerError):
    """The original would be killed here, or touch memory that is not the segment's."""
    kind = "would_crash"


def round_up(value, unit):
    return -(-value // unit) * unit


class Layout(NamedTuple):
    max_size: int
    counters: int  # offset of write_count in a channel
    channel: int
    master_to_slave: int
    slave_to_master: int
    total: int


def layout(max_size=DEFAULT_SIZE):
    counters = round_up(DATA + max_size, 8)
    channel = round_up(counters + 64, 64)
    return Layout(max_size, counters, channel, HEADER_SIZE, HEADER_SIZE + channel, HEADER_SIZE + 2 * channel)


def object_path(name):
    name = "/eshm_" + name
    name = (name[0] + name[1:].replace("/", "_"))[:LONGEST_NAME]
    return DIRECTORY + name


class Mapping:
    """A shared mapping, with its address. It is unmapped when nobody holds it any more, so that a read that is under
    way when the monitor detaches ends in peace, where an original may crash (H13)."""

    def __init__(self, descriptor, size):
        found = os.fstat(descriptor).st_size
        if found < size:
            raise WouldCrash(f"{size} bytes are mapped of an object of {found}: SIGBUS when touched")
        self.size = size
        self.bytes = mmap.mmap(descriptor, size)
        self._anchor = ctypes.c_char.from_buffer(self.bytes)
        self.address = ctypes.addressof(self._anchor)

    def load_32(self, offset):
        return native.load_32(self.address + offset)

    def load_64(self, offset):
        return native.load_64(self.address + offset)

    def store_32(self, offset, value):
        native.store_32(self.address + offset, value)


def create(name, version, where, stale_threshold):
    """Whoever looks between the steps finds an empty file or no magic (H3)."""
    path = object_path(name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise Refused(f"cannot create {path}: {error.strerror}") from error
    try:
        os.ftruncate(descriptor, where.total)
        mapping = Mapping(descriptor, where.total)
    finally:
        os.close(descriptor)
    mapping.bytes[:] = bytes(where.total)
    mapping.store_32(0, MAGIC)
    mapping.store_32(4, int(version))
    mapping.store_32(STALE_THRESHOLD, stale_threshold)
    if version == "3":
        mapping.store_32(FEATURES, FEATURE_FUTEX)
        mapping.store_32(LAYOUT_SIZE, where.total)
    return mapping


def open_existing(name):
    path = object_path(name)
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"cannot open {path}: {error.strerror}") from error


def header_of(descriptor):
    """The first page as a program sees it that maps more than there is: zeros behind the end, SIGBUS without a page."""
    header = os.pread(descriptor, HEADER_SIZE, 0)
    if not header:
        raise WouldCrash("the object is empty: SIGBUS when its header is touched")
    return header.ljust(HEADER_SIZE, b"\0")


def require_valid(header, version, where):
    """What each version looks at when it attaches first; None: what both look at when they attach again."""
    magic, found = struct.unpack_from("<II", header)
    if magic != MAGIC:
        raise Refused(f"the magic is {magic:#x}")
    if version != "3":
        return
    if found != 3:
        raise Refused(f"version 3 refuses a segment of version {found}")
    (size,) = struct.unpack_from("<I", header, LAYOUT_SIZE)
    if size != where.total:
        raise Refused(f"the segment's layout_size is {size}, not {where.total}")


def attach(name, version, where):
    descriptor = open_existing(name)
    try:
        require_valid(header_of(descriptor), version, where)
        return Mapping(descriptor, where.total)
    finally:
        os.close(descriptor)


def slave_alive(name):
    """None when there is no such segment."""
    try:
        descriptor = open_existing(name)
    except Refused:
        return None
    try:
        return struct.unpack_from("<I", header_of(descriptor), SLAVE_ALIVE)[0]
    finally:
        os.close(descriptor)


def unlink(name):
    try:
        os.unlink(object_path(name))
    except FileNotFoundError:
        pass
