/* The floor: a socket that sends the same bytes again and again and only counts what comes back. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const measure_mode modes[] = {
    {"sync", "every thread has a connection, one request in flight", false},
    {"window", "as many requests in flight as the window", true},
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
    char *requests;
    size_t request;
    size_t reply;
} context;

static int connect_to(const measure_options *options) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    snprintf(port, sizeof port, "%zu", options->port);
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
    int descriptor = connect_to(worker->options);
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
    int descriptor = connect_to(worker->options);
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
static size_t encode(char *place, size_t room, bool set, const char *value, size_t length) {
    int head = set ? snprintf(place, room, "*3\r\n$3\r\nSET\r\n$16\r\n" MEASURE_KEY "\r\n$%zu\r\n", length)
                   : snprintf(place, room, "*2\r\n$3\r\nGET\r\n$16\r\n" MEASURE_KEY "\r\n");
    if (!set)
        return (size_t)head;
    memcpy(place + head, value, length);
    memcpy(place + head + length, "\r\n", 2);
    return (size_t)head + length + 2;
}

static void write_value(const measure_options *options, const char *request, size_t length) {
    char answer[5];
    int descriptor = connect_to(options);
    send_all(descriptor, request, length);
    for (size_t received = 0; received < sizeof answer;)
        received += receive(descriptor, answer + received, sizeof answer - received);
    if (memcmp(answer, "+OK\r\n", sizeof answer) != 0)
        measure_give_up("SET", "the server refused it");
    close(descriptor);
}

int main(int count, char **arguments) {
    void (*const works[])(measure_worker *) = {sync_work, window_work};
    measure_options options = measure_arguments(&program, count, arguments);
    char *value = measure_value(&options), header[32];
    size_t room = options.value + 128;
    context context = {.requests = measure_memory(room * options.window)};
    write_value(&options, context.requests, encode(context.requests, room, true, value, options.value));
    for (size_t index = 0; index < options.window; index++) {
        char *place = context.requests + index * context.request;
        context.request = encode(place, room, options.set, value, options.value);
    }
    size_t digits = (size_t)snprintf(header, sizeof header, "$%zu\r\n", options.value);
    context.reply = options.set ? strlen("+OK\r\n") : digits + options.value + 2;
    int status = measure_run(&program, &options, works[options.mode - modes], &context);
    free(context.requests);
    free(value);
    return status;
}
