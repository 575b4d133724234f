package justredis

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
	"unsafe"
)

// closeTimeout is how long Close lets requests end.
const closeTimeout = 5 * time.Second

// handle is one of the library's clients: a client, a view on a database, or a lease.
type handle struct {
	core   *core
	client *C.jr_client
}

// check says whether it is open; the gate is held.
func (h *handle) check() error {
	if h.client == nil {
		return notRun(ErrClosed, "the client is closed")
	}
	return nil
}

// use runs f while the handle is open.
func (h *handle) use(f func(client *C.jr_client) error) error {
	h.core.gate.RLock()
	defer h.core.gate.RUnlock()
	if err := h.check(); err != nil {
		return err
	}
	return f(h.client)
}

func (h *handle) cancel(id C.uint64_t) {
	_ = h.use(func(client *C.jr_client) error {
		C.jr_cancel(client, id) // that it has ended already is as good
		return nil
	})
}

// end frees it, and may be called again.
func (h *handle) end() {
	h.core.gate.Lock()
	client := h.client
	h.client = nil
	h.core.gate.Unlock()
	C.jr_client_free(client)
}

// core is what a client, its views, leases and subscriptions have in common.
type core struct {
	root *handle
	// Whoever calls the library with a handle reads it; whoever frees a handle writes it.
	gate  sync.RWMutex
	calls calls
	port  *port

	mu sync.Mutex
	// For commands with which the server waits: so that those on the port above can be alone.
	waiting *port
	views   map[uint32]*handle
	// What else is open; nil once the client is closed.
	open map[closer]struct{}
	// What ends with the client.
	background sync.WaitGroup
	closing    sync.Once
	closed     error
}

// closer is a lease or a stream, which closing the client closes.
type closer interface{ end() }

// Client is a client of a server, a cluster, or a primary that sentinels watch. All goroutines of a program share
// one: every command is pipelined on the same connection, and no pool is needed.
//
// Clients made by [Client.With] and [Client.Database] are the same client with other options.
type Client struct {
	session
}

// session runs requests on a handle, with options.
type session struct {
	handle  *handle
	options options
}

// Open makes a client of the server at url, such as "redis://user:secret@10.0.0.3:6379/2", "rediss://...",
// "redis://node1,node2?topology=cluster", "redis-sentinel://s1,s2,s3/primary" or "unix:///run/redis.sock"; empty is
// redis://127.0.0.1:6379. It starts to connect and does not wait for it: commands do.
func Open(url string, configure ...Option) (*Client, error) {
	config := C.jr_config_new()
	if config == nil {
		return nil, notRun(ErrMemory, "no memory for a configuration")
	}
	defer C.jr_config_free(config)
	core := &core{views: map[uint32]*handle{}, open: map[closer]struct{}{}}
	setup := &setup{config: config, core: core}
	if url != "" {
		if err := setup.set("url", url); err != nil {
			return nil, err
		}
	}
	for _, option := range configure {
		if err := option(setup); err != nil {
			return nil, err
		}
	}
	port, err := newPort(&core.calls)
	if err != nil {
		return nil, err
	}
	core.port = port
	core.root = &handle{core: core}
	if err := check(C.go_new(config, &core.root.client)); err != nil {
		port.free()
		return nil, err
	}
	client := &Client{session{handle: core.root}}
	if setup.logger != nil {
		if err := client.log(setup.logger); err != nil {
			client.Close()
			return nil, err
		}
	}
	return client, nil
}

// Close lets what is under way end, for up to five seconds, ends what waits (blocking commands, subscriptions),
// closes all views, leases and subscriptions, and returns when no goroutine, thread or descriptor of the client is
// left. Closing it again does nothing.
func (c *Client) Close() error {
	return c.handle.core.close(C.uint32_t(closeTimeout / time.Millisecond))
}

// Shutdown does what Close does, and lets requests end until ctx is done. An [ErrTimeout] says that some had to be
// ended.
func (c *Client) Shutdown(ctx context.Context) error {
	timeout := noTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = milliseconds(time.Until(deadline))
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// This ends what is left, and whoever waits for it.
		ended <- c.handle.core.root.use(func(client *C.jr_client) error { return check(C.go_close(client, 0)) })
	})
	err := c.handle.core.close(timeout)
	if !stop() {
		if failed := <-ended; err == nil && errors.Is(failed, ErrTimeout) {
			err = failed
		}
	}
	return err
}

func (c *core) close(timeout C.uint32_t) error {
	c.closing.Do(func() {
		c.closed = check(C.go_close(c.root.client, timeout))
		c.mu.Lock()
		open, views, waiting := c.open, c.views, c.waiting
		c.open, c.views = nil, nil
		c.mu.Unlock()
		for one := range open {
			one.end()
		}
		for _, view := range views {
			view.end()
		}
		c.root.end()
		c.port.end()
		if waiting != nil {
			waiting.end()
		}
		c.background.Wait()
	})
	return c.closed
}

// add notes what is to be closed with the client; false: that is closed already.
func (c *core) add(one closer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return false
	}
	c.open[one] = struct{}{}
	return true
}

func (c *core) remove(one closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, one)
}

