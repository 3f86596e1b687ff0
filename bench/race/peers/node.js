// SPDX-License-Identifier: MIT
// The peer node: promises and async functions on libuv.
//
//     node node.js --list | WORKLOAD
//
// Idiomatic here: async functions, await, Promise.all, setTimeout, the net module. Not equivalent: a yield is
// `await null`, a microtask, which never reaches the loop (setImmediate does, and takes 1.1 us); an async function
// starts at once, so that "create and join" never leaves the caller's turn when the body does not wait; there is no
// queue type, so the queues here are arrays with one promise for each side that waits; post_burst and
// thread_round_trip are messages between worker threads.
// Left out: cancel_* (promises cannot be cancelled); timer_pop (timers of whole milliseconds, in lists by duration:
// nothing is popped from a heap).
'use strict';

const {Worker, isMainThread, parentPort, workerData} = require('worker_threads');
const {spawn} = require('child_process');
const fs = require('fs');
const net = require('net');

const million = 1000000;
// The deadlines of timers that must not fire: within a minute, an hour from now. A request's timeout is amid them.
const far = 3600e3, span = 60e3;

const now = () => Number(process.hrtime.bigint());
const middle = (times) => times.sort((a, b) => a - b)[times.length >> 1];
const ns = (value) => `${value.toFixed(3)} ns`;
const cpuMicroseconds = () => {
  const usage = process.cpuUsage();
  return usage.user + usage.system;
};

// The same sequence in every run; Math.random has no seed.
class Random {
  #state = 1;
  next() {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 4294967296;
  }
}

// ns per operation. round(n) does n * operations and returns the ns it took.
async function median(round, operations = 1) {
  let n = 1, took;
  for (;;) {  // which warms up, too
    took = await round(n);
    if (took >= 10e6) break;
    n = Math.max(2 * n, Math.ceil(1.2 * n * 12e6 / Math.max(took, 1000)));
  }
  for (let i = 0; i < 3 && took < 300e6; ++i) await round(n);  // the compiler's last tier
  const times = [];
  for (let i = 0; i < (took < 300e6 ? 7 : 3); ++i) times.push(await round(n));
  return middle(times) / (n * operations);
}

// ---- yield

async function yielding(tasks, beside = 0) {
  const never = new Promise(() => {});
  const keep = [];
  for (let i = 0; i < beside; ++i) keep.push((async () => { await never; })());
  let stop = false;
  for (let i = 1; i < tasks; ++i) {
    (async () => {
      while (!stop) await null;
    })();
  }
  await null;
  const result = await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) await null;
    return now() - began;
  }, tasks);
  stop = true;
  return ns(result) + (beside ? ` beside=${keep.length}` : '');
}

// ---- spawn

async function nothing() {}
async function one() { return 1; }

async function spawnJoin() {
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) await nothing();
    return now() - began;
  }));
}

async function spawn100k() {
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) {
      const tasks = [];
      for (let j = 0; j < 100000; ++j) tasks.push(nothing());
      for (const task of tasks) await task;
    }
    return now() - began;
  }, 100000));
}

async function skynetNode(ordinal, size) {
  if (size === 1) return ordinal;
  size /= 10;
  const children = [];
  for (let i = 0; i < 10; ++i) children.push(skynetNode(ordinal + i * size, size));
  let sum = 0;
  for (const child of children) sum += await child;
  return sum;
}

async function skynet() {
  const began = now();
  const sum = await skynetNode(0, million);
  const took = now() - began;
  if (sum !== million * (million - 1) / 2) throw new Error(`skynet: the sum is ${sum}`);
  return `${(took / 1e9).toFixed(4)} s`;
}

// ---- await, queue, gather

async function awaitDone() {
  const done = Promise.resolve(1);
  let sum = 0;
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) sum += await done;
    return now() - began;
  }));
}

async function awaitCallback() {
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) {
      await new Promise((resolve) => process.nextTick(resolve));
    }
    return now() - began;
  }));
}

