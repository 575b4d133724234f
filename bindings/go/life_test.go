package justredis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"justredis"
)

// number is what a variable of the environment says, or something smaller.
func number(name string, small int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return small
}

// TestMemoryStaysFlat runs JR_OPERATIONS operations of several kinds: what the process has in memory does not grow.
func TestMemoryStaysFlat(t *testing.T) {
	client := empty(t, justredis.Set("cache_bytes", "1MiB"))
	cached := client.With(justredis.Cached())
	ctx := bounded(t)
	operations := number("JR_OPERATIONS", 100_000)
	if operations > 1_000_000 {
		ctx = context.Background()
	}
	for i := range 100 {
		do(t, client, "RPUSH", "list", i)
	}
	share := func(operations, goroutines int) {
		var group sync.WaitGroup
		for range goroutines {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := range operations / goroutines {
					var err error
					switch {
					case i%100 == 0:
						_, err = client.Do(ctx, "LRANGE", "list", 0, -1)
					case i%10 == 0:
						_, err = client.Pipeline().Add("INCR", "n").Add("GET", "n").Exec(ctx)
					case i%7 == 0:
						bounded, cancel := context.WithCancel(ctx)
						_, err = client.Do(bounded, "GET", "n")
						cancel()
					case i%5 == 0:
						_, err = client.Start(ctx, "GET", "n").Wait()
					case i%11 == 0:
						_, err = cached.Do(ctx, "GET", "n")
					case i%13 == 0:
						if _, err = client.Do(ctx, "SELECT", 1); errors.Is(err, justredis.ErrRefused) {
							err = nil
						}
					default:
						_, err = client.Do(ctx, "SET", "key", i)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		group.Wait()
	}
	work := func(operations int) {
		for _, goroutines := range []int{1, 2, 3, 64} {
			share(operations/4, goroutines)
		}
	}
	work(operations / 10)
	before := resident(t)
	work(operations)
	after := resident(t)
	t.Logf("%d operations: %d KiB of memory before, %d after", operations, before, after)
	// Of a leak of one word for each operation.
	if after-before > max(16<<10, operations*8>>10) {
		t.Errorf("%d KiB more", after-before)
	}
}

// resident is how many KiB of memory the process has, what Go holds in reserve aside.
func resident(t *testing.T) int {
	runtime.GC()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	is(t, err, nil)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	is(t, err, nil)
	return pages * os.Getpagesize() >> 10
}

func init() {
	processes["exit"] = func() {
		client, err := justredis.Open(os.Getenv("JR_URL"))
		if err != nil {
			panic(err)
		}
		ctx := context.Background()
		subscription, err := client.Subscribe(ctx, "channel")
		if err != nil {
			panic(err)
		}
		go func() {
			for range subscription.Channel() {
			}
		}()
		client.Start(ctx, "BLPOP", "nothing", 0)
		var done atomic.Int64
		for i := range 8 {
			go func() {
				for {
					if _, err := client.Do(ctx, "INCR", fmt.Sprint("exit:", i)); err != nil {
						panic(err)
					}
					client.Send("PUBLISH", "channel", "text")
					done.Add(1)
				}
			}()
		}
		for done.Load() < 100 {
			runtime.Gosched()
		}
		os.Exit(7)
	}
}

// TestExitUnderLoad has JR_PROCESSES processes end while everything is under way.
func TestExitUnderLoad(t *testing.T) {
	empty(t)
	for range number("JR_PROCESSES", 5) {
		process, output := startProcess(t, "exit", oneServer.get(t).url())
		text, _ := output.ReadString(0)
		process.Wait()
		if code := process.ProcessState.ExitCode(); code != 7 || text != "" {
			t.Fatalf("exit status %d: %s", code, text)
		}
	}
}

// TestClientsComeAndGo opens and closes clients while others use them.
func TestClientsComeAndGo(t *testing.T) {
	url := oneServer.get(t).url()
	ctx := bounded(t)
	before := descriptorsAndThreads(t)
	for range 30 {
		client, err := justredis.Open(url)
		is(t, err, nil)
		var group sync.WaitGroup
		for i := range 8 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					if _, err := client.Do(ctx, "ECHO", i); err != nil {
						is(t, strings.Contains(err.Error(), "closed"), true)
						return
					}
				}
			}()
		}
		for range 5 {
			do(t, client, "PING")
		}
		client.Close()
		group.Wait()
	}
	leaves(t, before)
}

// TestALoggerHears shows what the logger of a client is told.
func TestALoggerHears(t *testing.T) {
	var told sync.Map
	server := newServer(t, "")
	t.Cleanup(server.end)
	client := open(t, server.url(), justredis.WithLogger(slog.New(slog.NewTextHandler(
		writer(func(text []byte) (int, error) {
			for _, word := range []string{"lost", "unreachable", "connected"} {
				if strings.Contains(string(text), "redis: "+word) &&
					strings.Contains(string(text), "address="+address(server.port)) {
					told.Store(word, true)
				}
			}
			return len(text), nil
		}), nil))))
	do(t, client, "PING")
	server.stop()
	heard := func(word string) {
		until(t, word, func() bool { _, heard := told.Load(word); return heard })
	}
	heard("lost")
	heard("unreachable")
	until(t, "it starts again", server.start)
	heard("connected")
}
