# SPDX-License-Identifier: MIT
"""What the operations of a program do, on asyncio. test/conformance/README.md has their list."""

import asyncio

from asyncio_world import E, describe, show

immediate = {}   # name -> function(world, me, node), wherever a callback may be
suspending = {}  # name -> coroutine function(world, me, node), inside a task


def operation(function):
    table = suspending if asyncio.iscoroutinefunction(function) else immediate
    table[function.__name__.removesuffix("_")] = function
    return function


async def run(world, me, block):
    """Runs the statements of a block. Not None: a `return` ended it."""
    for node in block:
        if node.name in suspending:
            value = await suspending[node.name](world, me, node)
        else:
            value = immediate[node.name](world, me, node)
        if value is not None:
            return value
    return None


def run_immediate(world, me, block):
    for node in block:
        immediate[node.name](world, me, node)


async def body(world, name, block):
    """The coroutine of a task."""
    world.slots.setdefault(name, asyncio.current_task())
    world.emit(name, "start")
    try:
        value = await run(world, name, block)
    except BaseException as error:
        world.emit(name, "raise " + describe(error))
        raise
    value = 0 if value is None else value
    world.emit(name, f"return {value}")
    return value


def refused(world, me, text, call):
    """Emits what the call returned, or how it refused."""
    try:
        result = call()
    except Exception as error:
        result = error
    world.emit(me, f"{text} {show(result)}")
    return result


def children(world, me, node, names):
    """Futures by name; for each `$` the coroutine of the next block."""
    blocks = iter(enumerate(node.blocks))
    for name in names:
        if name == "$":
            index, block = next(blocks)
            yield body(world, node.args[0] + chr(ord("a") + index), block)
        elif (future := world.slot(name, me)) is not None:
            yield future


def delay(argument):
    return None if argument == "none" else int(argument)


@operation
async def sleep(world, me, node):
    await asyncio.sleep(int(node.args[0]))
    world.emit(me, "slept")


@operation
async def spin(world, me, node):
    for turn in range(int(node.args[0])):
        await asyncio.sleep(0)
        world.emit(me, f"turn {turn + 1}")


def refuse_itself(future):
    """asyncio says so one iteration later; coir refuses misuse at once."""
    if future is asyncio.current_task():
        raise RuntimeError("Task cannot await on itself")


@operation
async def await_(world, me, node):
    future = world.slot(node.args[0], me)
    if future is not None:
        refuse_itself(future)
        world.emit(me, f"await {node.args[0]} {show(await future)}")


@operation
def set_(world, me, node):
    name, value = node.args
    if (future := world.slot(name, me)) is not None:
        refused(world, me, f"set {name}", lambda: future.set_result(int(value)))


@operation
def fail(world, me, node):
    name, number = node.args
    if (future := world.slot(name, me)) is not None:
        refused(world, me, f"fail {name}", lambda: future.set_exception(E(int(number))))


@operation
def cancel(world, me, node):
    name, *message = node.args
    if (future := world.slot(name, me)) is not None:
        result = future.cancel(*message)
        given = f"({message[0]})" if message else ""
        world.emit(me, f"cancel {name}{given} {show(result)} {world.state(future)}")


@operation
def uncancel(world, me, node):
    task = world.slot(node.args[0], me)
    if isinstance(task, asyncio.Task):
        world.emit(me, f"uncancel {node.args[0]} {task.uncancel()}")


@operation
def state(world, me, node):
    if (future := world.slot(node.args[0], me)) is not None:
        world.emit(me, f"state {node.args[0]} {world.state(future)}")


@operation
def result(world, me, node):
    if (future := world.slot(node.args[0], me)) is not None:
        try:
            text = show(future.result())
        except BaseException as error:
            text = "raised " + describe(error)
        world.emit(me, f"result {node.args[0]} {text}")


@operation
def tasks(world, me, node):
    world.emit(me, f"tasks {len(asyncio.all_tasks(world.loop))}")


@operation
def spawn(world, me, node):
    name = node.args[0]
    world.slots[name] = world.loop.create_task(body(world, name, node.blocks[0]))


@operation
def callback(world, me, node):
    name, target = node.args

    def called(future):
        world.emit(name, "called " + world.state(future))
        run_immediate(world, name, node.blocks[0])

    if (future := world.slot(target, me)) is not None:
        world.callbacks[name] = (future, called)
        future.add_done_callback(called)


@operation
def uncallback(world, me, node):
    if node.args[0] in world.callbacks:
        future, called = world.callbacks[node.args[0]]
        world.emit(me, f"uncallback {node.args[0]} {future.remove_done_callback(called)}")


def handler(world, name, node):
    def called():
        world.emit(name, "called")
        run_immediate(world, name, node.blocks[0])
    return called


@operation
def soon(world, me, node):
    world.handles[node.args[0]] = world.loop.call_soon(handler(world, node.args[0], node))


@operation
def later(world, me, node):
    world.handles[node.args[0]] = world.loop.call_later(int(node.args[1]), handler(world, node.args[0], node))


@operation
def unhandle(world, me, node):
    if (handle := world.handles.get(node.args[0])) is not None:
        before = handle.cancelled()
        handle.cancel()
        world.emit(me, f"unhandle {node.args[0]} {show(before)} {show(handle.cancelled())}")


@operation
async def try_(world, me, node):
    """Any exception, cancellations only, or errors only."""
    kinds = {"any": BaseException, "cancel": asyncio.CancelledError, "error": Exception}
    try:
        return await run(world, me, node.blocks[0])
    except kinds[node.args[0]] as error:
        world.emit(me, "caught " + describe(error))
    return await run(world, me, node.blocks[1])


@operation
async def finally_(world, me, node):
    try:
        value = await run(world, me, node.blocks[0])
    except BaseException as error:
        world.emit(me, "leaving " + describe(error))
        await run(world, me, node.blocks[1])
        raise
    await run(world, me, node.blocks[1])
    return value


@operation
def raise_(world, me, node):
    kind, *message = node.args
    if kind == "cancelled":
        raise asyncio.CancelledError(*message)
    raise asyncio.TimeoutError if kind == "timeout" else E(int(kind))


@operation
def return_(world, me, node):
    return int(node.args[0])


@operation
def shield(world, me, node):
    for inner in children(world, me, node, node.args[1:]):
        world.slots[node.args[0]] = outer = asyncio.shield(inner)
        world.emit(me, f"shield {node.args[0]} {'same' if outer is inner else 'new'}")
