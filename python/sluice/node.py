"""Nodes, and what they own: subscriptions, publishers, timers."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import signal
import threading
import time
import weakref
from typing import Any, Callable, Iterable, Mapping, TypeVar

from sluice import _native
from sluice._native import DeadlineEvent, GraphEvent, LivelinessEvent, Message, TransportEvent
from sluice.message_type import MessageType

__all__ = ["Executor", "Logger", "Node", "Publisher", "Subscription", "Timer"]


class Logger:
    """Writes lines to stderr with the node's name, as C++ nodes do. Any thread."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        self._log = log

    def _write(self, level: int, text: str, values: tuple[Any, ...]) -> None:
        self._log(level, text % values if values else text)

    def debug(self, text: str, *values: Any) -> None:
        """For whoever looks for a mistake; not shown by default. `values` are filled in as logging does (%)."""
        self._write(1, text, values)

    def info(self, text: str, *values: Any) -> None:
        """What happens in normal operation."""
        self._write(2, text, values)

    def warning(self, text: str, *values: Any) -> None:
        """What should not happen, and does no harm yet."""
        self._write(3, text, values)

    def error(self, text: str, *values: Any) -> None:
        """What failed."""
        self._write(4, text, values)


class Timer(_native.Timer):
    """A timer of a node, made by Node.every. Dropping it changes nothing; cancel ends it."""

    def __init__(self, node: Node, period: float, callback: Callable[[], object]) -> None:
        super().__init__(node, period)
        self._callback = callback
        self._start()


class Publisher(_native.Publisher):
    """Publishes on one topic. Made by Node.advertise and Node.advertise_bytes. Any thread."""

    _deadline_callback: Callable[[DeadlineEvent], object] | None = None

    def on_deadline_missed(self, callback: Callable[[DeadlineEvent], object] | None) -> None:
        """Calls `callback` in the thread that spins the node whenever nothing was published for as long as the topic's
        `deadline` allows, from the first message on. None ends it. Raises Error when the topic has no deadline."""
        self._deadline_callback = callback
        self._on_deadline_missed(callback is not None)


