package justredis_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"justredis"
)

// What tests/bindings/capabilities.toml wants everywhere, in each of the topologies that the file named by
// JR_TOPOLOGIES lists. The servers are not this test's own: it has keys and channels that nobody else has, and leaves
// everything else as it is.

// place is a topology that runs, for one test.
type place struct {
	url string
	// What keys, channels and clients of the test begin with.
	prefix string
}

var everywhere = []struct {
	capability string
	check      func(t *testing.T, p place)
}{
	{"command", wordsOfAnyBytes},
	{"many in flight", aThousandInFlight},
	{"pipeline", aPipelineOverAllNodes},
	{"transaction", transactions},
	{"watch", watchedTransactions},
	{"blocking", blockingCommands},
	{"pub/sub", channelsAndPatterns},
	{"script", scriptsByTheirDigests},
	{"cache", cachedReads},
	{"cancel", canceledContexts},
	{"timeout", deadlines},
	{"threads", goroutinesThatShareAClient},
}

func TestEverywhere(t *testing.T) {
	path := os.Getenv("JR_TOPOLOGIES")
	if path == "" {
		t.Fatal("JR_TOPOLOGIES is not set: bindings/go/test starts the servers")
	}
	text, err := os.ReadFile(path)
	is(t, err, nil)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		topology, url, found := strings.Cut(line, "\t")
		is(t, found, true)
		t.Run(topology, func(t *testing.T) {
			for _, one := range everywhere {
				t.Run(one.capability, func(t *testing.T) {
					shows(t, one.capability, topology)
					one.check(t, place{url, fmt.Sprintf("go:%016x", rand.Uint64())})
				})
			}
		})
	}
}

func (p place) open(t *testing.T, options ...justredis.Option) *justredis.Client {
	t.Helper()
	return open(t, p.url, options...)
}

// keys are in slots of all nodes.
func (p place) keys(count int) []string {
	keys := make([]string, count)
	for i := range keys {
		keys[i] = fmt.Sprint(p.prefix, ":", i)
	}
	return keys
}

// beside gives a key in the slot of another.
func beside(key, name string) string { return "{" + key + "}" + name }

// onPrimaries runs a command on every primary, and gives the answer of each.
func onPrimaries(t *testing.T, client *justredis.Client, args ...any) map[string]justredis.Reply {
	t.Helper()
	answers := map[string]justredis.Reply{}
	do(t, client.With(justredis.Route("primaries")), args...).Pairs()(func(address, answer justredis.Reply) bool {
		if err := answer.Err(); err != nil {
			t.Fatal(args, address, err)
		}
		answers[address.Text()] = answer
		return true
	})
	is(t, len(answers) > 0, true)
	return answers
}

// isFailure checks what kind of error one is, and that the server has not run the request.
func isFailure(t *testing.T, err error, kinds ...error) {
	t.Helper()
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Fatalf("%v is not %v", err, kind)
		}
	}
	is(t, failureOf(err).Outcome, justredis.NotRun)
}

func wordsOfAnyBytes(t *testing.T, p place) {
	client := p.open(t)
	keys := p.keys(40)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = bytes.Repeat(slices.Concat(all[i:], all[:i]), i+1)
		reads(t, do(t, client, "SET", key, values[i]), "OK")
	}
	for i, key := range keys {
		is(t, bytes.Equal(do(t, client, "GET", key).Bytes(), values[i]), true)
	}
	found, err := justredis.Get[[][]byte](bounded(t), client, "MGET", keys)
	is(t, err, nil)
	is(t, slices.EqualFunc(found, values, bytes.Equal), true)
	for _, key := range keys {
		hash, list := beside(key, "hash"), beside(key, "list")
		reads(t, do(t, client, "HSET", hash, "field", "value"), "1")
		reads(t, do(t, client, "HGETALL", hash), `{"field": "value"}`)
		reads(t, do(t, client, "RPUSH", list, "", "\r\n\x00", 7), "3")
		reads(t, do(t, client, "LRANGE", list, 0, -1), `["", "\r\n\x00", "7"]`)
		reads(t, do(t, client, "GET", beside(key, "none")), "nil")
	}
}

func aThousandInFlight(t *testing.T, p place) {
	client := p.open(t)
	ctx := bounded(t)
	keys := p.keys(40)
	// A client that does not know yet where the keys are is sent on, and that changes the order.
	for _, key := range keys {
		reads(t, do(t, client, "INCR", key), "1")
	}
	futures := make([]*justredis.Future, 1000)
	for i := range futures {
		futures[i] = client.Start(ctx, "INCR", keys[i%40])
	}
	for i, future := range futures {
		reply, err := future.Wait()
		is(t, err, nil)
		reads(t, reply, fmt.Sprint(i/40+2))
	}
}

func aPipelineOverAllNodes(t *testing.T, p place) {
	client := p.open(t)
	keys := p.keys(40)
	const wrong = 41 // the place of the error
	pipeline := client.Pipeline()
	for i, key := range keys {
		pipeline.Add("APPEND", key, "a")
		if i == wrong/2 {
			pipeline.Add("LPUSH", key, "x")
		}
		pipeline.Add("APPEND", key, "b")
	}
	replies, err := pipeline.Exec(bounded(t))
	is(t, err, nil)
	is(t, len(replies), 81)
	if err := replies[wrong].Err(); !errors.Is(err, justredis.ErrServer) || failureOf(err).Code != "WRONGTYPE" {
		t.Fatal(err)
	}
	for i, reply := range slices.Delete(replies, wrong, wrong+1) {
		reads(t, reply, fmt.Sprint(i%2+1))
	}
	for _, key := range keys {
		is(t, do(t, client, "GET", key).Text(), "ab")
	}
}

