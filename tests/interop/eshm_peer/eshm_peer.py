#!/usr/bin/python3
"""An independent ESHM program, for tests: it was written from the description of the format alone.

As a library: from eshm_peer import EshmPeer, dump, parse, layout, message, read_log.
As a program: eshm_peer.py COMMAND --help; it prints one JSON object a line, "ready" first and "done" or "error" last.
Exit code: 0 success, 1 refused, 2 usage, 3 timed out, 4 unsound: torn, out of order, fewer than asked for, or a segment
that cannot be right; 5 the original would have crashed, or would spin for ever.
"""

import argparse
import faulthandler
import os
import sys

import eshm_channel as channel
import eshm_message as message
import eshm_native as native
import eshm_segment as segment
from eshm_channel import (BufferTooSmall, EshmPeer, InvalidParameter, MasterStale, NoData, NotInitialised, Timeout,
                          WouldSpin)
from eshm_judge import dump, parse
from eshm_log import COMPLETED, Log, READ, STARTED, TORN, read_log
from eshm_programs import Bounds, LOST, REFUSED, SUCCESS, TIMED_OUT, TimedOut, UNSOUND, echo, emit, greet, serve
from eshm_segment import PeerError, Refused, WouldCrash, layout, object_path

__all__ = ["BufferTooSmall", "COMPLETED", "EshmPeer", "InvalidParameter", "MasterStale", "NoData", "NotInitialised",
           "PeerError", "READ", "Refused", "STARTED", "TORN", "Timeout", "WouldCrash", "WouldSpin", "dump", "layout",
           "message", "object_path", "parse", "read_log"]

WATCHDOG_GRACE = 10  # for what --timeout cannot interrupt
SWITCH_INTERVAL = 0.0005  # a busy loop must leave the heartbeat its millisecond


def sizes(text):
    smallest, _, largest = text.partition(":")
    smallest, largest = int(smallest), int(largest or smallest)
    if not 0 <= smallest <= largest:
        raise argparse.ArgumentTypeError(f"not a size or a:b: {text}")
    return smallest, largest


def fault(text):
    number, _, step = text.partition(":")
    if step not in native.STEPS:
        raise argparse.ArgumentTypeError(f"'{step}' is none of {', '.join(native.STEPS)}")
    return int(number), step


def side_options():
    """The originals' configuration, and what bounds a run."""
    side = argparse.ArgumentParser(add_help=False)
    side.add_argument("role", choices=channel.ROLES)
    side.add_argument("name", help="without eshm_")
    side.add_argument("--version", choices=segment.VERSIONS, default="2", help="which original to be")
    side.add_argument("--size", type=int, default=segment.DEFAULT_SIZE, help="ESHM_MAX_DATA_SIZE")
    side.add_argument("--stale", type=int, default=100, metavar="TICKS", help="only the creator's counts")
    side.add_argument("--reconnect-wait", type=int, default=5000, metavar="TICKS", help="0: no limit")
    side.add_argument("--retry", type=int, default=100, metavar="TICKS")
    side.add_argument("--attempts", type=int, default=50, help="0: no limit")
    side.add_argument("--disconnect", choices=channel.DISCONNECTS, default="on_timeout")
    side.add_argument("--no-threads", action="store_true", help="neither heartbeat nor monitor")
    side.add_argument("--no-heartbeat", action="store_true", help="the monitor alone: looks dead to the other side")
    side.add_argument("--no-cleanup", action="store_true", help="a creator leaves the segment when it ends")
    side.add_argument("--spin-limit", type=float, default=0.5, metavar="S", help="of version 2 on an odd sequence")
    side.add_argument("--timeout", type=float, default=60, help="seconds, for everything")
    side.add_argument("--start-file", help="attach, then begin when this file is there")
    side.add_argument("--stop-file", help="end when this file is there")
    return side