// portOf gives the port for a request.
func (c *core) portOf(call *call) (*port, error) {
	if call.request.flags&C.JR_REQUEST_DEDICATED == 0 && !call.mayBlock() {
		return c.port, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		if c.open == nil {
			return nil, notRun(ErrClosed, "the client is closed")
		}
		port, err := newPort(&c.calls)
		if err != nil {
			return nil, err
		}
		c.waiting = port
	}
	return c.waiting, nil
}

// Database gives a view of the client on another database number. It shares everything else with the client, and
// needs no closing.
func (c *Client) Database(number int) (*Client, error) {
	if number < 0 || int64(number) > math.MaxUint32 {
		return nil, notRun(ErrArgument, "the number of a database is from 0 on")
	}
	core := c.handle.core
	core.mu.Lock()
	defer core.mu.Unlock()
	if core.views == nil {
		return nil, notRun(ErrClosed, "the client is closed")
	}
	view := core.views[uint32(number)]
	if view == nil {
		view = &handle{core: core}
		err := core.root.use(func(client *C.jr_client) error {
			return check(C.go_database(client, C.uint32_t(number), &view.client))
		})
		if err != nil {
			return nil, err
		}
		core.views[uint32(number)] = view
	}
	return &Client{session{handle: view, options: c.options}}, nil
}

// With gives the client with other options for its requests.
//
//	quick := client.With(justredis.Timeout(50*time.Millisecond), justredis.Idempotent())
func (c *Client) With(options ...RequestOption) *Client {
	return &Client{c.session.with(options)}
}

func (s session) with(options []RequestOption) session {
	for _, option := range options {
		option(&s.options)
	}
	return s
}

// Do runs a command and gives its answer. Arguments are strings, byte slices, numbers, types made of these, and
// slices of them, which count as so many arguments. An error is an [*Error].
//
// The deadline of ctx is that of the request (without one, the option command_timeout counts). When ctx is canceled,
// the command is canceled at the server, too: Do returns when that is certain, which is at once, but for a command
// with which the server waits: that is called back first, so that an element that it brings at that moment is not
// lost but returned.
func (s *session) Do(ctx context.Context, args ...any) (Reply, error) {
	calls := &s.handle.core.calls
	call := calls.get()
	if err := call.add(args); err != nil {
		calls.put(call)
		return Reply{}, err
	}
	return s.run(ctx, call)
}

// run runs a call that has its words.
func (s *session) run(ctx context.Context, call *call) (reply Reply, err error) {
	if err = s.perform(ctx, call); err == nil {
		reply, err = call.outcome(ctx)
	}
	s.handle.core.calls.put(call)
	return reply, err
}

// perform runs it until it has ended. An error: it was not submitted.
func (s *session) perform(ctx context.Context, call *call) error {
	if ctx.Err() != nil {
		return endedBy(ctx)
	}
	call.handle = s.handle
	call.prepare(ctx, &s.options)
	port, err := s.handle.core.portOf(call)
	if err != nil {
		return err
	}
	return port.run(ctx, call)
}

// texts runs a command that is answered by a list of texts.
func (s *session) texts(ctx context.Context, args []any) (texts []string, err error) {
	calls := &s.handle.core.calls
	call := calls.get()
	defer calls.put(call)
	if err := call.add(args); err != nil {
		return nil, err
	}
	if err := s.perform(ctx, call); err != nil {
		return nil, err
	}
	if call.raw != nil && call.status == C.JR_OK {
		if texts, ok := convertTexts(call.raw); ok {
			C.jr_reply_free(call.raw)
			call.raw = nil
			return texts, nil
		}
	}
	reply, err := call.outcome(ctx)
	if err != nil {
		return nil, err
	}
	return reply.asTexts()
}

// Send sends a command whose answer nobody wants. An error says that it was refused and not sent.
func (s *session) Send(args ...any) error {
	core := s.handle.core
	call := core.calls.get()
	defer core.calls.put(call)
	if err := call.add(args); err != nil {
		return err
	}
	call.prepare(context.Background(), &s.options)
	call.request.flags &^= C.JR_REQUEST_REPORT
	return s.handle.use(func(client *C.jr_client) error {
		return check(call.native(client, nil))
	})
}

// Stats gives the state of the client in numbers: a map, whose keys are in the manual of the library
// (jr_client_stats).
func (c *Client) Stats() (Reply, error) {
	var stats *C.jr_reply
	err := c.handle.use(func(client *C.jr_client) error { return check(C.go_stats(client, &stats)) })
	if err != nil {
		return Reply{}, err
	}
	return takeReply(stats), nil
}

// Locate says where a key is: a map with "slot" (of a cluster), "primary" and "replicas".
func (c *Client) Locate(key string) (Reply, error) {
	var where *C.jr_reply
	err := c.handle.use(func(client *C.jr_client) error {
		bytes := []byte(key + "\x00") // so that there is one even of an empty key
		return check(C.go_locate(client, (*C.uint8_t)(unsafe.SliceData(bytes)), C.size_t(len(key)), &where))
	})
	if err != nil {
		return Reply{}, err
	}
	return takeReply(where), nil
}

// SetCredentials brings a user (empty: the default one) and a password, which are in force from now on, also for
// connections that there are.
func (c *Client) SetCredentials(user, password string) error {
	var name *C.char
	if user != "" {
		name = C.CString(user)
		defer C.free(unsafe.Pointer(name))
	}
	secret := C.CString(password)
	defer C.go_wipe(secret)
	return c.handle.use(func(client *C.jr_client) error { return check(C.go_renew(client, name, secret)) })
}
