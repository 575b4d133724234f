/*
 * Threads that mix all calls, with deadlines, cancellations and frees, while the server's clients are killed: each
 * request completes once, with its own answer or a fitting error. `make sanitize` runs it in full under the sanitizers.
 *
 * JR_TORTURE_CALLS: how many requests. JR_TORTURE_SEED: repeats what each thread decides, though not when.
 */
#include "torture.h"

#define THREADS 6

static atomic_long killed;
static atomic_int over;
static jr_client *client;
static jr_queue *shared_queue;

/* What one thread has. */
struct worker {
    uint64_t random;
    int number;
    jr_queue *queue;
    long counted, uncertain; /* of its INCRs */
};

static uint32_t some_timeout(struct worker *worker) {
    switch (below(&worker->random, 4)) {
    case 0:
        return 1 + (uint32_t)below(&worker->random, 20);
    case 1:
        return JR_TIMEOUT_NONE;
    default:
        return 0;
    }
}

/* To a queue of its own, to the one of all, or to a callback. */
static void aim(struct worker *worker, jr_request *request) {
    switch (below(&worker->random, 3)) {
    case 0:
        request->queue = worker->queue;
        break;
    case 1:
        request->queue = shared_queue;
        break;
    default:
        request->callback = settle;
    }
}

/* Waits for a request; gives its status and, if wanted, the outcome and the reply. */
static jr_status wait_for(const jr_client *target, jr_request *request, uint64_t call, uint32_t *outcome) {
    jr_reply *reply = NULL;
    jr_status status = jr_execute(target, request, &reply);
    if (reply == NULL) {
        take_back(call, status);
        return status;
    }
    uint32_t flags = status == JR_OK           ? JR_OUTCOME_ANSWERED
                     : reply->kind == JR_ERROR ? reply->flags
                                               : JR_OUTCOME_UNKNOWN;
    flags &= JR_OUTCOME_NOT_RUN | JR_OUTCOME_UNKNOWN | JR_OUTCOME_ANSWERED;
    check_answer(status, flags, reply, call);
    if (outcome)
        *outcome = flags;
    jr_reply_free(reply);
    finish(call);
    return status;
}

/* One command or several, waited for or not, sometimes cancelled. */
static void echo(struct worker *worker, const jr_client *target, enum state state, jr_queue *queue) {
    uint64_t call = begin(state), id = 0;
    if (call == 0)
        return;
    char text[ROOM];
    text_of(call, text);
    const jr_command echoes[3] = {COMMAND("ECHO", text), COMMAND("ECHO", text), COMMAND("ECHO", text)};
    jr_request request = request_of(echoes, 1 + below(&worker->random, 3));
    request.user_data = call;
    request.timeout_ms = some_timeout(worker);
    static const uint32_t flags[] = {0, 0, 0, JR_REQUEST_ATOMIC, JR_REQUEST_IDEMPOTENT, JR_REQUEST_DEDICATED};
    request.flags = flags[below(&worker->random, sizeof flags / sizeof *flags)];
    if (queue == NULL && below(&worker->random, 4) == 0) {
        wait_for(target, &request, call, NULL);
        return;
    }
    if (queue)
        request.queue = queue;
    else
        aim(worker, &request);
    jr_status status = jr_submit(target, &request, &id);
    if (status != JR_OK) {
        take_back(call, status);
        return;
    }
    if (below(&worker->random, 5) == 0)
        CHECK(jr_cancel(target, id) == JR_OK || jr_cancel(target, id) == JR_ERR_NOT_FOUND);
}

static void many(struct worker *worker) {
    enum { MOST = 16 };
    char texts[MOST][ROOM];
    jr_bytes words[MOST][2];
    jr_command commands[MOST];
    jr_request requests[MOST];
    size_t count = 0;
    for (size_t wanted = 1 + below(&worker->random, MOST); count < wanted; count++) {
        uint64_t call = begin(WAITING);
        if (call == 0)
            break;
        text_of(call, texts[count]);
        commands[count] = command_of(words[count], WORDS("ECHO", texts[count]));
        requests[count] = request_of(&commands[count], 1);
        requests[count].user_data = call;
        requests[count].timeout_ms = some_timeout(worker);
        aim(worker, &requests[count]);
    }
    int64_t accepted = count ? jr_submit_many(client, requests, count, NULL) : 0;
    for (size_t i = accepted < 0 ? 0 : (size_t)accepted; i < count; i++)
        take_back(requests[i].user_data, JR_ERR_FULL);
}