func transactions(t *testing.T, p place) {
	client := p.open(t)
	ctx := bounded(t)
	for _, key := range p.keys(40) {
		number, list := beside(key, "number"), beside(key, "list")
		replies, err := client.Tx().Add("SET", number, 1).Add("INCR", number).Add("RPUSH", list, "x").Exec(ctx)
		is(t, err, nil)
		is(t, fmt.Sprint(replies), "[OK 2 1]")
		// Or not at all.
		_, err = client.Tx().Add("SET", number, 9).Add("RPUSH", list).Exec(ctx)
		is(t, errors.Is(err, justredis.ErrServer), true)
		is(t, do(t, client, "GET", number).Text(), "2")
	}
}

func watchedTransactions(t *testing.T, p place) {
	client := p.open(t)
	ctx := bounded(t)
	for _, key := range p.keys(8) {
		addOne := func(meanwhile func()) error {
			return client.Watch(ctx, func(lease *justredis.Lease) error {
				value, err := justredis.Get[int](ctx, lease, "GET", key)
				if err != nil && !errors.Is(err, justredis.ErrNil) {
					return err
				}
				meanwhile()
				_, err = lease.Tx().Add("SET", key, value+1).Exec(ctx)
				return err
			}, key)
		}
		is(t, addOne(func() { do(t, client, "SET", key, 7) }), justredis.ErrConflict)
		is(t, addOne(func() {}), nil)
		is(t, do(t, client, "GET", key).Text(), "8")
	}
}

func channelsAndPatterns(t *testing.T, p place) {
	client, other := p.open(t), p.open(t)
	ctx := bounded(t)
	subscription, err := client.Subscribe(ctx, p.prefix+":news")
	is(t, err, nil)
	defer subscription.Close()
	next := func(expected string) {
		t.Helper()
		m, err := subscription.Next(ctx)
		is(t, err, nil)
		is(t, fmt.Sprint(m.Kind, " ", m.Channel, " ", m.Pattern, " ", m.Payload, " ", m.Channels),
			strings.ReplaceAll(expected, "*", p.prefix+":"))
	}
	next("subscribe *news   1")
	is(t, subscription.PSubscribe(ctx, p.prefix+":n?w?"), nil)
	next("psubscribe *n?w?   2")
	do(t, other, "PUBLISH", p.prefix+":news", "first")
	next("message *news  first 0")
	next("pmessage *news *n?w? first 0")
	is(t, subscription.Ping(ctx, "there"), nil)
	next("pong   there 0")
	is(t, subscription.Unsubscribe(ctx, p.prefix+":news"), nil)
	next("unsubscribe *news   1")
	do(t, other, "PUBLISH", p.prefix+":news", "second")
	next("pmessage *news *n?w? second 0")
	is(t, subscription.PUnsubscribe(ctx), nil)
	next("punsubscribe *n?w?   0")
}

func scriptsByTheirDigests(t *testing.T, p place) {
	client := p.open(t)
	ctx := bounded(t)
	source := "return redis.call('INCRBY', KEYS[1], ARGV[1]) -- " + p.prefix
	script := justredis.NewScript(source)
	sum := 0
	run := func() {
		t.Helper()
		sum += 3
		for _, key := range p.keys(40) {
			reply, err := script.Run(ctx, client, []string{key}, 3)
			is(t, err, nil)
			reads(t, reply, fmt.Sprint(sum))
		}
	}
	before, nodes := digestsSent(t, client)
	run()
	run()
	// Whole once to each server. (Others may use the servers, too.)
	if sent, _ := digestsSent(t, client); sent-before < 80-nodes {
		t.Fatal(sent-before, "commands EVALSHA")
	}
	for address, known := range onPrimaries(t, client, "SCRIPT", "EXISTS", fmt.Sprintf("%x", sha1.Sum([]byte(source)))) {
		is(t, address+known.String(), address+"[1]")
	}
	onPrimaries(t, client, "SCRIPT", "FLUSH")
	run()
}

// digestsSent is how often all primaries were asked for a script by its digest, and how many primaries there are.
func digestsSent(t *testing.T, client *justredis.Client) (sum, nodes int) {
	t.Helper()
	for _, statistics := range onPrimaries(t, client, "INFO", "commandstats") {
		nodes++
		if _, line, found := strings.Cut(statistics.Text(), "cmdstat_evalsha:calls="); found {
			calls := 0
			fmt.Sscan(strings.Split(line, ",")[0], &calls)
			sum += calls
		}
	}
	return sum, nodes
}

func cachedReads(t *testing.T, p place) {
	client, other := p.open(t, justredis.Set("cache_bytes", "1MiB")), p.open(t)
	cached := client.With(justredis.Cached())
	keys := p.keys(40)
	for _, key := range keys {
		do(t, other, "SET", key, "old")
		for range 3 {
			is(t, do(t, cached, "GET", key).Text(), "old")
		}
	}
	statistics, err := client.Stats()
	is(t, err, nil)
	if hits, _ := statistics.Lookup("cache_hits").Int(); hits < int64(len(keys)) {
		t.Error(statistics)
	}
	for _, key := range keys {
		do(t, other, "SET", key, "new")
		until(t, "the change is seen", func() bool { return do(t, cached, "GET", key).Text() == "new" })
	}
}
