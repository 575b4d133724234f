/* jr_client_close waits: it runs on a thread of libuv's pool. When the environment ends before it returns, whoever is
 * last frees the client. */
#include "addon.h"

#include <stdatomic.h>

enum { RUNNING, RETURNED, ORPHANED };

struct Closing {
    Instance *in;
    jr_client *client;
    uint32_t number, timeout_ms;
    jr_status status;
    atomic_int state;
    napi_async_work work;
    napi_deferred deferred;
};

void closing_orphan(Closing *closing) {
    if (atomic_exchange(&closing->state, ORPHANED) == RETURNED)
        jr_client_free(closing->client);
}

static void run(napi_env env, void *data) {
    Closing *closing = data;
    (void)env;
    closing->status = jr_client_close(closing->client, closing->timeout_ms);
    if (atomic_exchange(&closing->state, RETURNED) == ORPHANED)
        jr_client_free(closing->client);
}

/* On the thread of the loop. When the environment has ended there is no instance any more. */
static void complete(napi_env env, napi_status status, void *data) {
    Closing *closing = data;
    Instance *in = closing->in;
    napi_value result;
    (void)status;
    if (atomic_load(&closing->state) != ORPHANED) {
        jr_client_free(closing->client);
        handle_release(in, closing->number);
        if (napi_create_int32(env, closing->status, &result) == napi_ok)
            napi_resolve_deferred(env, closing->deferred, result);
    }
    napi_delete_async_work(env, closing->work);
    free(closing);
}

/* clientClose(client, milliseconds): a promise of the status; the client's number is none any more then. */
napi_value client_close(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2], promise, name;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    Closing *closing = client ? calloc(1, sizeof *closing) : NULL;
    if (!closing)
        return NULL;
    closing->in = in;
    closing->client = client;
    napi_get_value_uint32(env, values[0], &closing->number);
    if (in->handles[closing->number].closing) {
        free(closing);
        return NULL;
    }
    napi_get_value_uint32(env, values[1], &closing->timeout_ms);
    if (napi_create_string_utf8(env, "justredis close", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, run, complete, closing, &closing->work) != napi_ok) {
        free(closing);
        return NULL;
    }
    if (napi_create_promise(env, &closing->deferred, &promise) != napi_ok ||
        napi_queue_async_work(env, closing->work) != napi_ok) {
        napi_delete_async_work(env, closing->work);
        free(closing);
        return NULL;
    }
    in->handles[closing->number].closing = closing;
    return promise;
}
