/* A queue in a loop of libevent: justredis/adapters/libevent.h. */
#include "loop.h"
#include <justredis/adapters/libevent.h>

static struct event_base *base;

static void *attach_queue(jr_queue *to, jr_callback callback) {
    return jr_libevent_attach(base, to, callback);
}

static void detach_queue(void *from) {
    jr_libevent_detach(from);
}

static void turn(void) {
    CHECK_INT(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void on_tick(evutil_socket_t none, short events, void *data) {
    (void)none, (void)events, (void)data;
    ticks++;
}

int main(void) {
    const struct loop tested = {attach_queue, detach_queue, turn};
    const struct timeval every_2_ms = {0, 2000};
    base = event_base_new();
    struct event *timer = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    CHECK_INT(event_add(timer, &every_2_ms), 0);
    test_loop(&tested);
    event_free(timer);
    CHECK_INT(event_base_loop(base, 0), 1); /* no event is left */
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}
