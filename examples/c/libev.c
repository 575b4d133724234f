/* In a loop of libev: the timer of the loop counts, and the answers come to a callback between its ticks. */
#include "example.h"
#include <justredis/adapters/libev.h>

enum { TICKS = 3 };

struct program {
    jr_client *client;
    jr_queue *queue;
    jr_libev *watcher;
    ev_timer timer;
    int asked, answered;
};

/* On the thread of the loop. */
static void on_completion(const jr_completion *completion) {
    struct program *program = (struct program *)(uintptr_t)completion->user_data;
    printf("libev: ");
    print_reply(completion->reply);
    printf("\n");
    jr_reply_free(completion->reply);
    if (++program->answered == TICKS)
        jr_libev_detach(program->watcher); /* nothing keeps the loop any more: ev_run returns */
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
    struct program *program = timer->data;
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:libev")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request,
                          .commands = &command,
                          .count = 1,
                          .flags = program->asked == program->answered ? JR_REQUEST_NOW : 0, /* nothing is under way */
                          .queue = program->queue,
                          .user_data = (uintptr_t)program};
    (void)events;
    check(jr_submit(program->client, &request, NULL), "jr_submit"); /* never waits */
    if (++program->asked == TICKS)
        ev_timer_stop(loop, timer);
}

int main(void) {
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct program program = {.client = new_client(), .queue = jr_queue_new()};
    program.watcher = jr_libev_attach(loop, program.queue, on_completion);
    check(program.watcher ? JR_OK : JR_ERR_MEMORY, "jr_libev_attach");
    ev_timer_init(&program.timer, on_tick, 0.01, 0.01);
    program.timer.data = &program;
    ev_timer_start(loop, &program.timer);
    ev_run(loop, 0);
    jr_queue_free(program.queue); /* it was detached before */
    finish(jr_run(program.client, "DEL", "jr:example:libev"));
    end_client(program.client);
    ev_loop_destroy(loop);
    return 0;
}
