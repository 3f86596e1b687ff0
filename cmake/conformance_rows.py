#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks docs/conformance.md against the tests.

    conformance_rows.py [--cpython FOLDER] ROOT       ROOT: the source tree
    conformance_rows.py --citations ROOT              prints what is cited, and by which of our tests

A test cites in its comments, above it, behind its name or in its body:

    // K1, Q3. CPython: test_locks.py, test_lock, LockTests.test_acquire; test_queues.py, test_order.

that is, numbers of the statements, and names of CPython's tests; the class is needed where the file has the name twice.

The document has a table for each file of CPython's, below a heading `### test_locks.py`, and one for each group of
statements below `## SEMANTICS statement by statement`. Their rows have a status:

    ported      a test of ours, named in backquotes, proves it and cites it
    deviates    the same, but on purpose not as in CPython: the row says how and why
    n/a         does not apply: the row says why
    pending     not yet

Checked: each citation is that of a row that is ported or deviates; each test that a row names exists and cites it; no
row is there twice; the summary counts right; and, where Python 3.13's own tests are at hand (FOLDER, or found through
pyenv), that exactly they are listed. A row `name` (3.14) is a test that 3.13 has not. Files other than COMPLETE are
listed as far as tests cite them.
"""

import argparse
import ast
import collections
import glob
import pathlib
import re
import sys

COMPLETE = """tasks taskgroups timeouts waitfor locks queues futures futures2 base_events runners eager_task_factory
              staggered threads""".split()
STATUSES = ("ported", "deviates", "n/a", "pending")
NAME = r"(?:\w+\.)?test_\w+"
CITATION = re.compile(rf"CPython: (test_\w+\.py, {NAME}(?:[,;] (?:test_\w+\.py, )?{NAME})*)")
LOOSE = re.compile(rf"\b{NAME}\b(?!\.(?:py|cpp|hpp)\b)")
STATEMENT = re.compile(r"\b(?:TG|IO|[LFTSGWEKQRX])\d+\b")
TEST = re.compile(r"(?:TYPED_TEST|TEST(?:_F|_P)?)\((\w+), (\w+)\)")
OURS = re.compile(r"`(\w+\.\w+)`")

problems = []


def problem(where, text):
    problems.append(f"{where}: {text}")


class Cited:
    """What one of our tests cites: CPython's tests, as (file, name), and numbers of statements."""

    def __init__(self, where):
        self.where = where
        self.tests = set()
        self.statements = set()

    def add(self, comment):
        for citation in CITATION.finditer(comment):
            file = None
            for part in re.split(r"[,;] ", citation[1]):
                if part.endswith(".py"):
                    file = part
                else:
                    self.tests.add((file, part))
        rest = CITATION.sub(" ", comment)
        for loose in LOOSE.findall(rest):
            problem(self.where, f"{loose} without `CPython: <file>, ` before it")
        if "CPython: test_" in rest:
            problem(self.where, "a citation without a test: `CPython: <file>, <test>, <test>; <file>, <test>`")
        self.statements.update(STATEMENT.findall(rest))


def citations_of(root):
    """Our tests by their names, as in `LockTest.IsFifo`."""
    ours = {}
    for path in sorted((root / "test").glob("**/*.cpp")):
        above, inside, current, declaration = [], [], None, ""
        head = []  # the comment at the top of the file: of all its tests

        def finish():
            if current is not None:
                current.add(" ".join(inside))

        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            comment = re.search(r"(?:^|\s)//+ ?(.*)$", line)
            if line.startswith("//"):
                above.append(comment[1])
                continue
            declaration = declaration + line.strip() if declaration else line
            test = TEST.match(declaration)
            if test:
                finish()
                current = Cited(f"{path.relative_to(root)}:{number}")
                name = f"{test[1]}.{test[2]}"
                if name in ours:
                    problem(current.where, f"{name} is there twice")
                ours[name] = current
                current.add(" ".join(above))
                current.statements.update(STATEMENT.findall(" ".join(head)))
                inside = [comment[1]] if comment else []
                declaration = ""
            elif re.match(r"(?:TYPED_TEST|TEST(_F|_P)?)\(", declaration) and ")" not in declaration:
                continue  # goes on in the next line
            else:
                declaration = ""
                if comment:
                    inside.append(comment[1])
                if current is None and above and not head and not line.startswith("namespace"):
                    head = above
            above = []
        finish()
    return ours


class Row:
    def __init__(self, where, cells):
        self.where = where
        self.status, self.reason = cells[-2], cells[-1]
        self.ours = OURS.findall(self.reason)


def rows_of(document):
    """(rows of CPython's tests by (file, name), rows of statements by number, summary: cells of its rows)"""
    tests, statements, summary = collections.OrderedDict(), collections.OrderedDict(), []
    section = subsection = ""
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("## "):
            section, subsection = line[3:].strip(), ""
        elif line.startswith("### "):
            subsection = line[4:].strip()
        if not line.startswith("|") or section not in ("CPython's tests", "SEMANTICS statement by statement"):
            continue
        where = f"{document.name}:{number}"
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] in ("test", "file", "statement") or set(cells[0]) <= {"-", ":"}:
            continue
        if section == "CPython's tests" and not subsection:
            summary.append((where, cells))
            continue
        table, key, wanted = (tests, (subsection, cells[0].replace("`", "")), 3) if section == "CPython's tests" else \
                             (statements, cells[0], 4)
        if len(cells) != wanted:
            problem(where, f"{wanted} cells wanted, not {len(cells)}")
        elif cells[-2] not in STATUSES:
            problem(where, f"unknown status '{cells[-2]}'")
        elif key in table:
            problem(where, f"{cells[0]} is there twice, also in {table[key].where}")
        else:
            table[key] = Row(where, cells)
    return tests, statements, summary


