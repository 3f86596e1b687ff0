#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs what the documentation shows.

    snippets.py extract OUTPUT_FOLDER DOCUMENT...      writes a .cpp for each ```cpp block that is a program, one
                                                       for all others of a document, a .c for each ```c block,
                                                       and snippets.cmake
    snippets.py run [--exit N] [--stdout FILE] [--stderr FILE] PROGRAM [ARGUMENT]

How to write a block:

- A block with `int main` is a program as it stands, includes and all.
- Any other block is completed. Includes, macros and definitions (functions, types, templates, `using`) stay outside;
  the statements, in order, become the body of a task on a virtual clock (`coir::run_virtual`), so an hour of sleep
  takes no time; where they run a loop themselves, the body of a plain main(). <coir/coir.hpp>, <coir/testing.hpp>,
  common standard headers and `std::chrono_literals` are there. A block without statements is compiled only. All such
  blocks of a document are one program, each in a namespace of its own; one with a directive of the preprocessor, or
  with no-run, is by itself.
- What the reader need not see goes into a comment directly before the block, and is compiled as its beginning:

      <!-- cpp
      int load(int id);
      -->

- ```c blocks are C11. One with `int main` is a program; any other one is compiled only, behind <coir/coir.h> and common
  standard headers. What the reader need not see is `<!-- c`.
- ```cpp no-run            the block is compiled, not linked and not run.
- ```cpp exit=3            it ends with this status, not 0.
- // not compiled          as the first line: the block is left alone.
- ```text directly after the block (only blank lines between) is what the program prints on stdout; ```text stderr is
  what it prints there. `...` stands for any text. Trailing blanks do not count.

An error of the compiler names the line of the document.
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

PRELUDE = """\
#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
"""

C_PRELUDE = """\
#include <coir/coir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
DEFINITION = re.compile(r"(template|struct|class|union|enum|namespace|using|typedef|extern|concept|static_assert)\b|#")
# Two words or more before the parameters, and none of them a statement's: a function and not a call.
FUNCTION = re.compile(
    r"(?!return\b|else\b|throw\b|co_)[\w:<>,&*\s\[\]]*[\w>&*\]]\s+[&*]*[\w:~]+\s*\([^{}]*\)[^(){}=;]*\{")
# A declaration of one, as far as it cannot be a variable: no parameters, or every one a type and a name.
TYPE = r"(const )?[\w:]+(<[\w:<>,&* ]*>)?[&*]*"
DECLARATION = re.compile(rf"(?!return\b|throw\b|co_){TYPE} \w+\(({TYPE} \w+(, )?)*\)( noexcept)?;")
OWN_LOOP = re.compile(r"\bcoir::run\b|\b(run_virtual|run_until_complete|run_forever|Runner)\b")
LITERAL_OR_COMMENT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])*'""",
    re.DOTALL)


class Block:
    def __init__(self, document, language, words, line):
        self.document = document  # path
        self.language = language  # c or cpp
        self.words = words  # of the info string, after the language
        self.lines = []  # (line number in the document, text)
        self.line = line
        self.outputs = {}  # stdout, stderr -> expected text

    def text(self):
        return "\n".join(text for _, text in self.lines)


def blocks_of(path):
    """The ```cpp and ```c blocks of a document, with their hidden beginnings and expected outputs."""
    blocks, hidden, previous = [], [], None  # previous: the block that an output block would belong to
    lines = list(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    position = 0

    def take_until(end):
        nonlocal position
        taken = []
        while position < len(lines):
            number, text = lines[position]
            position += 1
            if end(text):
                return taken
            taken.append((number, text))
        sys.exit(f"{path}:{taken[0][0] - 1 if taken else len(lines)}: not closed")

    while position < len(lines):
        number, text = lines[position]
        position += 1
        if text.strip() in ("<!-- cpp", "<!-- c"):
            hidden += take_until(lambda t: t.strip() == "-->")
            continue
        fence = FENCE.match(text)
        if not fence:
            if text.strip():
                hidden, previous = [], None
            continue
        indent, info = len(fence["indent"]), fence["info"].split()
        body = [(n, t[indent:]) for n, t in take_until(lambda t: t.strip() == "```")]
        if info[:1] in (["cpp"], ["c"]):
            previous = Block(path, info[0], info[1:], number)
            previous.lines = hidden + body
            if not (body and body[0][1].strip() == "// not compiled"):
                blocks.append(previous)
        elif info[:1] == ["text"] and previous:
            stream = "stderr" if "stderr" in info else "stdout"
            previous.outputs[stream] = "\n".join(t for _, t in body) + "\n"
        else:
            previous = None
        hidden = []
    return blocks


def code_only(text):
    """The text with literals emptied and comments removed; newlines stay, so that lines correspond."""
    def blank(match):
        kept = "\n" * match[0].count("\n")
        return kept if match[0].startswith("/") else f'""{kept}'
    return LITERAL_OR_COMMENT.sub(blank, text)


