package justredis

// #include "shim.h"
import "C"

import (
	"context"
	"fmt"
)

// Batch is several commands that go out in one piece: a pipeline, or a transaction.
//
//	replies, err := client.Pipeline().Add("SET", "key", 1).Add("INCR", "key").Exec(ctx)
//
// It may be executed several times. One goroutine at a time uses it.
type Batch struct {
	session session
	words   words
	err     error
}

// Pipeline gives an empty pipeline: each command is answered, or refused, by itself.
func (s *session) Pipeline() *Batch { return &Batch{session: *s} }

// Tx gives an empty transaction: its commands run together, between MULTI and EXEC, or not at all. Nothing is sent
// before it is executed; to discard it is to forget it.
func (s *session) Tx() *Batch {
	tx := &Batch{session: *s}
	tx.session.options.flags |= C.JR_REQUEST_ATOMIC
	return tx
}

// Add appends a command; what it takes is said of Do. If it cannot be sent, Exec says so.
func (b *Batch) Add(args ...any) *Batch {
	if b.err == nil {
		if b.err = b.words.add(args); b.err != nil {
			b.err = fmt.Errorf("command %d: %w", len(b.words.counts), b.err)
		}
	}
	return b
}

// Len gives the number of commands.
func (b *Batch) Len() int { return len(b.words.counts) }

// Exec sends the commands and gives an answer for each. Answers may be errors of the server, see [Reply.Err], while the
// error of Exec is nil: then all were answered. If it is not, what was answered stands among the replies all the same.
//
// Of a transaction the error is [ErrConflict] if a key that was watched (see [Client.Watch]) has changed, and an
// [ErrServer] if the server refused it.
func (b *Batch) Exec(ctx context.Context) ([]Reply, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.Len() == 0 {
		return nil, nil
	}
	call := b.session.handle.core.calls.get()
	call.words = &b.words
	reply, err := b.session.run(ctx, call)
	if b.session.options.flags&C.JR_REQUEST_ATOMIC != 0 {
		if err == nil && reply.kind == KindNil {
			return nil, ErrConflict
		}
		return reply.Items(), err
	}
	if b.Len() == 1 && b.session.options.route == "" {
		// It is answered as its command is.
		if err == nil || reply.kind == KindFailure && Status(reply.number) == ErrServer {
			return []Reply{reply}, nil
		}
		return nil, err
	}
	return reply.Items(), err
}

// Lease is a connection of its own: for WATCH and the commands up to the transaction that ends it, and for what would
// change a connection that others share (SELECT, CLIENT SETNAME, ...). Nothing is sent again on a lease; when its
// connection is lost, everything ends with [ErrLeaseLost].
type Lease struct {
	session
}

// Lease gives a connection of its own, which is taken from the pool (option max_connections) by its first command. In a
// cluster it leads to the node of one of the keys that it will be used for; empty: that of its first command's. Close
// gives it back.
func (c *Client) Lease(key string) (*Lease, error) {
	core := c.handle.core
	lease := &Lease{session{handle: &handle{core: core}, options: c.options}}
	bytes := []byte(key)
	var data *C.uint8_t
	if len(bytes) > 0 {
		data = (*C.uint8_t)(&bytes[0])
	}
	err := c.handle.use(func(client *C.jr_client) error {
		return check(C.go_lease(client, data, C.size_t(len(bytes)), &lease.handle.client))
	})
	if err != nil {
		return nil, err
	}
	if !core.add(lease.handle) {
		lease.handle.end()
		return nil, notRun(ErrClosed, "the client is closed")
	}
	return lease, nil
}

// With gives the lease with other options for its requests.
func (l *Lease) With(options ...RequestOption) *Lease { return &Lease{l.session.with(options)} }

// Close gives the connection back when what is under way has ended. Closing it again does nothing.
func (l *Lease) Close() error {
	l.handle.core.remove(l.handle)
	l.handle.end()
	return nil
}

// Watch runs f with a lease that watches keys. What a transaction of the lease writes is written only if nobody has
// changed these keys meanwhile; otherwise its error is [ErrConflict], and trying again is the caller's:
//
//	for {
//		err := client.Watch(ctx, func(lease *justredis.Lease) error {
//			value, err := justredis.Get[int](ctx, lease, "GET", "counter")
//			if err != nil && err != justredis.ErrNil {
//				return err
//			}
//			_, err = lease.Tx().Add("SET", "counter", value+1).Exec(ctx)
//			return err
//		}, "counter")
//		if !errors.Is(err, justredis.ErrConflict) {
//			return err
//		}
//	}
func (c *Client) Watch(ctx context.Context, f func(lease *Lease) error, keys ...string) error {
	if len(keys) == 0 {
		return notRun(ErrArgument, "Watch wants a key")
	}
	lease, err := c.Lease(keys[0])
	if err != nil {
		return err
	}
	defer lease.Close()
	if _, err := lease.Do(ctx, "WATCH", keys); err != nil {
		return err
	}
	return f(lease)
}

// Script is a script in Lua. It goes out by its digest, and whole where the server does not know it.
type Script struct{ source string }

// NewScript makes a script of its source.
func NewScript(source string) *Script { return &Script{source} }

// Run runs it with keys and other arguments.
func (s *Script) Run(ctx context.Context, on Doer, keys []string, args ...any) (Reply, error) {
	return on.Do(ctx, "EVAL", s.source, len(keys), keys, args)
}
