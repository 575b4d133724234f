/* The addon: one Instance for each environment of Node (the main thread, and each worker), used by its thread alone. It
 * has one queue of the library, whose descriptor the loop watches; every request goes there. */
#ifndef JUSTREDIS_ADDON_H
#define JUSTREDIS_ADDON_H

#define NAPI_VERSION 8
#include <justredis.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    BATCH = 256,
    /* So many values are handed to JavaScript in one call. */
    MAX_LEAVES = 2048,
    FIRST_OPS = 16384,
    FIRST_BLOCK = 65536,
};

/* How the answer to a request is converted: bits of its flags, above those of the library. */
enum { CONVERT_BUFFERS = 1 << 16, CONVERT_SHIFT = 16 };

/* The functions of JavaScript that are called from here. */
enum { DELIVER, SPILL, GROW, MAKE_ERROR, ASKED, FUNCTIONS };

/* Memory for the bytes of a request's words. */
typedef struct Block {
    struct Block *next;
    size_t size, used;
    char bytes[];
} Block;

typedef struct Bridge Bridge;

/* A client that jr_client_close waits for on a thread of its own. */
typedef struct Closing Closing;

typedef struct {
    jr_client *client;
    Closing *closing;
} Handle;

/* What JavaScript reads and writes, too. */
typedef struct {
    uint64_t id;     /* of the last request */
    int32_t holding; /* how many requests the loop is kept running for */
} Shared;

typedef struct Instance {
    napi_env env;
    jr_queue *queue; /* NULL: none was needed yet, or it has ended */
    uv_poll_t poll;
    bool watched, held, ended;
    napi_async_context context;
    napi_ref resource, functions[FUNCTIONS];
    napi_async_cleanup_hook_handle hook;
    Bridge *bridge;

    /* Clients, views and leases by the numbers that JavaScript knows them by; 0 is none. */
    Handle *handles;
    uint32_t handle_count, free_handle;

    /* What the batch that is being converted consists of, see reply.c. */
    uint32_t *ops;
    size_t op_count, op_capacity;
    napi_ref ops_buffer;
    napi_value leaves[MAX_LEAVES];
    size_t leaf_count;
    napi_handle_scope scope;
    Shared *shared;

    Block *block;
} Instance;

/* addon.c */
/* Throws what the last call of the library says. */
napi_value throw_status(Instance *in, jr_status status);
napi_value throw_error(Instance *in, jr_status status, const char *text);
napi_value throw_type(Instance *in, const char *text);
/* Calls one of the functions from outside of JavaScript; what they throw is an uncaught exception. */
void call_back(Instance *in, int function, size_t count, const napi_value *values);
/* As a function that JavaScript calls begins: its arguments. NULL: something was thrown. */
Instance *arguments(napi_env env, napi_callback_info info, size_t *count, napi_value *values);

/* queue.c */
/* Makes the queue and has it watched, if that is not so yet; false: something was thrown. */
bool queue_open(Instance *in);
/* Keeps the loop running or not, as `shared` says. */
void queue_hold(Instance *in);
/* Nothing is delivered any more; `closed` is called when the loop has let go. */
void queue_end(Instance *in, uv_close_cb closed);

/* reply.c */
void convert_batch(Instance *in, const jr_completion *batch, int64_t count);
void convert_one(Instance *in, const jr_reply *reply);

/* words.c: they live until words_reset. False: something was thrown. */
bool word_from(Instance *in, napi_value value, jr_bytes *word);
/* The words of an array, in `words`. */
bool words_from_array(Instance *in, napi_value array, jr_bytes **words, size_t *count);
void *words_memory(Instance *in, size_t size);
/* A text that ends with a NUL, NULL if it is null or undefined. */
bool text_from(Instance *in, napi_value value, const char **text);
void words_reset(Instance *in);

/* submit.c */
napi_value submit(napi_env env, napi_callback_info info);
napi_value submit_array(napi_env env, napi_callback_info info);
napi_value submit_with(napi_env env, napi_callback_info info);
napi_value submit_events(napi_env env, napi_callback_info info);
napi_value cancel(napi_env env, napi_callback_info info);

/* client.c */
jr_client *client_of(Instance *in, napi_value number);
napi_value client_new(napi_env env, napi_callback_info info);
napi_value client_database(napi_env env, napi_callback_info info);
napi_value client_lease(napi_env env, napi_callback_info info);
napi_value client_stats(napi_env env, napi_callback_info info);
napi_value client_locate(napi_env env, napi_callback_info info);
napi_value client_set_credentials(napi_env env, napi_callback_info info);
napi_value client_free(napi_env env, napi_callback_info info);
/* On the thread of the loop: gives back a handle, also one that is being closed. */
void handle_free(Instance *in, uint32_t number);
void handle_release(Instance *in, uint32_t number);
void handles_end(Instance *in);

/* close.c */
napi_value client_close(napi_env env, napi_callback_info info);
/* The client is not needed here any more: it is freed as soon as nobody waits for it. */
void closing_orphan(Closing *closing);

/* bridge.c: functions of JavaScript that a thread of the library asks. */
bool bridge_open(Instance *in);
void bridge_end(Bridge *bridge);
/* Has JavaScript asked what threads of the library wait for. */
void bridge_serve(Instance *in);
bool bridge_set_dialer(Instance *in, jr_config *config, uint32_t number);
bool bridge_set_credentials(Instance *in, jr_config *config, uint32_t number);
napi_value answer_dial(napi_env env, napi_callback_info info);
napi_value answer_credentials(napi_env env, napi_callback_info info);
napi_value duplicate(napi_env env, napi_callback_info info);

#endif
