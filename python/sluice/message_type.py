"""Message types of fixed layout, declared with NumPy's words."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["MessageType"]


class MessageType:
    """What both sides of a topic must agree on: a name and a layout of fixed size.

    Imu = MessageType("demo/Imu", [("number", "u8"), ("accel", "f8", 3)])

    is the C++ type `struct demo::Imu { std::uint64_t number; double accel[3]; };`: the fields lie where a C compiler
    puts them. Give a numpy.dtype instead of a list to say yourself where they lie. Immutable; any thread.
    """

    __slots__ = ("_name", "_dtype")

    def __init__(self, name: str, fields: Any) -> None:
        """Throws ValueError for an empty name, TypeError for a layout that has no fixed size or refers to Python
        objects."""
        if not name:
            raise ValueError("a message type needs a name, such as 'demo/Imu'")
        dtype = fields if isinstance(fields, numpy.dtype) else numpy.dtype(fields, align=True)
        if dtype.hasobject or dtype.itemsize == 0:
            raise TypeError(f"message type '{name}': {dtype} cannot be sent: a message is bytes of a fixed number, "
                            "without references to Python objects")
        self._name = name
        self._dtype = dtype

    @property
    def name(self) -> str:
        """As other programs call it, for C++ types with '/' for '::'."""
        return self._name

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """Of one message."""
        return self._dtype

    @property
    def size(self) -> int:
        """Of one message, in bytes."""
        return self._dtype.itemsize

    def zeros(self, count: int | None = None) -> numpy.ndarray[Any, Any]:
        """A message to fill in and publish, or `count` of them for publish_batch, with all fields 0."""
        return numpy.zeros(() if count is None else count, self._dtype)

    def __repr__(self) -> str:
        return f"MessageType({self._name!r}, {self._dtype})"
