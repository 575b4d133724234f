/* Cached reads: the server is asked once, and again only after a change, whoever made it. */
#include "example.h"

/* A client with room for cached answers. */
static jr_client *new_caching_client(void) {
    const char *url = getenv("JR_URL");
    jr_config *config = jr_config_new();
    jr_client *client;
    check(jr_config_set(config, "url", url ? url : "redis://127.0.0.1:6379"), "JR_URL");
    check(jr_config_set(config, "cache_bytes", "16MiB"), "cache_bytes");
    check(jr_client_new(config, &client), "jr_client_new");
    jr_config_free(config);
    return client;
}

/* The flag on the request is all there is to it. */
static jr_reply *get_cached(const jr_client *client, const char *key) {
    jr_bytes words[] = {jr_text("GET"), jr_text(key)};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .flags = JR_REQUEST_CACHED};
    jr_reply *reply;
    check(jr_execute(client, &request, &reply), "GET");
    return reply;
}

static long long statistic(const jr_client *client, const char *key) {
    jr_reply *map;
    int64_t number = 0;
    check(jr_client_stats(client, &map), "jr_client_stats");
    check(jr_reply_int64(jr_reply_find(map, key), &number), key);
    jr_reply_free(map);
    return number;
}

int main(void) {
    jr_client *client = new_caching_client(), *somebody_else = new_client();
    finish(jr_run(client, "SET", "jr:example:motto", "festina lente"));
    for (int i = 0; i < 1000; i++)
        jr_reply_free(get_cached(client, "jr:example:motto"));
    printf("1000 reads: %lld from the cache, %lld from the server\n", statistic(client, "cache_hits"),
           statistic(client, "cache_misses"));

    /* A write of this client is seen at once, ... */
    finish(jr_run(client, "SET", "jr:example:motto", "carpe diem"));
    jr_reply *reply = get_cached(client, "jr:example:motto");
    printf("after a write of this client: %s\n", reply->bytes);
    jr_reply_free(reply);

    /* ... one of somebody else as soon as the server has told: a moment later. */
    finish(jr_run(somebody_else, "SET", "jr:example:motto", "memento mori"));
    while (reply = get_cached(client, "jr:example:motto"), reply->bytes[0] != 'm')
        jr_reply_free(reply);
    printf("after a write of somebody else: %s\n", reply->bytes);
    jr_reply_free(reply);
    printf("the cache has %lld answer in %lld bytes\n", statistic(client, "cache_entries"),
           statistic(client, "cache_bytes"));
    finish(jr_run(client, "DEL", "jr:example:motto"));
    end_client(client);
    end_client(somebody_else);
    return 0;
}
