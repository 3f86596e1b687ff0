#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions that each operation of bench/instructions.cpp takes, against the committed figures.

Callgrind counts, so a busy machine does not matter. Each workload runs with N and with 2 N operations: the difference
is that of N operations without what starting and ending cost.

    cmake/instruction_counts.py PROGRAM COUNTS           exit 1 if a workload takes over 5 % more than COUNTS says
    cmake/instruction_counts.py PROGRAM COUNTS --update  writes COUNTS anew

COUNTS has a line `WORKLOAD INSTRUCTIONS` for each. Its figures belong to the compiler named in its first line; with
another one, or without valgrind, the exit status is 77: skipped, with the reason.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

OPERATIONS = 2000
TOLERANCE = 0.05
SLACK = 2  # instructions: of an await that takes eight, 5 % is nothing
SKIPPED = 77


def collected(program, workload, operations):
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", program, workload, str(operations)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    match = re.search(r"Collected\s*:\s*(\d+)", run.stderr)
    if run.returncode != 0 or match is None:
        raise RuntimeError(f"{workload}: callgrind ended with {run.returncode}:\n{run.stderr}")
    return int(match[1])


def per_operation(program, workload):
    return (collected(program, workload, 2 * OPERATIONS) - collected(program, workload, OPERATIONS)) / OPERATIONS


def measure(program):
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(listed, pool.map(lambda workload: per_operation(program, workload), listed)))


def committed(path):
    compiler, figures = None, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("# compiler:"):
                compiler = line.partition(":")[2].strip()
            elif line.strip() and not line.startswith("#"):
                workload, figure = line.split()
                figures[workload] = float(figure)
    return compiler, figures


def compare(figures, measured):
    """Prints a table; the names of the workloads that fail."""
    failed = []
    print(f"{'workload':24}{'committed':>12}{'measured':>12}{'change':>9}")
    for workload in sorted(figures.keys() | measured.keys()):
        old, new = figures.get(workload), measured.get(workload)
        if old is None or new is None:
            print(f"{workload:24}{old or '-':>12}{new or '-':>12}   {'not committed' if old is None else 'gone'}")
            failed.append(workload)
            continue
        worse = new > old * (1 + TOLERANCE) + SLACK
        print(f"{workload:24}{old:12.1f}{new:12.1f}{(new - old) / old:+9.1%}{'   WORSE' if worse else ''}")
        if worse:
            failed.append(workload)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("counts")
    parser.add_argument("--compiler", default="", help="what the program was built with, such as 'GNU 12'")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()

    if subprocess.run(["sh", "-c", "command -v valgrind"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        print("skipped: no valgrind here")
        return SKIPPED
    if arguments.update:
        measured = measure(arguments.program)
        with open(arguments.counts, "w", encoding="utf-8") as out:
            out.write("# Instructions for each operation of bench/instructions.cpp: cmake/instruction_counts.py --update\n")
            out.write(f"# compiler: {arguments.compiler}\n")
            out.writelines(f"{workload} {figure:.1f}\n" for workload, figure in measured.items())
        return 0
    compiler, figures = committed(arguments.counts)
    if compiler != arguments.compiler:
        print(f"skipped: the figures are those of '{compiler}', this was built with '{arguments.compiler}'")
        return SKIPPED
    failed = compare(figures, measure(arguments.program))
    if failed:
        print(f"\nover {TOLERANCE:.0%} more, or not in both: {', '.join(failed)}. Mend it; or, if it buys something, "
              f"say what in docs/performance.md and commit new figures with --update.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
