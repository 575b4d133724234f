package justredis_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"justredis"
)

// What tests/bindings/capabilities.toml lists: commands.

func TestWordsOfAnyBytes(t *testing.T) {
	shows(t, "command")
	client := empty(t)
	all := make([]byte, 256*5000)
	for i := range all {
		all[i] = byte(i)
	}
	for _, value := range [][]byte{{}, []byte("\r\n\x00$5\r\n"), all} {
		reads(t, do(t, client, "SET", "key", value), "OK")
		if found := do(t, client, "GET", "key").Bytes(); !bytes.Equal(found, value) {
			t.Fatalf("%d bytes in place of %d", len(found), len(value))
		}
	}
	type name string
	type number int8
	for _, word := range []struct {
		given  any
		stored string
	}{
		{7, "7"}, {int64(-8), "-8"}, {uint64(1) << 63, "9223372036854775808"}, {1.5, "1.5"}, {float32(0.1), "0.1"},
		{"ä", "\xc3\xa4"}, {name("n"), "n"}, {number(-3), "-3"}, {uint8(4), "4"},
	} {
		do(t, client, "SET", "key", word.given)
		is(t, do(t, client, "GET", "key").Text(), word.stored)
	}
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint("key:", i)
	}
	reads(t, do(t, client, "EXISTS", keys), "0")
	reads(t, do(t, client, "MSET", []any{"a", 1, "b", []byte("2")}), "OK")
	reads(t, do(t, client, "MGET", [][]byte{[]byte("a"), []byte("b")}), `["1", "2"]`)
}

func TestAnswersInTypesOfTheLanguage(t *testing.T) {
	shows(t, "command")
	client := empty(t)
	ctx := bounded(t)
	for _, one := range []struct {
		words    []any
		expected any
	}{
		{[]any{"INCR", "n"}, int64(1)},
		{[]any{"GET", "none"}, nil},
		{[]any{"RPUSH", "list", "a", "b"}, int64(2)},
		{[]any{"LRANGE", "list", 0, -1}, []any{"a", "b"}},
		{[]any{"HSET", "hash", "field", "value"}, int64(1)},
		{[]any{"HGETALL", "hash"}, map[any]any{"field": "value"}},
		{[]any{"ZADD", "zset", "1.5", "a"}, int64(1)},
		{[]any{"ZSCORE", "zset", "a"}, 1.5},
		{[]any{"DEBUG", "PROTOCOL", "true"}, true},
		{[]any{"DEBUG", "PROTOCOL", "verbatim"}, "This is a verbatim\nstring"},
		{[]any{"EVAL", "return {1, {'a', false}, {}}", 0}, []any{int64(1), []any{"a", nil}, []any{}}},
	} {
		if found := do(t, client, one.words...).Value(); !reflect.DeepEqual(found, one.expected) {
			t.Errorf("%v: %#v in place of %#v", one.words, found, one.expected)
		}
	}
	number := do(t, client, "DEBUG", "PROTOCOL", "bignum")
	is(t, number.Value().(*big.Int).String(), "1234567999999999999999999999999999999")
	is(t, do(t, client, "DEBUG", "PROTOCOL", "verbatim").Format(), "txt")
	attributed := do(t, client, "DEBUG", "PROTOCOL", "attrib")
	is(t, attributed.Text(), "Some real reply following the attribute")
	is(t, attributed.Attributes().Len(), 2)

	do(t, client, "HSET", "ages", "ann", 30, "bob", 40)
	ages, err := justredis.Get[map[string]int](ctx, client, "HGETALL", "ages")
	if err != nil || !reflect.DeepEqual(ages, map[string]int{"ann": 30, "bob": 40}) {
		t.Error(ages, err)
	}
	type row struct {
		Name  string `redis:"ann"`
		Age   uint8  `redis:"bob"`
		other int
		Gone  *int
	}
	person, err := justredis.Get[row](ctx, client, "HGETALL", "ages")
	if err != nil || person != (row{Name: "30", Age: 40, other: person.other}) {
		t.Error(person, err)
	}
	list, err := justredis.Get[[]*string](ctx, client, "MGET", "n", "none")
	if err != nil || *list[0] != "1" || list[1] != nil {
		t.Error(list, err)
	}
	_, err = justredis.Get[string](ctx, client, "GET", "none")
	is(t, err, justredis.ErrNil)
	if _, err = justredis.Get[int8](ctx, client, "STRLEN", "n"); err != nil {
		t.Error(err)
	}
	do(t, client, "SET", "n", 300)
	for _, wrong := range []error{
		failure(justredis.Get[int8](ctx, client, "GET", "n")), failure(justredis.Get[uint](ctx, client, "ECHO", "-1")),
		failure(justredis.Get[map[string]string](ctx, client, "GET", "n")),
		failure(justredis.Get[bool](ctx, client, "GET", "n")),
	} {
		if !errors.Is(wrong, justredis.ErrArgument) {
			t.Error(wrong)
		}
	}
	// The shapes of RESP2 are told apart by their types only.
	old := open(t, oneServer.get(t).url(), justredis.Set("protocol", "2"))
	ages, err = justredis.Get[map[string]int](ctx, old, "HGETALL", "ages")
	if err != nil || ages["bob"] != 40 {
		t.Error(ages, err)
	}
}

func failure[T any](_ T, err error) error { return err }

