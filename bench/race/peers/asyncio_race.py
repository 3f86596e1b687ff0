#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The peers asyncio and uvloop: the model that coir follows, on its own loop and on libuv's.

    asyncio_race.py [--uvloop] --list | WORKLOAD

Idiomatic here: create_task, gather, asyncio.Queue, call_later; the defaults of the interpreter, garbage collector on.
Echo is a Protocol, the fastest thing that asyncio has and not a task per connection: streams take twice the CPU.
Left out: nothing. Not equivalent: `cancel_10` passes ten coroutine frames with a `finally` each.
"""

import asyncio
import gc
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time

MILLION = 1_000_000
now = time.perf_counter

# The deadlines of timers that must not fire: within a minute, an hour from now. A request's timeout is amid them.
FAR = 3600
SPAN = 60
TIMEOUT = FAR + SPAN / 2


async def median(one_round, operations=1):
    """Seconds per operation. one_round(n) does n * operations and returns the seconds it took."""
    n = 1
    while True:  # which warms up, too
        took = await one_round(n)
        if took >= 0.012:
            break
        n = max(2 * n, int(1.2 * n * 0.015 / max(took, 1e-7)))
    rounds = 5 if took < 0.3 else 3 if took < 0.8 else 1
    return statistics.median([await one_round(n) for _ in range(rounds)]) / (n * operations)


def ns(seconds):
    return f"{seconds * 1e9:.2f} ns"


async def nothing():
    pass


async def one():
    return 1


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def mappings():
    with open("/proc/self/maps", encoding="ascii") as file:
        return sum(1 for _ in file)


# yield

def yielding(tasks, beside=0):
    async def workload():
        never = asyncio.get_running_loop().create_future()

        async def blocked():
            await never

        others = [asyncio.create_task(blocked()) for _ in range(beside)]
        stop = False

        async def other():
            while not stop:
                await asyncio.sleep(0)

        others += [asyncio.create_task(other()) for _ in range(tasks - 1)]
        await asyncio.sleep(0)

        async def turns(n):
            began = now()
            for _ in range(n):
                await asyncio.sleep(0)
            return now() - began

        return ns(await median(turns, tasks))
    return workload


# spawn

async def spawn_join():
    async def one_round(n):
        began = now()
        for _ in range(n):
            await asyncio.create_task(nothing())
        return now() - began

    return ns(await median(one_round))


async def spawn_100k():
    async def one_round(n):
        began = now()
        for _ in range(n):
            tasks = [asyncio.create_task(nothing()) for _ in range(100_000)]
            for task in tasks:
                await task
        return now() - began

    return ns(await median(one_round, 100_000))


async def skynet():
    async def node(ordinal, size):
        if size == 1:
            return ordinal
        size //= 10
        children = [asyncio.create_task(node(ordinal + i * size, size)) for i in range(10)]
        return sum([await child for child in children])

    began = now()
    total = await asyncio.create_task(node(0, MILLION))
    took = now() - began
    if total != MILLION * (MILLION - 1) // 2:
        sys.exit(f"skynet: the sum is {total}")
    return f"{took:.4f} s"


# await, queue, gather

async def await_done():
    future = asyncio.get_running_loop().create_future()
    future.set_result(1)

    async def one_round(n):
        began = now()
        for _ in range(n):
            await future
        return now() - began

    return ns(await median(one_round))


async def await_callback():
    loop = asyncio.get_running_loop()

    async def one_round(n):
        began = now()
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
        return now() - began

    return ns(await median(one_round))


async def queue_ping_pong():
    there, back = asyncio.Queue(), asyncio.Queue()

    async def partner():
        while True:
            await back.put(await there.get())

    task = asyncio.create_task(partner())

    async def one_round(n):
        began = now()
        for i in range(n):
            await there.put(i)
            await back.get()
        return now() - began

    result = await median(one_round, 2)
    task.cancel()
    return ns(result)


async def queue_128():
    queue = asyncio.Queue(128)

    async def consumer(count):
        for _ in range(count):
            await queue.get()

    async def one_round(n):
        task = asyncio.create_task(consumer(n * 1000))
        began = now()
        for i in range(n * 1000):
            await queue.put(i)
        await task
        return now() - began

    return ns(await median(one_round, 1000))


def gathering(count):
    async def workload():
        async def one_round(n):
            began = now()
            for _ in range(n):
                await asyncio.gather(*[one() for _ in range(count)])
            return now() - began

        return ns(await median(one_round, count))
    return workload


# timers and memory

async def sleep_1m():
    rng = random.Random(1)
    delays = [rng.random() for _ in range(MILLION)]
    began = cpu_seconds()
    tasks = [asyncio.create_task(asyncio.sleep(delay)) for delay in delays]
    for task in tasks:
        await task
    return f"{cpu_seconds() - began:.3f} CPU-s"


async def blocked_1m():
    gate = asyncio.get_running_loop().create_future()

    async def blocked():
        await gate

    bytes_before, mappings_before = resident_bytes(), mappings()
    for _ in range(MILLION):
        # The loop's ready queue and then the future's callbacks keep each alive.
        asyncio.create_task(blocked())
    await asyncio.sleep(0)
    return f"{(resident_bytes() - bytes_before) / MILLION:.0f} B vmas={mappings() - mappings_before}"


def far_deadlines(rng, count):
    return [FAR + SPAN * rng.random() for _ in range(count)]


def set_far_timers(count):
    loop = asyncio.get_running_loop()
    return [loop.call_later(delay, int) for delay in far_deadlines(random.Random(1), count)]


async def timer_insert():
    loop = asyncio.get_running_loop()
    handles = set_far_timers(MILLION)
    rng = random.Random(2)
    results = []
    for _ in range(5):
        delays = far_deadlines(rng, 10_000)
        began = now()
        for delay in delays:
            handles.append(loop.call_later(delay, int))
        results.append((now() - began) / len(delays))
    return ns(statistics.median(results))


def timer_cancelling(others):
    async def workload():
        loop = asyncio.get_running_loop()
        handles = set_far_timers(others)

        async def one_round(n):
            began = now()
            for i in range(n):
                loop.call_later(TIMEOUT, int).cancel()
                if i % 100 == 99:
                    await asyncio.sleep(0)
            return now() - began

        result = await median(one_round)
        return ns(result) + f" others={len(handles)}"
    return workload


async def timer_pop():
    loop = asyncio.get_running_loop()
    rng = random.Random(1)
    fired = 0
    done = loop.create_future()

    def fire():
        nonlocal fired
        fired += 1
        if fired == MILLION:
            done.set_result(now())

    base = loop.time() + 3  # all are made before the first is due
    for _ in range(MILLION):
        loop.call_at(base + 0.1 * rng.random(), fire)
    time.sleep(max(0, base + 0.11 - loop.time()))
    began = now()
    return ns((await done - began) / MILLION)


# cancellation

def cancelling(frames):
    async def workload():
        never = asyncio.get_running_loop().create_future
        unwound = 0

        async def frame(depth):
            nonlocal unwound
            try:
                if depth == 1:
                    await never()
                else:
                    await frame(depth - 1)
            finally:
                unwound += 1

        async def one_round(n):
            took = 0
            for _ in range(n):
                tasks = [asyncio.create_task(frame(frames)) for _ in range(100)]
                await asyncio.sleep(0)
                began = now()
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    try:
                        await task
                    except asyncio.CancelledError:
                        pass
                took += now() - began
            return took

        return ns(await median(one_round, 100))
    return workload


# threads

class OtherLoop:
    def __init__(self):
        self.loop = None
        ready = threading.Event()

        def main():
            async def serve():
                self.loop = asyncio.get_running_loop()
                self.end = self.loop.create_future()
                ready.set()
                await self.end
            asyncio.run(serve())

        self.thread = threading.Thread(target=main)
        self.thread.start()
        ready.wait()

    def stop(self):
        self.loop.call_soon_threadsafe(self.end.set_result, None)
        self.thread.join()


async def post_burst():
    loop = asyncio.get_running_loop()
    count = 0
    asked = threading.Semaphore(0)
    bursts = 0

    def poster():
        while True:
            asked.acquire()
            if bursts == 0:
                return
            for _ in range(bursts * 1000):
                loop.call_soon_threadsafe(callback)

    def callback():
        nonlocal count
        count += 1
        if count == bursts * 1000:
            done.set_result(None)

    thread = threading.Thread(target=poster)
    thread.start()

    async def one_round(n):
        nonlocal bursts, count, done
        bursts, count, done = 1, 0, None
        took = 0
        for _ in range(n):
            count, done = 0, loop.create_future()
            began = now()
            asked.release()
            await done
            took += now() - began
        return took

    done = None
    results = [await one_round(20) for _ in range(6)]
    bursts = 0
    asked.release()
    thread.join()
    return ns(statistics.median(results[1:]) / 20_000)


async def thread_round_trip():
    loop = asyncio.get_running_loop()
    other = OtherLoop()

    async def one_round(n):
        began = now()
        for _ in range(n):
            answer = loop.create_future()
            other.loop.call_soon_threadsafe(loop.call_soon_threadsafe, answer.set_result, None)
            await answer
        return now() - began

    results = [await one_round(300) for _ in range(6)]
    other.stop()
    return ns(statistics.median(results[1:]) / 300)


async def idle_8_loops():
    others = [OtherLoop() for _ in range(8)]

    async def sleepers():
        return [asyncio.create_task(asyncio.sleep(3600)) for _ in range(10_000)]

    tasks = [asyncio.run_coroutine_threadsafe(sleepers(), other.loop).result() for other in others]
    time.sleep(0.2)
    began, cpu = now(), cpu_seconds()
    time.sleep(1)
    result = 1000 * (cpu_seconds() - cpu) / (now() - began)
    print(f"idle_8_loops {result:.3f} CPU-ms/s tasks={sum(map(len, tasks))}", flush=True)
    os._exit(0)


# echo

class Echo(asyncio.Protocol):
    requests = 0
    open = 0
    first = None
    last = None
    all_closed = None

    def connection_made(self, transport):
        self.transport = transport
        Echo.open += 1

    def data_received(self, data):
        if Echo.first is None:
            Echo.first = cpu_seconds()
        Echo.requests += 1
        self.transport.write(data)

    def connection_lost(self, exc):
        if Echo.last is None:
            Echo.last = cpu_seconds()
        Echo.open -= 1
        if Echo.open == 0:
            Echo.all_closed.set_result(None)


def echoing(connections):
    async def workload():
        loop = asyncio.get_running_loop()
        # asyncio receives into 256 KiB that it then shrinks. In a young process malloc maps and unmaps them each time,
        # which takes four times as long as all the rest; once something that large has been freed, it no longer does.
        bytearray(1 << 20)
        Echo.all_closed = loop.create_future()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=listener, backlog=4096)
        port = listener.getsockname()[1]
        load = [os.environ["RACE_LOAD"], str(port), str(connections), os.environ.get("RACE_SECONDS", "0.5")]
        with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as process:
            await Echo.all_closed
            server.close()
            fields = process.communicate()[0].split()
        if process.returncode != 0 or len(fields) != 4:
            sys.exit("echo: the load generator failed")
        used = (Echo.last - Echo.first) / Echo.requests * 1e6
        return f"{used:.3f} us rps={fields[1]} p50_us={fields[2]} p99_us={fields[3]}"
    return workload


WORKLOADS = {
    "yield_2": yielding(2),
    "yield_1000": yielding(1000),
    "yield_100k": yielding(100_000),
    "yield_1m": yielding(MILLION),
    "yield_beside_1m": yielding(1000, MILLION),
    "spawn_join": spawn_join,
    "spawn_100k": spawn_100k,
    "await_done": await_done,
    "await_callback": await_callback,
    "queue_ping_pong": queue_ping_pong,
    "queue_128": queue_128,
    "gather_10": gathering(10),
    "gather_1000": gathering(1000),
    "sleep_1m": sleep_1m,
    "blocked_1m": blocked_1m,
    "timer_insert": timer_insert,
    "timer_cancel": timer_cancelling(MILLION),
    "timer_cancel_empty": timer_cancelling(0),
    "timer_pop": timer_pop,
    "skynet": skynet,
    "post_burst": post_burst,
    "thread_round_trip": thread_round_trip,
    "cancel_1": cancelling(1),
    "cancel_10": cancelling(10),
    "echo_1": echoing(1),
    "echo_100": echoing(100),
    "echo_1000": echoing(1000),
    "idle_8_loops": idle_8_loops,
}


def main(arguments):
    if "--uvloop" in arguments:
        arguments.remove("--uvloop")
        import uvloop
        uvloop.install()
    if arguments == ["--version"]:
        version = f"CPython {sys.version.split()[0]}"
        print(f"uvloop {uvloop.__version__} on {version}" if "uvloop" in sys.modules else version)
        return
    if arguments == ["--list"]:
        print("\n".join(WORKLOADS))
        return
    if len(arguments) != 1 or arguments[0] not in WORKLOADS:
        sys.exit("usage: asyncio_race.py [--uvloop] --list | WORKLOAD")

    async def run():
        result = await WORKLOADS[arguments[0]]()
        print(arguments[0], result, flush=True)
        os._exit(0)  # a million tasks need not be taken down

    gc.collect()
    asyncio.run(run())


main(sys.argv[1:])
