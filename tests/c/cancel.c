/* Cancelling and deadlines: one request ends, its outcome is exact, and the replies of all others still match. */
#include "check.h"

static jr_queue *queue;

static int64_t link_number(const jr_client *client, const char *key) {
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    int64_t number = jr_reply_find(jr_reply_find(stats, "links")->items, key)->integer;
    jr_reply_free(stats);
    return number;
}

/* The next completion: its status, its outcome and part of its sentence. */
static void ends(uint64_t user_data, jr_status status, uint32_t outcome, const char *sentence) {
    jr_completion completion = take_one(queue);
    CHECK_INT(completion.user_data, user_data);
    CHECK_INT(completion.status, status);
    CHECK_INT(completion.flags, outcome);
    CHECK_INT(completion.reply->kind, JR_ERROR);
    CHECK_INT(completion.reply->integer, status);
    CHECK_INT(completion.reply->flags & 7, outcome);
    CHECK_HAS(completion.reply->bytes, sentence);
    jr_reply_free(completion.reply);
}

/* Nothing is sent to a server that does not shake hands. */
static void before_it_is_sent(void) {
    struct silent_server silent = listen_silently();
    jr_client *client = client_of(silent.url);
    uint64_t ids[3];
    char sentence[96];
    snprintf(sentence, sizeof sentence, "%s: cancelled before it was sent", silent.address);
    for (uint64_t i = 0; i < 3; i++)
        CHECK_INT(submit(client, request_to(queue, NULL, i), &ids[i], "PING"), JR_OK);
    for (uint64_t i = 3; i-- > 0;) {
        CHECK_INT(jr_cancel(client, ids[i]), JR_OK);
        ends(i, JR_ERR_CANCELED, JR_OUTCOME_NOT_RUN, sentence);
        CHECK_INT(jr_cancel(client, ids[i]), JR_ERR_NOT_FOUND);
    }
    CHECK_INT(jr_cancel(client, 0), JR_ERR_NOT_FOUND);
    CHECK_INT(jr_cancel(client, UINT64_MAX), JR_ERR_NOT_FOUND);
    CHECK_INT(jr_cancel(client, 12345), JR_ERR_NOT_FOUND);

    jr_request target = request_to(queue, NULL, 7);
    target.timeout_ms = 5;
    CHECK_INT(submit(client, target, NULL, "PING"), JR_OK);
    ends(7, JR_ERR_TIMEOUT, JR_OUTCOME_NOT_RUN, "not sent within 5 ms");

    /* Each command of a pipeline says it for itself; a transaction is one. */
    const jr_command commands[2] = {COMMAND("PING"), COMMAND("TIME")};
    for (int atomic = 0; atomic < 2; atomic++) {
        jr_request request = request_of(commands, 2);
        request.queue = queue;
        request.flags = atomic ? JR_REQUEST_ATOMIC : 0;
        CHECK_INT(jr_submit(client, &request, &ids[0]), JR_OK);
        CHECK_INT(jr_cancel(client, ids[0]), JR_OK);
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.status, JR_ERR_CANCELED);
        CHECK_INT(completion.flags, JR_OUTCOME_NOT_RUN);
        CHECK_INT(completion.reply->kind, atomic ? JR_ERROR : JR_ARRAY);
        if (!atomic)
            CHECK_INT(completion.reply->length, 2);
        for (int i = 0; i < (atomic ? 1 : 2); i++) {
            const jr_reply *item = atomic ? completion.reply : &completion.reply->items[i];
            CHECK_INT(item->integer, JR_ERR_CANCELED);
            CHECK_INT(item->flags & 7, JR_OUTCOME_NOT_RUN);
            CHECK_HAS(item->bytes, sentence);
        }
        jr_reply_free(completion.reply);
    }
    CHECK_INT(link_number(client, "waiting_requests"), 0);
    CHECK_INT(link_number(client, "waiting_bytes"), 0);
    jr_client_free(client);
    close(silent.descriptor);
}

static void echo(const jr_client *client, int number) {
    char text[32];
    snprintf(text, sizeof text, "unique %d", number);
    jr_reply *reply = run(client, "ECHO", text);
    CHECK_REPLY(reply, JR_STRING, text);
    jr_reply_free(reply);
}

