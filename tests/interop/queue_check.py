"""Compares readers' logs with the producers', line by line, without holding them in memory."""

import heapq
import itertools
from typing import NamedTuple


class Row(NamedTuple):
    index: int
    size: int
    producer: str
    sequence: str
    line: str


def rows(path):
    with open(path, encoding="ascii") as file:
        for line in file:
            fields = line.split()
            yield Row(int(fields[0]), int(fields[1]), fields[2], fields[3], line)


def merged(paths):
    """In the queue's order, if each log is."""
    return heapq.merge(*map(rows, paths))


def place(position, size, capacity):
    """Where a reservation of `size` begins when `position` elements are reserved before it."""
    return position if position % capacity + size <= capacity else (position // capacity + 1) * capacity


class Reservations(NamedTuple):
    end: int      # the index after the last one
    tails: int    # elements that wraps skipped
    holes: list   # [(index, size)] of those that were never published


def reservations(paths, start, capacity, hole_sizes=()):
    """Every element from `start` on was reserved once: by a message in the logs, a wrap's tail, or one of the holes.
    Each producer's sequences are complete and in the queue's order."""
    position, tails, holes, left = start, 0, [], list(hole_sizes)
    next_sequence = {}
    for row in itertools.chain(merged(paths), [None]):
        while row is None or place(position, row.size, capacity) != row.index:
            fitting = [size for size in left if row is None or place(position, size, capacity) + size <= row.index]
            if not fitting:
                break
            size = max(fitting)  # of two, the smaller could be taken for a part of the larger
            index = place(position, size, capacity)
            holes.append((index, size))
            left.remove(size)
            tails, position = tails + index - position, index + size
        if row is None:
            break
        index = place(position, row.size, capacity)
        assert row.index == index, f"after {position} elements, {row.size} were reserved at {row.index}, not at {index}"
        expected = next_sequence.setdefault(row.producer, 0)
        assert int(row.sequence) == expected, f"producer {row.producer}: {row.sequence} follows {expected - 1}"
        next_sequence[row.producer] = expected + 1
        tails, position = tails + index - position, index + row.size
    assert not left, f"holes of {left} elements found no place"
    return Reservations(position, tails, holes)


def exactly_once(sent, got, what):
    """What the readers (one, or a group) got is what was sent: whole, once, in the queue's order within each log."""
    for ours, theirs in itertools.zip_longest(merged(got), merged(sent)):
        if ours is None or theirs is None or ours.line != theirs.line:
            raise AssertionError(f"{what}: read {ours and ours.line!r} where {theirs and theirs.line!r} was sent")


def at_most_once(sent, got, what):
    """As above, of messages that may be missing."""
    remaining, before = merged(sent), -1
    for row in merged(got):
        assert row.index > before, f"{what}: twice or out of order: {row.line!r}"
        match = next((other for other in remaining if other.index >= row.index), None)
        assert match is not None and match.line == row.line, f"{what}: read {row.line!r}, sent was {match}"
        before = row.index


class Gap(NamedTuple):
    start: int
    end: int
    lost: int
    skipped: int


def read_gaps(path):
    with open(path, encoding="ascii") as file:
        return [Gap(*map(int, line.split())) for line in file]


class Books(NamedTuple):
    elements: int
    lost: int
    skipped: int


def private_books(sent, reader, never_published=()):
    """The log and the gaps of a private reader cover every element from its start to its cursor, once; every message
    that it did not get lies in one gap, where no more elements were skipped than were never published."""
    gaps, got = read_gaps(reader.gaps), rows(reader.log)
    remaining = merged(sent)
    position, elements = reader.start, 0
    pieces = heapq.merge(((gap.start, gap.end, gap) for gap in gaps),
                         ((row.index, row.index + row.size, row) for row in got), key=lambda piece: piece[0])
    waiting = None
    for start, end, piece in pieces:
        assert start == position, f"{reader.what}: from {position} on nothing is said, or twice, next is {piece}"
        inside, waiting = messages_before(remaining, waiting, end, start)
        if isinstance(piece, Row):
            assert [row.line for row in inside] == [piece.line], f"{reader.what}: read {piece.line!r}, sent {inside}"
            elements += piece.size
        else:
            missing = sum(row.size for row in inside)
            assert piece.lost + piece.skipped == end - start, f"{reader.what}: {piece} does not add up"
            assert missing <= piece.lost, f"{reader.what}: {piece} passes {missing} elements of messages"
            holes = [size for index, size in never_published if start <= index < end]
            assert piece.skipped >= sum(holes), f"{reader.what}: {piece} has holes of {holes}"
        position = end
    assert position == reader.report["cursor"], f"{reader.what}: all said until {position}, but {reader.report}"
    lost, skipped = sum(gap.lost for gap in gaps), sum(gap.skipped for gap in gaps)
    return Books(elements, lost, skipped)


def messages_before(remaining, waiting, end, start):
    """The sent messages in [start, end), and the first one behind."""
    inside = []
    for row in itertools.chain([waiting] if waiting else [], remaining):
        if row.index >= end:
            return inside, row
        assert start <= row.index and row.index + row.size <= end, f"{row.line!r} lies across {start} to {end}"
        inside.append(row)
    return inside, None
