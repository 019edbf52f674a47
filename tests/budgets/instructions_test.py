"""The instructions of the hot path, counted by callgrind, against the committed budgets.

    instructions_test.py HOT_PATH            compares; exit code 1 when a budget is exceeded
    instructions_test.py HOT_PATH --update   writes instructions.json anew

Counting is exact and the same on every run, loaded machine or not, so it finds in a minute what a bench needs a quiet
machine for. It says nothing about cache lines: those are the bench's.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

BUDGETS = pathlib.Path(__file__).parent / "instructions.json"
TOLERANCE = 0.05
MESSAGES = 1024
OPERATIONS = ("publish", "loan", "take")
PLANTED = ("slick_reliable", "publish")
ONE_READER = ("slick_best_effort", "publish")
MANY_READERS = ("slick_best_effort_16", "publish")
WATCHED = {operation: ("slick_reliable_watched_by_5", operation) for operation in ("publish", "loan")}
MORE_FOR_MANY = 0.02  # best_effort: nobody is waited for, so that others read must cost a publisher nothing


def count(program, kind, operation, *plant):
    """Instructions per message."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               f"--toggle-collect=count_{operation}", program, "run", kind, operation, str(MESSAGES), *plant]
    environment = {**os.environ, "LD_BIND_NOW": "1"}  # or the first call of each function looks itself up
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not collected or int(collected.group(1)) == 0:
        sys.exit(f"instructions: {' '.join(command)} failed:\n{run.stderr}")
    return int(collected.group(1)) / MESSAGES


def exceeded(counted, budget):
    return counted > budget * (1 + TOLERANCE)


def main():
    program = sys.argv[1]
    if not shutil.which("valgrind"):
        sys.exit("instructions: valgrind is not installed (./dev setup)")
    budgets = json.loads(BUDGETS.read_text())
    pairs = [(kind, operation) for kind in budgets for operation in OPERATIONS]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        planted = pool.submit(count, program, *PLANTED, "--plant", "instructions")
        with_many = pool.submit(count, program, *MANY_READERS)
        watched = {operation: pool.submit(count, program, *pair) for operation, pair in WATCHED.items()}
        counts = dict(zip(pairs, pool.map(lambda pair: count(program, *pair), pairs)))
    failures = []
    many = with_many.result()
    print(f"{' '.join(MANY_READERS):27} {many:7.1f} instructions, with one reader {counts[ONE_READER]:.1f}")
    if many > counts[ONE_READER] * (1 + MORE_FOR_MANY):
        failures.append(f"publish with 16 readers: {many:.1f} instructions, with one {counts[ONE_READER]:.1f}")
    for operation, counting in watched.items():
        alone, counted = counts["slick_reliable", operation], counting.result()
        print(f"{' '.join(WATCHED[operation]):27} {counted:7.1f} instructions, unwatched {alone:.1f}")
        if counted != alone:
            failures.append(f"{operation} of slick_reliable while five observers watch: {counted:.1f} instructions, "
                            f"unwatched {alone:.1f}")
    for (kind, operation), counted in counts.items():
        budget = budgets[kind].get(operation, 0)
        change = f"{100 * (counted / budget - 1):+.1f}%" if budget else "no budget yet"
        print(f"{kind:18} {operation:8} {counted:7.1f} instructions, budget {budget:7.1f}  {change}")
        if exceeded(counted, budget):
            failures.append(f"{operation} of {kind}: {counted:.1f} instructions, budget {budget:.1f} ({change})")
    if "--update" in sys.argv[2:]:
        for (kind, operation), counted in counts.items():
            budgets[kind][operation] = round(counted, 1)
        BUDGETS.write_text(json.dumps(budgets, indent=2) + "\n")
        print(f"written: {BUDGETS}")
        return
    if not exceeded(planted.result(), counts[PLANTED]):
        failures.append("twenty instructions that were planted on purpose went unnoticed: this test is blind")
    for failure in failures:
        print(f"instructions: {failure}", file=sys.stderr)
    if failures:
        sys.exit(f"Faster code, or, if the work is worth it, new budgets: {sys.argv[0]} {program} --update")


if __name__ == "__main__":
    main()
