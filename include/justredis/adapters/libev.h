/*
 * A queue in a loop of libev, as it is built by default (EV_MULTIPLICITY). Header only; link with -lev.
 *
 *     jr_queue *queue = jr_queue_new();
 *     jr_libev *watcher = jr_libev_attach(loop, queue, on_completion);
 *     ... jr_submit with request.queue = queue ...
 *     ev_run(loop, 0);
 *     jr_libev_detach(watcher);
 *     jr_queue_free(queue);
 */
#ifndef JUSTREDIS_ADAPTERS_LIBEV_H
#define JUSTREDIS_ADAPTERS_LIBEV_H

#include <ev.h>
#include <justredis/adapters/dispatch.h>
#include <stdlib.h>

/**
 * A queue that is attached to a loop.
 */
typedef struct jr_libev {
    /**
     * Keeps the loop running, also while nothing is under way; ev_unref(loop) changes that (ev_ref(loop) before it is
     * detached).
     */
    ev_io io;
    /**
     * Private.
     */
    struct ev_loop *loop;
    /**
     * Private.
     */
    jr_dispatch dispatch;
} jr_libev;

/* Private. */
static inline void jr_libev_ready_(struct ev_loop *loop, ev_io *io, int events) {
    jr_libev *watcher = (jr_libev *)io->data;
    (void)events;
    if (jr_dispatch_ready(&watcher->dispatch) < 0)
        ev_io_stop(loop, &watcher->io);
}

/**
 * From now on the loop calls `callback` for each completion of `queue`, on its own thread; the reply is then yours to
 * free. Several queues may be attached to a loop, a queue to one loop only. NULL: it could not be done; jr_error_text
 * says why, if the queue has no descriptor. Call it on the thread of the loop.
 */
static inline jr_libev *jr_libev_attach(struct ev_loop *loop, jr_queue *queue, jr_callback callback) {
    int descriptor = jr_queue_fd(queue);
    jr_libev *watcher = descriptor < 0 ? NULL : (jr_libev *)calloc(1, sizeof(jr_libev));
    if (watcher == NULL)
        return NULL;
    watcher->loop = loop;
    watcher->dispatch.queue = queue;
    watcher->dispatch.callback = callback;
    ev_io_init(&watcher->io, jr_libev_ready_, descriptor, EV_READ);
    watcher->io.data = watcher;
    ev_io_start(loop, &watcher->io);
    return watcher;
}

/**
 * Stops at once: no callback comes any more, and the queue may be freed. Completions that are still in the queue stay
 * there, for jr_queue_take or another loop; only inside of `callback` those are discarded that were taken together with
 * that one (at most 127), as jr_queue_free does. Before the loop is destroyed, and on its thread. NULL does nothing.
 */
static inline void jr_libev_detach(jr_libev *watcher) {
    if (watcher == NULL)
        return;
    jr_dispatch_detach(&watcher->dispatch);
    ev_io_stop(watcher->loop, &watcher->io);
    free(watcher);
}

#endif
