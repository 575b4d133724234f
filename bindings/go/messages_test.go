package justredis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"justredis"
)

// What tests/bindings/capabilities.toml lists: messages.

func TestChannelsAndPatterns(t *testing.T) {
	shows(t, "pub/sub")
	client := empty(t)
	ctx := bounded(t)
	subscription, err := client.Subscribe(ctx, "a", "a")
	is(t, err, nil)
	next := func() string {
		t.Helper()
		m, err := subscription.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(fmt.Sprintln(m.Kind, m.Channel, m.Pattern, m.Payload, m.Channels))
	}
	is(t, next(), "subscribe a   1")
	is(t, subscription.Subscribe(ctx, "b", "b"), nil)
	is(t, next(), "subscribe b   2")
	is(t, subscription.PSubscribe(ctx, "p*"), nil)
	is(t, next(), "psubscribe p*   3")
	for _, channel := range []string{"a", "b", "pq", "none"} {
		do(t, client, "PUBLISH", channel, "text")
	}
	is(t, next(), "message a  text 0")
	is(t, next(), "message b  text 0")
	is(t, next(), "pmessage pq p* text 0")
	is(t, subscription.Ping(ctx, "are you there"), nil)
	is(t, next(), "pong   are you there 0")
	is(t, subscription.Unsubscribe(ctx, "a"), nil)
	is(t, next(), "unsubscribe a   2")
	do(t, client, "PUBLISH", "a", "nobody")
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if m, err := subscription.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(m, err)
	}
	is(t, subscription.Unsubscribe(ctx), nil)
	is(t, next(), "unsubscribe b   1")
	is(t, subscription.PUnsubscribe(ctx), nil)
	is(t, next(), "punsubscribe p*   0")
	is(t, subscription.Subscribe(ctx, "again"), nil)
	is(t, next(), "subscribe again   1")
	subscription.Close()
	subscription.Close()
	if m, err := subscription.Next(ctx); !errors.Is(err, justredis.ErrClosed) {
		t.Fatal(m, err)
	}
	if _, err := client.PSubscribe(ctx); !errors.Is(err, justredis.ErrArgument) {
		t.Error(err)
	}
	// Of nothing at first.
	subscription, err = client.Subscribe(ctx)
	is(t, err, nil)
	is(t, subscription.PSubscribe(ctx, "later*"), nil)
	is(t, next(), "psubscribe later*   1")
	subscription.Close()
}

func TestMessagesAsAnIteratorAndAsAChannel(t *testing.T) {
	shows(t, "pub/sub")
	client := empty(t)
	ctx := bounded(t)
	publish := func() {
		for _, one := range [][2]string{{"a", "1"}, {"pq", "2"}, {"a", "end"}} {
			do(t, client, "PUBLISH", one[0], one[1])
		}
	}
	subscribe := func() *justredis.Subscription {
		subscription, err := client.Subscribe(ctx, "a")
		is(t, err, nil)
		is(t, subscription.PSubscribe(ctx, "p*"), nil)
		publish()
		return subscription
	}
	var seen []string
	note := func(m justredis.Message) bool {
		seen = append(seen, m.Channel+m.Pattern+m.Payload)
		return m.Payload != "end"
	}
	subscription := subscribe()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		is(t, err, nil)
		return note(m)
	})
	is(t, fmt.Sprint(seen), "[a1 pqp*2 aend]")
	subscription.Close()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		t.Error(m, err, "after the end")
		return false
	})

	seen = nil
	subscription = subscribe()
	for m := range subscription.Channel() {
		if !note(m) {
			subscription.Close()
		}
	}
	is(t, fmt.Sprint(seen), "[a1 pqp*2 aend]")
	is(t, subscription.Err(), nil)
}

func TestMonitor(t *testing.T) {
	client := empty(t)
	ctx := bounded(t)
	stream, err := client.Stream("MONITOR")
	is(t, err, nil)
	defer stream.Close()
	first, err := stream.Next(ctx)
	is(t, err, nil)
	reads(t, first.Reply, "OK")
	do(t, client, "ECHO", "watched")
	until(t, "MONITOR tells", func() bool {
		item, err := stream.Next(ctx)
		is(t, err, nil)
		return strings.Contains(item.Reply.Text(), `"ECHO" "watched"`)
	})
}

// Each loss is told before the next message: what comes between two tellings has no holes.
func TestAKilledSubscriberIsTold(t *testing.T) {
	shows(t, "gaps")
	client := empty(t)
	ctx := bounded(t)
	subscription, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	if _, err := subscription.Next(ctx); err != nil {
		t.Fatal(err)
	}
	last, sent := -1, 0
	for range 5 {
		for range 20 {
			do(t, client, "PUBLISH", "channel", sent)
			sent++
		}
		do(t, client, "CLIENT", "KILL", "TYPE", "pubsub")
		for {
			message, err := subscription.Next(ctx)
			is(t, err, nil)
			if message.Gap {
				is(t, message.Kind, "subscribe")
				break
			}
			is(t, message.Payload, fmt.Sprint(last+1))
			last++
		}
		last = sent - 1
	}
	// Whoever reads messages only finds it at the next one.
	do(t, client, "CLIENT", "KILL", "TYPE", "pubsub")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				client.Do(ctx, "PUBLISH", "channel", "after")
			}
		}
	}()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		is(t, err, nil)
		return !m.Gap
	})
}
