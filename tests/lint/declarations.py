"""The public declarations of a C++ header and their comments. Not a parser of C++: it knows the C++ that clang-format
leaves in our headers, and tests/lint/planted_test.py shows what it sees."""

import dataclasses
import re

from tree import blank, blank_comments_and_strings

TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|::|\[\[|\]\]|[^\w\s]")
IGNORED_WORDS = {"SLUICE_EXPORT", "inline", "static", "constexpr", "explicit", "virtual", "extern", "mutable", "const"}


@dataclasses.dataclass
class Declaration:
    kind: str  # class, enum, enumerator, function, member, alias, concept, macro
    name: str
    line: int  # 1-based, the first line
    comment: str  # without the slashes; empty when there is none


@dataclasses.dataclass
class Scope:
    kind: str  # namespace, class, enum
    public: bool
    name: str = ""


class HeaderReader:
    def __init__(self, text):
        self.lines = text.splitlines()
        code = blank_comments_and_strings(text)
        code = re.sub(r"^ *#(?:[^\n]*\\\n)*[^\n]*", blank, code, flags=re.MULTILINE)
        self.tokens, self.token_lines = [], []
        for number, line in enumerate(code.splitlines()):
            for token in TOKEN.findall(line):
                self.tokens.append(token)
                self.token_lines.append(number)
        self.found = []
        self.enum_line = -1

    def declarations(self):
        self.macros()
        self.scope(0, Scope("namespace", True))
        return self.found

    def macros(self):
        for number, line in enumerate(self.lines):
            match = re.match(r"#\s*define (\w+)", line)
            if match and not match[1].endswith("_"):
                first = number
                while first > 0 and re.match(r"#|\s*$|.*\\$", self.lines[first - 1]):
                    first -= 1  # one comment for a group of directives
                earlier = [each.comment for each in self.found if each.name == match[1]]
                comment = self.comment(first, number) or "".join(earlier[:1])
                self.found.append(Declaration("macro", match[1], number + 1, comment))

    def scope(self, at, scope):
        """Reads declarations from token `at` to the closing brace of the scope; the index behind it."""
        start = at
        while at < len(self.tokens):
            token = self.tokens[at]
            if token == "}":
                if scope.kind == "enum":
                    self.declare(scope, start, at)
                return at + 1
            if scope.kind == "enum":
                if token == ",":
                    self.declare(scope, start, at)
                    start = at + 1
                at = self.skip(at) if token in "({[" else at + 1
            elif token == ":" and at == start + 1 and self.tokens[start] in ("public", "protected", "private"):
                scope.public = self.tokens[start] == "public"
                start = at = at + 1
            elif token == ";":
                self.declare(scope, start, at)
                start = at = at + 1
            elif token == "{":
                at, ended = self.brace(scope, start, at)
                start = at if ended else start
            elif token == "(":
                at = self.skip(at)
            else:
                at += 1
        return at

    def brace(self, scope, start, at):
        """What follows a `{` in a declaration: (index behind it, whether that ended the declaration)."""
        words = self.head(start, at)
        outside = outside_parentheses(words)
        if "namespace" in words:
            name = words[-1] if words[-1] != "namespace" else ""
            hidden = "detail" in words or not name
            return self.scope(at + 1, Scope("namespace", scope.public and not hidden, name)), True
        if words[:1] == ["extern"]:
            return self.scope(at + 1, Scope("namespace", scope.public)), True
        if "enum" in outside and "(" not in words:
            self.declare(scope, start, at)
            return self.behind_class(self.scope(at + 1, Scope("enum", scope.public))), True
        if {"class", "struct", "union"} & set(outside) and "(" not in words and "=" not in words:
            self.declare(scope, start, at)
            if not scope.public:
                return self.behind_class(self.skip(at)), True
            return self.behind_class(self.scope(at + 1, Scope("class", "class" not in words, class_name(words)))), True
        value = "(" not in words or "=" in outside
        member_initializer = ":" in outside and re.match(r"\w", self.tokens[at - 1])
        if value or member_initializer:
            return self.skip(at), False  # the braces of a value; the declaration goes on
        self.declare(scope, start, at)
        return self.skip(at), True

    def behind_class(self, at):
        return at + 1 if at < len(self.tokens) and self.tokens[at] == ";" else at

    def skip(self, at):
        """The index behind the bracket that closes the one at `at`."""
        pairs = {"(": ")", "{": "}", "[": "]"}
        opening, closing, depth = self.tokens[at], pairs[self.tokens[at]], 0
        while at < len(self.tokens):
            depth += (self.tokens[at] == opening) - (self.tokens[at] == closing)
            at += 1
            if depth == 0:
                break
        return at

    def head(self, start, end):
        """The words of a declaration without attributes, template parameters and decoration."""
        words, at = [], start
        while at < end:
            token = self.tokens[at]
            if token == "[[":
                at = self.tokens.index("]]", at) + 1
            elif token == "template" and self.tokens[at + 1] == "<":
                at = self.skip_angles(at + 1)
            elif token in ("alignas", "requires", "__attribute__") and self.tokens[at + 1] == "(":
                at = self.skip(at + 1)
            else:
                if token not in IGNORED_WORDS:
                    words.append(token)
                at += 1
        return words

    def skip_angles(self, at):
        depth = 0
        while True:
            depth += (self.tokens[at] == "<") - (self.tokens[at] == ">")
            at += 1
            if depth == 0:
                return at

    def declare(self, scope, start, end):
        if not scope.public or start == end:
            return
        words = self.head(start, end)
        kind, name = ("enumerator", words[0]) if scope.kind == "enum" else classify(words, scope, self.tokens[end])
        if kind is None:
            return
        first, last = self.token_lines[start], self.token_lines[min(end, len(self.token_lines) - 1)]
        comment = self.comment(first, last)
        before = self.found[-1] if self.found else None
        if kind == "enumerator" and not comment and first == self.enum_line:
            comment = self.found[-1].comment  # an enum on one line has one comment
        if not comment and before and (before.kind, before.name) == (kind, name) and self.lines[first - 1].strip():
            comment = before.comment  # overloads in one block share a comment
        if kind == "enum":
            self.enum_line = first
        self.found.append(Declaration(kind, name, first + 1, comment))

    def comment(self, first, last):
        """The /// lines directly above line `first`, or the ///< that begins on lines `first` to `last`."""
        text, at = [], first - 1
        while at >= 0 and self.lines[at].startswith("#"):
            at -= 1  # a declaration that comes in one of several ways
        while at >= 0 and re.match(r"\s*///(?!<)", self.lines[at]):
            text.insert(0, self.lines[at].split("///", 1)[1].strip())
            at -= 1
        if text:
            return " ".join(text)
        at = next((number for number in range(first, last + 1) if "///<" in self.lines[number]), None)
        while at is not None and at < len(self.lines) and "///<" in self.lines[at]:
            text.append(self.lines[at].split("///<", 1)[1].strip())
            at += 1
        return " ".join(text)


