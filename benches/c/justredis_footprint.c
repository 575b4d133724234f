/* What justredis takes: memory for large replies, for requests that wait and for a connected client; the library. */
#define _GNU_SOURCE
#include "footprint.h"

#include <justredis.h>

#include <link.h>
#include <malloc.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const measure_mode modes[] = {
    {"string", "reads a string of --value bytes again and again", false},
    {"array", "the same, of --value bytes in elements of 10", false},
    {"queued", "submits --window requests to a server that never answers", true},
    {"connected", "connects and uses a queue and a callback; and the size of the library's file", false},
    {"idle", "lets --window connections lie idle, each of another database, beside one that was there before", true},
    {"nodes", "lets the connections to all nodes of a cluster lie idle, one to each", false},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "justredis_footprint",
    .about = "measures what justredis takes: memory, threads, time for large replies",
    .modes = modes,
    .lacks = "--url --command --threads --count --keys --nodes",
};

/* tls_ca: NULL without TLS. */
static jr_client *connect_to(const char *host, size_t port, const char *tls_ca, bool cluster) {
    char url[512];
    snprintf(url, sizeof url, "redis://%s:%zu?command_timeout=none&connect_timeout=60s%s", host, port,
             cluster ? "&topology=cluster" : "");
    jr_config *config = jr_config_new();
    jr_client *client = NULL;
    if (jr_config_set(config, "url", url) != JR_OK || (tls_ca && jr_config_set(config, "tls", "on") != JR_OK) ||
        (tls_ca && jr_config_set(config, "tls_ca", tls_ca) != JR_OK) || jr_client_new(config, &client) != JR_OK)
        measure_give_up("no client", jr_error_text());
    jr_config_free(config);
    return client;
}

/* --- large replies --- */

static size_t size_of(const jr_reply *reply) {
    size_t size = sizeof *reply + (reply->bytes ? reply->length + 1 : 0);
    if (reply->kind == JR_ARRAY)
        for (size_t index = 0; index < reply->length; index++)
            size += size_of(&reply->items[index]);
    return size;
}

static size_t run(void *client, int count, const char **words) {
    jr_reply *reply = jr_run_strings(client, words, (size_t)count);
    if (reply->kind == JR_ERROR)
        measure_give_up(words[0], reply->bytes);
    size_t size = size_of(reply);
    jr_reply_free(reply);
    return size;
}

static void read_large(const measure_options *options) {
    jr_client *client = connect_to(options->host, options->port, options->tls_ca, options->cluster);
    footprint_read(&program, options, run, client);
    jr_client_free(client);
}

/* --- requests that wait --- */

static void submit(jr_client *client, jr_request *request, const char *name, const char *key) {
    jr_bytes words[] = {jr_text(name), jr_text(key)};
    jr_command command = {words, key ? 2 : 1};
    request->size = sizeof *request;
    request->commands = &command;
    request->count = 1;
    if (jr_submit(client, request, NULL) != JR_OK)
        measure_give_up("jr_submit", jr_error_text());
}

static void queue_up(const measure_options *options) {
    jr_client *client = connect_to("127.0.0.1", footprint_silent_server(), NULL, false);
    jr_queue *queue = jr_queue_new();
    jr_request request = {.queue = queue};
    footprint before = footprint_now();
    for (size_t index = 0; index < options->window; index++)
        submit(client, &request, "GET", MEASURE_KEY);
    footprint_queued(&program, options, before);
    jr_queue_free(queue);
    jr_client_free(client);
}

/* --- a client in use --- */

static void called_back(const jr_completion *completion) {
    sem_t *called = (sem_t *)(uintptr_t)completion->user_data;
    jr_reply_free(completion->reply);
    sem_post(called);
}

