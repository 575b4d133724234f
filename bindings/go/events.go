package justredis

// #include "shim.h"
import "C"

import (
	"context"
	"log/slog"
)

// Event is something that happened to the connections of a client.
type Event struct {
	// Kind is "connected", "lost", "unreachable", "warning", "writable", "authenticated", "authentication_refused",
	// "topology", "failover" or "moved".
	Kind string
	// Address is that of the server.
	Address string
	// Reason is why, if there is a reason.
	Reason string
	// Dropped is how many events were dropped before this one, because they were not taken fast enough.
	Dropped int
	// Reply has everything, as a map.
	Reply Reply
}

// Events are those of a client, from now on.
type Events struct{ stream *Stream }

// Events lets the program hear of connections that are made and lost, of failovers, and of warnings. What happened
// before is in [Client.Stats].
func (c *Client) Events() (*Events, error) {
	stream, err := c.openStream(func(client *C.jr_client, queue *C.jr_queue) C.go_result {
		return C.go_events(client, queue)
	})
	if err != nil {
		return nil, err
	}
	return &Events{stream}, nil
}

// Next waits for the next event. When there will be none any more its error says why.
func (e *Events) Next(ctx context.Context) (Event, error) {
	item, err := e.stream.Next(ctx)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Kind:    item.Reply.Lookup("event").text,
		Address: item.Reply.Lookup("address").text,
		Reason:  item.Reply.Lookup("reason").text,
		Dropped: item.Dropped,
		Reply:   item.Reply,
	}, nil
}

// All gives the events, until they or their client are closed.
func (e *Events) All(ctx context.Context) func(yield func(Event, error) bool) {
	return all(func() (Event, error) { return e.Next(ctx) })
}

// Close ends them. Closing them again does nothing.
func (e *Events) Close() error { return e.stream.Close() }

// log tells a logger of the events, until the client is closed.
func (c *Client) log(logger *slog.Logger) error {
	events, err := c.Events()
	if err != nil {
		return err
	}
	core := c.handle.core
	core.background.Add(1)
	go func() {
		defer core.background.Done()
		for {
			event, err := events.Next(context.Background())
			if err != nil {
				return
			}
			logger.LogAttrs(context.Background(), event.level(), "redis: "+event.Kind, event.attributes()...)
		}
	}()
	return nil
}

func (e Event) level() slog.Level {
	switch e.Kind {
	case "unreachable", "authentication_refused":
		return slog.LevelError
	case "lost", "warning", "failover":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (e Event) attributes() []slog.Attr {
	var attributes []slog.Attr
	e.Reply.Pairs()(func(key, value Reply) bool {
		if key.text != "event" {
			attributes = append(attributes, slog.Any(key.text, value.Value()))
		}
		return true
	})
	return attributes
}
