package justredis

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"context"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// room is how many completions are taken at once.
const room = 128

// queue is one of the library, with its descriptor in Go's poller and room for completions in C's memory.
type queue struct {
	native     *C.jr_queue
	descriptor C.int
	file       *os.File
	raw        syscall.RawConn
	batch      *C.jr_completion
	// So many of the batch were taken and are not freed yet.
	used C.size_t
}

func newQueue() (*queue, error) {
	handle := C.jr_queue_new()
	if handle == nil {
		return nil, notRun(ErrMemory, "no memory for a queue")
	}
	q := &queue{native: handle}
	if err := q.watch(); err != nil {
		q.free()
		return nil, err
	}
	return q, nil
}

func (q *queue) watch() error {
	number := C.jr_queue_fd(q.native)
	if number < 0 {
		return notRun(Status(number), "no descriptor for a queue")
	}
	// Another number for the same: it is Go's to close.
	own, _, failed := syscall.Syscall(syscall.SYS_FCNTL, uintptr(number), syscall.F_DUPFD_CLOEXEC, 3)
	if failed != 0 {
		return notRun(ErrMemory, "no descriptor for a queue: "+failed.Error())
	}
	if err := syscall.SetNonblock(int(own), true); err != nil {
		syscall.Close(int(own))
		return notRun(ErrInternal, "the descriptor of a queue: "+err.Error())
	}
	q.descriptor = C.int(own)
	q.file = os.NewFile(own, "justredis queue")
	// Only a descriptor that is polled has deadlines.
	err := q.file.SetReadDeadline(time.Time{})
	if err == nil {
		q.raw, err = q.file.SyscallConn()
	}
	if err != nil {
		return notRun(ErrInternal, "the descriptor of a queue cannot be polled: "+err.Error())
	}
	q.batch = (*C.jr_completion)(C.calloc(room, C.sizeof_jr_completion))
	return nil
}

// take gives what there is now; it is freed by the next take. Nothing: the descriptor will tell.
func (q *queue) take() []C.jr_completion {
	for {
		count := C.go_take(q.native, q.descriptor, q.batch, room, q.used)
		q.used = 0
		switch {
		case count == C.GO_AGAIN:
			runtime.Gosched()
		case count <= 0:
			return nil
		default:
			q.used = C.size_t(count)
			return unsafe.Slice(q.batch, int(count))
		}
	}
}

// free ends it; nobody takes any more.
func (q *queue) free() {
	if q.used > 0 {
		C.jr_completions_free(q.batch, q.used)
	}
	if q.file != nil {
		q.file.Close()
	}
	C.jr_queue_free(q.native)
	C.free(unsafe.Pointer(q.batch))
}

// port is a queue for requests with one completion. Whoever waits for an answer takes from it, if nobody else does,
// and so is woken by the poller itself; with more to wait for than that, a goroutine of the port takes, as long as
// anything is under way. One at a time takes.
type port struct {
	*queue
	calls *calls
	// Requests that were submitted, or are about to be, and not settled.
	outstanding atomic.Int64
	// Somebody takes.
	taken  atomic.Bool
	closed atomic.Bool
	// The descriptor may be readable without a reason: the library raises it for a request that is to be written, and
	// does not lower it if that ends otherwise.
	doubtful atomic.Bool
	// Tells whoever closes that nobody takes any more.
	left chan struct{}

	// Of whoever takes:
	own       *call
	completed [room]*call
	ownStep   func(uintptr) bool
	allStep   func(uintptr) bool
}

func newPort(calls *calls) (*port, error) {
	queue, err := newQueue()
	if err != nil {
		return nil, err
	}
	p := &port{queue: queue, calls: calls, left: make(chan struct{}, 1)}
	// Functions that are made once, so that waiting allocates nothing.
	p.ownStep, p.allStep = p.stepOwn, p.stepAll
	return p, nil
}

// run submits the call and waits until it has ended, canceled by ctx perhaps. An error: it was not submitted.
func (p *port) run(ctx context.Context, call *call) error {
	gate := &call.handle.core.gate
	gate.RLock()
	if err := call.handle.check(); err != nil {
		gate.RUnlock()
		return err
	}
	alone := p.outstanding.Add(1) == 1
	if alone && p.taken.CompareAndSwap(false, true) {
		call.request.flags |= C.JR_REQUEST_NOW
		return p.runAlone(ctx, call)
	}
	id, err := call.submit(p)
	if err != nil {
		p.withdraw()
	}
	gate.RUnlock()
	if err != nil {
		return err
	}
	if p.taken.CompareAndSwap(false, true) {
		call.submitted = true
		select {
		case <-call.ended:
			call.settled = true
		default:
			call.id = id
		}
		return p.runAlone(ctx, call)
	}
	done := ctx.Done()
	if done == nil {
		<-call.ended
		return nil
	}
	select {
	case <-call.ended:
	case <-done:
		call.handle.cancel(id)
		<-call.ended
	}
	return nil
}

