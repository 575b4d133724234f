//go:build justredis_static

package justredis

import _ "justredis/lib" // so that "go mod vendor" copies that folder

// The archive of "make build" in the repository, or one in the folder lib beside these sources; CGO_LDFLAGS=-L/folder
// and CGO_CFLAGS=-I/folder name others.

// #cgo CFLAGS: -I${SRCDIR}/../../include -I${SRCDIR}/lib
// #cgo LDFLAGS: -L${SRCDIR}/../../target/release -L${SRCDIR}/lib -l:libjustredis.a
// #cgo LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl
import "C"
