/* The peer on a cluster: libvalkey, with a cluster context of its own for each thread. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <valkey/cluster.h>

#define LIBEV_CONTEXT valkeyAsyncContext
#define LIBEV_READ valkeyAsyncHandleRead
#define LIBEV_WRITE valkeyAsyncHandleWrite
#include "libev_adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const measure_mode modes[] = {
    {"sync", "valkeyClusterCommandArgv", false},
    {"pipeline", "valkeyClusterAppendCommandArgv for the whole window, then valkeyClusterGetReply for each", true},
    {"async", "valkeyClusterAsyncCommandArgv over libev, the next one from the callback", true},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "libvalkey_bench",
    .about = "runs GET or SET on a cluster through libvalkey, as justredis_bench does",
    .modes = modes,
    .lacks = "--url --cluster --tls-ca --nodes",
};

/* The command of every request, but for its key. */
typedef struct context {
    measure_key *keys;
    char node[300];
    int count;
    const char *words[3];
    size_t lengths[3];
} context;

/* The words of the next request. */
static void next_words(measure_worker *worker, const char *words[3]) {
    context *context = worker->shared;
    memcpy(words, context->words, sizeof context->words);
    words[1] = context->keys[measure_next_key(worker)].text;
}

static void check(measure_worker *worker, const valkeyReply *reply, const char *reason, uint64_t since) {
    const measure_options *options = worker->options;
    if (!reply)
        measure_give_up("libvalkey", reason);
    if (options->set ? reply->type != VALKEY_REPLY_STATUS
                     : reply->type != VALKEY_REPLY_STRING || reply->len != options->value)
        measure_failed(worker, reply->type == VALKEY_REPLY_ERROR ? reply->str : "an unexpected reply");
    else
        measure_done(worker, since);
}

static valkeyClusterContext *connect_to(const context *context) {
    valkeyClusterContext *cluster = valkeyClusterConnect(context->node);
    if (!cluster || cluster->err)
        measure_give_up("libvalkey", cluster ? cluster->errstr : "out of memory");
    return cluster;
}

static void sync_work(measure_worker *worker) {
    context *context = worker->shared;
    valkeyClusterContext *cluster = connect_to(context);
    const char *words[3];
    measure_begin(worker);
    while (measure_may_start(worker)) {
        next_words(worker, words);
        uint64_t since = measure_now();
        valkeyReply *reply = valkeyClusterCommandArgv(cluster, context->count, words, context->lengths);
        check(worker, reply, cluster->errstr, since);
        freeReplyObject(reply);
    }
    valkeyClusterFree(cluster);
}

static void pipeline_work(measure_worker *worker) {
    context *context = worker->shared;
    valkeyClusterContext *cluster = connect_to(context);
    uint64_t *since = measure_memory(worker->options->window * sizeof *since);
    const char *words[3];
    size_t in_flight;
    measure_begin(worker);
    do {
        for (in_flight = 0; in_flight < worker->options->window && measure_may_start(worker); in_flight++) {
            since[in_flight] = measure_sample(worker);
            next_words(worker, words);
            valkeyClusterAppendCommandArgv(cluster, context->count, words, context->lengths);
        }
        for (size_t index = 0; index < in_flight; index++) {
            void *reply = NULL;
            valkeyClusterGetReply(cluster, &reply);
            check(worker, reply, cluster->errstr, since[index]);
            freeReplyObject(reply);
        }
        valkeyClusterReset(cluster);
    } while (in_flight);
    free(since);
    valkeyClusterFree(cluster);
}

/* One place in the window: it submits itself again from its callback. */
typedef struct place {
    measure_worker *worker;
    size_t *in_flight;
    uint64_t since;
} place;

static void replied(valkeyClusterAsyncContext *cluster, void *reply, void *data);

static void submit_place(valkeyClusterAsyncContext *cluster, place *place) {
    context *context = place->worker->shared;
    const char *words[3];
    if (!measure_may_start(place->worker))
        return;
    next_words(place->worker, words);
    place->since = measure_sample(place->worker);
    ++*place->in_flight;
    if (valkeyClusterAsyncCommandArgv(cluster, replied, place, context->count, words, context->lengths) != VALKEY_OK)
        measure_give_up("libvalkey", cluster->errstr);
}

static void replied(valkeyClusterAsyncContext *cluster, void *reply, void *data) {
    place *place = data;
    --*place->in_flight;
    check(place->worker, reply, cluster->errstr, place->since);
    submit_place(cluster, place);
    if (!*place->in_flight)
        valkeyClusterAsyncDisconnect(cluster);
}

static void async_work(measure_worker *worker) {
    const context *context = worker->shared;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    valkeyClusterOptions options = {
        .initial_nodes = context->node,
        .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE,
        .attach_fn = libev_attach,
        .attach_data = loop,
    };
    valkeyClusterAsyncContext *cluster = valkeyClusterAsyncConnectWithOptions(&options);
    if (!cluster || cluster->err)
        measure_give_up("libvalkey", cluster ? cluster->errstr : "out of memory");
    size_t in_flight = 0;
    place *places = measure_memory(worker->options->window * sizeof *places);
    measure_begin(worker);
    for (size_t index = 0; index < worker->options->window; index++) {
        places[index] = (place){.worker = worker, .in_flight = &in_flight};
        submit_place(cluster, &places[index]);
    }
    /* Ends when the connections are closed after the last reply. */
    ev_run(loop, 0);
    valkeyClusterAsyncFree(cluster);
    free(places);
    ev_loop_destroy(loop);
}

static void write_values(const measure_options *options, const context *context, const char *value) {
    valkeyClusterContext *cluster = connect_to(context);
    for (size_t index = 0; index < options->keys; index++) {
        const char *key = context->keys[index].text;
        valkeyReply *reply = valkeyClusterCommand(cluster, "SET %s %b", key, value, options->value);
        if (!reply || reply->type != VALKEY_REPLY_STATUS)
            measure_give_up("SET", reply ? reply->str : cluster->errstr);
        freeReplyObject(reply);
    }
    valkeyClusterFree(cluster);
}

int main(int count, char **arguments) {
    void (*const works[])(measure_worker *) = {sync_work, pipeline_work, async_work};
    measure_options options = measure_arguments(&program, count, arguments);
    char *value = measure_value(&options);
    context context = {
        .keys = measure_keys(&options),
        .count = options.set ? 3 : 2,
        .words = {options.set ? "SET" : "GET", MEASURE_KEY, value},
        .lengths = {3, strlen(MEASURE_KEY), options.value},
    };
    snprintf(context.node, sizeof context.node, "%s:%zu", options.host, options.port);
    write_values(&options, &context, value);
    int status = measure_run(&program, &options, works[options.mode - modes], &context);
    free(context.keys);
    free(value);
    return status;
}
