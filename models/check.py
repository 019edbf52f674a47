#!/usr/bin/python3
"""Checks the models of the protocol of Sluice topics with spin.

  check.py quick           the small bounds: every assertion holds (CI)
  check.py all             larger bounds as well; then every guard is removed, one by one, and spin has to find an error
  check.py MODEL [-DX..]   one model with these macros; shows the trail of an error

README.md says what each model covers. Nothing is written into the source tree."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MEGABYTES = int(os.environ.get("SLUICE_MODEL_MEGABYTES", "8000"))  # for one model; the large ones are run one at a time
QUICK_LIMIT = 300  # watchdogs in seconds, not expectations
LARGE_LIMIT = 1800

# (model, macros): what has to hold.
QUICK = [
    ("ring", "-DDEATHS=0"),
    ("ring", "-DDEATHS=0 -DRELIABLE"),
    ("ring", "-DDEATHS=0 -DRANGE=2 -DSTEP=2"),
    ("join", ""),
    ("join", "-DSTEP=2 -DRANGE=2"),
    ("pool", "-DDEATHS=0 -DEND=4 -DCHUNKS=3"),
    ("pool", "-DDEATHS=0 -DRELIABLE"),
    ("pool", "-DDEATHS=0 -DHISTORY=1 -DCHUNKS=3"),
    ("wake", ""),
    ("wake", "-DPERIOD=3"),
    ("group_scan", "-DEND=6"),
    ("group_claims", ""),
    ("group_claims", "-DDEATHS=0 -DEVICTIONS=1"),
]
LARGE = [
    ("ring", ""),
    ("ring", "-DRELIABLE"),
    ("ring", "-DDEATHS=0 -DRANGE=2 -DSTEP=2 -DEND=4"),
    ("join", "-DEND=12 -DJOINS=3"),
    ("pool", ""),
    ("pool", "-DRELIABLE"),
    ("pool", "-DDEATHS=0 -DWRITERS=2"),
    ("wake", "-DEND=5 -DREADERS=1"),
    ("group_scan", ""),
    ("group_claims", "-DEVICTIONS=1"),
]

# (model, the guard, what it protects, macros with which its absence shows).
GUARDS = [
    ("ring", "GRANT_CAS", "the grant is a CAS", "-DDEATHS=0"),
    ("ring", "HORIZON", "no grant at or beyond the horizon", "-DDEATHS=0"),
    ("ring", "INTENT_BEFORE_GRANT", "the intent is stored before the grant", "-DDEATHS=0"),
    ("ring", "STAMP_LAST", "the stamp follows the payload", "-DDEATHS=0"),
    ("ring", "VALIDATE", "best_effort asks the horizon after copying", "-DDEATHS=0"),
    ("ring", "SLOW_PATH_FENCE", "the slow path fences owners a lap behind", "-DDEATHS=0"),
    ("ring", "EPOCH", "who fences raises the epoch", "-DDEATHS=0"),
    ("ring", "EPOCH_OF_ANOTHER", "also for a record that another one fenced", "-DDEATHS=0"),
    ("ring", "QUARANTINE", "no payload into a stopped publisher's cell", "-DDEATHS=0"),
    ("ring", "WITHDRAW", "a fenced publisher withdraws its stamp", "-DDEATHS=0"),
    ("ring", "WITHDRAW_ALL", "every stamp of its range", "-DDEATHS=0 -DRANGE=2 -DSTEP=2"),
    ("ring", "REPAIR_FENCE", "who gives a position up fences its owner", "-DDEATHS=0"),
    ("ring", "REPAIR_CAS", "a publication that came first wins", "-DDEATHS=0"),
    ("join", "JOIN_FENCE", "fence between `active` and the load of R", ""),
    ("join", "JOIN_ORDER", "R is loaded after `active`", ""),
    ("join", "SCAN_ORDER", "the scan follows the load of R", ""),
    ("join", "ANNOUNCE", "a cursor is there before `active`", ""),
    ("join", "COUNT_FIRST", "the entry is counted before it is active", ""),
    ("join", "HISTORY_BOUND", "history is at most N - step", ""),
    ("join", "RANGE_BOUND", "a range is at most one step", ""),
    ("pool", "HOLD_FENCE", "fence between hold and re-check (best_effort)", "-DDEATHS=0"),
    ("pool", "HOLD_FENCE", "fence between hold and re-check (reliable)", "-DDEATHS=0 -DRELIABLE"),
    ("pool", "HOLD_RECHECK", "re-check of the horizon after the hold", "-DDEATHS=0 -DEND=4 -DCHUNKS=3"),
    ("pool", "HOLD_RECHECK", "re-check of the own state after the hold", "-DDEATHS=0 -DRELIABLE"),
    ("pool", "CURSOR_AFTER_HOLD", "the cursor passes a chunk after the hold", "-DDEATHS=0"),
    ("pool", "HOLDS_FIRST", "holds are scanned after cursors", "-DDEATHS=0"),
    ("pool", "EVICTED_HOLDS", "evicted readers' holds count", "-DDEATHS=0 -DRELIABLE"),
    ("pool", "HISTORY_OF_CHUNKS", "history keeps its chunks", "-DDEATHS=0 -DHISTORY=1"),
    ("pool", "WINDOW", "publishers' window is the readers' window", "-DDEATHS=0 -DEND=4"),
    ("pool", "TAKE_CAS", "a chunk is taken by CAS", "-DDEATHS=0 -DWRITERS=2"),
    ("pool", "PUBLISH_ORDER", "the chunk is given to its position before the stamp", "-DDEATHS=0"),
    ("pool", "RECLAIM_LOANS", "dead publishers' loans come back", ""),
    ("pool", "RECLAIM_HOLDS", "dead readers' holds go", ""),
    ("wake", "COMMIT_BARRIER", "barrier between stamp and doorbell", ""),
    ("wake", "CURSOR_BARRIER", "barrier between cursor and `space`", ""),
    ("wake", "DOORBELL_RECHECK", "look again after arming the doorbell", ""),
    ("wake", "SPACE_RESCAN", "scan again after arming `space`", ""),
    ("wake", "CURSOR_BEFORE_SLEEP", "the cursor is published before sleeping", "-DPERIOD=3"),
    ("wake", "WAKE_ALL", "a ring wakes all", ""),
    ("wake", "COUNT", "a ring changes the word", ""),
    ("group_scan", "LIVE", "scans ask the group, not its members", ""),
    ("group_scan", "GROUP_LOCK", "`live` changes under the group's lock byte", ""),
    ("group_scan", "GROUP_FENCE", "fence between `live` and the load of R", ""),
    ("group_claims", "CLAIM_CAS", "a claim is a CAS", ""),
    ("group_claims", "CLAIM_BEFORE_NEXT", "the claim is there before `next` moves", ""),
    ("group_claims", "HELP_NEXT", "anybody moves `next` past a claim", ""),
    ("group_claims", "ORPHAN_FIRST", "a dead member's claims become orphans under its lock byte", ""),
    ("group_claims", "ORPHAN_OWN", "an entry's next owner orphans what it finds", ""),
    ("group_claims", "ADVANCE_HELP", "anybody moves the cursor past what is done", ""),
    ("group_claims", "DONE_OF_LAP", "done counts for its own lap only", ""),
    ("group_claims", "ACK_CAS", "only who still has the claim acknowledges", "-DDEATHS=0 -DEVICTIONS=1"),
]


class Failed(Exception):
    pass


class Result:
    def __init__(self, error, states, seconds, trail):
        self.error, self.states, self.seconds, self.trail = error, states, seconds, trail


def run(command, directory, seconds):
    try:
        return subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=seconds).stdout
    except subprocess.TimeoutExpired as expired:
        raise Failed(f"{command[0]} was not done after {seconds} s") from expired


def verify(model, macros, seconds, small=False, show_trail=False):
    """Builds the verifier of one model in a directory of its own and runs it. Raises Failed when that says nothing."""
    with tempfile.TemporaryDirectory(prefix="sluice-models-") as directory:
        for source in HERE.glob("*.pml"):
            shutil.copy(source, directory)
        said = run(["spin", "-a", *macros, f"{model}.pml"], directory, seconds)
        if not os.path.exists(f"{directory}/pan.c"):
            raise Failed(f"spin does not take {model}.pml {' '.join(macros)}:\n{said}")
        # COLLAPSE: a third of the memory at twice the time; still exhaustive.
        how = ["-DSAFETY", "-DNOCLAIM", f"-DMEMLIM={MEGABYTES}"] + ([] if small else ["-DCOLLAPSE"])
        said = run(["gcc", "-O2", "-w", *how, "-o", "pan", "pan.c"], directory, seconds)
        if not os.path.exists(f"{directory}/pan"):
            raise Failed(f"gcc does not take what spin made of {model}.pml:\n{said}")
        started = time.monotonic()
        said = run(["./pan", "-m1000000"], directory, seconds)
        taken = time.monotonic() - started
        found = re.search(r"errors: (\d+)", said)
        states = re.search(r"(\d+) states, stored", said)
        error = re.search(r"^pan:\d+: (.*)$", said, re.MULTILINE)
        if not found or "max search depth too small" in said or "memory limit" in said or (
                found[1] == "0" and "Search not completed" in said):
            raise Failed(f"the search of {model}.pml {' '.join(macros)} was not completed:\n{said}")
        if found[1] != "0" and not error:
            raise Failed(f"an error without a name in {model}.pml:\n{said}")
        trail = run(["spin", "-t", "-p", "-g", *macros, f"{model}.pml"], directory, seconds) if (
            show_trail and error) else ""
        return Result(error[1] if error else None, int(states[1]) if states else 0, taken, trail)


def holds(configurations, seconds, small, workers):
    """Every assertion holds within these bounds. Returns how many did not."""
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = [(model, macros, pool.submit(verify, model, macros.split(), seconds, small))
                   for model, macros in configurations]
        for model, macros, future in waiting:
            name = f"{model} {macros}".strip()
            try:
                result = future.result()
            except Failed as failed:
                print(f"FAILED   {name}: {failed}", flush=True)
                bad += 1
                continue
            if result.error:
                print(f"ERROR    {name}: {result.error}\n         see it: models/check.py {name}", flush=True)
                bad += 1
            else:
                print(f"holds    {name:52} {result.states:>10} states {result.seconds:6.1f} s", flush=True)
    return bad


def guards_are_needed(seconds, workers):
    """Without each guard spin finds an error. Returns for how many it does not."""
    bad = 0
    print(f"\n{'model':13} {'BREAK_':20} {'the guard':58} found as")
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = [(guard, pool.submit(verify, guard[0], [*guard[3].split(), f"-DBREAK_{guard[1]}"], seconds))
                   for guard in GUARDS]
        for (model, name, meaning, _), future in waiting:
            try:
                error = future.result().error
            except Failed as failed:
                error, bad = f"FAILED: {failed}", bad + 1
            else:
                bad += error is None
            print(f"{model:13} {name:20} {meaning:58} {error or 'NOT FOUND'}", flush=True)
    return bad


def every_macro_has_a_row():
    """A BREAK_ macro that no row names would never be tried, and a row without its macro finds nothing."""
    rows = {(model, name) for model, name, _, _ in GUARDS}
    macros = {(source.stem, name) for source in HERE.glob("*.pml")
              for name in re.findall(r"\bBREAK_(\w+)", source.read_text())}
    for model, name in sorted(rows ^ macros):
        print(f"BREAK_{name} is {'not tried' if (model, name) in macros else 'not there'} in {model}.pml")
    return len(rows ^ macros)


def main():
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            sys.exit(f"check.py: there is no '{program}' here; install it: apt-get install {program} (or ./dev setup)")
    what, *macros = sys.argv[1:] or ["--help"]
    workers = min(2, os.cpu_count() or 1)
    started = time.monotonic()
    if what == "quick":
        bad = every_macro_has_a_row() + holds(QUICK, QUICK_LIMIT, True, workers)
    elif what == "all":
        bad = every_macro_has_a_row() + holds(QUICK, QUICK_LIMIT, True, workers) + holds(LARGE, LARGE_LIMIT, False, 1)
        bad += guards_are_needed(LARGE_LIMIT, workers)
    elif (HERE / f"{what}.pml").exists() and what != "common":
        try:
            result = verify(what, macros, LARGE_LIMIT, show_trail=True)
        except Failed as failed:
            sys.exit(f"check.py: {failed}")
        print(result.trail + (result.error or f"holds, {result.states} states, {result.seconds:.1f} s"))
        sys.exit(1 if result.error else 0)
    else:
        print(__doc__)
        sys.exit(0 if what in ("-h", "--help") else 2)
    print(f"\nmodels: {'all as claimed' if bad == 0 else f'{bad} not as claimed'}, {time.monotonic() - started:.0f} s")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
