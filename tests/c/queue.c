/* Queues: order, the descriptor, waking, several takers, several clients, the limit of what may be unread. */
#include "check.h"

static int readable(int descriptor) {
    struct pollfd poll_for = {descriptor, POLLIN, 0};
    int ready = poll(&poll_for, 1, 0);
    CHECK(ready >= 0);
    return ready;
}

static void submits_and_takes(const jr_client *client) {
    jr_queue *queue = jr_queue_new();
    jr_completion taken[8];
    uint64_t id[2] = {0, 0};
    CHECK_INT(jr_queue_take(queue, taken, 8, 0), 0);
    CHECK_INT(jr_queue_take(queue, taken, 8, 1), 0);
    CHECK_INT(submit(client, request_to(queue, NULL, UINT64_MAX), &id[0], "ECHO", "one"), JR_OK);
    CHECK_INT(submit(client, request_to(queue, NULL, 0), &id[1], "NOSUCHCOMMAND"), JR_OK);
    CHECK(id[0] != 0 && id[1] != 0 && id[0] != id[1]);

    jr_completion first = take_one(queue), second = take_one(queue);
    CHECK(first.request == id[0] && first.user_data == UINT64_MAX);
    CHECK(first.status == JR_OK && first.flags == JR_OUTCOME_ANSWERED);
    CHECK_REPLY(first.reply, JR_STRING, "one");
    CHECK(second.request == id[1] && second.user_data == 0);
    CHECK(second.status == JR_ERR_SERVER && second.flags == JR_OUTCOME_ANSWERED);
    CHECK_HAS(second.reply->bytes, "ERR unknown command");
    jr_reply_free(first.reply);
    jr_reply_free(second.reply);
    CHECK_INT(jr_queue_take(queue, taken, 8, 0), 0);
    jr_queue_free(queue);
}

/* Submitted one by one and many at once, by commands small and large: what one thread submits comes back in order. */
static void keeps_order(const jr_client *client) {
    enum { COUNT = 20000, BATCH = 100 };
    jr_queue *queue = jr_queue_new();
    static char large[40000];
    memset(large, 'x', sizeof large - 1);
    const jr_command small = COMMAND("INCR", "queue:counter"), big = COMMAND("SET", "queue:large", large);
    perform(client, "SET", "queue:counter", "0");
    uint64_t ids[COUNT], next = 0;
    while (next < COUNT) {
        jr_request requests[BATCH];
        for (uint64_t i = 0; i < BATCH; i++) {
            requests[i] = request_of((next + i) % 500 == 99 ? &big : &small, 1);
            requests[i].queue = queue;
            requests[i].user_data = next + i;
        }
        if (next % 200 == 0) {
            CHECK_INT(jr_submit_many(client, requests, BATCH, ids + next), BATCH);
        } else {
            for (int i = 0; i < BATCH; i++)
                CHECK_INT(jr_submit(client, &requests[i], &ids[next + (uint64_t)i]), JR_OK);
        }
        next += BATCH;
    }
    int64_t counter = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        jr_completion completion = take_one(queue);
        CHECK_INT(completion.user_data, i);
        CHECK(completion.request == ids[i]);
        if (i % 500 == 99) {
            CHECK_REPLY(completion.reply, JR_STATUS, "OK");
        } else {
            CHECK_INT(completion.reply->integer, ++counter);
        }
        jr_reply_free(completion.reply);
    }
    jr_queue_free(queue);
}

