/*
 * A queue in a loop of libevent, version 2. Header only; link with libevent (or libevent_core).
 *
 *     jr_queue *queue = jr_queue_new();
 *     jr_libevent *watcher = jr_libevent_attach(base, queue, on_completion);
 *     ... jr_submit with request.queue = queue ...
 *     event_base_dispatch(base);
 *     jr_libevent_detach(watcher);
 *     jr_queue_free(queue);
 */
#ifndef JUSTREDIS_ADAPTERS_LIBEVENT_H
#define JUSTREDIS_ADAPTERS_LIBEVENT_H

#include <event2/event.h>
#include <justredis/adapters/dispatch.h>
#include <stdlib.h>

/**
 * A queue that is attached to a loop.
 */
typedef struct jr_libevent {
    /**
     * Keeps the loop running, also while nothing is under way.
     */
    struct event *event;
    /**
     * Private.
     */
    jr_dispatch dispatch;
} jr_libevent;

/* Private. */
static inline void jr_libevent_ready_(evutil_socket_t descriptor, short events, void *data) {
    jr_libevent *watcher = (jr_libevent *)data;
    (void)descriptor, (void)events;
    if (jr_dispatch_ready(&watcher->dispatch) < 0)
        event_del(watcher->event);
}

/**
 * From now on the loop calls `callback` for each completion of `queue`, on its own thread; the reply is then yours to
 * free. Several queues may be attached to a loop, a queue to one loop only. NULL: it could not be done; jr_error_text
 * says why, if the queue has no descriptor. Call it on the thread of the loop.
 */
static inline jr_libevent *jr_libevent_attach(struct event_base *base, jr_queue *queue, jr_callback callback) {
    int descriptor = jr_queue_fd(queue);
    jr_libevent *watcher = descriptor < 0 ? NULL : (jr_libevent *)calloc(1, sizeof(jr_libevent));
    if (watcher == NULL)
        return NULL;
    watcher->dispatch.queue = queue;
    watcher->dispatch.callback = callback;
    watcher->event = event_new(base, descriptor, EV_READ | EV_PERSIST, jr_libevent_ready_, watcher);
    if (watcher->event == NULL || event_add(watcher->event, NULL) != 0) {
        if (watcher->event != NULL)
            event_free(watcher->event);
        free(watcher);
        return NULL;
    }
    return watcher;
}

/**
 * Stops at once: no callback comes any more, and the queue may be freed. Completions that are still in the queue stay
 * there, for jr_queue_take or another loop; only inside of `callback` those are discarded that were taken together with
 * that one (at most 127), as jr_queue_free does. Before the loop is freed, and on its thread. NULL does nothing.
 */
static inline void jr_libevent_detach(jr_libevent *watcher) {
    if (watcher == NULL)
        return;
    jr_dispatch_detach(&watcher->dispatch);
    event_free(watcher->event);
    free(watcher);
}

#endif
