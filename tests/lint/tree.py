"""What every rule is given: the files of the project, as git sees them (untracked ones too, ignored ones not)."""

import bisect
import dataclasses
import functools
import pathlib
import re
import subprocess

SOURCES = (".cpp", ".hpp")


@dataclasses.dataclass(frozen=True)
class Violation:
    path: str
    line: int  # 1-based; 0: the file as a whole
    what: str


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    remedy: str  # what to do about a violation
    find: object  # Tree -> violations
    compiles: bool  # takes minutes, and may need a configured build tree


RULES = []


def rule(name, remedy, compiles=False):
    """Makes a function from a Tree to violations a rule of ./dev lint."""

    def register(find):
        RULES.append(Rule(name, remedy, find, compiles))
        return find

    return register


class Tree:
    def __init__(self, root, build, quick=False):
        self.root = pathlib.Path(root)
        self.quick = quick  # what takes long may look at the most important part only
        self.build = pathlib.Path(build)  # a configured build tree with compile_commands.json

    @functools.cached_property
    def _listed(self):
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.root,
                                check=True, capture_output=True).stdout.decode()
        return sorted(path for path in set(listed.split("\0")) if path and (self.root / path).is_file())

    def files(self, suffixes=None, under=("",)):
        """Paths from the root, of files with one of these suffixes in one of these folders."""
        return [path for path in self._listed
                if (suffixes is None or path.endswith(tuple(suffixes))) and path.startswith(tuple(under))]

    def exists(self, path):
        return (self.root / path).exists()

    @functools.cache
    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    @functools.cache
    def code(self, path):
        return blank_comments_and_strings(self.text(path))

    @functools.cache
    def includes(self, path):
        """(line, text between the brackets or quotes, whether in quotes) of every #include."""
        found = []
        for number, line in enumerate(self.text(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line)
            if match:
                found.append((number, match[1] or match[2], match[2] is not None))
        return found

    def scripts(self):
        """Shell scripts, by their first line."""
        return [path for path in self.files() if "." not in pathlib.Path(path).name or path.endswith(".sh")
                if re.match(r"#!.*\b(ba)?sh\b", self.text(path).split("\n", 1)[0])]


def search(path, text, pattern, what):
    """A violation for every match; `what` may name groups of the pattern as {0}, {1} ..."""
    starts = None
    for match in re.finditer(pattern, text, re.MULTILINE):
        starts = starts or [0] + [newline.end() for newline in re.finditer("\n", text)]
        line = bisect.bisect_right(starts, match.start())
        yield Violation(path, line, what.format(match[0].strip(), *match.groups()))


COMMENT_OR_STRING = re.compile(
    r"""(?P<raw>R"(?P<tag>[^()\s\\]*)\(.*?\)(?P=tag)")
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<separator>(?<=[0-9a-fA-F])'(?=[0-9a-fA-F]))
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL)


def blank_comments_and_strings(text):
    """The same text, of the same length and with the same lines, with nothing but code in it."""

    return COMMENT_OR_STRING.sub(lambda match: match[0] if match["separator"] else blank(match), text)


def blank(match):
    """Spaces for a match, on as many lines."""
    return re.sub(r"[^\n]", " ", match[0])
