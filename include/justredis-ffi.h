typedef struct jr_client jr_client;

typedef struct jr_config jr_config;

typedef struct jr_credentials jr_credentials;

typedef struct jr_queue jr_queue;

typedef int32_t jr_status;

typedef struct jr_bytes {
    const void *data;
    size_t len;
} jr_bytes;

typedef struct jr_command {
    const struct jr_bytes *args;
    size_t count;
} jr_command;

typedef struct jr_reply {
    uint32_t kind;
    uint32_t flags;
    int64_t integer;
    double number;
    const char *bytes;
    size_t length;
    const struct jr_reply *items;
} jr_reply;

typedef struct jr_completion {
    uint64_t user_data;
    uint64_t request;
    struct jr_reply *reply;
    jr_status status;
    uint32_t flags;
} jr_completion;

typedef void (*jr_callback)(const struct jr_completion *completion);

typedef struct jr_request {
    size_t size;
    const struct jr_command *commands;
    size_t count;
    uint32_t flags;
    uint32_t timeout_ms;
    const char *route;
    uint64_t subscription;
    struct jr_queue *queue;
    jr_callback callback;
    uint64_t user_data;
} jr_request;

typedef int32_t (*jr_dialer)(void *user_data, const char *address, uint32_t timeout_ms);

typedef void (*jr_release)(void *user_data);

typedef struct jr_credentials_query {
    size_t size;
    const char *address;
    uint32_t purpose;
    uint32_t reason;
    uint32_t budget_ms;
} jr_credentials_query;

typedef jr_status (*jr_credentials_callback)(void *user_data,
                                             const struct jr_credentials_query *query,
                                             struct jr_credentials *answer);

typedef void (*jr_logger)(void *user_data, int32_t level, const char *message);

const char *jr_error_text(void);

jr_status jr_client_new(const struct jr_config *config, struct jr_client **client);

jr_status jr_client_database(const struct jr_client *client, uint32_t number, struct jr_client **view);

jr_status jr_client_lease(const struct jr_client *client, const struct jr_bytes *key, struct jr_client **lease);

jr_status jr_cancel(const struct jr_client *client, uint64_t id);

jr_status jr_client_events(const struct jr_client *client, const struct jr_request *target, uint64_t *id);

jr_status jr_client_set_credentials(const struct jr_client *client, const char *user, const char *password);

jr_status jr_client_stats(const struct jr_client *client, struct jr_reply **map);

jr_status jr_client_locate(const struct jr_client *client, const struct jr_bytes *key, struct jr_reply **map);

jr_status jr_client_close(const struct jr_client *client, uint32_t timeout_ms);

void jr_client_free(struct jr_client *client);

struct jr_config *jr_config_new(void);

jr_status jr_config_set(struct jr_config *config, const char *key, const char *value);

jr_status jr_config_set_dialer(struct jr_config *config, jr_dialer dialer, void *user_data, jr_release release);

jr_status jr_config_set_credentials(struct jr_config *config,
                                    jr_credentials_callback callback,
                                    void *user_data,
                                    jr_release release);

jr_status jr_config_set_logger(struct jr_config *config, jr_logger logger, void *user_data, jr_release release);

void jr_config_free(struct jr_config *config);

jr_status jr_credentials_set(struct jr_credentials *answer, const char *user, const char *password, uint32_t valid_ms);

struct jr_queue *jr_queue_new(void);

int32_t jr_queue_fd(const struct jr_queue *queue);

int64_t jr_queue_take(const struct jr_queue *queue, struct jr_completion *out, size_t max, int32_t timeout_ms);

void jr_queue_wake(const struct jr_queue *queue);

void jr_completions_free(struct jr_completion *completions, size_t count);

jr_status jr_queue_close(const struct jr_queue *queue);

void jr_queue_free(struct jr_queue *queue);

void jr_reply_free(struct jr_reply *reply);

const struct jr_reply *jr_reply_find(const struct jr_reply *map, const char *key);

const struct jr_reply *jr_reply_attributes(const struct jr_reply *reply);

jr_status jr_reply_int64(const struct jr_reply *reply, int64_t *out);

jr_status jr_reply_double(const struct jr_reply *reply, double *out);

jr_status jr_reply_bool(const struct jr_reply *reply, bool *out);

const char *jr_status_text(jr_status status);

const char *jr_version(void);

jr_status jr_submit(const struct jr_client *client, const struct jr_request *request, uint64_t *id);

int64_t jr_submit_many(const struct jr_client *client, const struct jr_request *requests, size_t count, uint64_t *ids);

jr_status jr_execute(const struct jr_client *client, const struct jr_request *request, struct jr_reply **reply);

struct jr_reply *jr_run_strings(const struct jr_client *client, const char *const *strings, size_t count);
