package justredis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"justredis"
)

// What tests/bindings/capabilities.toml lists.

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

func TestChannelsAndPatterns(t *testing.T) {
	shows(t, "pub/sub")
	client := empty(t)
	ctx := bounded(t)
	subscription, err := client.Subscribe(ctx, "a", "a")
	is(t, err, nil)
	next := func() string {
		t.Helper()
		m, err := subscription.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(fmt.Sprintln(m.Kind, m.Channel, m.Pattern, m.Payload, m.Channels))
	}
	is(t, next(), "subscribe a   1")
	is(t, subscription.Subscribe(ctx, "b", "b"), nil)
	is(t, next(), "subscribe b   2")
	is(t, subscription.PSubscribe(ctx, "p*"), nil)
	is(t, next(), "psubscribe p*   3")
	for _, channel := range []string{"a", "b", "pq", "none"} {
		do(t, client, "PUBLISH", channel, "text")
	}
	is(t, next(), "message a  text 0")
	is(t, next(), "message b  text 0")
	is(t, next(), "pmessage pq p* text 0")
	is(t, subscription.Ping(ctx, "are you there"), nil)
	is(t, next(), "pong   are you there 0")
	is(t, subscription.Unsubscribe(ctx, "a"), nil)
	is(t, next(), "unsubscribe a   2")
	do(t, client, "PUBLISH", "a", "nobody")
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if m, err := subscription.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(m, err)
	}
	is(t, subscription.Unsubscribe(ctx), nil)
	is(t, next(), "unsubscribe b   1")
	is(t, subscription.PUnsubscribe(ctx), nil)
	is(t, next(), "punsubscribe p*   0")
	is(t, subscription.Subscribe(ctx, "again"), nil)
	is(t, next(), "subscribe again   1")
	subscription.Close()
	subscription.Close()
	if m, err := subscription.Next(ctx); !errors.Is(err, justredis.ErrClosed) {
		t.Fatal(m, err)
	}
	if _, err := client.PSubscribe(ctx); !errors.Is(err, justredis.ErrArgument) {
		t.Error(err)
	}
	// Of nothing at first.
	empty, err := client.Subscribe(ctx)
	is(t, err, nil)
	defer empty.Close()
	is(t, empty.PSubscribe(ctx, "p*"), nil)
	first, err := empty.Next(ctx)
	is(t, err, nil)
	is(t, fmt.Sprintf("%s %s %d", first.Kind, first.Channel, first.Channels), "psubscribe p* 1")
}

func TestMessagesAsAnIteratorAndAsAChannel(t *testing.T) {
	shows(t, "pub/sub")
	client := empty(t)
	ctx := bounded(t)
	publish := func() {
		for _, one := range [][2]string{{"a", "1"}, {"pq", "2"}, {"a", "end"}} {
			do(t, client, "PUBLISH", one[0], one[1])
		}
	}
	subscribe := func() *justredis.Subscription {
		subscription, err := client.Subscribe(ctx, "a")
		is(t, err, nil)
		is(t, subscription.PSubscribe(ctx, "p*"), nil)
		publish()
		return subscription
	}
	var seen []string
	note := func(m justredis.Message) bool {
		seen = append(seen, m.Channel+m.Pattern+m.Payload)
		return m.Payload != "end"
	}
	subscription := subscribe()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		is(t, err, nil)
		return note(m)
	})
	is(t, fmt.Sprint(seen), "[a1 pqp*2 aend]")
	subscription.Close()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		t.Error(m, err, "after the end")
		return false
	})

	seen = nil
	subscription = subscribe()
	for m := range subscription.Channel() {
		if !note(m) {
			subscription.Close()
		}
	}
	is(t, fmt.Sprint(seen), "[a1 pqp*2 aend]")
	is(t, subscription.Err(), nil)
}

func TestMonitor(t *testing.T) {
	client := empty(t)
	ctx := bounded(t)
	stream, err := client.Stream("MONITOR")
	is(t, err, nil)
	defer stream.Close()
	first, err := stream.Next(ctx)
	is(t, err, nil)
	reads(t, first.Reply, "OK")
	do(t, client, "ECHO", "watched")
	until(t, "MONITOR tells", func() bool {
		item, err := stream.Next(ctx)
		is(t, err, nil)
		return strings.Contains(item.Reply.Text(), `"ECHO" "watched"`)
	})
}

