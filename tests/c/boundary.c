/* Wrong arguments of every function: NULL, empty, absurd. Each is a status and a sentence, and nothing is queued. */
#include "check.h"

static jr_client *client;
static jr_queue *queue;

/* The last call failed with a sentence of its own, which holds `part`. */
static void explained(const char *part) {
    CHECK(jr_error_text()[0] != '\0');
    CHECK_HAS(jr_error_text(), part);
}

#define REFUSED(call, part)                                                                                            \
    do {                                                                                                               \
        CHECK_INT((call), JR_ERR_ARGUMENT);                                                                            \
        explained(part);                                                                                               \
    } while (0)

static void on_completion(const jr_completion *completion) {
    (void)completion;
    CHECK(!"a refused request was completed");
}

/* The same request through each door. */
static void refused_everywhere(const jr_request *request, const char *part) {
    uint64_t id = 77, ids[2] = {78, 79};
    jr_request waiting = *request;
    jr_reply *reply = NULL;
    REFUSED(jr_submit(client, request, &id), part);
    REFUSED(jr_submit_many(client, request, 1, ids), part);
    CHECK(id == 77 && ids[0] == 78 && ids[1] == 79);
    waiting.queue = NULL;
    REFUSED(jr_execute(client, &waiting, &reply), part);
    CHECK(reply != NULL);
    CHECK_HAS(reply->bytes, part);
    CHECK_INT(reply->kind, JR_ERROR);
    CHECK_INT(reply->integer, JR_ERR_ARGUMENT);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
    jr_reply_free(reply);
    REFUSED(jr_execute(client, &waiting, NULL), part);
}

static void null_pointers(void) {
    jr_client *made = (jr_client *)&made, *untouched = made;
    jr_config *config = jr_config_new();
    jr_request request = request_to(queue, NULL, 0);
    jr_reply *reply = NULL;
    jr_completion completion;

    REFUSED(jr_client_new(NULL, NULL), "client");
    REFUSED(jr_client_database(NULL, 1, &made), "client");
    REFUSED(jr_client_database(client, 1, NULL), "view");
    REFUSED(jr_cancel(NULL, 1), "client");
    REFUSED(jr_client_events(NULL, &request, NULL), "client");
    REFUSED(jr_client_events(client, NULL, NULL), "request");
    REFUSED(jr_client_stats(NULL, &reply), "client");
    REFUSED(jr_client_stats(client, NULL), "map");
    jr_bytes key = jr_text("key"), wrong = {NULL, 1};
    REFUSED(jr_client_locate(NULL, &key, &reply), "client");
    REFUSED(jr_client_locate(client, NULL, &reply), "key");
    REFUSED(jr_client_locate(client, &wrong, &reply), "key.data");
    REFUSED(jr_client_locate(client, &key, NULL), "map");
    REFUSED(jr_client_close(NULL, 0), "client");
    CHECK(made == untouched && reply == NULL);

    REFUSED(jr_config_set(NULL, "url", "redis://h"), "config");
    REFUSED(jr_config_set(config, NULL, "value"), "key");
    REFUSED(jr_config_set(config, "url", NULL), "value");
    REFUSED(jr_config_set(config, "url", "\xff\xfe"), "UTF-8");
    REFUSED(jr_config_set_dialer(NULL, NULL, NULL, NULL), "config");
    REFUSED(jr_config_set_logger(NULL, NULL, NULL, NULL), "config");
    CHECK_INT(jr_config_set(config, "no_such_option", "1"), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "connect_timout", "1s"), JR_ERR_CONFIG);
    explained("connect_timeout");
    CHECK_INT(jr_config_set(config, "", ""), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "database", "-1"), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "endpoints", ""), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "url", "http://example.com"), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "username", "somebody"), JR_OK);
    CHECK_INT(jr_client_new(config, &made), JR_ERR_CONFIG);
    explained("password");
    CHECK(made == untouched);

    REFUSED(jr_submit(NULL, &request, NULL), "client");
    REFUSED(jr_submit_many(NULL, &request, 1, NULL), "client");
    REFUSED(jr_execute(NULL, &request, NULL), "client");
    REFUSED(jr_submit(client, NULL, NULL), "request");
    REFUSED(jr_submit_many(client, NULL, 1, NULL), "request");
    REFUSED(jr_execute(client, NULL, &reply), "request");
    jr_reply_free(reply);
    CHECK_INT(jr_submit_many(client, NULL, 0, NULL), 0);
    reply = jr_run_strings(NULL, WORDS("PING"), 1);
    CHECK_INT(reply->integer, JR_ERR_ARGUMENT);
    jr_reply_free(reply);

    REFUSED(jr_queue_fd(NULL), "queue");
    REFUSED(jr_queue_take(NULL, &completion, 1, 0), "queue");
    REFUSED(jr_queue_take(queue, NULL, 1, 0), "room");
    REFUSED(jr_queue_take(queue, &completion, 0, 0), "room");
    jr_queue_wake(NULL);
    CHECK_INT(jr_queue_take(queue, &completion, 1, 0), 0);

    int64_t number = 5;
    double real = 5;
    bool truth = true;
    reply = run(client, "ECHO", "no number");
    REFUSED(jr_reply_int64(NULL, &number), "reply");
    REFUSED(jr_reply_int64(reply, NULL), "out");
    REFUSED(jr_reply_int64(reply, &number), "number");
    REFUSED(jr_reply_double(NULL, &real), "reply");
    REFUSED(jr_reply_double(reply, &real), "number");
    REFUSED(jr_reply_bool(NULL, &truth), "reply");
    REFUSED(jr_reply_bool(reply, &truth), "truth");
    CHECK(number == 5 && real == 5 && truth);
    CHECK(jr_reply_find(NULL, "key") == NULL && jr_reply_find(reply, NULL) == NULL);
    CHECK(jr_reply_find(reply, "key") == NULL);
    CHECK(jr_reply_attributes(NULL) == NULL && jr_reply_attributes(reply) == NULL);
    jr_reply_free(reply);

    jr_reply_free(NULL);
    jr_queue_free(NULL);
    jr_client_free(NULL);
    jr_config_free(NULL);
    jr_config_free(config);
}

