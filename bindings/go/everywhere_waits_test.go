package justredis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"justredis"
)

// Of what is to work everywhere: requests that wait, are given up or end at their deadline, and goroutines at once.

func blockingCommands(t *testing.T, p place) {
	client := p.open(t)
	keys := p.keys(8)
	waiting := make([]*justredis.Future, len(keys))
	for i, key := range keys {
		waiting[i] = client.Start(bounded(t), "BLPOP", key, 0)
	}
	othersGoOn(t, client, p)
	for i := len(keys) - 1; i >= 0; i-- {
		select {
		case <-waiting[i].Done():
			t.Fatal(waiting[i].Wait())
		default:
		}
		do(t, client, "RPUSH", keys[i], i)
		reply, err := waiting[i].Wait()
		is(t, err, nil)
		reads(t, reply, fmt.Sprintf(`["%s", "%d"]`, keys[i], i))
	}
}

// othersGoOn runs commands on keys of all nodes.
func othersGoOn(t *testing.T, client *justredis.Client, p place) {
	t.Helper()
	for i, key := range p.keys(40) {
		other := beside(key, "other")
		do(t, client, "SET", other, i)
		is(t, do(t, client, "GET", other).Text(), fmt.Sprint(i))
	}
}

// How long a server may take to call a command back: on a slow machine, too.
var patientGrace = justredis.Set("unblock_grace", "30s")

func canceledContexts(t *testing.T, p place) {
	name := p.prefix
	client := p.open(t, justredis.Set("client_name", name), patientGrace)
	keys := p.keys(8)
	start := func(ctx context.Context) []*justredis.Future {
		futures := make([]*justredis.Future, len(keys))
		for i, key := range keys {
			futures[i] = client.Start(ctx, "BLPOP", key, 0)
		}
		until(t, "all wait at the servers", func() bool { return len(blocked(t, client, name)) == len(keys) })
		return futures
	}
	// Connections that a client opens before it knows the nodes of a cluster are not used again.
	is(t, len(blocked(t, client, name)), 0)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(bounded(t))
	waiting := start(ctx)
	connections := blocked(t, client, name)
	cancel(reason)
	for i, future := range waiting {
		isFailure(t, failure(future.Wait()), reason, justredis.ErrCanceled)
		// Nobody takes this any more.
		do(t, client, "RPUSH", keys[i], "kept")
		is(t, do(t, client, "LPOP", keys[i]).Text(), "kept")
	}
	// Its connection serves the next one.
	waiting = start(bounded(t))
	is(t, fmt.Sprint(blocked(t, client, name)), fmt.Sprint(connections))
	for i, future := range waiting {
		do(t, client, "RPUSH", keys[i], i)
		reply, err := future.Wait()
		is(t, err, nil)
		is(t, reply.Index(1).Text(), fmt.Sprint(i))
	}
}

// blocked are the connections with a name that wait at a server, each as the address of that and the id there.
func blocked(t *testing.T, client *justredis.Client, name string) (connections []string) {
	t.Helper()
	for address, list := range onPrimaries(t, client, "CLIENT", "LIST") {
		for _, line := range strings.Split(list.Text(), "\n") {
			_, flags, _ := strings.Cut(line, " flags=")
			flags, _, _ = strings.Cut(flags, " ")
			if strings.Contains(line, " name="+name+" ") && strings.Contains(flags, "b") {
				connections = append(connections, address+" "+strings.Fields(line)[0])
			}
		}
	}
	slices.Sort(connections)
	return connections
}

func deadlines(t *testing.T, p place) {
	client := p.open(t, patientGrace)
	keys := p.keys(8)
	do(t, client, "PING")
	ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
	defer cancel()
	waiting := make([]*justredis.Future, len(keys))
	for i, key := range keys {
		waiting[i] = client.Start(ctx, "BLPOP", key, 0)
	}
	othersGoOn(t, client, p)
	for i, future := range waiting {
		isFailure(t, failure(future.Wait()), context.DeadlineExceeded, justredis.ErrTimeout)
		do(t, client, "RPUSH", keys[i], "kept")
		is(t, do(t, client, "LPOP", keys[i]).Text(), "kept")
	}
	quick := client.With(justredis.Timeout(20 * time.Millisecond))
	isFailure(t, failure(quick.Do(context.Background(), "BLPOP", keys[0], 0)), justredis.ErrTimeout)
	othersGoOn(t, client, p)
}

func goroutinesThatShareAClient(t *testing.T, p place) {
	client := p.open(t)
	ctx := bounded(t)
	keys := p.keys(40)
	var group sync.WaitGroup
	for i := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := range 10 {
				for j, key := range keys {
					own := beside(key, fmt.Sprint(i))
					reply, err := client.Do(ctx, "INCRBY", own, j)
					if number, _ := reply.Int(); err != nil || number != int64(j*(round+1)) {
						t.Error(own, reply, err)
						return
					}
					if _, err := client.Do(ctx, "INCR", key); err != nil {
						t.Error(key, err)
						return
					}
				}
			}
		}()
	}
	group.Wait()
	for _, key := range keys {
		is(t, do(t, client, "GET", key).Text(), "160")
	}
}
