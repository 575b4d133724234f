/* Subscriptions to queues and callbacks: order, changes, drops, and freeing everything from inside a callback. */
#include "check.h"

static jr_queue *queue;

/* A completion as a line of text: its words, then what its flags say. */
static const char *line_of(jr_completion completion) {
    static char line[512];
    size_t length = 0;
    const jr_reply *reply = completion.reply;
    CHECK(is_one_outcome(completion.flags));
    line[0] = 0;
    if (reply->kind == JR_INTEGER)
        length = (size_t)snprintf(line, sizeof line, "made with %" PRId64 " ", reply->integer);
    for (size_t i = 0; reply->items && i < reply->length; i++) {
        const jr_reply *word = &reply->items[i];
        length += (size_t)(word->kind == JR_INTEGER
                               ? snprintf(line + length, sizeof line - length, "%" PRId64 " ", word->integer)
                               : snprintf(line + length, sizeof line - length, "%s ", word->bytes));
        CHECK(length < sizeof line);
    }
    if (completion.flags & JR_COMPLETION_GAP)
        length += (size_t)snprintf(line + length, sizeof line - length, "gap ");
    if (completion.flags & JR_COMPLETION_DROPPED)
        length += (size_t)snprintf(line + length, sizeof line - length, "dropped ");
    snprintf(line + length, sizeof line - length, "%s", completion.flags & JR_COMPLETION_MORE ? "more" : "end");
    return line;
}

#define EXPECT(id, text)                                                                                               \
    do {                                                                                                               \
        jr_completion completion_ = take_one(queue);                                                                   \
        CHECK(completion_.request == (id));                                                                            \
        CHECK_TEXT(line_of(completion_), text);                                                                        \
        jr_reply_free(completion_.reply);                                                                              \
    } while (0)

static void ends(uint64_t id, jr_status status) {
    jr_completion completion = take_one(queue);
    CHECK(completion.request == id);
    CHECK_INT(completion.status, status);
    CHECK(!(completion.flags & JR_COMPLETION_MORE));
    CHECK_INT(completion.reply->kind, JR_ERROR);
    jr_reply_free(completion.reply);
}

static uint64_t subscribe(const jr_client *client, jr_request target, const char *name) {
    uint64_t id = 0;
    CHECK_INT(submit(client, target, &id, "SUBSCRIBE", name), JR_OK);
    CHECK(id != 0);
    return id;
}

static jr_request change_of(uint64_t subscription, jr_queue *answers, uint64_t user_data) {
    jr_request request = request_to(answers, NULL, user_data);
    request.subscription = subscription;
    return request;
}

static void to_a_queue(const char *options) {
    jr_client *client = connect_with(options);
    uint64_t id = subscribe(client, request_to(queue, NULL, 1), "jr:c:news"), change = 0;
    EXPECT(id, "subscribe jr:c:news 1 more");
    EXPECT(id, "made with 1 more");
    CHECK_INT(run_number(client, "PUBLISH", "jr:c:news", "hello"), 1);
    jr_completion message = take_one(queue);
    CHECK_INT(message.reply->kind, JR_PUSH);
    CHECK_INT(message.user_data, 1);
    CHECK_INT(message.status, JR_OK);
    CHECK_TEXT(line_of(message), "message jr:c:news hello more");
    jr_reply_free(message.reply);

    /* A change that is waited for, one to the same queue, and one whose answer nobody wants. */
    const jr_command more = COMMAND("PSUBSCRIBE", "jr:c:p*");
    jr_request request = request_of(&more, 1);
    jr_reply *count = NULL;
    request.subscription = id;
    CHECK_INT(jr_execute(client, &request, &count), JR_OK);
    CHECK_INT(number_in(count), 2);
    EXPECT(id, "psubscribe jr:c:p* 2 more");
    CHECK_INT(submit(client, change_of(id, queue, 2), &change, "UNSUBSCRIBE"), JR_OK);
    EXPECT(id, "unsubscribe jr:c:news 1 more");
    jr_completion changed = take_one(queue);
    CHECK(changed.request == change && changed.user_data == 2 && !(changed.flags & JR_COMPLETION_MORE));
    CHECK_INT(number_in(changed.reply), 1);
    CHECK_INT(submit(client, change_of(id, NULL, 0), NULL, "SUBSCRIBE", "jr:c:third"), JR_OK);
    EXPECT(id, "subscribe jr:c:third 2 more");

    CHECK_INT(jr_cancel(client, id), JR_OK);
    ends(id, JR_ERR_CANCELED);
    CHECK_INT(jr_cancel(client, id), JR_ERR_NOT_FOUND);
    CHECK_INT(submit(client, change_of(id, queue, 0), NULL, "UNSUBSCRIBE"), JR_ERR_NOT_FOUND);
    close_client(client);
}