// Each loss is told before the next message: what comes between two tellings has no holes.
func TestAKilledSubscriberIsTold(t *testing.T) {
	shows(t, "gaps")
	client := empty(t)
	ctx := bounded(t)
	subscription, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	if _, err := subscription.Next(ctx); err != nil {
		t.Fatal(err)
	}
	last, sent := -1, 0
	for range 5 {
		for range 20 {
			do(t, client, "PUBLISH", "channel", sent)
			sent++
		}
		do(t, client, "CLIENT", "KILL", "TYPE", "pubsub")
		for {
			message, err := subscription.Next(ctx)
			is(t, err, nil)
			if message.Gap {
				is(t, message.Kind, "subscribe")
				break
			}
			is(t, message.Payload, fmt.Sprint(last+1))
			last++
		}
		last = sent - 1
	}
	// Whoever reads messages only finds it at the next one.
	do(t, client, "CLIENT", "KILL", "TYPE", "pubsub")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				client.Do(ctx, "PUBLISH", "channel", "after")
			}
		}
	}()
	subscription.All(ctx)(func(m justredis.Message, err error) bool {
		is(t, err, nil)
		return !m.Gap
	})
}

func TestAScriptByItsDigest(t *testing.T) {
	shows(t, "script")
	client := empty(t)
	ctx := bounded(t)
	script := justredis.NewScript("return {KEYS[1], ARGV[1]}")
	run := func(argument string) {
		t.Helper()
		reply, err := script.Run(ctx, client, []string{"k"}, argument)
		is(t, err, nil)
		reads(t, reply, fmt.Sprintf(`["k", %q]`, argument))
	}
	for range 3 {
		run("a")
	}
	do(t, client, "SCRIPT", "FLUSH")
	run("b")
	if statistics := do(t, client, "INFO", "commandstats").Text(); !strings.Contains(statistics, "cmdstat_evalsha:") {
		t.Error(statistics)
	}
}

func TestDatabases(t *testing.T) {
	shows(t, "databases")
	client := empty(t)
	third, err := client.Database(3)
	is(t, err, nil)
	zero, err := client.Database(0)
	is(t, err, nil)
	do(t, client, "SET", "key", "zero")
	do(t, third, "SET", "key", "three")
	is(t, do(t, zero, "GET", "key").Text(), "zero")
	is(t, do(t, third, "GET", "key").Text(), "three")
	if _, err := client.Database(-1); !errors.Is(err, justredis.ErrArgument) {
		t.Error(err)
	}
}

func TestCachedReads(t *testing.T) {
	shows(t, "cache")
	client := empty(t, justredis.Set("cache_bytes", "1MiB"))
	cached := client.With(justredis.Cached())
	do(t, client, "SET", "key", "old")
	for range 10 {
		is(t, do(t, cached, "GET", "key").Text(), "old")
	}
	statistics, err := client.Stats()
	is(t, err, nil)
	if hits, _ := statistics.Lookup("cache_hits").Int(); hits < 9 {
		t.Error(statistics)
	}
	ask(oneServer.get(t).port, "SET", "key", "new")
	until(t, "the change is seen", func() bool { return do(t, cached, "GET", "key").Text() == "new" })
}

