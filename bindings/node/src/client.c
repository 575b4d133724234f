/* Clients, views and leases: JavaScript knows them by numbers. */
#include "addon.h"

jr_client *client_of(Instance *in, napi_value number) {
    uint32_t index = 0;
    if (napi_get_value_uint32(in->env, number, &index) != napi_ok || index >= in->handle_count ||
        !in->handles[index].client) {
        throw_error(in, JR_ERR_CLOSED, "the client is closed");
        return NULL;
    }
    return in->handles[index].client;
}

/* A number for a handle, which belongs to it from now on; 0: something was thrown, and the handle was freed. */
static uint32_t number_for(Instance *in, jr_client *client) {
    for (uint32_t i = in->free_handle ? in->free_handle : 1; i < in->handle_count; i++)
        if (!in->handles[i].client) {
            in->handles[i].client = client;
            in->free_handle = i + 1;
            return i;
        }
    uint32_t count = in->handle_count ? in->handle_count * 2 : 16;
    Handle *handles = realloc(in->handles, count * sizeof *handles);
    if (!handles) {
        jr_client_free(client);
        napi_throw_error(in->env, NULL, "out of memory");
        return 0;
    }
    memset(handles + in->handle_count, 0, (count - in->handle_count) * sizeof *handles);
    uint32_t number = in->handle_count ? in->handle_count : 1;
    in->handles = handles;
    in->handle_count = count;
    in->handles[number].client = client;
    in->free_handle = number + 1;
    return number;
}

void handle_release(Instance *in, uint32_t number) {
    in->handles[number].client = NULL;
    in->handles[number].closing = NULL;
    if (number < in->free_handle)
        in->free_handle = number;
}

void handle_free(Instance *in, uint32_t number) {
    if (number == 0 || number >= in->handle_count || !in->handles[number].client)
        return;
    if (in->handles[number].closing)
        return; /* close.c frees it */
    jr_client *client = in->handles[number].client;
    handle_release(in, number);
    jr_client_free(client);
}

void handles_end(Instance *in) {
    for (uint32_t i = 0; i < in->handle_count; i++) {
        if (in->handles[i].closing)
            closing_orphan(in->handles[i].closing);
        else
            jr_client_free(in->handles[i].client);
        in->handles[i].client = NULL;
        in->handles[i].closing = NULL;
    }
}

static napi_value number_of(Instance *in, jr_status status, jr_client *client) {
    napi_value result;
    if (status != JR_OK)
        return throw_status(in, status);
    uint32_t number = number_for(in, client);
    return number && napi_create_uint32(in->env, number, &result) == napi_ok ? result : NULL;
}

static bool set_options(Instance *in, jr_config *config, napi_value options) {
    uint32_t length = 0;
    napi_get_array_length(in->env, options, &length);
    for (uint32_t i = 0; i + 1 < length; i += 2) {
        napi_value name, value;
        const char *name_text = NULL, *value_text = NULL;
        if (napi_get_element(in->env, options, i, &name) != napi_ok ||
            napi_get_element(in->env, options, i + 1, &value) != napi_ok || !text_from(in, name, &name_text) ||
            !text_from(in, value, &value_text))
            return false;
        jr_status status = jr_config_set(config, name_text, value_text);
        if (status != JR_OK)
            return throw_status(in, status), false;
    }
    return true;
}

/* Words of passwords do not stay in memory longer than they must. */
static void wipe(Instance *in) {
    for (Block *block = in->block; block; block = block->next)
        for (volatile char *byte = block->bytes; byte < block->bytes + block->used; byte++)
            *byte = 0;
    words_reset(in);
}

