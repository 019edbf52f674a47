#!/usr/bin/python3
"""./dev lint: the house rules that a script can check.

Prints, for every rule that is broken, its name, what is wrong where, and what to do. Exit code 1 if there is one. Each
rule is a function in one of the modules named below; planted_test.py breaks each of them on purpose."""

import argparse
import importlib
import pathlib
import sys
import time

from tree import RULES, Tree

for module in ("layering", "code_rules", "header_rules", "text_rules", "prose_rules", "tool_rules"):
    importlib.import_module(module)  # registers its rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = 40  # violations of one rule


def arguments():
    names = [rule.name for rule in RULES]
    parser = argparse.ArgumentParser(prog="./dev lint", description=__doc__.split("\n", 1)[0],
                                     epilog="rules: " + ", ".join(names))
    parser.add_argument("rules", metavar="RULE", nargs="*", help="check these rules only")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--text", action="store_true", help="the rules for which nothing is compiled: seconds")
    which.add_argument("--compiled", action="store_true", help="the others")
    parser.add_argument("--quick", action="store_true",
                        help="clang-tidy looks at the files on the hot path only")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the source tree")
    parser.add_argument("--build", type=pathlib.Path, help="a configured build tree (default: ROOT/build/lint)")
    chosen = parser.parse_args()
    for name in chosen.rules:
        if name not in names:
            parser.error(f"there is no rule '{name}'; there are: {', '.join(names)}")
    return chosen


def main():
    chosen = arguments()
    tree = Tree(chosen.root, chosen.build or chosen.root / "build/lint", quick=chosen.quick)
    broken = 0
    for rule in RULES:
        if chosen.rules and rule.name not in chosen.rules:
            continue
        if chosen.text and rule.compiles or chosen.compiled and not rule.compiles:
            continue
        started = time.monotonic()
        violations = list(rule.find(tree))
        seconds = time.monotonic() - started
        if violations:
            broken += 1
            print(f"{rule.name}: {len(violations)}")
            for each in violations[:SHOWN]:
                print(f"  {each.path}:{each.line}: {each.what}" if each.line else f"  {each.path}: {each.what}")
            if len(violations) > SHOWN:
                print(f"  ... and {len(violations) - SHOWN} more")
            print(f"  what to do: {rule.remedy}\n")
        if seconds > 1:
            print(f"{rule.name}: {seconds:.0f} s", flush=True)
    print("lint: clean" if broken == 0 else f"lint: {broken} rules are broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
