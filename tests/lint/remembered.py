"""Slow checks of single files: several at a time, and not again until something that they read has changed."""

import concurrent.futures
import hashlib
import os

from layering import resolve


def in_parallel(tree, paths, check, salt):
    """The violations that `check(path)` returns for each of the paths. A file that was clean is left out next time if
    neither it nor a file of ours that it includes nor `salt(path)` has changed."""
    clean = tree.build / "lint-clean"
    clean.mkdir(parents=True, exist_ok=True)

    def checked(path):
        mark = clean / digest(tree, path, salt(path))
        if mark.exists():
            return []
        violations = check(path)
        if not violations:
            mark.touch()
        return violations

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = set()
        for violations in pool.map(checked, paths):
            yield from (each for each in violations if each not in seen)  # a header is read by many
            seen.update(violations)


def digest(tree, path, salt):
    read = hashlib.sha256(f"{salt} {path}".encode())
    for file in sorted(closure(tree, path)):
        read.update(tree.text(file).encode())
    return read.hexdigest()


def closure(tree, path):
    """The file and all files of this project that it includes, directly or not."""
    found, waiting = set(), [path]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            targets = [resolve(tree, file, name, quoted) for _, name, quoted in tree.includes(file)]
            waiting += [target for target in targets if target]
    return found
