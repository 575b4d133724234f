/* Callbacks run on a thread of the library, one after the other; one may submit the next request, but not wait. */
#include "example.h"
#include <pthread.h>

enum { STEPS = 5 };

/* What a callback needs: its address travels as the user_data of the request. */
struct countdown {
    jr_client *client;
    pthread_t starter;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int steps;
    int failed;
    int done;
};

static jr_status submit_next(struct countdown *countdown);

static void finished(struct countdown *countdown, int failed) {
    pthread_mutex_lock(&countdown->lock);
    countdown->failed = failed;
    countdown->done = 1;
    pthread_cond_signal(&countdown->changed);
    pthread_mutex_unlock(&countdown->lock);
}

static void on_answer(const jr_completion *completion) {
    struct countdown *countdown = (struct countdown *)(uintptr_t)completion->user_data;
    int is_own_thread = !pthread_equal(pthread_self(), countdown->starter);
    printf("DECR -> ");
    print_reply(completion->reply);
    printf(" (%s)\n", is_own_thread ? "on the library's thread" : "on the thread that submitted");
    jr_reply_free(completion->reply); /* it is ours */
    if (completion->status != JR_OK) {
        finished(countdown, 1);
    } else if (--countdown->steps > 0) {
        if (submit_next(countdown) != JR_OK)
            finished(countdown, 1);
    } else {
        /* Whoever would wait here would wait for this very thread. */
        jr_reply *reply = jr_run(countdown->client, "PING");
        printf("PING -> ");
        print_reply(reply);
        printf("\n");
        int was_refused = reply->kind == JR_ERROR && reply->integer == JR_ERR_DEADLOCK;
        jr_reply_free(reply);
        finished(countdown, !was_refused);
    }
}

static jr_status submit_next(struct countdown *countdown) {
    jr_bytes words[] = {jr_text("DECR"), jr_text("jr:example:countdown")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1};
    request.callback = on_answer;
    request.user_data = (uintptr_t)countdown;
    return jr_submit(countdown->client, &request, NULL); /* copies all it needs: words may go */
}

int main(void) {
    struct countdown countdown = {.client = new_client(), .starter = pthread_self(), .steps = STEPS};
    pthread_mutex_init(&countdown.lock, NULL);
    pthread_cond_init(&countdown.changed, NULL);
    finish(jr_run(countdown.client, "SET", "jr:example:countdown", "5"));

    check(submit_next(&countdown), "jr_submit");
    pthread_mutex_lock(&countdown.lock);
    while (!countdown.done)
        pthread_cond_wait(&countdown.changed, &countdown.lock);
    pthread_mutex_unlock(&countdown.lock);

    finish(jr_run(countdown.client, "DEL", "jr:example:countdown"));
    end_client(countdown.client); /* when it returns, no callback runs or will run: what it used may go */
    pthread_cond_destroy(&countdown.changed);
    pthread_mutex_destroy(&countdown.lock);
    return countdown.failed;
}
