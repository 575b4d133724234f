// Sets a key, gets it again, and prints whatever goes wrong.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"justredis"
)

func main() {
	ctx := context.Background()
	client, err := justredis.Open(os.Getenv("JR_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	set, err := client.Do(ctx, "SET", "greeting", "Hello, World!")
	if err != nil {
		log.Fatal(err)
	}
	text, err := justredis.Get[string](ctx, client, "GET", "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("SET:", set)
	fmt.Println("GET:", text)
}
