/* Requests: the words of commands go to a client, the answer comes to the queue. What a request is known by here is its
 * slot, a number of JavaScript. Its id is left where JavaScript reads it. */
#include "addon.h"

/* A command of so many words needs no array. */
enum { FEW = 12 };

/* Each function begins with the number of the client, the slot, and the flags. */
static bool begin(Instance *in, const napi_value *values, jr_request *request, jr_client **client) {
    uint32_t slot, flags;
    memset(request, 0, sizeof *request);
    *client = client_of(in, values[0]);
    if (!*client)
        return false;
    if (napi_get_value_uint32(in->env, values[1], &slot) != napi_ok ||
        napi_get_value_uint32(in->env, values[2], &flags) != napi_ok)
        return throw_type(in, "a slot and flags are numbers"), false;
    request->size = sizeof *request;
    request->flags = (flags & ((1u << CONVERT_SHIFT) - 1)) | JR_REQUEST_REPORT;
    request->queue = in->queue;
    request->user_data = slot | (uint64_t)(flags >> CONVERT_SHIFT) << 32;
    return true;
}

static napi_value finish(Instance *in, jr_client *client, const jr_request *request) {
    jr_status status = jr_submit(client, request, &in->shared->id);
    words_reset(in);
    queue_hold(in);
    return status == JR_OK ? NULL : throw_status(in, status);
}

/* submit(client, slot, flags, ...words) */
napi_value submit(napi_env env, napi_callback_info info) {
    size_t count = 3 + FEW;
    napi_value values[3 + FEW];
    jr_bytes words[FEW];
    jr_request request;
    jr_client *client;
    Instance *in = arguments(env, info, &count, values);
    if (!in || !begin(in, values, &request, &client))
        return NULL;
    for (size_t i = 3; i < count; i++)
        if (!word_from(in, values[i], &words[i - 3]))
            return words_reset(in), NULL;
    jr_command command = {words, count - 3};
    request.commands = &command;
    request.count = 1;
    return finish(in, client, &request);
}

/* submitArray(client, slot, flags, words) */
napi_value submit_array(napi_env env, napi_callback_info info) {
    size_t count = 4;
    napi_value values[4];
    jr_bytes *words;
    jr_request request;
    jr_client *client;
    jr_command command;
    Instance *in = arguments(env, info, &count, values);
    if (!in || !begin(in, values, &request, &client))
        return NULL;
    if (!words_from_array(in, values[3], &words, &command.count))
        return words_reset(in), NULL;
    command.args = words;
    request.commands = &command;
    request.count = 1;
    return finish(in, client, &request);
}

static bool commands_from(Instance *in, napi_value array, jr_request *request) {
    uint32_t length = 0;
    if (napi_get_array_length(in->env, array, &length) != napi_ok)
        return throw_type(in, "commands are an array"), false;
    jr_command *commands = words_memory(in, length * sizeof *commands);
    if (!commands)
        return false;
    for (uint32_t i = 0; i < length; i++) {
        napi_handle_scope scope;
        napi_value element;
        jr_bytes *words = NULL;
        if (napi_open_handle_scope(in->env, &scope) != napi_ok)
            return false;
        bool good = napi_get_element(in->env, array, i, &element) == napi_ok &&
                    words_from_array(in, element, &words, &commands[i].count);
        napi_close_handle_scope(in->env, scope);
        if (!good)
            return false;
        commands[i].args = words;
    }
    request->commands = commands;
    request->count = length;
    return true;
}

/* submitWith(client, slot, flags, milliseconds, route or null, id of a subscription or null, array of commands) */
napi_value submit_with(napi_env env, napi_callback_info info) {
    size_t count = 7;
    napi_value values[7];
    jr_request request;
    jr_client *client;
    napi_valuetype type;
    bool lossless;
    Instance *in = arguments(env, info, &count, values);
    if (!in || !begin(in, values, &request, &client))
        return NULL;
    if (napi_get_value_uint32(env, values[3], &request.timeout_ms) != napi_ok)
        return throw_type(in, "a timeout is a number");
    if (napi_typeof(env, values[5], &type) == napi_ok && type == napi_bigint)
        napi_get_value_bigint_uint64(env, values[5], &request.subscription, &lossless);
    if (!text_from(in, values[4], &request.route) || !commands_from(in, values[6], &request))
        return words_reset(in), NULL;
    return finish(in, client, &request);
}

/* submitEvents(client, slot, flags) */
napi_value submit_events(napi_env env, napi_callback_info info) {
    size_t count = 3;
    napi_value values[3];
    jr_request request;
    jr_client *client;
    Instance *in = arguments(env, info, &count, values);
    if (!in || !begin(in, values, &request, &client))
        return NULL;
    request.flags = 0;
    jr_status status = jr_client_events(client, &request, &in->shared->id);
    return status == JR_OK ? NULL : throw_status(in, status);
}

/* cancel(client, id): whether a completion follows. */
napi_value cancel(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2], result;
    uint64_t id = 0;
    bool lossless;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    if (!client || napi_get_value_bigint_uint64(env, values[1], &id, &lossless) != napi_ok)
        return NULL;
    return napi_get_boolean(env, jr_cancel(client, id) == JR_OK, &result) == napi_ok ? result : NULL;
}