/* Every thread of a client runs then. */
static void use(jr_client *client) {
    sem_t called;
    jr_completion completion;
    jr_queue *queue = jr_queue_new();
    sem_init(&called, 0, 0);
    run(client, 1, (const char *[]){"PING"});
    submit(client, &(jr_request){.queue = queue}, "PING", NULL);
    if (jr_queue_take(queue, &completion, 1, -1) != 1)
        measure_give_up("jr_queue_take", jr_error_text());
    jr_reply_free(completion.reply);
    submit(client, &(jr_request){.callback = called_back, .user_data = (uint64_t)(uintptr_t)&called}, "PING", NULL);
    sem_wait(&called);
    sem_destroy(&called);
    jr_queue_free(queue);
}

static int find_library(struct dl_phdr_info *object, size_t size, void *bytes) {
    struct stat file;
    (void)size;
    if (!strstr(object->dlpi_name, "libjustredis.so") || stat(object->dlpi_name, &file) != 0)
        return 0;
    *(double *)bytes = (double)file.st_size;
    return 1;
}

static void connected(const measure_options *options) {
    double library = 0;
    footprint before = footprint_now();
    jr_client *client = connect_to(options->host, options->port, options->tls_ca, options->cluster);
    use(client);
    footprint after = footprint_now();
    dl_iterate_phdr(find_library, &library);
    jr_client_free(client);
    footprint_print(
        &program, options,
        (footprint_figure[]){
            {"library", "MB: the file of the library", library / 1e6},
            {"threads", "threads", (double)(after.threads - before.threads)},
            {"memory", "MB more than before jr_client_new", (double)(after.resident - before.resident) / 1e6},
            {"own", "MB of them that are not of a file", (double)(after.own - before.own) / 1e6},
            {NULL, NULL, 0}});
}

/* --- connections that nobody uses --- */

/* Longer than the library waits before a connection gives its buffers back. */
#define UNTIL_IDLE 3

static footprint when_idle(void) {
    sleep(UNTIL_IDLE);
    malloc_trim(0);
    return footprint_now();
}

static void idle(const measure_options *options) {
    jr_client *client = connect_to(options->host, options->port, options->tls_ca, options->cluster);
    jr_client **views = measure_memory(options->window * sizeof *views);
    run(client, 1, (const char *[]){"PING"});
    size_t before = when_idle().resident;
    for (size_t index = 0; index < options->window; index++) {
        if (jr_client_database(client, (uint32_t)index + 1, &views[index]) != JR_OK)
            measure_give_up("no view", jr_error_text());
        run(views[index], 1, (const char *[]){"PING"});
    }
    double each = (double)(when_idle().resident - before) / (double)options->window;
    for (size_t index = 0; index < options->window; index++)
        jr_client_free(views[index]);
    free(views);
    jr_client_free(client);
    footprint_print(&program, options,
                    (footprint_figure[]){{"connection", "KB for each connection", each / 1e3}, {NULL, NULL, 0}});
}

/* --- a cluster that nobody uses --- */

/* Has a connection to every node, and gives their number. */
static size_t visit_all(jr_client *client) {
    jr_bytes word = jr_text("PING");
    jr_command command = {&word, 1};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .route = "all"};
    jr_reply *reply = NULL;
    if (jr_execute(client, &request, &reply) != JR_OK)
        measure_give_up("PING", reply ? reply->bytes : jr_error_text());
    size_t nodes = reply->length / 2;
    jr_reply_free(reply);
    return nodes;
}

static void nodes(const measure_options *options) {
    footprint before = footprint_now();
    jr_client *client = connect_to(options->host, options->port, options->tls_ca, true);
    use(client);
    size_t count = visit_all(client);
    footprint after = when_idle();
    jr_client_free(client);
    footprint_print(
        &program, options,
        (footprint_figure[]){
            {"nodes", "nodes", (double)count},
            {"threads", "threads", (double)(after.threads - before.threads)},
            {"memory", "MB more than before jr_client_new", (double)(after.resident - before.resident) / 1e6},
            {"own", "MB of them that are not of a file", (double)(after.own - before.own) / 1e6},
            {NULL, NULL, 0}});
}

int main(int count, char **arguments) {
    void (*const works[])(const measure_options *) = {read_large, read_large, queue_up, connected, idle, nodes};
    measure_options options = measure_arguments(&program, count, arguments);
    works[options.mode - modes](&options);
    return 0;
}
