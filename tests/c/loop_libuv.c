/* A queue in a loop of libuv: justredis/adapters/libuv.h. */
#include "loop.h"
#include <justredis/adapters/libuv.h>

static uv_loop_t uv;

static void *attach_queue(jr_queue *to, jr_callback callback) {
    return jr_libuv_attach(&uv, to, callback);
}

static void detach_queue(void *from) {
    jr_libuv_detach(from);
}

static void turn(void) {
    uv_run(&uv, UV_RUN_ONCE);
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
    ticks++;
}

int main(void) {
    const struct loop tested = {attach_queue, detach_queue, turn};
    uv_timer_t timer;
    CHECK_INT(uv_loop_init(&uv), 0);
    CHECK_INT(uv_timer_init(&uv, &timer), 0);
    CHECK_INT(uv_timer_start(&timer, on_tick, 2, 2), 0);
    test_loop(&tested);
    uv_close((uv_handle_t *)&timer, NULL);
    CHECK_INT(uv_run(&uv, UV_RUN_DEFAULT), 0); /* no handle is left */
    CHECK_INT(uv_loop_close(&uv), 0);
    return 0;
}
