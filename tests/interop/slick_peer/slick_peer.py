#!/usr/bin/python3
"""An independent SlickQueue program, for tests: it was written from the description of the format alone.

As a library: from slick_peer import Peer, SharedCursor, SafeReader, safe_read_last, payload, read_log.
As a program: slick_peer.py COMMAND --help; it prints one JSON object a line, "ready" first and "done" or "error" last.
Exit code: 0 success, 1 refused, 2 usage, 3 timed out, 4 unsound: torn, out of order, or fewer than --count.
"""

import argparse
import faulthandler
import os
import struct
import sys

import peer_payload as payload
import peer_segment as segment
from peer_programs import Bounds, Log, REFUSED, SUCCESS, TIMED_OUT, TimedOut, consume, emit, produce, read_log
from peer_queue import Last, Message, Peer, SharedCursor, UPSTREAM_POLLS
from peer_safe_reader import SafeReader, safe_read_last
from peer_segment import AttachRefused, PeerError, VERSIONS, WouldCrash

__all__ = ["AttachRefused", "Last", "Message", "Peer", "PeerError", "SafeReader", "SharedCursor", "VERSIONS",
           "WouldCrash", "payload", "read_log", "safe_read_last"]

WATCHDOG_GRACE = 10  # for what --timeout cannot interrupt: a loop in C that does not end


def sizes(text):
    smallest, _, largest = text.partition(":")
    smallest, largest = int(smallest), int(largest or smallest)
    if not 1 <= smallest <= largest:
        raise argparse.ArgumentTypeError(f"not a size or a:b: {text}")
    return smallest, largest


def start_of(text):
    return text if text == "join" else str(int(text))


def common_options():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", required=True, help="of the shared memory object, with or without its slash")
    common.add_argument("--version", choices=list(VERSIONS), default="1.2.0", help="which original to be")
    common.add_argument("--element", type=int, default=64, help="bytes")
    common.add_argument("--capacity", type=int, help="elements, a power of two")
    common.add_argument("--form", choices=["open", "size", "create"],
                        help="attach by name, by name and size (creates, or wipes as the original does), or create; "
                             "default: open, and with --capacity size")
    common.add_argument("--polls", type=int, default=UPSTREAM_POLLS, help="1.4.0's wait for a creator, in ms")
    common.add_argument("--keep", action="store_true", help="an owner leaves the segment when it ends")
    common.add_argument("--timeout", type=float, default=60, help="seconds, for everything")
    common.add_argument("--start-file", help="attach, then begin when this file is there")
    common.add_argument("--stop-file", help="end when this file is there")
    common.add_argument("--log", help="one line a message: index size producer sequence crc")
    common.add_argument("--seed", type=int, default=0)
    common.add_argument("--bulk", action="store_true", help="the loops in C")
    return common


def add_produce(commands, common):
    command = commands.add_parser("produce", parents=[common])
    command.add_argument("--producer", type=int, default=1, help="1 to 65535")
    command.add_argument("--count", type=int)
    command.add_argument("--n", type=sizes, default=(1, 1), help="elements a message: fixed, or a:b chosen by seed")
    command.add_argument("--first-sequence", type=int, default=0)
    command.add_argument("--rate", type=float, help="messages per second")
    command.add_argument("--delay-before-write", type=float, metavar="S", help="sleep between reserve and write")
    command.add_argument("--delay-in-publish", type=float, metavar="S", help="sleep between write and publish")
    command.add_argument("--delay-every", type=int, default=1, metavar="K", help="only sequences divisible by K")
    command.add_argument("--die-after-reserve", type=int, metavar="K",
                         help="SIGKILL with message K reserved and unwritten")
    command.add_argument("--die-before-marker", type=int, metavar="K",
                         help="SIGKILL at the first wrap from message K on, between the reservation and its marker")


