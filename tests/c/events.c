/* Events of the connection, the logger and the dialer; and no secret in anything that the library says. */
#include "check.h"

static const char canary[] = "canary-7f3a";
static jr_queue *queue;

/* The next event, checked in its form; true if it is the one that is wanted. */
static int next_event_is(const char *wanted, const char *address) {
    jr_completion completion = take_one(queue);
    const jr_reply *map = completion.reply;
    CHECK_INT(completion.status, JR_OK);
    CHECK_INT(completion.flags, JR_COMPLETION_MORE | JR_OUTCOME_ANSWERED);
    CHECK_INT(completion.user_data, 5);
    CHECK_INT(map->kind, JR_MAP);
    CHECK_REPLY(jr_reply_find(map, "address"), JR_STRING, address);
    CHECK_INT(jr_reply_find(map, "database")->kind, JR_INTEGER);
    const jr_reply *event = jr_reply_find(map, "event"), *reason = jr_reply_find(map, "reason");
    int is_wanted = strcmp(event->bytes, wanted) == 0;
    int has_reason = strcmp(event->bytes, "lost") == 0 || strcmp(event->bytes, "unreachable") == 0;
    CHECK_INT(reason != NULL, has_reason);
    if (reason) {
        CHECK_HAS(reason->bytes, address);
        CHECK(strstr(reason->bytes, canary) == NULL);
    }
    jr_reply_free(completion.reply);
    return is_wanted;
}

static void await_event(const char *wanted, const char *address) {
    while (!next_event_is(wanted, address))
        continue;
}

static void ends(uint64_t id, jr_status status) {
    jr_completion completion = take_one(queue);
    CHECK(completion.request == id);
    CHECK_INT(completion.status, status);
    CHECK(!(completion.flags & JR_COMPLETION_MORE));
    CHECK_INT(completion.flags & 7, JR_OUTCOME_NOT_RUN);
    jr_reply_free(completion.reply);
}

static void of_a_server_that_comes_and_goes(void) {
    jr_client *client = connect_client(), *killer = connect_client();
    jr_request target = request_to(queue, NULL, 5);
    uint64_t id = 0, other = 0;
    perform(client, "PING");
    CHECK_INT(jr_client_events(client, &target, &id), JR_OK);
    CHECK(id != 0);
    for (int round = 0; round < 3; round++) {
        char connection[32];
        snprintf(connection, sizeof connection, "%" PRId64, run_number(client, "CLIENT", "ID"));
        perform(killer, "CLIENT", "KILL", "ID", connection);
        CHECK(next_event_is("lost", server_address()));
        CHECK(next_event_is("connected", server_address()));
        perform(client, "PING");
    }
    CHECK_INT(jr_cancel(client, id), JR_OK);
    ends(id, JR_ERR_CANCELED);
    CHECK_INT(jr_cancel(client, id), JR_ERR_NOT_FOUND);
    CHECK_INT(jr_client_events(client, &target, &id), JR_OK);
    CHECK_INT(jr_client_events(client, &target, &other), JR_OK);
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    ends(id, JR_ERR_CLOSED);
    ends(other, JR_ERR_CLOSED);
    jr_client_free(client);
    close_client(killer);
}

static void of_one_that_is_not_there(void) {
    struct silent_server gone = listen_silently();
    close(gone.descriptor);
    jr_config *config = config_of(gone.url);
    jr_client *client = NULL;
    jr_request target = request_to(queue, NULL, 5);
    uint64_t id = 0;
    CHECK_INT(jr_config_set(config, "reconnect_delay", "5ms"), JR_OK);
    CHECK_INT(jr_config_set(config, "password", canary), JR_OK);
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    CHECK_INT(jr_client_events(client, &target, &id), JR_OK);
    await_event("unreachable", gone.address);
    await_event("unreachable", gone.address);
    jr_reply *reply = jr_run(client, "PING");
    CHECK_INT(reply->integer, JR_ERR_CONNECT);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
    CHECK_HAS(reply->bytes, gone.address);
    CHECK_HAS(reply->bytes, "connection refused");
    jr_reply_free(reply);
    jr_client_free(client);
    while (1) {
        jr_completion completion = take_one(queue);
        int more = completion.flags & JR_COMPLETION_MORE;
        if (!more)
            CHECK_INT(completion.status, JR_ERR_CLOSED);
        jr_reply_free(completion.reply);
        if (!more)
            break;
    }
    jr_config_free(config);
}