// runAlone takes until the call has ended; it is submitted in here unless it was.
func (p *port) runAlone(ctx context.Context, call *call) error {
	if ctx.Done() != nil {
		canceler := &canceler{handle: call.handle}
		call.canceler = canceler
		stop := context.AfterFunc(ctx, canceler.cancel)
		defer stop()
		if call.submitted {
			canceler.started(call.id)
		}
	}
	p.own = call
	for !call.settled && call.refused == nil {
		p.wait(p.ownStep)
	}
	p.own = nil
	if call.refused != nil {
		p.outstanding.Add(-1)
	}
	if p.leave() {
		go p.takeAll()
	}
	return call.refused
}

// canceler cancels one request, once it is known.
type canceler struct {
	handle *handle
	id     atomic.Uint64
}

// asked stands for the id of a request that is to be canceled as soon as it has one.
const asked = math.MaxUint64

func (c *canceler) started(id C.uint64_t) {
	if !c.id.CompareAndSwap(0, uint64(id)) {
		c.handle.cancel(id)
	}
}

func (c *canceler) cancel() {
	if !c.id.CompareAndSwap(0, asked) {
		c.handle.cancel(C.uint64_t(c.id.Load()))
	}
}

// stepOwn submits the call of whoever takes, if that is to be done, and takes until it is settled. It is called when
// the poller has forgotten what it knew of the descriptor, and then again whenever the descriptor has changed.
func (p *port) stepOwn(uintptr) bool {
	own := p.own
	if !own.submitted {
		own.submitted = true
		own.id, own.refused = own.submit(p)
		own.handle.core.gate.RUnlock()
		if own.refused != nil {
			return true
		}
		if own.canceler != nil {
			own.canceler.started(own.id)
		}
		// What was readable before the poller forgot it is no change. Where nothing was, the answer is one.
		if p.outstanding.Load() == 1 && !p.doubtful.Load() {
			return false
		}
	}
	for !own.settled {
		if p.settle() == 0 {
			return false
		}
	}
	return true
}

// stepAll takes until nothing is under way.
func (p *port) stepAll(uintptr) bool {
	for {
		count := p.settle()
		if p.outstanding.Load() == 0 {
			if count > 1 {
				// Those who got their answers may have more to ask, and then this goes on.
				runtime.Gosched()
			}
			if p.outstanding.Load() == 0 {
				return true
			}
		}
		if count == 0 {
			return false
		}
	}
}

// takeAll takes as long as anything is under way.
func (p *port) takeAll() {
	for {
		p.wait(p.allStep)
		if !p.leave() {
			return
		}
	}
}

// wait calls step until it says true, each time the descriptor has changed.
func (p *port) wait(step func(uintptr) bool) {
	if err := p.raw.Read(step); err != nil {
		// Nobody closes it, or sets a deadline: so this does not happen. It would go on, slowly.
		time.Sleep(time.Millisecond)
		step(0)
	}
}

// settle takes completions and tells whom they are for; it gives how many there were.
func (p *port) settle() int {
	doubtful := p.doubtful.Swap(false)
	completions := p.take()
	if len(completions) == 0 {
		// Now the descriptor is not readable.
		return 0
	}
	if doubtful {
		p.doubtful.Store(true)
	}
	completed := p.completed[:len(completions)]
	p.calls.find(completions, completed)
	p.outstanding.Add(-int64(len(completions)))
	for i := range completions {
		completion, call := &completions[i], completed[i]
		completed[i] = nil
		call.status, call.flags = completion.status, completion.flags
		if call.flags&C.JR_OUTCOME_NOT_RUN != 0 || call.request.flags&C.JR_REQUEST_CACHED != 0 {
			p.doubtful.Store(true)
		}
		if call.future == nil && isLong(completion.reply) {
			call.raw, completion.reply = completion.reply, nil
		} else {
			call.reply = convert(completion.reply)
		}
		switch {
		case call == p.own:
			call.settled = true
		case call.future != nil:
			call.future.settle(call)
			p.calls.put(call)
		default:
			call.ended <- struct{}{}
		}
	}
	return len(completions)
}

// leave lets others take; true: this one shall go on, because something is under way and nobody else takes.
func (p *port) leave() bool {
	p.taken.Store(false)
	if p.outstanding.Load() > 0 && p.taken.CompareAndSwap(false, true) {
		return true
	}
	if p.closed.Load() {
		select {
		case p.left <- struct{}{}:
		default:
		}
	}
	return false
}

// withdraw takes back what was not submitted after all. Whoever waits for it to end looks again.
func (p *port) withdraw() {
	p.doubtful.Store(true)
	p.outstanding.Add(-1)
	C.jr_queue_wake(p.native)
}

// start submits the call of a future.
func (p *port) start(call *call) error {
	gate := &call.handle.core.gate
	gate.RLock()
	defer gate.RUnlock()
	if err := call.handle.check(); err != nil {
		return err
	}
	p.outstanding.Add(1)
	canceler := call.canceler
	id, err := call.submit(p)
	if err != nil {
		p.withdraw()
		return err
	}
	canceler.started(id)
	if p.taken.CompareAndSwap(false, true) {
		go p.takeAll()
	}
	return nil
}

// end waits until nothing is under way, and frees the queue. Nothing is submitted any more.
func (p *port) end() {
	p.closed.Store(true)
	for !p.taken.CompareAndSwap(false, true) {
		<-p.left
	}
	for p.outstanding.Load() > 0 {
		p.wait(p.allStep)
	}
	p.free()
}