func TestACluster(t *testing.T) {
	shows(t, "cluster")
	client := open(t, clusterURL(t))
	ctx := bounded(t)
	primaries := client.With(justredis.Route("primaries"))
	do(t, primaries, "FLUSHALL")
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint("key:", i))
		do(t, client, "SET", keys[i], i)
	}
	sizes, err := justredis.Get[map[string]int](ctx, primaries, "DBSIZE")
	is(t, err, nil)
	sum := 0
	for _, node := range cluster.get(t) {
		size := sizes[address(node.port)]
		if size == 0 {
			t.Error("nothing at", node.port, sizes)
		}
		sum += size
	}
	is(t, sum, 100)
	values, err := justredis.Get[[]int](ctx, client, "MGET", keys)
	is(t, err, nil)
	for i, value := range values {
		is(t, value, i)
	}
	where, err := client.Locate("key:1")
	is(t, err, nil)
	if _, known := sizes[where.Lookup("primary").Text()]; !known {
		t.Error(where)
	}
	subscription, err := client.SSubscribe(ctx, "one", "two")
	is(t, err, nil)
	do(t, client, "SPUBLISH", "two", "text")
	message := <-subscription.Channel()
	is(t, message.Kind+message.Channel+message.Payload, "smessagetwotext")
}

func TestSentinels(t *testing.T) {
	shows(t, "sentinel")
	servers := watched.get(t)
	client := open(t, servers.url())
	is(t, do(t, client, "ROLE").Index(0).Text(), "master")
	statistics, err := client.Stats()
	is(t, err, nil)
	is(t, statistics.Lookup("sentinels").Len(), 3)
	is(t, statistics.Lookup("nodes").Index(0).Lookup("address").Text(), address(servers.primary.port))
}

func TestAReplicaAnswers(t *testing.T) {
	shows(t, "replica reads")
	servers := watched.get(t)
	client := open(t, servers.url())
	do(t, client, "SET", "key", "value")
	reads := client.With(justredis.Replica())
	until(t, "a replica answers", func() bool {
		return do(t, reads, "GET", "key").Text() == "value" &&
			strings.Contains(ask(servers.replica.port, "INFO", "commandstats"), "cmdstat_get:")
	})
	always := open(t, servers.url(), justredis.Set("read_from", "replica"))
	is(t, do(t, always, "GET", "key").Text(), "value")
}

func TestTLS(t *testing.T) {
	shows(t, "TLS")
	folder, server := certificates.get(t), tls.get(t)
	url := fmt.Sprintf("rediss://localhost:%d", server.tlsPort)
	client := open(t, url, justredis.Set("tls_ca", filepath.Join(folder, "ca.pem")))
	reads(t, do(t, client, "PING"), "PONG")
	stranger := open(t, url, justredis.Set("tls_ca", filepath.Join(folder, "other-ca.pem")))
	_, err := stranger.Do(bounded(t), "PING")
	if !errors.Is(err, justredis.ErrTLS) || !strings.Contains(err.Error(), "none of the authorities in tls_ca") {
		t.Error(err)
	}
}

func TestAUnixSocket(t *testing.T) {
	shows(t, "unix socket")
	client := open(t, "unix://"+oneServer.get(t).socket())
	reads(t, do(t, client, "PING"), "PONG")
}

func TestCredentials(t *testing.T) {
	shows(t, "credentials")
	server := newServer(t, "")
	t.Cleanup(server.end)
	ask(server.port, "CONFIG", "SET", "requirepass", "first")
	ctx := bounded(t)
	client := open(t, server.url(), justredis.Set("password", "first"))
	do(t, client, "ACL", "SETUSER", "other", "on", ">second", "~*", "+@all")
	is(t, client.SetCredentials("other", "second"), nil)
	until(t, "the other user", func() bool { return do(t, client, "ACL", "WHOAMI").Text() == "other" })

	wrong := open(t, server.url(), justredis.Set("password", "wrong"))
	if _, err := wrong.Do(ctx, "PING"); !errors.Is(err, justredis.ErrAuth) {
		t.Error(err)
	}
	var queries []justredis.CredentialsQuery
	asked := open(t, server.url(), justredis.WithCredentials(
		func(ctx context.Context, query justredis.CredentialsQuery) (justredis.Credentials, error) {
			queries = append(queries, query)
			_, bounded := ctx.Deadline()
			is(t, bounded, true)
			return justredis.Credentials{User: "other", Password: "second", Valid: time.Hour}, nil
		}))
	is(t, do(t, asked, "ACL", "WHOAMI").Text(), "other")
	asked.Close()
	is(t, fmt.Sprint(queries), fmt.Sprintf("[{%s false false false}]", address(server.port)))
	for _, refuse := range []func() error{func() error { return justredis.ErrAuth }, func() error { panic("no") }} {
		refused := open(t, server.url(), justredis.WithCredentials(
			func(context.Context, justredis.CredentialsQuery) (justredis.Credentials, error) {
				return justredis.Credentials{}, refuse()
			}), justredis.Set("command_timeout", "200ms"))
		if _, err := refused.Do(ctx, "PING"); err == nil {
			t.Error("it worked")
		}
	}
}