/* Refused for want of room: an event says when there is room again, also if it was made by giving up. */
static void of_room_again(void) {
    struct silent_server silent = listen_silently();
    char url[96];
    snprintf(url, sizeof url, "%s?max_requests=4", silent.url);
    jr_client *client = client_of(url);
    jr_request target = request_to(queue, NULL, 5);
    uint64_t ids[4], id = 0;
    CHECK_INT(jr_client_events(client, &target, &id), JR_OK);
    for (int i = 0; i < 4; i++)
        CHECK_INT(submit(client, request_to(NULL, NULL, 0), &ids[i], "PING"), JR_OK);
    CHECK_INT(submit(client, request_to(NULL, NULL, 0), NULL, "PING"), JR_ERR_FULL);
    CHECK_HAS(jr_error_text(), "max_requests");
    for (int i = 0; i < 4; i++)
        CHECK_INT(jr_cancel(client, ids[i]), JR_OK);
    await_event("writable", silent.address);
    CHECK_INT(jr_cancel(client, id), JR_OK);
    ends(id, JR_ERR_CANCELED);
    jr_client_free(client);
    close(silent.descriptor);
}

/* What the logger and the dialer of a client are called with. */
struct program {
    atomic_int logs[4], dials, refuse, released;
};

static void logger(void *user_data, int32_t level, const char *message) {
    struct program *program = user_data;
    CHECK(level >= JR_LOG_ERROR && level <= JR_LOG_INFO);
    CHECK(strstr(message, canary) == NULL);
    atomic_fetch_add(&program->logs[level], 1);
}

static void release(void *user_data) {
    atomic_fetch_add(&((struct program *)user_data)->released, 1);
}

static int32_t dialer(void *user_data, const char *address, uint32_t timeout_ms) {
    struct program *program = user_data;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_TEXT(address, "nowhere.example:1");
    CHECK(timeout_ms > 0 && timeout_ms <= 2000);
    atomic_fetch_add(&program->dials, 1);
    if (atomic_load(&program->refuse))
        return -atomic_load(&program->refuse);
    name.sin_port = htons(server_port());
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(descriptor, (struct sockaddr *)&name, sizeof name), 0);
    return descriptor;
}

