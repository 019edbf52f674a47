"""What the documents say exists, exists."""

import collections
import json
import pathlib
import posixpath
import re

from tree import RULES, Violation, rule, search

# Languages of README blocks that are programs or configuration, not pictures.
TESTED_LANGUAGES = ("cpp", "cmake", "yaml", "sh", "bash", "console", "c", "python")
LINE_START = r"(?:^|&& )\s*(?:\$ )?"


def documents(tree):
    return tree.files((".md",))


def code_in(text):
    """(line, text) of every code span, and of every line of a fenced or indented block."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or re.match(r"    \S", line):
            yield number, line
        else:
            for span in re.findall(r"`([^`]+)`", line):
                yield number, span


def prose_of(text):
    """The text with code blocks and code spans blanked, line by line."""
    text = re.sub(r"^```.*?^```", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", lambda span: " " * len(span[0]), text)


def anchors(text):
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@rule("links", "correct the link or the path, or remove it")
def links(tree):
    for path in documents(tree):
        folder = posixpath.dirname(path)
        for found in search(path, prose_of(tree.text(path)), r"\]\(([^)\s]+)\)", "{1}"):
            target, _, anchor = found.what.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = posixpath.normpath(posixpath.join(folder, target)) if target else path
            if not tree.exists(file):
                yield Violation(path, found.line, f"links to {target}, which does not exist")
            elif anchor and file.endswith(".md") and anchor not in anchors(tree.text(file)):
                yield Violation(path, found.line, f"links to #{anchor}, which {file} does not have")
        if path != "docs/seeds.md":  # it names files of the projects that it answers
            for line, text in code_in(tree.text(path)):
                yield from missing_paths(tree, path, line, text)


def missing_paths(tree, document, line, text):
    """Files of this project that code names, relative to the root, to the document or to an include directory."""
    folders = (".", posixpath.dirname(document) or ".", "transport/include", "tests")
    for name in re.findall(r"(?<![\w./$<{*-])(?:[\w-]+/)+[\w-]+\.(?:md|hpp|cpp|py|sh|yaml|cmake)\b(?![\w*])", text):
        top = name.split("/")[0]
        known = any(tree.exists(posixpath.join(folder, top)) for folder in folders)
        if known and not any(tree.exists(posixpath.join(folder, name)) for folder in folders) and top != "build":
            yield Violation(document, line, f"names {name}, which does not exist")


def dev_words(tree):
    """What may follow ./dev, and what may follow that: {command: words or None for anything}."""
    dev = tree.text("dev")
    commands = [word for line in re.findall(r"^  ([a-z][a-z |-]*)\) ", dev[dev.rindex("\ncase "):], re.MULTILINE)
                for word in line.replace("|", " ").split()]
    words = dict.fromkeys(commands + ["help"])
    presets = json.loads(tree.text("CMakePresets.json"))["configurePresets"]
    words["build"] = {preset["name"] for preset in presets if not preset.get("hidden")}
    words["test"] = labels_of_tests(tree)
    words["lint"] = {each.name for each in RULES}
    campaigns = re.search(r"^readonly all=\(([^)]*)\)", tree.text("tests/verify.sh"), re.MULTILINE)
    words["verify"] = set(campaigns[1].split()) if campaigns else None
    return words


def sluice_words(tree):
    """{command: its own subcommands}, read from the tool's sources."""
    pattern = r"(?:(\w+) = )?(\w+)(?:\.|->)add_subcommand\(\s*\"([\w-]+)\""
    found = [match for path in tree.files((".cpp",), ("tools/",)) for match in re.findall(pattern, tree.text(path))]
    command_of = {variable: name for variable, _, name in found}
    words = {name: set() for _, receiver, name in found if receiver not in command_of}
    for _, receiver, name in found:
        if receiver in command_of:
            words.setdefault(command_of[receiver], set()).add(name)
    return words