def outside_parentheses(words):
    """The words at depth 0, without the name of an operator."""
    outside, depth = [], 0
    for at, word in enumerate(words):
        depth -= word == ")"
        if depth == 0 and "operator" not in words[max(0, at - 2):at]:
            outside.append(word)
        depth += word == "("
    return outside


def class_name(words):
    kind = next(word for word in words if word in ("class", "struct", "union"))
    behind = words[words.index(kind) + 1:]
    return behind[0] if behind else ""


def is_special_member(words, at):
    """Destructor, default constructor, copy, move: what they mean is the language's business."""
    name, arguments = words[at - 1], [word for word in words[at + 1:] if word not in ("noexcept",)]
    return words[at - 2:at - 1] == ["~"] or arguments[:1] == [")"] or arguments[:2] == [name, "&"]


def classify(words, scope, terminator):
    """(kind, name) of a declaration outside of an enum; (None, "") for what needs no comment."""
    nothing = (None, "")
    if not words or words[0] in ("static_assert", "namespace") or words[-2:] in (["=", "default"], ["=", "delete"]):
        return nothing
    if words[0] == "friend":
        return classify(words[1:], scope, terminator) if "(" in words else nothing
    if words[0] == "using":
        return ("alias", words[1]) if "=" in words and words[1] != "namespace" else nothing
    if words[0] == "concept":
        return "concept", words[1]
    if words[0] == "enum" and terminator == "{":
        return "enum", words[2] if words[1] in ("class", "struct") else words[1]
    if words[0] in ("class", "struct", "union") and "(" not in words:
        return ("class", class_name(words)) if terminator == "{" else nothing
    depth = 0
    for at, word in enumerate(words):
        if word == "operator":
            symbol = "".join(words[at + 1:]).split("(", 1)[0]
            return ("function", f"operator {symbol}") if symbol != "=" else nothing
        depth += (word == "<") - (word == ">" and words[at - 1] != "-")
        if word == "(" and depth == 0:
            if words[at + 1:at + 2] == ["*"]:
                return "member", words[at + 2]
            if words[at - 2:at - 1] == ["::"]:
                return nothing  # a definition outside of its class, where the comment is
            if at and words[at - 1] == scope.name and is_special_member(words, at):
                return nothing
            return "function", words[at - 1] if at else ""
        if word in ("=", "{", ":", "[") and depth == 0:
            return "member", words[at - 1]
    return "member", words[-1]
