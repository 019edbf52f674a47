"""Reads a segment from outside, attached to nothing: what is in it, and what of it cannot be right."""

import os
import struct

from eshm_segment import (CHANNEL_PADDING, DATA, FEATURE_FUTEX, HEADER_PADDING, HEADER_SIZE, MAGIC,
                          MASTER_HEARTBEAT, layout)

HEADER = ("master_heartbeat", "slave_heartbeat", "master_pid", "slave_pid", "master_alive", "slave_alive",
          "stale_threshold", "master_generation", "features", "layout_size")
AROUND_DATA = 128  # a channel without its data, when that is a multiple of 64
COUNTERS = ("write_count", "read_count", "wake_seq", "waiters")


def max_size_of(file_size):
    """64 neighbouring sizes make the same segment; programs choose the multiple of 64 among them."""
    return max((file_size - HEADER_SIZE) // 2 - AROUND_DATA, 0)


def _channel(content, offset, where):
    sequence, size = struct.unpack_from("<II", content, offset)
    channel = {"sequence": sequence, "data_size": size}
    channel.update(zip(COUNTERS, struct.unpack_from("<QQII", content, offset + where.counters)))
    channel["data"] = content[offset + DATA:offset + DATA + min(size, where.max_size)].hex()
    return channel


def _channel_problems(name, content, offset, channel, version, where):
    if channel["data_size"] > where.max_size:
        yield f"{name}: data_size {channel['data_size']} is more than {where.max_size}"
    if channel["sequence"] % 2:
        yield f"{name}: sequence {channel['sequence']} is odd: written now, given up, or of inverted parity"
    elif channel["sequence"] != 2 * channel["write_count"] % (1 << 32):
        yield f"{name}: sequence {channel['sequence']} does not go with write_count {channel['write_count']}"
    if channel["read_count"] > channel["write_count"]:
        yield f"{name}: read_count {channel['read_count']} is more than write_count {channel['write_count']}"
    if version == 2 and (channel["wake_seq"] or channel["waiters"]):
        yield f"{name}: version 2 has padding where wake_seq and waiters are"
    if any(content[offset + where.counters + CHANNEL_PADDING:offset + where.channel]):
        yield f"{name}: padding is not zero"
    if any(content[offset + DATA + where.max_size:offset + where.counters]):
        yield f"{name}: there is something between data and counters"


def _header_problems(content, header, where):
    if header["magic"] != MAGIC:
        yield f"magic {header['magic']:#x}"
    if header["version"] not in (2, 3):
        yield f"version {header['version']}"
    expected = (FEATURE_FUTEX, where.total) if header["version"] == 3 else (0, 0)
    if (header["features"], header["layout_size"]) != expected:
        yield f"features and layout_size {header['features']}, {header['layout_size']} instead of {expected}"
    if header["master_alive"] > 1 or header["slave_alive"] > 1:
        yield "an alive flag is neither 0 nor 1"
    if any(content[HEADER_PADDING:HEADER_SIZE]):
        yield "header: padding is not zero"


def parse(content, max_size=None):
    """A segment's bytes as numbers, with the list of problems; a message that is being written is a problem, too."""
    where = layout(max_size if max_size is not None else max_size_of(len(content)))
    found = {"file_size": len(content), "max_size": where.max_size}
    if len(content) != where.total:
        return {**found, "problems": [f"{len(content)} bytes instead of {where.total}"]}
    found["magic"], found["version"] = struct.unpack_from("<II", content)
    found.update(zip(HEADER, struct.unpack_from("<QQiiIIIIII", content, MASTER_HEARTBEAT)))
    problems = list(_header_problems(content, found, where))
    for name, offset in (("m2s", where.master_to_slave), ("s2m", where.slave_to_master)):
        found[name] = _channel(content, offset, where)
        problems += _channel_problems(name, content, offset, found[name], found["version"], where)
    return {**found, "problems": problems}


def dump(path, max_size=None):
    with open(path, "rb") as file:
        return {"mode": oct(os.fstat(file.fileno()).st_mode & 0o7777), **parse(file.read(), max_size)}
