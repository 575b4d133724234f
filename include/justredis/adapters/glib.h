/*
 * A queue in a main loop of GLib. Header only; link with glib-2.0.
 *
 *     jr_queue *queue = jr_queue_new();
 *     jr_glib *watcher = jr_glib_attach(NULL, queue, on_completion);
 *     ... jr_submit with request.queue = queue ...
 *     g_main_loop_run(loop);
 *     jr_glib_detach(watcher);
 *     jr_queue_free(queue);
 */
#ifndef JUSTREDIS_ADAPTERS_GLIB_H
#define JUSTREDIS_ADAPTERS_GLIB_H

#include <glib.h>
#include <justredis/adapters/dispatch.h>

/**
 * A queue that is attached to a context.
 */
typedef struct jr_glib {
    /**
     * For g_source_set_priority, g_source_set_name and g_source_set_can_recurse.
     */
    GSource source;
    /**
     * Private.
     */
    jr_dispatch dispatch;
} jr_glib;

/* Private. */
static inline gboolean jr_glib_ready_(GSource *source, GSourceFunc callback, gpointer data) {
    (void)callback, (void)data;
    return jr_dispatch_ready(&((jr_glib *)source)->dispatch) < 0 ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/**
 * From now on the context (NULL: the default one) calls `callback` for each completion of `queue`, on the thread that
 * runs it; the reply is then yours to free. Several queues may be attached to a context, a queue to one only. NULL: the
 * queue has no descriptor; jr_error_text says why. Call it on the thread of the context.
 */
static inline jr_glib *jr_glib_attach(GMainContext *context, jr_queue *queue, jr_callback callback) {
    static GSourceFuncs functions = {NULL, NULL, jr_glib_ready_, NULL, NULL, NULL};
    int descriptor = jr_queue_fd(queue);
    jr_glib *watcher;
    if (descriptor < 0)
        return NULL;
    watcher = (jr_glib *)(void *)g_source_new(&functions, sizeof(jr_glib));
    watcher->dispatch.queue = queue;
    watcher->dispatch.callback = callback;
    watcher->dispatch.detached = NULL;
    g_source_add_unix_fd(&watcher->source, descriptor, G_IO_IN);
    g_source_attach(&watcher->source, context);
    return watcher;
}

/**
 * Stops at once: no callback comes any more, and the queue may be freed. Completions that are still in the queue stay
 * there, for jr_queue_take or another context; only inside of `callback` those are discarded that were taken together
 * with that one (at most 127), as jr_queue_free does. On the thread of the context. NULL does nothing.
 */
static inline void jr_glib_detach(jr_glib *watcher) {
    if (watcher == NULL)
        return;
    jr_dispatch_detach(&watcher->dispatch);
    g_source_destroy(&watcher->source);
    g_source_unref(&watcher->source);
}

#endif