func TestAContextThatIsCanceled(t *testing.T) {
	shows(t, "cancel")
	client := empty(t)
	reason := errors.New("enough")
	for name, wait := range map[string]func(ctx context.Context) error{
		"Do": func(ctx context.Context) error { return failure(client.Do(ctx, "BLPOP", "nothing", 0)) },
		"Start": func(ctx context.Context) error {
			return failure(client.Start(ctx, "BLPOP", "nothing", 0).Wait())
		},
		"beside another": func(ctx context.Context) error {
			other := client.Start(bounded(t), "BLPOP", "another", 0)
			err := failure(client.Do(ctx, "BLPOP", "nothing", 0))
			do(t, client, "RPUSH", "another", 1)
			is(t, failure(other.Wait()), nil)
			return err
		},
	} {
		ctx, cancel := context.WithCancelCause(bounded(t))
		ended := make(chan error)
		go func() { ended <- wait(ctx) }()
		until(t, "it waits at the server", func() bool {
			return strings.Contains(do(t, client, "CLIENT", "LIST").Text(), "cmd=blpop")
		})
		cancel(reason)
		err := <-ended
		var failed *justredis.Error
		if !errors.As(err, &failed) || !errors.Is(err, reason) || !errors.Is(err, justredis.ErrCanceled) {
			t.Fatal(name, err)
		}
		is(t, failed.Outcome, justredis.NotRun)
		// It does not wait there any more: nobody takes this.
		is(t, do(t, client, "RPUSH", "nothing", "kept").String(), "1")
		is(t, do(t, client, "LLEN", "nothing").String(), "1")
		do(t, client, "DEL", "nothing")
	}
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	_, err := client.Do(ctx, "PING")
	is(t, errors.Is(err, context.Canceled), true)
	_, err = client.Start(ctx, "PING").Wait()
	is(t, errors.Is(err, context.Canceled), true)
	// One that is canceled at any moment disturbs nobody.
	for i := range 300 {
		ctx, cancel := context.WithCancel(bounded(t))
		go cancel()
		if reply, err := client.Do(ctx, "ECHO", i); err == nil {
			is(t, reply.Text(), fmt.Sprint(i))
		} else {
			is(t, errors.Is(err, context.Canceled), true)
		}
	}
}

func TestADeadline(t *testing.T) {
	shows(t, "timeout")
	client := empty(t)
	check := func(err error) {
		t.Helper()
		var failed *justredis.Error
		if !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) ||
			!errors.Is(err, justredis.ErrTimeout) || !failed.Timeout() {
			t.Fatal(err)
		}
		is(t, failed.Outcome, justredis.NotRun)
	}
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	_, err := client.Do(ctx, "BLPOP", "nothing", 0)
	check(err)
	_, err = client.Do(ctx, "PING")
	check(err)
	quick := client.With(justredis.Timeout(20 * time.Millisecond))
	do(t, client, "CLIENT", "PAUSE", 200)
	_, err = quick.Do(context.Background(), "PING")
	is(t, errors.Is(err, context.DeadlineExceeded), true)
	reads(t, do(t, client.With(justredis.Timeout(-1)), "PING"), "PONG")
}

func TestReconnecting(t *testing.T) {
	shows(t, "reconnect")
	server := newServer(t, "")
	t.Cleanup(server.end)
	client := open(t, server.url())
	do(t, client, "SET", "key", "value")
	ask(server.port, "CLIENT", "KILL", "TYPE", "normal")
	is(t, do(t, client, "GET", "key").Text(), "value")
	server.stop()
	future := client.Start(bounded(t), "PING")
	until(t, "it starts again", server.start)
	reply, err := future.Wait()
	is(t, err, nil)
	reads(t, reply, "PONG")
}

