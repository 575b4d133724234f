/* In a loop of libevent: the timer of the loop counts, and the answers come to a callback between its ticks. */
#define _DEFAULT_SOURCE /* for struct timeval */
#include "example.h"
#include <justredis/adapters/libevent.h>

enum { TICKS = 3 };

struct program {
    jr_client *client;
    jr_queue *queue;
    jr_libevent *watcher;
    struct event *timer;
    int asked, answered;
};

/* On the thread of the loop. */
static void on_completion(const jr_completion *completion) {
    struct program *program = (struct program *)(uintptr_t)completion->user_data;
    printf("libevent: ");
    print_reply(completion->reply);
    printf("\n");
    jr_reply_free(completion->reply);
    if (++program->answered == TICKS)
        jr_libevent_detach(program->watcher); /* nothing keeps the loop any more: event_base_dispatch returns */
}

static void on_tick(evutil_socket_t none, short events, void *data) {
    struct program *program = data;
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:libevent")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request,
                          .commands = &command,
                          .count = 1,
                          .flags = program->asked == program->answered ? JR_REQUEST_NOW : 0, /* nothing is under way */
                          .queue = program->queue,
                          .user_data = (uintptr_t)program};
    (void)none, (void)events;
    check(jr_submit(program->client, &request, NULL), "jr_submit"); /* never waits */
    if (++program->asked == TICKS)
        event_del(program->timer);
}

int main(void) {
    struct timeval every_10_ms = {0, 10000};
    struct event_base *base = event_base_new();
    struct program program = {.client = new_client(), .queue = jr_queue_new()};
    program.watcher = jr_libevent_attach(base, program.queue, on_completion);
    check(program.watcher ? JR_OK : JR_ERR_MEMORY, "jr_libevent_attach");
    program.timer = event_new(base, -1, EV_PERSIST, on_tick, &program);
    event_add(program.timer, &every_10_ms);
    event_base_dispatch(base);
    jr_queue_free(program.queue); /* it was detached before */
    finish(jr_run(program.client, "DEL", "jr:example:libevent"));
    end_client(program.client);
    event_free(program.timer);
    event_base_free(base);
    return 0;
}
