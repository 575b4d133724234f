/*
 * A queue in a loop of libuv. Header only; link with libuv, and define _GNU_SOURCE if you compile with -std=c11, as
 * uv.h needs it.
 *
 *     jr_queue *queue = jr_queue_new();
 *     jr_libuv *watcher = jr_libuv_attach(loop, queue, on_completion);
 *     ... jr_submit with request.queue = queue ...
 *     uv_run(loop, UV_RUN_DEFAULT);
 *     jr_libuv_detach(watcher);
 *     jr_queue_free(queue);
 */
#ifndef JUSTREDIS_ADAPTERS_LIBUV_H
#define JUSTREDIS_ADAPTERS_LIBUV_H

#include <justredis/adapters/dispatch.h>
#include <stdlib.h>
#include <uv.h>

/**
 * A queue that is attached to a loop.
 */
typedef struct jr_libuv {
    /**
     * Keeps the loop running, also while nothing is under way; uv_unref((uv_handle_t *)&watcher->poll) changes that.
     */
    uv_poll_t poll;
    /**
     * Private.
     */
    jr_dispatch dispatch;
} jr_libuv;

/* Private. */
static inline void jr_libuv_ready_(uv_poll_t *poll, int status, int events) {
    jr_libuv *watcher = (jr_libuv *)poll->data;
    (void)status, (void)events;
    if (jr_dispatch_ready(&watcher->dispatch) < 0)
        uv_poll_stop(poll);
}

/* Private. */
static inline void jr_libuv_closed_(uv_handle_t *handle) {
    free(handle->data);
}

/**
 * From now on the loop calls `callback` for each completion of `queue`, on its own thread; the reply is then yours to
 * free. Several queues may be attached to a loop, a queue to one loop only. NULL: it could not be done; jr_error_text
 * says why, if the queue has no descriptor. Call it on the thread of the loop.
 */
static inline jr_libuv *jr_libuv_attach(uv_loop_t *loop, jr_queue *queue, jr_callback callback) {
    int descriptor = jr_queue_fd(queue);
    jr_libuv *watcher = descriptor < 0 ? NULL : (jr_libuv *)calloc(1, sizeof(jr_libuv));
    if (watcher == NULL)
        return NULL;
    watcher->dispatch.queue = queue;
    watcher->dispatch.callback = callback;
    if (uv_poll_init(loop, &watcher->poll, descriptor) != 0) {
        free(watcher);
        return NULL;
    }
    watcher->poll.data = watcher;
    if (uv_poll_start(&watcher->poll, UV_READABLE, jr_libuv_ready_) != 0) {
        uv_close((uv_handle_t *)&watcher->poll, jr_libuv_closed_);
        return NULL;
    }
    return watcher;
}

/**
 * Stops at once: no callback comes any more, and the queue may be freed. Completions that are still in the queue stay
 * there, for jr_queue_take or another loop; only inside of `callback` those are discarded that were taken together with
 * that one (at most 127), as jr_queue_free does. The memory is freed by the next turn of the loop. Before the loop is
 * closed, and on its thread. NULL does nothing.
 */
static inline void jr_libuv_detach(jr_libuv *watcher) {
    if (watcher == NULL)
        return;
    jr_dispatch_detach(&watcher->dispatch);
    uv_poll_stop(&watcher->poll);
    uv_close((uv_handle_t *)&watcher->poll, jr_libuv_closed_);
}

#endif
