// Package justredis is a client of Redis and Valkey. All goroutines of a program share one [Client], and every
// command is pipelined: nobody waits for the answer to somebody else's command, and no pool of connections is needed.
//
//	client, err := justredis.Open("redis://localhost:6379")
//	if err != nil { ... }
//	defer client.Close()
//	_, err = client.Do(ctx, "SET", "greeting", "Hello, World!")
//	text, err := justredis.Get[string](ctx, client, "GET", "greeting")
//
// Commands are written as the server knows them. [Client.Do] gives a [Reply], [Get] a type of Go, [Client.Start] a
// [Future], [Client.Pipeline] and [Client.Tx] answers to several commands. A blocking command (BLPOP) goes on a
// connection of its own by itself. [Client.Watch] is for transactions that depend on what is there,
// [Client.Subscribe] for messages.
//
// The context of a request is its deadline, and cancels it. Errors are an [*Error], with a [Status] that [errors.Is]
// finds, and an [Outcome] that says whether the server may have run the command.
//
// The package binds a library in C by cgo. By default pkg-config finds it (libjustredis.so); with the build tag
// justredis_static it is linked into the program. A process that Go starts has no fork without exec, so that nothing
// has to be done about forks.
package justredis
