/* JR_REQUEST_NOW: whoever submits writes. Everything is answered once, in order, whoever takes. */
#include "check.h"

enum { ROUNDS = 3000, TAKERS = 3 };

static jr_request to_now(jr_queue *queue, uint64_t user_data) {
    jr_request target = request_to(queue, NULL, user_data);
    target.flags = JR_REQUEST_NOW;
    return target;
}

/* An event loop with so many requests at a time. */
static void by_the_descriptor(int at_a_time) {
    jr_client *client = connect_client();
    jr_queue *queue = jr_queue_new();
    struct pollfd entry = {jr_queue_fd(queue), POLLIN, 0};
    uint64_t next = 0;
    for (int round = 0; round < ROUNDS / at_a_time; round++) {
        char text[32];
        snprintf(text, sizeof text, "%d", round);
        for (int i = 0; i < at_a_time; i++)
            CHECK_INT(submit(client, to_now(queue, (uint64_t)(round * at_a_time + i)), NULL, "ECHO", text), JR_OK);
        for (int missing = at_a_time; missing > 0;) {
            jr_completion completions[4];
            CHECK_INT(poll(&entry, 1, PATIENCE), 1);
            int64_t count = jr_queue_take(queue, completions, 4, 0);
            CHECK(count >= 0);
            for (int64_t i = 0; i < count; i++) {
                CHECK_INT(completions[i].user_data, next++);
                CHECK_REPLY(completions[i].reply, JR_STRING, text);
            }
            jr_completions_free(completions, (size_t)count);
            missing -= (int)count;
        }
        /* Nothing is left to look for. */
        jr_completion none;
        CHECK_INT(jr_queue_take(queue, &none, 1, 0), 0);
        CHECK_INT(poll(&entry, 1, 0), 0);
    }
    jr_queue_free(queue);
    close_client(client);
}

static atomic_int taken;

static void *takes(void *queue) {
    for (;;) {
        jr_completion completions[4];
        int64_t count = jr_queue_take(queue, completions, 4, -1);
        if (count < 0)
            return NULL;
        atomic_fetch_add(&taken, (int)count);
        jr_completions_free(completions, (size_t)count);
    }
}

/* Threads that take and threads that submit, each one request at a time and many. */
static void by_threads(void) {
    jr_client *client = connect_client();
    jr_queue *queue = jr_queue_new();
    pthread_t takers[TAKERS];
    for (int i = 0; i < TAKERS; i++)
        takers[i] = start_thread(takes, queue);
    int submitted = 0;
    for (int round = 0; round < ROUNDS; round++) {
        jr_request requests[2] = {to_now(queue, 0), to_now(queue, 0)};
        const jr_command ping = COMMAND("PING");
        for (int i = 0; i < 2; i++) {
            requests[i].commands = &ping;
            requests[i].count = 1;
        }
        int count = 1 + round % 2;
        CHECK_INT(jr_submit_many(client, requests, (size_t)count, NULL), count);
        submitted += count;
        if (round % 5 != 0)
            WAIT_UNTIL(atomic_load(&taken) == submitted);
    }
    CHECK_INT(jr_queue_close(queue), JR_OK);
    for (int i = 0; i < TAKERS; i++)
        join_thread(takers[i]);
    CHECK_INT(atomic_load(&taken), submitted);
    jr_queue_free(queue);
    close_client(client);
}

int main(void) {
    by_the_descriptor(1);
    by_the_descriptor(2);
    by_the_descriptor(30);
    by_threads();
    return 0;
}