def same(one, other):
    """Whether two names of CPython's are of the same test; either may leave the class out."""
    return one == other or (("." in one) != ("." in other) and one.rpartition(".")[2] == other.rpartition(".")[2])


def cites(cited, file, name):
    """Whether a test cites that row."""
    return any(at == file and same(test, name.replace(" (3.14)", "")) for at, test in cited.tests)


def check_rows(rows, ours, cited_by, what):
    for key, row in rows.items():
        name = what(key)
        if row.status in ("ported", "deviates") and not row.ours:
            problem(row.where, f"{name} is {row.status}, but by which test?")
        if row.status in ("deviates", "n/a") and not re.sub(r"[`\w.]+\.\w+`,?", "", row.reason).strip(" ;,"):
            problem(row.where, f"{name} is {row.status}, but why?")
        for test in row.ours:
            if test not in ours:
                problem(row.where, f"{name}: there is no test {test}")
            elif not cited_by(ours[test], key):
                problem(row.where, f"{name}: {test}, {ours[test].where}, does not cite it")


def check_citations(tests, statements, ours):
    for test, cited in ours.items():
        for file, name in sorted(cited.tests):
            rows = [row for (at, listed), row in tests.items()
                    if at == file and same(name, listed.replace(" (3.14)", ""))]
            if not rows:
                problem(cited.where, f"{test} cites {name}, which {file} in docs/conformance.md has not")
            elif not any(row.status in ("ported", "deviates") for row in rows):
                problem(cited.where, f"{test} cites {name}, which is {rows[0].status} in {rows[0].where}")
        for number in sorted(cited.statements):
            row = statements.get(number)
            if row is None:
                problem(cited.where, f"{test} cites {number}, which docs/conformance.md has not")
            elif row.status not in ("ported", "deviates"):
                problem(cited.where, f"{test} cites {number}, which is {row.status} in {row.where}")


def check_summary(tests, summary):
    counted = collections.OrderedDict()
    for (file, _), row in tests.items():
        counts = counted.setdefault(file, collections.Counter())
        counts[row.status] += 1
    total = collections.Counter()
    for counts in counted.values():
        total.update(counts)
    counted["all"] = total
    listed = {}
    for where, cells in summary:
        listed[cells[0].strip("*")] = where
        counts = counted.get(cells[0].strip("*"))
        expected = counts and [str(sum(counts.values()))] + [str(counts[status]) for status in STATUSES]
        if [cell.strip("*") for cell in cells[1:]] != expected:
            problem(where, f"the summary of {cells[0]} should be {expected}")
    for file in counted:
        if file not in listed:
            problem("docs/conformance.md", f"{file} is missing in the summary")


def check_complete(tests, folder):
    for name in COMPLETE:
        path = folder / f"test_{name}.py"
        classes = collections.defaultdict(list)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name.startswith("test_"):
                        classes[item.name].append(node.name)
        expected = {f"{owner}.{test}" if len(owners) > 1 else test
                    for test, owners in classes.items() for owner in owners}
        listed = {test for file, test in tests if file == path.name and not test.endswith("(3.14)")}
        for test in sorted(expected - listed):
            problem(path.name, f"{test} has no row")
        for test in sorted(listed - expected):
            problem(tests[path.name, test].where, f"{path.name} of CPython has no {test}")


def find_cpython():
    pattern = str(pathlib.Path.home() / ".pyenv/versions/3.13.*/lib/python3.13/test/test_asyncio")
    return pathlib.Path(max(glob.glob(pattern) or [""]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--cpython", type=pathlib.Path, help="test_asyncio of 3.13")
    parser.add_argument("--citations", action="store_true")
    arguments = parser.parse_args()
    ours = citations_of(arguments.root)
    if arguments.citations:
        found = collections.defaultdict(list)
        for test, cited in ours.items():
            for key in list(cited.statements) + [" ".join(key) for key in cited.tests]:
                found[key].append(test)
        for key in sorted(found):
            print(key, ", ".join(found[key]))
        return
    tests, statements, summary = rows_of(arguments.root / "docs/conformance.md")
    check_rows(tests, ours, lambda cited, key: cites(cited, *key), " ".join)
    check_rows(statements, ours, lambda cited, key: key in cited.statements, str)
    check_citations(tests, statements, ours)
    check_summary(tests, summary)
    folder = arguments.cpython or find_cpython()
    if (folder / "test_tasks.py").exists():
        check_complete(tests, folder)
    else:
        print("CPython 3.13's test_asyncio is not at hand: whether the list is complete is not checked.")
    counts = collections.Counter(row.status for row in tests.values())
    print(f"{len(tests)} of CPython's tests: " + ", ".join(f"{counts[status]} {status}" for status in STATUSES))
    counts = collections.Counter(row.status for row in statements.values())
    print(f"{len(statements)} statements: " + ", ".join(f"{counts[status]} {status}" for status in STATUSES))
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
