#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants errors, one at a time, into copies of the tests and of docs/conformance.md: conformance_rows.py must name each.

    conformance_rows_planted.py ROOT
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DOCUMENT = "docs/conformance.md"
TEST = "test/runtime/sleep_test.cpp"
ROW = "| `test_sleep` | ported | `SleepTest.ZeroAndLessTakeExactlyOneTurnAndNoTimer` |\n"

# (file, what to replace, by what, what the checker must say)
PLANTED = [
    (DOCUMENT, ROW, "", "test_sleep has no row"),
    (DOCUMENT, ROW, "", r"cites test_sleep, which test_tasks\.py in docs/conformance\.md has not"),
    (DOCUMENT, ROW, ROW + ROW, "test_sleep`? is there twice"),
    (DOCUMENT, ROW, ROW.replace("OneTurn", "TwoTurns"), r"there is no test SleepTest\.ZeroAndLessTakeExactlyTwoTurns"),
    (DOCUMENT, ROW, ROW.replace("ZeroAndLessTakeExactlyOneTurnAndNoTimer", "RefusesNaN"),
     r"SleepTest\.RefusesNaN.* does not cite it"),
    (DOCUMENT, ROW, "| `test_sleep` | ported | somewhere |\n", "ported, but by which test"),
    (DOCUMENT, ROW, ROW.replace("ported", "deviates"), "deviates, but why"),
    (DOCUMENT, ROW, "| `test_sleep` | n/a | |\n", "n/a, but why"),
    (DOCUMENT, ROW, "| `test_sleep` | pending | later |\n", "cites test_sleep, which is pending"),
    (DOCUMENT, ROW, ROW.replace("ported", "done"), "unknown status 'done'"),
    (DOCUMENT, ROW, ROW + "| `test_slumber` | pending | later |\n", r"CPython has no test_slumber"),
    (DOCUMENT, ROW, ROW + "| `test_slumber` | pending | later |\n", r"the summary of test_tasks\.py should be"),
    (DOCUMENT, "| S2 |", "| S20 |", "cites S2, which docs/conformance.md has not"),
    (TEST, "test_sleep_cancel.", "test_sleep_cancels.", "cites test_sleep_cancels, which"),
    (TEST, "CPython: test_tasks.py, test_sleep_cancel.", "CPython: test_tasks.py.", "a citation without a test"),
    (TEST, "CPython: test_tasks.py, test_sleep_cancel.", "test_sleep_cancel.", "test_sleep_cancel without"),
    (TEST, "// S2", "//", r"SleepTest\.RefusesNaN.* does not cite it"),
]


def main():
    root = pathlib.Path(sys.argv[1])
    checker = root / "cmake/conformance_rows.py"

    def check(tree):
        result = subprocess.run([sys.executable, checker, tree], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    status, said = check(root)
    if status != 0:
        sys.exit(said)
    complete = "not at hand" not in said
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        (tree / "docs").mkdir()
        shutil.copy(root / DOCUMENT, tree / DOCUMENT)
        shutil.copytree(root / "test", tree / "test")
        for path, old, new, expected in PLANTED:
            if not complete and ("has no row" in expected or "CPython has no" in expected):
                continue
            original = (tree / path).read_text(encoding="utf-8")
            if original.count(old) != 1:
                failures.append(f"{path}: {original.count(old)} times {old!r}, not once")
                continue
            (tree / path).write_text(original.replace(old, new), encoding="utf-8")
            status, said = check(tree)
            (tree / path).write_text(original, encoding="utf-8")
            if status == 0 or not re.search(expected, said):
                failures.append(f"{path}: {old!r} became {new!r}; expected to read {expected!r}, but it said\n{said}")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
