// SPDX-License-Identifier: MIT

//! The peer tokio: stackless tasks on its current_thread runtime.
//!
//!     tokio_race --list | WORKLOAD
//!
//! Idiomatic here: tokio::spawn and JoinHandle, tokio::sync's channels, tokio::time::sleep, abort for cancellation.
//! Not equivalent: tasks have no stacks; await_callback has a helper task in place of a loop's callback; cancel_N drops
//! N nested futures with a destructor each, no exception passes; post_burst sends to a channel from another thread.
//! Left out: await_done (a future is awaited once only); timer_* (a timer is a future of a task; there is no callback).

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, Notify};

const MILLION: usize = 1_000_000;
static NEVER: Notify = Notify::const_new();

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(|a, b| a.partial_cmp(b).unwrap());
    times[times.len() / 2]
}

fn ns(value: f64) -> String {
    format!("{:.3} ns", value)
}

fn nanos(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64
}

/// std::hint::black_box, which Debian's rustc 1.63 does not have.
fn keep<T>(value: T) {
    let kept = unsafe { std::ptr::read_volatile(&std::mem::ManuallyDrop::new(value)) };
    drop(std::mem::ManuallyDrop::into_inner(kept));
}

/// ns per operation. round(n) does n * operations and gives the ns it took.
async fn median<F: Future<Output = f64> + Send>(operations: usize, mut round: impl FnMut(usize) -> F + Send) -> f64 {
    let mut n = 1;
    loop {
        // warms up, too
        let took = round(n).await;
        if took >= 10e6 {
            break;
        }
        n = (2 * n).max((1.2 * n as f64 * 12e6 / took.max(1000.0)) as usize);
    }
    let mut times = Vec::new();
    for _ in 0..7 {
        times.push(round(n).await);
    }
    middle(times) / (n * operations) as f64
}

fn cpu_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

struct Random(u64);

impl Random {
    /// Uniform in 0..1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as f64 / 4294967296.0
    }
}

// ---- yield

async fn yielding(tasks: usize, beside: usize) -> String {
    static YIELDS: AtomicUsize = AtomicUsize::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    for _ in 0..beside {
        tokio::spawn(NEVER.notified());
    }
    for _ in 1..tasks {
        tokio::spawn(async {
            while !STOP.load(Relaxed) {
                YIELDS.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    // The task that measures is one of them, and not block_on's own, which is polled at another pace.
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let turns = (200_000 / tasks).max(1);
        let mut times = Vec::new();
        for round in 0..6 {
            let (before, began) = (YIELDS.load(Relaxed), Instant::now());
            for _ in 0..turns {
                YIELDS.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
            if round > 0 {
                times.push(nanos(began) / (YIELDS.load(Relaxed) - before) as f64);
            }
        }
        STOP.store(true, Relaxed);
        ns(middle(times))
    })
    .await
    .unwrap()
}

// ---- spawn

async fn spawn_join() -> String {
    ns(median(1, |n| async move {
        let began = Instant::now();
        for _ in 0..n {
            tokio::spawn(async {}).await.unwrap();
        }
        nanos(began)
    })
    .await)
}

async fn spawn_100k() -> String {
    ns(median(100_000, |n| async move {
        let began = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..100_000).map(|_| tokio::spawn(async {})).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        nanos(began)
    })
    .await)
}

fn skynet_node(ordinal: usize, size: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return ordinal;
        }
        let size = size / 10;
        let children: Vec<_> = (0..10).map(|i| tokio::spawn(skynet_node(ordinal + i * size, size))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

async fn skynet() -> String {
    let began = Instant::now();
    let sum = tokio::spawn(skynet_node(0, MILLION)).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    assert_eq!(sum, MILLION * (MILLION - 1) / 2);
    format!("{:.4} s", took)
}

// ---- await, channels, gather

async fn await_callback() -> String {
    let (futures, mut helper) = mpsc::unbounded_channel::<oneshot::Sender<usize>>();
    tokio::spawn(async move {
        while let Some(future) = helper.recv().await {
            future.send(1).unwrap();
        }
    });
    let measured = tokio::spawn(async move {
        median(1, |n| {
            let futures = futures.clone();
            async move {
                let began = Instant::now();
                for _ in 0..n {
                    let (sender, receiver) = oneshot::channel();
                    futures.send(sender).unwrap();
                    keep(receiver.await.unwrap());
                }
                nanos(began)
            }
        })
        .await
    });
    ns(measured.await.unwrap())
}

async fn queue_ping_pong() -> String {
    let (there, mut arrived) = mpsc::unbounded_channel();
    let (back, mut answers) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(item) = arrived.recv().await {
            if back.send(item).is_err() {
                break;
            }
        }
    });
    let measured = tokio::spawn(async move {
        let mut times = Vec::new();
        for round in 0..8 {
            let (count, began) = (50_000usize, Instant::now());
            for i in 0..count {
                there.send(i).unwrap();
                keep(answers.recv().await);
            }
            if round > 0 {
                times.push(nanos(began) / (2 * count) as f64);
            }
        }
        middle(times)
    });
    ns(measured.await.unwrap())
}

async fn queue_128() -> String {
    let measured = tokio::spawn(median(1000, |n| async move {
        let (put, mut get) = mpsc::channel(128);
        let consumer = tokio::spawn(async move {
            let mut sum = 0;
            while let Some(item) = get.recv().await {
                sum += item;
            }
            sum
        });
        let began = Instant::now();
        for i in 0..n * 1000 {
            put.send(i).await.unwrap();
        }
        drop(put);
        keep(consumer.await.unwrap());
        nanos(began)
    }));
    ns(measured.await.unwrap())
}

async fn gathering(count: usize) -> String {
    let measured = tokio::spawn(median(count, move |n| async move {
        let began = Instant::now();
        for _ in 0..n {
            let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(async { 1 })).collect();
            let mut results = Vec::with_capacity(count);
            for task in tasks {
                results.push(task.await.unwrap());
            }
            keep(results);
        }
        nanos(began)
    }));
    ns(measured.await.unwrap())
}