/* Made without channels, by SUBSCRIBE alone; changed, and pinged, afterwards. */
static void empty_at_first(const char *options) {
    jr_client *client = connect_with(options);
    const jr_command bare = COMMAND("SUBSCRIBE"), ping = COMMAND("PING"), there = COMMAND("PING", "there?");
    jr_request request = request_of(&bare, 1);
    jr_reply *reply = NULL;
    uint64_t id = 0, change = 0;
    request.queue = queue;
    CHECK_INT(jr_submit(client, &request, &id), JR_OK);
    EXPECT(id, "made with 0 more");
    CHECK_INT(submit(client, change_of(id, queue, 2), &change, "SUBSCRIBE", "jr:c:first", "jr:c:second"), JR_OK);
    EXPECT(id, "subscribe jr:c:first 1 more");
    EXPECT(id, "subscribe jr:c:second 2 more");
    EXPECT(change, "made with 2 end");

    request = request_of(&ping, 1);
    request.subscription = id;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->kind, JR_STATUS);
    CHECK_TEXT(reply->bytes, "PONG");
    jr_reply_free(reply);
    EXPECT(id, "pong  more");
    request.commands = &there;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->kind, JR_STRING);
    CHECK_TEXT(reply->bytes, "there?");
    jr_reply_free(reply);
    EXPECT(id, "pong there? more");
    CHECK_INT(jr_cancel(client, id), JR_OK);
    ends(id, JR_ERR_CANCELED);
    close_client(client);
}

static void nothing_that_cannot_be(void) {
    jr_client *client = connect_client();
    const jr_command one = COMMAND("subscribe", "x");
    jr_request request = request_of(&one, 1);
    jr_reply *reply = NULL;
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_ARGUMENT);
    CHECK_HAS(reply->bytes, "with a queue or a callback");
    jr_reply_free(reply);
    CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_ARGUMENT);
    request.queue = queue;
    request.flags = JR_REQUEST_ATOMIC;
    CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "command 0: SUBSCRIBE gets many answers");
    request.flags = 0;
    request.route = "all";
    CHECK_INT(jr_submit(client, &request, NULL), JR_ERR_ARGUMENT);
    reply = jr_run(client, "MONITOR");
    CHECK_INT(reply->integer, JR_ERR_ARGUMENT);
    jr_reply_free(reply);

    /* Within a pipeline or a transaction. */
    static const char *const many[][6] = {
        {"SUBSCRIBE", "x"}, {"psubscribe", "x*"}, {"SSUBSCRIBE", "x"}, {"UNSUBSCRIBE"},
        {"PUNSUBSCRIBE"},   {"SUNSUBSCRIBE"},     {"MONITOR"},         {"CLIENT", "TRACKING", "ON", "BCAST"}};
    for (size_t i = 0; i < 2 * sizeof many / sizeof *many; i++) {
        jr_bytes room[6];
        const jr_command both[] = {COMMAND("PING"), command_of(room, many[i / 2])};
        jr_request pair = request_of(both, 2);
        pair.flags = i % 2 ? JR_REQUEST_ATOMIC : 0;
        CHECK_INT(jr_execute(client, &pair, NULL), JR_ERR_ARGUMENT);
        CHECK_HAS(jr_error_text(), "command 1: ");
        CHECK_HAS(jr_error_text(), "gets many answers");
    }
    jr_request events = request_to(queue, NULL, 0);
    events.subscription = 1;
    CHECK_INT(jr_client_events(client, &events, NULL), JR_ERR_ARGUMENT);
    close_client(client);
    jr_completion nothing;
    CHECK_INT(jr_queue_take(queue, &nothing, 1, 0), 0);
}

/* More messages than may wait: the newest, and how many are missing. */
static void drops_are_counted(void) {
    jr_client *client = connect_with("max_unread=10"), *publisher = connect_client();
    uint64_t id = subscribe(client, request_to(queue, NULL, 0), "jr:c:many");
    EXPECT(id, "subscribe jr:c:many 1 more");
    EXPECT(id, "made with 1 more");
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        CHECK_INT(run_number(publisher, "PUBLISH", "jr:c:many", text), 1);
    }
    int64_t dropped = 0;
    while (dropped < 90) {
        jr_reply *stats = NULL;
        CHECK_INT(jr_client_stats(client, &stats), JR_OK);
        CHECK_INT(jr_reply_int64(jr_reply_find(&jr_reply_find(stats, "subscriptions")->items[0], "dropped"), &dropped),
                  JR_OK);
        jr_reply_free(stats);
    }
    jr_completion first = take_one(queue);
    CHECK_TEXT(line_of(first), "message jr:c:many 90 dropped more");
    int64_t count = 0;
    CHECK_INT(jr_reply_int64(jr_reply_find(jr_reply_attributes(first.reply), "dropped"), &count), JR_OK);
    CHECK_INT(count, 90);
    jr_reply_free(first.reply);
    jr_completion rest[16];
    CHECK_INT(jr_queue_take(queue, rest, 16, 0), 9);
    for (int i = 0; i < 9; i++) {
        char text[64];
        snprintf(text, sizeof text, "message jr:c:many %d more", 91 + i);
        CHECK_TEXT(line_of(rest[i]), text);
        jr_reply_free(rest[i].reply);
    }
    /* The queue goes before the subscription: what comes is discarded. */
    jr_queue *gone = jr_queue_new();
    uint64_t orphan = subscribe(client, request_to(gone, NULL, 0), "jr:c:many");
    CHECK_INT(run_number(publisher, "PUBLISH", "jr:c:many", "unread"), 1);
    jr_queue_free(gone);
    for (int i = 0; i < 100; i++)
        CHECK_INT(run_number(publisher, "PUBLISH", "jr:c:many", "nobody"), 1);
    CHECK_INT(jr_cancel(client, orphan), JR_OK);
    close_client(publisher);
    close_client(client);
    jr_completion completion;
    do
        completion = take_one(queue), jr_reply_free(completion.reply);
    while (completion.flags & JR_COMPLETION_MORE);
    CHECK_INT(completion.status, JR_ERR_CLOSED);
}

