package justredis

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Kind says what a reply is.
type Kind uint8

// Kinds of replies, as RESP3 has them.
const (
	KindString    Kind = 1
	KindArray     Kind = 2
	KindInteger   Kind = 3
	KindNil       Kind = 4
	KindSimple    Kind = 5 // a status such as OK
	KindFailure   Kind = 6 // an error
	KindDouble    Kind = 7
	KindBoolean   Kind = 8
	KindMap       Kind = 9
	KindSet       Kind = 10
	KindAttribute Kind = 11
	KindPush      Kind = 12
	KindBigNumber Kind = 13
	KindVerbatim  Kind = 14 // text with a format
)

var kinds = [...]string{"no reply", "string", "array", "integer", "nil", "status", "error", "double", "boolean", "map",
	"set", "attribute", "push", "big number", "verbatim text"}

// String gives the name of the kind, such as "map".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Reply is what a server answers, in the server's shape: a value, or a tree of them. It is a Go value and needs no
// freeing. The texts of one reply share their memory, as do its items: clone a small part of a large reply that is
// kept for long ([strings.Clone]).
type Reply struct {
	kind    Kind
	outcome Outcome
	// An integer, a truth value, the bits of a double, the status of an error.
	number uint64
	text   string
	// What few replies have, so that the others are small.
	more *more
}

// more is what hangs below a reply.
type more struct {
	items      []Reply
	attributes *Reply
}

// Kind says what it is.
func (r Reply) Kind() Kind { return r.kind }

// IsNil says whether there is no value.
func (r Reply) IsNil() bool { return r.kind == KindNil || r.kind == 0 }

// Err gives the error that the reply is, an [*Error], or nil. Replies inside of a pipeline, a transaction or a map of
// nodes may be errors while others are not.
func (r Reply) Err() error {
	if r.kind != KindFailure {
		return nil
	}
	return r.failure()
}

func (r Reply) failure() *Error {
	if status := Status(int32(r.number)); status != ErrServer {
		return &Error{Status: status, Outcome: r.outcome, Message: r.text}
	}
	failed := serverError(r.text)
	failed.Outcome = r.outcome
	return failed
}

// Text gives the text of a string, a status, an error, a big number, verbatim text, or a double as the server wrote
// it; empty for all others.
func (r Reply) Text() string { return r.text }

// Bytes gives a copy of the text.
func (r Reply) Bytes() []byte { return []byte(r.text) }

// Format gives the three letters of verbatim text, such as "txt"; empty for all others.
func (r Reply) Format() string {
	if r.kind != KindVerbatim {
		return ""
	}
	return string([]byte{byte(r.number), byte(r.number >> 8), byte(r.number >> 16)})
}

// Int gives the whole number of a reply that holds one: an integer, a truth value, a double without fraction, or a
// text that is nothing but a number.
func (r Reply) Int() (int64, error) {
	switch r.kind {
	case KindInteger, KindBoolean:
		return int64(r.number), nil
	case KindDouble:
		number := math.Float64frombits(r.number)
		if whole := int64(number); number == math.Trunc(number) && math.Abs(number) < 1<<63 && float64(whole) == number {
			return whole, nil
		}
	case KindString, KindSimple, KindBigNumber, KindVerbatim:
		if number, err := strconv.ParseInt(r.text, 10, 64); err == nil {
			return number, nil
		}
	}
	return 0, r.hasNo("whole number")
}

// Float gives the number of a reply that holds one.
func (r Reply) Float() (float64, error) {
	switch r.kind {
	case KindInteger, KindBoolean:
		return float64(int64(r.number)), nil
	case KindDouble:
		return math.Float64frombits(r.number), nil
	case KindString, KindSimple, KindBigNumber, KindVerbatim:
		if number, err := strconv.ParseFloat(r.text, 64); err == nil && !strings.ContainsAny(r.text, "_xXpP") {
			return number, nil
		}
	}
	return 0, r.hasNo("number")
}

