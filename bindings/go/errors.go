package justredis

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// Status says why something failed. Each is an error that [errors.Is] finds in an [*Error]:
//
//	if errors.Is(err, justredis.ErrTimeout) { ... }
type Status int32

// Reasons for which something fails.
const (
	ErrArgument  Status = C.JR_ERR_ARGUMENT   // an argument is wrong, or contradicts another
	ErrConfig    Status = C.JR_ERR_CONFIG     // an option is unknown or its value is wrong
	ErrRefused   Status = C.JR_ERR_REFUSED    // the command would change a connection that others share
	ErrClosed    Status = C.JR_ERR_CLOSED     // the client, lease or subscription is closed
	ErrFull      Status = C.JR_ERR_FULL       // a limit is reached: max_requests, max_request_bytes or max_unread
	ErrForked    Status = C.JR_ERR_FORKED     // made before a fork, of which this is the child
	ErrDeadlock  Status = C.JR_ERR_DEADLOCK   // it would wait for itself
	ErrNotFound  Status = C.JR_ERR_NOT_FOUND  // there is no such request any more
	ErrMemory    Status = C.JR_ERR_MEMORY     // memory, a thread or a descriptor could not be had
	ErrInternal  Status = C.JR_ERR_INTERNAL   // a defect of the library
	ErrServer    Status = C.JR_ERR_SERVER     // the server answered with an error
	ErrTimeout   Status = C.JR_ERR_TIMEOUT    // the deadline passed; also a context.DeadlineExceeded
	ErrCanceled  Status = C.JR_ERR_CANCELED   // it was canceled; also a context.Canceled
	ErrConnect   Status = C.JR_ERR_CONNECT    // no connection could be made
	ErrAuth      Status = C.JR_ERR_AUTH       // the server refused user or password
	ErrTLS       Status = C.JR_ERR_TLS        // the TLS session could not be made
	ErrLost      Status = C.JR_ERR_LOST       // the connection went away after the request was sent
	ErrLeaseLost Status = C.JR_ERR_LEASE_LOST // the connection of a lease went away
	ErrProtocol  Status = C.JR_ERR_PROTOCOL   // the server sent what is not RESP, or more than the limits allow
)

// Error gives a short phrase, such as "connection lost".
func (s Status) Error() string {
	return C.GoString(C.jr_status_text(C.jr_status(s)))
}

var (
	// ErrNil says that there is no value: a nil reply has none of the type that [Get] or [As] was asked for. Pointers
	// take nil: Get[*string] gives a nil pointer in place of this error.
	ErrNil = errors.New("justredis: nil")
	// ErrConflict is what Exec of a transaction gives if a key that was watched has changed: nothing was run.
	ErrConflict = errors.New("justredis: a watched key has changed")
)

// Outcome says whether the server has run a request.
type Outcome uint8

// What may have become of a request at the server.
const (
	NotRun   Outcome = C.JR_OUTCOME_NOT_RUN  // the server has certainly not run it
	Unknown  Outcome = C.JR_OUTCOME_UNKNOWN  // it was sent and no answer came: the server may have run it
	Answered Outcome = C.JR_OUTCOME_ANSWERED // the server answered
)

// String gives "not run", "unknown" or "answered".
func (o Outcome) String() string {
	switch o {
	case NotRun:
		return "not run"
	case Unknown:
		return "unknown"
	case Answered:
		return "answered"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Error is what the server answered, or why it did not. It matches its Status, and a context's error where that was the
// reason, with [errors.Is].
type Error struct {
	// Status is the reason; ErrServer if the server answered with an error.
	Status Status
	// Outcome says whether the server may have run the request.
	Outcome Outcome
	// Code is the first word of what the server answered ("WRONGTYPE"); empty if it is not from there.
	Code string
	// Message is the server's text, verbatim, or a sentence.
	Message string

	cause error
}

// Error gives the message, and the context's error if that was the reason.
func (e *Error) Error() string {
	switch {
	case e.cause == nil:
		return e.Message
	case e.Message == "":
		return e.cause.Error()
	}
	return e.Message + ": " + e.cause.Error()
}

// Is says whether target is the status of the error, or what Go calls it: context.DeadlineExceeded and
// os.ErrDeadlineExceeded, context.Canceled.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded, os.ErrDeadlineExceeded:
		return e.Status == ErrTimeout
	case context.Canceled:
		return e.Status == ErrCanceled && e.cause == nil
	}
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Unwrap gives the error of the context that ended the request, if one did.
func (e *Error) Unwrap() error { return e.cause }

// Timeout says whether a deadline has passed, as for a net.Error.
func (e *Error) Timeout() bool {
	return e.Status == ErrTimeout || errors.Is(e.cause, context.DeadlineExceeded)
}

func notRun(status Status, message string) *Error {
	return &Error{Status: status, Outcome: NotRun, Message: message}
}

// endedBy is the error of a request that ctx has ended before it was sent.
func endedBy(ctx context.Context) error {
	failed := notRun(ErrCanceled, "")
	failed.blame(ctx)
	return failed
}

// blame notes that ctx has ended the request.
func (e *Error) blame(ctx context.Context) {
	e.cause = context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Status = ErrTimeout
	}
}

func serverError(text string) *Error {
	code, _, _ := strings.Cut(text, " ")
	return &Error{Status: ErrServer, Outcome: Answered, Code: code, Message: text}
}

// check gives the error of a call, and frees its sentence.
func check(result C.go_result) error {
	if result.status == C.JR_OK {
		return nil
	}
	defer C.free(unsafe.Pointer(result.error))
	return notRun(Status(result.status), C.GoString(result.error))
}
