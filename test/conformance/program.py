# SPDX-License-Identifier: MIT
"""Programs of the differential test: their text, and how it is read.

A program is the body of the main task, t0. A body is statements separated by ';'. A statement is an operation, its
arguments, and blocks in braces: `spawn t1 {sleep 293; return 4}; cancel t1 m; try any {await t1} {}`.
test/conformance/README.md lists the operations.
"""

import re


class Node:
    """One statement."""

    __slots__ = ("name", "args", "blocks")

    def __init__(self, name, args=(), blocks=()):
        self.name = name
        self.args = list(args)
        self.blocks = [list(block) for block in blocks]

    def __str__(self):
        return " ".join([self.name, *self.args, *("{" + text(block) + "}" for block in self.blocks)])


def text(block):
    return "; ".join(map(str, block))


def parse(source):
    """The block that text() would write as `source`."""
    tokens = re.findall(r"[{};]|[^\s{};]+", source)
    position = 0

    def block():
        nonlocal position
        nodes = []
        while position < len(tokens) and tokens[position] != "}":
            if tokens[position] == ";":
                position += 1
            else:
                nodes.append(statement())
        return nodes

    def statement():
        nonlocal position
        node = Node(tokens[position])
        position += 1
        while position < len(tokens) and tokens[position] not in ";}":
            if tokens[position] == "{":
                position += 1
                node.blocks.append(block())
            else:
                node.args.append(tokens[position])
            position += 1
        return node

    return block()


def size(block):
    """How many statements it has, nested ones included."""
    return sum(1 + sum(map(size, node.blocks)) for node in block)


# The arguments from here on can be left out.
optional_from = {"gather": 2, "each": 2, "wait": 3, "cancel": 1}


def smaller(block):
    """Every block that is one simplification smaller: a statement less, or replaced by one of its blocks, or with
    one of its blocks smaller."""
    for index, node in enumerate(block):
        before, after = block[:index], block[index + 1:]
        yield before + after
        for inner in node.blocks:
            yield before + inner + after
        for number, inner in enumerate(node.blocks):
            for less in smaller(inner):
                blocks = node.blocks[:number] + [less] + node.blocks[number + 1:]
                yield before + [Node(node.name, node.args, blocks)] + after
        for number in range(optional_from.get(node.name, len(node.args)), len(node.args)):
            if node.args[number] != "$":
                yield before + [Node(node.name, node.args[:number] + node.args[number + 1:], node.blocks)] + after
