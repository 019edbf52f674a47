"""The book of one program: a record for every write begun, every write completed and every message read.

Records lie in a mapped file, so what was recorded before SIGKILL is there afterwards. A record's kind is stored last;
the first kind 0 is the end.
"""

import mmap
import os
import struct
import time
from typing import NamedTuple

STARTED, COMPLETED, READ, TORN = 1, 2, 3, 4
RECORD = struct.Struct("<IIQQQ")  # kind, size, writer, number, CLOCK_MONOTONIC in ns
CHUNK = RECORD.size << 15


class Record(NamedTuple):
    kind: int
    size: int
    writer: int
    number: int
    nanoseconds: int


class Log:
    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self.offset, self.capacity = 0, 0

    def add(self, kind, size, writer, number):
        if self.offset == self.capacity:
            self.capacity += CHUNK
            os.ftruncate(self.descriptor, self.capacity)
            self.bytes = mmap.mmap(self.descriptor, self.capacity)
        RECORD.pack_into(self.bytes, self.offset, 0, size, writer, number, time.monotonic_ns())
        struct.pack_into("<I", self.bytes, self.offset, kind)
        self.offset += RECORD.size


class NoLog:
    def add(self, kind, size, writer, number):
        pass


def read_log(path):
    with open(path, "rb") as file:
        content = file.read()
    records = []
    for fields in RECORD.iter_unpack(content[:len(content) // RECORD.size * RECORD.size]):
        if fields[0] == 0:
            break
        records.append(Record(*fields))
    return records