func TestStatistics(t *testing.T) {
	shows(t, "statistics")
	client := empty(t)
	do(t, client, "PING")
	statistics, err := client.Stats()
	is(t, err, nil)
	is(t, statistics.Lookup("nodes").Index(0).Lookup("address").Text(), address(oneServer.get(t).port))
	is(t, statistics.Lookup("links").Index(0).Lookup("purpose").Text(), "commands")
	reads(t, statistics.Lookup("requests"), "0")
}

func TestTheProgramDials(t *testing.T) {
	shows(t, "dialer")
	server := oneServer.get(t)
	var dialer net.Dialer
	real := func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address(server.port))
	}
	for name, dial := range map[string]func(ctx context.Context) (net.Conn, error){
		"a socket": real,
		"another kind of connection": func(ctx context.Context) (net.Conn, error) {
			connection, err := real(ctx)
			return struct{ net.Conn }{connection}, err
		},
	} {
		var dialed atomic.Value
		client := open(t, "redis://nowhere.invalid:1", justredis.WithDialer(
			func(ctx context.Context, address string) (net.Conn, error) {
				dialed.Store(address)
				return dial(ctx)
			}))
		large := strings.Repeat("large", 1<<18)
		do(t, client, "SET", "large", large)
		is(t, do(t, client, "GET", "large").Text() == large, true)
		is(t, dialed.Load(), any("nowhere.invalid:1"))
		if err := client.Close(); err != nil {
			t.Error(name, err)
		}
	}
	for _, one := range []struct {
		err      error
		expected string
	}{{&net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "refused"},
		{context.DeadlineExceeded, "timed out"}} {
		client := open(t, "", justredis.WithDialer(
			func(context.Context, string) (net.Conn, error) { return nil, one.err }))
		_, err := client.Do(bounded(t), "PING")
		if err == nil || !strings.Contains(err.Error(), one.expected) {
			t.Error(err)
		}
	}
}

