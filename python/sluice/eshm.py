"""ESHM channels: one master, one slave, a mailbox in each direction, shared with programs in C and C++.

The drop-in for ESHM's Python wrapper: `from sluice.eshm import ESHM, ESHMRole` instead of `from eshm import ...`.

    with ESHM("robot", ESHMRole.MASTER) as channel:     # a slave in another process, of any language
        channel.write_text("go")
        print(channel.read_text(timeout_ms=100))

A mailbox holds the latest message: what the other side has not read when the next one is written is gone.
"""

import enum
from types import TracebackType
from typing import Optional, Type

from sluice import _native

__all__ = ["ESHM", "ESHMDisconnectBehavior", "ESHMError", "ESHMRole", "ESHMWakeupMode", "MAX_DATA_SIZE",
           "TIMEOUT_INFINITE"]

MAX_DATA_SIZE: int = _native.ESHM_MAX_DATA_SIZE  # bytes of the longest message
TIMEOUT_INFINITE: int = _native.ESHM_TIMEOUT_INFINITE  # for timeout_ms: as long as it takes


class ESHMRole(enum.IntEnum):
    """Which end of a channel to be."""

    MASTER = 0  # creates the segment, or takes a dead master's over
    SLAVE = 1  # attaches to a segment that exists
    AUTO = 2  # slave if there is a segment, master otherwise


class ESHMDisconnectBehavior(enum.IntEnum):
    """What a slave does when its master's heartbeat stands still."""

    IMMEDIATELY = 0  # ends: reads raise RuntimeError (a master's reads, too)
    ON_TIMEOUT = 1  # looks for it within the limits that it was opened with
    NEVER = 2  # the same, as in the original; patience without end: both limits 0


class ESHMWakeupMode(enum.IntEnum):
    """How a read waits."""

    PUSH = 0  # it sleeps, and the writer wakes it
    POLL = 1  # it looks now and then


class ESHMError(enum.IntEnum):
    """The codes of the C interface. Methods raise instead: TimeoutError for TIMEOUT, RuntimeError for the others."""

    SUCCESS = 0
    INVALID_PARAM = -1
    SHM_CREATE = -2
    SHM_ATTACH = -3
    SHM_DETACH = -4
    SHM_DELETE = -5
    MUTEX_INIT = -6
    MUTEX_LOCK = -7
    MUTEX_UNLOCK = -8
    NO_DATA = -9
    TIMEOUT = -10
    MASTER_STALE = -11
    BUFFER_FULL = -12
    BUFFER_TOO_SMALL = -13
    NOT_INITIALIZED = -14
    ROLE_MISMATCH = -15


class ESHM(_native.EshmChannel):
    """One end of the channel /dev/shm/eshm_NAME; every '/' of the name becomes '_'.

    role: AUTO is slave if there is a segment, master otherwise. disconnect_behavior, reconnect_wait_ms (0: no limit),
    reconnect_retry_interval_ms and max_reconnect_attempts (0: no limit) say how a slave looks for a master that went
    away. stale_threshold_ms is for who creates the segment: a heartbeat that stood still for so long is stale.
    auto_cleanup: who created the segment removes it in close(). use_threads: a thread beats, watches and reconnects.

    attach_timeout_ms (not in the original): a slave waits for its master for so long, and gets its first message. If it
    is not 0, what is written after the opening is delivered, and not only what is written after the first read.

    Raises RuntimeError with the reason: a slave without a master, a side that a living program has already, a segment
    of another size. Blocks for at most the stale threshold + 50 ms, to tell a dead peer from a living one, and for 2 s
    while another program initialises the segment. Other threads run while it waits, and Ctrl-C ends that.

    Threads may share an object: one reads while another writes. After os.fork() (multiprocessing) the child's object
    refuses to work and the parent's is unharmed; open another one in the child, or use the start method "spawn".
    """

    def __init__(self, shm_name: str, role: ESHMRole = ESHMRole.AUTO,
                 disconnect_behavior: ESHMDisconnectBehavior = ESHMDisconnectBehavior.ON_TIMEOUT,
                 stale_threshold_ms: int = 100, reconnect_wait_ms: int = 5000, reconnect_retry_interval_ms: int = 100,
                 max_reconnect_attempts: int = 50, auto_cleanup: bool = True, use_threads: bool = True, *,
                 attach_timeout_ms: int = 0) -> None:
        super().__init__(shm_name, role, disconnect_behavior, stale_threshold_ms, reconnect_wait_ms,
                         reconnect_retry_interval_ms, max_reconnect_attempts, auto_cleanup, use_threads,
                         attach_timeout_ms)

    def get_role(self) -> ESHMRole:
        """Which end it became; never AUTO."""
        return ESHMRole(super().get_role())

    def get_wakeup_mode(self) -> ESHMWakeupMode:
        """What set_wakeup_mode set; at first PUSH."""
        return ESHMWakeupMode(super().get_wakeup_mode())

    def write_text(self, text: str) -> None:
        """Writes text as C programs expect it: UTF-8 with a NUL at the end. Raises as write does."""
        self.write(text.encode() + b"\0")

    def read_text(self, buffer_size: int = MAX_DATA_SIZE, timeout_ms: Optional[int] = None) -> str:
        """The next message as text, without NULs at its end.

        Waits and raises as read does; UnicodeDecodeError for what is no UTF-8 (its `object` has the bytes).
        """
        return _text(self.read(buffer_size, timeout_ms))

    def try_read_text(self, buffer_size: int = MAX_DATA_SIZE) -> Optional[str]:
        """As read_text, but None when there is nothing new. Never waits."""
        message = self.try_read(buffer_size)
        return None if message is None else _text(message)

    def __enter__(self) -> "ESHM":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.get_role().name
        return f"<ESHM '{self.shm_name}' {state}>"


def _text(message: bytes) -> str:
    return message.rstrip(b"\0").decode()
