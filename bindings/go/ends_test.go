package justredis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"justredis"
)

// What tests/bindings/capabilities.toml lists: how requests and clients end, and what goes on.

func TestAContextThatIsCanceled(t *testing.T) {
	shows(t, "cancel")
	client := empty(t)
	reason := errors.New("enough")
	for name, wait := range map[string]func(ctx context.Context) error{
		"Do": func(ctx context.Context) error { return failure(client.Do(ctx, "BLPOP", "nothing", 0)) },
		"Start": func(ctx context.Context) error {
			return failure(client.Start(ctx, "BLPOP", "nothing", 0).Wait())
		},
		"beside another": func(ctx context.Context) error {
			other := client.Start(bounded(t), "BLPOP", "another", 0)
			err := failure(client.Do(ctx, "BLPOP", "nothing", 0))
			do(t, client, "RPUSH", "another", 1)
			is(t, failure(other.Wait()), nil)
			return err
		},
	} {
		ctx, cancel := context.WithCancelCause(bounded(t))
		ended := make(chan error)
		go func() { ended <- wait(ctx) }()
		until(t, "it waits at the server", func() bool {
			return strings.Contains(do(t, client, "CLIENT", "LIST").Text(), "cmd=blpop")
		})
		cancel(reason)
		err := <-ended
		var failed *justredis.Error
		if !errors.As(err, &failed) || !errors.Is(err, reason) || !errors.Is(err, justredis.ErrCanceled) {
			t.Fatal(name, err)
		}
		is(t, failed.Outcome, justredis.NotRun)
		// It does not wait there any more: nobody takes this.
		is(t, do(t, client, "RPUSH", "nothing", "kept").String(), "1")
		is(t, do(t, client, "LLEN", "nothing").String(), "1")
		do(t, client, "DEL", "nothing")
	}
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	_, err := client.Do(ctx, "PING")
	is(t, errors.Is(err, context.Canceled), true)
	_, err = client.Start(ctx, "PING").Wait()
	is(t, errors.Is(err, context.Canceled), true)
	// One that is canceled at any moment disturbs nobody.
	for i := range 300 {
		ctx, cancel := context.WithCancel(bounded(t))
		go cancel()
		if reply, err := client.Do(ctx, "ECHO", i); err == nil {
			is(t, reply.Text(), fmt.Sprint(i))
		} else {
			is(t, errors.Is(err, context.Canceled), true)
		}
	}
}

func TestADeadline(t *testing.T) {
	shows(t, "timeout")
	client := empty(t)
	check := func(err error) {
		t.Helper()
		var failed *justredis.Error
		if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) ||
			!errors.Is(err, justredis.ErrTimeout) || !failed.Timeout() {
			t.Fatal(err)
		}
		is(t, failed.Outcome, justredis.NotRun)
	}
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	_, err := client.Do(ctx, "BLPOP", "nothing", 0)
	check(err)
	<-ctx.Done()
	_, err = client.Do(ctx, "PING")
	check(err)
	quick := client.With(justredis.Timeout(20 * time.Millisecond))
	do(t, client, "CLIENT", "PAUSE", 200)
	_, err = quick.Do(context.Background(), "PING")
	is(t, errors.Is(err, context.DeadlineExceeded), true)
	reads(t, do(t, client.With(justredis.Timeout(-1)), "PING"), "PONG")
}

func TestReconnecting(t *testing.T) {
	shows(t, "reconnect")
	server := newServer(t, "")
	t.Cleanup(server.end)
	client := open(t, server.url())
	do(t, client, "SET", "key", "value")
	ask(server.port, "CLIENT", "KILL", "TYPE", "normal")
	is(t, do(t, client, "GET", "key").Text(), "value")
	server.stop()
	future := client.Start(bounded(t), "PING")
	until(t, "it starts again", server.start)
	reply, err := future.Wait()
	is(t, err, nil)
	reads(t, reply, "PONG")
}

