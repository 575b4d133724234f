package justredis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"justredis"
)

// What "go doc -http" and the reference show of the main calls. The tests run them against a server of their own, which
// is what JR_URL names there.

func ExampleOpen() {
	// A URL such as "redis://user:password@10.0.0.3:6379/2"; an empty one is redis://127.0.0.1:6379.
	client, err := justredis.Open(os.Getenv("JR_URL"),
		justredis.Set("command_timeout", "2s"),
		justredis.Set("client_name", "example"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	answer, err := client.Do(context.Background(), "PING")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	// Output: PONG
}

func ExampleClient_Do() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	// Commands are written as the server knows them.
	if _, err := client.Do(ctx, "SET", "greeting", "Hello, World!", "EX", 60); err != nil {
		log.Fatal(err)
	}
	reply, err := client.Do(ctx, "GET", "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Text())

	// What the server refuses is an error.
	_, err = client.Do(ctx, "INCR", "greeting")
	fmt.Println(errors.Is(err, justredis.ErrServer), err)
	// Output:
	// Hello, World!
	// true ERR value is not an integer or out of range
}

// A blocking command waits at the server, while others go on with the same client. The context ends the wait.
func ExampleClient_Do_blocking() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	go func() {
		if _, err := client.Do(ctx, "RPUSH", "jobs", "sweep the floor"); err != nil {
			log.Print(err)
		}
	}()
	job, err := client.Do(ctx, "BLPOP", "jobs", 0) // 0: for ever
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Index(1).Text())

	// There is no other job.
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = client.Do(short, "BLPOP", "jobs", 0)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// sweep the floor
	// true
}

func ExampleClient_Start() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	// Both are sent before the first answer is there.
	set := client.Start(ctx, "SET", "colour", "green")
	get := client.Start(ctx, "GET", "colour")
	for _, future := range []*justredis.Future{set, get} {
		reply, err := future.Wait()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.Text())
	}
	// Output:
	// OK
	// green
}

func ExampleGet() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	if _, err := client.Do(ctx, "HSET", "person", "name", "Ann", "age", 30); err != nil {
		log.Fatal(err)
	}
	age, err := justredis.Get[int](ctx, client, "HGET", "person", "age")
	fmt.Println(age, err)
	fields, err := justredis.Get[map[string]string](ctx, client, "HGETALL", "person")
	fmt.Println(fields, err)

	type person struct {
		Name string `redis:"name"`
		Age  int    `redis:"age"`
	}
	ann, err := justredis.Get[person](ctx, client, "HGETALL", "person")
	fmt.Println(ann, err)

	// What is not there is ErrNil, or a nil pointer.
	_, err = justredis.Get[string](ctx, client, "HGET", "person", "street")
	fmt.Println(errors.Is(err, justredis.ErrNil))
	street, err := justredis.Get[*string](ctx, client, "HGET", "person", "street")
	fmt.Println(street, err)
	// Output:
	// 30 <nil>
	// map[age:30 name:Ann] <nil>
	// {Ann 30} <nil>
	// true
	// <nil> <nil>
}

func ExampleClient_Pipeline() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	replies, err := client.Pipeline().
		Add("SET", "visits", 10).
		Add("INCR", "visits").
		Add("LPUSH", "visits", "no list"). // an error disturbs no other
		Add("GET", "visits").
		Exec(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, reply := range replies {
		fmt.Println(reply)
	}
	fmt.Println(replies[2].Err())
	// Output:
	// OK
	// 11
	// error "WRONGTYPE Operation against a key holding the wrong kind of value"
	// "11"
	// WRONGTYPE Operation against a key holding the wrong kind of value
}

func ExampleClient_Tx() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	// In a cluster what stands in braces keeps keys together.
	if _, err := client.Do(ctx, "MSET", "{accounts}:ann", 100, "{accounts}:bob", 100); err != nil {
		log.Fatal(err)
	}
	replies, err := client.Tx().
		Add("DECRBY", "{accounts}:ann", 10).
		Add("INCRBY", "{accounts}:bob", 10).
		Exec(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(replies[0], replies[1])
	// Output: 90 110
}

func ExampleClient_Watch() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	if _, err := client.Do(ctx, "SET", "stock", 5); err != nil {
		log.Fatal(err)
	}
	takeOne := func(lease *justredis.Lease) error {
		stock, err := justredis.Get[int](ctx, lease, "GET", "stock")
		if err != nil {
			return err
		}
		_, err = lease.Tx().Add("SET", "stock", stock-1).Exec(ctx)
		return err
	}
	// Nothing is written if somebody else has changed the key meanwhile.
	for {
		err = client.Watch(ctx, takeOne, "stock")
		if !errors.Is(err, justredis.ErrConflict) {
			break
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	left, err := justredis.Get[int](ctx, client, "GET", "stock")
	fmt.Println(left, err)
	// Output: 4 <nil>
}

func ExampleClient_Subscribe() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	news, err := client.Subscribe(ctx, "news") // the server has confirmed it
	if err != nil {
		log.Fatal(err)
	}
	defer news.Close()
	for _, text := range []string{"rain", "sunshine"} {
		if _, err := client.Do(ctx, "PUBLISH", "news", text); err != nil {
			log.Fatal(err)
		}
	}
	for message := range news.Channel() {
		fmt.Println(message.Channel, message.Payload)
		if message.Payload == "sunshine" {
			break
		}
	}
	// Output:
	// news rain
	// news sunshine
}
