package justredis

// #include <stdint.h>
// #include <justredis.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/cgo"
	"syscall"
	"time"
)

// Functions that the library calls, on threads of its own.

//export justredisRelease
func justredisRelease(handle C.uintptr_t) { cgo.Handle(handle).Delete() }

//export justredisCredentials
func justredisCredentials(handle C.uintptr_t, address *C.char, purpose, reason, budget C.uint32_t,
	user, password **C.char, valid *C.uint32_t) C.jr_status {
	ask := cgo.Handle(handle).Value().(func(context.Context, CredentialsQuery) (Credentials, error))
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(budget)*time.Millisecond)
	defer cancel()
	given, err := guard(func() (Credentials, error) {
		return ask(ctx, CredentialsQuery{
			Address:  C.GoString(address),
			Sentinel: purpose == C.JR_CREDENTIALS_SENTINEL,
			Renew:    reason == C.JR_CREDENTIALS_RENEW,
			Rejected: reason == C.JR_CREDENTIALS_REJECTED,
		})
	})
	switch {
	case errors.Is(err, ErrAuth):
		return C.JR_ERR_AUTH
	case err != nil:
		return C.JR_ERR_CONNECT
	}
	if given.User != "" {
		*user = C.CString(given.User)
	}
	*password = C.CString(given.Password)
	if given.Valid > 0 {
		*valid = milliseconds(given.Valid)
	}
	return C.JR_OK
}

// dialing is how a client connects.
type dialing struct {
	dial Dialer
	core *core
}

//export justredisDial
func justredisDial(handle C.uintptr_t, address *C.char, timeout C.uint32_t) C.int32_t {
	dialing := cgo.Handle(handle).Value().(*dialing)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(timeout)*time.Millisecond)
	defer cancel()
	descriptor, err := guard(func() (int, error) {
		connection, err := dialing.dial(ctx, C.GoString(address))
		if err != nil {
			return -1, err
		}
		return dialing.descriptorOf(connection)
	})
	if err != nil {
		return -C.int32_t(numberOf(err))
	}
	return C.int32_t(descriptor)
}

// guard makes an error of a panic, which must not leave a function that C has called.
func guard[T any](f func() (T, error)) (result T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return f()
}

// numberOf gives the number by which the system calls the error, or one that is like it.
func numberOf(err error) syscall.Errno {
	var number syscall.Errno
	var name *net.DNSError
	switch {
	case errors.As(err, &number) && number > 0:
		return number
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return syscall.ETIMEDOUT
	case errors.As(err, &name):
		return syscall.EHOSTUNREACH
	}
	return syscall.ECONNREFUSED
}

// descriptorOf gives a descriptor of a connection, which is the library's from then on.
func (d *dialing) descriptorOf(connection net.Conn) (int, error) {
	if system, ok := connection.(syscall.Conn); ok {
		defer connection.Close()
		return duplicate(system)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		connection.Close()
		return -1, err
	}
	file := os.NewFile(uintptr(pair[1]), "justredis dialer")
	ours, err := net.FileConn(file)
	file.Close()
	if err != nil {
		syscall.Close(pair[0])
		connection.Close()
		return -1, err
	}
	d.core.background.Add(2)
	carry := func(to, from net.Conn) {
		defer d.core.background.Done()
		io.Copy(to, from)
		// Either end is the end of both.
		to.Close()
		from.Close()
	}
	go carry(ours, connection)
	go carry(connection, ours)
	return pair[0], nil
}

func duplicate(system syscall.Conn) (int, error) {
	raw, err := system.SyscallConn()
	if err != nil {
		return -1, err
	}
	var own uintptr
	var failed syscall.Errno
	err = raw.Control(func(number uintptr) {
		own, _, failed = syscall.Syscall(syscall.SYS_FCNTL, number, syscall.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil && failed != 0 {
		err = failed
	}
	return int(own), err
}
