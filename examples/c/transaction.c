/* One atomic request (MULTI to EXEC): all of its commands run, or, if the server refuses one of them, none. */
#include "example.h"

static jr_bytes to_alice[] = {{"DECRBY", 6}, {"jr:example:alice", 16}, {"30", 2}};
static jr_bytes to_bob[] = {{"INCRBY", 6}, {"jr:example:bob", 14}, {"30", 2}};

static void balances(jr_client *client) {
    jr_reply *reply = jr_run(client, "MGET", "jr:example:alice", "jr:example:bob");
    printf("  alice and bob have ");
    print_reply(reply);
    printf("\n");
    finish(reply);
}

static void transfer(jr_client *client, const char *what, const jr_command *commands, size_t count) {
    jr_request request = {.size = sizeof request, .commands = commands, .count = count, .flags = JR_REQUEST_ATOMIC};
    jr_reply *reply;
    jr_status status = jr_execute(client, &request, &reply);
    printf("%s: %s\n  ", what, jr_status_text(status));
    print_reply(reply);
    printf("\n");
    jr_reply_free(reply);
    balances(client);
}

int main(void) {
    jr_client *client = new_client();
    finish(jr_run(client, "MSET", "jr:example:alice", "100", "jr:example:bob", "0"));
    balances(client);

    jr_command good[] = {{to_alice, 3}, {to_bob, 3}};
    transfer(client, "two commands, as one", good, 2);

    /* The third lacks its amount: the server refuses to queue it, and EXEC runs nothing. */
    jr_command one_is_wrong[] = {{to_alice, 3}, {to_bob, 3}, {to_bob, 2}};
    transfer(client, "one of three has too few arguments", one_is_wrong, 3);

    /* What cannot be part of it is refused before anything is sent. */
    jr_bytes select[] = {jr_text("SELECT"), jr_text("1")};
    jr_command one_is_refused[] = {{to_alice, 3}, {select, 2}};
    transfer(client, "one of two may not be on a shared connection", one_is_refused, 2);

    finish(jr_run(client, "DEL", "jr:example:alice", "jr:example:bob"));
    end_client(client);
    return 0;
}
