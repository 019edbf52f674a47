"""The payload convention of README.md in Python."""

import ctypes
from typing import NamedTuple

import eshm_native as native

ANONYMOUS_BELOW = 8


class Origin(NamedTuple):
    writer: int  # 1 to 65535; 0: the message is whole, but too short to say whose it is
    number: int


def message(size, seed, writer, number):
    buffer = ctypes.create_string_buffer(max(size, 1))
    native.fill(buffer, size, seed, writer, number)
    return buffer.raw[:size]


def message_size(seed, writer, number, smallest, largest):
    return native.message_size(seed, writer, number, smallest, largest)


def origin(data):
    """Who wrote the message, or None when it is not one writer's whole message."""
    writer, number = native.U64(), native.U64()
    if not native.intact(data, len(data), ctypes.byref(writer), ctypes.byref(number)):
        return None
    return Origin(writer.value, number.value)
