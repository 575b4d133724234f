/* A load generator and benchmark of justredis: one client, in each of the ways a program can use it. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <justredis.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const measure_mode modes[] = {
    {"execute", "every thread calls jr_execute", false},
    {"submit", "every thread has a queue, and waits in jr_queue_take", true},
    {"queue", "as submit, but submits with jr_submit_many", true},
    {"poll", "as queue, but waits in poll(2) for the descriptor of the queue", true},
    {"view", "as submit, but waits in poll(2)", true},
    {"views", "as view, with --window requests on each of 16 databases", true},
    {"callback", "every thread lets callbacks submit the next request", true},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "justredis_bench",
    .about = "runs GET or SET through justredis and prints throughput, latency and CPU time",
    .modes = modes,
    .lacks = "--nodes",
};

/* As many databases as a server has by default. */
#define VIEWS 16

/* A command on one of the keys. */
typedef struct key_command {
    jr_bytes words[3];
    jr_command command;
} key_command;

/* The commands, the client that all share, and its views. */
typedef struct context {
    jr_client *client;
    jr_client *views[VIEWS];
    key_command *commands;
} context;

static const jr_command *next_command(measure_worker *worker) {
    const context *context = worker->shared;
    return &context->commands[measure_next_key(worker)].command;
}

static jr_request request_of(const context *context) {
    jr_request request = {.size = sizeof request, .commands = &context->commands->command, .count = 1};
    return request;
}

/* A reply is looked at as a program would: its kind, and that a value has its length. */
static void finish(measure_worker *worker, jr_status status, jr_reply *reply, uint64_t since) {
    const measure_options *options = worker->options;
    if (status != JR_OK)
        measure_failed(worker, reply ? reply->bytes : jr_error_text());
    else if (options->set ? reply->kind != JR_STATUS : reply->kind != JR_STRING || reply->length != options->value)
        measure_failed(worker, "an unexpected reply");
    else
        measure_done(worker, since);
    jr_reply_free(reply);
}

static void execute(measure_worker *worker) {
    const context *context = worker->shared;
    jr_request request = request_of(context);
    measure_begin(worker);
    while (measure_may_start(worker)) {
        request.commands = next_command(worker);
        uint64_t since = measure_now();
        jr_reply *reply = NULL;
        jr_status status = jr_execute(context->client, &request, &reply);
        finish(worker, status, reply, since);
    }
}

static void submit(const jr_client *client, const jr_request *request) {
    if (jr_submit(client, request, NULL) != JR_OK)
        measure_give_up("jr_submit", jr_error_text());
}

static void wait_for(const jr_queue *queue) {
    struct pollfd descriptor = {.fd = jr_queue_fd(queue), .events = POLLIN};
    poll(&descriptor, 1, -1);
}

static void take_from_queue(measure_worker *worker, bool polls) {
    const context *context = worker->shared;
    size_t window = worker->options->window, in_flight = 0;
    jr_queue *queue = jr_queue_new();
    jr_completion *completions = measure_memory(window * sizeof *completions);
    jr_request *requests = measure_memory(window * sizeof *requests);
    for (size_t index = 0; index < window; index++) {
        requests[index] = request_of(context);
        requests[index].queue = queue;
    }
    measure_begin(worker);
    for (;;) {
        size_t count = 0;
        while (in_flight + count < window && measure_may_start(worker)) {
            requests[count].commands = next_command(worker);
            requests[count++].user_data = measure_sample(worker);
        }
        if (jr_submit_many(context->client, requests, count, NULL) != (int64_t)count)
            measure_give_up("jr_submit_many", jr_error_text());
        in_flight += count;
        if (!in_flight)
            break;
        if (polls)
            wait_for(queue);
        int64_t taken = jr_queue_take(queue, completions, window, polls ? 0 : -1);
        if (taken < 0)
            measure_give_up("jr_queue_take", jr_error_text());
        for (int64_t index = 0; index < taken; index++)
            finish(worker, completions[index].status, completions[index].reply, completions[index].user_data);
        in_flight -= (size_t)taken;
    }
    free(requests);
    free(completions);
    jr_queue_free(queue);
}

/* Through so many views, each with a window of its own. The view is kept beside the time, in the low bits. */
static void submit_each(measure_worker *worker, size_t views, bool polls) {
    const context *context = worker->shared;
    size_t window = worker->options->window, in_flight[VIEWS] = {0}, total = 0;
    jr_queue *queue = jr_queue_new();
    jr_completion *completions = measure_memory(window * views * sizeof *completions);
    jr_request request = request_of(context);
    request.queue = queue;
    measure_begin(worker);
    for (;;) {
        for (size_t view = 0; view < views; view++)
            for (; in_flight[view] < window && measure_may_start(worker); in_flight[view]++, total++) {
                request.commands = next_command(worker);
                request.user_data = measure_sample(worker) * VIEWS + view;
                submit(context->views[view], &request);
            }
        if (!total)
            break;
        if (polls)
            wait_for(queue);
        int64_t taken = jr_queue_take(queue, completions, window * views, polls ? 0 : -1);
        if (taken < 0)
            measure_give_up("jr_queue_take", jr_error_text());
        for (int64_t index = 0; index < taken; index++) {
            const jr_completion *completion = &completions[index];
            finish(worker, completion->status, completion->reply, completion->user_data / VIEWS);
            in_flight[completion->user_data % VIEWS]--;
        }
        total -= (size_t)taken;
    }
    free(completions);
    jr_queue_free(queue);
}

static void submit_to_queue(measure_worker *worker) {
    submit_each(worker, 1, false);
}

static void submit_to_view(measure_worker *worker) {
    submit_each(worker, 1, true);
}

