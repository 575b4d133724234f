/* The floor: a socket that sends the same bytes again and again and only counts what comes back; and one such socket
 * for each node of a cluster. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const measure_mode modes[] = {
    {"sync", "every thread has a connection, one request in flight", false},
    {"window", "as many requests in flight as the window", true},
    {"cluster", "as many as the window, each to a node by chance: a connection to each of --nodes", true},
    {NULL, NULL, false},
};

static const measure_program program = {
    .name = "raw_bench",
    .about = "runs GET or SET through a bare socket and parses nothing",
    .modes = modes,
    .lacks = "--url --tls-ca --cluster --keys",
};

/* The requests of a whole window, back to back, and the length of one of them and of its reply. */
typedef struct context {
    const measure_options *options;
    char *requests;
    size_t request;
    size_t reply;
} context;

static int connect_to(const measure_options *options, size_t node) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    snprintf(port, sizeof port, "%zu", options->port + node);
    if (getaddrinfo(options->host, port, &hints, &found) != 0)
        measure_give_up("raw", "the host is unknown");
    int one = 1, descriptor = socket(found->ai_family, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, found->ai_addr, found->ai_addrlen) != 0)
        measure_give_up("raw", "no connection");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return descriptor;
}

static void send_all(int descriptor, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            measure_give_up("raw", "the connection is lost");
        bytes += sent;
        length -= (size_t)sent;
    }
}

static size_t receive(int descriptor, char *space, size_t length) {
    ssize_t received = recv(descriptor, space, length, 0);
    if (received <= 0)
        measure_give_up("raw", "the connection is lost");
    return (size_t)received;
}

static void sync_work(measure_worker *worker) {
    const context *context = worker->shared;
    int descriptor = connect_to(worker->options, 0);
    char *space = measure_memory(context->reply);
    measure_begin(worker);
    while (measure_may_start(worker)) {
        uint64_t since = measure_now();
        send_all(descriptor, context->requests, context->request);
        for (size_t received = 0; received < context->reply;)
            received += receive(descriptor, space + received, context->reply - received);
        measure_done(worker, since);
    }
    free(space);
    close(descriptor);
}

static void window_work(measure_worker *worker) {
    const context *context = worker->shared;
    size_t window = worker->options->window, in_flight = 0;
    int descriptor = connect_to(worker->options, 0);
    size_t room = 65536, received = 0;
    char *space = measure_memory(room);
    uint64_t *since = measure_memory(window * sizeof *since), first = 0, next = 0;
    measure_begin(worker);
    for (;;) {
        size_t count = 0;
        for (; in_flight + count < window && measure_may_start(worker); count++)
            since[next++ % window] = measure_sample(worker);
        send_all(descriptor, context->requests, count * context->request);
        in_flight += count;
        if (!in_flight)
            break;
        received += receive(descriptor, space, room);
        for (; received >= context->reply; received -= context->reply, in_flight--)
            measure_done(worker, since[first++ % window]);
    }
    free(since);
    free(space);
    close(descriptor);
}

/* Writes a command into `place` and gives its length. */
static size_t encode(char *place, size_t room, bool set, const char *key, const char *value, size_t length) {
    int head = set ? snprintf(place, room, "*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$%zu\r\n", key, length)
                   : snprintf(place, room, "*2\r\n$3\r\nGET\r\n$16\r\n%s\r\n", key);
    if (!set)
        return (size_t)head;
    memcpy(place + head, value, length);
    memcpy(place + head + length, "\r\n", 2);
    return (size_t)head + length + 2;
}

/* Whether the server took it; if not, it is another node's. */
static bool write_value(int descriptor, const char *request, size_t length) {
    char answer[256];
    size_t received = 0;
    send_all(descriptor, request, length);
    do
        received += receive(descriptor, answer + received, sizeof answer - received);
    while (answer[received - 1] != '\n' && received < sizeof answer);
    if (*answer == '-' && strncmp(answer, "-MOVED ", 7) != 0)
        measure_give_up("SET", "the server refused it");
    return *answer == '+';
}

