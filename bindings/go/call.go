package justredis

// #include "shim.h"
import "C"

import (
	"context"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"
)

// words are commands in one piece of memory, as the shim takes them.
type words struct {
	data    []byte
	counts  []C.size_t
	lengths []C.size_t
}

func (w *words) reset() {
	w.data, w.counts, w.lengths = w.data[:0], w.counts[:0], w.lengths[:0]
}

// add appends a command. It must not keep args, nor hand them to anybody: so they need not be on the heap.
func (w *words) add(args []any) error {
	before := len(w.lengths)
	if err := w.addAll(args); err != nil {
		return err
	}
	w.counts = append(w.counts, C.size_t(len(w.lengths)-before))
	return nil
}

func (w *words) addAll(args []any) error {
	for _, arg := range args {
		start := len(w.data)
		switch arg := arg.(type) {
		case string:
			w.data = append(w.data, arg...)
		case []byte:
			w.data = append(w.data, arg...)
		case int:
			w.data = strconv.AppendInt(w.data, int64(arg), 10)
		case int64:
			w.data = strconv.AppendInt(w.data, arg, 10)
		case int32:
			w.data = strconv.AppendInt(w.data, int64(arg), 10)
		case int16:
			w.data = strconv.AppendInt(w.data, int64(arg), 10)
		case int8:
			w.data = strconv.AppendInt(w.data, int64(arg), 10)
		case uint:
			w.data = strconv.AppendUint(w.data, uint64(arg), 10)
		case uint64:
			w.data = strconv.AppendUint(w.data, arg, 10)
		case uint32:
			w.data = strconv.AppendUint(w.data, uint64(arg), 10)
		case uint16:
			w.data = strconv.AppendUint(w.data, uint64(arg), 10)
		case uint8:
			w.data = strconv.AppendUint(w.data, uint64(arg), 10)
		case float64:
			w.data = strconv.AppendFloat(w.data, arg, 'g', -1, 64)
		case float32:
			w.data = strconv.AppendFloat(w.data, float64(arg), 'g', -1, 32)
		case Reply:
			w.data = append(w.data, arg.text...)
		case []string:
			for _, word := range arg {
				w.data = append(w.data, word...)
				w.lengths = append(w.lengths, C.size_t(len(word)))
			}
			continue
		case [][]byte:
			for _, word := range arg {
				w.data = append(w.data, word...)
				w.lengths = append(w.lengths, C.size_t(len(word)))
			}
			continue
		case []any:
			if err := w.addAll(arg); err != nil {
				return err
			}
			continue
		default:
			if err := w.addOther(reflect.ValueOf(arg)); err != nil {
				return err
			}
		}
		w.lengths = append(w.lengths, C.size_t(len(w.data)-start))
	}
	return nil
}

// addOther appends a word of a type that is made of one of those above.
func (w *words) addOther(arg reflect.Value) error {
	switch arg.Kind() {
	case reflect.String:
		w.data = append(w.data, arg.String()...)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.data = strconv.AppendInt(w.data, arg.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.data = strconv.AppendUint(w.data, arg.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		w.data = strconv.AppendFloat(w.data, arg.Float(), 'g', -1, arg.Type().Bits())
	default:
		name := "nil"
		if arg.IsValid() {
			name = arg.Type().String()
		}
		return notRun(ErrArgument, "an argument of a command is of type "+name+
			"; it can be a string, []byte, a number, or a slice of such")
	}
	return nil
}

// mayBlock says whether the server may wait with the command before it answers.
func (w *words) mayBlock() bool {
	if len(w.counts) != 1 || len(w.lengths) == 0 {
		return false
	}
	name := w.data[:w.lengths[0]]
	if len(name) < 4 || len(name) > 10 {
		return false
	}
	var upper [10]byte
	for i, letter := range name {
		if 'a' <= letter && letter <= 'z' {
			letter -= 'a' - 'A'
		}
		upper[i] = letter
	}
	switch string(upper[:len(name)]) {
	case "BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD", "XREADGROUP",
		"WAIT", "WAITAOF":
		return true
	}
	return false
}

// call is a request that is under way. It is used again for others.
type call struct {
	*words
	own     words
	route   []byte
	request C.go_request
	// Who waits hears that it has ended.
	ended chan struct{}
	// Or this one does.
	future *Future
	// Of the call of whoever takes completions itself; nobody else looks at them meanwhile.
	handle    *handle
	id        C.uint64_t
	submitted bool
	refused   error
	settled   bool
	canceler  *canceler

	status C.jr_status
	flags  C.uint32_t
	reply  Reply
	// In place of reply, if it is long.
	raw *C.jr_reply
}

// calls are all that there are, by number, which is the user data of their requests.
type calls struct {
	mu   sync.Mutex
	all  []*call
	idle []*call
}

func (c *calls) get() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.idle) - 1; last >= 0 {
		call := c.idle[last]
		c.idle = c.idle[:last]
		return call
	}
	call := &call{ended: make(chan struct{}, 1)}
	call.words = &call.own
	call.request.user_data = C.uint64_t(len(c.all))
	c.all = append(c.all, call)
	return call
}