func TestGoroutinesShareOneClient(t *testing.T) {
	shows(t, "threads")
	client := empty(t)
	ctx := bounded(t)
	var group sync.WaitGroup
	for i := range 64 {
		group.Add(1)
		go func() {
			defer group.Done()
			key := fmt.Sprint("key:", i)
			for j := range 300 {
				do(t, client, "INCR", "sum")
				reply, err := client.Do(ctx, "APPEND", key, "x")
				if length, _ := reply.Int(); err != nil || length != int64(j+1) {
					t.Error(reply, err)
					return
				}
				// Long ones, between the others.
				if j%50 == 0 {
					text := strings.Repeat(key, 5000)
					if reply, err := client.Do(ctx, "ECHO", text); err != nil || reply.Text() != text {
						t.Error("another text", err)
					}
				}
				if j%20 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	group.Wait()
	reads(t, do(t, client, "GET", "sum"), fmt.Sprintf("%q", fmt.Sprint(64*300)))
	statistics, err := client.Stats()
	is(t, err, nil)
	is(t, statistics.Lookup("links").Len(), 1)
}

func init() {
	processes["signal"] = func() {
		client, err := justredis.Open(os.Getenv("JR_URL"))
		if err != nil {
			panic(err)
		}
		defer client.Close()
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		fmt.Println("waits")
		_, err = client.Do(ctx, "BLPOP", "nothing", 0)
		fmt.Println(errors.Is(err, context.Canceled), failureOf(err).Outcome)
	}
}

func failureOf(err error) (failed *justredis.Error) {
	errors.As(err, &failed)
	return failed
}

func TestControlCEndsAWait(t *testing.T) {
	shows(t, "signals")
	client := empty(t)
	process, output := startProcess(t, "signal", oneServer.get(t).url())
	line, _ := output.ReadString('\n')
	is(t, line, "waits\n")
	until(t, "it waits at the server", func() bool {
		return strings.Contains(do(t, client, "CLIENT", "LIST").Text(), "cmd=blpop")
	})
	process.Process.Signal(os.Interrupt)
	line, _ = output.ReadString('\n')
	is(t, line, "true not run\n")
}

func TestClosing(t *testing.T) {
	shows(t, "close")
	ask(oneServer.get(t).port, "FLUSHALL")
	before := descriptorsAndThreads(t)
	var log bytes.Buffer
	var locked sync.Mutex
	client := open(t, oneServer.get(t).url(), justredis.WithLogger(slog.New(slog.NewTextHandler(
		writer(func(text []byte) (int, error) {
			locked.Lock()
			defer locked.Unlock()
			return log.Write(text)
		}), nil))))
	ctx := bounded(t)
	do(t, client, "SET", "key", "value")
	view, err := client.Database(2)
	is(t, err, nil)
	do(t, view, "PING")
	lease, err := client.Lease("")
	is(t, err, nil)
	do(t, lease, "PING")
	first, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	second, err := client.Subscribe(ctx, "channel")
	is(t, err, nil)
	messages := second.Channel()
	events, err := client.Events()
	is(t, err, nil)
	blocked := client.Start(ctx, "BLPOP", "queue", 0)
	var replies []*justredis.Future
	for range 100 {
		replies = append(replies, client.Start(ctx, "GET", "key"))
	}
	is(t, client.Close(), nil)
	for _, future := range replies {
		reply, err := future.Wait()
		is(t, err, nil)
		is(t, reply.Text(), "value")
	}
	for name, err := range map[string]error{
		"blocked": failure(blocked.Wait()), "closed": failure(client.Do(ctx, "GET", "key")),
		"view": failure(view.Do(ctx, "PING")), "lease": failure(lease.Do(ctx, "PING")),
		"events": failure(events.Next(ctx)), "Database": failure(client.Database(5)), "Send": client.Send("PING"),
		"Lease": failure(client.Lease("")), "Subscribe": failure(client.Subscribe(ctx, "a")),
		"Stats": failure(client.Stats()), "Pipeline": failure(client.Pipeline().Add("PING").Exec(ctx)),
		"BLPOP": failure(client.Do(ctx, "BLPOP", "queue", 0)), "Start": failure(client.Start(ctx, "PING").Wait()),
	} {
		if !errors.Is(err, justredis.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for {
		if _, err = first.Next(ctx); err != nil {
			break
		}
	}
	is(t, errors.Is(err, justredis.ErrClosed), true)
	for range messages {
	}
	is(t, client.Close(), nil)
	lease.Close()
	first.Close()
	leaves(t, before)
}

func TestShutdown(t *testing.T) {
	shows(t, "close")
	server := newServer(t, "")
	t.Cleanup(server.end)
	for _, canceled := range []bool{false, true} {
		client := open(t, server.url())
		do(t, client, "CLIENT", "PAUSE", 60000, "WRITE")
		future := client.Start(bounded(t), "SET", "key", "value")
		ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
		if canceled {
			ctx, cancel = context.WithCancel(bounded(t))
			time.AfterFunc(50*time.Millisecond, cancel)
		}
		defer cancel()
		err := client.Shutdown(ctx)
		is(t, errors.Is(err, justredis.ErrTimeout), true)
		_, err = future.Wait()
		is(t, errors.Is(err, justredis.ErrClosed), true)
		ask(server.port, "CLIENT", "UNPAUSE")
	}
}

type writer func(text []byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// leaves waits until there is no more than there was before. (A little of an earlier test may have been there then.)
func leaves(t testing.TB, before [3]int) {
	t.Helper()
	until(t, "all is gone", func() bool {
		now := descriptorsAndThreads(t)
		return now[0] <= before[0] && now[1] <= before[1] && now[2] <= before[2]
	})
}

// descriptorsAndThreads counts descriptors, threads of the library, and goroutines.
func descriptorsAndThreads(t testing.TB) [3]int {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		t.Fatal(err)
	}
	threads := 0
	for _, task := range tasks {
		if name, _ := os.ReadFile(task); strings.HasPrefix(string(name), "justredis") {
			threads++
		}
	}
	return [3]int{len(descriptors), threads, runtime.NumGoroutine()}
}