static struct {
    jr_client *client, *view;
    jr_queue *spare;
    atomic_int messages, ends;
    int cancels, frees;
} inside;

static void act_inside(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    if (!(completion->flags & JR_COMPLETION_MORE)) {
        atomic_fetch_add(&inside.ends, 1);
        return;
    }
    int seen = atomic_fetch_add(&inside.messages, 1) + 1;
    if (seen == 3 && inside.cancels) {
        CHECK_INT(jr_cancel(inside.client, completion->request), JR_OK);
        CHECK_INT(jr_cancel(inside.client, completion->request), JR_ERR_NOT_FOUND);
        CHECK_INT(submit(inside.client, change_of(completion->request, NULL, 0), NULL, "SUBSCRIBE", "x"),
                  JR_ERR_NOT_FOUND);
    }
    if (seen == 3 && inside.frees) {
        jr_queue_free(inside.spare);
        jr_client_free(inside.view);
        jr_client_free(inside.client);
    }
}

static void from_a_callback(int cancels, int frees, const char *options) {
    jr_client *publisher = connect_client();
    memset(&inside, 0, sizeof inside);
    inside.client = connect_with(options);
    inside.cancels = cancels;
    inside.frees = frees;
    inside.spare = jr_queue_new();
    CHECK_INT(jr_client_database(inside.client, 1, &inside.view), JR_OK);
    subscribe(inside.view, request_to(inside.spare, NULL, 0), "jr:c:inside");
    uint64_t id = subscribe(inside.client, request_to(NULL, act_inside, 0), "jr:c:inside");
    for (int i = 0; atomic_load(&inside.ends) == 0; i++) {
        perform(publisher, "PUBLISH", "jr:c:inside", "message");
        if (!cancels && !frees && i == 100)
            CHECK_INT(jr_cancel(inside.client, id), JR_OK);
    }
    if (!frees) {
        jr_client_free(inside.view);
        CHECK_INT(jr_client_close(inside.client, JR_TIMEOUT_NONE), JR_OK);
        CHECK_INT(atomic_load(&inside.ends), 1);
        jr_client_free(inside.client);
        jr_queue_free(inside.spare);
    }
    close_client(publisher);
}

/* A callback that does not return: what waits for it is bounded too. */
static atomic_int stuck;

static void wait_inside(const jr_completion *completion) {
    jr_reply_free(completion->reply);
    while (atomic_load(&stuck))
        pause_briefly();
}

static void a_callback_that_sleeps(void) {
    jr_client *client = connect_with("max_unread=5"), *publisher = connect_client();
    atomic_store(&stuck, 1);
    subscribe(client, request_to(NULL, wait_inside, 0), "jr:c:stuck");
    WAIT_UNTIL(run_number(publisher, "PUBLISH", "jr:c:stuck", "?") == 1);
    for (int i = 0; i < 200; i++)
        perform(publisher, "PUBLISH", "jr:c:stuck", "message");
    int64_t dropped = 0, unread = 0;
    while (dropped < 190) {
        jr_reply *stats = NULL;
        CHECK_INT(jr_client_stats(client, &stats), JR_OK);
        const jr_reply *mine = &jr_reply_find(stats, "subscriptions")->items[0];
        CHECK_INT(jr_reply_int64(jr_reply_find(mine, "dropped"), &dropped), JR_OK);
        CHECK_INT(jr_reply_int64(jr_reply_find(mine, "unread"), &unread), JR_OK);
        CHECK(unread <= 5);
        jr_reply_free(stats);
    }
    atomic_store(&stuck, 0);
    close_client(client);
    close_client(publisher);
}

int main(void) {
    queue = jr_queue_new();
    to_a_queue("protocol=2");
    to_a_queue("protocol=3");
    empty_at_first("protocol=2");
    empty_at_first("protocol=3");
    nothing_that_cannot_be();
    drops_are_counted();
    for (int protocol = 2; protocol <= 3; protocol++) {
        char options[32];
        snprintf(options, sizeof options, "protocol=%d", protocol);
        from_a_callback(0, 0, options);
        from_a_callback(1, 0, options);
        from_a_callback(0, 1, options);
    }
    a_callback_that_sleeps();
    jr_queue_free(queue);
    return 0;
}
