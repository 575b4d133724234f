// Everything on one client: commands, a transaction, a blocking command, a subscription, a watched counter.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"justredis"
)

func main() {
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := tour(context.Background(), client); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context, client *justredis.Client) error {
	// A SET whose answer nobody wants, and a GET behind it on the same connection.
	if err := client.Send("SET", "jr:example:Hello", "World!"); err != nil {
		return err
	}
	text, err := justredis.Get[string](ctx, client, "GET", "jr:example:Hello")
	if err != nil {
		return err
	}
	fmt.Println("Hello,", text)

	// Both together, or neither.
	replies, err := client.Tx().Add("SET", "jr:example:Hello", "World!").Add("GET", "jr:example:Hello").Exec(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Atomic Hello,", replies[1].Text())

	// Waits at the server, on a connection of its own, while the shared one goes on.
	waiting := client.Start(ctx, "BLPOP", "jr:example:queue", 0)
	if _, err := client.Do(ctx, "RPUSH", "jr:example:queue", "Hello, World!"); err != nil {
		return err
	}
	item, err := waiting.Wait()
	if err != nil {
		return err
	}
	fmt.Println("Queued", item.Index(1).Text())

	// A subscription; also as an iterator (subscription.All), or with the confirmations (subscription.Next).
	subscription, err := client.Subscribe(ctx, "jr:example:Hello")
	if err != nil {
		return err
	}
	defer subscription.Close()
	if _, err := client.Do(ctx, "PUBLISH", "jr:example:Hello", "World!"); err != nil {
		return err
	}
	message := <-subscription.Channel()
	fmt.Println("PubSub Hello,", message.Payload)

	// Reads a counter and writes it back, unless somebody else changed it meanwhile.
	err = client.Watch(ctx, func(lease *justredis.Lease) error {
		value, err := justredis.Get[int](ctx, lease, "GET", "jr:example:Counter")
		if err != nil && !errors.Is(err, justredis.ErrNil) {
			return err
		}
		_, err = lease.Tx().Add("SET", "jr:example:Counter", value+1).Exec(ctx)
		return err
	}, "jr:example:Counter")
	if errors.Is(err, justredis.ErrConflict) {
		fmt.Println("somebody else was faster")
		return nil
	}
	return err
}
