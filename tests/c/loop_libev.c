/* A queue in a loop of libev: justredis/adapters/libev.h. */
#include "loop.h"
#include <justredis/adapters/libev.h>

static struct ev_loop *ev;

static void *attach_queue(jr_queue *to, jr_callback callback) {
    return jr_libev_attach(ev, to, callback);
}

static void detach_queue(void *from) {
    jr_libev_detach(from);
}

static void turn(void) {
    ev_run(ev, EVRUN_ONCE);
}

static void on_tick(struct ev_loop *of, ev_timer *timer, int events) {
    (void)of, (void)timer, (void)events;
    ticks++;
}

int main(void) {
    const struct loop tested = {attach_queue, detach_queue, turn};
    ev_timer timer;
    ev = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&timer, on_tick, 0.002, 0.002);
    ev_timer_start(ev, &timer);
    test_loop(&tested);
    ev_timer_stop(ev, &timer);
    CHECK_INT(ev_run(ev, 0), 0); /* no watcher is left */
    ev_loop_destroy(ev);
    return 0;
}