// ---- timers and memory

async fn sleep_1m() -> String {
    let mut random = Random(1);
    let began = cpu_seconds();
    let tasks: Vec<_> = (0..MILLION)
        .map(|_| {
            let delay = Duration::from_secs_f64(random.next());
            tokio::spawn(async move { tokio::time::sleep(delay).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    format!("{:.3} CPU-s", cpu_seconds() - began)
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

async fn blocked_1m() -> String {
    let (before, vmas) = (resident_bytes(), mappings());
    for _ in 0..MILLION {
        tokio::spawn(NEVER.notified());
    }
    tokio::spawn(tokio::task::yield_now()).await.unwrap();
    let bytes = (resident_bytes() - before) / MILLION as f64;
    format!("{:.0} B vmas={}", bytes, mappings() as isize - vmas as isize)
}

// ---- cancellation

static UNWOUND: AtomicU64 = AtomicU64::new(0);
struct Guard;
impl Drop for Guard {
    fn drop(&mut self) {
        UNWOUND.fetch_add(1, Relaxed);
    }
}

async fn frame_1() {
    let _guard = Guard;
    NEVER.notified().await
}
macro_rules! frame {
    ($name:ident, $inner:ident) => {
        async fn $name() {
            let _guard = Guard;
            $inner().await
        }
    };
}
frame!(frame_2, frame_1);
frame!(frame_3, frame_2);
frame!(frame_4, frame_3);
frame!(frame_5, frame_4);
frame!(frame_6, frame_5);
frame!(frame_7, frame_6);
frame!(frame_8, frame_7);
frame!(frame_9, frame_8);
frame!(frame_10, frame_9);

async fn cancelling<F, T>(frames: u64, task: F) -> String
where
    F: Fn() -> T + Copy + Send + Sync,
    T: Future<Output = ()> + Send + 'static,
{
    let batch = 100;
    let result = median(batch, |n| async move {
        let mut took = 0.0;
        for _ in 0..n {
            let tasks: Vec<_> = (0..batch).map(|_| tokio::spawn(task())).collect();
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
            let before = UNWOUND.load(Relaxed);
            let began = Instant::now();
            for task in &tasks {
                task.abort();
            }
            for task in tasks {
                assert!(task.await.unwrap_err().is_cancelled());
            }
            took += nanos(began);
            assert_eq!(UNWOUND.load(Relaxed) - before, frames * batch as u64);
        }
        took
    })
    .await;
    ns(result)
}

// ---- threads

async fn post_burst() -> String {
    let (size, bursts) = (1000, 20);
    let (post, mut posted) = mpsc::unbounded_channel();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        while asked.recv().is_ok() {
            for i in 0..size {
                post.send(i).unwrap();
            }
        }
    });
    let mut times = Vec::new();
    for round in 0..8 {
        let began = Instant::now();
        for _ in 0..bursts {
            ask.send(()).unwrap();
            for _ in 0..size {
                keep(posted.recv().await);
            }
        }
        if round > 0 {
            times.push(nanos(began) / (size * bursts) as f64);
        }
    }
    ns(middle(times))
}

async fn thread_round_trip() -> String {
    let (there, mut arrived) = mpsc::unbounded_channel();
    let (back, mut answers) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            while let Some(item) = arrived.recv().await {
                if back.send(item).is_err() {
                    break;
                }
            }
        })
    });
    let mut times = Vec::new();
    for round in 0..8 {
        let (trips, began) = (300, Instant::now());
        for i in 0..trips {
            there.send(i).unwrap();
            keep(answers.recv().await);
        }
        if round > 0 {
            times.push(nanos(began) / trips as f64);
        }
    }
    ns(middle(times))
}

