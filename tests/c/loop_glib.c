/* A queue in a context of GLib: justredis/adapters/glib.h. */
#include "loop.h"
#include <justredis/adapters/glib.h>

static GMainContext *context;

static void *attach_queue(jr_queue *to, jr_callback callback) {
    return jr_glib_attach(context, to, callback);
}

static void detach_queue(void *from) {
    jr_glib_detach(from);
}

static void turn(void) {
    g_main_context_iteration(context, TRUE);
}

static gboolean on_tick(gpointer data) {
    (void)data;
    ticks++;
    return G_SOURCE_CONTINUE;
}

int main(void) {
    const struct loop tested = {attach_queue, detach_queue, turn};
    GSource *timer = g_timeout_source_new(2);
    context = g_main_context_new();
    g_source_set_callback(timer, on_tick, NULL, NULL);
    g_source_attach(timer, context);
    test_loop(&tested);
    g_source_destroy(timer);
    g_source_unref(timer);
    CHECK(!g_main_context_iteration(context, FALSE)); /* nothing is left */
    g_main_context_unref(context);
    return 0;
}
