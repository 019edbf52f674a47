"""Rules about our own C++ that no compiler and no clang-tidy check knows."""

import re

from tree import SOURCES, Violation, rule, search

LIBRARY_FOLDERS = ("transport/", "plugins/")


@rule("shared-atomics", "use shm::SharedAtomic and the fences of sluice/shm/atomic.hpp")
def shared_atomics(tree):
    folder = "transport/include/sluice/shm/"
    words = {
        r"\b__(?:atomic|sync)_\w+|\batomic_(?:ref|thread_fence|signal_fence)\b": folder + "atomic.hpp",
        r"\basm\b|__builtin_ia32_\w+": folder + "atomic.hpp",
        r"reinterpret_cast<(?:const )?std::atomic\b": "transport/include/sluice/slick/shared_cursor.hpp",  # upstream's
        r"(?<!asm )\bvolatile\b": folder + "unvalidated_copy.hpp",  # the one copy that a writer may overtake
    }
    for path in tree.files(SOURCES, LIBRARY_FOLDERS):
        for pattern, home in words.items():
            if path != home:
                yield from search(path, tree.code(path), pattern, "{0}: only " + home + " may use it")


@rule("mapped-structures", "only fixed-size integers, arrays of them and shm::SharedAtomic; assert the size beside it")
def mapped_structures(tree):
    """What is laid over mapped bytes: every T of a Mapping::at<T>, and every structure of a *layout.hpp."""
    names = {"SegmentHeader"}
    for path in tree.files(SOURCES, LIBRARY_FOLDERS):
        names |= set(re.findall(r"\bat<(?:\w+::)*(\w+)>\(", tree.code(path)))
        if path.endswith("layout.hpp"):
            names |= set(re.findall(r"^struct (\w+) \{", tree.code(path), re.MULTILINE))
    forbidden = (r"\bstd::(?:atomic|string|string_view|vector|map|unique_ptr|shared_ptr|optional|function|span)\b"
                 r"|^\s+(?:const )?[\w:<>]+\s?[*&] ?\w+( = \w+)?;|\bvirtual\b|\bbool \w+;")
    for path in tree.files((".hpp",), LIBRARY_FOLDERS):
        code = tree.code(path)
        for match in re.finditer(r"^struct (\w+) \{.*?^\};", code, re.MULTILINE | re.DOTALL):
            if match[1] not in names:
                continue
            first = code.count("\n", 0, match.start())
            for found in search(path, match[0], forbidden, "{0}"):
                yield Violation(path, first + found.line, f"{match[1]} lies in shared memory and has '{found.what}'")
            if not re.search(rf"static_assert\([^;]*\b{match[1]}\b", code):
                yield Violation(path, first + 1, f"{match[1]} lies in shared memory and no static_assert checks it")


@rule("library-output", "throw, return a result, or log through the node's logger")
def library_output(tree):
    """A library neither writes to the program's streams nor ends the program."""
    pattern = (r"\bstd::(?:cout|cerr|clog)\b|\b(?:std::|::)?(?:f?printf|v?dprintf|puts|fputs|putchar|perror)\s?\("
               r"|\bstd(?:out|err)_(?:color_)?sink\w*"
               r"|(?<![\w.>:])(?:std::|::)?(?:_?exit|_Exit|quick_exit|abort|terminate)\s?\("
               r"|#\s*include <(?:iostream|cstdio)>")
    allowed = {
        "transport/src/control/log.cpp": r"stderr|stdout_color_sinks",  # the node's logger itself
        "transport/src/libeshm/eshm.cpp": r"dprintf|<cstdio>",  # why eshm_init returns NULL: C has no exceptions
        "transport/src/shm/kill_point.cpp": r"",  # compiled for tests only
    }
    for path in tree.files(SOURCES, LIBRARY_FOLDERS):
        for found in search(path, tree.code(path), pattern, "{0}"):
            if path in allowed and re.search(allowed[path], found.what):
                continue
            yield Violation(path, found.line, f"a library uses {found.what}")


@rule("pragma-once", "begin the header with #pragma once")
def pragma_once(tree):
    for path in tree.files((".hpp",)) + tree.files((".h",), ("transport/",)):
        if not tree.text(path).startswith("#pragma once\n"):
            yield Violation(path, 1, "does not begin with #pragma once")


@rule("ownership", "delete the copies, or say how to copy or move (an overriding destructor leaves that to its base)")
def ownership(tree):
    """A class that has something to do when it dies must not be copied by accident."""
    for path in tree.files(SOURCES):
        code = tree.code(path)
        for match in re.finditer(r"(?<![\w:.>~])~(\w+)\(\)(?! = default| override| noexcept override)", code):
            name = match[1]
            if not re.search(rf"\b(?:class|struct)\b[^;{{}}()]*\b{name}\b[^;()]*\{{", code):
                continue  # a definition outside of its class, or a call
            if re.search(rf"\bstruct {name} \{{(?:[^}}]|\}}\n)*?\}} \w+\{{", code):
                continue  # a guard in a function, made once where it is declared
            if not re.search(rf"\b{name}\((?:const {name}(?:<\w+>)?&|{name}(?:<\w+>)?&&)", code):
                yield Violation(path, code.count("\n", 0, match.start()) + 1,
                                f"{name} has a destructor and says nothing about copying")
