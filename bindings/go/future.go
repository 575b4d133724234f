package justredis

import "context"

// Future is an answer that is on its way.
type Future struct {
	canceler
	ctx   context.Context
	stop  func() bool
	done  chan struct{}
	reply Reply
	err   error
}

// Done is closed when the answer is there.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait waits for the answer and gives it, as often as it is called. Its end is that of the context with which the
// command was started.
func (f *Future) Wait() (Reply, error) {
	<-f.done
	return f.reply, f.err
}

func (f *Future) settle(call *call) { f.finish(call.outcome(f.ctx)) }

func (f *Future) finish(reply Reply, err error) {
	if f.stop != nil {
		f.stop()
	}
	f.reply, f.err = reply, err
	f.ctx = nil
	close(f.done)
}

// Start sends a command and gives a [Future] for its answer. Commands that one goroutine starts run in that order.
func (s *session) Start(ctx context.Context, args ...any) *Future {
	core := s.handle.core
	call := core.calls.get()
	future := &Future{ctx: ctx, done: make(chan struct{}), canceler: canceler{handle: s.handle}}
	err := call.add(args)
	if err == nil && ctx.Err() != nil {
		err = endedBy(ctx)
	}
	if err == nil {
		call.handle, call.future, call.canceler = s.handle, future, &future.canceler
		call.prepare(ctx, &s.options)
		var port *port
		if port, err = core.portOf(call); err == nil {
			if ctx.Done() != nil {
				future.stop = context.AfterFunc(ctx, future.cancel)
			}
			err = port.start(call)
		}
	}
	if err != nil {
		core.calls.put(call)
		future.finish(Reply{}, err)
	}
	return future
}