func TestStatistics(t *testing.T) {
	shows(t, "statistics")
	client := empty(t)
	do(t, client, "PING")
	statistics, err := client.Stats()
	is(t, err, nil)
	is(t, statistics.Lookup("nodes").Index(0).Lookup("address").Text(), address(oneServer.get(t).port))
	is(t, statistics.Lookup("links").Index(0).Lookup("purpose").Text(), "commands")
	reads(t, statistics.Lookup("requests"), "0")
}

func TestTheProgramDials(t *testing.T) {
	shows(t, "dialer")
	server := oneServer.get(t)
	var dialer net.Dialer
	real := func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address(server.port))
	}
	for name, dial := range map[string]func(ctx context.Context) (net.Conn, error){
		"a socket": real,
		"another kind of connection": func(ctx context.Context) (net.Conn, error) {
			connection, err := real(ctx)
			return struct{ net.Conn }{connection}, err
		},
	} {
		var dialed atomic.Value
		client := open(t, "redis://nowhere.invalid:1", justredis.WithDialer(
			func(ctx context.Context, address string) (net.Conn, error) {
				dialed.Store(address)
				return dial(ctx)
			}))
		large := strings.Repeat("large", 1<<18)
		do(t, client, "SET", "large", large)
		is(t, do(t, client, "GET", "large").Text() == large, true)
		is(t, dialed.Load(), any("nowhere.invalid:1"))
		if err := client.Close(); err != nil {
			t.Error(name, err)
		}
	}
	for _, one := range []struct {
		err      error
		expected string
	}{{&net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "refused"},
		{context.DeadlineExceeded, "timed out"}} {
		client := open(t, "", justredis.WithDialer(
			func(context.Context, string) (net.Conn, error) { return nil, one.err }))
		_, err := client.Do(bounded(t), "PING")
		if err == nil || !strings.Contains(err.Error(), one.expected) {
			t.Error(err)
		}
	}
}

