"""The payload convention of README.md in Python."""

import struct
import zlib
from typing import NamedTuple

SMALL = 8
PREFIX = 24
SEQUENCE_BITS = 48
MASK_64 = (1 << 64) - 1
SIZE_STREAM = 0xFFFFFFFF


class Origin(NamedTuple):
    producer: int
    sequence: int


def mix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK_64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK_64
    return state ^ (state >> 31)


def stream(seed, producer, sequence, number):
    return mix(mix(mix(mix(seed) ^ producer) ^ sequence) ^ number)


def message_size(seed, producer, sequence, smallest, largest):
    return smallest + stream(seed, producer, sequence, SIZE_STREAM) % (largest - smallest + 1)


def require_element_size(element_size):
    if element_size != SMALL and element_size < PREFIX:
        raise ValueError(f"the payload convention needs elements of {SMALL} or at least {PREFIX} bytes, "
                         f"not {element_size}")


def element(element_size, seed, producer, sequence, number):
    if element_size == SMALL:
        return struct.pack("<Q", producer << SEQUENCE_BITS | sequence)
    prefix = struct.pack("<QQI", producer, sequence, number)
    state = stream(seed, producer, sequence, number)
    words = (element_size - PREFIX + 7) // 8
    rest = struct.pack(f"<{words}Q", *(mix((state + word) & MASK_64) for word in range(words)))
    rest = rest[:element_size - PREFIX]
    return prefix + struct.pack("<I", zlib.crc32(rest, zlib.crc32(prefix))) + rest


def message(element_size, seed, producer, sequence, size):
    return b"".join(element(element_size, seed, producer, sequence, number) for number in range(size))


def _small_origin(data):
    if data != data[:SMALL] * (len(data) // SMALL):
        return None
    (value,) = struct.unpack_from("<Q", data)
    producer = value >> SEQUENCE_BITS
    return Origin(producer, value & ((1 << SEQUENCE_BITS) - 1)) if producer else None


def origin(data, size, element_size):
    """Who wrote the message, or None when the elements are not those of one message."""
    if size == 0 or len(data) != size * element_size:
        return None
    if element_size == SMALL:
        return _small_origin(data)
    first = struct.unpack_from("<QQ", data)
    for expected in range(size):
        one = data[expected * element_size:(expected + 1) * element_size]
        producer, sequence, number, checksum = struct.unpack_from("<QQII", one)
        if (producer, sequence) != first or number != expected:
            return None
        if checksum != zlib.crc32(one[PREFIX:], zlib.crc32(one[:PREFIX - 4])):
            return None
    return Origin(*first)
