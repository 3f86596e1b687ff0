# SPDX-License-Identifier: MIT
"""The operations that combine tasks, on asyncio: gather to TaskGroup, and eager start."""

import asyncio

from asyncio_operations import body, children, delay, operation, refuse_itself, run
from asyncio_world import show


@operation
def gather(world, me, node):
    name, mode, *names = node.args
    made = asyncio.gather(*children(world, me, node, names), return_exceptions=mode == "all")
    world.slots[name] = made
    world.emit(me, f"gather {name} {world.state(made)}")


@operation
async def wait(world, me, node):
    mode, timeout, *names = node.args
    futures = {name: future for name in names if (future := world.slot(name, me)) is not None}
    modes = {"first": asyncio.FIRST_COMPLETED, "exception": asyncio.FIRST_EXCEPTION, "all": asyncio.ALL_COMPLETED}
    done, pending = await asyncio.wait(list(futures.values()), timeout=delay(timeout), return_when=modes[mode])
    assert len(done) + len(pending) == len(set(map(id, futures.values())))
    world.emit(me, "wait " + ",".join(name for name, future in futures.items() if future in done) +
               " / " + ",".join(name for name, future in futures.items() if future in pending))


@operation
async def each(world, me, node):
    name, timeout, *names = node.args
    async for future in asyncio.as_completed(list(children(world, me, node, names)), timeout=delay(timeout)):
        world.emit(me, f"each {name} {world.name_of(future)} {world.state(future)}")
    world.emit(me, f"each {name} end")


# Deadlines.

async def in_timeout(world, me, name, scope, block):
    async with scope:
        world.timeouts[name] = scope
        try:
            return await run(world, me, block)
        finally:
            world.emit(me, f"timeout {name} {show(scope.expired())}")
            del world.timeouts[name]


@operation
async def timeout(world, me, node):
    return await in_timeout(world, me, node.args[0], asyncio.timeout(delay(node.args[1])), node.blocks[0])


@operation
async def timeout_at(world, me, node):
    when = delay(node.args[1])
    scope = asyncio.timeout_at(None if when is None else world.loop.now + when)
    return await in_timeout(world, me, node.args[0], scope, node.blocks[0])


@operation
def reschedule(world, me, node):
    name, argument = node.args
    if (scope := world.timeouts.get(name)) is None:
        return
    when = delay(argument)
    try:
        scope.reschedule(None if when is None else world.loop.now + when)
        world.emit(me, f"reschedule {name} ok")
    except RuntimeError:
        world.emit(me, f"reschedule {name} refused")


@operation
def expired(world, me, node):
    if (scope := world.timeouts.get(node.args[0])) is not None:
        world.emit(me, f"expired {node.args[0]} {show(scope.expired())}")


@operation
async def wait_for(world, me, node):
    """A future by name, or `$`: a block, which runs in this very task."""
    name, limit, target = node.args
    if target == "$":
        async def inner():
            value = await run(world, me, node.blocks[0])
            return 0 if value is None else value
        awaited = inner()
    elif (awaited := world.slot(target, me)) is None:
        return
    elif limit == "none" or int(limit) > 0:
        refuse_itself(awaited)
    world.emit(me, f"wait_for {name} {show(await asyncio.wait_for(awaited, delay(limit)))}")


# Groups.

@operation
async def group(world, me, node):
    name = node.args[0]
    try:
        async with asyncio.TaskGroup() as made:
            world.groups[name] = made
            value = await run(world, me, node.blocks[0])
    finally:
        world.groups.pop(name, None)
    world.emit(me, f"joined {name}")
    return value


@operation
def group_spawn(world, me, node):
    group_name, name = node.args
    if (made := world.groups.get(group_name)) is None:
        return
    coroutine = body(world, name, node.blocks[0])
    try:
        world.slots[name] = made.create_task(coroutine)
    except RuntimeError:
        world.emit(me, f"group_spawn {name} refused")


# Eager start.

@operation
def eager(world, me, node):
    name = node.args[0]
    world.slots[name] = task = asyncio.Task(body(world, name, node.blocks[0]), loop=world.loop, eager_start=True)
    world.emit(me, f"eager {name} {world.state(task)}")