// What need not wait returns a plain value; to await that takes a microtask, but no promise is made.
class Queue {
  #items = [];
  #head = 0;
  #getter = null;
  #putter = null;
  constructor(size = Infinity) { this.size = size; }
  put(item) {
    return this.#items.length - this.#head < this.size ? this.#push(item) : this.#putLater(item);
  }
  get() {
    return this.#items.length > this.#head ? this.#shift() : this.#getLater();
  }
  async #putLater(item) {
    while (this.#items.length - this.#head >= this.size) {
      await new Promise((resolve) => { this.#putter = resolve; });
    }
    this.#push(item);
  }
  async #getLater() {
    while (this.#items.length === this.#head) {
      await new Promise((resolve) => { this.#getter = resolve; });
    }
    return this.#shift();
  }
  #push(item) {
    this.#items.push(item);
    if (this.#getter) {
      this.#getter();
      this.#getter = null;
    }
  }
  #shift() {
    const item = this.#items[this.#head++];
    if (this.#head === this.#items.length) {
      this.#items.length = this.#head = 0;
    } else if (this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#putter) {
      this.#putter();
      this.#putter = null;
    }
    return item;
  }
}

async function queuePingPong() {
  const there = new Queue(), back = new Queue();
  (async () => {
    for (;;) await back.put(await there.get());
  })();
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) {
      await there.put(i);
      await back.get();
    }
    return now() - began;
  }, 2));
}

async function queue128() {
  const queue = new Queue(128);
  return ns(await median(async (n) => {
    const consumer = (async () => {
      let sum = 0;
      for (let i = 0; i < n * 1000; ++i) sum += await queue.get();
      return sum;
    })();
    const began = now();
    for (let i = 0; i < n * 1000; ++i) await queue.put(i);
    await consumer;
    return now() - began;
  }, 1000));
}

async function gathering(count) {
  return ns(await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) {
      const tasks = [];
      for (let j = 0; j < count; ++j) tasks.push(one());
      await Promise.all(tasks);
    }
    return now() - began;
  }, count));
}

// ---- timers and memory

async function sleep1m() {
  const random = new Random();
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const began = cpuMicroseconds();
  const tasks = [];
  for (let i = 0; i < million; ++i) tasks.push((async () => { await sleep(random.next() * 1000); })());
  for (const task of tasks) await task;
  return `${((cpuMicroseconds() - began) / 1e6).toFixed(3)} CPU-s`;
}

const mappings = () => fs.readFileSync('/proc/self/maps', 'latin1').split('\n').length;

async function blocked1m() {
  const never = new Promise(() => {});
  const tasks = new Array(million);
  const [before, vmas] = [process.memoryUsage.rss(), mappings()];
  for (let i = 0; i < million; ++i) tasks[i] = (async () => { await never; })();
  await null;
  const bytes = (process.memoryUsage.rss() - before) / tasks.length;
  return `${bytes.toFixed(0)} B vmas=${mappings() - vmas}`;
}

const callback = () => {};
const farDeadline = (random) => far + span * random.next();

function setFarTimers(count, random) {
  const timers = [];
  for (let i = 0; i < count; ++i) timers.push(setTimeout(callback, farDeadline(random)));
  return timers;
}

async function timerInsert() {
  const random = new Random();
  const timers = setFarTimers(million, random);
  const times = [];
  for (let i = 0; i < 8; ++i) {
    const began = now();
    for (let j = 0; j < 10000; ++j) timers.push(setTimeout(callback, farDeadline(random)));
    if (i > 0) times.push((now() - began) / 10000);
  }
  return ns(middle(times));
}

async function timerCancel(others) {
  const timers = setFarTimers(others, new Random());
  const result = await median(async (n) => {
    const began = now();
    for (let i = 0; i < n; ++i) clearTimeout(setTimeout(callback, far + span / 2));
    return now() - began;
  });
  return `${ns(result)} others=${timers.length}`;
}

// ---- threads

function nextMessage(port) {
  return new Promise((resolve) => port.once('message', resolve));
}

async function postBurst() {
  const size = 1000, bursts = 20;
  const worker = new Worker(__filename, {workerData: 'post'});
  await nextMessage(worker);
  let left = 0, done = null;
  worker.on('message', () => {
    if (--left === 0) done();
  });
  const times = [];
  for (let i = 0; i < 6; ++i) {
    const began = now();
    for (let j = 0; j < bursts; ++j) {
      left = size;
      const all = new Promise((resolve) => { done = resolve; });
      worker.postMessage(size);
      await all;
    }
    if (i > 0) times.push((now() - began) / (size * bursts));
  }
  return ns(middle(times));
}

