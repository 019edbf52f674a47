"""What planted_test.py plants. The words that a rule looks for are divided here, so that it does not find them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Planted:
    rule: str
    path: str  # of the file to change or make
    text: str  # to put there
    says: str = ""  # part of what the rule must say
    replace: str = None  # what the text replaces; None: it is put at the end, or (first) at the beginning
    first: bool = False
    append: bool = True  # False: the text becomes the whole file
    where: str = ""  # the path that the rule must name, when it is another one


UNITS = "transport/include/sluice/units.hpp"
SHM = "transport/src/shm/access.cpp"
TALKER = "examples/talker_listener/talker.cpp"
LAYOUT = "plugins/slick/planted_layout.hpp"
LAST_LINE = "}  // namespace sluice"


def public(text, says):
    """A declaration at the end of a public header."""
    return Planted("documented", UNITS, text + "\n\n" + LAST_LINE, says, replace=LAST_LINE)


def mapped(member, says, check="static_assert(sizeof(PlantedEntry) == 8);"):
    """A structure of a layout header."""
    text = f"#pragma once\n\nstruct PlantedEntry {{\n  {member}\n}};\n{check}\n"
    return Planted("mapped-structures", LAYOUT, text, says)


def unit(text, says):
    """A translation unit."""
    return Planted("clang-tidy", "tools/planted.cpp", text, says)


def paragraph(rule, text, says):
    """A line of a document."""
    return Planted(rule, "docs/launch.md", text + "\n", says)


PLANTED = [
    Planted("layering", "plugins/slick/horizon.cpp", "#include <sluice/node.hpp>\n", "node.hpp of the layer node"),
    Planted("layering", "plugins/inproc/channel.cpp", '#include "slick/horizon.hpp"\n', "another plugin"),
    Planted("layering", SHM, "#include <sluice/transport.hpp>\n", "shm includes"),
    Planted("layering", SHM, "#include <boost/version.hpp>\n", "the library boost"),
    Planted("layering", "transport/src/topic/units_of_nobody.cpp", '#include "control/log.hpp"\n', "topic includes"),
    Planted("layering", "transport/include/sluice/surprise.hpp", "#pragma once\n", "belongs to no layer"),
    Planted("layering", TALKER, "#include <sluice/detail/quote.hpp>\n", "not public"),
    Planted("asio", "tools/launch/child.cpp", "#include <boost/asio/io_context.hpp>\n", "directly"),
    Planted("include-order", SHM, "#include <string>\n\n", "not the first include", first=True),
    Planted("include-order", SHM, "\n#include <string>\n#include <sluice/error.hpp>\n", "is in one block with string"),
    Planted("shared-atomics", SHM, "long peek(long* word) { return __atomic_load_n(word, 0); }\n", "__atomic_load_n"),
    Planted("shared-atomics", SHM, "auto& word = *reinterpret_cast<std::atomic<int>*>(data);\n", "reinterpret_cast"),
    Planted("shared-atomics", SHM, "volatile int spinning = 0;\n", "volatile"),
    Planted("shared-atomics", "plugins/slick/horizon.cpp",
            "void f() { std::atomic_thread_fence(std::memory_order_acquire); }\n", "atomic_thread_fence"),
    mapped("std::atomic<long> count;", "std::atomic"),
    mapped("char* name;", "char* name"),
    mapped("std::string name;", "std::string"),
    mapped("long count;", "no static_assert", check=""),
    Planted("library-output", SHM, 'void f() { std::printf("x"); }\n', "std::printf"),
    Planted("library-output", "plugins/inproc/channel.cpp", "void f() { std::cout << 1; }\n", "std::cout"),
    Planted("library-output", SHM, "void f() { std::exit(1); }\n", "std::exit"),
    Planted("library-output", SHM, "void f() { ::abort(); }\n", "abort"),
    Planted("pragma-once", UNITS, "// A word first.\n", "does not begin", first=True),
    Planted("ownership", "tools/launch/planted.hpp",
            "#pragma once\n\nclass Owner {\n public:\n  ~Owner() { close(fd_); }\n\n private:\n  int fd_;\n};\n",
            "Owner has a destructor"),
    public("void stop(int after);", "function stop has no comment"),
    public("/// Stops it.\nvoid stop(int after);\nvoid start(int after);", "function start has no comment"),
    public("/// Get the limit.\nint limit();", "only repeats the name"),
    public("/// What holds it.\nstruct Box {\n  int width = 0;\n};", "member width"),
    public("/// Two ways.\nenum class Way {\n  left,  ///< Where the heart is.\n  right,\n};", "enumerator right"),
    public("enum class Way { left, right };", "enum Way"),
    public("/// What holds it.\nclass Box {\n public:\n  int width() const { return 1; }\n\n private:\n  int a_;\n};",
           "function width"),
    public("#define SLUICE_PLANTED 1", "macro SLUICE_PLANTED"),
    Planted("self-contained", "transport/include/sluice/shm/planted.hpp", "#pragma once\n\nstd::string planted();\n",
            "does not compile alone"),
    Planted("self-contained", "transport/include/sluice/shm/planted.hpp",
            "#pragma once\n\n#include <spdlog/common.h>\n", "brings in spdlog"),
    Planted("file-length", SHM, "//\n" * 400, "a file has at most 400"),
    Planted("line-length", SHM, "// " + "x" * 118 + "\n", "has 121 characters"),
    Planted("whitespace", SHM, "int a; \n", "blanks at the end"),
    Planted("whitespace", SHM, "\tint a;\n", "a tab"),
    Planted("whitespace", SHM, "int a;", "one line feed"),
    Planted("unfinished", SHM, "// TO" "DO: the rest\n", "says TO" "DO"),
    Planted("machine-paths", "config/README.md", "See /ho" "me/somebody/sluice.\n", "names /ho" "me/"),
    Planted("machine-paths", "tests/verify.sh", "cd /wo" "rk/main\n", "names /wo" "rk/main"),
    paragraph("links", "See [this](nowhere.md).", "links to nowhere.md"),
    paragraph("links", "See [this](architecture.md#no-such-heading).", "#no-such-heading"),
    paragraph("links", "See `transport/src/shm/nowhere.cpp`.", "names transport/src/shm/nowhere.cpp"),
    paragraph("commands", "Run `./dev dance`.", "./dev dance does not exist"),
    paragraph("commands", "\n    ./dev build gold", "./dev build gold"),
    paragraph("commands", "Run `./dev lint no-such-rule`.", "./dev lint no-such-rule"),
    paragraph("commands", "Run `sluice fly`.", "sluice fly does not exist"),
    paragraph("commands", "\n    $ build/release/bin/sluice topic fly", "sluice topic fly"),
    Planted("labels", "docs/testing.md", "| flight | `bird` | whether it flies |\n", "no test has the label flight"),
    Planted("labels", "tests/planted/CMakeLists.txt", "sluice_add_test(NAME bird LABEL flight)\n", "the label flight",
            where="docs/testing.md"),
    Planted("labels", "tests/planted/CMakeLists.txt", "sluice_add_test(NAME bird LABEL flight)\n",
            "runs no tests", where="dev"),
    Planted("readme-blocks", "README.md", "```python\nimport sluice\n```\n", "no test uses this python block"),
    Planted("readme-blocks", "README.md", "```sh\ntrue\n```\n" * 9, "no test uses this sh block"),
    Planted("decisions", "docs/decisions/1-first.md", "# First\n", "not named"),
    Planted("decisions", "docs/decisions/001-zzz-again.md", "# Again\n", "has the number of"),
    Planted("examples", "examples/bird/bird.cpp", "int main() {}\n", "has no README.md", where="examples/bird"),
    Planted("examples", "examples/bird/bird.cpp", "int main() {}\n", "no end-to-end test", where="examples/bird"),
    Planted("clang-format", SHM, "int  a ;\n", "clang-formatted"),
    Planted("shellcheck", "bench/planted.sh", "#!/usr/bin/env bash\ncd $1\n", "SC2086"),
    Planted("pyflakes", "tests/e2e/planted_test.py", "import os\n", "'os' imported but unused"),
    unit("class wrong_name {};\n", "case style for class"),
    unit("int Wrong() { return 1; }\n", "case style for function"),
    unit("class A {\n  int wrong;\n};\n", "case style for private member"),
    unit("constexpr int wrong = 1;\n", "case style for constexpr variable"),
    unit("#define WRONG 1\n", "case style for macro"),
    unit("struct Word {\n  Word(int number);\n};\n", "google-explicit-constructor"),
    unit("#include <string>\n#include <utility>\n\nstd::string f(std::string a) {\n"
         "  const std::string b = std::move(a);\n  return a + b;\n}\n", "bugprone-use-after-move"),
]

# What looks like a violation and is none.
TOLERATED = [
    Planted("library-output", SHM, '// printf("x")\nconst char* word = "std::cout << printf(1)";\n'),
    Planted("library-output", SHM, "void f(char* to) { std::snprintf(to, 8, \"%d\", 1'000); }\n"),
    Planted("shared-atomics", SHM, 'const char* durability = "volatile";\n'),
    Planted("ownership", SHM, "class Base {\n public:\n  Base(const Base&) = delete;\n  virtual ~Base();\n};\n"
            "class Derived : public Base {\n  ~Derived() override;\n};\n"),
    Planted("commands", "docs/launch.md", "The sluice flies, and `./dev` knows how; `sluice` too.\n"),
    Planted("machine-paths", "config/README.md", "It is in /usr/share and in $HOME.\n"),
    public("/// Stops after `ns`.\nvoid stop(long ns);\nvoid stop(int ns);", ""),
    public("namespace detail {\nvoid hidden();\n}\n\nclass Later;", ""),
    public("/// What holds it.\nclass Box {\n public:\n  Box();\n  Box(const Box&) = delete;\n  ~Box();\n};",
           ""),
    public("/// What holds it.\nclass Box {\n public:\n  /// Opens `fd`.\n  explicit Box(int fd) : fd_{fd} {}\n\n"
           " private:\n  int fd_ = 0;\n};\n\ninline void Box::close() { fd_ = -1; }", ""),
]