/* Readable exactly while there is something to take, to write or to read, or a wake-up is due. */
static void tells_by_descriptor(const jr_client *client) {
    jr_queue *queue = jr_queue_new();
    int descriptor = jr_queue_fd(queue);
    CHECK(descriptor >= 0);
    CHECK_INT(jr_queue_fd(queue), descriptor);
    CHECK(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(readable(descriptor), 0);
    jr_completion taken[8];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 3; i++)
            CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        struct pollfd poll_for = {descriptor, POLLIN, 0};
        for (int64_t left = 3; left > 0;) {
            CHECK_INT(poll(&poll_for, 1, PATIENCE), 1);
            int64_t count = jr_queue_take(queue, taken, 1, 0); /* 0 when it only had to write */
            CHECK(count == 0 || count == 1);
            if (count)
                jr_reply_free(taken[0].reply);
            left -= count;
        }
        CHECK_INT(readable(descriptor), 0);
        CHECK_INT(jr_queue_take(queue, taken, 8, 0), 0);
    }
    jr_queue_wake(queue);
    jr_queue_wake(queue);
    for (int wakes = 2; wakes > 0; wakes--) {
        CHECK_INT(readable(descriptor), 1);
        CHECK_INT(jr_queue_take(queue, taken, 8, 0), 0);
    }
    CHECK_INT(readable(descriptor), 0);
    jr_queue_free(queue);

    /* A descriptor made late tells what is there already. */
    queue = jr_queue_new();
    CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
    perform(client, "PING");
    CHECK_INT(readable(jr_queue_fd(queue)), 1);
    jr_reply_free(take_one(queue).reply);
    CHECK_INT(readable(jr_queue_fd(queue)), 0);
    jr_queue_wake(queue);
    jr_queue_free(queue);
    queue = jr_queue_new();
    jr_queue_wake(queue);
    CHECK_INT(readable(jr_queue_fd(queue)), 1);
    CHECK_INT(jr_queue_take(queue, taken, 8, -1), 0); /* due already, so it does not wait for ever */
    jr_queue_free(queue);
}

struct takers {
    jr_queue *queue;
    atomic_int taken, waiting, woken;
    atomic_int seen[20000];
};

static void *take_until_woken(void *argument) {
    struct takers *takers = argument;
    jr_completion batch[7];
    atomic_fetch_add(&takers->waiting, 1);
    for (int64_t count; (count = jr_queue_take(takers->queue, batch, 7, -1)) != 0;) {
        CHECK(count > 0);
        for (int64_t i = 0; i < count; i++) {
            atomic_fetch_add(&takers->seen[batch[i].user_data], 1);
            jr_reply_free(batch[i].reply);
        }
        atomic_fetch_add(&takers->taken, (int)count);
    }
    atomic_fetch_add(&takers->woken, 1);
    return NULL;
}

/* Several threads take from one queue that serves two clients; each wake-up ends one that waits. */
static void serves_several(const jr_client *client) {
    enum { COUNT = 20000, TAKERS = 6 };
    static struct takers takers;
    jr_client *other = connect_client();
    pthread_t threads[TAKERS];
    takers.queue = jr_queue_new();
    for (int i = 0; i < TAKERS; i++)
        threads[i] = start_thread(take_until_woken, &takers);
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK_INT(submit(i % 2 ? client : other, request_to(takers.queue, NULL, i), NULL, "PING"), JR_OK);
    WAIT_UNTIL(atomic_load(&takers.taken) == COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_INT(atomic_load(&takers.seen[i]), 1);
    WAIT_UNTIL(atomic_load(&takers.waiting) == TAKERS);
    CHECK_INT(atomic_load(&takers.woken), 0);
    for (int i = 0; i < TAKERS; i++) {
        jr_queue_wake(takers.queue);
        WAIT_UNTIL(atomic_load(&takers.woken) == i + 1);
    }
    for (int i = 0; i < TAKERS; i++)
        join_thread(threads[i]);
    close_client(other);
    jr_queue_free(takers.queue);
}

/* What is addressed to a queue that is freed is discarded; the client goes on. */
static void is_freed_under_way(jr_client *client) {
    for (int round = 0; round < 200; round++) {
        jr_queue *queue = jr_queue_new();
        if (round % 2)
            CHECK(jr_queue_fd(queue) >= 0);
        for (int i = 0; i < 50; i++)
            CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_OK);
        if (round % 3 == 0)
            perform(client, "PING");
        jr_queue_free(queue);
    }
    perform(client, "PING");
    jr_reply *stats = NULL;
    CHECK_INT(jr_client_stats(client, &stats), JR_OK);
    CHECK_INT(jr_reply_find(stats, "requests")->integer, 0);
    jr_reply_free(stats);
}

