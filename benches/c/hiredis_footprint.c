/* The peer: what hiredis takes for large replies and for requests that wait. */
#define _POSIX_C_SOURCE 200809L
#include "footprint.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <string.h>

static const measure_mode modes[] = {
    {"string", "reads a string of --value bytes again and again", false},
    {"array", "the same, of --value bytes in elements of 10", false},
    {"queued", "hands --window requests to redisAsyncCommand", true},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "hiredis_footprint",
    .about = "measures what hiredis takes, as justredis_footprint does",
    .modes = modes,
    .lacks = "--url --tls-ca --command --threads --count --nodes",
};

static size_t size_of(const redisReply *reply) {
    size_t size = sizeof *reply + (reply->str ? reply->len + 1 : 0) + reply->elements * sizeof *reply->element;
    for (size_t index = 0; index < reply->elements; index++)
        size += size_of(reply->element[index]);
    return size;
}

static size_t run(void *client, int count, const char **words) {
    redisReply *reply = redisCommandArgv(client, count, words, NULL);
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        measure_give_up(words[0], reply ? reply->str : "the connection is lost");
    size_t size = size_of(reply);
    freeReplyObject(reply);
    return size;
}

static void read_large(const measure_options *options) {
    redisContext *redis = redisConnect(options->host, (int)options->port);
    if (!redis || redis->err)
        measure_give_up("hiredis", redis ? redis->errstr : "out of memory");
    footprint_read(&program, options, run, redis);
    redisFree(redis);
}

static void replied(redisAsyncContext *redis, void *reply, void *data) {
    (void)redis, (void)reply, (void)data;
}

/* Without an event loop nothing is written: the bytes of all requests stay. */
static void queue_up(const measure_options *options) {
    const char *words[] = {"GET", MEASURE_KEY};
    redisAsyncContext *redis = redisAsyncConnect("127.0.0.1", (int)footprint_silent_server());
    if (!redis || redis->err)
        measure_give_up("hiredis", redis ? redis->errstr : "out of memory");
    footprint before = footprint_now();
    for (size_t index = 0; index < options->window; index++)
        if (redisAsyncCommandArgv(redis, replied, NULL, 2, words, NULL) != REDIS_OK)
            measure_give_up("redisAsyncCommandArgv", redis->errstr);
    footprint_queued(&program, options, before);
    redisAsyncFree(redis);
}

int main(int count, char **arguments) {
    void (*const works[])(const measure_options *) = {read_large, read_large, queue_up};
    measure_options options = measure_arguments(&program, count, arguments);
    works[options.mode - modes](&options);
    return 0;
}