/* Each is counted at the server once, if it is answered, and at most once else. */
static void increment(struct worker *worker) {
    uint64_t call = begin(WAITING);
    if (call == 0)
        return;
    char key[ROOM];
    snprintf(key, sizeof key, "torture:count:%d", worker->number);
    const jr_command command = COMMAND("INCR", key);
    jr_request request = request_of(&command, 1);
    request.timeout_ms = some_timeout(worker);
    uint32_t outcome = JR_OUTCOME_NOT_RUN;
    jr_status status = wait_for(client, &request, call, &outcome);
    worker->counted += status == JR_OK;
    worker->uncertain += outcome == JR_OUTCOME_UNKNOWN;
}

static void block(struct worker *worker) {
    uint64_t call = begin(WAITING), id = 0;
    if (call == 0)
        return;
    const jr_command command = COMMAND("BLPOP", "torture:nothing", below(&worker->random, 2) ? "0.005" : "0");
    jr_request request = request_of(&command, 1);
    request.user_data = call;
    request.timeout_ms = 1 + (uint32_t)below(&worker->random, 30);
    aim(worker, &request);
    jr_status status = jr_submit(client, &request, &id);
    if (status != JR_OK) {
        take_back(call, status);
    } else if (below(&worker->random, 2)) {
        take_brief_pause(&worker->random, 2000);
        jr_cancel(client, id);
    }
}

static void use_lease(struct worker *worker) {
    jr_client *lease = NULL;
    CHECK_INT(jr_client_lease(client, NULL, &lease), JR_OK);
    if (below(&worker->random, 2))
        jr_reply_free(jr_run(lease, "WATCH", "torture:watched"));
    for (uint64_t i = below(&worker->random, 4); i > 0; i--)
        echo(worker, lease, WAITING, NULL);
    jr_client_free(lease);
}

static void use_view(struct worker *worker) {
    jr_client *view = NULL;
    CHECK_INT(jr_client_database(client, 1 + (uint32_t)below(&worker->random, 3), &view), JR_OK);
    echo(worker, view, WAITING, NULL);
    jr_client_free(view);
}

static void subscribe(struct worker *worker) {
    uint64_t call = begin(WAITING), id = 0;
    if (call == 0)
        return;
    jr_request request = request_to(NULL, NULL, call);
    aim(worker, &request);
    jr_status status = below(&worker->random, 8) == 0
                           ? jr_client_events(client, &request, &id)
                           : submit_words(client, request, &id, WORDS("SUBSCRIBE", "torture:news"));
    if (status != JR_OK) {
        take_back(call, status);
        return;
    }
    jr_reply_free(jr_run(client, "PUBLISH", "torture:news", "hello"));
    take(worker->queue, 0);
    jr_cancel(client, id);
}

static void read_cached(struct worker *worker) {
    jr_command command = COMMAND("GET", "torture:cached");
    jr_request request = request_of(&command, 1);
    request.flags = JR_REQUEST_CACHED;
    request.timeout_ms = some_timeout(worker);
    jr_reply *reply = NULL;
    jr_execute(client, &request, &reply);
    jr_reply_free(reply);
    if (below(&worker->random, 4) == 0)
        jr_reply_free(jr_run(client, "SET", "torture:cached", "value"));
}

static void look_around(void) {
    jr_reply *map = NULL;
    CHECK_INT(jr_client_stats(client, &map), JR_OK);
    CHECK(jr_reply_find(map, "links") != NULL);
    jr_reply_free(map);
    jr_queue_wake(shared_queue);
}

/* A client that ends with requests under way. */
static void short_life(struct worker *worker) {
    jr_client *other = connect_client(), *view = NULL;
    for (uint64_t i = below(&worker->random, 6); i > 0; i--)
        echo(worker, other, WAITING, NULL);
    if (below(&worker->random, 3) == 0)
        CHECK_INT(jr_client_database(other, 2, &view), JR_OK);
    if (below(&worker->random, 2))
        jr_client_close(other, (uint32_t)below(&worker->random, 3));
    jr_client_free(other);
    if (view)
        echo(worker, view, WAITING, NULL);
    jr_client_free(view);
}

