/* Everything on one client: commands, a transaction, a blocking command, publish and subscribe, and a counter that is
 * watched. */
#include "example.h"

/* Submits a command of C strings whose completion goes to `queue` (or, if that is NULL, nowhere). */
static void submit(jr_client *client, jr_queue *queue, const char *const *words) {
    jr_bytes args[8];
    jr_command command = {args, 0};
    for (; words[command.count]; command.count++)
        args[command.count] = jr_text(words[command.count]);
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .queue = queue};
    check(jr_submit(client, &request, NULL), "jr_submit");
}

#define SUBMIT(client, queue, ...) submit((client), (queue), (const char *const[]){__VA_ARGS__, NULL})

/* The reply of the next completion; to be freed. */
static jr_reply *take(jr_queue *queue) {
    jr_completion completion;
    if (jr_queue_take(queue, &completion, 1, -1) != 1)
        check(JR_ERR_INTERNAL, "jr_queue_take");
    check(completion.status, completion.reply->bytes);
    return completion.reply;
}

/* Several commands as one transaction: the array of their replies, NIL if a watched key was changed; to be freed. */
static jr_reply *run_atomic(jr_client *client, const jr_command *commands, size_t count) {
    jr_request request = {.size = sizeof request, .commands = commands, .count = count, .flags = JR_REQUEST_ATOMIC};
    jr_reply *replies = NULL;
    check(jr_execute(client, &request, &replies), "the transaction");
    return replies;
}

int main(void) {
    jr_client *client = new_client();

    /* A SET whose answer nobody wants, and a GET behind it on the same connection. */
    SUBMIT(client, NULL, "SET", "jr:example:Hello", "World!");
    jr_reply *hello = jr_run(client, "GET", "jr:example:Hello");
    printf("Hello, %s\n", hello->bytes);
    jr_reply_free(hello);

    /* Both together, or neither. */
    jr_bytes set[] = {jr_text("SET"), jr_text("jr:example:Hello"), jr_text("World!")};
    jr_bytes get[] = {jr_text("GET"), jr_text("jr:example:Hello")};
    jr_reply *both = run_atomic(client, (jr_command[]){{set, 3}, {get, 2}}, 2);
    printf("Atomic Hello, %s\n", both->items[1].bytes);
    jr_reply_free(both);

    /* Waits at the server, on a connection of its own, while the shared one goes on. */
    jr_queue *queue = jr_queue_new();
    SUBMIT(client, queue, "BLPOP", "jr:example:queue", "0");
    finish(jr_run(client, "RPUSH", "jr:example:queue", "Hello, World!"));
    jr_reply *popped = take(queue);
    printf("Queued %s\n", popped->items[1].bytes);
    jr_reply_free(popped);

    /* A subscription is a request with many completions. */
    SUBMIT(client, queue, "SUBSCRIBE", "jr:example:Hello");
    jr_reply_free(take(queue)); /* the confirmation */
    jr_reply_free(take(queue)); /* all that was asked for is confirmed */
    finish(jr_run(client, "PUBLISH", "jr:example:Hello", "World!"));
    jr_reply *message = take(queue);
    printf("PubSub Hello, %s\n", message->items[2].bytes);
    jr_reply_free(message);

    /* Reads a counter and writes it back, unless somebody else changed it meanwhile. */
    jr_client *lease = NULL;
    check(jr_client_lease(client, NULL, &lease), "jr_client_lease");
    finish(jr_run(lease, "WATCH", "jr:example:Counter"));
    int64_t value = 0;
    jr_reply *counter = jr_run(lease, "GET", "jr:example:Counter");
    if (counter->kind == JR_STRING)
        check(jr_reply_int64(counter, &value), "the counter is no number");
    jr_reply_free(counter);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value + 1);
    jr_bytes write[] = {jr_text("SET"), jr_text("jr:example:Counter"), jr_text(text)};
    jr_reply *written = run_atomic(lease, (jr_command[]){{write, 3}}, 1);
    if (written->kind == JR_NIL)
        printf("somebody else was faster: again, from WATCH on\n");
    jr_reply_free(written);
    jr_client_free(lease);

    end_client(client);
    jr_queue_free(queue);
    return 0;
}
