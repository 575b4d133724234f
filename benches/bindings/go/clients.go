package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"justredis"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// client is one that is measured: make connects it, and gives its operations by name.
type client struct {
	name string
	make func(address string) map[string]func(ctx context.Context) error
}

var clients = []client{{"justredis", makeJustredis}, {"go-redis", makeGoRedis}, {"rueidis", makeRueidis}}

const pipeline = 128

// slower says by what to divide the number of operations, so that all take about as long.
func (c client) slower(work work) int {
	if work.goroutines > 1 && c.name == "go-redis" {
		return 8
	}
	return 1
}

func makeJustredis(address string) map[string]func(ctx context.Context) error {
	client, err := justredis.Open("redis://" + address)
	check(err)
	return map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error {
			text, err := justredis.Get[string](ctx, client, "GET", "key")
			return verify(len(text), 32, err)
		},
		"lrange": func(ctx context.Context) error {
			items, err := justredis.Get[[]string](ctx, client, "LRANGE", "list", 0, -1)
			return verify(len(items), 100, err)
		},
		"pipeline": func(ctx context.Context) error {
			batch := client.Pipeline()
			for range pipeline {
				batch.Add("GET", "key")
			}
			replies, err := batch.Exec(ctx)
			return verify(len(replies), pipeline, err)
		},
	}
}

func makeGoRedis(address string) map[string]func(ctx context.Context) error {
	client := goredis.NewClient(&goredis.Options{Addr: address, PoolSize: 64})
	return map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error {
			text, err := client.Get(ctx, "key").Result()
			return verify(len(text), 32, err)
		},
		"lrange": func(ctx context.Context) error {
			items, err := client.LRange(ctx, "list", 0, -1).Result()
			return verify(len(items), 100, err)
		},
		"pipeline": func(ctx context.Context) error {
			batch := client.Pipeline()
			for range pipeline {
				batch.Get(ctx, "key")
			}
			replies, err := batch.Exec(ctx)
			return verify(len(replies), pipeline, err)
		},
	}
}

func makeRueidis(address string) map[string]func(ctx context.Context) error {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true})
	check(err)
	return map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error {
			text, err := client.Do(ctx, client.B().Get().Key("key").Build()).ToString()
			return verify(len(text), 32, err)
		},
		"lrange": func(ctx context.Context) error {
			items, err := client.Do(ctx, client.B().Lrange().Key("list").Start(0).Stop(-1).Build()).AsStrSlice()
			return verify(len(items), 100, err)
		},
		"pipeline": func(ctx context.Context) error {
			batch := make(rueidis.Commands, pipeline)
			for i := range batch {
				batch[i] = client.B().Get().Key("key").Build()
			}
			replies := client.DoMulti(ctx, batch...)
			return verify(len(replies), pipeline, replies[0].Error())
		},
	}
}

func verify(found, expected int, err error) error {
	if err == nil && found != expected {
		err = fmt.Errorf("%d in place of %d", found, expected)
	}
	return err
}

// perform does one work: client, port, work, goroutines, operations.
func perform(arguments []string) {
	numbers := make([]int, 3)
	for i, text := range []string{arguments[1], arguments[3], arguments[4]} {
		numbers[i], _ = strconv.Atoi(text)
	}
	port, goroutines, count := numbers[0], numbers[1], numbers[2]
	name, bounded, each := arguments[2], false, 1
	switch name {
	case "deadline":
		name, bounded = "get", true
	case "pipeline":
		each = pipeline
	}
	for _, client := range clients {
		if client.name != arguments[0] {
			continue
		}
		operation := client.make(fmt.Sprintf("127.0.0.1:%d", port))[name]
		var group sync.WaitGroup
		crew := func(turns int) {
			for range goroutines {
				group.Add(1)
				go func() {
					defer group.Done()
					for range turns {
						ctx, cancel := context.Background(), func() {}
						if bounded {
							ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
						}
						check(operation(ctx))
						cancel()
					}
				}()
			}
			group.Wait()
		}
		crew(10) // connects
		turns := count / goroutines / each
		started, before := time.Now(), cpu()
		crew(turns)
		check(json.NewEncoder(os.Stdout).Encode(done{
			Count: turns * goroutines * each, Seconds: time.Since(started).Seconds(), CPU: cpu() - before,
		}))
	}
}

// cpu gives the seconds that this process has used.
func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