def add_serve(commands, side):
    command = commands.add_parser("serve", parents=[side], help="write messages, and check those that come")
    command.add_argument("--write-count", type=int, default=0, metavar="N", help="messages; -1: without end")
    command.add_argument("--rate", type=float, default=0, help="messages per second; 0: unpaced")
    command.add_argument("--sizes", type=sizes, default=(64, 64), metavar="A:B", help="fixed, or chosen by seed")
    command.add_argument("--writer", type=int, default=1, help="1 to 65535; another one for each life of a program")
    command.add_argument("--first", type=int, default=0, help="number of the first message")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--read", action="store_true")
    command.add_argument("--read-count", type=int, metavar="N", help="end with so many read")
    command.add_argument("--until-idle", type=float, metavar="S", help="end when nothing came for so long")
    command.add_argument("--each", action="store_true", help="a line for each message read, not only the first")
    command.add_argument("--allow-torn", action="store_true", help="count torn messages without failing")
    command.add_argument("--log", help="eshm_log.py reads it")
    command.add_argument("--die-in-write", type=fault, metavar="K:STEP", help="SIGKILL after that step of message K")
    command.add_argument("--stop-in-write", type=fault, metavar="K:STEP", help="SIGSTOP there")
    command.add_argument("--invert-parity", action="store_true", help="as after a death inside a write (H1)")


def parser():
    root = argparse.ArgumentParser(prog="eshm_peer.py", description=__doc__.splitlines()[0])
    commands = root.add_subparsers(dest="command", required=True)
    side = side_options()
    add_serve(commands, side)
    greeting = commands.add_parser("greet", parents=[side], help="the originals' demos")
    greeting.add_argument("--count", type=int, help="end with so many received")
    greeting.add_argument("--rate", type=float, default=10, help="greetings per second")
    greeting.add_argument("--language", choices=["cpp", "python"], default="cpp")
    echoing = commands.add_parser("echo", parents=[side], help="write back what arrives")
    echoing.add_argument("--count", type=int)
    dumping = commands.add_parser("dump", help="a segment as JSON, with what cannot be right")
    dumping.add_argument("name", nargs="?")
    dumping.add_argument("--file", help="instead of a name")
    dumping.add_argument("--size", type=int, help="ESHM_MAX_DATA_SIZE, when it is no multiple of 64")
    unlinking = commands.add_parser("unlink")
    unlinking.add_argument("name")
    return root


def enter(arguments):
    return EshmPeer(arguments.name, arguments.role, arguments.version, arguments.size, arguments.stale,
                    arguments.reconnect_wait, arguments.retry, arguments.attempts, arguments.disconnect,
                    not arguments.no_threads, not arguments.no_cleanup, not arguments.no_heartbeat,
                    arguments.spin_limit, emit)


def run_side(arguments, bounds):
    if arguments.command == "serve" and arguments.write_count < 0:
        arguments.write_count = None
    log = Log(arguments.log) if getattr(arguments, "log", None) else None
    peer = enter(arguments)
    try:
        emit("ready", pid=os.getpid(), role=peer.role, creator=peer.creator, taken_over=peer.taken_over,
             generation=peer.mapping.load_32(segment.GENERATION))
        if arguments.command == "serve":
            return serve(peer, arguments, bounds, log)
        return {"greet": greet, "echo": echo}[arguments.command](peer, arguments, bounds)
    finally:
        peer.close()


def run(arguments):
    if arguments.command == "dump":
        found = dump(arguments.file or object_path(arguments.name), arguments.size)
        emit("done", **found)
        return UNSOUND if found["problems"] else SUCCESS
    if arguments.command == "unlink":
        os.unlink(object_path(arguments.name))
        emit("done")
        return SUCCESS
    faulthandler.dump_traceback_later(arguments.timeout + WATCHDOG_GRACE, exit=True)
    return run_side(arguments, Bounds(arguments))


def main():
    sys.setswitchinterval(SWITCH_INTERVAL)
    arguments = parser().parse_args()
    try:
        return run(arguments)
    except TimedOut:
        emit("error", kind="timeout", text=f"not finished after {arguments.timeout} s")
        return TIMED_OUT
    except (WouldCrash, WouldSpin) as error:
        emit("error", kind=error.kind, text=str(error))
        return LOST
    except (PeerError, OSError, ValueError) as error:
        emit("error", kind=getattr(error, "kind", "error"), text=str(error))
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
