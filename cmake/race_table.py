# SPDX-License-Identifier: MIT
"""What the race runs: its workloads with their targets, and its participants. Data for race.py."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Target:
    """coir's figure must be at most `factor` times something:

    r       the raw switch of the same round          ring    the bare ring over as many stacks (race_floor_ring)
    floor   the floor's figure for this workload      self    coir's own figure for the workload `other`
    best    the best peer's                           value   one, in the unit of the workload
    Of `key` instead of the figure, if given: a `key=value` that coir printed. `text` says it in the table.
    """
    kind: str
    factor: float
    other: str = ""
    key: str = ""
    text: str = ""

    def __str__(self):
        number = f"{self.factor:,.4g}" if self.factor < 1000 else f"{self.factor:,.0f}"
        what = {"r": "r", "floor": "x floor", "ring": "x ring", "self": "x " + (self.text or self.other),
                "best": "x best", "value": self.text}[self.kind]
        return f"{number} {what}".strip()


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    family: str
    unit: str
    targets: tuple = ()
    million: bool = False  # left out by --quick
    pinned: bool = True
    busy: bool = True      # never waits: a run that gets less than the whole CPU has been disturbed
    peers: bool = True     # False: against the floor alone


def workload(name, family, unit, *targets, million=False, pinned=True, busy=True, peers=True):
    return Workload(name, family, unit, targets, million, pinned, busy and pinned, peers)


FAMILIES = ["yield", "spawn", "await and queue", "gather", "timers", "cancel", "memory", "echo", "threads"]

# Issue 4's targets.
WORKLOADS = [
    workload("yield_2", "yield", "ns", Target("r", 2.5)),
    workload("yield_1000", "yield", "ns", Target("r", 3.3)),
    workload("yield_100k", "yield", "ns", Target("ring", 1.6)),
    workload("yield_1m", "yield", "ns", Target("ring", 1.6), million=True, peers=False),
    workload("yield_beside_1m", "yield", "ns", Target("self", 1.05, "yield_1000", text="alone"), million=True,
             peers=False),
    workload("spawn_join", "spawn", "ns", Target("r", 6)),
    workload("spawn_100k", "spawn", "ns", Target("r", 8)),
    workload("skynet", "spawn", "s", Target("best", 1), million=True),
    # coir's tasks start in the order of creation, as by default: all of a level exist before the next begins.
    workload("skynet_fifo", "spawn", "s", million=True, peers=False),
    workload("await_done", "await and queue", "ns", Target("r", 0.4)),
    workload("await_callback", "await and queue", "ns", Target("r", 5)),
    workload("queue_ping_pong", "await and queue", "ns", Target("r", 5)),
    workload("queue_128", "await and queue", "ns", Target("value", 1000 / 150)),  # 150 M items a second
    workload("gather_10", "gather", "ns", Target("r", 8)),
    workload("gather_1000", "gather", "ns", Target("r", 8)),
    workload("sleep_1m", "timers", "CPU-s", Target("floor", 1.1), million=True, busy=False),
    workload("timer_insert", "timers", "ns", Target("r", 5), million=True),
    workload("timer_cancel", "timers", "ns", Target("r", 2),
             Target("self", 2, "timer_cancel_empty", text="empty"), million=True),
    workload("timer_cancel_empty", "timers", "ns"),
    workload("timer_timeout", "timers", "ns", million=True, peers=False),
    workload("timer_pop", "timers", "ns", Target("floor", 1.3), million=True, busy=False),
    workload("cancel_1", "cancel", "ns", Target("floor", 1.15)),
    workload("cancel_10", "cancel", "ns", Target("floor", 1.15)),
    workload("blocked_1m", "memory", "B", Target("value", 4400),
             Target("value", 999, key="vmas", text="VMAs"), million=True),
    workload("echo_1", "echo", "us", Target("floor", 1.05), busy=False),
    workload("echo_100", "echo", "us", Target("floor", 1.05), busy=False),
    workload("echo_1000", "echo", "us", Target("floor", 1.05), busy=False),
    # Two threads on one CPU measure something else.
    workload("post_burst", "threads", "ns", Target("r", 4), pinned=False),
    workload("thread_round_trip", "threads", "ns", Target("floor", 1.05), pinned=False),
    # The target is 0. To look at the clocks takes 0.1 ms; a loop that woke up ten times a second would take 0.5.
    workload("idle_8_loops", "threads", "CPU-ms/s", Target("value", 0.5), pinned=False),
]


@dataclasses.dataclass(frozen=True)
class Participant:
    name: str
    command: tuple
    kind: str = "peer"   # or coir, floor, ring
    version: tuple = ()  # a command that prints it, or ("dpkg", PACKAGE)


def participants(root, build):
    """All that there may be, whether built or not."""
    folder = os.path.join(build, "bench", "race")
    peers = os.path.join(root, "bench", "race", "peers")

    def built(name):
        return (os.path.join(folder, "race_" + name),)

    python = ("/usr/bin/python3", os.path.join(peers, "asyncio_race.py"))
    node = ("node", os.path.join(peers, "node.js"))
    go = (os.path.join(build, "race", "go_race"),)
    tokio = (os.path.join(build, "race", "tokio", "target", "release", "tokio_race"),)
    return [
        Participant("coir", built("coir"), "coir"),
        Participant("floor", built("floor"), "floor"),
        Participant("floor_ring", built("floor_ring"), "ring"),
        Participant("boost_fiber", built("boost_fiber"), version=("dpkg", "libboost-fiber1.81-dev")),
        Participant("asio_co_await", built("asio_co_await"), version=("dpkg", "libboost1.81-dev")),
        Participant("asio_spawn", built("asio_spawn"), version=("dpkg", "libboost1.81-dev")),
        Participant("state_threads", built("state_threads"), version=("dpkg", "libst-dev")),
        Participant("go", go, version=go + ("--version",)),
        Participant("tokio", tokio, version=("dpkg", "librust-tokio-dev")),
        Participant("asyncio", python, version=python + ("--version",)),
        Participant("uvloop", python + ("--uvloop",), version=python + ("--uvloop", "--version")),
        Participant("node", node, version=node + ("--version",)),
    ]
