// SPDX-License-Identifier: MIT

// The peer Go: goroutines, channels and the standard library.
//
//	race --list | WORKLOAD
//
// Idiomatic here: `go`, channels, sync.WaitGroup, time.AfterFunc, context for cancellation. GOMAXPROCS is 1, except for
// what needs threads. Not equivalent: await_done is a receive from a closed channel; await_callback has a goroutine
// in place of a loop's callback; cancel_N is a context's Done, returned as an error through N frames with a defer each
// (Go has no exceptions that would be used for this); timers run their functions in a goroutine each; idle_8_loops is
// 80,000 sleeping goroutines on 8 processors.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const million = 1000000

// The deadlines of timers that must not fire: within a minute, an hour from now. A request's timeout is amid them.
const far, span = time.Hour, time.Minute

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

// median gives ns per operation. round(n) does n * operations and returns the time it took.
func median(operations int, round func(n int) time.Duration) float64 {
	n := 1
	for { // which warms up, too
		took := round(n)
		if took >= 10*time.Millisecond {
			break
		}
		if took < time.Microsecond {
			took = time.Microsecond
		}
		next := int(float64(n) * 1.2 * float64(12*time.Millisecond) / float64(took))
		if next < 2*n {
			next = 2 * n
		}
		n = next
	}
	times := []float64{}
	for i := 0; i < 7; i++ {
		times = append(times, float64(round(n)))
	}
	return middle(times) / float64(n*operations)
}

func middle(times []float64) float64 {
	sort.Float64s(times)
	return times[len(times)/2]
}

func ns(value float64) string { return fmt.Sprintf("%.3f ns", value) }

func cpu() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// ---- yield

var sink int

func yielding(tasks, beside int) string {
	never := make(chan struct{})
	for i := 0; i < beside; i++ {
		go func() { <-never }()
	}
	start, stop := make(chan struct{}), false
	yields := 0 // by all: there is one processor, but nobody promises round robin
	for i := 1; i < tasks; i++ {
		go func() {
			<-start // if they ran while others are still created, creating would take the square of their number
			for !stop {
				yields++
				runtime.Gosched()
			}
		}()
	}
	runtime.Gosched()
	runtime.GC() // not amid the first rounds
	close(start)
	runtime.Gosched()
	turns := 1
	for turns*tasks < 200000 {
		turns *= 2
	}
	rounds := 6
	if tasks == million {
		rounds = 4
	}
	times := []float64{}
	for i := 0; i < rounds; i++ {
		before, began := yields, time.Now()
		for j := 0; j < turns; j++ {
			yields++
			runtime.Gosched()
		}
		took := time.Since(began)
		if i > 0 {
			times = append(times, float64(took)/float64(yields-before))
		}
	}
	stop = true
	return ns(middle(times))
}

// ---- spawn

func spawnJoin() string {
	return ns(median(1, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			done := make(chan struct{})
			go func() { close(done) }()
			<-done
		}
		return time.Since(began)
	}))
}

func spawn100k() string {
	return ns(median(100000, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			var group sync.WaitGroup
			group.Add(100000)
			for j := 0; j < 100000; j++ {
				go group.Done()
			}
			group.Wait()
		}
		return time.Since(began)
	}))
}

func node(ordinal, size int, result chan<- int) {
	if size == 1 {
		result <- ordinal
		return
	}
	size /= 10
	sums := make(chan int)
	for i := 0; i < 10; i++ {
		go node(ordinal+i*size, size, sums)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	result <- sum
}

func skynet() string {
	result := make(chan int)
	began := time.Now()
	go node(0, million, result)
	sum := <-result
	took := time.Since(began)
	if sum != million*(million-1)/2 {
		fail("skynet: wrong sum")
	}
	return fmt.Sprintf("%.4f s", took.Seconds())
}

// ---- await, channel, gather

func awaitDone() string {
	done := make(chan int)
	close(done)
	return ns(median(1, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			sink += <-done
		}
		return time.Since(began)
	}))
}

func awaitCallback() string {
	futures := make(chan chan int, 1)
	go func() {
		for future := range futures {
			future <- 1
		}
	}()
	return ns(median(1, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			future := make(chan int, 1)
			futures <- future
			sink += <-future
		}
		return time.Since(began)
	}))
}

func queuePingPong() string {
	there, back := make(chan int), make(chan int)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	return ns(median(2, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			there <- i
			sink += <-back
		}
		return time.Since(began)
	}))
}

func queue128() string {
	return ns(median(1000, func(n int) time.Duration {
		queue, done := make(chan int, 128), make(chan int)
		go func() {
			sum := 0
			for item := range queue {
				sum += item
			}
			done <- sum
		}()
		began := time.Now()
		for i := 0; i < n*1000; i++ {
			queue <- i
		}
		close(queue)
		sink += <-done
		return time.Since(began)
	}))
}

