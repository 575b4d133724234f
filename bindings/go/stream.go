package justredis

// #include "shim.h"
import "C"

import (
	"context"
	"sync"
	"time"
)

// Stream is a request with many answers, such as MONITOR. Its answers wait in the library until they are taken; what is
// not taken fast enough is dropped, or ends the stream (options max_unread, max_unread_bytes, subscription_overflow).
type Stream struct {
	handle *handle
	id     C.uint64_t

	// One at a time takes.
	mu     sync.Mutex
	queue  *queue
	ready  []Item
	ended  error
	closed chan struct{}
	once   sync.Once
}

// Item is one answer of a stream.
type Item struct {
	Reply Reply
	// Gap: items may be missing before this one, because the connection was lost and made again.
	Gap bool
	// Dropped is how many were dropped before this one, because they were not taken fast enough.
	Dropped int
}

// Stream runs a command with many answers on a connection of its own: MONITOR, or CLIENT TRACKING ON BCAST. (SUBSCRIBE
// and its kin are [Client.Subscribe].) In a cluster the client's [Route] names the node.
func (c *Client) Stream(args ...any) (*Stream, error) {
	return c.openCommand(context.Background(), args)
}

// openCommand makes one of a command; the deadline of ctx is for its beginning.
func (c *Client) openCommand(ctx context.Context, args []any) (*Stream, error) {
	calls := &c.handle.core.calls
	call := calls.get()
	defer calls.put(call)
	if err := call.add(args); err != nil {
		return nil, err
	}
	call.prepare(ctx, &c.options)
	return c.openStream(call.native)
}

// openStream makes one of what submit submits.
func (c *Client) openStream(submit func(client *C.jr_client, queue *C.jr_queue) C.go_result) (*Stream, error) {
	queue, err := newQueue()
	if err != nil {
		return nil, err
	}
	stream := &Stream{handle: c.handle, queue: queue, closed: make(chan struct{})}
	err = c.handle.use(func(client *C.jr_client) error {
		result := submit(client, queue.native)
		stream.id = result.id
		return check(result)
	})
	if err != nil {
		queue.free()
		return nil, err
	}
	if !c.handle.core.add(stream) {
		stream.end()
		return nil, notRun(ErrClosed, "the client is closed")
	}
	return stream, nil
}

// Next waits for the next item. When the stream has ended its error says why; [ErrClosed] or [ErrCanceled] if it or its
// client was closed. The end of ctx does not end the stream.
func (s *Stream) Next(ctx context.Context) (Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 {
		if s.ended != nil {
			return Item{}, s.ended
		}
		if ctx.Err() != nil {
			return Item{}, endedBy(ctx)
		}
		s.fetch(ctx)
	}
	item := s.ready[0]
	s.ready[0] = Item{}
	if s.ready = s.ready[1:]; len(s.ready) == 0 {
		s.ready = nil
	}
	return item, nil
}

// until fetches items, which stay where they are, until isEnough says so of one.
func (s *Stream) until(ctx context.Context, isEnough func(Item) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seen := 0; ; {
		for ; seen < len(s.ready); seen++ {
			if isEnough(s.ready[seen]) {
				return nil
			}
		}
		if s.ended != nil {
			return s.ended
		}
		if ctx.Err() != nil {
			return endedBy(ctx)
		}
		s.fetch(ctx)
	}
}

// fetch waits until there is something, or ctx is done.
func (s *Stream) fetch(ctx context.Context) {
	completions := s.queue.take()
	if len(completions) == 0 {
		if ctx.Done() != nil {
			file, interrupted := s.queue.file, make(chan struct{})
			stop := context.AfterFunc(ctx, func() {
				file.SetReadDeadline(time.Unix(1, 0))
				close(interrupted)
			})
			defer func() {
				if !stop() {
					<-interrupted
					file.SetReadDeadline(time.Time{})
				}
			}()
		}
		// An error: the deadline.
		_ = s.queue.raw.Read(func(uintptr) bool {
			completions = s.queue.take()
			return len(completions) > 0
		})
	}
	for i := range completions {
		s.receive(&completions[i])
	}
}

func (s *Stream) receive(completion *C.jr_completion) {
	reply := convert(completion.reply)
	if completion.flags&C.JR_COMPLETION_MORE != 0 {
		item := Item{Reply: reply, Gap: completion.flags&C.JR_COMPLETION_GAP != 0}
		if completion.flags&C.JR_COMPLETION_DROPPED != 0 {
			dropped, _ := reply.Attributes().Lookup("dropped").Int()
			item.Dropped = int(dropped)
		}
		s.ready = append(s.ready, item)
		return
	}
	if s.ended = reply.Err(); s.ended == nil {
		// A command with one answer after all.
		s.ready = append(s.ready, Item{Reply: reply})
		s.ended = notRun(ErrClosed, "it has ended")
	}
}

// All gives the items until the stream has ended, and then the error, unless that is that it or its client was closed.
//
//	for item, err := range stream.All(ctx) { ... }
func (s *Stream) All(ctx context.Context) func(yield func(Item, error) bool) {
	return all(func() (Item, error) { return s.Next(ctx) })
}

// all gives what next gives, until it fails; that something was closed is no failure.
func all[T any](next func() (T, error)) func(yield func(T, error) bool) {
	return func(yield func(T, error) bool) {
		for {
			item, err := next()
			if err == nil {
				if !yield(item, nil) {
					return
				}
				continue
			}
			if !isClosed(err) {
				yield(item, err)
			}
			return
		}
	}
}

// Close ends the stream. A Next that waits returns. Closing it again does nothing.
func (s *Stream) Close() error {
	s.handle.core.remove(s)
	s.end()
	return nil
}

func (s *Stream) end() {
	s.once.Do(func() {
		close(s.closed)
		// Whoever waits in Next gets the end.
		s.handle.cancel(s.id)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.free()
		s.ready = nil
		if s.ended == nil || !isClosed(s.ended) {
			s.ended = notRun(ErrClosed, "it is closed")
		}
	})
}
