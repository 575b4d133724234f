/* A queue of jobs: a worker that waits for them at the server (BLPOP), on a connection of its own, until it is told to
 * stop. */
#include "example.h"
#include <pthread.h>

enum { JOBS = 5 };

static void *work(void *argument) {
    jr_client *client = argument;
    for (int done = 0;; done++) {
        /* Waits up to 60 seconds at the server; meanwhile all other threads use the shared connection. */
        jr_reply *job = jr_run(client, "BLPOP", "jr:example:jobs", "60");
        if (job->kind == JR_NIL)
            continue; /* there was none: ask again */
        if (job->kind == JR_ERROR) {
            /* Closing the client ends the wait. Nothing was taken from the list for nobody. */
            printf("worker: %d jobs done; then: %s\n", done, jr_status_text((jr_status)job->integer));
            jr_reply_free(job);
            return NULL;
        }
        const jr_reply *text = &job->items[1];
        printf("worker: %.*s\n", (int)text->length, text->bytes);
        finish(jr_run(client, "INCR", "jr:example:done"));
        jr_reply_free(job);
    }
}

int main(void) {
    jr_client *client = new_client();
    pthread_t worker;
    finish(jr_run(client, "DEL", "jr:example:jobs", "jr:example:done"));
    if (pthread_create(&worker, NULL, work, client) != 0)
        return 1;
    for (int i = 1; i <= JOBS; i++) {
        char job[32];
        snprintf(job, sizeof job, "job %d", i);
        finish(jr_run(client, "RPUSH", "jr:example:jobs", job));
    }
    for (int64_t done = 0; done < JOBS;) {
        jr_reply *reply = jr_run(client, "GET", "jr:example:done");
        if (reply->kind == JR_STRING)
            jr_reply_int64(reply, &done);
        jr_reply_free(reply);
    }
    printf("main: all %d jobs are done\n", JOBS);
    finish(jr_run(client, "DEL", "jr:example:jobs", "jr:example:done"));
    check(jr_client_close(client, 5000), "jr_client_close"); /* blocking commands end first */
    pthread_join(worker, NULL);
    jr_client_free(client);
    return 0;
}