/* A queue that is freed while completions are on their way to it. */
static void short_queue(struct worker *worker) {
    jr_queue *queue = jr_queue_new();
    CHECK(queue != NULL);
    if (below(&worker->random, 2))
        CHECK(jr_queue_fd(queue) >= 0);
    for (uint64_t i = below(&worker->random, 6); i > 0; i--)
        echo(worker, client, MAY_BE_DISCARDED, queue);
    take(queue, (int32_t)below(&worker->random, 2));
    jr_queue_free(queue);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    worker->queue = jr_queue_new();
    CHECK(worker->queue != NULL);
    while (atomic_load(&next_call) < limit) {
        switch (below(&worker->random, 40)) {
        case 0:
            use_lease(worker);
            break;
        case 1:
            use_view(worker);
            break;
        case 2:
            subscribe(worker);
            break;
        case 3:
            short_life(worker);
            break;
        case 4:
            short_queue(worker);
            break;
        case 5:
            look_around();
            break;
        case 6:
        case 7:
            block(worker);
            break;
        case 8:
        case 9:
            read_cached(worker);
            break;
        case 10:
        case 11:
        case 12:
            increment(worker);
            break;
        case 13:
        case 14:
        case 15:
            many(worker);
            break;
        default:
            echo(worker, client, WAITING, NULL);
        }
        if (below(&worker->random, 3) == 0)
            take(worker->queue, (int32_t)below(&worker->random, 2));
        if (below(&worker->random, 8) == 0)
            take(shared_queue, (int32_t)below(&worker->random, 2));
    }
    return NULL;
}

/* Kills the connections of all others. */
static void *kill_clients(void *argument) {
    struct worker *worker = argument;
    jr_client *killer = connect_client();
    while (!atomic_load(&over)) {
        take_brief_pause(&worker->random, 50000);
        jr_reply *reply = below(&worker->random, 4) == 0
                              ? jr_run(killer, "CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
                              : jr_run(killer, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        if (reply->kind == JR_INTEGER)
            atomic_fetch_add(&killed, (long)reply->integer);
        jr_reply_free(reply);
    }
    jr_client_free(killer);
    return NULL;
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    limit = number_from("JR_TORTURE_CALLS", 5000);
    uint64_t seed = number_from("JR_TORTURE_SEED", (uint64_t)start.tv_nsec);
    printf("torture: seed %" PRIu64 "\n", seed);
    fflush(stdout);
    states = calloc(limit, sizeof *states);
    CHECK(states != NULL);
    client = connect_with("cache_bytes=1MiB&max_connections=8&reconnect_delay=1ms&reconnect_delay_max=10ms");
    shared_queue = jr_queue_new();
    for (int i = 0; i < THREADS; i++) {
        char key[ROOM];
        snprintf(key, sizeof key, "torture:count:%d", i);
        perform(client, "DEL", key);
    }

    struct worker workers[THREADS], killer = {.random = seed + THREADS + 1};
    pthread_t threads[THREADS], killing = start_thread(kill_clients, &killer);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.random = (seed + (uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15), .number = i};
        threads[i] = start_thread(work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    atomic_store(&over, 1);
    join_thread(killing);

    for (int i = 0; i < THREADS; i++) {
        char key[ROOM];
        snprintf(key, sizeof key, "torture:count:%d", i);
        /* Read only, so that the last kill is no matter. */
        jr_reply *reply = run(client, "GET", key);
        int64_t count = 0;
        CHECK(reply->kind == JR_NIL || jr_reply_int64(reply, &count) == JR_OK);
        jr_reply_free(reply);
        if (count < workers[i].counted || count > workers[i].counted + workers[i].uncertain)
            fail(__FILE__, __LINE__, "%s is %" PRId64 ", and %ld were answered and %ld are uncertain", key, count,
                 workers[i].counted, workers[i].uncertain);
    }
    jr_client_close(client, 5000);
    for (int polls = 0; atomic_load(&waiting) > 0; polls++) {
        CHECK(polls < PATIENCE);
        take(shared_queue, 1);
        for (int i = 0; i < THREADS; i++)
            take(workers[i].queue, 0);
    }
    for (int i = 0; i < THREADS; i++)
        jr_queue_free(workers[i].queue);
    jr_queue_free(shared_queue);
    jr_client_free(client);
    free(states);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("torture: %ld requests completed, each once, %ld of them answered; %ld connections were killed; %.1f s\n",
           atomic_load(&completed), atomic_load(&answered), atomic_load(&killed),
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