func gathering(count int) string {
	return ns(median(count, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			results := make([]int, count)
			var group sync.WaitGroup
			group.Add(count)
			for j := range results {
				go func(j int) {
					results[j] = 1
					group.Done()
				}(j)
			}
			group.Wait()
			sink += results[count-1]
		}
		return time.Since(began)
	}))
}

// ---- timers and memory

func sleep1m() string {
	rng := rand.New(rand.NewSource(1))
	began := cpu()
	var group sync.WaitGroup
	group.Add(million)
	for i := 0; i < million; i++ {
		delay := time.Duration(rng.Int63n(int64(time.Second)))
		go func() {
			time.Sleep(delay)
			group.Done()
		}()
	}
	group.Wait()
	return fmt.Sprintf("%.3f CPU-s", (cpu() - began).Seconds())
}

func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			check(err)
			return kib * 1024
		}
	}
	fail("no VmRSS in /proc/self/status")
	return 0
}

func mappings() int {
	maps, err := os.ReadFile("/proc/self/maps")
	check(err)
	return strings.Count(string(maps), "\n")
}

func blocked1m() string {
	never := make(chan struct{})
	before, vmas := resident(), mappings()
	for i := 0; i < million; i++ {
		go func() { <-never }()
	}
	for i := 0; i < 2; i++ {
		runtime.Gosched()
	}
	return fmt.Sprintf("%.0f B vmas=%d", (resident()-before)/million, mappings()-vmas)
}

type random struct{ *rand.Rand }

func (r random) farDeadline() time.Duration { return far + time.Duration(r.Int63n(int64(span))) }

func nothing() {}

func setFarTimers(count int) random {
	rng := random{rand.New(rand.NewSource(1))}
	for i := 0; i < count; i++ {
		time.AfterFunc(rng.farDeadline(), nothing)
	}
	return rng
}

func timerInsert() string {
	rng := setFarTimers(million)
	times := []float64{}
	for i := 0; i < 8; i++ {
		const count = 10000
		delays := make([]time.Duration, count)
		for j := range delays {
			delays[j] = rng.farDeadline()
		}
		began := time.Now()
		for _, delay := range delays {
			time.AfterFunc(delay, nothing)
		}
		if i > 0 {
			times = append(times, float64(time.Since(began))/count)
		}
	}
	return ns(middle(times))
}

func timerCancel(others int) string {
	setFarTimers(others)
	return ns(median(1, func(n int) time.Duration {
		began := time.Now()
		for i := 0; i < n; i++ {
			time.AfterFunc(far+span/2, nothing).Stop()
		}
		return time.Since(began)
	}))
}

// All fall due within 0.1 ms, before which they have been made: the time is that of firing them.
func timerPop() string {
	rng := rand.New(rand.NewSource(1))
	done := make(chan time.Time)
	fired := 0
	fire := func() {
		fired++
		if fired == million {
			done <- time.Now()
		}
	}
	due := time.Now().Add(1500 * time.Millisecond)
	for i := 0; i < million; i++ {
		time.AfterFunc(time.Until(due)+time.Duration(rng.Intn(100000)), fire)
	}
	if time.Now().After(due) {
		fail("timer_pop: too slow to make the timers")
	}
	return ns(float64((<-done).Sub(due)) / million)
}

// ---- cancellation

//go:noinline
func frame(ctx context.Context, depth int) error {
	defer func() { sink++ }()
	if depth > 1 {
		return frame(ctx, depth-1)
	}
	<-ctx.Done()
	return ctx.Err()
}

func cancelling(frames int) string {
	const batch = 100
	return ns(median(batch, func(n int) (took time.Duration) {
		for i := 0; i < n; i++ {
			var cancels [batch]context.CancelFunc
			var results [batch]chan error
			for j := range cancels {
				ctx, cancel := context.WithCancel(context.Background())
				result := make(chan error, 1)
				go func() { result <- frame(ctx, frames) }()
				cancels[j], results[j] = cancel, result
			}
			runtime.Gosched()
			began := time.Now()
			for _, cancel := range cancels {
				cancel()
			}
			for _, result := range results {
				if <-result != context.Canceled {
					fail("not cancelled")
				}
			}
			took += time.Since(began)
		}
		return took
	}))
}

// ---- threads

