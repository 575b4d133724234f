/* The queue of an environment in its loop. While requests are under way that somebody waits for, the handle of the
 * descriptor keeps the loop running; one call into JavaScript delivers a batch. */
#include "addon.h"

enum { TURNS = 4 };

static void deliver(Instance *in, jr_completion *batch, int64_t count) {
    napi_handle_scope scope;
    bool good = napi_open_handle_scope(in->env, &in->scope) == napi_ok;
    if (good)
        convert_batch(in, batch, count);
    jr_completions_free(batch, (size_t)count);
    if (!good)
        return;
    scope = in->scope; /* what JavaScript does there may convert replies, too */
    call_back(in, DELIVER, in->leaf_count, in->leaves);
    napi_close_handle_scope(in->env, scope);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    Instance *in = poll->data;
    jr_completion batch[BATCH];
    (void)status, (void)events;
    /* All that is there, but no more than some turns of it: the loop has other work, too, and calls again. */
    for (int turn = 0; turn < TURNS && !in->ended; turn++) {
        int64_t count = jr_queue_take(in->queue, batch, BATCH, 0);
        if (count < 0) {
            uv_poll_stop(poll);
            return;
        }
        if (count > 0)
            deliver(in, batch, count);
        if (count < BATCH)
            break;
    }
    if (in->ended)
        return;
    bridge_serve(in);
    queue_hold(in);
}

bool queue_open(Instance *in) {
    uv_loop_t *loop;
    if (in->watched)
        return true;
    if (!in->queue)
        in->queue = jr_queue_new();
    int descriptor = in->queue ? jr_queue_fd(in->queue) : JR_ERR_MEMORY;
    if (descriptor < 0)
        return throw_status(in, descriptor), false;
    if (in->ended || napi_get_uv_event_loop(in->env, &loop) != napi_ok ||
        uv_poll_init(loop, &in->poll, descriptor) != 0) {
        napi_throw_error(in->env, NULL, "the loop cannot watch the queue");
        return false;
    }
    in->poll.data = in;
    in->watched = true;
    uv_unref((uv_handle_t *)&in->poll);
    if (uv_poll_start(&in->poll, UV_READABLE, on_readable) != 0) {
        napi_throw_error(in->env, NULL, "the loop cannot watch the queue");
        return false;
    }
    return true;
}

void queue_hold(Instance *in) {
    bool hold = in->shared->holding > 0;
    if (!in->watched || in->held == hold)
        return;
    in->held = hold;
    if (hold)
        uv_ref((uv_handle_t *)&in->poll);
    else
        uv_unref((uv_handle_t *)&in->poll);
}

void queue_end(Instance *in, uv_close_cb closed) {
    in->poll.data = in;
    if (in->watched) {
        uv_poll_stop(&in->poll);
        uv_close((uv_handle_t *)&in->poll, closed);
    }
    jr_queue_free(in->queue);
    in->queue = NULL;
    if (!in->watched)
        closed((uv_handle_t *)&in->poll);
}
