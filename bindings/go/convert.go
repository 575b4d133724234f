package justredis

// #include "shim.h"
import "C"

import (
	"math"
	"unsafe"
)

// convert makes a Reply of one of the library, which is left alone. All texts of a tree go into one piece of memory,
// and all items into another.
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
		if item := &items[i]; isPlain(item) {
			t.bytes += int(item.length)
		} else {
			t.measure(item)
		}
	}
}

// isPlain says whether it is what most items are: a string without attributes.
func isPlain(from *C.jr_reply) bool { return Kind(from.kind) == KindString && from.items == nil }

// copy gives the text of one that has some.
func (t *tree) copy(from *C.jr_reply) string {
	if from.length == 0 {
		return ""
	}
	start := len(t.text)
	// Never moved: there is room for all of it.
	t.text = append(t.text, textOf(from)...)
	return unsafe.String(&t.text[start], int(from.length))
}

func (t *tree) convert(from *C.jr_reply) Reply {
	reply := scalar(from)
	if hasText(from.kind) {
		reply.text = t.copy(from)
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
			if item := &items[i]; isPlain(item) {
				reply.more.items[i].kind = KindString
				reply.more.items[i].text = t.copy(item)
			} else {
				reply.more.items[i] = t.convert(item)
			}
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

// isLong says whether it is left to the goroutine that waits for it, while whoever takes goes on to the next. What is
// not long may stay in the batch for a while.
func isLong(from *C.jr_reply) bool {
	const few, short = 8, 4096
	if !hasItems(from.kind) {
		return from.length > short
	}
	if from.length > few {
		return true
	}
	for _, item := range itemsOf(from) {
		if item.length > short/few {
			return true
		}
	}
	return false
}

// convertTexts makes a list of texts of a list of plain strings; false if it is anything else.
func convertTexts(from *C.jr_reply) ([]string, bool) {
	items := itemsOf(from)
	var tree tree
	for i := range items {
		if !isPlain(&items[i]) {
			return nil, false
		}
		tree.bytes += int(items[i].length)
	}
	tree.text = make([]byte, 0, tree.bytes)
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = tree.copy(&items[i])
	}
	return texts, len(items) > 0
}

// takeReply makes a Reply of one of the library and frees that.
func takeReply(from *C.jr_reply) Reply {
	reply := convert(from)
	C.jr_reply_free(from)
	return reply
}
