"""The bulk loops of peer_bulk.c behind the same few methods that the loops in Python have (peer_programs.py)."""

import ctypes

import peer_native as native
from peer_payload import Origin, require_element_size

BATCH = 4096


def describe(peer):
    """The queue as the C half sees it; valid while the peer's mapping is."""
    return native.Queue(base=peer.base, capacity=peer.capacity, element_size=peer.element_size,
                        adds_single=peer.version.adds_single, tracks_last=peer.tracks_last,
                        plain_marker=peer.version.python, relaxed_cursor=peer.version.ready_state)


def lines_of(records, count):
    for record in records[:count]:
        yield (record.index, record.size, None if record.torn else Origin(record.producer, record.sequence),
               record.checksum)


class BulkProducer:
    def __init__(self, peer, producer, seed, sizes, first_sequence=0):
        require_element_size(peer.element_size)
        self.queue = describe(peer)
        self._copy = ctypes.create_string_buffer(sizes[1] * peer.element_size)
        self.production = native.Production(copy=ctypes.addressof(self._copy), producer=producer, seed=seed,
                                            next_sequence=first_sequence, smallest=sizes[0], largest=sizes[1])

    def produce(self, count, log=None):
        records = (native.Record * count)() if log is not None else None
        native.produce_many(self.queue, self.production, count, records)
        if log is not None:
            log.write_all(lines_of(records, count))

    @property
    def elements(self):
        return self.production.elements


class BulkConsumer:
    """Reads with a private cursor, or with a SharedCursor. `sizes` known: a message of another size counts as torn."""

    def __init__(self, peer, cursor=0, lap_checked=False, seed=0, sizes=(0, 0), shared=None, margin=0):
        require_element_size(peer.element_size)
        self.queue = describe(peer)
        self.shared = shared
        self._copy = ctypes.create_string_buffer(peer.capacity * peer.element_size)
        self.state = native.Consumption(cursor=cursor, copy=ctypes.addressof(self._copy), seed=seed, margin=margin,
                                        smallest=sizes[0], largest=sizes[1], lap_checked=lap_checked)
        self._records = (native.Record * BATCH)()

    def consume(self, limit, log=None):
        """Delivers up to `limit` messages; 0 when there is nothing now."""
        limit = min(limit, BATCH)
        records = self._records if log is not None else None
        if self.shared is None:
            count = native.consume_many(self.queue, self.state, limit, records)
        else:
            count = native.steal_many(self.queue, self.state, self.shared.address, limit, records)
        if log is not None:
            log.write_all(lines_of(self._records, count))
        return count

    def report(self):
        names = ("messages", "elements", "lost", "marker_skips", "discarded", "torn", "disorder", "resets")
        fields = {name: getattr(self.state, name) for name in names}
        fields["cursor"] = self.state.cursor if self.shared is None else self.shared.load()
        fields["skipped"] = 0
        fields["sources"] = {source.producer: source.received
                             for source in self.state.sources[:self.state.source_count]}
        return fields
