/* GET of one key in an event loop, with so many in flight, by justredis or by hiredis: loops.py compiles it once for
 * each loop and client (LIBUV, LIBEVENT or LIBEV; HIREDIS or not). Arguments: port, in flight, how many. Prints a line
 * of JSON. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#if defined(LIBUV)
#include <uv.h>
#define LOOP "libuv"
static uv_loop_t *loop;
#define RUN() uv_run(loop, UV_RUN_DEFAULT)
#define STOP() uv_stop(loop)
#elif defined(LIBEVENT)
#include <event2/event.h>
#define LOOP "libevent"
static struct event_base *loop;
#define RUN() event_base_dispatch(loop)
#define STOP() event_base_loopbreak(loop)
#elif defined(LIBEV)
#include <ev.h>
#define LOOP "libev"
static struct ev_loop *loop;
#define RUN() ev_run(loop, 0)
#define STOP() ev_break(loop, EVBREAK_ALL)
#endif

#define KEY "jr:bench:loops"

static long to_ask, to_answer;

static void fail(const char *what) {
    fprintf(stderr, "loops: %s\n", what);
    exit(1);
}

static void begin(void) {
#if defined(LIBUV)
    loop = uv_default_loop();
#elif defined(LIBEVENT)
    loop = event_base_new();
#elif defined(LIBEV)
    loop = ev_loop_new(EVFLAG_AUTO);
#endif
}

#if defined(HIREDIS)
#include <hiredis/async.h>
#if defined(LIBUV)
#include <hiredis/adapters/libuv.h>
#define ATTACH(redis) redisLibuvAttach(redis, loop)
#elif defined(LIBEVENT)
#include <hiredis/adapters/libevent.h>
#define ATTACH(redis) redisLibeventAttach(redis, loop)
#elif defined(LIBEV)
#include <hiredis/adapters/libev.h>
#define ATTACH(redis) redisLibevAttach(loop, redis)
#endif
#define CLIENT "hiredis"

static redisAsyncContext *redis;

static void on_reply(redisAsyncContext *of, void *reply, void *data);

static void ask(void) {
    const char *words[] = {"GET", KEY};
    const size_t lengths[] = {3, sizeof KEY - 1};
    to_ask--;
    if (redisAsyncCommandArgv(redis, on_reply, NULL, 2, words, lengths) != REDIS_OK)
        fail("redisAsyncCommandArgv");
}

static void on_reply(redisAsyncContext *of, void *reply, void *data) {
    const redisReply *answer = reply;
    (void)of, (void)data;
    if (answer == NULL || answer->type != REDIS_REPLY_STRING || answer->len != 32)
        fail("a wrong answer");
    if (--to_answer == 0)
        STOP();
    else if (to_ask > 0)
        ask();
}

static void connect_to(int port) {
    redis = redisAsyncConnect("127.0.0.1", port);
    if (redis == NULL || redis->err || ATTACH(redis) != REDIS_OK)
        fail("redisAsyncConnect");
}

#else
#include <justredis.h>
#if defined(LIBUV)
#include <justredis/adapters/libuv.h>
#define ATTACH jr_libuv_attach
#elif defined(LIBEVENT)
#include <justredis/adapters/libevent.h>
#define ATTACH jr_libevent_attach
#elif defined(LIBEV)
#include <justredis/adapters/libev.h>
#define ATTACH jr_libev_attach
#endif
#define CLIENT "justredis"
#ifndef NOW
#define NOW JR_REQUEST_NOW
#endif

static jr_client *client;
static jr_queue *queue;

static void ask(void) {
    const jr_bytes words[] = {{"GET", 3}, {KEY, sizeof KEY - 1}};
    const jr_command command = {words, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .queue = queue};
    if (to_ask-- == to_answer) /* nothing is under way */
        request.flags = NOW;
    if (jr_submit(client, &request, NULL) != JR_OK)
        fail(jr_error_text());
}

static void on_completion(const jr_completion *completion) {
    if (completion->reply->kind != JR_STRING || completion->reply->length != 32)
        fail("a wrong answer");
    jr_reply_free(completion->reply);
    if (--to_answer == 0)
        STOP();
    else if (to_ask > 0)
        ask();
}

static void connect_to(int port) {
    char url[64];
    jr_config *config = jr_config_new();
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    if (jr_config_set(config, "url", url) != JR_OK || jr_client_new(config, &client) != JR_OK)
        fail(jr_error_text());
    jr_config_free(config);
    queue = jr_queue_new();
    if (ATTACH(loop, queue, on_completion) == NULL)
        fail("no adapter");
}
#endif

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Gives the time of the clock and that of all threads of this process. */
static void read_clocks(double *clock, double *cpu) {
    struct timespec now;
    struct rusage used;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &used);
    *clock = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    *cpu = seconds(used.ru_utime) + seconds(used.ru_stime);
}

static void run(long in_flight, long count) {
    to_ask = to_answer = count;
    while (to_ask > 0 && count - to_ask < in_flight)
        ask();
    RUN();
}

int main(int count, char **arguments) {
    if (count != 4)
        fail("port, in flight, how many");
    const long in_flight = atol(arguments[2]), requests = atol(arguments[3]);
    double clock_before, cpu_before, clock_after, cpu_after;
    begin();
    connect_to(atoi(arguments[1]));
    run(in_flight, requests / 20 + 1);
    read_clocks(&clock_before, &cpu_before);
    run(in_flight, requests);
    read_clocks(&clock_after, &cpu_after);
    printf("{\"loop\": \"%s\", \"client\": \"%s\", \"in_flight\": %ld, \"per_second\": %.0f, \"cpu_us\": %.3f}\n", LOOP,
           CLIENT, in_flight, (double)requests / (clock_after - clock_before),
           (cpu_after - cpu_before) / (double)requests * 1e6);
    return 0;
}