static void submit_to_views(measure_worker *worker) {
    submit_each(worker, VIEWS, true);
}

static void queue(measure_worker *worker) {
    take_from_queue(worker, false);
}

static void poll_queue(measure_worker *worker) {
    take_from_queue(worker, true);
}

/* One place in the window of a worker that lives by callbacks: it submits itself again from its callback. Only the
 * callback thread touches it and the worker, once it runs. */
typedef struct place {
    struct chain *chain;
    uint64_t since;
} place;

typedef struct chain {
    measure_worker *worker;
    place *places;
    size_t in_flight;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
} chain;

static void called_back(const jr_completion *completion);

static void submit_place(place *place) {
    measure_worker *worker = place->chain->worker;
    if (!measure_may_start(worker))
        return;
    jr_request request = request_of(worker->shared);
    request.commands = next_command(worker);
    request.callback = called_back;
    request.user_data = (uint64_t)(uintptr_t)place;
    place->since = measure_sample(worker);
    place->chain->in_flight++;
    submit(((context *)worker->shared)->client, &request);
}

static void end_when_empty(chain *chain) {
    if (chain->in_flight)
        return;
    pthread_mutex_lock(&chain->lock);
    chain->has_ended = true;
    pthread_cond_signal(&chain->ended);
    pthread_mutex_unlock(&chain->lock);
}

static void called_back(const jr_completion *completion) {
    place *place = (struct place *)(uintptr_t)completion->user_data;
    chain *chain = place->chain;
    chain->in_flight--;
    finish(chain->worker, completion->status, completion->reply, place->since);
    submit_place(place);
    end_when_empty(chain);
}

/* The first callback fills the window, so that only the callback thread submits. */
static void fill_window(const jr_completion *completion) {
    chain *chain = (struct chain *)(uintptr_t)completion->user_data;
    jr_reply_free(completion->reply);
    for (size_t index = 0; index < chain->worker->options->window; index++)
        submit_place(&chain->places[index]);
    end_when_empty(chain);
}

static void callback(measure_worker *worker) {
    chain chain = {.worker = worker, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    chain.places = measure_memory(worker->options->window * sizeof *chain.places);
    for (size_t index = 0; index < worker->options->window; index++)
        chain.places[index].chain = &chain;
    jr_request request = request_of(worker->shared);
    request.callback = fill_window;
    request.user_data = (uint64_t)(uintptr_t)&chain;
    measure_begin(worker);
    submit(((context *)worker->shared)->client, &request);
    pthread_mutex_lock(&chain.lock);
    while (!chain.has_ended)
        pthread_cond_wait(&chain.ended, &chain.lock);
    pthread_mutex_unlock(&chain.lock);
    free(chain.places);
}

static jr_client *connect_to(const measure_options *options) {
    char url[512];
    /* An IPv6 address stands in brackets. */
    const char *form = strchr(options->host, ':') ? "redis://[%s]:%zu" : "redis://%s:%zu";
    if (!options->url)
        snprintf(url, sizeof url, form, options->host, options->port);
    jr_config *config = jr_config_new();
    jr_client *client = NULL;
    if (jr_config_set(config, "url", options->url ? options->url : url) != JR_OK ||
        (options->cluster && jr_config_set(config, "topology", "cluster") != JR_OK) ||
        (options->tls_ca && jr_config_set(config, "tls", "on") != JR_OK) ||
        (options->tls_ca && jr_config_set(config, "tls_ca", options->tls_ca) != JR_OK) ||
        jr_client_new(config, &client) != JR_OK)
        measure_give_up("no client", jr_error_text());
    jr_config_free(config);
    return client;
}

static jr_client *view_of(const jr_client *client, size_t database) {
    jr_client *view = NULL;
    if (jr_client_database(client, (uint32_t)database, &view) != JR_OK)
        measure_give_up("no view", jr_error_text());
    return view;
}

static void write_value(const jr_client *client, const char *key, const char *value, size_t length) {
    jr_bytes words[] = {jr_text("SET"), jr_text(key), {value, length}};
    jr_command command = {words, 3};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1};
    jr_reply *reply = NULL;
    if (jr_execute(client, &request, &reply) != JR_OK)
        measure_give_up("SET", reply ? reply->bytes : jr_error_text());
    jr_reply_free(reply);
}

int main(int count, char **arguments) {
    void (*const works[])(measure_worker *) = {execute,        submit_to_queue, queue,   poll_queue,
                                               submit_to_view, submit_to_views, callback};
    measure_options options = measure_arguments(&program, count, arguments);
    char *value = measure_value(&options);
    measure_key *keys = measure_keys(&options);
    context context = {.client = connect_to(&options)};
    context.commands = measure_memory(options.keys * sizeof *context.commands);
    size_t views = works[options.mode - modes] == submit_to_views ? VIEWS : 1;
    for (size_t view = 0; view < views; view++) {
        context.views[view] = view_of(context.client, view);
        for (size_t index = 0; index < options.keys; index++)
            write_value(context.views[view], keys[index].text, value, options.value);
    }
    for (size_t index = 0; index < options.keys; index++) {
        key_command *command = &context.commands[index];
        command->words[0] = jr_text(options.set ? "SET" : "GET");
        command->words[1] = jr_text(keys[index].text);
        command->words[2] = (jr_bytes){value, options.value};
        command->command = (jr_command){command->words, options.set ? 3 : 2};
    }
    int status = measure_run(&program, &options, works[options.mode - modes], &context);
    for (size_t view = 0; view < views; view++)
        jr_client_free(context.views[view]);
    jr_client_close(context.client, 1000);
    jr_client_free(context.client);
    free(context.commands);
    free(keys);
    free(value);
    return status;
}