static void absurd_requests(void) {
    const jr_command ping = COMMAND("PING");
    jr_request good = request_of(&ping, 1), request;
    good.queue = queue;

#define WITH(change, part)                                                                                             \
    do {                                                                                                               \
        request = good;                                                                                                \
        change;                                                                                                        \
        refused_everywhere(&request, part);                                                                            \
    } while (0)
    WITH(request.size = 0, "sizeof(jr_request)");
    WITH(request.size = 8, "sizeof(jr_request)");
    WITH(request.size = SIZE_MAX, "sizeof(jr_request)");
    WITH(request.commands = NULL, "commands");
    WITH(request.count = 0, "count");
    WITH(request.count = SIZE_MAX, "count");
    WITH(request.count = (size_t)UINT32_MAX + 1, "count");
    WITH(request.flags = 128, "flags");
    WITH(request.flags = UINT32_MAX, "flags");
    WITH((request.subscription = 1, request.flags = JR_REQUEST_ATOMIC), "subscription");
    WITH(request.route = "", "route");
    WITH(request.route = "\xff", "UTF-8");

    /* A struct of a later version: the members that this one does not know are zero or refused. */
    struct {
        jr_request request;
        unsigned char tail[16];
    } later = {.request = good};
    later.request.size = sizeof later;
    CHECK_INT(jr_submit(client, &later.request, NULL), JR_OK);
    jr_reply_free(take_one(queue).reply);
    later.tail[15] = 1;
    REFUSED(jr_submit(client, &later.request, NULL), "does not know");

    /* There was no earlier version, and none ends within a member or where the next one of an array would be
     * misaligned. */
    for (size_t size = 0; size < sizeof(jr_request) + 64; size++) {
        if (size < sizeof(jr_request) || size % sizeof(void *) != 0) {
            jr_request pair_of_this_size[2] = {good, good};
            pair_of_this_size[0].size = size;
            REFUSED(jr_submit(client, pair_of_this_size, NULL), "sizeof(jr_request)");
            REFUSED(jr_submit_many(client, pair_of_this_size, 2, NULL), "sizeof(jr_request)");
        }
    }

    request = good;
    request.callback = on_completion;
    REFUSED(jr_submit(client, &request, NULL), "choose one");
    REFUSED(jr_execute(client, &good, NULL), "must not name");
    request.queue = NULL;
    REFUSED(jr_execute(client, &request, NULL), "must not name");

    jr_request pair[2] = {good, good};
    uint64_t ids[2] = {0, 0};
    pair[1].flags = 128;
    CHECK_INT(jr_submit_many(client, pair, 2, ids), 1);
    explained("flags");
    CHECK(ids[0] != 0 && ids[1] == 0);
    jr_reply_free(take_one(queue).reply);
    REFUSED(jr_submit_many(client, pair, SIZE_MAX, NULL), "count");

    REFUSED(jr_client_events(client, &good, NULL), "commands");
    request = request_to(queue, on_completion, 0);
    REFUSED(jr_client_events(client, &request, NULL), "choose one");
    request = request_to(NULL, NULL, 0);
    REFUSED(jr_client_events(client, &request, NULL), "queue or a callback");
    request = request_to(queue, NULL, 0);
    request.flags = JR_REQUEST_ATOMIC;
    REFUSED(jr_client_events(client, &request, NULL), "flags");
}

