"""The queue of slick_queue_py, on Sluice's own code: `from sluice.slick import SlickQueue` is the whole migration.

    queue = SlickQueue(name="ticks", size=1024, element_size=64)   # create or open /dev/shm/ticks
    index = queue.reserve()
    queue[index][:5] = b"hello"
    queue.publish(index)

    cursor = 0
    data, elements, cursor = queue.read(cursor)                    # (None, 0, cursor) if there is nothing

Programs of slick_queue_py and of slick_queue 1.2.x to 1.4.x (C++) may use the same segment at the same time. A name is
removed by unlink() only; no resource tracker knows of it.
"""

import platform
import sys

from sluice._native import AtomicCursor, SlickQueue, get_index, get_size, make_reserved_info

__all__ = ["AtomicCursor", "SlickQueue", "check_platform_support", "get_index", "get_size", "make_reserved_info"]


def check_platform_support() -> tuple[bool, str]:
    """Whether processes can share a queue here, and why: (True, "...")."""
    where = f"{platform.system()} on {platform.machine()}"
    if not sys.platform.startswith("linux") or sys.byteorder != "little":
        return False, f"{where}: queues between processes need Linux and a little-endian processor"
    return True, f"{where}: 64-bit atomic instructions, compiled in"
