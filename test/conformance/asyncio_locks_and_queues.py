# SPDX-License-Identifier: MIT
"""The operations on locks and queues, on asyncio. Which thing a name means: test/conformance/README.md."""

import asyncio

from asyncio_operations import operation, refused, run
from asyncio_world import show

makers = {
    "l0": lambda world: asyncio.Lock(), "l1": lambda world: asyncio.Lock(),
    "m0": lambda world: asyncio.Semaphore(1), "m1": lambda world: asyncio.Semaphore(2),
    "m2": lambda world: asyncio.BoundedSemaphore(1),
    "c0": lambda world: asyncio.Condition(), "c1": lambda world: asyncio.Condition(thing(world, "l0")),
    "n0": lambda world: asyncio.Event(), "n1": lambda world: asyncio.Event(),
    "b0": lambda world: asyncio.Barrier(2), "b1": lambda world: asyncio.Barrier(3),
    "q0": lambda world: asyncio.Queue(1), "q1": lambda world: asyncio.Queue(2), "q2": lambda world: asyncio.Queue(),
    "q3": lambda world: asyncio.PriorityQueue(2), "q4": lambda world: asyncio.LifoQueue(2),
}


def thing(world, name):
    if name not in world.things:
        world.things[name] = makers[name](world)
    return world.things[name]


def describe_things(world):
    """The end state of each lock and queue that was used."""
    for name in makers:
        held = world.things.get(name)
        if held is None:
            continue
        if name[0] in "lc":
            yield f"{name} locked={show(held.locked())}"
        elif name[0] == "m":
            yield f"{name} value={held._value}"
        elif name[0] == "n":
            yield f"{name} set={show(held.is_set())}"
        elif name[0] == "b":
            yield f"{name} waiting={held.n_waiting} broken={show(held.broken)}"
        else:
            yield f"{name} size={held.qsize()} full={show(held.full())}"


@operation
async def acquire(world, me, node):
    await thing(world, node.args[0]).acquire()
    world.emit(me, "acquired " + node.args[0])


@operation
def release(world, me, node):
    refused(world, me, "release " + node.args[0], thing(world, node.args[0]).release)


@operation
def locked(world, me, node):
    world.emit(me, f"locked {node.args[0]} {show(thing(world, node.args[0]).locked())}")


@operation
async def with_(world, me, node):
    async with thing(world, node.args[0]):
        world.emit(me, "with " + node.args[0])
        value = await run(world, me, node.blocks[0])
    world.emit(me, "without " + node.args[0])
    return value


@operation
async def event_wait(world, me, node):
    await thing(world, node.args[0]).wait()
    world.emit(me, "event " + node.args[0])


@operation
def event_set(world, me, node):
    thing(world, node.args[0]).set()


@operation
def event_clear(world, me, node):
    thing(world, node.args[0]).clear()


@operation
def event_is_set(world, me, node):
    world.emit(me, f"event_is_set {node.args[0]} {show(thing(world, node.args[0]).is_set())}")


@operation
async def condition_wait(world, me, node):
    await thing(world, node.args[0]).wait()
    world.emit(me, "notified " + node.args[0])


@operation
async def condition_wait_for(world, me, node):
    name, least = node.args
    await thing(world, name).wait_for(lambda: world.inputs.get(name, 0) >= int(least))
    world.emit(me, "condition " + name)


@operation
def condition_input(world, me, node):
    world.inputs[node.args[0]] = world.inputs.get(node.args[0], 0) + 1


@operation
def notify(world, me, node):
    refused(world, me, "notify " + node.args[0], lambda: thing(world, node.args[0]).notify(int(node.args[1])))


@operation
def notify_all(world, me, node):
    refused(world, me, "notify_all " + node.args[0], thing(world, node.args[0]).notify_all)


@operation
async def barrier_wait(world, me, node):
    index = await thing(world, node.args[0]).wait()
    world.emit(me, f"barrier {node.args[0]} {index}")


@operation
async def barrier_reset(world, me, node):
    await thing(world, node.args[0]).reset()


@operation
async def barrier_abort(world, me, node):
    await thing(world, node.args[0]).abort()


@operation
def barrier_state(world, me, node):
    barrier = thing(world, node.args[0])
    world.emit(me, f"barrier_state {node.args[0]} {barrier.n_waiting} {show(barrier.broken)}")


@operation
async def put(world, me, node):
    await thing(world, node.args[0]).put(int(node.args[1]))
    world.emit(me, f"put {node.args[0]} {node.args[1]}")


@operation
async def get(world, me, node):
    world.emit(me, f"get {node.args[0]} {await thing(world, node.args[0]).get()}")


@operation
def put_nowait(world, me, node):
    refused(world, me, f"put_nowait {node.args[0]}", lambda: thing(world, node.args[0]).put_nowait(int(node.args[1])))


@operation
def get_nowait(world, me, node):
    refused(world, me, f"get_nowait {node.args[0]}", thing(world, node.args[0]).get_nowait)


@operation
def task_done(world, me, node):
    refused(world, me, f"task_done {node.args[0]}", thing(world, node.args[0]).task_done)


@operation
async def join(world, me, node):
    await thing(world, node.args[0]).join()
    world.emit(me, "joined " + node.args[0])


@operation
def shutdown(world, me, node):
    thing(world, node.args[0]).shutdown(node.args[1] == "now")


@operation
def queue_state(world, me, node):
    queue = thing(world, node.args[0])
    world.emit(me, f"queue_state {node.args[0]} {queue.qsize()} {show(queue.empty())} {show(queue.full())}")
