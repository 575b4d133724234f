/* Transactions and pipelines: what they answer, item by item, when all is well and when it is not. */
#include "check.h"

static jr_client *client;

static jr_reply *execute(const jr_command *commands, size_t count, uint32_t flags, jr_status expected) {
    jr_request request = request_of(commands, count);
    jr_reply *reply = NULL;
    request.flags = flags;
    CHECK_INT(jr_execute(client, &request, &reply), expected);
    CHECK(reply != NULL);
    return reply;
}

static void answer_in_order(uint32_t flags) {
    const jr_command commands[4] = {COMMAND("SET", "atomic:a", "1"), COMMAND("INCRBY", "atomic:a", "41"),
                                    COMMAND("GET", "atomic:none"), COMMAND("GET", "atomic:a")};
    jr_reply *reply = execute(commands, 4, flags, JR_OK);
    CHECK_INT(reply->kind, JR_ARRAY);
    CHECK_INT(reply->length, 4);
    CHECK_REPLY(&reply->items[0], JR_STATUS, "OK");
    CHECK_INT(reply->items[1].integer, 42);
    CHECK_INT(reply->items[2].kind, JR_NIL);
    CHECK_REPLY(&reply->items[3], JR_STRING, "42");
    jr_reply_free(reply);

    /* Through a queue it is the same. */
    jr_queue *queue = jr_queue_new();
    jr_request request = request_of(commands, 4);
    request.flags = flags;
    request.queue = queue;
    CHECK_INT(jr_submit(client, &request, NULL), JR_OK);
    jr_completion completion = take_one(queue);
    CHECK_INT(completion.status, JR_OK);
    CHECK_INT(completion.flags, JR_OUTCOME_ANSWERED);
    CHECK_INT(completion.reply->length, 4);
    jr_reply_free(completion.reply);
    jr_queue_free(queue);
}

/* A server error within is an item; all others have run. */
static void hold_errors(uint32_t flags) {
    const jr_command commands[3] = {COMMAND("SET", "atomic:text", "text"), COMMAND("INCR", "atomic:text"),
                                    COMMAND("APPEND", "atomic:text", "!")};
    jr_reply *reply = execute(commands, 3, flags, JR_OK);
    CHECK_INT(reply->length, 3);
    CHECK_REPLY(&reply->items[0], JR_STATUS, "OK");
    CHECK_REPLY(&reply->items[1], JR_ERROR, "ERR value is not an integer or out of range");
    CHECK_INT(reply->items[1].integer, JR_ERR_SERVER);
    CHECK_INT(reply->items[1].flags & 7, JR_OUTCOME_ANSWERED);
    CHECK_INT(reply->items[2].integer, 5);
    jr_reply_free(reply);
}

/* The server refuses one command as it is queued: nothing runs, and the error names the one that is to blame. */
static void name_the_culprit(void) {
    perform(client, "SET", "atomic:kept", "before");
    for (size_t place = 0; place < 3; place++) {
        jr_command commands[3] = {COMMAND("SET", "atomic:kept", "after"), COMMAND("SET", "atomic:kept", "after"),
                                  COMMAND("SET", "atomic:kept", "after")};
        char expected[64];
        snprintf(expected, sizeof expected, "command %zu (NOSUCHCOMMAND): ERR unknown command", place);
        commands[place] = COMMAND("nosuchcommand", "x");
        if (place < 2)
            commands[2] = COMMAND("GET"); /* a second one, which came too late to be named */
        jr_reply *reply = execute(commands, 3, JR_REQUEST_ATOMIC, JR_ERR_SERVER);
        CHECK_INT(reply->kind, JR_ERROR);
        CHECK_INT(reply->integer, JR_ERR_SERVER);
        CHECK_INT(reply->flags & 7, JR_OUTCOME_ANSWERED);
        CHECK(strncmp(reply->bytes, "EXECABORT", 9) == 0);
        CHECK_HAS(reply->bytes, expected);
        CHECK_HAS(jr_error_text(), expected);
        jr_reply_free(reply);
        reply = run(client, "GET", "atomic:kept");
        CHECK_REPLY(reply, JR_STRING, "before");
        jr_reply_free(reply);
    }
    /* A pipeline goes on behind it. */
    const jr_command commands[3] = {COMMAND("PING"), COMMAND("nosuchcommand"), COMMAND("SET", "atomic:kept", "after")};
    jr_reply *reply = execute(commands, 3, 0, JR_OK);
    CHECK_REPLY(&reply->items[0], JR_STATUS, "PONG");
    CHECK_HAS(reply->items[1].bytes, "ERR unknown command");
    CHECK_REPLY(&reply->items[2], JR_STATUS, "OK");
    jr_reply_free(reply);
}