/* Writes the value under a key that this node has, and prepares the requests of a whole window for it. */
static char *requests_for(const context *context, size_t node, const char *value, size_t *length) {
    const measure_options *options = context->options;
    size_t room = options->value + 128;
    char *requests = measure_memory(room * options->window), key[sizeof MEASURE_KEY];
    int descriptor = connect_to(options, node);
    unsigned number = 0;
    *length = 0;
    do
        snprintf(key, sizeof key, MEASURE_KEY_FORMAT, ++number);
    while (!write_value(descriptor, requests, encode(requests, room, true, key, value, options->value)));
    close(descriptor);
    for (size_t index = 0; index < options->window; index++) {
        char *place = requests + index * *length;
        *length = encode(place, room, options->set, key, value, options->value);
    }
    return requests;
}

/* --- several nodes --- */

typedef struct node {
    int descriptor;
    char *requests;
    /* Requests that wait to be sent, and those that were. */
    size_t waiting, in_flight;
    /* Bytes of a reply that is not whole. */
    size_t received;
    /* When each of a window's requests began. */
    uint64_t *since, first, next;
} node;

static uint32_t by_chance(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void begin_one(measure_worker *worker, node *nodes, uint32_t *chance) {
    const measure_options *options = worker->options;
    node *node = nodes + by_chance(chance) % options->nodes;
    if (!measure_may_start(worker))
        return;
    node->since[node->next++ % options->window] = measure_sample(worker);
    node->waiting++;
}

/* Gives how many replies came. */
static size_t read_replies(measure_worker *worker, node *node, char *space, size_t room) {
    const context *context = worker->shared;
    size_t replies = 0;
    node->received += receive(node->descriptor, space, room);
    for (; node->received >= context->reply; node->received -= context->reply, replies++)
        measure_done(worker, node->since[node->first++ % worker->options->window]);
    node->in_flight -= replies;
    return replies;
}

static size_t send_waiting(const context *context, node *nodes, size_t count) {
    size_t in_flight = 0;
    for (node *node = nodes; node < nodes + count; node++) {
        send_all(node->descriptor, node->requests, node->waiting * context->request);
        node->in_flight += node->waiting;
        node->waiting = 0;
        in_flight += node->in_flight;
    }
    return in_flight;
}

static void cluster_work(measure_worker *worker) {
    const context *context = worker->shared;
    const measure_options *options = worker->options;
    size_t room = 65536, count = options->nodes, request;
    char *space = measure_memory(room), *value = measure_value(options);
    node *nodes = measure_memory(count * sizeof *nodes);
    struct pollfd *polled = measure_memory(count * sizeof *polled);
    uint32_t chance = 1;
    for (size_t index = 0; index < count; index++) {
        nodes[index] = (node){.descriptor = connect_to(options, index),
                              .requests = requests_for(context, index, value, &request),
                              .since = measure_memory(options->window * sizeof(uint64_t))};
        polled[index] = (struct pollfd){.fd = nodes[index].descriptor, .events = POLLIN};
    }
    measure_begin(worker);
    for (size_t index = 0; index < options->window; index++)
        begin_one(worker, nodes, &chance);
    while (send_waiting(context, nodes, count)) {
        if (poll(polled, count, -1) < 0)
            measure_give_up("raw", "poll does not work");
        for (size_t index = 0; index < count; index++)
            if (polled[index].revents)
                for (size_t left = read_replies(worker, nodes + index, space, room); left; left--)
                    begin_one(worker, nodes, &chance);
    }
    for (node *node = nodes; node < nodes + count; node++) {
        close(node->descriptor);
        free(node->requests);
        free(node->since);
    }
    free(polled);
    free(nodes);
    free(value);
    free(space);
}

int main(int count, char **arguments) {
    void (*const works[])(measure_worker *) = {sync_work, window_work, cluster_work};
    measure_options options = measure_arguments(&program, count, arguments);
    char *value = measure_value(&options), header[32];
    context context = {.options = &options};
    size_t digits = (size_t)snprintf(header, sizeof header, "$%zu\r\n", options.value);
    context.reply = options.set ? strlen("+OK\r\n") : digits + options.value + 2;
    context.requests = requests_for(&context, 0, value, &context.request);
    int status = measure_run(&program, &options, works[options.mode - modes], &context);
    free(context.requests);
    free(value);
    return status;
}