// put gives back one that has ended, or was never submitted.
func (c *calls) put(call *call) {
	const most = 64 << 10 // what one large request took is not kept
	if cap(call.own.data) > most || cap(call.own.lengths) > most/8 {
		call.own = words{}
	}
	call.own.reset()
	call.words, call.route = &call.own, call.route[:0]
	call.request = C.go_request{user_data: call.request.user_data}
	call.reply, call.future, call.handle, call.canceler, call.refused = Reply{}, nil, nil, nil, nil
	call.submitted, call.settled = false, false
	c.mu.Lock()
	c.idle = append(c.idle, call)
	c.mu.Unlock()
}

// find gives those that completions are for.
func (c *calls) find(completions []C.jr_completion, found []*call) {
	c.mu.Lock()
	for i := range completions {
		found[i] = c.all[completions[i].user_data]
	}
	c.mu.Unlock()
}

// prepare says how it is to be run.
func (c *call) prepare(ctx context.Context, options *options) {
	c.request.commands, c.request.words = C.size_t(len(c.counts)), C.size_t(len(c.lengths))
	c.request.flags = options.flags | C.JR_REQUEST_REPORT
	c.request.timeout_ms = options.timeout(ctx)
	if options.route != "" {
		c.route = append(append(c.route[:0], options.route...), 0)
	}
}

// native submits the request on a client for a queue, which may be nil.
func (c *call) native(client *C.jr_client, queue *C.jr_queue) C.go_result {
	var route *C.char
	if len(c.route) > 0 {
		route = (*C.char)(unsafe.Pointer(&c.route[0]))
	}
	return C.go_submit(client, queue, &c.request, (*C.uint8_t)(unsafe.SliceData(c.data)),
		unsafe.SliceData(c.counts), unsafe.SliceData(c.lengths), route)
}

// submit hands the request to the library, and gives its id; the client is open. A call of a future may have ended, and
// be another one's, when this returns.
func (c *call) submit(port *port) (C.uint64_t, error) {
	result := c.native(c.handle.client, port.native)
	return result.id, check(result)
}

// outcome is what came of a call that has ended. The reply of a failure is not empty if parts of it were answered.
func (c *call) outcome(ctx context.Context) (Reply, error) {
	if c.raw != nil {
		c.reply, c.raw = takeReply(c.raw), nil
	}
	if c.status == C.JR_OK {
		return c.reply, nil
	}
	return c.reply, c.failure(ctx)
}

func (c *call) failure(ctx context.Context) error {
	failed := &Error{Status: Status(c.status), Message: Status(c.status).Error()}
	if c.reply.kind == KindFailure {
		failed = c.reply.failure()
	}
	failed.Status = Status(c.status)
	failed.Outcome = Outcome(c.flags) & (NotRun | Unknown | Answered)
	if ended := failed.Status == ErrCanceled || failed.Status == ErrTimeout; ended && ctx.Err() != nil {
		failed.blame(ctx)
	}
	return failed
}

const (
	noTimeout  = C.uint32_t(C.JR_TIMEOUT_NONE)
	maxTimeout = time.Duration(noTimeout-1) * time.Millisecond
)

// milliseconds are never fewer than the duration.
func milliseconds(duration time.Duration) C.uint32_t {
	if duration > maxTimeout {
		return noTimeout
	}
	return C.uint32_t(max(1, (duration+time.Millisecond-1)/time.Millisecond))
}
