package justredis_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"justredis"
)

// What tests/bindings/capabilities.toml lists: servers, and ways to them.

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
