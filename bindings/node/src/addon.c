/* The addon's functions, its beginning, and its end with the environment. */
#include "addon.h"

napi_value throw_status(Instance *in, jr_status status) {
    return throw_error(in, status, jr_error_text());
}

napi_value throw_error(Instance *in, jr_status status, const char *text) {
    napi_env env = in->env;
    napi_value values[3], function, self, error;
    bool pending = false;
    if (napi_is_exception_pending(env, &pending) != napi_ok || pending)
        return NULL;
    if (napi_create_int32(env, status, &values[0]) == napi_ok &&
        napi_create_uint32(env, JR_OUTCOME_NOT_RUN, &values[1]) == napi_ok &&
        napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &values[2]) == napi_ok &&
        napi_get_undefined(env, &self) == napi_ok &&
        napi_get_reference_value(env, in->functions[MAKE_ERROR], &function) == napi_ok &&
        napi_call_function(env, self, function, 3, values, &error) == napi_ok)
        napi_throw(env, error);
    return NULL;
}

napi_value throw_type(Instance *in, const char *text) {
    bool pending = false;
    if (napi_is_exception_pending(in->env, &pending) == napi_ok && !pending)
        napi_throw_type_error(in->env, "ERR_INVALID_ARG_TYPE", text);
    return NULL;
}

void call_back(Instance *in, int function, size_t count, const napi_value *values) {
    napi_value called, resource, error;
    if (napi_get_reference_value(in->env, in->functions[function], &called) != napi_ok ||
        napi_get_reference_value(in->env, in->resource, &resource) != napi_ok)
        return;
    napi_status status = napi_make_callback(in->env, in->context, resource, called, count, values, NULL);
    if (status == napi_pending_exception && napi_get_and_clear_last_exception(in->env, &error) == napi_ok)
        napi_fatal_exception(in->env, error);
}

Instance *arguments(napi_env env, napi_callback_info info, size_t *count, napi_value *values) {
    void *instance = NULL;
    size_t room = *count;
    if (napi_get_cb_info(env, info, count, values, NULL, &instance) != napi_ok)
        return NULL;
    Instance *in = instance;
    if (in->ended || *count > room) {
        napi_throw_error(env, NULL, in->ended ? "this environment has ended" : "too many arguments");
        return NULL;
    }
    return in;
}

/* hold(): JavaScript has changed the number of requests for whose sake the loop goes on. */
static napi_value hold(napi_env env, napi_callback_info info) {
    size_t count = 0;
    Instance *in = arguments(env, info, &count, NULL);
    if (in)
        queue_hold(in);
    return NULL;
}

/* The loop has let go of the handle: the last that is touched of an environment. */
static void on_closed(uv_handle_t *handle) {
    Instance *in = handle->data;
    napi_remove_async_cleanup_hook(in->hook);
    words_reset(in);
    free(in->block);
    free(in->handles);
    free(in);
}

/* The environment ends: a worker is terminated, or the process. Nothing waits here. */
static void on_cleanup(napi_async_cleanup_hook_handle hook, void *instance) {
    Instance *in = instance;
    in->ended = true;
    in->hook = hook;
    if (in->bridge)
        bridge_end(in->bridge);
    if (in->queue)
        jr_queue_close(in->queue);
    handles_end(in);
    queue_end(in, on_closed);
}

static const struct {
    const char *name;
    napi_callback function;
} exported[] = {
    {"submit", submit},
    {"submitArray", submit_array},
    {"submitWith", submit_with},
    {"submitEvents", submit_events},
    {"cancel", cancel},
    {"hold", hold},
    {"clientNew", client_new},
    {"clientDatabase", client_database},
    {"clientLease", client_lease},
    {"clientStats", client_stats},
    {"clientLocate", client_locate},
    {"clientSetCredentials", client_set_credentials},
    {"clientClose", client_close},
    {"clientFree", client_free},
    {"answerDial", answer_dial},
    {"answerCredentials", answer_credentials},
    {"duplicate", duplicate},
};

/* setup(deliver, spill, grow, makeError, asked): the functions that are called from here. Gives the buffer of what is
 * shared. */
static napi_value setup(napi_env env, napi_callback_info info) {
    size_t count = FUNCTIONS;
    napi_value values[FUNCTIONS], resource, name, shared;
    void *data = NULL;
    Instance *in = arguments(env, info, &count, values);
    if (!in || in->resource)
        return NULL;
    for (int i = 0; i < FUNCTIONS; i++)
        if (napi_create_reference(env, values[i], 1, &in->functions[i]) != napi_ok)
            return throw_type(in, "setup takes functions");
    if (napi_create_arraybuffer(env, sizeof *in->shared, &data, &shared) != napi_ok ||
        napi_create_object(env, &resource) != napi_ok ||
        napi_create_reference(env, resource, 1, &in->resource) != napi_ok ||
        napi_create_string_utf8(env, "justredis", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_set_named_property(env, resource, "shared", shared) != napi_ok ||
        napi_async_init(env, resource, name, &in->context) != napi_ok)
        return throw_type(in, "setup has failed");
    in->shared = data;
    memset(data, 0, sizeof *in->shared);
    return shared;
}

static napi_value initialize(napi_env env, napi_value exports) {
    napi_value value;
    Instance *in = calloc(1, sizeof *in);
    if (!in)
        return NULL;
    in->env = env;
    for (size_t i = 0; i < sizeof exported / sizeof *exported; i++)
        if (napi_create_function(env, exported[i].name, NAPI_AUTO_LENGTH, exported[i].function, in, &value) !=
                napi_ok ||
            napi_set_named_property(env, exports, exported[i].name, value) != napi_ok)
            return NULL;
    if (napi_create_function(env, "setup", NAPI_AUTO_LENGTH, setup, in, &value) != napi_ok ||
        napi_set_named_property(env, exports, "setup", value) != napi_ok ||
        napi_create_string_utf8(env, jr_version(), NAPI_AUTO_LENGTH, &value) != napi_ok ||
        napi_set_named_property(env, exports, "version", value) != napi_ok)
        return NULL;
    if (napi_add_async_cleanup_hook(env, on_cleanup, in, &in->hook) != napi_ok)
        return NULL;
    return exports;
}

NAPI_MODULE(justredis, initialize)