@rule("commands", "name a command that exists: ./dev help, sluice --help")
def commands(tree):
    dev, sluice = dev_words(tree), sluice_words(tree)
    for path in documents(tree):
        for line, text in code_in(tree.text(path)):
            for command, word in re.findall(LINE_START + r"\./dev ([a-z_]+)(?: ([a-z][a-z_-]*)(?![\w.]))?", text):
                if command not in dev:
                    yield Violation(path, line, f"./dev {command} does not exist")
                elif word and dev[command] is not None and word not in dev[command] and "#" not in word:
                    yield Violation(path, line, f"./dev {command} {word} does not exist")
            pattern = LINE_START + r"(?:[\w./-]+/)?sluice ([a-z_]+)(?: ([a-z_]+(?:-[a-z]+)*)\b(?![./:]))?"
            for command, word in re.findall(pattern, text):
                if command not in sluice:
                    yield Violation(path, line, f"sluice {command} does not exist")
                elif word and sluice[command] and word not in sluice[command]:
                    yield Violation(path, line, f"sluice {command} {word} does not exist")


def labels_of_tests(tree):
    found = set()
    for path in tree.files(("CMakeLists.txt", ".cmake")):
        for value in re.findall(r"\bLABELS? +\"?([\w;]+)\"?", re.sub("#.*", "", tree.text(path))):
            found |= set(value.split(";"))
    return found


@rule("labels", "a label is in CMake, in the table of docs/testing.md, and among those that ./dev test runs")
def labels(tree):
    defined = labels_of_tests(tree)
    table = {}
    for number, line in enumerate(tree.text("docs/testing.md").splitlines(), 1):
        match = re.match(r"\| ([a-z0-9_]+) \| `", line)
        if match:
            table.setdefault(match[1], number)
    for label, line in table.items():
        if label not in defined:
            yield Violation("docs/testing.md", line, f"no test has the label {label}")
    run = {label for group in re.findall(r"-L ['\"]?([\w|]+)", tree.text("dev")) for label in group.split("|")}
    for label in sorted(defined):
        if label not in table:
            yield Violation("docs/testing.md", 0, f"does not say what the label {label} is")
        if label not in run:
            yield Violation("dev", 0, f"runs no tests with the label {label}")
    for label in sorted(run - defined):
        yield Violation("dev", 0, f"asks for the label {label}, which no test has")


@rule("readme-blocks", "let an end-to-end test take the block out of the README and use it: only(LANGUAGE) or "
                       "blocks(README, LANGUAGE)[NUMBER]")
def readme_blocks(tree):
    tests = "".join(tree.text(path) for path in tree.files((".py",), ("tests/e2e/",)))
    seen = collections.Counter()
    for found in search("README.md", tree.text("README.md"), r"^```(\w+)", "{1}"):
        language, number = found.what, seen[found.what]
        seen[language] += 1
        taken = rf"\bonly\(\"{language}\"\)|\bblocks\((?:README|SOURCE / \"README.md\"), \"{language}\"\)"
        if language in TESTED_LANGUAGES and not re.search(rf"(?:{taken})(?:\[{number}\]|(?!\[))", tests):
            yield Violation("README.md", found.line, f"no test uses this {language} block, the {number + 1}. of them")


@rule("decisions", "docs/decisions/NNN-title.md, each number once, with a heading")
def decisions(tree):
    numbers = {}
    for path in tree.files(under=("docs/decisions/",)):
        match = re.fullmatch(r"docs/decisions/(\d{3})-[a-z0-9-]+\.md", path)
        if not match:
            yield Violation(path, 0, "is not named NNN-title.md")
            continue
        if match[1] in numbers:
            yield Violation(path, 0, f"has the number of {numbers[match[1]]}")
        numbers[match[1]] = path
        if not tree.text(path).startswith("# "):
            yield Violation(path, 1, "does not begin with a heading")


@rule("examples", "an example has a CMakeLists.txt (those in C++), a README.md and an end-to-end test that names it")
def examples(tree):
    tests = "".join(tree.text(path) for path in tree.files((".py",), ("tests/e2e/",)))
    for name in sorted({path.split("/")[1] for path in tree.files(under=("examples/",)) if path.count("/") > 1}):
        folder = pathlib.PurePosixPath("examples") / name
        compiled = tree.files((".cpp",), (f"{folder}/",))
        for needed in ("README.md", *(["CMakeLists.txt"] if compiled else [])):
            if not tree.exists(folder / needed):
                yield Violation(str(folder), 0, f"has no {needed}")
        if not re.search(rf"\b{name}\b", tests):
            yield Violation(str(folder), 0, "no end-to-end test names it")
