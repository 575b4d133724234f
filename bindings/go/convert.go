package justredis

// #include "shim.h"
import "C"

import (
	"math"
	"unsafe"
)

// few: so many items at most are converted by whoever takes completions; longer replies by the goroutine they are for.
const few = 8

// convert makes a Reply of one of the library, which is left alone. All texts of a tree go into one piece of memory, and
// all items into another.
func convert(from *C.jr_reply) Reply {
	if from.items == nil && !hasItems(from.kind) {
		reply := scalar(from)
		if hasText(from.kind) {
			reply.text = string(textOf(from))
		} else if from.bytes != nil {
			reply.more = &more{attributes: attributesOf(from)}
		}
		return reply
	}
	var tree tree
	tree.measure(from)
	tree.text = make([]byte, 0, tree.bytes)
	tree.items, tree.mores = make([]Reply, tree.nodes), make([]more, tree.inner)
	return tree.convert(from)
}

// tree is one that is being converted.
type tree struct {
	// How much there is of what.
	bytes, nodes, inner int
	// What is left of that.
	text  []byte
	items []Reply
	mores []more
}

func (t *tree) measure(from *C.jr_reply) {
	if hasText(from.kind) {
		t.bytes += int(from.length)
		return
	}
	items := itemsOf(from)
	if len(items) == 0 {
		return
	}
	t.inner++
	t.nodes += len(items)
	for i := range items {
		t.measure(&items[i])
	}
}

func (t *tree) convert(from *C.jr_reply) Reply {
	reply := scalar(from)
	if hasText(from.kind) {
		if from.length > 0 {
			start := len(t.text)
			t.text = append(t.text, textOf(from)...)
			// Never moved: there is room for all of it.
			reply.text = unsafe.String(&t.text[start], int(from.length))
		}
		if from.items != nil {
			reply.more = &more{attributes: attributesOf(from)}
		}
		return reply
	}
	items := itemsOf(from)
	if len(items) > 0 {
		reply.more, t.mores = &t.mores[0], t.mores[1:]
		reply.more.items, t.items = t.items[:len(items):len(items)], t.items[len(items):]
		for i := range items {
			reply.more.items[i] = t.convert(&items[i])
		}
	}
	if from.bytes != nil || !hasItems(from.kind) && from.items != nil {
		if reply.more == nil {
			reply.more = new(more)
		}
		reply.more.attributes = attributesOf(from)
	}
	return reply
}

// scalar is a reply without its text and its items.
func scalar(from *C.jr_reply) Reply {
	reply := Reply{kind: Kind(from.kind), number: uint64(from.integer)}
	switch reply.kind {
	case KindDouble:
		reply.number = math.Float64bits(float64(from.number))
	case KindFailure:
		reply.outcome = Outcome(from.flags) & (NotRun | Unknown | Answered)
	}
	return reply
}

// attributesOf gives those of a value whose unused fields say that it may have some.
func attributesOf(from *C.jr_reply) *Reply {
	attributes := C.jr_reply_attributes(from)
	if attributes == nil {
		return nil
	}
	reply := convert(attributes)
	return &reply
}

func hasText(kind C.uint32_t) bool {
	switch Kind(kind) {
	case KindString, KindSimple, KindFailure, KindDouble, KindBigNumber, KindVerbatim:
		return true
	}
	return false
}

func hasItems(kind C.uint32_t) bool {
	switch Kind(kind) {
	case KindArray, KindMap, KindSet, KindPush, KindAttribute:
		return true
	}
	return false
}

func textOf(from *C.jr_reply) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(from.bytes)), int(from.length))
}

func itemsOf(from *C.jr_reply) []C.jr_reply {
	if !hasItems(from.kind) {
		return nil
	}
	return unsafe.Slice(from.items, int(from.length))
}

// isLong says whether it is left to the goroutine that waits for it.
func isLong(from *C.jr_reply) bool {
	if hasItems(from.kind) {
		return from.length > few
	}
	return from.length > 4096
}

// takeReply makes a Reply of one of the library and frees that.
func takeReply(from *C.jr_reply) Reply {
	reply := convert(from)
	C.jr_reply_free(from)
	return reply
}
