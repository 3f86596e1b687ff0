# SPDX-License-Identifier: MIT
"""Random programs. The same seed and family always give the same program."""

import random

from program import Node

weights = {
    "core": {
        "sleep": 6, "spin": 4, "await": 10, "set": 5, "fail": 2, "cancel": 8, "uncancel": 3, "state": 3, "result": 2,
        "spawn": 14, "callback": 3, "uncallback": 1, "soon": 2, "later": 2, "unhandle": 1, "try": 7, "finally": 3,
        "raise": 2, "return": 1, "shield": 4, "tasks": 1,
    },
    "combinators": {"gather": 12, "wait": 8, "each": 7, "shield": 3},
    "timeouts": {"timeout": 12, "timeout_at": 5, "wait_for": 10, "reschedule": 5, "expired": 3},
    "locks": {
        "race": 10, "acquire": 2, "release": 3, "with": 16, "locked": 2, "event_wait": 12, "event_set": 5,
        "event_clear": 3,
        "event_is_set": 2, "condition": 12, "notify": 5, "condition_input": 2, "barrier_wait": 14, "barrier_reset": 1,
        "barrier_abort": 1, "barrier_state": 2,
    },
    "queues": {
        "race": 6, "put": 12, "get": 14, "put_nowait": 4, "get_nowait": 3, "task_done": 5, "join": 4, "shutdown": 2,
        "queue_state": 2,
    },
    "groups": {"group": 12, "group_spawn": 14},
    "eager": {"eager": 16},
    "contexts": {
        "vset": 9, "vget": 10, "vreset": 4, "ctx": 5, "ctx_run": 4, "ctx_spawn": 4, "ctx_eager": 2, "ctx_soon": 3,
        "ctx_later": 2,
    },
}
# What the main task ends with: it disturbs the others, and resolves what they wait for.
driving = {
    "core": {"sleep": 3, "spin": 4, "cancel": 7, "set": 3, "fail": 1, "uncancel": 1},
    "combinators": {},
    "timeouts": {"reschedule": 1},
    "locks": {
        "race": 10, "release": 4, "notify": 5, "event_set": 3, "event_clear": 2, "condition_input": 3,
        "barrier_wait": 3, "barrier_reset": 1, "barrier_abort": 0.5,
    },
    "queues": {"race": 8, "put": 3, "get": 3, "put_nowait": 4, "get_nowait": 3, "task_done": 3, "shutdown": 1},
    "groups": {"group_spawn": 1},
    "eager": {},
    "contexts": {"vset": 1, "vget": 1},
}
things = {
    "lock": ("l0", "l0", "l1", "m0", "m1", "m2", "c0", "c1"), "condition": ("c0", "c0", "c1"), "event": ("n0", "n1"),
    "barrier": ("b0", "b0", "b1"), "queue": ("q0", "q0", "q1", "q2", "q3", "q4"),
}
kinds_of_locks = [
    {"acquire", "release", "with", "locked"}, {"event_wait", "event_set", "event_clear", "event_is_set"},
    {"condition", "condition_input", "notify"}, {"barrier_wait", "barrier_reset", "barrier_abort", "barrier_state"},
]
# A family is its own operations on top of core's, and of others where they meet.
ingredients = {
    "core": ["core"],
    "combinators": ["core", "combinators"],
    "timeouts": ["core", "timeouts"],
    "locks": ["core", "locks"],
    "queues": ["core", "queues"],
    "groups": ["core", "groups"],
    "eager": ["core", "eager"],
    "contexts": ["core", "contexts"],
    "mixed": ["core", "combinators", "timeouts", "locks", "queues", "groups", "eager", "contexts"],
}
families = list(ingredients)

# What a callback may do: nothing that suspends, nor ends a block.
immediate = {
    "set", "fail", "cancel", "uncancel", "state", "result", "spawn", "callback", "uncallback", "soon", "later",
    "unhandle", "raise", "shield", "tasks", "gather", "reschedule", "expired", "release", "locked", "event_set",
    "event_clear", "event_is_set", "notify", "condition_input", "barrier_state", "put_nowait", "get_nowait",
    "task_done", "shutdown", "queue_state", "group_spawn", "eager", "vset", "vget", "vreset", "ctx", "ctx_run",
    "ctx_spawn", "ctx_eager", "ctx_soon", "ctx_later",
}
deepest = 4


