# SPDX-License-Identifier: MIT
"""Runs programs on CPython's asyncio. Run alone: reads programs, one a line, and prints their traces."""

import asyncio
import gc
import os
import sys

import asyncio_combinators  # noqa: F401, registers its operations
import asyncio_contexts  # noqa: F401
import asyncio_locks_and_queues
from asyncio_operations import body
from asyncio_world import Stalled, World, make_exact
from program import parse

make_exact()
gc.disable()
kept = []  # every world: collecting a suspended coroutine would run its clean-up inside a later program


def run_program(block):
    """The trace of the program, a list of lines. None if the program means nothing on coir."""
    world = World()
    kept.append(world)
    loop = world.loop
    world.slots["t0"] = loop.create_task(body(world, "t0", block))
    try:
        loop.run_forever()
    except Stalled:
        pass
    # CPython's recursion ended: a circle of tasks that await each other was cancelled. In its C code that may surface as a
    # SystemError, "returned a result with an exception set".
    if world.refused or any("RecursionError" in line or "SystemError" in line for line in world.trace):
        return None
    assert loop.iterations <= loop.iteration_limit, "a program without an end"
    pending = any(isinstance(slot, asyncio.Task) and not slot.done() for slot in world.slots.values())
    # Without the time: as_completed() of asyncio leaves its timer behind, and the clock goes there.
    world.trace.append("deadlock" if pending else "end")
    for name, slot in world.slots.items():
        world.trace.append(f"{name} {world.state(slot, with_value=True)}")
    world.trace.extend(asyncio_locks_and_queues.describe_things(world))
    asyncio.tasks._scheduled_tasks.clear()  # all_tasks() goes through the tasks of every loop
    asyncio.tasks._eager_tasks.clear()
    return world.trace


def main():
    for line in sys.stdin:
        if line.strip():
            print("\n".join(run_program(parse(line)) or ["refused"]), end="\n\n")
    sys.stdout.flush()
    os._exit(0)  # no clean-up of what is kept


if __name__ == "__main__":
    main()
