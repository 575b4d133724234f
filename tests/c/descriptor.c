/* The descriptor of a queue comes to rest: with nothing under way, jr_queue_take gives 0 a few times at most before the
 * descriptor is not readable any more, however submitters, callers and takers met before. */
#include "check.h"

enum {
    BURSTS = 250,
    SUBMITTERS = 6,
    CALLERS = 2,
    THREADS = SUBMITTERS + CALLERS,
    REQUESTS = 40,
    CALLS = 3,
    TRIES = 20,
    LINKS = 16,
    ROUNDS = 200
};

struct burst {
    jr_client *client;
    jr_queue *queue;
    pthread_barrier_t begin;
    atomic_int submitted, done;
    int over; /* written before `begin` only */
};

static void *submit_in_bursts(void *argument) {
    struct burst *burst = argument;
    while (pthread_barrier_wait(&burst->begin), !burst->over) {
        for (int i = 0; i < REQUESTS; i++) {
            CHECK_INT(submit(burst->client, request_to(burst->queue, NULL, 0), NULL, "PING"), JR_OK);
            atomic_fetch_add(&burst->submitted, 1);
        }
        atomic_fetch_add(&burst->done, 1);
    }
    return NULL;
}

/* Each call takes the connection away from whoever takes from the queue. */
static void *call_in_bursts(void *argument) {
    struct burst *burst = argument;
    while (pthread_barrier_wait(&burst->begin), !burst->over) {
        for (int i = 0; i < CALLS; i++) {
            int before = atomic_load(&burst->submitted);
            perform(burst->client, "PING");
            for (int spins = 0; spins < 1000 && atomic_load(&burst->submitted) < before + 50; spins++)
                sched_yield();
        }
        atomic_fetch_add(&burst->done, 1);
    }
    return NULL;
}

/* How many completions there were. */
static int take_at_once(jr_queue *queue) {
    jr_completion taken[64];
    int64_t count = jr_queue_take(queue, taken, 64, 0);
    CHECK(count >= 0);
    for (int64_t i = 0; i < count; i++)
        jr_reply_free(taken[i].reply);
    return (int)count;
}

static void comes_to_rest(jr_queue *queue, struct pollfd *poll_for) {
    int tries = 0;
    while (poll(poll_for, 1, 0) == 1) {
        CHECK_INT(take_at_once(queue), 0);
        CHECK(++tries < TRIES);
    }
}

/* One queue takes from a link for each of 16 databases, of which some, one or all are busy. */
static void many_links(void) {
    jr_client *client = connect_client(), *views[LINKS];
    jr_queue *queue = jr_queue_new();
    struct pollfd poll_for = {jr_queue_fd(queue), POLLIN, 0};
    for (uint32_t i = 0; i < LINKS; i++)
        CHECK_INT(jr_client_database(client, i, &views[i]), JR_OK);
    for (int round = 0; round < ROUNDS; round++) {
        int submitted = 0, taken = 0, busy = round % LINKS + 1;
        for (int i = 0; i < busy * REQUESTS; i++, submitted++)
            CHECK_INT(submit(views[(i + round) % busy], request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        while (taken < submitted) {
            CHECK_INT(poll(&poll_for, 1, PATIENCE), 1);
            taken += take_at_once(queue);
        }
        CHECK_INT(taken, submitted);
        comes_to_rest(queue, &poll_for);
    }
    jr_queue_free(queue);
    for (int i = 0; i < LINKS; i++)
        jr_client_free(views[i]);
    close_client(client);
}

static void bursts(void) {
    static struct burst burst;
    burst.client = connect_client();
    burst.queue = jr_queue_new();
    struct pollfd poll_for = {jr_queue_fd(burst.queue), POLLIN, 0};
    CHECK_INT(pthread_barrier_init(&burst.begin, NULL, THREADS + 1), 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(i < SUBMITTERS ? submit_in_bursts : call_in_bursts, &burst);
    int taken = 0;
    for (int i = 0; i < BURSTS; i++) {
        atomic_store(&burst.done, 0);
        pthread_barrier_wait(&burst.begin);
        while (atomic_load(&burst.done) < THREADS || taken < atomic_load(&burst.submitted)) {
            CHECK(poll(&poll_for, 1, 1) >= 0);
            taken += take_at_once(burst.queue);
        }
        comes_to_rest(burst.queue, &poll_for);
    }
    burst.over = 1;
    pthread_barrier_wait(&burst.begin);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    CHECK_INT(pthread_barrier_destroy(&burst.begin), 0);
    jr_queue_free(burst.queue);
    close_client(burst.client);
}

int main(void) {
    bursts();
    many_links();
    return 0;
}