async fn idle_8_loops() -> String {
    for _ in 0..8 {
        std::thread::spawn(|| {
            runtime().block_on(async {
                let tasks: Vec<_> =
                    (0..10_000).map(|_| tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            })
        });
    }
    std::thread::sleep(Duration::from_millis(300));
    let (began, before) = (Instant::now(), cpu_seconds());
    std::thread::sleep(Duration::from_secs(1));
    format!("{:.3} CPU-ms/s", (cpu_seconds() - before) * 1e3 / began.elapsed().as_secs_f64())
}

// ---- echo

async fn echoing(connections: usize) -> String {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    static FIRST: AtomicU64 = AtomicU64::new(0);
    static LAST: AtomicU64 = AtomicU64::new(0);
    let stamp = |cell: &AtomicU64| cell.store((cpu_seconds() * 1e6) as u64, Relaxed);

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(4096).unwrap();
    let port = listener.local_addr().unwrap().port();
    let load = std::process::Command::new(std::env::var("RACE_LOAD").expect("RACE_LOAD"))
        .args([port.to_string(), connections.to_string()])
        .arg(std::env::var("RACE_SECONDS").unwrap_or_else(|_| "0.5".into()))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tasks.push(tokio::spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                if count == 0 {
                    break;
                }
                if REQUESTS.fetch_add(1, Relaxed) == 0 {
                    stamp(&FIRST);
                }
                stream.write_all(&buffer[..count]).await.unwrap();
            }
            if LAST.load(Relaxed) == 0 {
                stamp(&LAST);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let output = load.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<_> = text.split_whitespace().collect();
    assert!(output.status.success() && fields.len() == 4, "the load generator failed");
    let used = (LAST.load(Relaxed) - FIRST.load(Relaxed)) as f64 / REQUESTS.load(Relaxed) as f64;
    format!("{:.3} us rps={} p50_us={} p99_us={}", used, fields[1], fields[2], fields[3])
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

type Workload = (&'static str, fn() -> Pin<Box<dyn Future<Output = String> + Send>>);

const WORKLOADS: &[Workload] = &[
    ("yield_2", || Box::pin(yielding(2, 0))),
    ("yield_1000", || Box::pin(yielding(1000, 0))),
    ("yield_100k", || Box::pin(yielding(100_000, 0))),
    ("yield_1m", || Box::pin(yielding(MILLION, 0))),
    ("yield_beside_1m", || Box::pin(yielding(1000, MILLION))),
    ("spawn_join", || Box::pin(spawn_join())),
    ("spawn_100k", || Box::pin(spawn_100k())),
    ("await_callback", || Box::pin(await_callback())),
    ("queue_ping_pong", || Box::pin(queue_ping_pong())),
    ("queue_128", || Box::pin(queue_128())),
    ("gather_10", || Box::pin(gathering(10))),
    ("gather_1000", || Box::pin(gathering(1000))),
    ("sleep_1m", || Box::pin(sleep_1m())),
    ("blocked_1m", || Box::pin(blocked_1m())),
    ("skynet", || Box::pin(skynet())),
    ("post_burst", || Box::pin(post_burst())),
    ("thread_round_trip", || Box::pin(thread_round_trip())),
    ("cancel_1", || Box::pin(cancelling(1, frame_1))),
    ("cancel_10", || Box::pin(cancelling(10, frame_10))),
    ("echo_1", || Box::pin(echoing(1))),
    ("echo_100", || Box::pin(echoing(100))),
    ("echo_1000", || Box::pin(echoing(1000))),
    ("idle_8_loops", || Box::pin(idle_8_loops())),
];

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "--list" {
        for (name, _) in WORKLOADS {
            println!("{}", name);
        }
    } else if let Some((name, run)) = WORKLOADS.iter().find(|(name, _)| *name == wanted) {
        // In a task: what block_on() itself is given is polled at another pace, and the driver before each poll.
        let runtime = runtime();
        println!("{} {}", name, runtime.block_on(async { tokio::spawn(run()).await.unwrap() }));
        std::process::exit(0); // a million tasks need not be taken down
    } else {
        eprintln!("usage: tokio_race --list | WORKLOAD");
        std::process::exit(1);
    }
}