class Generator:
    def __init__(self, family, seed):
        self.random = random.Random(f"{family} {seed}")
        # A mixed program mixes some; one with locks has one or two kinds of them: what is rare does not meet.
        self.ingredients = ingredients[family]
        if family == "mixed":
            self.ingredients = ["core", *self.random.sample(self.ingredients[1:], self.random.randint(2, 4))]
        kinds = self.random.sample(kinds_of_locks, self.random.choice((1, 1, 2)))
        self.missing = set().union(*kinds_of_locks).difference(*kinds)
        scales = {"combinators": 0.5, "timeouts": 0.5, "mixed": 0.5, "locks": 0.12, "queues": 0.15}
        core_scale = scales.get(family, 0.25)
        self.weights = self.table(weights, core_scale)
        self.immediate_weights = {name: weight for name, weight in self.weights.items() if name in immediate}
        self.driving_weights = self.table(driving, 1)
        self.spawn_share = 0.85 if family in ("locks", "queues") else 0.4
        # Few, so that they are contended.
        self.things = {kind: self.random.choices(names, k=2) for kind, names in things.items()}
        self.left = self.random.randint(5, 20)  # statements, besides the last ones
        self.delays = 0
        self.names = {}  # first letter -> how many
        self.futures = ["f0", "f1"]
        self.tasks = ["t0"]

    def table(self, source, core_scale):
        table = {}
        for ingredient in self.ingredients:
            scale = core_scale if ingredient == "core" and len(self.ingredients) > 1 else 1
            for name, weight in source[ingredient].items():
                if name not in self.missing:
                    table[name] = scale * weight
        return table

    def program(self):
        block = [self.make_spawn("spawn", 0) for _ in range(self.random.randint(0, 4))]
        while self.left > 0:
            block.append(self.statement(0))
        for _ in range(self.random.randint(0, 8)):
            self.left = 1
            if self.random.random() < 0.5:
                block.append(self.make_spin("spin", 0))
            block.append(self.choose(self.driving_weights, deepest - 1, False))
        return block

    def block(self, depth, most=4, sync=False):
        return [self.statement(depth + 1, sync) for _ in range(self.random.randint(0 if depth else 1, most))
                if self.left > 0]

    def statement(self, depth, sync=False):
        self.left -= 1
        return self.choose(self.immediate_weights if sync else self.weights, depth, sync)

    def choose(self, table, depth, sync):
        while True:
            name, = self.random.choices(list(table), table.values())
            node = getattr(self, "make_" + name)(name, depth)
            if depth >= deepest and node.blocks or sync and node.name not in immediate:
                continue
            if name not in immediate and name not in ("try", "raise", "return") and self.random.random() < 0.35:
                node = Node("try", ["any"], [[node], []])  # else most programs end at their first error
            if depth == 0 and node.name not in immediate and self.random.random() < self.spawn_share:
                node = Node("spawn", [self.new_task()], [[node]])  # else the main task hangs with all that follows
            return node

    # Names and numbers.

    def new(self, letter):
        self.names[letter] = self.names.get(letter, 0) + 1
        return f"{letter}{self.names[letter]}"

    def any_of(self, letter):
        return f"{letter}{self.random.randint(1, max(1, self.names.get(letter, 0)))}"

    def future(self):
        """Mostly one that exists, and mostly a recent one."""
        if self.random.random() < 0.06:
            return self.random.choice(("self", "t0", "t0"))
        return self.random.choice(self.futures[-4:] if self.random.random() < 0.5 else self.futures)

    def task(self):
        return "self" if self.random.random() < 0.2 else self.random.choice(self.tasks)

    def delay(self, least=1):
        """A remainder of its own for each: no two deadlines are ever equal."""
        self.delays += 1
        return str(self.random.choice((least, 1, 1, 2, 2, 3, 4, 6)) * 100 - self.delays % 100)

    def limit(self, zero=True):
        """Of a deadline. Zero makes no timer, but for wait() and as_completed(), and two of those would be equal."""
        return self.random.choice(("0" if zero else "none", "none", *[self.delay(0)] * 8))

    def new_task(self):
        name = self.new("t")
        self.tasks.append(name)
        self.futures.append(name)
        return name

    def children(self, name, depth):
        names, blocks = [], []
        for _ in range(self.random.choice((0, 1, 2, 2, 3, 3))):
            if self.random.random() < 0.6 and depth < deepest:
                names.append("$")
                blocks.append(self.block(depth, 3))
                self.tasks.append(name + chr(ord("a") + len(blocks) - 1))
            else:
                names.append(self.future())
        return names, blocks

    # Core.

    def make_spin(self, name, depth):
        return Node(name, [str(self.random.randint(1, 3))])

    def make_sleep(self, name, depth):
        return Node(name, [self.random.choice(("0", self.delay(), self.delay(), self.delay()))])

    def make_await(self, name, depth):
        return Node(name, [self.future()])

    def make_set(self, name, depth):
        future = self.future() if self.random.random() < 0.2 else self.random.choice(("f0", "f1"))
        if future[0] in "gs":
            future = "f0"  # not what a combinator owns
        return Node(name, [future, str(self.random.randint(1, 9))])

    make_fail = make_set

    def make_cancel(self, name, depth):
        message = [self.random.choice("mno")] if self.random.random() < 0.7 else []
        return Node(name, [self.future() if self.random.random() < 0.7 else self.task()] + message)

    def make_uncancel(self, name, depth):
        return Node(name, [self.task()])

    def make_state(self, name, depth):
        return Node(name, [self.future()])

    make_result = make_state

    def make_tasks(self, name, depth):
        return Node(name)

    def make_spawn(self, name, depth):
        return Node(name, [self.new_task()], [self.block(depth)])

    make_eager = make_spawn

    def make_callback(self, name, depth):
        return Node(name, [self.new("c"), self.future()], [self.block(depth, 2, sync=True)])

    def make_uncallback(self, name, depth):
        return Node(name, [self.any_of("c")])

    def make_soon(self, name, depth):
        return Node(name, [self.new("h")], [self.block(depth, 2, sync=True)])

    def make_later(self, name, depth):
        return Node(name, [self.new("h"), self.delay(0)], [self.block(depth, 2, sync=True)])

    def make_unhandle(self, name, depth):
        return Node(name, [self.any_of("h")])

    def make_try(self, name, depth):
        kind = self.random.choice(("any", "any", "cancel", "cancel", "error"))
        return Node(name, [kind], [self.block(depth), self.block(depth, 2)])

    def make_finally(self, name, depth):
        return Node(name, [], [self.block(depth), self.block(depth, 2)])

    def make_raise(self, name, depth):
        kind = self.random.choice(("1", "2", "3", "4", "cancelled", "cancelled", "timeout"))
        return Node(name, [kind] + (["r"] if kind == "cancelled" and self.random.random() < 0.5 else []))

    def make_return(self, name, depth):
        return Node(name, [str(self.random.randint(1, 9))])

    def make_shield(self, name, depth):
        inner = self.future()
        made = self.new("g" if inner[0] == "g" else "s")  # g: no int
        if self.random.random() < 0.3 and depth < deepest:
            node = Node(name, [made, "$"], [self.block(depth)])
            self.tasks.append(made + "a")
        else:
            node = Node(name, [made, inner])
        self.futures.append(made)
        return node

    # Combinators.

    def make_gather(self, name, depth):
        made = self.new("g")
        mode = self.random.choice(("first", "first", "all"))
        names, blocks = self.children(made, depth)
        names = [child for child in names if child[0] != "g"]  # one type of result
        self.futures.append(made)
        return Node(name, [made, mode, *names], blocks)

    def make_wait(self, name, depth):
        names = [self.future() for _ in range(self.random.choice((1, 2, 2, 3, 3)))]
        return Node(name, [self.random.choice(("first", "exception", "all", "all")), self.limit(zero=False), *names])

    def make_each(self, name, depth):
        made = self.new("a")
        names, blocks = self.children(made, depth)
        return Node(name, [made, self.limit(zero=False), *[child for child in names if child[0] != "g"]], blocks)

    # Deadlines.

    def make_timeout(self, name, depth):
        made = self.new("d")
        return Node(name, [made, self.limit()], [self.block(depth)])

    make_timeout_at = make_timeout

    def make_reschedule(self, name, depth):
        return Node(name, [self.any_of("d"), self.limit()])

    def make_expired(self, name, depth):
        return Node(name, [self.any_of("d")])

    def make_wait_for(self, name, depth):
        if self.random.random() < 0.4 and depth < deepest:
            return Node(name, [self.new("w"), self.limit(), "$"], [self.block(depth)])
        return Node(name, [self.new("w"), self.limit(), self.future()])

    # Locks.

    def lock(self):
        return self.random.choice(self.things["lock"])

    def make_acquire(self, name, depth):
        return Node(name, [self.lock()])

    make_release = make_locked = make_acquire

    def make_with(self, name, depth):
        return Node(name, [self.lock()], [self.block(depth)])

    def make_event_wait(self, name, depth):
        return Node(name, [self.random.choice(self.things["event"])])

    make_event_set = make_event_clear = make_event_is_set = make_event_wait

    def make_condition(self, name, depth):
        """Mostly with the lock, as it must be."""
        made = self.random.choice(self.things["condition"])
        wait = Node("condition_wait", [made])
        if self.random.random() < 0.3:
            wait = Node("condition_wait_for", [made, str(self.random.randint(1, 2))])
        if self.random.random() < 0.05 or depth >= deepest:
            return wait
        return Node("with", [made], [self.block(depth, 1) + [wait] + self.block(depth, 2)])

    def make_notify(self, name, depth):
        made = self.random.choice(self.things["condition"])
        notify = Node("notify_all", [made])
        if self.random.random() < 0.7:
            notify = Node("notify", [made, str(self.random.choice((1, 1, 2)))])
        if self.random.random() < 0.2 or depth >= deepest:
            return notify
        return Node("with", [made], [[notify] + self.block(depth, 2)])

    def make_condition_input(self, name, depth):
        return Node(name, [self.random.choice(self.things["condition"])])

    def make_barrier_wait(self, name, depth):
        return Node(name, [self.random.choice(self.things["barrier"])])

    make_barrier_reset = make_barrier_abort = make_barrier_state = make_barrier_wait

    def make_race(self, name, depth):
        """Wakes somebody up, and cancels somebody before he runs."""
        candidates = {"with": 4, "release": 2, "event_set": 2, "notify": 1, "barrier_wait": 1, "put_nowait": 2,
                      "get_nowait": 2}
        candidates = {name: weight for name, weight in candidates.items() if name in self.weights}
        kind, = self.random.choices(list(candidates), candidates.values())
        if kind == "with":
            wake = Node(kind, [self.lock()], [[self.make_spin("spin", depth)]])
        else:
            wake = getattr(self, "make_" + kind)(kind, depth)
        cancels = [self.make_cancel("cancel", depth) for _ in range(self.random.randint(1, 2))]
        return Node("try", ["any"], [[wake, *cancels], []])

    # Queues.

    def make_get(self, name, depth):
        return Node(name, [self.random.choice(self.things["queue"])])

    make_get_nowait = make_join = make_task_done = make_queue_state = make_get

    def make_put(self, name, depth):
        return Node(name, self.make_get(name, depth).args + [str(self.random.randint(1, 9))])

    make_put_nowait = make_put

    def make_shutdown(self, name, depth):
        return Node(name, self.make_get(name, depth).args + [self.random.choice(("now", "later"))])

    # Groups.

    def make_group(self, name, depth):
        made = self.new("u")
        first = [self.make_group_spawn("group_spawn", depth + 1) for _ in range(self.random.randint(0, 2))]
        return Node(name, [made], [first + self.block(depth)])

    def make_group_spawn(self, name, depth):
        group = f"u{self.names['u']}" if self.names.get("u") and self.random.random() < 0.7 else self.any_of("u")
        return Node(name, [group, self.new_task()], [self.block(depth)])

    # Context variables.

    def make_vset(self, name, depth):
        return Node(name, [self.random.choice(("v0", "v1")), self.new("k"), str(self.random.randint(1, 9))])

    def make_vget(self, name, depth):
        return Node(name, [self.random.choice(("v0", "v1"))])

    def make_vreset(self, name, depth):
        return Node(name, [self.any_of("k")])

    def make_ctx(self, name, depth):
        return Node(name, [self.new("x")])

    def make_ctx_run(self, name, depth):
        return Node(name, [self.any_of("x")], [self.block(depth, 3, sync=True)])

    def make_ctx_spawn(self, name, depth):
        return Node(name, [self.any_of("x"), self.new_task()], [self.block(depth)])

    make_ctx_eager = make_ctx_spawn

    def make_ctx_soon(self, name, depth):
        return Node(name, [self.any_of("x"), self.new("h")], [self.block(depth, 2, sync=True)])

    def make_ctx_later(self, name, depth):
        return Node(name, [self.any_of("x"), self.new("h"), self.delay(0)], [self.block(depth, 2, sync=True)])


def program(family, seed):
    return Generator(family, seed).program()