class Subscription(_native.Subscription):
    """Receives the messages of one topic. Made by Node.subscribe, Node.observe and their likes for bytes. Any thread.

    Without a callback: take, take_for, take_batch, or in an asyncio program `async for message in subscription`.
    """

    def __init__(self, node: Node, topic: str, message_type: MessageType | None, type_name: str,
                 callback: Callable[[Message], object] | None, *, observe: bool = False) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"a subscription's callback must be callable, not {callback!r}")
        super().__init__(node, topic, message_type)
        self._callback = callback
        self._liveliness_callback: Callable[[LivelinessEvent], object] | None = None
        self._deadline_callback: Callable[[DeadlineEvent], object] | None = None
        self._wake: Callable[[], object] | None = None  # while a task waits
        self._open(type_name, callback is not None, observe)

    def on_liveliness(self, callback: Callable[[LivelinessEvent], object] | None) -> None:
        """Calls `callback` in the thread that spins the node: first for each publisher that is there, then whenever one
        comes, becomes late or alive again, is lost or leaves. None ends it. Raises Error for an observer."""
        self._liveliness_callback = callback
        self._on_liveliness(callback is not None)

    def on_deadline_missed(self, callback: Callable[[DeadlineEvent], object] | None) -> None:
        """Calls `callback` in the thread that spins the node whenever nothing was received for as long as the topic's
        `deadline` allows, from the first message on. None ends it. Raises Error when the topic has no deadline."""
        self._deadline_callback = callback
        self._on_deadline_missed(callback is not None)

    async def take_async(self) -> Message | None:
        """The next message; the event loop runs other tasks until there is one. None once the subscription is closed.
        One task at a time."""
        while not self.closed:
            message = self.take()
            if message is not None:
                return message
            if self.arm():
                await self._readable()
        return None

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message:
        message = await self.take_async()
        if message is None:
            raise StopAsyncIteration
        return message

    async def _readable(self) -> None:
        """Returns when the descriptor is readable, or the subscription is closed."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        descriptor = self.fileno()
        loop.add_reader(descriptor, ready.set)
        self._wake = lambda: loop.call_soon_threadsafe(ready.set)
        try:
            await ready.wait()
        finally:
            self._wake = None
            loop.remove_reader(descriptor)

    def close(self) -> None:
        """Leaves the topic; messages that were taken stay good. Waits for a callback that another thread runs. Whoever
        waits for a message gets None."""
        wake = self._wake
        super().close()
        if wake is not None:
            with contextlib.suppress(RuntimeError):  # the event loop has ended before
                wake()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Owned = TypeVar("_Owned", Publisher, Subscription, Timer)
_Parameter = TypeVar("_Parameter", bool, int, float, str, list[int], list[float], list[str])


class Executor(_native.Executor):
    """Runs the callbacks and timers of several nodes in the thread that spins. One thread spins; any thread may add,
    remove and shut down."""

    def __init__(self) -> None:
        super().__init__()
        _executors.add(self)


class Node(_native.Node):
    """A participant of the graph: publishes and subscribes under one name.

    with Node("imu_filter") as node:
        subscription = node.subscribe("imu/raw", Imu, callback)
        node.spin()

    A node keeps its publishers, subscriptions and timers until it is closed, or they are. Whatever opens something
    raises Error with a sentence that names the thing and the remedy. Any thread; callbacks and timers run in the thread
    that spins.
    """

    def __init__(self, name: str, arguments: Iterable[str] = (), *, config: str | os.PathLike[str] | None = None,
                 ns: str | None = None, remaps: Mapping[str, str] | None = None,
                 parameters: Mapping[str, object] | None = None, handle_signals: bool = True) -> None:
        """Joins the domain.

        arguments       the command line without the program's name (sys.argv[1:]): --config FILE, --name, --ns, --remap
                        FROM:=TO, --param NAME:=VALUE are taken, the rest is in the attribute `arguments`
        config          a YAML file; without one those of the environment variable SLUICE_CONFIG
        ns              the namespace
        remaps          topics under other names
        parameters      values of parameters, as --param
        handle_signals  SIGTERM does what Ctrl-C does (in the main thread, and if nobody else handles it)
        """
        options: list[str] = []
        if config is not None:
            options += ["--config", os.fspath(config)]
        if ns is not None:
            options += ["--ns", ns]
        for source, target in (remaps or {}).items():
            options += ["--remap", f"{source}:={target}"]
        for key, value in (parameters or {}).items():
            options += ["--param", f"{key}:={_text(value)}"]
        super().__init__(name, [*options, *arguments])
        self._owned: list[Publisher | Subscription | Timer] = []
        self._event_callback: Callable[[TransportEvent], object] | None = None
        self._graph_callback: Callable[[GraphEvent], object] | None = None
        self._declared: dict[str, Any] = {}  # with the value at first, which tells the type
        self._on_change: dict[str, Callable[[Any], object]] = {}
        self.log = Logger(self._log)
        if handle_signals:
            _handle_signals()
        _open_nodes.add(self)

    def advertise(self, topic: str, message_type: MessageType) -> Publisher:
        """Opens a topic for publishing messages of a fixed layout. Transport and QoS come from the configuration."""
        return self._own(Publisher(self, topic, _checked(message_type), ""))

    def advertise_bytes(self, topic: str, type_name: str = "") -> Publisher:
        """Opens a topic for publishing messages of variable size; `type_name` says what the bytes mean, if anything."""
        return self._own(Publisher(self, topic, None, type_name))

    def subscribe(self, topic: str, message_type: MessageType,
                  callback: Callable[[Message], object] | None = None) -> Subscription:
        """Calls callback(message) in the thread that spins; without a callback, a subscription to take from.

        A traceback in the callback is printed and the node goes on. Messages of another size are dropped and logged.
        """
        return self._own(Subscription(self, topic, _checked(message_type), "", callback))

    def subscribe_bytes(self, topic: str, callback: Callable[[Message], object] | None = None,
                        type_name: str = "") -> Subscription:
        """As subscribe, for messages of any size."""
        return self._own(Subscription(self, topic, None, type_name, callback))

    def observe(self, topic: str, message_type: MessageType) -> Subscription:
        """Looks at a topic without taking part in it: publishers neither wait for it nor count it, and nothing is
        written. What it is too slow for counts as lost. The topic need not be there yet. To take from; it polls."""
        return self._own(Subscription(self, topic, _checked(message_type), "", None, observe=True))

    def observe_bytes(self, topic: str, type_name: str = "") -> Subscription:
        """As observe, for messages of any size."""
        return self._own(Subscription(self, topic, None, type_name, None, observe=True))

    def every(self, period: float, callback: Callable[[], object]) -> Timer:
        """Calls `callback` every `period` seconds, first after one period. Calls that are missed are left out."""
        return self._own(Timer(self, period, callback))

    def on_event(self, callback: Callable[[TransportEvent], object] | None) -> None:
        """Calls `callback` in the thread that spins for whatever happens to this node's endpoints of its own accord,
        such as the death of an ESHM peer. Each event is logged as well. None ends it."""
        self._event_callback = callback
        self._on_event(callback is not None)

    def on_graph_change(self, callback: Callable[[GraphEvent], object] | None) -> None:
        """Calls `callback` in the thread that spins: first, as "joined", for each other process that is in the domain,
        then for what happens to them, also while they hang. None ends it."""
        self._graph_callback = callback
        self._on_graph_change(callback is not None)

    def declare_parameter(self, name: str, otherwise: _Parameter, *, description: str = "",
                          minimum: float | None = None, maximum: float | None = None, read_only: bool = False,
                          on_change: Callable[[_Parameter], object] | None = None) -> _Parameter:
        """Makes a parameter that `sluice param` can read and set. Its value is that from --param, `parameters` or the
        configuration, or `otherwise`; it is returned. A bool, int, float, str, or a list of the last three; it keeps
        its type. Raises Error: declared twice, wrong type, out of range.

        on_change  called with a new value before it is set: for requests from outside in the thread that spins, for
                   set_parameter in the calling thread. Raising ValueError(reason) refuses it.
        """
        if on_change is not None and not callable(on_change):
            raise TypeError(f"on_change of parameter '{name}' must be callable, not {on_change!r}")
        value: _Parameter = self._declare_parameter(name, otherwise, description, minimum, maximum, read_only)
        self._declared[name] = otherwise
        if on_change is not None:
            self._on_change[name] = on_change
            self._ask_before_parameters_change()
        return value

    def get_parameter(self, name: str) -> Any:
        """A declared parameter's value now. Raises KeyError for another."""
        return self._parameter_value(name, self._like(name))

    def set_parameter(self, name: str, value: Any) -> None:
        """Asks on_change and sets a declared parameter. Raises KeyError when there is none, TypeError for another type,
        and Error: read only, out of range, refused."""
        self._set_parameter(name, value, self._like(name))

    def list_parameters(self) -> dict[str, Any]:
        """The declared parameters with their values now."""
        return {name: self.get_parameter(name) for name in sorted(self._declared)}

    def _like(self, name: str) -> Any:
        if name not in self._declared:
            raise KeyError(f"node '{self.fully_qualified_name}': parameter '{name}' is not declared; declared are "
                           f"{', '.join(sorted(self._declared)) or 'none'}")
        return self._declared[name]

    def _refusal(self, name: str, value: Any) -> str:
        callback = self._on_change.get(name)
        if callback is None:
            return ""
        try:
            callback(value)
        except ValueError as error:
            return str(error) or "its callback raised ValueError"
        return ""

    def parameter(self, name: str, otherwise: Any) -> Any:
        """A declared parameter's value; else that from --param, `parameters` or the configuration, as the type of
        `otherwise`; else `otherwise`. Raises ValueError when the text is none of that type."""
        if name in self._declared:
            return self.get_parameter(name)
        text = self._parameters.get(name)
        if text is None:
            return otherwise
        kind = type(otherwise)
        words = {"true": True, "false": False}
        try:
            return words[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise ValueError(f"node '{self.fully_qualified_name}': parameter '{name}' has the value '{text}', which is "
                             f"no {kind.__name__}") from None

    def spin(self) -> None:
        """Runs callbacks and timers until shutdown(), Ctrl-C or SIGTERM, and returns in order. Sleeps while nothing
        happens; other threads run meanwhile. Not for nodes that were added to an Executor."""
        self._spin(None, True)

    def spin_for(self, seconds: float) -> bool:
        """As spin, at most for so many seconds; False when it ended earlier. Ctrl-C raises KeyboardInterrupt."""
        return self._spin(seconds, False)

    def close(self) -> None:
        """Closes what the node owns, and leaves the domain. Ends its spin. Further calls do nothing."""
        while self._owned:
            owned = self._owned.pop()
            owned.cancel() if isinstance(owned, Timer) else owned.close()  # pylint: disable=expression-not-assigned
        self._close()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _own(self, owned: _Owned) -> _Owned:
        self._owned = [each for each in self._owned if isinstance(each, Timer) or not each.closed]
        self._owned.append(owned)
        return owned


def _checked(message_type: object) -> MessageType:
    if isinstance(message_type, MessageType):
        return message_type
    raise TypeError(f"a topic's type must be a sluice.MessageType, not {message_type!r}; for messages without a fixed "
                    "layout use advertise_bytes and subscribe_bytes")


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return json.dumps(list(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


_ECHO = 0.25  # seconds; a Ctrl-C often arrives twice at once: at the process group, and forwarded by a wrapper
_interrupted = 0.0  # when, in time.monotonic's seconds


def _interrupt(_number: int, _frame: object) -> None:
    """Ends the program in order, once: the echo of a signal does not disturb what it is ending."""
    global _interrupted
    before, _interrupted = _interrupted, time.monotonic()
    if _interrupted - before > _ECHO:
        raise KeyboardInterrupt


def _handle_signals() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is default:
            signal.signal(number, _interrupt)


_LAST_MOMENT = 1.5  # seconds
_open_nodes: weakref.WeakSet[Node] = weakref.WeakSet()
_executors: weakref.WeakSet[Executor] = weakref.WeakSet()


def _close_all() -> None:
    """Nodes that are left when the interpreter ends leave in order, so that nothing of theirs stays behind. Threads
    that are in the library then get a moment to leave it."""
    nodes, executors = list(_open_nodes), list(_executors)
    waiting: list[Any] = [owned for node in nodes for owned in node._owned if isinstance(owned, Subscription)]
    for executor in executors:
        executor.shutdown()
    for node in nodes:
        node.close()
    deadline = time.monotonic() + _LAST_MOMENT
    while any(each._busy for each in [*nodes, *executors, *waiting]) and time.monotonic() < deadline:
        time.sleep(0.001)
    _native._interpreter_ends()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_open_nodes.clear)
os.register_at_fork(after_in_child=_executors.clear)
