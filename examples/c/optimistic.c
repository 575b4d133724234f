/* Read, compute, write only if nobody came between: WATCH on a lease, then one atomic request. */
#include "example.h"
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 25 };

/* Doubles the counter and adds 1, which no single command does. Gives 0 if somebody changed it meanwhile. */
static int step(jr_client *lease) {
    finish(jr_run(lease, "WATCH", "jr:example:counter"));
    jr_reply *before = jr_run(lease, "GET", "jr:example:counter");
    int64_t value = 0;
    check(jr_reply_int64(before, &value), "GET");
    jr_reply_free(before);

    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)(value * 2 + 1) % 1000003);
    jr_bytes set[] = {jr_text("SET"), jr_text("jr:example:counter"), jr_text(text)};
    jr_bytes count[] = {jr_text("INCR"), jr_text("jr:example:steps")};
    jr_command commands[] = {{set, 3}, {count, 2}};
    jr_request request = {.size = sizeof request, .commands = commands, .count = 2, .flags = JR_REQUEST_ATOMIC};
    jr_reply *reply;
    check(jr_execute(lease, &request, &reply), "the transaction");
    int done = reply->kind != JR_NIL; /* JR_NIL: the watched key has changed, and nothing was run */
    jr_reply_free(reply);
    return done;
}

static void *work(void *argument) {
    jr_client *client = argument, *lease;
    long again = 0;
    check(jr_client_lease(client, NULL, &lease), "jr_client_lease"); /* its first command gets a connection */
    for (int i = 0; i < ROUNDS; i++)
        while (!step(lease))
            again++;
    jr_client_free(lease); /* the connection serves the next one */
    printf("a thread did %d steps and had to try %ld times again\n", ROUNDS, again);
    return NULL;
}

int main(void) {
    jr_client *client = new_client();
    pthread_t threads[THREADS];
    finish(jr_run(client, "MSET", "jr:example:counter", "0", "jr:example:steps", "0"));
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, client) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    jr_reply *steps = jr_run(client, "GET", "jr:example:steps");
    printf("%s steps in all, none lost\n", steps->bytes);
    finish(steps);
    finish(jr_run(client, "DEL", "jr:example:counter", "jr:example:steps"));
    end_client(client);
    return 0;
}
