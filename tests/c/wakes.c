/* jr_queue_wake is counted: each ends one take, and none that has something to take. It may be called from a signal
 * handler, and a handler ends the take of the thread on which it runs. */
#include "check.h"

#include <signal.h>

enum { TAKERS = 16, ROUNDS = 200, SIGNALS = 3000 };

static jr_queue *queue;
static atomic_int returned;

static void *take_nothing(void *argument) {
    jr_completion completion;
    (void)argument;
    CHECK_INT(jr_queue_take(queue, &completion, 1, -1), 0);
    atomic_fetch_add(&returned, 1);
    return NULL;
}

/* Until whoever takes from the queue writes and reads the connection, and so waits for its descriptor. */
static void hand_over(const jr_client *client) {
    for (int64_t turns = 0; turns == 0;) {
        CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        jr_reply_free(take_one(queue).reply);
        jr_reply *stats = NULL;
        CHECK_INT(jr_client_stats(client, &stats), JR_OK);
        turns = jr_reply_find(jr_reply_find(stats, "links")->items, "queue_turns")->integer;
        jr_reply_free(stats);
    }
}

/* As many takers as wakes, and nobody waits for one before the next. Some may come before their taker sleeps. */
static void as_many_return(void) {
    for (int round = 0; round < ROUNDS; round++) {
        jr_client *client = round % 4 == 3 ? connect_client() : NULL;
        pthread_t threads[TAKERS];
        atomic_store(&returned, 0);
        queue = jr_queue_new();
        if (round % 4 == 1)
            CHECK(jr_queue_fd(queue) >= 0);
        if (client)
            hand_over(client);
        for (int i = 0; i < TAKERS; i++)
            threads[i] = start_thread(take_nothing, NULL);
        if (round % 2)
            pause_briefly();
        for (int i = 0; i < TAKERS; i++)
            jr_queue_wake(queue);
        WAIT_UNTIL(atomic_load(&returned) == TAKERS);
        for (int i = 0; i < TAKERS; i++)
            join_thread(threads[i]);
        jr_queue_free(queue);
        if (client)
            close_client(client);
    }
}

/* A wake waits for a take that finds nothing. */
static void ends_none_that_finds_something(const jr_client *client) {
    jr_completion taken[2];
    queue = jr_queue_new();
    jr_queue_wake(queue);
    jr_queue_wake(queue);
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
    CHECK(jr_queue_fd(queue) >= 0);
    perform(client, "PING"); /* behind the other, on one connection */
    int64_t count = jr_queue_take(queue, taken, 2, -1);
    CHECK_INT(count, 1);
    jr_reply_free(taken[0].reply);
    CHECK_INT(jr_queue_take(queue, taken, 2, -1), 0);
    CHECK_INT(jr_queue_take(queue, taken, 2, -1), 0);
    struct pollfd poll_for = {jr_queue_fd(queue), POLLIN, 0};
    CHECK_INT(poll(&poll_for, 1, 0), 0);
    jr_queue_free(queue);
}

static void do_nothing(int number) {
    (void)number;
}

static atomic_int wakes;

static void wake_queue(int number) {
    (void)number;
    jr_queue_wake(queue);
    atomic_fetch_add(&wakes, 1);
}

static void handle(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
}

/* With one taker who sleeps and one who waits for the connection. Whichever it is, only the interrupted one returns. */
static void is_interrupted(const jr_client *client, int which) {
    pthread_t threads[2];
    handle(do_nothing);
    queue = jr_queue_new();
    if (client)
        hand_over(client);
    atomic_store(&returned, 0);
    for (int i = 0; i < 2; i++)
        threads[i] = start_thread(take_nothing, NULL);
    /* A signal that comes before the thread waits interrupts nothing. */
    for (int i = 0; i < PATIENCE && atomic_load(&returned) == 0; i++) {
        CHECK_INT(pthread_kill(threads[which], SIGUSR1), 0);
        pause_briefly();
    }
    join_thread(threads[which]);
    CHECK_INT(atomic_load(&returned), 1);
    jr_queue_wake(queue);
    join_thread(threads[!which]);
    jr_queue_free(queue);
}

static pthread_t main_thread;

static void *send_signals(void *argument) {
    (void)argument;
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_INT(pthread_kill(main_thread, SIGUSR1), 0);
        /* Of two that are pending the kernel would deliver one. */
        while (atomic_load(&wakes) == i)
            sched_yield();
    }
    return NULL;
}

/* Signals come while this thread submits, takes, allocates and waits: whatever it holds, the handler waits for none of
 * it. */
static void is_woken_by_a_handler(const jr_client *client) {
    queue = jr_queue_new();
    struct pollfd poll_for = {jr_queue_fd(queue), POLLIN, 0};
    main_thread = pthread_self();
    handle(wake_queue);
    pthread_t sender = start_thread(send_signals, NULL);
    for (int owed = 0; atomic_load(&wakes) < SIGNALS || owed > 0;) {
        jr_completion taken[8];
        for (; owed < 8 && atomic_load(&wakes) < SIGNALS; owed++)
            CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        int64_t count = jr_queue_take(queue, taken, 8, owed ? -1 : 0);
        CHECK(count >= 0);
        for (int64_t i = 0; i < count; i++)
            jr_reply_free(taken[i].reply);
        owed -= (int)count;
    }
    join_thread(sender);
    while (poll(&poll_for, 1, 0) == 1) {
        jr_completion completion;
        int64_t count = jr_queue_take(queue, &completion, 1, 0);
        if (count == 1)
            jr_reply_free(completion.reply);
        CHECK(count == 1 || atomic_fetch_sub(&wakes, 1) > 0);
    }
    jr_queue_free(queue);
}

int main(void) {
    jr_client *client = connect_client();
    as_many_return();
    ends_none_that_finds_something(client);
    close_client(client);
    for (int round = 0; round < 6; round++) {
        client = round < 4 ? connect_client() : NULL;
        is_interrupted(client, round % 2);
        if (client)
            close_client(client);
    }
    client = connect_client();
    is_woken_by_a_handler(client);
    close_client(client);
    return 0;
}