static void absurd_commands(void) {
    jr_bytes words[2] = {jr_text("ECHO"), {NULL, 0}};
    jr_command command = {words, 2}, pair[2];
    jr_request request = request_of(&command, 1);
    jr_reply *reply;

    CHECK_INT(jr_execute(client, &request, &reply), JR_OK); /* NULL of no bytes is an empty argument */
    CHECK_REPLY(reply, JR_STRING, "");
    jr_reply_free(reply);
    request.queue = queue;
    words[1].len = 1;
    refused_everywhere(&request, "argument 1 is NULL");
    words[1].len = 0;
    words[0].len = 0;
    refused_everywhere(&request, "no name");
    words[0] = jr_text("ECHO");
    words[1].len = 1;
    words[1].len = SIZE_MAX;
    refused_everywhere(&request, "argument 1 is NULL");
    words[1].data = "x";
    refused_everywhere(&request, "out of range");
    words[1].len = SIZE_MAX / 2;
    refused_everywhere(&request, "max_request_bytes");
    words[1] = jr_text("x");
    command.count = 0;
    refused_everywhere(&request, "no arguments");
    command.count = SIZE_MAX;
    refused_everywhere(&request, "count is out of range");
    command = (jr_command){NULL, 1};
    refused_everywhere(&request, "args is NULL");

    pair[0] = COMMAND("PING");
    pair[1] = command;
    request.commands = pair;
    request.count = 2;
    refused_everywhere(&request, "command 1: args is NULL");

    CHECK_INT((reply = jr_run_strings(client, NULL, 1))->integer, JR_ERR_ARGUMENT);
    jr_reply_free(reply);
    CHECK_INT((reply = jr_run_strings(client, WORDS("PING"), 0))->integer, JR_ERR_ARGUMENT);
    jr_reply_free(reply);
    CHECK_INT((reply = jr_run_strings(client, WORDS("ECHO", NULL), 2))->integer, JR_ERR_ARGUMENT);
    CHECK_HAS(reply->bytes, "argument 1");
    jr_reply_free(reply);
    CHECK_INT((reply = jr_run_strings(client, WORDS("PING"), SIZE_MAX))->integer, JR_ERR_ARGUMENT);
    jr_reply_free(reply);
    CHECK_INT((reply = jr_run(client, "", ""))->integer, JR_ERR_ARGUMENT);
    CHECK_HAS(reply->bytes, "no name");
    jr_reply_free(reply);
}

static void *another_thread(void *argument) {
    (void)argument;
    CHECK_TEXT(jr_error_text(), "");
    CHECK_INT(jr_cancel(client, 0), JR_ERR_NOT_FOUND);
    CHECK(jr_error_text()[0] != '\0');
    return NULL;
}

int main(void) {
    CHECK_TEXT(jr_error_text(), "");
    client = connect_client();
    queue = jr_queue_new();
    null_pointers();
    absurd_requests();
    absurd_commands();

    char kept[256];
    REFUSED(jr_submit(client, NULL, NULL), "request");
    snprintf(kept, sizeof kept, "%s", jr_error_text());
    join_thread(start_thread(another_thread, NULL));
    CHECK_TEXT(jr_error_text(), kept);
    perform(client, "PING");
    CHECK_TEXT(jr_error_text(), kept); /* success does not touch it */

    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    CHECK_INT(jr_reply_find(stats, "requests")->integer, 0);
    jr_reply_free(stats);
    jr_queue_free(queue);
    close_client(client);
    return 0;
}