func TestGoroutinesShareOneClient(t *testing.T) {
	shows(t, "threads")
	client := empty(t)
	ctx := bounded(t)
	var group sync.WaitGroup
	for i := range 64 {
		group.Add(1)
		go func() {
			defer group.Done()
			key := fmt.Sprint("key:", i)
			for j := range 300 {
				do(t, client, "INCR", "sum")
				reply, err := client.Do(ctx, "APPEND", key, "x")
				if length, _ := reply.Int(); err != nil || length != int64(j+1) {
					t.Error(reply, err)
					return
				}
				// Long ones, between the others.
				if j%50 == 0 {
					text := strings.Repeat(key, 5000)
					if reply, err := client.Do(ctx, "ECHO", text); err != nil || reply.Text() != text {
						t.Error("another text", err)
					}
				}
				if j%20 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	group.Wait()
	reads(t, do(t, client, "GET", "sum"), fmt.Sprintf("%q", fmt.Sprint(64*300)))
	statistics, err := client.Stats()
	is(t, err, nil)
	is(t, statistics.Lookup("links").Len(), 1)
}

func init() {
	processes["signal"] = func() {
		client, err := justredis.Open(os.Getenv("JR_URL"))
		if err != nil {
			panic(err)
		}
		defer client.Close()
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		fmt.Println("waits")
		_, err = client.Do(ctx, "BLPOP", "nothing", 0)
		fmt.Println(errors.Is(err, context.Canceled), failureOf(err).Outcome)
	}
}

func failureOf(err error) (failed *justredis.Error) {
	errors.As(err, &failed)
	return failed
}

func TestControlCEndsAWait(t *testing.T) {
	shows(t, "signals")
	client := empty(t)
	process, output := startProcess(t, "signal", oneServer.get(t).url())
	line, _ := output.ReadString('\n')
	is(t, line, "waits\n")
	until(t, "it waits at the server", func() bool {
		return strings.Contains(do(t, client, "CLIENT", "LIST").Text(), "cmd=blpop")
	})
	process.Process.Signal(os.Interrupt)
	line, _ = output.ReadString('\n')
	is(t, line, "true not run\n")
}

func TestClosing(t *testing.T) {
	shows(t, "close")
	ask(oneServer.get(t).port, "FLUSHALL")
	before := descriptorsAndThreads(t)
	var log bytes.Buffer
	var locked sync.Mutex
	client := open(t, oneServer.get(t).url(), justredis.WithLogger(slog.New(slog.NewTextHandler(
		writer(func(text []byte) (int, error) {
			locked.Lock()
			defer locked.Unlock()
			return log.Write(text)
		}), nil))))
	ctx := bounded(t)
	do(t, client, "SET", "key", "value")
	view, err := client.Database(2)
	is(t, err, nil)
	do(t, view, "PING")
	lease, err := client.Lease("")
	is(t, err, nil)
	do(t, lease, "PING")
	first, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	second, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	messages := second.Channel()
	events, err := client.Events()
	is(t, err, nil)
	blocked := client.Start(ctx, "BLPOP", "queue", 0)
	var replies []*justredis.Future
	for range 100 {
		replies = append(replies, client.Start(ctx, "GET", "key"))
	}
	is(t, client.Close(), nil)
	for _, future := range replies {
		reply, err := future.Wait()
		is(t, err, nil)
		is(t, reply.Text(), "value")
	}
	for name, err := range map[string]error{
		"blocked": failure(blocked.Wait()), "closed": failure(client.Do(ctx, "GET", "key")),
		"view": failure(view.Do(ctx, "PING")), "lease": failure(lease.Do(ctx, "PING")),
		"events": failure(events.Next(ctx)), "Database": failure(client.Database(5)), "Send": client.Send("PING"),
		"Lease": failure(client.Lease("")), "Subscribe": failure(client.Subscribe(ctx, "a")),
		"Stats": failure(client.Stats()), "Pipeline": failure(client.Pipeline().Add("PING").Exec(ctx)),
		"BLPOP": failure(client.Do(ctx, "BLPOP", "queue", 0)), "Start": failure(client.Start(ctx, "PING").Wait()),
	} {
		if !errors.Is(err, justredis.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for {
		if _, err = first.Next(ctx); err != nil {
			break
		}
	}
	is(t, errors.Is(err, justredis.ErrClosed), true)
	for range messages {
	}
	is(t, client.Close(), nil)
	lease.Close()
	first.Close()
	leaves(t, before)
}

func TestShutdown(t *testing.T) {
	shows(t, "close")
	server := newServer(t, "")
	t.Cleanup(server.end)
	for _, canceled := range []bool{false, true} {
		client := open(t, server.url())
		do(t, client, "CLIENT", "PAUSE", 60000, "WRITE")
		future := client.Start(bounded(t), "SET", "key", "value")
		ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
		if canceled {
			ctx, cancel = context.WithCancel(bounded(t))
			time.AfterFunc(50*time.Millisecond, cancel)
		}
		defer cancel()
		err := client.Shutdown(ctx)
		is(t, errors.Is(err, justredis.ErrTimeout), true)
		_, err = future.Wait()
		is(t, errors.Is(err, justredis.ErrClosed), true)
		ask(server.port, "CLIENT", "UNPAUSE")
	}
}

type writer func(text []byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// leaves waits until there is no more than there was before. (A little of an earlier test may have been there then.)
func leaves(t testing.TB, before [3]int) {
	t.Helper()
	until(t, "all is gone", func() bool {
		now := descriptorsAndThreads(t)
		return now[0] <= before[0] && now[1] <= before[1] && now[2] <= before[2]
	})
}

// descriptorsAndThreads counts descriptors, threads of the library, and goroutines.
func descriptorsAndThreads(t testing.TB) [3]int {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		t.Fatal(err)
	}
	threads := 0
	for _, task := range tasks {
		if name, _ := os.ReadFile(task); strings.HasPrefix(string(name), "justredis") {
			threads++
		}
	}
	return [3]int{len(descriptors), threads, runtime.NumGoroutine()}
}