/* clientNew([name, value, ...], number of the dialer or 0, number of the credentials or 0): the client's number. */
napi_value client_new(napi_env env, napi_callback_info info) {
    size_t count = 3;
    napi_value values[3];
    uint32_t dialer = 0, credentials = 0;
    jr_client *client = NULL;
    Instance *in = arguments(env, info, &count, values);
    if (!in || !queue_open(in))
        return NULL;
    jr_config *config = jr_config_new();
    if (!config)
        return throw_status(in, JR_ERR_MEMORY);
    napi_get_value_uint32(env, values[1], &dialer);
    napi_get_value_uint32(env, values[2], &credentials);
    bool good = set_options(in, config, values[0]) && (!dialer || bridge_set_dialer(in, config, dialer)) &&
                (!credentials || bridge_set_credentials(in, config, credentials));
    wipe(in);
    napi_value result = NULL;
    if (good) {
        jr_status status = jr_client_new(config, &client);
        result = number_of(in, status, client);
    }
    jr_config_free(config);
    return result;
}

/* clientDatabase(client, database): the view's number. */
napi_value client_database(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2];
    uint32_t database = 0;
    jr_client *view = NULL;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    if (!client)
        return NULL;
    if (napi_get_value_uint32(env, values[1], &database) != napi_ok)
        return throw_type(in, "a database is a number");
    jr_status status = jr_client_database(client, database, &view);
    return number_of(in, status, view);
}

/* clientLease(client, key or undefined): the lease's number. */
napi_value client_lease(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2];
    napi_valuetype type;
    jr_bytes key;
    jr_client *lease = NULL;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    if (!client || napi_typeof(env, values[1], &type) != napi_ok)
        return NULL;
    if (type != napi_undefined && !word_from(in, values[1], &key))
        return words_reset(in), NULL;
    jr_status status = jr_client_lease(client, type == napi_undefined ? NULL : &key, &lease);
    words_reset(in);
    return number_of(in, status, lease);
}

/* A reply that JavaScript reads at once, out of ops and the row that it is given here. */
static napi_value read_now(Instance *in, jr_status status, jr_reply *reply) {
    napi_value function, self, result = NULL;
    napi_handle_scope outer = in->scope;
    if (status != JR_OK)
        return throw_status(in, status);
    if (napi_open_handle_scope(in->env, &in->scope) == napi_ok) {
        convert_one(in, reply);
        if (napi_get_undefined(in->env, &self) == napi_ok &&
            napi_get_reference_value(in->env, in->functions[SPILL], &function) == napi_ok)
            napi_call_function(in->env, self, function, in->leaf_count, in->leaves, NULL);
        napi_close_handle_scope(in->env, in->scope);
    }
    in->scope = outer;
    jr_reply_free(reply);
    napi_get_undefined(in->env, &result);
    return result;
}

/* clientStats(client): the map is to be read. */
napi_value client_stats(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value value;
    jr_reply *reply = NULL;
    Instance *in = arguments(env, info, &count, &value);
    jr_client *client = in ? client_of(in, value) : NULL;
    if (!client)
        return NULL;
    jr_status status = jr_client_stats(client, &reply);
    return read_now(in, status, reply);
}

/* clientLocate(client, key): the map is to be read. */
napi_value client_locate(napi_env env, napi_callback_info info) {
    size_t count = 2;
    napi_value values[2];
    jr_bytes key;
    jr_reply *reply = NULL;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    if (!client || !word_from(in, values[1], &key))
        return NULL;
    jr_status status = jr_client_locate(client, &key, &reply);
    words_reset(in);
    return read_now(in, status, reply);
}

/* clientSetCredentials(client, user or null, password) */
napi_value client_set_credentials(napi_env env, napi_callback_info info) {
    size_t count = 3;
    napi_value values[3];
    const char *user = NULL, *password = NULL;
    Instance *in = arguments(env, info, &count, values);
    jr_client *client = in ? client_of(in, values[0]) : NULL;
    if (!client)
        return NULL;
    bool good = text_from(in, values[1], &user) && text_from(in, values[2], &password);
    jr_status status = good ? jr_client_set_credentials(client, user, password) : JR_OK;
    wipe(in);
    return status == JR_OK ? NULL : throw_status(in, status);
}

/* clientFree(client) */
napi_value client_free(napi_env env, napi_callback_info info) {
    size_t count = 1;
    napi_value value;
    uint32_t number = 0;
    Instance *in = arguments(env, info, &count, &value);
    if (in && napi_get_value_uint32(env, value, &number) == napi_ok)
        handle_free(in, number);
    return NULL;
}
