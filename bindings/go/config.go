package justredis

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"context"
	"log/slog"
	"net"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Option is one of a client; see [Open].
type Option func(*setup) error

// setup is a client that is being made.
type setup struct {
	config *C.jr_config
	core   *core
	logger *slog.Logger
}

func (s *setup) set(key, value string) error {
	k, v := C.CString(key), C.CString(value)
	defer C.free(unsafe.Pointer(k))
	defer C.go_wipe(v)
	return check(C.go_set(s.config, k, v))
}

// Set sets an option of the library by its name, such as Set("command_timeout", "250ms"), Set("cache_bytes", "64MiB")
// or Set("tls_ca", "ca.pem"). The README of the library has the table of them.
func Set(key, value string) Option {
	return func(s *setup) error { return s.set(key, value) }
}

// WithLogger tells logger of connections that are made and lost, of failovers, and of warnings.
func WithLogger(logger *slog.Logger) Option {
	return func(s *setup) error {
		s.logger = logger
		return nil
	}
}

// Dialer brings a connected stream to an address ("10.0.0.3:6379", "/run/redis.sock"). The context ends when
// connecting takes too long. Of a connection of the system (TCP, Unix) the descriptor is used; bytes of any other
// kind, such as one through SSH, are carried to it by two goroutines. TLS goes over it if the URL says so.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// WithDialer lets the program connect.
func WithDialer(dial Dialer) Option {
	return func(s *setup) error {
		handle := cgo.NewHandle(&dialing{dial: dial, core: s.core})
		return check(C.go_set_dialer(s.config, C.uintptr_t(handle)))
	}
}

// Credentials are a user (empty: the default one) and a password, or a token that serves as one.
type Credentials struct {
	User, Password string
	// For how long they are valid; 0: until they are refused.
	Valid time.Duration
}

// CredentialsQuery says what credentials are asked for.
type CredentialsQuery struct {
	// A server for which they are; what is answered serves all connections of the purpose.
	Address string
	// They are for sentinels, and not for servers with data.
	Sentinel bool
	// Those that are held expire soon.
	Renew bool
	// A server refused those that are held.
	Rejected bool
}

// WithCredentials lets the program be asked for user and password: before the first connection is made, when those
// that it gave are about to expire, and when a server refuses them. An error that is [ErrAuth] ends requests that
// wait for a connection at once; after any other it is asked again. The function must not wait for a command of the
// client. No connection waits for its answer when ctx is done; a later one is used all the same.
func WithCredentials(ask func(ctx context.Context, query CredentialsQuery) (Credentials, error)) Option {
	return func(s *setup) error {
		handle := cgo.NewHandle(ask)
		return check(C.go_set_credentials(s.config, C.uintptr_t(handle)))
	}
}

// RequestOption is one of the requests of a client; see [Client.With].
type RequestOption func(*options)

type options struct {
	flags   C.uint32_t
	limit   time.Duration
	endless bool
	route   string
}

// Timeout gives requests so long, if their context has no earlier deadline; negative: for ever. What a blocking
// command lets the server wait is added.
func Timeout(timeout time.Duration) RequestOption {
	return func(o *options) { o.limit, o.endless = max(0, timeout), timeout < 0 }
}

// Route sends requests to other nodes than those of their keys: "primaries", "replicas", "all" (the answer is a map
// of address to reply), "random", "host:port", "slot:N", "key:K".
func Route(nodes string) RequestOption { return func(o *options) { o.route = nodes } }

// Idempotent says that requests may run twice: they are sent again also when nobody knows whether they ran.
func Idempotent() RequestOption { return func(o *options) { o.flags |= C.JR_REQUEST_IDEMPOTENT } }

// Replica lets a replica answer what only reads; that may be older than what the primary would answer.
func Replica() RequestOption { return func(o *options) { o.flags |= C.JR_REQUEST_REPLICA } }

// Cached lets reads be answered from the client's cache (option cache_bytes), which the server keeps right.
func Cached() RequestOption { return func(o *options) { o.flags |= C.JR_REQUEST_CACHED } }

// Dedicated runs requests on a connection of their own: for what would hold up everybody on the shared one.
func Dedicated() RequestOption { return func(o *options) { o.flags |= C.JR_REQUEST_DEDICATED } }

// timeout gives the deadline of a request in milliseconds; 0: that of the client.
func (o *options) timeout(ctx context.Context) C.uint32_t {
	timeout := C.uint32_t(0)
	switch {
	case o.endless:
		timeout = noTimeout
	case o.limit > 0:
		timeout = milliseconds(o.limit)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if left := milliseconds(time.Until(deadline)); timeout == 0 || left < timeout {
			timeout = left
		}
	}
	return timeout
}
