/* A queue in a loop written by hand, with poll: justredis/adapters/dispatch.h. Beside what holds in every loop, a
 * callback that runs the loop, and a child after fork(). */
#include "loop.h"
#include <justredis/adapters/dispatch.h>

enum { QUEUES = 4 };

static jr_dispatch *attached[QUEUES];
/* What is not watched any more: the queue is closed, and all was taken. */
static bool is_over[QUEUES];

static void *attach_queue(jr_queue *to, jr_callback callback) {
    if (jr_queue_fd(to) < 0)
        return NULL;
    for (int i = 0; i < QUEUES; i++)
        if (attached[i] == NULL) {
            attached[i] = calloc(1, sizeof(jr_dispatch));
            attached[i]->queue = to;
            attached[i]->callback = callback;
            is_over[i] = false;
            return attached[i];
        }
    return NULL;
}

static void detach_queue(void *from) {
    for (int i = 0; i < QUEUES; i++)
        if (from != NULL && attached[i] == from) {
            attached[i] = NULL;
            jr_dispatch_detach(from);
            free(from);
        }
}

static void turn(void) {
    struct pollfd polled[QUEUES];
    for (int i = 0; i < QUEUES; i++)
        polled[i] = (struct pollfd){attached[i] && !is_over[i] ? jr_queue_fd(attached[i]->queue) : -1, POLLIN, 0};
    if (poll(polled, QUEUES, 2) == 0)
        ticks++;
    for (int i = 0; i < QUEUES; i++)
        if (polled[i].revents != 0 && attached[i] != NULL) {
            int64_t count = jr_dispatch_ready(attached[i]);
            is_over[i] = count < 0;
            CHECK(count >= 0 || count == JR_ERR_CLOSED);
        }
}

/* The first answer waits, in the loop, for others, one of which detaches. */
static void on_answer_run_the_loop(const jr_completion *completion) {
    on_answer(completion);
    if (completion->user_data == 1) {
        ask(2);
        ask(3);
        while (answered < 3)
            turn();
    } else if (completion->user_data == 3) {
        detach_queue(watcher);
    }
}

static void a_callback_may_run_the_loop(void) {
    client = connect_client();
    queue = jr_queue_new();
    attach(on_answer_run_the_loop);
    ask(1);
    ask(4); /* taken together with the first, and discarded */
    wait_for_answers();
    turn_until(3);
    only_ticks();
    jr_queue_free(queue);
    close_client(client);
}

static void a_child_is_told_that_its_queue_serves_no_longer(void) {
    jr_dispatch dispatch = {jr_queue_new(), on_answer, NULL};
    int status = 0;
    CHECK(jr_queue_fd(dispatch.queue) >= 0);
    pid_t child = fork();
    if (child == 0)
        _exit(jr_dispatch_ready(&dispatch) == JR_ERR_FORKED ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_INT(jr_dispatch_ready(&dispatch), 0);
    jr_queue_free(dispatch.queue);
}

int main(void) {
    const struct loop tested = {attach_queue, detach_queue, turn};
    test_loop(&tested);
    a_callback_may_run_the_loop();
    a_child_is_told_that_its_queue_serves_no_longer();
    return 0;
}