static void take_all(jr_queue *queue, int count) {
    for (int i = 0; i < count; i++)
        jr_reply_free(take_one(queue).reply);
}

/* Of many that are submitted at once as many are accepted as there is room for; what was refused leaves no trace. */
static void many_are_as_full(void) {
    enum { MOST = 1000, COUNT = MOST + 200, WRONG = 10 };
    jr_client *client = connect_with("max_unread=1000");
    jr_queue *queue = jr_queue_new();
    const jr_command ping = COMMAND("PING"), wrong = COMMAND("SELECT", "1");
    static jr_request requests[COUNT];
    for (int i = 0; i < COUNT; i++) {
        requests[i] = request_to(queue, NULL, (uint64_t)i);
        requests[i].commands = &ping;
        requests[i].count = 1;
    }
    for (int round = 0; round < 5; round++) {
        requests[WRONG].commands = &wrong;
        CHECK_INT(jr_submit_many(client, requests, COUNT, NULL), WRONG);
        requests[WRONG].commands = &ping;
        CHECK_INT(jr_submit_many(client, requests, COUNT, NULL), MOST - WRONG);
        CHECK_INT(jr_submit_many(client, requests, COUNT, NULL), JR_ERR_FULL);
        CHECK_HAS(jr_error_text(), "max_unread");
        CHECK_INT(submit(client, request_to(queue, NULL, 0), NULL, "PING"), JR_ERR_FULL);
        take_all(queue, 1);
        CHECK_INT(jr_submit_many(client, requests, COUNT, NULL), 1);
        take_all(queue, MOST);
    }
    jr_queue_free(queue);
    close_client(client);
}

/* Room is for what is under way and what is not taken; taking makes room. What is refused leaves no trace. */
static void is_full_and_recovers(void) {
    jr_client *client = connect_with("max_unread=4");
    jr_queue *queue = jr_queue_new(), *other = jr_queue_new();
    jr_completion taken[8];
    for (int round = 0; round < 50; round++) {
        for (uint64_t i = 0; i < 4; i++)
            CHECK_INT(submit(client, request_to(queue, NULL, i), NULL, "PING"), JR_OK);
        CHECK_INT(submit(client, request_to(queue, NULL, 4), NULL, "PING"), JR_ERR_FULL);
        CHECK_HAS(jr_error_text(), "max_unread");
        CHECK_INT(submit(client, request_to(other, NULL, 9), NULL, "PING"), JR_OK);
        CHECK_INT(submit(client, request_to(queue, NULL, 4), NULL, "SELECT", "1"), JR_ERR_FULL);
        perform(client, "PING"); /* a queue that is full holds up nobody else */
        jr_completion first = take_one(queue);
        CHECK_INT(first.user_data, 0);
        jr_reply_free(first.reply);
        CHECK_INT(submit(client, request_to(queue, NULL, 4), NULL, "SELECT", "1"), JR_ERR_REFUSED);
        CHECK_INT(submit(client, request_to(queue, NULL, 4), NULL, "PING"), JR_OK);
        CHECK_INT(submit(client, request_to(queue, NULL, 5), NULL, "PING"), JR_ERR_FULL);
        for (uint64_t i = 1; i <= 4; i++) {
            jr_completion completion = take_one(queue);
            CHECK_INT(completion.user_data, i);
            jr_reply_free(completion.reply);
        }
        CHECK_INT(jr_queue_take(queue, taken, 8, 0), 0);
        jr_reply_free(take_one(other).reply);
    }
    jr_queue_free(queue);
    jr_queue_free(other);
    close_client(client);
}

int main(void) {
    jr_client *client = connect_client();
    submits_and_takes(client);
    keeps_order(client);
    tells_by_descriptor(client);
    serves_several(client);
    is_freed_under_way(client);
    is_full_and_recovers();
    many_are_as_full();
    close_client(client);
    return 0;
}
