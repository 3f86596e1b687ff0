#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gives cmake/race.py participants that fail, print garbage or never end: it must name each, and its exit status too.

    race_planted.py ROOT
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

RAW, YIELD, SPAWN = "raw_switch 5 ns", "yield_2 10.5 ns", "spawn_join 100 ns runs=3"

# The participants: workload -> what sh does.
GOOD = {"raw_switch": f"echo {RAW}", "yield_2": f"echo {YIELD}", "spawn_join": f"echo {SPAWN}"}

# (what the peer does for yield_2, what must be said, the exit status)
PLANTED = [
    ("echo yield_2 21 ns",
     r"\| yield_2 ns \| +10\.5(?: \(1\))? \| +2\.10 \|.*\| +peer 21\.0 \| +0\.50 \| +2\.5 r \| +met \|", 0),
    ("echo yield_2 21 ns rps=5 p50_us=1.5", r"peer 21\.0", 0),
    ("echo no; echo luck >&2; exit 3", r"FAILED: peer yield_2, round 1: status 3: luck", 1),
    ("kill -SEGV $$", r"FAILED: peer yield_2, round 1: status -11", 1),
    ("echo hello", r"FAILED: peer yield_2, round 1: printed 'hello\\n' instead of 'yield_2 VALUE UNIT'", 1),
    (":", r"FAILED: peer yield_2, round 1: printed '' instead", 1),
    ("echo yield_2 21 ns; echo done", r"FAILED: .*: printed 'yield_2 21 ns\\ndone\\n' instead", 1),
    ("echo spawn_join 21 ns", r"FAILED: .*: printed 'spawn_join 21 ns\\n' instead", 1),
    ("echo yield_2 nan ns", r"FAILED: .*: printed 'nan' for a value", 1),
    ("echo yield_2 -1 ns", r"FAILED: .*: printed '-1' for a value", 1),
    ("echo yield_2 fast ns", r"FAILED: .*: printed 'fast' for a value", 1),
    ("sleep 100 & echo $! > child; wait", r"FAILED: peer yield_2, round 1: timed out after 1 s", 1),
    ("echo no such kernel >&2; exit 77", r"skipped: peer yield_2: no such kernel", 0),
]


class Driver:
    def __init__(self, root, folder):
        self.race = root / "cmake/race.py"
        self.folder = folder
        self.failures = []

    def participant(self, name, workloads):
        """The option that adds it."""
        path = self.folder / name
        cases = "".join(f"{workload}) {does};;\n" for workload, does in workloads.items())
        names = "\\n".join(workloads)
        path.write_text(f'case "$1" in\n--list) printf "{names}\\n";;\n{cases}esac\n', encoding="utf-8")
        return f"--program={name}=sh {path}"

    def check(self, what, options, expected, status):
        command = [sys.executable, self.race, "--timeout=1", "--rounds=2", "--seed=1", "--out=out", *options]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, timeout=60)
        if result.returncode != status or not re.search(expected, result.stdout + result.stderr):
            self.failures.append(f"{what}: expected status {status} and /{expected}/, got status {result.returncode} "
                                 f"and\n{result.stdout}{result.stderr}")

    def document(self):
        return json.loads((self.folder / "out/race.json").read_text(encoding="utf-8"))


def ended(pid):
    for _ in range(50):
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        driver = Driver(pathlib.Path(sys.argv[1]).resolve(), folder)
        own = [driver.participant("coir", GOOD), driver.participant("floor", GOOD)]
        for does, expected, status in PLANTED:
            options = own + [driver.participant("peer", {"yield_2": does}), "--only=yield_2"]
            driver.check(does, options, expected, status)
        if not ended(int((folder / "child").read_text(encoding="utf-8"))):
            driver.failures.append("the child of a run that timed out is still there")

        # A failure is not tried again, and does not stop the others.
        peer = driver.participant("peer", {"yield_2": "exit 1", "spawn_join": f"echo {SPAWN}"})
        driver.check("the others go on", own + [peer], r"missed \(20\.00\)", 1)
        notes = [(n["participant"], n["workload"]) for n in driver.document()["measurements"]]
        for note, count in {("peer", "yield_2"): 1, ("peer", "spawn_join"): 2, ("coir", "yield_2"): 2}.items():
            if notes.count(note) != count:
                driver.failures.append(f"{note} ran {notes.count(note)} times, not {count}")

        driver.check("a target missed is no failure", own, r"\| +6 r \| +missed \(20\.00\) \|", 0)
        document = driver.document()
        if document["seed"] != 1 or document["raw_switch_ns"] != {"1": 5.0, "2": 5.0} or document["failures"]:
            driver.failures.append(f"race.json has {document}")
        driver.check("--list fails", own + ["--program=peer=false"], r"FAILED: peer --list: status 1", 1)
        driver.check("an unknown name in --list", own + [driver.participant("peer", {"yield_3": "exit"})],
                     r"FAILED: peer --list: race_table\.py has no yield_3", 1)
        driver.check("a program that is not there", own + ["--program=peer=/nonexistent/program"],
                     r"left out: peer: there is no /nonexistent/program", 0)
        driver.check("coir is not there", ["--build=/nonexistent", "--participants=none"], r"coir is not there", 1)
        (folder / "missing").write_text("go does not build, see the log\n", encoding="utf-8")
        driver.check("a reason", ["--build=/nonexistent", "--participants=go", "--missing=missing"],
                     r"left out: go: does not build, see the log", 1)
        driver.check("no such workload", own + ["--only=yield_3"], r"no workload yield_3; there are yield_2,", 2)
        driver.check("no such participant", own + ["--participants=rust"], r"no participant rust", 2)
        million = driver.participant("coir", {"sleep_1m": "exit 1"})
        driver.check("without a million", ["--quick", million], "race.json", 0)
        if driver.failures:
            sys.exit("\n".join(driver.failures))


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "svg"
    main()
