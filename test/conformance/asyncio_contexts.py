# SPDX-License-Identifier: MIT
"""The operations on context variables, on asyncio."""

import asyncio
import contextvars

from asyncio_operations import body, handler, immediate, operation, refused, run_immediate


def variable(world, name):
    if name not in world.things:
        world.things[name] = contextvars.ContextVar(name) if name == "v0" else contextvars.ContextVar(name, default=7)
    return world.things[name]


@operation
def vset(world, me, node):
    name, token, value = node.args
    world.tokens[token] = (name, variable(world, name).set(int(value)))


@operation
def vget(world, me, node):
    refused(world, me, f"vget {node.args[0]}", variable(world, node.args[0]).get)


@operation
def vreset(world, me, node):
    if (held := world.tokens.get(node.args[0])) is not None:
        refused(world, me, f"vreset {node.args[0]}", lambda: variable(world, held[0]).reset(held[1]))


@operation
def ctx(world, me, node):
    world.contexts[node.args[0]] = contextvars.copy_context()


def with_context(function):
    """As the operation, with the name of a context before its arguments."""
    def in_context(world, me, node):
        if node.args[0] in world.contexts:
            function(world, me, node, world.contexts[node.args[0]])
    immediate[function.__name__] = in_context


def enter(world, context, call):
    """Refuses the program if the context is entered already: coir lets it be, CPython does not."""
    try:
        context.run(lambda: None)
    except RuntimeError:
        world.refuse("a context entered twice")
        return
    call()


@with_context
def ctx_run(world, me, node, context):
    enter(world, context, lambda: refused(world, me, f"ctx_run {node.args[0]}",
                                          lambda: context.run(run_immediate, world, me, node.blocks[0])))


@with_context
def ctx_spawn(world, me, node, context):
    name = node.args[1]
    world.slots[name] = world.loop.create_task(body(world, name, node.blocks[0]), context=context)


@with_context
def ctx_eager(world, me, node, context):
    name = node.args[1]

    def start():
        coroutine = body(world, name, node.blocks[0])
        world.slots[name] = task = asyncio.Task(coroutine, loop=world.loop, eager_start=True, context=context)
        world.emit(me, f"ctx_eager {name} {world.state(task)}")

    enter(world, context, start)


@with_context
def ctx_soon(world, me, node, context):
    name = node.args[1]
    world.handles[name] = world.loop.call_soon(handler(world, name, node), context=context)


@with_context
def ctx_later(world, me, node, context):
    name = node.args[1]
    world.handles[name] = world.loop.call_later(int(node.args[2]), handler(world, name, node), context=context)
