"""Who may include whom: the picture at the top of docs/architecture.md, and the order of includes."""

import posixpath
import re

from tree import SOURCES, Violation, rule

# Layer: (layers it may use besides itself, libraries it may use besides libc and libstdc++).
# `ring` is the algorithms of foreign formats that both a plugin and the drop-in headers use.
LAYERS = {
    "shm": ((), ()),
    "ring": (("shm",), ()),
    "libeshm": (("shm", "ring"), ()),
    "transport": (("shm",), ()),
    "plugin": (("shm", "ring", "transport"), ()),
    "topic": (("shm", "transport"), ("yaml-cpp",)),
    "control": (("shm", "transport", "topic"), ("boost", "nlohmann", "spdlog")),
    "node": (("shm", "transport", "topic", "control"), ("fmt", "nlohmann", "spdlog")),
    "foreign loop": (("shm", "transport", "topic", "control", "node"), ("boost",)),
}
# Everything above the node layer may use every layer, through public headers.
ABOVE = ("bench", "examples", "python", "tests", "tools")

FOLDERS = {
    "transport/src/shm/": "shm",
    "transport/src/slick/": "ring",
    "transport/src/eshm/": "ring",
    "transport/src/libeshm/": "libeshm",
    "transport/src/transport/": "transport",
    "transport/src/topic/": "topic",
    "transport/src/control/": "control",
    "transport/src/node/": "node",
    "transport/include/sluice/shm/": "shm",
    "transport/include/sluice/slick/": "ring",
    "transport/include/sluice/eshm/": "ring",
    "transport/include/slick/": "ring",
    "transport/include/eshm": "libeshm",
    "plugins/": "plugin",
}
PUBLIC_HEADERS = {
    "shm": ("error", "export", "sanitizers"),
    "transport": ("copy_buffers", "loan_buffers", "message", "plugin", "qos", "topic_spec", "transport",
                  "transport_options", "transport_registry", "type_name", "units", "detail/quote"),
    "topic": ("config", "topic_name", "detail/config_keys", "detail/parameter_file",
              "detail/yaml_document"),
    "control": ("graph",),
    "node": ("bytes_batch", "executor", "node", "node_options", "parameter", "publisher", "sluice", "subscription"),
    "foreign loop": ("asio",),
}
LAYER_OF_HEADER = {f"transport/include/sluice/{name}.hpp": layer
                   for layer, names in PUBLIC_HEADERS.items() for name in names}

LIBRARIES = {"boost": "boost", "spdlog": "spdlog", "yaml-cpp": "yaml-cpp", "fmt": "fmt", "CLI": "CLI11",
             "nlohmann": "nlohmann", "openssl": "openssl", "catch2": "catch2", "pybind11": "pybind11"}

# Boost.Asio comes in here and nowhere else: one header for the libraries, one for the launcher, and one for programs
# whose loop it is; they include the rest of it themselves.
ASIO_HEADERS = ("transport/src/control/asio.hpp", "tools/launch/asio.hpp", "transport/include/sluice/asio.hpp")


def layer_of(path):
    if path in LAYER_OF_HEADER:
        return LAYER_OF_HEADER[path]
    return next((layer for folder, layer in FOLDERS.items() if path.startswith(folder)), None)


def resolve(tree, includer, name, quoted):
    """The file of this project that an include means, or None."""
    folders = ["transport/include"]
    if quoted:
        folders = [posixpath.dirname(includer), "transport/src", "plugins", "tools", "tests", "bench", "."] + folders
    for folder in folders:
        path = posixpath.normpath(posixpath.join(folder, name))
        if tree.exists(path):
            return path
    return None


def library(name):
    return LIBRARIES.get(name.split("/")[0])


@rule("layering", "use what lies below, or move the code up; tests/lint/layering.py has the table")
def layering(tree):
    for path in tree.files(SOURCES):
        layer = layer_of(path)
        if layer is None:
            if path.startswith("transport/"):
                yield Violation(path, 0, "belongs to no layer: name it in tests/lint/layering.py")
            if path.startswith("examples/"):
                yield from example_includes(tree, path)
            continue
        uses, libraries = LAYERS[layer]
        for line, name, quoted in tree.includes(path):
            if library(name) and library(name) not in libraries:
                yield Violation(path, line, f"{layer} uses the library {library(name)}")
            target = resolve(tree, path, name, quoted)
            if target is None:
                continue
            other = layer_of(target)
            if other is None:
                yield Violation(path, line, f"{layer} includes {target}, which is above all layers")
            elif other == layer == "plugin" and target.split("/")[1] != path.split("/")[1]:
                yield Violation(path, line, f"a plugin includes another plugin's {target}")
            elif other != layer and other not in uses:
                yield Violation(path, line, f"{layer} includes {target} of the layer {other}")


def example_includes(tree, path):
    """Examples are written as a stranger would: public headers only."""
    for line, name, quoted in tree.includes(path):
        target = resolve(tree, path, name, quoted)
        outside = target and not target.startswith(("transport/include/", posixpath.dirname(path).split("/")[0] + "/"))
        if outside or name.startswith("sluice/detail/"):
            yield Violation(path, line, f"an example includes {name}, which is not public")


@rule("asio", "include control/asio.hpp (libraries) or asio.hpp (launcher), and add there what is missing")
def asio(tree):
    for path in tree.files(SOURCES):
        includes = tree.includes(path)
        has_the_loop = path.startswith(ABOVE) and any(name == "sluice/asio.hpp" for _, name, _ in includes)
        if path in ASIO_HEADERS or has_the_loop:
            continue
        for line, name, _ in includes:
            if re.match(r"boost/asio", name):
                yield Violation(path, line, f"includes {name} directly")


@rule("include-order", "own header first; then blocks, divided by empty lines, each of one kind: system and standard, "
                       'libraries, <sluice/...>, "project"')
def include_order(tree):
    for path in tree.files(SOURCES):
        includes = tree.includes(path)
        own = next((include for include in includes if is_own_header(path, include[1])), None)
        if own and own != includes[0]:
            yield Violation(path, own[0], f"its own header {own[1]} is not the first include")
        others = [include for include in includes if include != own]
        for (line_before, before, quoted_before), (line, name, quoted) in zip(others, others[1:]):
            kinds = include_kind(before, quoted_before), include_kind(name, quoted)
            if line == line_before + 1 and kinds[0] != kinds[1]:
                yield Violation(path, line, f"{name} ({kinds[1]}) is in one block with {before} ({kinds[0]})")


def is_own_header(path, name):
    return path.endswith(".cpp") and posixpath.basename(name) == posixpath.basename(path)[:-4] + ".hpp"


def include_kind(name, quoted):
    if quoted:
        return "project"
    if name.startswith(("sluice/", "slick/")):
        return "sluice"
    return "library" if library(name) else "system or standard"
