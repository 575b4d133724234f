/* JR_REQUEST_CACHED: hits by every way to get an answer, changes by this client and by another, and what is refused. */
#include "check.h"

static jr_client *client;
static jr_queue *queue;
static atomic_int called;

static int64_t statistic(const char *key) {
    jr_reply *map = NULL;
    int64_t number = -1;
    CHECK_INT(jr_client_stats(client, &map), JR_OK);
    CHECK_INT(jr_reply_int64(jr_reply_find(map, key), &number), JR_OK);
    jr_reply_free(map);
    return number;
}

static jr_reply *cached(jr_status expected, const char *const *words) {
    jr_bytes room[16];
    jr_command command = command_of(room, words);
    jr_request request = request_of(&command, 1);
    jr_reply *reply = NULL;
    request.flags = JR_REQUEST_CACHED;
    CHECK_INT(jr_execute(client, &request, &reply), expected);
    return reply;
}

static void is_value(const jr_completion *completion) {
    CHECK_INT(completion->status, JR_OK);
    CHECK_INT(completion->flags, JR_OUTCOME_ANSWERED);
    CHECK_INT(completion->user_data, 7);
    CHECK_REPLY(completion->reply, JR_STRING, "value");
    jr_reply_free(completion->reply);
}

static void on_completion(const jr_completion *completion) {
    is_value(completion);
    called++;
}

static void hits_by_every_way(void) {
    perform(client, "SET", "cache", "value");
    jr_reply_free(cached(JR_OK, WORDS("GET", "cache")));
    int64_t misses = statistic("cache_misses");

    jr_reply *reply = cached(JR_OK, WORDS("GET", "cache"));
    CHECK_REPLY(reply, JR_STRING, "value");
    jr_reply_free(reply);

    uint64_t id;
    jr_request target = request_to(queue, NULL, 7);
    target.flags = JR_REQUEST_CACHED;
    CHECK_INT(submit(client, target, &id, "GET", "cache"), JR_OK);
    jr_completion completion = take_one(queue);
    CHECK(completion.request == id);
    is_value(&completion);

    target = request_to(NULL, on_completion, 7);
    target.flags = JR_REQUEST_CACHED;
    CHECK_INT(submit(client, target, NULL, "GET", "cache"), JR_OK);
    WAIT_UNTIL(called == 1);

    target = request_to(NULL, NULL, 7);
    target.flags = JR_REQUEST_CACHED;
    CHECK_INT(submit(client, target, NULL, "GET", "cache"), JR_OK);

    /* Many at once, hits between others. */
    jr_command get = COMMAND("GET", "cache");
    jr_request requests[10];
    uint64_t ids[10];
    for (int i = 0; i < 10; i++) {
        requests[i] = request_to(queue, NULL, 7);
        requests[i].commands = &get;
        requests[i].count = 1;
        requests[i].flags = i % 2 ? JR_REQUEST_CACHED : 0;
    }
    CHECK_INT(jr_submit_many(client, requests, 10, ids), 10);
    for (int i = 0; i < 10; i++) {
        completion = take_one(queue);
        is_value(&completion);
    }
    CHECK_INT(statistic("cache_misses"), misses);
    CHECK_INT(statistic("cache_hits"), 9);
    CHECK_INT(statistic("cache_entries"), 1);
    CHECK(statistic("cache_bytes") > 0);
}

static void changes_are_seen(void) {
    jr_client *other = connect_client();
    perform(client, "SET", "cache", "mine");
    jr_reply *reply = cached(JR_OK, WORDS("GET", "cache"));
    CHECK_REPLY(reply, JR_STRING, "mine");
    jr_reply_free(reply);
    perform(other, "SET", "cache", "yours");
    for (int polls = 0; reply = cached(JR_OK, WORDS("GET", "cache")), strcmp(reply->bytes, "yours") != 0; polls++) {
        CHECK(polls < PATIENCE);
        jr_reply_free(reply);
        pause_briefly();
    }
    jr_reply_free(reply);
    CHECK(statistic("cache_invalidations") > 0);
    close_client(other);
}

static void what_is_refused(void) {
    jr_reply *reply = cached(JR_ERR_ARGUMENT, WORDS("TTL", "cache"));
    CHECK_HAS(reply->bytes, "TTL");
    jr_reply_free(reply);
    jr_reply_free(cached(JR_ERR_ARGUMENT, WORDS("SET", "cache", "x")));
    jr_reply_free(cached(JR_ERR_REFUSED, WORDS("SELECT", "1")));
    jr_command commands[] = {COMMAND("GET", "cache"), COMMAND("GET", "cache")};
    jr_request request = request_of(commands, 2);
    request.flags = JR_REQUEST_CACHED;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    request.count = 1;
    request.flags = JR_REQUEST_CACHED | JR_REQUEST_ATOMIC;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    request.flags = JR_REQUEST_CACHED | JR_REQUEST_REPLICA;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "JR_REQUEST_REPLICA");
    request.flags = JR_REQUEST_CACHED;
    request.route = "primaries";
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    jr_config *config = config_of(server_url());
    jr_client *none = NULL;
    CHECK_INT(jr_config_set(config, "cache_bytes", "-1"), JR_ERR_CONFIG);
    CHECK_INT(jr_config_set(config, "cache_bytes", "1MiB"), JR_OK);
    CHECK_INT(jr_config_set(config, "protocol", "2"), JR_OK);
    CHECK_INT(jr_client_new(config, &none), JR_ERR_CONFIG);
    CHECK_HAS(jr_error_text(), "cache_bytes");
    CHECK(none == NULL);
    jr_config_free(config);
}

int main(void) {
    client = connect_with("cache_bytes=1MiB");
    queue = jr_queue_new();
    hits_by_every_way();
    changes_are_seen();
    what_is_refused();
    perform(client, "DEL", "cache");
    close_client(client);
    jr_queue_free(queue);
    return 0;
}
