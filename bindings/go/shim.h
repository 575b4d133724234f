/* What Go calls of the library: each of these is one call from Go to C. The sentence of an error belongs to a thread,
 * and a goroutine may be on another one by the next call: so it comes along, to be freed. */
#ifndef JUSTREDIS_GO_SHIM_H
#define JUSTREDIS_GO_SHIM_H

#include <justredis.h>

/* What came of a call: `error` is NULL unless it failed. */
typedef struct go_result {
    uint64_t id;
    char *error;
    jr_status status;
} go_result;

/* A request without pointers. Its words stand back to back. */
typedef struct go_request {
    uint64_t subscription;
    uint64_t user_data;
    size_t commands;
    size_t words;
    uint32_t flags;
    uint32_t timeout_ms;
} go_request;

/* `counts` says how many words each command has, `lengths` how long each word is. `route` may be NULL. */
go_result go_submit(const jr_client *client, jr_queue *queue, const go_request *request, const uint8_t *data,
                    const size_t *counts, const size_t *lengths, const char *route);

/* Frees the replies of the first `used` of the batch, then takes again. 0: there is nothing now, and the descriptor
 * will tell when there is. Negative: a status, or GO_AGAIN. */
int64_t go_take(jr_queue *queue, int descriptor, jr_completion *batch, size_t room, size_t used);

/* of go_take: there may be more; let others run before the next call. */
#define GO_AGAIN INT64_MIN

go_result go_new(const jr_config *config, jr_client **client);
go_result go_set(jr_config *config, const char *key, const char *value);
/* The number is a cgo.Handle, which is deleted when nothing uses it any more. */
go_result go_set_dialer(jr_config *config, uintptr_t handle);
go_result go_set_credentials(jr_config *config, uintptr_t handle);
go_result go_database(const jr_client *client, uint32_t number, jr_client **view);
/* `key` is NULL if there is none. */
go_result go_lease(const jr_client *client, const uint8_t *key, size_t length, jr_client **lease);
go_result go_close(const jr_client *client, uint32_t timeout_ms);
go_result go_renew(const jr_client *client, const char *user, const char *password);
go_result go_events(const jr_client *client, jr_queue *queue);
go_result go_stats(const jr_client *client, jr_reply **map);
go_result go_locate(const jr_client *client, const uint8_t *key, size_t length, jr_reply **map);

/* Overwrites a text and frees it. */
void go_wipe(char *secret);

#endif
