//go:build !justredis_static

package justredis

// #cgo pkg-config: justredis
import "C"
