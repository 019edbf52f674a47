"""Rules about files as text."""

from tree import Violation, rule, search

TEXT = (".cpp", ".hpp", ".h", ".py", ".sh", ".md", ".yaml", ".cmake", "CMakeLists.txt", "dev")
LONGEST_FILE = 400
LONGEST_LINE = 120


@rule("file-length", "divide it by what it does")
def file_length(tree):
    for path in tree.files(TEXT):
        count = tree.text(path).count("\n")
        if count > LONGEST_FILE:
            yield Violation(path, 0, f"has {count} lines; a file has at most {LONGEST_FILE}")


@rule("line-length", "wrap it; only tables and links in Markdown may be longer")
def line_length(tree):
    for path in tree.files(TEXT):
        if path.startswith("tests/golden/"):  # as they were written
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            table = path.endswith(".md") and line.lstrip().startswith(("|", "["))
            if len(line) > LONGEST_LINE and not table:
                yield Violation(path, number, f"has {len(line)} characters; a line has at most {LONGEST_LINE}")


@rule("whitespace", "no tabs, nothing at the end of a line, one line feed at the end of the file")
def whitespace(tree):
    for path in tree.files(TEXT):
        text = tree.text(path)
        yield from search(path, text, r"[ \t]+$", "blanks at the end of the line")
        yield from search(path, text, r"\t", "a tab")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield Violation(path, text.count("\n") + 1, "does not end with one line feed")


@rule("unfinished", "do it, or write down in docs/architecture.md that it is missing")
def unfinished(tree):
    words = "|".join(("TO" "DO", "FIX" "ME", "HA" "CK", r"(?<!X)X{3}(?!X)"))
    for path in tree.files(TEXT):
        yield from search(path, tree.text(path), rf"\b(?:{words})\b", "says {0}")


@rule("machine-paths", "say it relative to the source tree, the build tree or a temporary directory")
def machine_paths(tree):
    for path in tree.files():
        if not path.endswith(".bin"):
            yield from search(path, tree.text(path), r"(?<![\w}])/(?:work|root|home)/\w*", "names {0}")
