"""Loads the C half of the peer: words in shared memory, the originals' write and read, the payload convention.

ESHM_PEER_LIBRARY names a library that CMake built; without it the sources are compiled for this process alone, into a
temporary directory that is gone again once the library is loaded.
"""

import ctypes
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ("eshm_channel.c", "eshm_message.c", "../slick_peer/peer_payload.c")
STEPS = ("odd", "half_data", "data", "size", "even", "write_count", "wake_seq")  # of a write, numbered from 1
COPIED, STILL_ODD, TOO_SMALL, KEPT_CHANGING = range(4)

U32, U64 = ctypes.c_uint32, ctypes.c_uint64


def _load():
    built = os.environ.get("ESHM_PEER_LIBRARY")
    if built:
        return ctypes.CDLL(built)
    with tempfile.TemporaryDirectory(prefix="eshm-peer-") as directory:
        library = os.path.join(directory, "eshm_peer.so")
        subprocess.run(["cc", "-std=c11", "-O2", "-fPIC", "-shared", "-o", library, *(str(HERE / s) for s in SOURCES)],
                       check=True, timeout=120)
        return ctypes.CDLL(library)


library = _load()


def _function(name, result, *arguments):
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


load_32 = _function("eshm_peer_load_32", U32, U64)
load_64 = _function("eshm_peer_load_64", U64, U64)
store_32 = _function("eshm_peer_store_32", None, U64, U32)
store_64 = _function("eshm_peer_store_64", None, U64, U64)
add_32 = _function("eshm_peer_add_32", None, U64, U32)
add_64 = _function("eshm_peer_add_64", None, U64, U64)
wake_all = _function("eshm_peer_wake_all", ctypes.c_int, U64)

write = _function("eshm_peer_write", ctypes.c_int, U64, U64, ctypes.c_int, ctypes.c_char_p, U32, ctypes.c_int,
                  ctypes.c_int)
await_message = _function("eshm_peer_await", ctypes.c_int, U64, U64, ctypes.c_int, U64, U64)
copy_message = _function("eshm_peer_copy", ctypes.c_int, U64, ctypes.c_void_p, U32, ctypes.POINTER(U32), U64, U32)
count_read = _function("eshm_peer_count_read", None, U64, U64)

fill = _function("eshm_peer_fill", None, ctypes.c_void_p, U32, U64, U64, U64)
intact = _function("eshm_peer_intact", ctypes.c_int, ctypes.c_char_p, U32, ctypes.POINTER(U64), ctypes.POINTER(U64))
message_size = _function("peer_message_size", U32, U64, U64, U64, U32, U32)
