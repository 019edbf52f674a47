"""Loads the C half of the peer: the atomics, the payload and the bulk loops.

SLICK_PEER_LIBRARY names a library that CMake built; without it the sources beside this file are compiled for this
process alone, into a temporary directory that is gone again once the library is loaded.
"""

import ctypes
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ("peer_atomics.c", "peer_bulk.c", "peer_payload.c")
PRODUCERS_AT_MOST = 64  # kSources

U32, U64 = ctypes.c_uint32, ctypes.c_uint64


class Queue(ctypes.Structure):
    _fields_ = [("base", U64), ("capacity", U64), ("element_size", U32), ("adds_single", U32), ("tracks_last", U32),
                ("plain_marker", U32), ("relaxed_cursor", U32), ("padding", U32)]


class Record(ctypes.Structure):
    _fields_ = [("index", U64), ("producer", U64), ("sequence", U64), ("size", U32), ("torn", U32),
                ("checksum", U32), ("padding", U32)]


class Production(ctypes.Structure):
    _fields_ = [("copy", U64), ("producer", U64), ("seed", U64), ("next_sequence", U64), ("elements", U64),
                ("smallest", U32), ("largest", U32)]


class Source(ctypes.Structure):
    _fields_ = [("producer", U64), ("next_sequence", U64), ("received", U64)]


class Consumption(ctypes.Structure):
    _fields_ = [("cursor", U64), ("copy", U64), ("seed", U64), ("messages", U64), ("elements", U64), ("lost", U64),
                ("marker_skips", U64), ("discarded", U64), ("torn", U64), ("disorder", U64), ("resets", U64),
                ("margin", U64), ("smallest", U32), ("largest", U32), ("lap_checked", U32), ("source_count", U32),
                ("sources", Source * PRODUCERS_AT_MOST)]


def _load():
    built = os.environ.get("SLICK_PEER_LIBRARY")
    if built:
        return ctypes.CDLL(built)
    with tempfile.TemporaryDirectory(prefix="slick-peer-") as directory:
        library = os.path.join(directory, "slick_peer.so")
        subprocess.run(["cc", "-std=c11", "-O2", "-fPIC", "-shared", "-o", library, *(str(HERE / s) for s in SOURCES)],
                       check=True, timeout=120)
        return ctypes.CDLL(library)


library = _load()


def _function(name, result, *arguments):
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


load_relaxed_64 = _function("peer_load_relaxed_64", U64, U64)
load_acquire_64 = _function("peer_load_acquire_64", U64, U64)
load_relaxed_32 = _function("peer_load_relaxed_32", U32, U64)
load_acquire_32 = _function("peer_load_acquire_32", U32, U64)
store_relaxed_64 = _function("peer_store_relaxed_64", None, U64, U64)
store_release_64 = _function("peer_store_release_64", None, U64, U64)
store_relaxed_32 = _function("peer_store_relaxed_32", None, U64, U32)
store_release_32 = _function("peer_store_release_32", None, U64, U32)
fetch_add_release_64 = _function("peer_fetch_add_release_64", U64, U64, U64)
compare_exchange_relaxed_64 = _function("peer_compare_exchange_relaxed_64", U64, U64, U64, U64)
compare_exchange_release_64 = _function("peer_compare_exchange_release_64", U64, U64, U64, U64)
compare_exchange_acq_rel_64 = _function("peer_compare_exchange_acq_rel_64", U64, U64, U64, U64)
compare_exchange_acq_rel_32 = _function("peer_compare_exchange_acq_rel_32", U32, U64, U32, U32)
fence_acquire = _function("peer_fence_acquire", None)
fence_release = _function("peer_fence_release", None)

fill_element = _function("peer_fill_element", None, ctypes.c_void_p, U32, U64, U64, U64, U32)
message_size = _function("peer_message_size", U32, U64, U64, U64, U32, U32)
message_intact = _function("peer_message_intact", ctypes.c_int, ctypes.c_void_p, U32, U32, ctypes.POINTER(U64),
                           ctypes.POINTER(U64))
produce_many = _function("peer_produce_many", U64, ctypes.POINTER(Queue), ctypes.POINTER(Production), U64,
                         ctypes.c_void_p)
consume_many = _function("peer_consume_many", U64, ctypes.POINTER(Queue), ctypes.POINTER(Consumption), U64,
                         ctypes.c_void_p)
steal_many = _function("peer_steal_many", U64, ctypes.POINTER(Queue), ctypes.POINTER(Consumption), U64, U64,
                       ctypes.c_void_p)
