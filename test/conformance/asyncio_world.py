# SPDX-License-Identifier: MIT
"""asyncio made exact, and what the operations of a program share.

Exact means: the same program gives the same trace, and everything that CPython leaves open is decided as coir decides
it (docs/conformance.md, "Differential testing").
"""

import asyncio
import asyncio.base_events
import asyncio.taskgroups
import inspect
import textwrap

step = 100  # ticks; the clock stands at multiples of it


class OrderedSet(dict):
    """A set that iterates in the order of insertion. Hash order would make every trace a matter of addresses."""

    def __init__(self, items=()):
        super().__init__((item, None) for item in items)

    def add(self, item):
        self[item] = None

    def remove(self, item):
        del self[item]

    def discard(self, item):
        self.pop(item, None)


def make_exact():
    asyncio.tasks.set = asyncio.taskgroups.set = OrderedSet
    asyncio.base_events.MAXIMUM_SELECT_TIMEOUT = 10**12
    # as_completed() builds one of its sets with a comprehension, which no global name can replace.
    source = textwrap.dedent(inspect.getsource(asyncio.tasks._AsCompletedIterator.__init__))
    exact = source.replace("{ensure_future(aw, loop=loop) for aw in set(aws)}",
                           "set(ensure_future(aw, loop=loop) for aw in set(aws))")
    assert exact != source, "as_completed() of this CPython is built differently"
    scope = {}
    exec(exact, asyncio.tasks.__dict__, scope)
    asyncio.tasks._AsCompletedIterator.__init__ = scope["__init__"]


class Stalled(BaseException):
    """Nothing is ready and no timer is left."""


class Loop(asyncio.base_events.BaseEventLoop):
    """Virtual time in whole ticks. Idle, the clock jumps to the next multiple of `step` at or behind the deadline:
    the generator gives each delay a remainder of its own, so no two deadlines are equal, yet several timers fire in
    one iteration."""

    iteration_limit = 20000

    def __init__(self):
        super().__init__()
        self.now = 0
        self.iterations = 0
        self._selector = self
        self._clock_resolution = 1  # due: deadline < now + 1

    def time(self):
        return self.now

    def select(self, timeout):
        self.iterations += 1
        if timeout is None or self.iterations > self.iteration_limit:
            raise Stalled
        self.now += -(-timeout // step) * step
        return ()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


class E(Exception):
    """The error that programs raise, with a number."""


names_of_errors = {
    asyncio.TimeoutError: "Timeout", asyncio.InvalidStateError: "InvalidState", asyncio.QueueEmpty: "QueueEmpty",
    asyncio.QueueFull: "QueueFull", asyncio.QueueShutDown: "QueueShutDown", asyncio.BrokenBarrierError: "BrokenBarrier",
    RuntimeError: "Runtime", ValueError: "Value", LookupError: "Lookup",
}


def describe(error):
    if isinstance(error, asyncio.CancelledError):
        return f"Cancelled({error.args[0]})" if error.args and error.args[0] else "Cancelled"
    if isinstance(error, E):
        return f"E{error.args[0]}"
    if isinstance(error, BaseExceptionGroup):
        return "Group[" + ",".join(map(describe, error.exceptions)) + "]"
    return names_of_errors.get(type(error)) or repr(error)


def show(value):
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(show, value)) + "]"
    if isinstance(value, BaseException):
        return describe(value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


class World:
    """One run of a program: its loop, its trace, and everything that has a name."""

    def __init__(self):
        self.loop = Loop()
        self.trace = []
        self.slots = {}      # tasks and futures
        self.callbacks = {}  # name -> (future, callable)
        self.handles = {}
        self.timeouts = {}
        self.groups = {}
        self.things = {}     # locks, queues, variables: made at first use
        self.contexts = {}
        self.tokens = {}
        self.inputs = {}     # counters of conditions
        self.refused = None  # why the program has no meaning on coir
        self.loop.set_exception_handler(self.report)

    def emit(self, who, event):
        self.trace.append(f"{self.loop.now // step} {who} {event}")

    def refuse(self, reason):
        self.refused = reason

    def report(self, loop, context):
        message = context["message"]
        if message.startswith("Exception in callback"):
            self.emit("-", "report callback " + describe(context["exception"]))
        elif "has errored out but its parent" in message:
            self.emit("-", "report parent " + describe(context["exception"]))
        # Failures that nobody retrieved: when they are reported is a matter of collection; state() tells which.

    def slot(self, name, me):
        if name == "self":
            name = me
        if name not in self.slots and name[0] == "f":
            self.slots[name] = self.loop.create_future()
        return self.slots.get(name)

    def name_of(self, future):
        return next((name for name, slot in self.slots.items() if slot is future), "?")

    def state(self, future, with_value=False):
        unretrieved = "!" if future._log_traceback else ""
        if not future.done():
            text = "pending"
        elif future.cancelled():
            text = "cancelled"
        elif with_value:
            error = future._exception
            text = "done=" + show(future.result()) if error is None else "failed=" + describe(error) + unretrieved
        else:
            text = "failed" + unretrieved if future._exception is not None else "done"
        cancelling = future.cancelling() if isinstance(future, asyncio.Task) else 0
        return f"{text} c{cancelling}" if cancelling else text
