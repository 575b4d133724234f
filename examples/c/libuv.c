/* In a loop of libuv: the timer of the loop counts, and the answers come to a callback between its ticks. */
#define _GNU_SOURCE /* for uv.h */
#include "example.h"
#include <justredis/adapters/libuv.h>

enum { TICKS = 3 };

struct program {
    jr_client *client;
    jr_queue *queue;
    jr_libuv *watcher;
    uv_timer_t timer;
    int asked, answered;
};

/* On the thread of the loop. */
static void on_completion(const jr_completion *completion) {
    struct program *program = (struct program *)(uintptr_t)completion->user_data;
    printf("libuv: ");
    print_reply(completion->reply);
    printf("\n");
    jr_reply_free(completion->reply);
    if (++program->answered == TICKS)
        jr_libuv_detach(program->watcher); /* nothing keeps the loop any more: uv_run returns */
}

static void on_tick(uv_timer_t *timer) {
    struct program *program = timer->data;
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:libuv")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request,
                          .commands = &command,
                          .count = 1,
                          .flags = program->asked == program->answered ? JR_REQUEST_NOW : 0, /* nothing is under way */
                          .queue = program->queue,
                          .user_data = (uintptr_t)program};
    check(jr_submit(program->client, &request, NULL), "jr_submit"); /* never waits */
    if (++program->asked == TICKS)
        uv_close((uv_handle_t *)timer, NULL);
}

int main(void) {
    uv_loop_t *loop = uv_default_loop();
    struct program program = {.client = new_client(), .queue = jr_queue_new()};
    program.watcher = jr_libuv_attach(loop, program.queue, on_completion);
    check(program.watcher ? JR_OK : JR_ERR_MEMORY, "jr_libuv_attach");
    uv_timer_init(loop, &program.timer);
    program.timer.data = &program;
    uv_timer_start(&program.timer, on_tick, 10, 10);
    uv_run(loop, UV_RUN_DEFAULT);
    jr_queue_free(program.queue); /* it was detached before */
    finish(jr_run(program.client, "DEL", "jr:example:libuv"));
    end_client(program.client);
    return uv_loop_close(loop);
}