static void of_one_command(void) {
    const jr_command command = COMMAND("ECHO", "alone");
    jr_reply *reply = execute(&command, 1, JR_REQUEST_ATOMIC, JR_OK);
    CHECK_INT(reply->kind, JR_ARRAY);
    CHECK_INT(reply->length, 1);
    CHECK_REPLY(&reply->items[0], JR_STRING, "alone");
    jr_reply_free(reply);
    reply = execute(&command, 1, 0, JR_OK);
    CHECK_REPLY(reply, JR_STRING, "alone");
    jr_reply_free(reply);
}

static void of_many_commands(uint32_t flags) {
    enum { COUNT = 10000 };
    static jr_command commands[COUNT];
    static jr_bytes words[COUNT][2];
    static char texts[COUNT][24];
    for (int i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "item %d", i);
        words[i][0] = jr_text("ECHO");
        words[i][1] = jr_text(texts[i]);
        commands[i] = (jr_command){words[i], 2};
    }
    jr_reply *reply = execute(commands, COUNT, flags, JR_OK);
    CHECK_INT(reply->length, COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_REPLY(&reply->items[i], JR_STRING, texts[i]);
    jr_reply_free(reply);
}

/* Large values, also larger than the socket takes at once. */
static void of_many_bytes(uint32_t flags) {
    size_t size = 5 << 20;
    char *large = malloc(size + 1);
    memset(large, 'x', size);
    large[size] = '\0';
    const jr_command commands[3] = {COMMAND("SET", "atomic:large", large), COMMAND("STRLEN", "atomic:large"),
                                    COMMAND("GET", "atomic:large")};
    jr_reply *reply = execute(commands, 3, flags, JR_OK);
    CHECK_INT(reply->items[1].integer, size);
    CHECK_INT(reply->items[2].length, size);
    CHECK(memcmp(reply->items[2].bytes, large, size + 1) == 0);
    jr_reply_free(reply);
    perform(client, "DEL", "atomic:large");
    free(large);
}

static void *transfer(void *argument) {
    uint32_t flags = argument ? JR_REQUEST_ATOMIC : JR_REQUEST_ATOMIC | JR_REQUEST_IDEMPOTENT;
    for (int i = 0; i < 500; i++) {
        const jr_command commands[3] = {COMMAND("DECR", "atomic:from"), COMMAND("INCR", "atomic:to"),
                                        COMMAND("MGET", "atomic:from", "atomic:to")};
        jr_reply *reply = execute(commands, 3, flags, JR_OK);
        int64_t from = 0, to = 0;
        CHECK_INT(jr_reply_int64(&reply->items[2].items[0], &from), JR_OK);
        CHECK_INT(jr_reply_int64(&reply->items[2].items[1], &to), JR_OK);
        CHECK_INT(from + to, 0);
        jr_reply_free(reply);
    }
    return NULL;
}

/* Of several threads on one connection, each is alone with the server for as long as it lasts. */
static void are_not_mixed(void) {
    pthread_t threads[6];
    perform(client, "MSET", "atomic:from", "0", "atomic:to", "0");
    for (uintptr_t i = 0; i < 6; i++)
        threads[i] = start_thread(transfer, (void *)(i % 2));
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    CHECK_INT(run_number(client, "GET", "atomic:to"), 3000);
}

/* All flags of a request may be set on any command; without replicas the primary answers. */
static void flags_together(void) {
    const jr_command commands[2] = {COMMAND("SET", "atomic:flags", "1"), COMMAND("GET", "atomic:flags")};
    for (uint32_t flags = 0; flags < 8; flags++) {
        jr_reply *reply = execute(commands, 2, flags, JR_OK);
        CHECK_REPLY(&reply->items[1], JR_STRING, "1");
        jr_reply_free(reply);
    }
}

int main(void) {
    client = connect_client();
    for (uint32_t flags = 0; flags <= JR_REQUEST_ATOMIC; flags++) {
        answer_in_order(flags);
        hold_errors(flags);
        of_many_commands(flags);
        of_many_bytes(flags);
    }
    name_the_culprit();
    of_one_command();
    are_not_mixed();
    flags_together();
    close_client(client);
    return 0;
}