static void by_logger_and_dialer(void) {
    static struct program program;
    char url[64];
    snprintf(url, sizeof url, "%s://nowhere.example:1?reconnect_delay=5ms", scheme());
    jr_config *config = config_of(url);
    if (strcmp(scheme(), "rediss") == 0)
        CHECK_INT(jr_config_set(config, "tls_server_name", "localhost"), JR_OK);
    jr_client *client = NULL, *second = NULL;
    CHECK_INT(jr_config_set_dialer(config, dialer, &program, release), JR_OK);
    CHECK_INT(jr_config_set_logger(config, logger, &program, release), JR_OK);
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    CHECK_INT(jr_client_new(config, &second), JR_OK);
    jr_config_free(config);
    perform(client, "PING");
    perform(second, "PING");
    CHECK_INT(atomic_load(&program.dials), 2);
    WAIT_UNTIL(atomic_load(&program.logs[JR_LOG_INFO]) == 2);

    /* It fails: its error stands in the sentence of who waits for it. */
    char connection[32];
    snprintf(connection, sizeof connection, "%" PRId64, run_number(client, "CLIENT", "ID"));
    atomic_store(&program.refuse, EHOSTUNREACH);
    perform(second, "CLIENT", "KILL", "ID", connection);
    WAIT_UNTIL(atomic_load(&program.logs[JR_LOG_WARNING]) == 1 && atomic_load(&program.logs[JR_LOG_ERROR]) > 2);
    const jr_command ping = COMMAND("PING");
    jr_request request = request_of(&ping, 1);
    jr_reply *reply = NULL;
    request.timeout_ms = 20;
    CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_TIMEOUT);
    CHECK_HAS(reply->bytes, "nowhere.example:1");
    CHECK_HAS(reply->bytes, "No route to host");
    jr_reply_free(reply);
    atomic_store(&program.refuse, 0);
    WAIT_UNTIL(atomic_load(&program.logs[JR_LOG_INFO]) == 3);
    perform(client, "PING");

    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    jr_client_free(client);
    CHECK_INT(atomic_load(&program.released), 0);
    close_client(second);
    WAIT_UNTIL(atomic_load(&program.released) == 2);
    CHECK_INT(atomic_load(&program.released), 2);

    /* Replaced, taken back, or set in vain: released each time. */
    config = jr_config_new();
    CHECK_INT(jr_config_set_logger(config, logger, &program, release), JR_OK);
    CHECK_INT(jr_config_set_logger(config, logger, &program, release), JR_OK);
    CHECK_INT(atomic_load(&program.released), 3);
    CHECK_INT(jr_config_set_logger(config, NULL, &program, release), JR_OK);
    CHECK_INT(atomic_load(&program.released), 5);
    CHECK_INT(jr_config_set_dialer(NULL, dialer, &program, release), JR_ERR_ARGUMENT);
    CHECK_INT(atomic_load(&program.released), 6);
    CHECK_INT(jr_config_set_dialer(config, dialer, &program, NULL), JR_OK);
    jr_config_free(config);
    CHECK_INT(atomic_load(&program.released), 6);
}

static void no_canary(const jr_reply *reply) {
    if (reply->kind == JR_STRING || reply->kind == JR_ERROR)
        CHECK(strstr(reply->bytes, canary) == NULL);
    for (size_t i = 0; reply->items && i < reply->length; i++)
        no_canary(&reply->items[i]);
}

/* A password that the server does not want, or that stands where no password should. */
static void without_secrets(void) {
    static struct program program;
    static const char *const malformed[] = {"redis://user:canary-7f3a@host:port", "http://canary-7f3a@h",
                                            "redis://h?canary-7f3a@=1", "canary-7f3a@h"};
    jr_config *config = config_of(server_url());
    jr_client *client = NULL;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        CHECK_INT(jr_config_set(config, "url", malformed[i]), JR_ERR_CONFIG);
        CHECK(strstr(jr_error_text(), canary) == NULL);
    }
    CHECK_INT(jr_config_set(config, "endpoints", "user:canary-7f3a@host"), JR_ERR_CONFIG);
    CHECK(strstr(jr_error_text(), canary) == NULL);
    CHECK_INT(jr_config_set(config, "username", "nobody"), JR_OK);
    CHECK_INT(jr_config_set(config, "password", canary), JR_OK);
    CHECK_INT(jr_config_set_logger(config, logger, &program, NULL), JR_OK);
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    jr_config_free(config);
    jr_reply *reply = jr_run(client, "PING");
    CHECK_INT(reply->integer, JR_ERR_AUTH);
    CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
    CHECK_HAS(reply->bytes, server_address());
    no_canary(reply);
    jr_reply_free(reply);
    reply = NULL;
    CHECK_INT(jr_client_stats(client, &reply), JR_OK);
    no_canary(reply);
    jr_reply_free(reply);
    WAIT_UNTIL(atomic_load(&program.logs[JR_LOG_ERROR]) > 0);
    CHECK_INT(submit(client, request_to(NULL, NULL, 0), NULL, "AUTH", canary), JR_ERR_REFUSED);
    CHECK(strstr(jr_error_text(), canary) == NULL);
    close_client(client);
}

int main(void) {
    queue = jr_queue_new();
    of_a_server_that_comes_and_goes();
    of_one_that_is_not_there();
    of_room_again();
    by_logger_and_dialer();
    without_secrets();
    jr_queue_free(queue);
    return 0;
}
