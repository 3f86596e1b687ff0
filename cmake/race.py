#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the race: rounds x workloads x participants, interleaved, one process at a time. cmake/bench.sh calls it.

Prints tables, and writes DIR/race.json with every measurement and DIR/FAMILY.svg. Exit status: 0; 1 if a run failed,
timed out or printed what it should not; 2 if the arguments are wrong. A target missed is no failure: the table says so.
bench/README.md has the method and the protocol.
"""

import argparse
import datetime
import json
import math
import mmap
import os
import platform
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

import race_report
from race_table import WORKLOADS, Participant, participants

LINE = re.compile(r"(\S+) (\S+) (\S+)((?: [A-Za-z_0-9]+=\S+)*)\n?")
SKIPPED = 77
RAW_SWITCH = "raw_switch"
LEAST_ROUNDS = 5  # whatever time they take
# Where a new page takes longer than this, a million of them take the race's time: a quarter of an hour with all peers.
SLOW_PAGE_US = 5
# What is slow runs less often: [(longer than these seconds, in so many rounds), ...] of coir and the floors; of peers.
SLOW = ([(20, 1), (8, 3)], [(2.5, 1), (1, 3)])
QUICK_SLOW = ([(1.5, 1)], [(0.5, 1)])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds, shorter, and without what needs a million")
    parser.add_argument("--rounds", type=int, help="default: 7, with --quick 3")
    parser.add_argument("--only", metavar="WORKLOAD,..", help="these workloads")
    parser.add_argument("--participants", metavar="NAME,..", help="coir, the floors and these peers; none: no peer")
    parser.add_argument("--seed", type=int, help="of the order of participants; printed in any case")
    parser.add_argument("--timeout", type=float, default=90, help="seconds for one run (default: 90)")
    parser.add_argument("--minutes", type=float,
                        help="further rounds are left to coir and the floors if else they would end later, and "
                             "fewer from the sixth on (default: 13.5, with --quick 1.7)")
    parser.add_argument("--out", metavar="DIR", help="default: BUILD/race")
    parser.add_argument("--build", metavar="DIR", help="default: build/bench")
    parser.add_argument("--missing", metavar="FILE", help="lines 'NAME reason': what could not be built")
    parser.add_argument("--program", metavar="NAME=COMMAND", action="append", default=[],
                        help="runs these instead of coir, the floors and the peers; for tests")
    options = parser.parse_args()
    options.root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    options.build = os.path.abspath(options.build or os.path.join(options.root, "build", "bench"))
    options.out = os.path.abspath(options.out or os.path.join(options.build, "race"))
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.minutes = options.minutes or (1.7 if options.quick else 13.5)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    known = [workload.name for workload in WORKLOADS]
    chosen = options.only.split(",") if options.only else known
    if unknown := set(chosen) - set(known):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.workloads = [w for w in WORKLOADS
                         if w.name in chosen and (options.only or not (options.quick and w.million))]
    return parser, options


class Race:
    def __init__(self, options):
        self.options = options
        self.participants = []
        self.supports = {}    # participant -> names of workloads
        self.left_out = []    # (participant, why)
        self.measurements = []
        self.failures = []    # sentences
        self.rounds = 0       # done
        self.raw_switches = {}  # round -> the least, ns
        self.versions = {}
        self.machine = machine()
        git = ["git", "-C", options.root, "describe", "--always", "--dirty", "--abbrev=12"]
        self.commit = output_of(git)  # as it is now: the race takes minutes
        self.slow_pages = self.machine["new_page_us"] > SLOW_PAGE_US and not options.only
        if self.slow_pages:
            print(f"A new page takes {self.machine['new_page_us']} us here: peers do not run what needs a million of them, "
                  "unless it is asked for with --only.", file=sys.stderr)
        self.cpu = min(os.sched_getaffinity(0))
        self.environment = dict(os.environ, RACE_LOAD=os.path.join(options.build, "bench", "race", "race_load"),
                                RACE_SECONDS="0.3" if options.quick else "0.5")

    def run(self, participant, argument, pinned=True, timeout=None):
        """(status, standard output, standard error, seconds, of them on a CPU); the status is None after a timeout."""
        began, before = time.monotonic(), children_cpu()

        def child():
            if pinned:
                os.sched_setaffinity(0, {self.cpu})

        with subprocess.Popen([*participant.command, argument], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", env=self.environment,
                              start_new_session=True, preexec_fn=child) as process:
            try:
                output, errors = process.communicate(timeout=timeout or self.options.timeout)
                status = process.returncode
            except subprocess.TimeoutExpired:
                status = None
            # Whatever it started goes with it; its load generator has a time limit of its own besides.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if status is None:
                output, errors = process.communicate()
        return status, output, errors, time.monotonic() - began, children_cpu() - before

    def fail(self, what):
        self.failures.append(what)
        print(f"FAILED: {what}", file=sys.stderr, flush=True)

    def find(self, candidates, missing):
        for participant in candidates:
            program = participant.command[0]
            if participant.name in missing:
                self.left_out.append((participant.name, missing[participant.name]))
            elif not shutil.which(program):
                self.left_out.append((participant.name, f"there is no {program}"))
            elif not os.path.exists(participant.command[-1]) and participant.command[-1].startswith("/"):
                self.left_out.append((participant.name, f"there is no {participant.command[-1]}"))
            else:
                status, output, errors, _, _ = self.run(participant, "--list", timeout=min(20, self.options.timeout))
                names = output.split()
                if status != 0 or not names:
                    self.left_out.append((participant.name, "--list failed: " + last_line(errors)))
                    self.fail(f"{participant.name} --list: status {status}: {last_line(errors)}")
                    continue
                if unknown := set(names) - {w.name for w in WORKLOADS} - {RAW_SWITCH}:
                    self.fail(f"{participant.name} --list: race_table.py has no {', '.join(sorted(unknown))}")
                self.participants.append(participant)
                self.supports[participant.name] = set(names)
        for participant in candidates:
            if participant.kind != "peer" and participant not in self.participants:
                self.fail(f"{participant.name} is not there: {dict(self.left_out)[participant.name]}")

    def measure(self, participant, name, round_number, pinned, busy):
        """Runs it once and notes what came out. Returns the value, or None."""
        status, output, errors, wall, cpu = self.run(participant, name, pinned)
        note = {"workload": name, "participant": participant.name, "round": round_number, "wall_s": round(wall, 4),
                "cpu_s": round(cpu, 4)}
        if busy and wall - cpu > 0.15 * wall + 0.01:
            note["disturbed"] = True  # somebody else had the CPU
        self.measurements.append(note)
        value, problem = None, None
        match = LINE.fullmatch(output)
        if status is None:
            problem = f"timed out after {self.options.timeout:g} s"
        elif status == SKIPPED:
            note["skipped"] = last_line(errors)
            return None
        elif status != 0:
            problem = f"status {status}: {last_line(errors)}"
        elif not match or match[1] != name:
            problem = f"printed {output[:200]!r} instead of '{name} VALUE UNIT'"
        else:
            try:
                value = float(match[2])
            except ValueError:
                value = math.nan
            if not math.isfinite(value) or value < 0:
                problem, value = f"printed {match[2]!r} for a value", None
            else:
                keys = dict(field.split("=", 1) for field in match[4].split())
                note.update(value=value, unit=match[3], keys=keys)
        if problem:
            note["failed"] = problem
            self.fail(f"{participant.name} {name}, round {round_number}: {problem}")
        return value

    def raw_switch(self, round_number):
        for participant in self.participants:
            if RAW_SWITCH in self.supports[participant.name]:
                value = self.measure(participant, RAW_SWITCH, round_number, True, False)
                if value:
                    before = self.raw_switches.get(round_number, math.inf)
                    self.raw_switches[round_number] = min(value, before)

    def rounds_for(self, participant, wall):
        """In how many rounds something runs that took that long in the first."""
        few = QUICK_SLOW if self.options.quick else SLOW
        for seconds, rounds in few[participant.kind == "peer"]:
            if wall > seconds:
                return min(rounds, self.options.rounds)
        return self.options.rounds

    def race(self):
        self.versions = {p.name: version_of(p) for p in self.participants}
        order = random.Random(self.options.seed)
        runs = {}  # (workload, participant) -> (rounds, seconds each), known after the first
        start = time.monotonic()

        def seconds_of(rounds, peers):
            return sum(wall for (_, p), (most, wall) in runs.items()
                       for r in rounds if r <= most and (p.kind == "peer") == peers)

        for round_number in range(1, self.options.rounds + 1):
            began = time.monotonic()
            left = start + 60 * self.options.minutes - began
            if round_number > LEAST_ROUNDS and seconds_of([round_number], False) > left:
                print(f"{self.rounds} rounds, not {self.options.rounds}: the minutes are over", file=sys.stderr)
                break
            own = seconds_of(range(round_number, self.options.rounds + 1), False)
            peers = round_number == 1 or own + seconds_of([round_number], True) < left
            for index, workload in enumerate(self.options.workloads):
                if index % 8 == 0:
                    self.raw_switch(round_number)
                runners = [p for p in self.participants
                           if workload.name in self.supports[p.name]
                           and (p.kind != "peer" or
                                (peers and workload.peers and not (workload.million and self.slow_pages)))]
                order.shuffle(runners)
                for participant in runners:
                    key = workload.name, participant
                    if key in runs and round_number > runs[key][0]:
                        continue
                    failed_before = len(self.failures)
                    self.measure(participant, workload.name, round_number, workload.pinned, workload.busy)
                    wall = self.measurements[-1]["wall_s"]
                    if len(self.failures) > failed_before:
                        runs[key] = 0, wall  # once is enough
                    elif round_number == 1:
                        runs[key] = self.rounds_for(participant, wall), wall
            self.raw_switch(round_number)
            self.rounds = round_number
            self.write(time.monotonic() - start)  # so that an interrupted race leaves what it has
            print(f"round {round_number} of {self.options.rounds}: {time.monotonic() - began:.0f} s"
                  f"{'' if peers else ', without peers: the minutes are over'}", file=sys.stderr, flush=True)

    def document(self, seconds):
        return {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "command": os.environ.get("RACE_COMMAND") or shlex.join(sys.argv),
            "seconds": round(seconds, 1),
            "commit": self.commit,
            "seed": self.options.seed,
            "rounds": self.rounds,
            "machine": self.machine,
            "versions": self.versions,
            "left_out": dict(self.left_out),
            "slow_pages": self.slow_pages,
            "participants": [{"name": p.name, "kind": p.kind} for p in self.participants],
            "raw_switch_ns": self.raw_switches,
            "failures": self.failures,
            "measurements": self.measurements,
        }

    def write(self, seconds):
        document = self.document(seconds)
        os.makedirs(self.options.out, exist_ok=True)
        path = os.path.join(self.options.out, "race.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        os.replace(path + ".new", path)
        return document


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(no message)"


def output_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def version_of(participant):
    if participant.kind != "peer":
        return output_of(["g++", "--version"]).splitlines()[0]
    if participant.version[:1] == ("dpkg",):
        return output_of(["dpkg-query", "-W", "-f=${Package} ${Version}", participant.version[1]])
    return output_of(list(participant.version)) if participant.version else "unknown"


def new_page_us():
    """What the first write to a page of memory takes, mostly in the kernel: from 0.1 to, in some virtual machines, 15."""
    pages = 4096
    with mmap.mmap(-1, pages * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        began = time.perf_counter()
        for page in range(0, pages * mmap.PAGESIZE, mmap.PAGESIZE):
            memory[page] = 1
        return (time.perf_counter() - began) / pages * 1e6


def machine():
    def first_line(path):
        try:
            with open(path, encoding="utf-8") as file:
                return file.readline().strip()
        except OSError:
            return "unknown"

    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "new_page_us": round(new_page_us(), 2),
        "governor": first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": os.getloadavg(),
    }


def main():
    parser, options = arguments()
    race = Race(options)
    began = time.monotonic()
    missing = {}
    if options.missing and os.path.exists(options.missing):
        with open(options.missing, encoding="utf-8") as file:
            missing = dict(line.strip().split(" ", 1) for line in file if " " in line.strip())
    if options.program:
        programs = [program.split("=", 1) for program in options.program]
        kinds = {"coir": "coir", "floor": "floor", "floor_ring": "ring"}
        candidates = [Participant(name, tuple(shlex.split(command)), kinds.get(name, "peer"))
                      for name, command in programs]
    else:
        candidates = participants(options.root, options.build)
    if options.participants is not None:
        wanted = set(filter(None, options.participants.split(","))) - {"none"}
        if unknown := wanted - {p.name for p in candidates}:
            parser.error(f"no participant {', '.join(sorted(unknown))}; "
                         f"there are {', '.join(p.name for p in candidates)}")
        candidates = [p for p in candidates if p.kind != "peer" or p.name in wanted]
    race.find(candidates, missing)
    if os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1):
        print(f"The machine is not quiet: load average {os.getloadavg()[0]:.1f}.", file=sys.stderr)
    race.race()

    document = race.write(time.monotonic() - began)
    race_report.print_tables(document, options.workloads)
    race_report.plot(document, options.workloads, options.out)
    print(f"\nEvery measurement: {os.path.join(options.out, 'race.json')}")
    return 1 if race.failures else 0


if __name__ == "__main__":
    sys.exit(main())