async function threadRoundTrip() {
  const worker = new Worker(__filename, {workerData: 'echo'});
  await nextMessage(worker);
  let answered = null;
  worker.on('message', () => answered());
  const times = [];
  for (let i = 0; i < 6; ++i) {
    const trips = 300, began = now();
    for (let j = 0; j < trips; ++j) {
      const answer = new Promise((resolve) => { answered = resolve; });
      worker.postMessage(j);
      await answer;
    }
    if (i > 0) times.push((now() - began) / trips);
  }
  return ns(middle(times));
}

async function idle8Loops() {
  const workers = [];
  for (let i = 0; i < 8; ++i) workers.push(new Worker(__filename, {workerData: 'sleepers'}));
  await Promise.all(workers.map(nextMessage));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = now(), before = cpuMicroseconds();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return `${((cpuMicroseconds() - before) / 1e3 / ((now() - began) / 1e9)).toFixed(3)} CPU-ms/s`;
}

function work(what) {
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  if (what === 'post') {
    parentPort.on('message', (size) => {
      for (let i = 0; i < size; ++i) parentPort.postMessage(i);
    });
  } else if (what === 'echo') {
    parentPort.on('message', (message) => parentPort.postMessage(message));
  } else {
    for (let i = 0; i < 10000; ++i) (async () => { await sleep(3600e3); })();
  }
  parentPort.postMessage('ready');
}

// ---- echo

function echoing(connections) {
  return new Promise((resolve, reject) => {
    let open = connections, requests = 0, first = 0, last = 0, output = '', status = null;
    const end = () => {
      if (open !== 0 || status === null) return;
      const fields = output.trim().split(' ');
      if (status !== 0 || fields.length !== 4) return reject(new Error('echo: the load generator failed'));
      resolve(`${((last - first) / requests).toFixed(3)} us rps=${fields[1]} p50_us=${fields[2]} p99_us=${fields[3]}`);
    };
    const server = net.createServer({noDelay: true}, (socket) => {
      socket.on('data', (data) => {
        if (requests++ === 0) first = cpuMicroseconds();
        socket.write(data);
      });
      socket.on('end', () => {
        if (last === 0) last = cpuMicroseconds();
      });
      socket.on('close', () => {
        if (--open === 0) server.close();
        end();
      });
    });
    server.listen({host: '127.0.0.1', port: 0, backlog: 4096}, () => {
      const load = spawn(process.env.RACE_LOAD, [server.address().port, connections, process.env.RACE_SECONDS || '0.5'],
                         {stdio: ['ignore', 'pipe', 'inherit']});
      load.stdout.on('data', (data) => { output += data; });
      load.on('close', (code) => {
        status = code;
        end();
      });
    });
  });
}

const workloads = {
  yield_2: () => yielding(2),
  yield_1000: () => yielding(1000),
  yield_100k: () => yielding(100000),
  yield_1m: () => yielding(million),
  yield_beside_1m: () => yielding(1000, million),
  spawn_join: spawnJoin,
  spawn_100k: spawn100k,
  await_done: awaitDone,
  await_callback: awaitCallback,
  queue_ping_pong: queuePingPong,
  queue_128: queue128,
  gather_10: () => gathering(10),
  gather_1000: () => gathering(1000),
  sleep_1m: sleep1m,
  blocked_1m: blocked1m,
  timer_insert: timerInsert,
  timer_cancel: () => timerCancel(million),
  timer_cancel_empty: () => timerCancel(0),
  skynet: skynet,
  post_burst: postBurst,
  thread_round_trip: threadRoundTrip,
  echo_1: () => echoing(1),
  echo_100: () => echoing(100),
  echo_1000: () => echoing(1000),
  idle_8_loops: idle8Loops,
};

const name = process.argv[2];
if (!isMainThread) {
  work(workerData);
} else if (name === '--version') {
  console.log(`node ${process.versions.node}`);
} else if (name === '--list') {
  console.log(Object.keys(workloads).join('\n'));
} else if (process.argv.length !== 3 || !Object.hasOwn(workloads, name)) {
  console.error('usage: node.js --list | WORKLOAD');
  process.exit(1);
} else {
  workloads[name]().then((result) => {
    fs.writeSync(1, `${name} ${result}\n`);
    process.exit(0);
  }, (error) => {
    console.error(error);
    process.exit(1);
  });
}