def add_readers(commands, common):
    reader = argparse.ArgumentParser(add_help=False)
    reader.add_argument("--count", type=int, help="end with so many messages")
    reader.add_argument("--until-idle", type=float, metavar="S", help="end when nothing came for so long")
    reader.add_argument("--n", type=sizes, help="what producers were given with this --seed: sizes are then checked")
    reader.add_argument("--allow-torn", action="store_true", help="count torn messages without failing")
    reader.add_argument("--spin", action="store_true", help="poll without sleeping")
    reader.set_defaults(safe=False, hole_timeout=None, margin=0, start="0")
    consumer = commands.add_parser("consume", parents=[common, reader])
    consumer.add_argument("--start", type=start_of, help="an index, or join: the next reservation")
    consumer.add_argument("--safe", action="store_true", help="lap-checked instead of as the original reads")
    consumer.add_argument("--hole-timeout", type=float, metavar="S", help="with --safe, not with --bulk")
    consumer.add_argument("--margin", type=int, help="with --safe: the M of the lap test")
    stealer = commands.add_parser("steal", parents=[common, reader])
    stealer.add_argument("--cursor", required=True, help="name of the shared cursor's object")


def parser():
    root = argparse.ArgumentParser(prog="slick_peer.py", description=__doc__.splitlines()[0])
    commands = root.add_subparsers(dest="command", required=True)
    common = common_options()
    add_produce(commands, common)
    add_readers(commands, common)
    create = commands.add_parser("create", parents=[common], help="and leave it there")
    create.add_argument("--hold", action="store_true", help="stay until the stop file, then end as the original")
    info = commands.add_parser("info", parents=[common], help="read the header without attaching")
    info.add_argument("--slots", action="store_true")
    commands.add_parser("reset", parents=[common])
    commands.add_parser("unlink", parents=[common])
    return root


def attach(arguments):
    form = arguments.form or ("size" if arguments.capacity else "open")
    if form == "open":
        return Peer.open(arguments.name, arguments.element, arguments.version, arguments.polls)
    if form == "create":
        return Peer.create(arguments.name, arguments.capacity, arguments.element, arguments.version)
    return Peer.attach_or_create(arguments.name, arguments.capacity, arguments.element, arguments.version,
                                 arguments.polls)


def info(arguments):
    try:
        with open(segment.object_path(arguments.name), "rb") as file:
            data, mode = file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    except FileNotFoundError as error:
        raise AttachRefused(f"there is no {arguments.name}") from error
    if len(data) < segment.HEADER_SIZE:
        emit("done", file_size=len(data), mode=oct(mode))
        return SUCCESS
    reserved, capacity, element_size, last, magic = struct.unpack_from("<QIIQI", data)
    fields = {"file_size": len(data), "mode": oct(mode), "reserved": reserved >> 16, "reserved_size": reserved & 0xFFFF,
              "capacity": capacity, "element_size": element_size, "last_published": last, "magic": magic,
              "state": struct.unpack_from("<I", data, segment.STATE)[0]}
    if arguments.slots:
        fields["slots"] = list(struct.iter_unpack("<QI4x", data[segment.HEADER_SIZE:][:capacity * segment.SLOT_SIZE]))
    emit("done", **fields)
    return SUCCESS


def create(peer, arguments, bounds):
    while arguments.hold and not bounds.stopped():
        bounds.nap(0.01)
    emit("done")
    return SUCCESS


def run_attached(arguments, bounds):
    peer = attach(arguments)
    shared = SharedCursor(arguments.cursor) if arguments.command == "steal" else None
    log = Log(arguments.log) if arguments.log else None
    emit("ready", pid=os.getpid(), capacity=peer.capacity, owner=peer.owner, wiped=peer.wiped,
         reserved=peer.reserved_index(), tracks_last=peer.tracks_last)
    try:
        if arguments.command == "produce":
            return produce(peer, arguments, bounds, log)
        if arguments.command == "create":
            return create(peer, arguments, bounds)
        if arguments.command == "reset":
            peer.reset()
            emit("done")
            return SUCCESS
        return consume(peer, arguments, bounds, log, shared)
    finally:
        keep = arguments.keep or (arguments.command == "create" and not arguments.hold)
        peer.close(unlink=False if keep else None)


def run(arguments):
    if arguments.command == "info":
        return info(arguments)
    if arguments.command == "unlink":
        os.unlink(segment.object_path(arguments.name))
        emit("done")
        return SUCCESS
    return run_attached(arguments, Bounds(arguments))


def main():
    arguments = parser().parse_args()
    faulthandler.dump_traceback_later(arguments.timeout + WATCHDOG_GRACE, exit=True)
    try:
        return run(arguments)
    except TimedOut:
        emit("error", kind="timeout", text=f"not finished after {arguments.timeout} s")
        return TIMED_OUT
    except (PeerError, OSError, ValueError) as error:
        emit("error", kind=getattr(error, "kind", "error"), text=str(error))
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
