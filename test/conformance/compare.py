#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares coir with this Python's asyncio on random programs.

    compare.py --seeds 0..20000 --family core --jobs 2    # every family without --family
    compare.py --write-golden                             # writes golden/<family>.txt
    compare.py --program 'spawn t1 {sleep 99}; await t1'  # both traces of one program

Prints the smallest program it can find for each kind of difference. Exit status 1 if there was any.
"""

import argparse
import collections
import multiprocessing
import os
import pathlib
import platform
import subprocess
import sys

import generator
from asyncio_interpreter import run_program
from program import parse, size, smaller, text

here = pathlib.Path(__file__).resolve().parent
golden_programs = 300  # for each family
programs_per_process = 1000


def golden_text(block):
    """The program with asyncio's trace, or None."""
    if (trace := run_program(block)) is None:
        return None
    return "\n".join([text(block), *trace]) + "\n\n"


class Coir:
    """The program `conformance --compare`, one answer at a time."""

    def __init__(self, path):
        self.process = subprocess.Popen([path, "--compare"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self, golden):
        try:
            self.process.stdin.write(golden)
            self.process.stdin.flush()
            first = self.process.stdout.readline()
        except BrokenPipeError:
            first = ""
        if not first:
            return f"crashed {self.process.wait()}\n" + golden
        if first != "different\n":
            return first.strip()
        lines = [first]
        while (line := self.process.stdout.readline()) not in ("", "\n"):
            lines.append(line)
        return "".join(lines)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def bad(answer):
    return answer.startswith(("different", "crashed"))


def shrink(coir_path, block):
    """The smallest program found that still differs, with the answer."""
    coir = Coir(coir_path)

    def answer_to(candidate):
        nonlocal coir
        golden = golden_text(candidate) if candidate else None
        if golden is None:
            return "same"
        answer = coir.answer(golden)
        if answer.startswith("crashed"):
            coir.close()
            coir = Coir(coir_path)
        return answer

    answer = answer_to(block)
    progress = bad(answer)
    while progress:
        progress = False
        for candidate in sorted(smaller(block), key=size):
            if bad(found := answer_to(candidate)):
                block, answer, progress = candidate, found, True
                break
    coir.close()
    return block, answer


def compare_range(coir_path, family, first, last):
    """Counts of the answers, and the seeds that differ."""
    counts = collections.Counter()
    different = []
    goldens = {}
    for seed in range(first, last):
        if (golden := golden_text(generator.program(family, seed))) is None:
            counts["refused"] += 1
        else:
            goldens[seed] = golden
    coir = Coir(coir_path)
    for seed, golden in goldens.items():
        answer = coir.answer(golden)
        kind = answer.split("\n")[0]
        counts[kind.split()[0] if bad(kind) else kind] += 1
        if bad(answer):
            different.append(seed)
            if answer.startswith("crashed"):
                coir.close()
                coir = Coir(coir_path)
    coir.close()
    return counts, different


def compare(coir_path, family, first, last, jobs, report_limit):
    ranges = [(coir_path, family, start, min(start + programs_per_process, last))
              for start in range(first, last, programs_per_process)]
    counts = collections.Counter()
    different = []
    # A process for each range: the interpreter keeps everything it ever ran. Forked, for those end without a clean-up.
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for found, seeds_that_differ in pool.starmap(compare_range, ranges, chunksize=1):
            counts += found
            different += seeds_that_differ
    print(f"{family}: seeds {first}..{last}: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()),
          flush=True)
    reported = set()
    for seed in different[:report_limit]:
        block, answer = shrink(coir_path, generator.program(family, seed))
        if str(answer) not in reported:
            print(f"\n{family} {seed}, {size(block)} statements: {answer}")
            reported.add(str(answer))
    return not different


def write_golden(family):
    path = here / "golden" / f"{family}.txt"
    path.parent.mkdir(exist_ok=True)
    goldens = filter(None, (golden_text(generator.program(family, seed)) for seed in range(golden_programs)))
    path.write_text(f"# Programs and what CPython {platform.python_version()} did. Written by compare.py.\n\n" +
                    "".join(goldens))
    print(path)


def seeds(argument):
    first, _, last = argument.partition("..")
    return int(first), int(last)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coir", default=here.parents[1] / "build/release/test/conformance/conformance",
                        help="the program `conformance`")
    parser.add_argument("--family", action="append", choices=generator.families)
    parser.add_argument("--seeds", type=seeds, default=(0, 2000), metavar="FIRST..LAST", help="LAST is not included")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--report", type=int, default=5, help="how many differences to shrink for each family")
    parser.add_argument("--write-golden", action="store_true")
    parser.add_argument("--program")
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 13):
        sys.exit(f"needs CPython 3.13, this is {platform.python_version()}")
    families = options.family or generator.families
    if options.write_golden:
        for family in families:
            write_golden(family)
    elif options.program:
        coir = Coir(options.coir)
        golden = golden_text(parse(options.program)) or "refused\n"
        print(golden + coir.answer(golden))
    else:
        print(f"CPython {platform.python_version()}", flush=True)
        passed = [compare(options.coir, family, *options.seeds, options.jobs, options.report) for family in families]
        return 0 if all(passed) else 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # without collecting the tasks that wait for ever