/* Stalls the server, lets requests go out behind that, and ends each second of them by `cancel` or by its deadline. */
static void in_flight(const jr_client *client, const jr_client *other, int cancel) {
    enum { COUNT = 100 };
    uint64_t ids[COUNT];
    int64_t before = link_number(client, "bytes_sent"), before_sleep = link_number(other, "bytes_sent");
    CHECK_INT(submit(other, request_to(NULL, NULL, 0), NULL, "DEBUG", "SLEEP", "0.4"), JR_OK);
    WAIT_UNTIL(link_number(other, "bytes_sent") > before_sleep);
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof text, "value %d", i);
        jr_request target = request_to(queue, NULL, (uint64_t)i);
        target.timeout_ms = i % 2 && !cancel ? 20 : JR_TIMEOUT_NONE;
        CHECK_INT(submit(client, target, &ids[i], "ECHO", text), JR_OK);
    }
    WAIT_UNTIL(link_number(client, "bytes_sent") >= before + COUNT * 27);
    for (int i = 1; i < COUNT && cancel; i += 2) {
        jr_status status = jr_cancel(client, ids[i]);
        CHECK(status == JR_OK || status == JR_ERR_NOT_FOUND);
    }
    char seen[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) {
        jr_completion completion = take_one(queue);
        int number = (int)completion.user_data;
        CHECK(!seen[number]++);
        CHECK(completion.request == ids[number]);
        if (completion.status != JR_OK) {
            CHECK_INT(number % 2, 1);
            CHECK_INT(completion.status, cancel ? JR_ERR_CANCELED : JR_ERR_TIMEOUT);
            CHECK_INT(completion.flags, JR_OUTCOME_UNKNOWN);
            CHECK_HAS(completion.reply->bytes, cancel ? "cancelled after it was sent" : "no answer within 20 ms");
        } else {
            char text[32];
            snprintf(text, sizeof text, "value %d", number);
            CHECK_REPLY(completion.reply, JR_STRING, text);
        }
        jr_reply_free(completion.reply);
    }
    for (int i = 0; i < 100; i++)
        echo(client, i);
    CHECK_INT(link_number(client, "connections"), 1); /* the same connection as before */
}

static void waiting_calls_have_deadlines(const jr_client *client, const jr_client *other) {
    const jr_command ping = COMMAND("PING");
    jr_request request = request_of(&ping, 1);
    jr_reply *reply = NULL;
    request.timeout_ms = 5;
    CHECK_INT(submit(other, request_to(NULL, NULL, 0), NULL, "DEBUG", "SLEEP", "0.2"), JR_OK);
    while (jr_execute(client, &request, &reply) == JR_OK)
        jr_reply_free(reply);
    CHECK_INT(reply->integer, JR_ERR_TIMEOUT);
    CHECK_HAS(reply->bytes, "within 5 ms");
    CHECK_TEXT(jr_error_text(), reply->bytes);
    jr_reply_free(reply);
    echo(client, 0);
    CHECK_INT(link_number(client, "connections"), 1);
}

/* Cancelled at once, before, while and after it is sent: the server's counter is the judge of the outcomes. */
static void at_any_moment(const jr_client *client) {
    enum { COUNT = 5000 };
    int64_t answered = 0, unknown = 0, not_run = 0;
    perform(client, "SET", "cancel:counter", "0");
    for (int i = 0; i < COUNT; i++) {
        uint64_t id;
        CHECK_INT(submit(client, request_to(queue, NULL, 0), &id, "INCR", "cancel:counter"), JR_OK);
        for (int spin = 0; spin < i % 100 * 30; spin++)
            atomic_signal_fence(memory_order_seq_cst);
        jr_status status = jr_cancel(client, id);
        jr_completion completion = take_one(queue);
        CHECK(completion.request == id);
        CHECK_INT(completion.status, status == JR_OK ? JR_ERR_CANCELED : JR_OK);
        answered += completion.flags == JR_OUTCOME_ANSWERED;
        unknown += completion.flags == JR_OUTCOME_UNKNOWN;
        not_run += completion.flags == JR_OUTCOME_NOT_RUN;
        CHECK_INT(completion.status == JR_OK, completion.flags == JR_OUTCOME_ANSWERED);
        jr_reply_free(completion.reply);
    }
    CHECK_INT(answered + unknown + not_run, COUNT);
    int64_t counter = run_number(client, "GET", "cancel:counter");
    CHECK(counter >= answered && counter <= answered + unknown);
    CHECK_INT(link_number(client, "connections"), 1);
}

int main(void) {
    queue = jr_queue_new();
    before_it_is_sent();
    jr_client *client = connect_client(), *other = connect_client();
    echo(client, 0);
    echo(other, 0);
    in_flight(client, other, 1);
    in_flight(client, other, 0);
    waiting_calls_have_deadlines(client, other);
    at_any_moment(client);
    close_client(other);
    close_client(client);
    jr_completion none;
    CHECK_INT(jr_queue_take(queue, &none, 1, 0), 0);
    jr_queue_free(queue);
    return 0;
}
