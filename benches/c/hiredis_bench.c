/* The peer: hiredis in its three ways, a connection of its own for each thread. */
#define _POSIX_C_SOURCE 200809L
#include "hiredis_tls.h"
#include "measure.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#define LIBEV_CONTEXT redisAsyncContext
#define LIBEV_READ redisAsyncHandleRead
#define LIBEV_WRITE redisAsyncHandleWrite
#include "libev_adapter.h"

#include <stdlib.h>
#include <string.h>

static const measure_mode modes[] = {
    {"sync", "redisCommandArgv", false},
    {"pipeline", "redisAppendCommandArgv for the whole window, then redisGetReply for each", true},
    {"async", "redisAsyncCommandArgv over libev, the next one from the callback", true},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "hiredis_bench",
    .about = "runs GET or SET through hiredis, as justredis_bench does",
    .modes = modes,
    .lacks = "--url --cluster --keys --nodes" HIREDIS_TLS_LACKS,
};

/* The command of every request, and what its connection needs for TLS. */
typedef struct context {
    hiredis_tls *tls;
    int count;
    const char *words[3];
    size_t lengths[3];
} context;

static void check(measure_worker *worker, const redisReply *reply, uint64_t since) {
    const measure_options *options = worker->options;
    if (!reply)
        measure_give_up("hiredis", "the connection is lost");
    if (options->set ? reply->type != REDIS_REPLY_STATUS
                     : reply->type != REDIS_REPLY_STRING || reply->len != options->value)
        measure_failed(worker, reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
    else
        measure_done(worker, since);
}

static redisContext *connect_to(const measure_options *options, const context *context) {
    redisContext *redis = redisConnect(options->host, (int)options->port);
    if (!redis || redis->err)
        measure_give_up("hiredis", redis ? redis->errstr : "out of memory");
    hiredis_tls_start(context->tls, redis);
    return redis;
}

static void sync_work(measure_worker *worker) {
    context *context = worker->shared;
    redisContext *redis = connect_to(worker->options, context);
    measure_begin(worker);
    while (measure_may_start(worker)) {
        uint64_t since = measure_now();
        redisReply *reply = redisCommandArgv(redis, context->count, context->words, context->lengths);
        check(worker, reply, since);
        freeReplyObject(reply);
    }
    redisFree(redis);
}

static void pipeline_work(measure_worker *worker) {
    context *context = worker->shared;
    redisContext *redis = connect_to(worker->options, context);
    uint64_t *since = measure_memory(worker->options->window * sizeof *since);
    size_t in_flight;
    measure_begin(worker);
    do {
        for (in_flight = 0; in_flight < worker->options->window && measure_may_start(worker); in_flight++) {
            since[in_flight] = measure_sample(worker);
            redisAppendCommandArgv(redis, context->count, context->words, context->lengths);
        }
        for (size_t index = 0; index < in_flight; index++) {
            void *reply = NULL;
            redisGetReply(redis, &reply);
            check(worker, reply, since[index]);
            freeReplyObject(reply);
        }
    } while (in_flight);
    free(since);
    redisFree(redis);
}

/* One place in the window: it submits itself again from its callback. */
typedef struct place {
    measure_worker *worker;
    size_t *in_flight;
    uint64_t since;
} place;

static void replied(redisAsyncContext *redis, void *reply, void *data);

static void submit_place(redisAsyncContext *redis, place *place) {
    context *context = place->worker->shared;
    if (!measure_may_start(place->worker))
        return;
    place->since = measure_sample(place->worker);
    ++*place->in_flight;
    redisAsyncCommandArgv(redis, replied, place, context->count, context->words, context->lengths);
}

static void replied(redisAsyncContext *redis, void *reply, void *data) {
    place *place = data;
    --*place->in_flight;
    check(place->worker, reply, place->since);
    submit_place(redis, place);
    if (!*place->in_flight)
        redisAsyncDisconnect(redis);
}

static void async_work(measure_worker *worker) {
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    redisAsyncContext *redis = redisAsyncConnect(worker->options->host, (int)worker->options->port);
    if (!redis || redis->err)
        measure_give_up("hiredis", redis ? redis->errstr : "out of memory");
    hiredis_tls_start(((context *)worker->shared)->tls, &redis->c);
    if (libev_attach(redis, loop) != 0)
        measure_give_up("hiredis", "out of memory");
    size_t in_flight = 0;
    place *places = measure_memory(worker->options->window * sizeof *places);
    measure_begin(worker);
    for (size_t index = 0; index < worker->options->window; index++) {
        places[index] = (place){.worker = worker, .in_flight = &in_flight};
        submit_place(redis, &places[index]);
    }
    /* Ends when the connection is closed after the last reply. */
    ev_run(loop, 0);
    free(places);
    ev_loop_destroy(loop);
}

static void write_value(const measure_options *options, const context *context, const char *value) {
    redisContext *redis = connect_to(options, context);
    redisReply *reply = redisCommand(redis, "SET %s %b", MEASURE_KEY, value, options->value);
    if (!reply || reply->type != REDIS_REPLY_STATUS)
        measure_give_up("SET", reply ? reply->str : redis->errstr);
    freeReplyObject(reply);
    redisFree(redis);
}

int main(int count, char **arguments) {
    void (*const works[])(measure_worker *) = {sync_work, pipeline_work, async_work};
    measure_options options = measure_arguments(&program, count, arguments);
    char *value = measure_value(&options);
    context context = {
        .tls = hiredis_tls_new(&options),
        .count = options.set ? 3 : 2,
        .words = {options.set ? "SET" : "GET", MEASURE_KEY, value},
        .lengths = {3, strlen(MEASURE_KEY), options.value},
    };
    write_value(&options, &context, value);
    int status = measure_run(&program, &options, works[options.mode - modes], &context);
    hiredis_tls_free(context.tls);
    free(value);
    return status;
}
