/* jr_queue_close: what is under way for a queue is cancelled, nothing of it is lost, and its end is told; and
 * jr_completions_free. */
#include "check.h"

#include <signal.h>

/* Takes until the end is told; gives how many final completions came, each of which was cancelled. */
static int take_to_the_end(jr_queue *queue) {
    int finals = 0;
    for (;;) {
        jr_completion completions[16];
        int64_t count = jr_queue_take(queue, completions, 16, -1);
        if (count < 0) {
            CHECK_INT(count, JR_ERR_CLOSED);
            CHECK_HAS(jr_error_text(), "the queue is closed");
            return finals;
        }
        for (int64_t i = 0; i < count; i++) {
            if (completions[i].flags & JR_COMPLETION_MORE)
                continue;
            CHECK_INT(completions[i].status, JR_ERR_CANCELED);
            finals++;
        }
        jr_completions_free(completions, (size_t)count);
        CHECK(count == 0 || completions[0].reply == NULL);
    }
}

static int is_readable(int descriptor) {
    struct pollfd entry = {descriptor, POLLIN, 0};
    return poll(&entry, 1, 0) == 1;
}

/* Requests of every kind, of two clients. */
static void everything_under_way_is_cancelled(void) {
    struct silent_server silent = listen_silently();
    jr_client *client = client_of(server_url()), *unconnected = client_of(silent.url);
    jr_client *lease = NULL;
    CHECK_INT(jr_client_lease(client, NULL, &lease), JR_OK);
    jr_queue *queue = jr_queue_new(), *other = jr_queue_new();
    jr_request target = request_to(queue, NULL, 1);
    CHECK_INT(submit(client, target, NULL, "BLPOP", "queue_close:list", "0"), JR_OK);
    CHECK_INT(submit(lease, target, NULL, "BLPOP", "queue_close:list", "0"), JR_OK);
    CHECK_INT(submit(client, target, NULL, "SUBSCRIBE", "queue_close:channel"), JR_OK);
    CHECK_INT(jr_client_events(client, &target, NULL), JR_OK);
    for (int i = 0; i < 3000; i++)
        CHECK_INT(submit(unconnected, target, NULL, "PING"), JR_OK);
    CHECK_INT(submit(unconnected, request_to(other, NULL, 2), NULL, "PING"), JR_OK);
    int descriptor = jr_queue_fd(queue);
    CHECK_INT(jr_queue_close(queue), JR_OK);
    CHECK_INT(jr_queue_close(queue), JR_OK);
    CHECK_INT(submit(client, target, NULL, "PING"), JR_ERR_CLOSED);
    target.flags = JR_REQUEST_REPORT;
    CHECK_INT(submit(client, target, NULL, "PING"), JR_ERR_CLOSED);
    CHECK_INT(take_to_the_end(queue), 3004);
    CHECK(is_readable(descriptor));
    jr_completion completion;
    CHECK_INT(jr_queue_take(queue, &completion, 1, -1), JR_ERR_CLOSED);
    CHECK_INT(jr_queue_take(queue, &completion, 1, 0), JR_ERR_CLOSED);
    CHECK(is_readable(descriptor));
    /* The other one goes on. */
    CHECK_INT(jr_queue_take(other, &completion, 1, 0), 0);
    jr_client_free(unconnected);
    completion = take_one(other);
    CHECK_INT(completion.status, JR_ERR_CLOSED);
    jr_completions_free(&completion, 1);
    jr_reply_free(jr_run(client, "PING"));
    jr_queue_free(queue);
    jr_queue_free(other);
    jr_client_free(lease);
    jr_client_free(client);
    close(silent.descriptor);
}

static void *takes(void *queue) {
    return (void *)(intptr_t)take_to_the_end(queue);
}

/* Threads that submit and threads that take, while it is closed: whatever was accepted ends, and every taker. */
struct submitter {
    jr_client *client;
    jr_queue *queue;
    int accepted;
};

static void *submits(void *argument) {
    struct submitter *self = argument;
    const jr_request target = request_to(self->queue, NULL, 1);
    for (;;) {
        jr_status status = submit(self->client, target, NULL, "BLPOP", "queue_close:none", "0");
        if (status == JR_ERR_CLOSED)
            return NULL;
        CHECK_INT(status, JR_OK);
        self->accepted++;
        if (self->accepted == 200)
            return NULL;
    }
}

static void closing_meets_threads(void) {
    jr_client *client = client_of(server_url());
    for (int round = 0; round < 10; round++) {
        jr_queue *queue = jr_queue_new();
        struct submitter submitters[2] = {{client, queue, 0}, {client, queue, 0}};
        pthread_t takers[2], threads[2];
        for (int i = 0; i < 2; i++) {
            CHECK_INT(pthread_create(&threads[i], NULL, submits, &submitters[i]), 0);
            CHECK_INT(pthread_create(&takers[i], NULL, takes, queue), 0);
        }
        for (int i = 0; i < round; i++)
            sched_yield();
        CHECK_INT(jr_queue_close(queue), JR_OK);
        int accepted = 0, finals = 0;
        for (int i = 0; i < 2; i++) {
            void *taken;
            CHECK_INT(pthread_join(threads[i], NULL), 0);
            CHECK_INT(pthread_join(takers[i], &taken), 0);
            accepted += submitters[i].accepted;
            finals += (int)(intptr_t)taken;
        }
        CHECK_INT(finals, accepted);
        jr_queue_free(queue);
    }
    jr_client_free(client);
}

static void bad_arguments(void) {
    CHECK_INT(jr_queue_close(NULL), JR_ERR_ARGUMENT);
    jr_completions_free(NULL, 3);
    jr_completion completion = {0};
    jr_completions_free(&completion, 0);
    jr_completions_free(&completion, 1);
    jr_completions_free(&completion, SIZE_MAX);
}

int main(void) {
    everything_under_way_is_cancelled();
    closing_meets_threads();
    bad_arguments();
    return 0;
}
