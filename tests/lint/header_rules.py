"""Rules about what users include: transport/include."""

import re
import subprocess

from declarations import HeaderReader
from layering import LIBRARIES, layer_of
from remembered import in_parallel
from tree import Violation, rule

INCLUDE = "transport/include/"
# Words that say nothing about a declaration beyond its name.
EMPTY_WORDS = set("a an the of this that is are its it to for in get gets set sets return returns returned value "
                  "values variable field member class struct function type object constructor".split())


def public_headers(tree):
    return [path for path in tree.files((".hpp", ".h"), (INCLUDE,)) if "/detail/" not in path]


def words_of(text):
    """Lower-case words; of names too, so that `max_size` and `MaxSize` are two words each."""
    return set(re.findall(r"[a-z]+|[0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()))


@rule("documented", "say above it (///) or behind it (///<) what it does that its name does not say: units, bounds, "
                    "errors, blocking, threads")
def documented(tree):
    for path in public_headers(tree):
        for found in HeaderReader(tree.text(path)).declarations():
            if not found.comment:
                yield Violation(path, found.line, f"{found.kind} {found.name} has no comment")
            elif not words_of(found.comment) - words_of(found.name) - EMPTY_WORDS:
                yield Violation(path, found.line, f"{found.kind} {found.name}: '{found.comment}' only repeats the name")


@rule("self-contained", "include what the header uses; a header of sluice::core uses libc and libstdc++ alone",
      compiles=True)
def self_contained(tree):
    """Each header alone, with no other include directory than ours."""
    headers = [path for path in tree.files((".hpp", ".h"), (INCLUDE,))]
    yield from in_parallel(tree, headers, lambda path: compile_alone(tree, path), lambda _: "self-contained")


def compile_alone(tree, path):
    name = path.removeprefix(INCLUDE)
    # -H lists what was read, a line with leading dots for each.
    command = "g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -H".split() + ["-I", INCLUDE, "-x", "c++", "-"]
    result = subprocess.run(command, cwd=tree.root, input=f"#include <{name}>\n", capture_output=True, text=True)
    if result.returncode != 0:
        return [Violation(file, int(line), f"{name} does not compile alone: {message}") for file, line, message in
                re.findall(r"^(\S+?):(\d+):.*?error: (.*)$", result.stderr, re.MULTILINE)[:1]]
    layer = layer_of(path)
    # Node::log() is an spdlog logger
    allowed = {"node": {"spdlog", "fmt"}, "foreign loop": {"boost"}}.get(layer, set())
    used = {LIBRARIES[folder] for folder in LIBRARIES if re.search(rf"^\.+ .*/{folder}/", result.stderr, re.MULTILINE)}
    return [Violation(path, 0, f"brings in {library}") for library in sorted(used - allowed)]
