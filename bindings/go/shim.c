#define _GNU_SOURCE
#include "shim.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

static go_result result_of(jr_status status, uint64_t id) {
    go_result result = {id, NULL, status};
    if (status != JR_OK)
        result.error = strdup(jr_error_text());
    return result;
}

void go_wipe(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

enum { FEW_WORDS = 32, FEW_COMMANDS = 4 };

go_result go_submit(const jr_client *client, jr_queue *queue, const go_request *request, const uint8_t *data,
                    const size_t *counts, const size_t *lengths, const char *route) {
    jr_bytes few_words[FEW_WORDS], *words = few_words;
    jr_command few_commands[FEW_COMMANDS], *commands = few_commands;
    void *memory = NULL;
    if (request->words > FEW_WORDS || request->commands > FEW_COMMANDS) {
        memory = malloc(request->words * sizeof *words + request->commands * sizeof *commands);
        if (!memory)
            return (go_result){0, strdup("no memory for a request"), JR_ERR_MEMORY};
        words = memory;
        commands = (jr_command *)(words + request->words);
    }
    const uint8_t *next = data;
    for (size_t i = 0; i < request->words; i++) {
        words[i] = (jr_bytes){next, lengths[i]};
        next += lengths[i];
    }
    jr_bytes *word = words;
    for (size_t i = 0; i < request->commands; i++) {
        commands[i] = (jr_command){word, counts[i]};
        word += counts[i];
    }
    jr_request whole = {
        .size = sizeof whole,
        .commands = commands,
        .count = request->commands,
        .flags = request->flags,
        .timeout_ms = request->timeout_ms,
        .route = route,
        .subscription = request->subscription,
        .queue = queue,
        .user_data = request->user_data,
    };
    uint64_t id = 0;
    go_result result = result_of(jr_submit(client, &whole, &id), 0);
    result.id = id;
    free(memory);
    return result;
}

int64_t go_take(jr_queue *queue, int descriptor, jr_completion *batch, size_t room, size_t used) {
    if (used)
        jr_completions_free(batch, used);
    for (int tries = 0; tries < 64; tries++) {
        int64_t count = jr_queue_take(queue, batch, room, 0);
        if (count != 0)
            return count;
        /* Go's poller tells of changes only. A take reads a socket once: what it left there makes no change. */
        struct pollfd polled = {descriptor, POLLIN, 0};
        if (poll(&polled, 1, 0) <= 0)
            return 0;
    }
    return GO_AGAIN;
}

go_result go_new(const jr_config *config, jr_client **client) {
    return result_of(jr_client_new(config, client), 0);
}

go_result go_set(jr_config *config, const char *key, const char *value) {
    return result_of(jr_config_set(config, key, value), 0);
}

/* --- functions of Go that the library calls --- */

static void release(void *handle) {
    justredisRelease((uintptr_t)handle);
}

static int32_t dial(void *handle, const char *address, uint32_t timeout_ms) {
    return justredisDial((uintptr_t)handle, (char *)address, timeout_ms);
}

go_result go_set_dialer(jr_config *config, uintptr_t handle) {
    return result_of(jr_config_set_dialer(config, dial, (void *)handle, release), 0);
}

static jr_status ask_credentials(void *handle, const jr_credentials_query *query, jr_credentials *answer) {
    char *user = NULL, *password = NULL;
    uint32_t valid_ms = 0;
    jr_status status = justredisCredentials((uintptr_t)handle, (char *)query->address, query->purpose, query->reason,
                                            query->budget_ms, &user, &password, &valid_ms);
    if (status == JR_OK)
        status = jr_credentials_set(answer, user, password, valid_ms);
    free(user);
    go_wipe(password);
    return status;
}

go_result go_set_credentials(jr_config *config, uintptr_t handle) {
    return result_of(jr_config_set_credentials(config, ask_credentials, (void *)handle, release), 0);
}

/* --- clients --- */

go_result go_database(const jr_client *client, uint32_t number, jr_client **view) {
    return result_of(jr_client_database(client, number, view), 0);
}

go_result go_lease(const jr_client *client, const uint8_t *key, size_t length, jr_client **lease) {
    jr_bytes bytes = {key, length};
    return result_of(jr_client_lease(client, key ? &bytes : NULL, lease), 0);
}

go_result go_close(const jr_client *client, uint32_t timeout_ms) {
    return result_of(jr_client_close(client, timeout_ms), 0);
}

go_result go_renew(const jr_client *client, const char *user, const char *password) {
    return result_of(jr_client_set_credentials(client, user, password), 0);
}

go_result go_events(const jr_client *client, jr_queue *queue) {
    jr_request target = {.size = sizeof target, .queue = queue};
    uint64_t id = 0;
    go_result result = result_of(jr_client_events(client, &target, &id), 0);
    result.id = id;
    return result;
}

go_result go_stats(const jr_client *client, jr_reply **map) {
    return result_of(jr_client_stats(client, map), 0);
}

go_result go_locate(const jr_client *client, const uint8_t *key, size_t length, jr_reply **map) {
    jr_bytes bytes = {key, length};
    return result_of(jr_client_locate(client, &bytes, map), 0);
}