func TestErrorsOfTwoKinds(t *testing.T) {
	shows(t, "errors")
	client := empty(t)
	ctx := bounded(t)
	do(t, client, "SET", "text", "a")
	_, err := client.Do(ctx, "INCR", "text")
	var failed *justredis.Error
	if !errors.As(err, &failed) || !errors.Is(err, justredis.ErrServer) {
		t.Fatal(err)
	}
	is(t, err.Error(), "ERR value is not an integer or out of range")
	is(t, failed.Code, "ERR")
	is(t, failed.Outcome, justredis.Answered)
	_, err = client.Do(ctx, "SELECT", 1)
	if !errors.As(err, &failed) || !errors.Is(err, justredis.ErrRefused) || !strings.Contains(err.Error(), "database") {
		t.Fatal(err)
	}
	is(t, failed.Outcome, justredis.NotRun)
	for _, wrong := range []any{true, nil, struct{}{}, map[string]int{}} {
		if _, err := client.Do(ctx, "GET", wrong); !errors.Is(err, justredis.ErrArgument) {
			t.Error(wrong, err)
		}
	}
	if _, err := client.Do(ctx); !errors.Is(err, justredis.ErrArgument) {
		t.Error(err)
	}
	nobody := open(t, "redis://127.0.0.1:1")
	_, err = nobody.Do(ctx, "PING")
	if !errors.As(err, &failed) || !errors.Is(err, justredis.ErrConnect) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatal(err)
	}
	is(t, failed.Outcome, justredis.NotRun)
	for _, wrong := range [][2]string{{"conect_timeout", "1s"}, {"connect_timeout", "soon"}, {"url", "http://a"}} {
		if _, err := justredis.Open("", justredis.Set(wrong[0], wrong[1])); !errors.Is(err, justredis.ErrConfig) {
			t.Error(wrong, err)
		}
	}
}

func TestAThousandInFlight(t *testing.T) {
	shows(t, "many in flight")
	client := empty(t)
	futures := make([]*justredis.Future, 1000)
	for i := range futures {
		futures[i] = client.Start(bounded(t), "INCR", "n")
	}
	for i, future := range futures {
		reply, err := future.Wait()
		if number, _ := reply.Int(); err != nil || number != int64(i+1) {
			t.Fatal(i, reply, err)
		}
		<-future.Done()
	}
}

func TestAPipeline(t *testing.T) {
	shows(t, "pipeline")
	client := empty(t)
	ctx := bounded(t)
	replies, err := client.Pipeline().Add("SET", "a", 1).Add("LPUSH", "a", "x").Add("GET", "a").Exec(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reads(t, replies[0], "OK")
	if err := replies[1].Err(); !errors.Is(err, justredis.ErrServer) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Error(err)
	}
	is(t, replies[2].Text(), "1")
	long := client.Pipeline()
	for i := range 1000 {
		long.Add("APPEND", "b", i%10)
	}
	replies, err = long.Exec(ctx)
	is(t, err, nil)
	is(t, len(replies), 1000)
	reads(t, replies[999], "1000")
	for _, one := range []struct {
		words    []any
		expected string
	}{
		{[]any{"GET", "none"}, "[nil]"}, {[]any{"LRANGE", "none", 0, 1}, "[[]]"}, {[]any{"LPUSH", "a", 1}, "[error"},
	} {
		replies, err := client.Pipeline().Add(one.words...).Exec(ctx)
		if found := fmt.Sprint(replies); err != nil || !strings.HasPrefix(found, one.expected) {
			t.Error(found, err)
		}
	}
	if replies, err := client.Pipeline().Exec(ctx); len(replies) != 0 || err != nil {
		t.Error(replies, err)
	}
	if _, err := client.Pipeline().Add("GET", "a").Add("GET", true).Exec(ctx); !errors.Is(err, justredis.ErrArgument) {
		t.Error(err)
	}
}

func TestATransaction(t *testing.T) {
	shows(t, "transaction")
	client := empty(t)
	ctx := bounded(t)
	replies, err := client.Tx().Add("SET", "a", 1).Add("INCR", "a").Exec(ctx)
	is(t, err, nil)
	reads(t, replies[1], "2")
	if _, err := client.Tx().Add("SET", "a", 9).Add("GET").Exec(ctx); !errors.Is(err, justredis.ErrServer) {
		t.Error(err)
	}
	is(t, do(t, client, "GET", "a").Text(), "2")
	replies, err = client.Tx().Add("LRANGE", "none", 0, 1).Exec(ctx)
	if err != nil || fmt.Sprint(replies) != "[[]]" {
		t.Error(replies, err)
	}
}

func TestAWatchedTransaction(t *testing.T) {
	shows(t, "watch")
	client := empty(t)
	ctx := bounded(t)
	write := func(value int, meanwhile func()) error {
		return client.Watch(ctx, func(lease *justredis.Lease) error {
			meanwhile()
			_, err := lease.Tx().Add("SET", "n", value).Exec(ctx)
			return err
		}, "n")
	}
	is(t, write(1, func() {}), nil)
	is(t, write(2, func() { do(t, client, "SET", "n", 5) }), justredis.ErrConflict)
	is(t, do(t, client, "GET", "n").Text(), "5")

	lease, err := client.Lease("n")
	is(t, err, nil)
	reads(t, do(t, lease, "SELECT", 1), "OK")
	reads(t, do(t, lease, "GET", "n"), "nil")
	lease.Close()
	lease.Close()
	if _, err := lease.Do(ctx, "PING"); !errors.Is(err, justredis.ErrClosed) {
		t.Error(err)
	}
}

func TestBlockingCommandsBlockNobody(t *testing.T) {
	shows(t, "blocking")
	client := empty(t)
	var waiting [3]*justredis.Future
	for i := range waiting {
		waiting[i] = client.Start(bounded(t), "BLPOP", fmt.Sprint("queue:", i), 0)
	}
	for i := 2; i >= 0; i-- {
		do(t, client, "RPUSH", fmt.Sprint("queue:", i), i)
		reply, err := waiting[i].Wait()
		is(t, err, nil)
		reads(t, reply, fmt.Sprintf(`["queue:%d", "%d"]`, i, i))
	}
}