func postBurst() string {
	runtime.GOMAXPROCS(2)
	const size, bursts = 1000, 20
	posts := make(chan func(), size)
	asked := make(chan struct{})
	count := 0
	go func() {
		runtime.LockOSThread()
		for range asked {
			for i := 0; i < size; i++ {
				posts <- func() { count++ }
			}
		}
	}()
	times := []float64{}
	for i := 0; i < 8; i++ {
		began := time.Now()
		for j := 0; j < bursts; j++ {
			asked <- struct{}{}
			for k := 0; k < size; k++ {
				(<-posts)()
			}
		}
		if i > 0 {
			times = append(times, float64(time.Since(began))/(size*bursts))
		}
	}
	if count != 8*size*bursts {
		fail("post_burst: lost some")
	}
	return ns(middle(times))
}

func threadRoundTrip() string {
	runtime.GOMAXPROCS(2)
	runtime.LockOSThread()
	there, back := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		for item := range there {
			back <- item
		}
	}()
	times := []float64{}
	for i := 0; i < 8; i++ {
		const trips = 300
		began := time.Now()
		for j := 0; j < trips; j++ {
			there <- j
			sink += <-back
		}
		if i > 0 {
			times = append(times, float64(time.Since(began))/trips)
		}
	}
	return ns(middle(times))
}

func idle8Loops() string {
	runtime.GOMAXPROCS(8)
	for i := 0; i < 80000; i++ {
		go time.Sleep(time.Hour)
	}
	time.Sleep(300 * time.Millisecond)
	began, before := time.Now(), cpu()
	time.Sleep(time.Second)
	return fmt.Sprintf("%.3f CPU-ms/s", float64(cpu()-before)/1e6/time.Since(began).Seconds())
}

// ---- echo

func echoing(connections int) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	seconds := os.Getenv("RACE_SECONDS")
	if seconds == "" {
		seconds = "0.5"
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	load := exec.Command(os.Getenv("RACE_LOAD"), port, strconv.Itoa(connections), seconds)
	load.Stderr = os.Stderr
	var output strings.Builder
	load.Stdout = &output
	check(load.Start())

	var requests int64
	var first, last time.Duration
	var group sync.WaitGroup
	for i := 0; i < connections; i++ {
		connection, err := listener.Accept()
		check(err)
		group.Add(1)
		go func() {
			defer group.Done()
			defer connection.Close()
			buffer := make([]byte, 64)
			for {
				n, err := connection.Read(buffer)
				if err != nil {
					if last == 0 {
						last = cpu()
					}
					return
				}
				if atomic.AddInt64(&requests, 1) == 1 {
					first = cpu()
				}
				if _, err := connection.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
	group.Wait()
	check(load.Wait())
	fields := strings.Fields(output.String())
	if len(fields) != 4 {
		fail("echo: the load generator said " + output.String())
	}
	used := float64(last-first) / 1e3 / float64(requests)
	return fmt.Sprintf("%.3f us rps=%s p50_us=%s p99_us=%s", used, fields[1], fields[2], fields[3])
}

func main() {
	workloads := []struct {
		name string
		run  func() string
	}{
		{"yield_2", func() string { return yielding(2, 0) }},
		{"yield_1000", func() string { return yielding(1000, 0) }},
		{"yield_100k", func() string { return yielding(100000, 0) }},
		{"yield_1m", func() string { return yielding(million, 0) }},
		{"yield_beside_1m", func() string { return yielding(1000, million) }},
		{"spawn_join", spawnJoin},
		{"spawn_100k", spawn100k},
		{"await_done", awaitDone},
		{"await_callback", awaitCallback},
		{"queue_ping_pong", queuePingPong},
		{"queue_128", queue128},
		{"gather_10", func() string { return gathering(10) }},
		{"gather_1000", func() string { return gathering(1000) }},
		{"sleep_1m", sleep1m},
		{"blocked_1m", blocked1m},
		{"timer_insert", timerInsert},
		{"timer_cancel", func() string { return timerCancel(million) }},
		{"timer_cancel_empty", func() string { return timerCancel(0) }},
		{"timer_pop", timerPop},
		{"skynet", skynet},
		{"post_burst", postBurst},
		{"thread_round_trip", threadRoundTrip},
		{"cancel_1", func() string { return cancelling(1) }},
		{"cancel_10", func() string { return cancelling(10) }},
		{"echo_1", func() string { return echoing(1) }},
		{"echo_100", func() string { return echoing(100) }},
		{"echo_1000", func() string { return echoing(1000) }},
		{"idle_8_loops", idle8Loops},
	}
	runtime.GOMAXPROCS(1)
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(runtime.Version())
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, w := range workloads {
			fmt.Println(w.name)
		}
		return
	}
	for _, w := range workloads {
		if len(os.Args) == 2 && os.Args[1] == w.name {
			debug.FreeOSMemory()
			fmt.Println(w.name, w.run())
			return
		}
	}
	fail("usage: race --list | WORKLOAD")
}