def chunks_of(block):
    """Splits a block into its top-level statements and definitions: lists of (line number, text, code)."""
    chunk, depth = [], 0
    for (number, text), code in zip(block.lines, code_only(block.text()).split("\n")):
        chunk.append((number, text, code))
        depth += sum(code.count(c) for c in "{([") - sum(code.count(c) for c in "})]")
        code = code.rstrip()
        directive = any(c.lstrip().startswith("#") for _, _, c in chunk)
        if depth == 0 and (not code.endswith("\\") if directive else code.endswith((";", "}"))):
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def is_definition(chunk):
    code = "\n".join(code for _, _, code in chunk).strip()
    code = re.sub(r"^(\[\[[^\]]*\]\]\s*)+", "", code)
    return bool(DEFINITION.match(code) or FUNCTION.match(code) or DECLARATION.fullmatch(code))


def program_of(block, title, function="main()"):
    """The source text, and whether there is anything to run: in this function, if the block has no main()."""
    def quoted(lines):
        out, expected = [], None
        for number, text, *_ in lines:
            if number != expected:
                out.append(f'#line {number} "{title}"')
            out.append(text)
            expected = number + 1
        return "\n".join(out) + "\n"

    if re.search(r"\bint\s+main\s*\(", code_only(block.text())):
        return quoted(block.lines), True
    if block.language == "c":
        return C_PRELUDE + quoted(block.lines), False
    outside, inside = [], []
    for chunk in chunks_of(block):
        if any(code.strip() for _, _, code in chunk):
            (outside if is_definition(chunk) else inside).extend(chunk)
    text = PRELUDE + quoted(outside)
    if inside:
        if OWN_LOOP.search(code_only(block.text())):
            text += f"int {function} {{\n" + quoted(inside) + "return 0;\n}\n"
        else:
            text += f"int {function} {{\n  coir::run_virtual([] {{\n" + quoted(inside) + "  });\n  return 0;\n}\n"
    return text, bool(inside)


def together(stem, fragments):
    """One program of many blocks, which runs the one that its argument names."""
    text, cases = PRELUDE, ""
    for index, (program, runs) in fragments.items():
        text += f"namespace fragment_{index} {{\n{program.removeprefix(PRELUDE)}}}\n"
        if runs:
            cases += f'  if (name == "{stem}.{index}") return fragment_{index}::run();\n'
    text += "int main(int, char** arguments) {\n  const std::string name = arguments[1];\n"
    return text + cases + "  return 99;\n}\n"


def write(path, text):
    """Leaves an unchanged file alone, so that it is not compiled again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def extract(folder, documents):
    folder.mkdir(parents=True, exist_ok=True)
    commands = []
    for document in documents:
        shared = {}  # index -> the text of a block that is compiled with others, and whether it runs
        for index, block in enumerate(blocks_of(document), start=1):
            name = f"{document.stem}.{index}"
            words = list(block.words)
            program, runs = program_of(block, document.name)
            if "no-run" in words:
                words.remove("no-run")
                runs = False
            arguments = []
            for word in words:
                if not re.fullmatch(r"exit=\d+", word):
                    sys.exit(f"{document}:{block.line}: unknown word '{word}'")
                arguments += ["--exit", word[5:]]
            for stream, text in block.outputs.items():
                write(folder / f"{name}.{stream}", text)
                arguments += [f"--{stream}", f"{name}.{stream}"]
            kind = "C" if block.language == "c" else "PROGRAM"
            if program.startswith(PRELUDE) and "no-run" not in block.words and "#" not in code_only(block.text()):
                shared[index] = program_of(block, document.name, "run()")
                kind = f"FRAGMENT_OF {document.stem}"
            else:
                write(folder / f"{name}.{block.language}", program)
            if runs or kind in ("C", "PROGRAM"):
                commands.append(f"coir_snippet({name} {kind} {'RUN ' + ' '.join(arguments) if runs else 'COMPILE'})\n")
        if shared:
            write(folder / f"{document.stem}.cpp", together(document.stem, shared))
            commands.append(f"coir_fragments({document.stem})\n")
    write(folder / "snippets.cmake", "".join(commands))


def differences(expected, actual, name):
    """None if actual is what expected says, with `...` for any text; else a diff."""
    def tidy(text):
        return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
    expected, actual = tidy(expected), tidy(actual)
    pattern = ".*?".join(re.escape(part) for part in expected.split("..."))
    if re.fullmatch(pattern, actual, re.DOTALL):
        return None
    return "\n".join(difflib.unified_diff(
        expected.split("\n"), actual.split("\n"), f"{name}, documented", f"{name}, real", lineterm=""))


def run(command, status, expected):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    failures = []
    if result.returncode != status:
        failures.append(f"exit status {result.returncode}, documented {status}")
    for stream, path in expected.items():
        if path:
            failures.append(differences(path.read_text(encoding="utf-8"), getattr(result, stream), stream))
    failures = [failure for failure in failures if failure]
    if failures:
        sys.exit("\n".join(failures))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="action", required=True)
    one = commands.add_parser("extract")
    one.add_argument("folder", type=pathlib.Path)
    one.add_argument("documents", type=pathlib.Path, nargs="*")
    two = commands.add_parser("run")
    two.add_argument("command", metavar="PROGRAM", nargs="+")
    two.add_argument("--exit", type=int, default=0)
    two.add_argument("--stdout", type=pathlib.Path)
    two.add_argument("--stderr", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.action == "extract":
        extract(arguments.folder, arguments.documents)
    else:
        run(arguments.command, arguments.exit, {"stdout": arguments.stdout, "stderr": arguments.stderr})


if __name__ == "__main__":
    main()