// Bool gives the truth value of a reply that is one, or is the number 0 or 1, or one of the texts "true", "false",
// "0" and "1".
func (r Reply) Bool() (bool, error) {
	switch {
	case r.kind == KindBoolean || r.kind == KindInteger && r.number <= 1:
		return r.number != 0, nil
	case r.kind == KindString || r.kind == KindSimple || r.kind == KindVerbatim:
		switch r.text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return false, r.hasNo("truth value")
}

// hasNo is the error of an accessor.
func (r Reply) hasNo(what string) error {
	switch r.kind {
	case KindFailure:
		return r.Err()
	case KindNil, 0:
		return ErrNil
	}
	return &Error{Status: ErrArgument, Outcome: Answered, Message: fmt.Sprintf("no %s: %s", what, r.short())}
}

// short names it in a sentence.
func (r Reply) short() string {
	const most = 60
	text := r.String()
	if len(text) > most {
		text = text[:most] + "..."
	}
	return "the reply is " + r.kind.String() + " " + text
}

// Len gives the number of items; of a map that of keys and values together.
func (r Reply) Len() int { return len(r.Items()) }

// Items gives the items of an array, a set, a push; of a map key, value, key, value. They are the reply's.
func (r Reply) Items() []Reply {
	if r.more == nil {
		return nil
	}
	return r.more.items
}

// Index gives an item, counted from 0; a nil reply if there is none.
func (r Reply) Index(index int) Reply {
	if items := r.Items(); index >= 0 && index < len(items) {
		return items[index]
	}
	return Reply{kind: KindNil}
}

// Lookup gives the value of a key of a map, or of an array that lists key, value, key, value; a nil reply if there is
// none.
func (r Reply) Lookup(key string) Reply {
	for i, items := 0, r.Items(); i+1 < len(items); i += 2 {
		if items[i].text == key {
			return items[i+1]
		}
	}
	return Reply{kind: KindNil}
}

// Pairs gives keys and values of a map, or of an array that lists key, value, key, value:
//
//	for key, value := range reply.Pairs() { ... }
//
// (before Go 1.23: reply.Pairs()(func(key, value justredis.Reply) bool { ... })).
func (r Reply) Pairs() func(yield func(key, value Reply) bool) {
	return func(yield func(key, value Reply) bool) {
		for i, items := 0, r.Items(); i+1 < len(items); i += 2 {
			if !yield(items[i], items[i+1]) {
				return
			}
		}
	}
}

// Attributes gives what RESP3 sends beside a value, as a kind of map; a nil reply if there is nothing.
func (r Reply) Attributes() Reply {
	if r.more == nil || r.more.attributes == nil {
		return Reply{kind: KindNil}
	}
	return *r.more.attributes
}

// Value gives the reply in the types of the language: string, int64, float64, bool, *big.Int, []any (of arrays, sets
// and pushes), map[any]any, an error, nil. Keys of a map that Go cannot have as keys are their text.
func (r Reply) Value() any {
	switch r.kind {
	case KindString, KindSimple, KindVerbatim:
		return r.text
	case KindInteger:
		return int64(r.number)
	case KindDouble:
		return math.Float64frombits(r.number)
	case KindBoolean:
		return r.number != 0
	case KindBigNumber:
		if number, ok := new(big.Int).SetString(r.text, 10); ok {
			return number
		}
		return r.text
	case KindFailure:
		return r.Err()
	case KindArray, KindSet, KindPush:
		values := make([]any, r.Len())
		for i, item := range r.Items() {
			values[i] = item.Value()
		}
		return values
	case KindMap, KindAttribute:
		values := make(map[any]any, r.Len()/2)
		for i, items := 0, r.Items(); i+1 < len(items); i += 2 {
			values[items[i].key()] = items[i+1].Value()
		}
		return values
	}
	return nil
}

func (r Reply) key() any {
	switch r.kind {
	case KindString, KindSimple, KindVerbatim, KindInteger, KindDouble, KindBoolean, KindNil:
		return r.Value()
	}
	return r.String()
}

// String shows the reply to people: "text", 5, [1, nil], {"field": "value"}.
func (r Reply) String() string {
	var text strings.Builder
	r.write(&text)
	return text.String()
}

func (r Reply) write(text *strings.Builder) {
	switch r.kind {
	case KindNil, 0:
		text.WriteString("nil")
	case KindInteger:
		text.WriteString(strconv.FormatInt(int64(r.number), 10))
	case KindBoolean:
		text.WriteString(strconv.FormatBool(r.number != 0))
	case KindDouble, KindBigNumber, KindSimple:
		text.WriteString(r.text)
	case KindFailure:
		text.WriteString("error " + strconv.Quote(r.text))
	case KindArray, KindSet, KindPush:
		text.WriteByte('[')
		for i, item := range r.Items() {
			if i > 0 {
				text.WriteString(", ")
			}
			item.write(text)
		}
		text.WriteByte(']')
	case KindMap, KindAttribute:
		text.WriteByte('{')
		for i, items := 0, r.Items(); i+1 < len(items); i += 2 {
			if i > 0 {
				text.WriteString(", ")
			}
			items[i].write(text)
			text.WriteString(": ")
			items[i+1].write(text)
		}
		text.WriteByte('}')
	default:
		text.WriteString(strconv.Quote(r.text))
	}
}
