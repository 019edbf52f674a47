"""A reader that the format allows to be right (section 3 of its description): lap-checked, to judge others with."""

import time

import peer_native as native
from peer_queue import INDEX_SHIFT, Message
from peer_segment import HEADER_MAGIC, LAST_PUBLISHED, MAGIC, NONE, READY, STATE

NOTHING, AGAIN = object(), object()


class SafeReader:
    """Delivers each surviving message once, whole and in order; cursor - start = elements + lost + marker_skips +
    skipped, until the queue is reset. `margin` is the spec's M: 0 on x86-64."""

    def __init__(self, peer, cursor=0, hole_timeout=None, margin=0):
        self.peer = peer
        self.cursor = cursor
        self.hole_timeout = hole_timeout
        self.margin = margin
        self.elements = self.lost = self.marker_skips = self.skipped = self.discarded = self.resets = 0
        self._hole_since = None
        self._hole_at = None

    def take(self):
        """The next message, or None."""
        while True:
            self._follow_reserved()
            outcome = self.attempt()
            if outcome is NOTHING:
                if not self._skip_hole():
                    return None
            elif outcome is not AGAIN:
                return outcome

    def _reserved_acquire(self):
        return native.load_acquire_64(self.peer.base) >> INDEX_SHIFT

    def _follow_reserved(self):
        reserved = self._reserved_acquire()
        if reserved < self.cursor:
            self.cursor = 0
            self.resets += 1
        elif reserved > self.cursor + self.peer.capacity:
            self._resynchronise()

    def attempt(self):
        """One pass of 3.1's steps 2 to 9: a message, NOTHING, or AGAIN."""
        peer, cursor = self.peer, self.cursor
        slot = peer.slot(cursor)
        index = native.load_acquire_64(slot)
        if index == NONE or index < cursor:
            return NOTHING
        if index & peer.mask != cursor & peer.mask:
            return self._follow_marker(index)
        size = native.load_relaxed_32(slot + 8)
        valid = 1 <= size <= peer.capacity - (index & peer.mask)
        data = peer.elements(index, size) if valid else b""
        if not valid or not self._still_valid(index):
            self.discarded += 1
            self._resynchronise()
            return NOTHING if self.cursor == cursor else AGAIN
        self.lost += index - cursor
        self.elements += size
        self.cursor = index + size
        return Message(index, index, size, data)

    def _follow_marker(self, index):
        if index & self.peer.mask != 0 or index > self.peer.reserved_index():
            return NOTHING  # half a marker (H13)
        self.marker_skips += index - self.cursor
        self.cursor = index
        return AGAIN

    def _still_valid(self, index):
        native.fence_acquire()
        if self.peer.reserved_index() + self.margin > index + self.peer.capacity:
            return False
        return native.load_relaxed_64(self.peer.slot(index)) == index

    def published(self, first, last):
        """The smallest message start in [first, last), or `last`."""
        for index in range(first, last):
            if native.load_acquire_64(self.peer.slot(index)) == index:
                return index
        return last

    def _resynchronise(self):
        """The policy "oldest"."""
        reserved = self._reserved_acquire()
        if reserved < self.cursor:
            return  # reset meanwhile: _follow_reserved sees it next
        first = max(reserved + self.margin - self.peer.capacity, self.cursor)
        found = self.published(min(first, reserved), reserved)
        self.lost += found - self.cursor
        self.cursor = found

    def _skip_hole(self):
        """True when the hole timer has moved the cursor (H2)."""
        if self.hole_timeout is None or self._reserved_acquire() <= self.cursor:
            self._hole_at = None
            return False
        if self._hole_at != self.cursor:
            self._hole_at, self._hole_since = self.cursor, time.monotonic()
        if time.monotonic() < self._hole_since + self.hole_timeout:
            return False
        reserved = self._reserved_acquire()
        found = self.published(self.cursor + 1, reserved)
        if found >= reserved:
            return False
        self.skipped += found - self.cursor
        self.cursor = found
        return True


def safe_read_last(peer):
    """3.5: the newest published message by looking at the slots, whatever last_published says."""
    while True:
        reserved = native.load_acquire_64(peer.base) >> INDEX_SHIFT
        floor = max(reserved - peer.capacity, _last_published(peer))
        for index in range(reserved - 1, floor - 1, -1):
            if native.load_acquire_64(peer.slot(index)) == index:
                break
        else:
            return None
        reader = SafeReader(peer, index)
        message = reader.attempt()
        if isinstance(message, Message):
            return message


def _last_published(peer):
    if native.load_acquire_32(peer.base + STATE) != READY or native.load_relaxed_32(peer.base + MAGIC) != HEADER_MAGIC:
        return 0
    last = native.load_acquire_64(peer.base + LAST_PUBLISHED)
    return 0 if last == NONE else last
