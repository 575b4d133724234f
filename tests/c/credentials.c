/* User and password that change: the callback, what it may answer, who releases its data, and what is pushed. */
#include "check.h"

static const char canary[] = "canary-91d0";

/* A program that is asked. `users` are answered one after the other, then the last one again. */
struct program {
    const char *const *users;
    uint32_t valid_ms;
    atomic_int calls, released, hold, reasons[4];
    int garbage;
    _Atomic(jr_client *) client;
};

static void password_of(char *password, size_t size, const char *user) {
    snprintf(password, size, "%s-%s", canary, user);
}

static jr_status callback(void *user_data, const jr_credentials_query *query, jr_credentials *answer) {
    struct program *program = user_data;
    char password[64];
    CHECK_INT(query->size, sizeof *query);
    CHECK_TEXT(query->address, server_address());
    CHECK_INT(query->purpose, JR_CREDENTIALS_DATA);
    CHECK(query->reason >= JR_CREDENTIALS_CONNECT && query->reason <= JR_CREDENTIALS_REJECTED);
    CHECK(query->budget_ms > 0 && query->budget_ms <= 2000);
    atomic_fetch_add(&program->reasons[query->reason], 1);
    int call = atomic_fetch_add(&program->calls, 1);
    while (atomic_load(&program->hold))
        pause_briefly();
    jr_client *client = atomic_load(&program->client);
    if (client) { /* it must not wait for its own client */
        const jr_command ping = COMMAND("PING");
        jr_request request = request_of(&ping, 1);
        jr_reply *reply = NULL;
        CHECK_INT(jr_execute(client, &request, &reply), JR_ERR_DEADLOCK);
        jr_reply_free(reply);
        CHECK_INT(jr_client_close(client, 0), JR_ERR_DEADLOCK);
        atomic_store(&program->client, NULL);
    }
    switch (program->garbage) {
    case 1:
        return JR_OK; /* and nothing was set */
    case 2:
        return 12345;
    case 3:
        CHECK_INT(jr_credentials_set(answer, "user", NULL, 0), JR_ERR_ARGUMENT);
        CHECK_INT(jr_credentials_set(answer, "user\xff", canary, 0), JR_ERR_ARGUMENT);
        CHECK_INT(jr_credentials_set(answer, "user", "\xff", 0), JR_ERR_ARGUMENT);
        return JR_OK;
    case 4:
        return JR_ERR_AUTH;
    case 5:
        CHECK_INT(jr_credentials_set(answer, "nobody", canary, 0), JR_OK);
        return JR_ERR_TIMEOUT; /* what was set does not count */
    }
    const char *user = program->users[0];
    for (int i = 0; i < call && program->users[i + 1]; i++)
        user = program->users[i + 1];
    /* The last one counts, and both are copied. */
    CHECK_INT(jr_credentials_set(answer, "nobody", canary, 0), JR_OK);
    password_of(password, sizeof password, user);
    CHECK_INT(jr_credentials_set(answer, user, password, program->valid_ms), JR_OK);
    memset(password, 0, sizeof password);
    return JR_OK;
}

static void release(void *user_data) {
    atomic_fetch_add(&((struct program *)user_data)->released, 1);
}

static void add_user(jr_client *admin, const char *user) {
    char password[64] = ">";
    password_of(password + 1, sizeof password - 1, user);
    perform(admin, "ACL", "SETUSER", user, "on", password, "~*", "&*", "+@all");
}

static jr_config *asking(struct program *program) {
    jr_config *config = config_of(server_url());
    CHECK_INT(jr_config_set(config, "reconnect_delay", "1ms"), JR_OK);
    CHECK_INT(jr_config_set(config, "reconnect_delay_max", "20ms"), JR_OK);
    CHECK_INT(jr_config_set_credentials(config, callback, program, release), JR_OK);
    return config;
}

static jr_client *client_asking(struct program *program) {
    jr_config *config = asking(program);
    jr_client *client = NULL;
    CHECK_INT(jr_client_new(config, &client), JR_OK);
    jr_config_free(config);
    return client;
}

static void is_user(jr_client *client, const char *user) {
    jr_reply *reply = run(client, "ACL", "WHOAMI");
    CHECK_REPLY(reply, JR_STRING, user);
    jr_reply_free(reply);
}

static int has_user(jr_client *client, const char *user) {
    jr_reply *reply = run(client, "ACL", "WHOAMI");
    int has = strcmp(reply->bytes, user) == 0;
    jr_reply_free(reply);
    return has;
}

/* A client made from it, and the configuration, hold the user data; the last of them releases it, once. */
static void is_released_once(void) {
    static const char *const users[] = {"c1", NULL};
    struct program program = {.users = users};
    jr_config *config = asking(&program);
    jr_client *first = NULL, *second = NULL;
    CHECK_INT(jr_client_new(config, &first), JR_OK);
    CHECK_INT(jr_client_new(config, &second), JR_OK);
    is_user(first, "c1");
    is_user(second, "c1");
    CHECK_INT(atomic_load(&program.calls), 2);
    jr_config_free(config);
    close_client(first);
    CHECK_INT(atomic_load(&program.released), 0);
    close_client(second);
    WAIT_UNTIL(atomic_load(&program.released) == 1);

    /* Replaced, taken back, or set in vain: released each time. */
    config = asking(&program);
    CHECK_INT(jr_config_set_credentials(config, callback, &program, release), JR_OK);
    CHECK_INT(atomic_load(&program.released), 2);
    CHECK_INT(jr_config_set_credentials(config, NULL, &program, release), JR_OK);
    CHECK_INT(atomic_load(&program.released), 4);
    CHECK_INT(jr_config_set_credentials(NULL, callback, &program, release), JR_ERR_ARGUMENT);
    CHECK_INT(atomic_load(&program.released), 5);
    CHECK_INT(jr_config_set_credentials(config, callback, &program, NULL), JR_OK);
    jr_config_free(config);
    CHECK_INT(atomic_load(&program.released), 5);

    /* With a password no client is made. */
    config = asking(&program);
    CHECK_INT(jr_config_set(config, "password", canary), JR_OK);
    CHECK_INT(jr_client_new(config, &first), JR_ERR_CONFIG);
    CHECK_HAS(jr_error_text(), "credentials callback");
    CHECK(strstr(jr_error_text(), canary) == NULL);
    jr_config_free(config);
    CHECK_INT(atomic_load(&program.released), 6);
}

static void answers_garbage(void) {
    static const struct {
        int garbage;
        jr_status status;
        const char *part;
    } cases[] = {{1, JR_ERR_CONNECT, "gave none"},
                 {2, JR_ERR_CONNECT, "12345"},
                 {3, JR_ERR_CONNECT, "gave none"},
                 {4, JR_ERR_AUTH, "JR_ERR_AUTH"},
                 {5, JR_ERR_CONNECT, "failed with"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct program program = {.garbage = cases[i].garbage};
        jr_client *client = client_asking(&program);
        jr_reply *reply = jr_run(client, "PING");
        CHECK_INT(reply->kind, JR_ERROR);
        CHECK_INT(reply->integer, cases[i].status);
        CHECK_INT(reply->flags & 7, JR_OUTCOME_NOT_RUN);
        CHECK_HAS(reply->bytes, "the credentials callback");
        CHECK_HAS(reply->bytes, cases[i].part);
        CHECK(strstr(reply->bytes, canary) == NULL);
        jr_reply_free(reply);
        close_client(client);
        WAIT_UNTIL(atomic_load(&program.released) == 1);
    }
}

static void *let_go(void *argument) {
    struct program *program = argument;
    pause_briefly();
    atomic_store(&program->hold, 0);
    return NULL;
}

/* Freeing a client does not wait for its callback, closing it does: then none runs, and none will. */
static void ends_while_it_is_asked(void) {
    static const char *const users[] = {"c1", NULL};
    struct program freed = {.users = users, .hold = 1}, closed = {.users = users, .hold = 1};
    jr_client *client = client_asking(&freed);
    WAIT_UNTIL(atomic_load(&freed.calls) == 1);
    jr_client_free(client);
    CHECK_INT(atomic_load(&freed.released), 0);
    atomic_store(&freed.hold, 0);
    WAIT_UNTIL(atomic_load(&freed.released) == 1);

    client = client_asking(&closed);
    WAIT_UNTIL(atomic_load(&closed.calls) == 1);
    pthread_t thread = start_thread(let_go, &closed);
    CHECK_INT(jr_client_close(client, JR_TIMEOUT_NONE), JR_OK);
    CHECK_INT(atomic_load(&closed.hold), 0);
    join_thread(thread);
    CHECK_INT(jr_client_set_credentials(client, "c1", canary), JR_ERR_CLOSED);
    jr_client_free(client);
    WAIT_UNTIL(atomic_load(&closed.released) == 1);
    CHECK_INT(atomic_load(&closed.calls), 1);
}

/* One pair after the other, each for a short while; a callback that tries to wait for its client is told so. */
static void is_renewed(jr_client *admin) {
    static const char *const users[] = {"c1", "c2", "c3", "c4", NULL};
    struct program program = {.users = users, .valid_ms = 200};
    for (size_t i = 0; users[i]; i++)
        add_user(admin, users[i]);
    jr_client *client = client_asking(&program);
    is_user(client, "c1");
    atomic_store(&program.client, client);
    while (atomic_load(&program.calls) < 5)
        perform(client, "GET", "jr:credentials");
    CHECK_INT(atomic_load(&program.reasons[JR_CREDENTIALS_CONNECT]), 1);
    CHECK(atomic_load(&program.client) == NULL);
    WAIT_UNTIL(has_user(client, "c4"));
    close_client(client);
    WAIT_UNTIL(atomic_load(&program.released) == 1);
}

/* The next event with one of these names; it must come. Its reason holds no secret. */
static void await_event(jr_queue *queue, const char *wanted) {
    for (int found = 0; !found;) {
        jr_completion completion = take_one(queue);
        const jr_reply *event = jr_reply_find(completion.reply, "event");
        const jr_reply *reason = jr_reply_find(completion.reply, "reason");
        found = strcmp(event->bytes, wanted) == 0;
        CHECK(reason == NULL || strstr(reason->bytes, canary) == NULL);
        if (strcmp(event->bytes, "authentication_refused") == 0)
            CHECK_HAS(reason->bytes, "WRONGPASS");
        jr_reply_free(completion.reply);
    }
}

/* Brought by the program: also through a view, to a client that had none. */
static void is_pushed(jr_client *admin) {
    char password[64];
    jr_queue *queue = jr_queue_new();
    jr_client *client = connect_with("reconnect_delay=1ms&reconnect_delay_max=20ms"), *view = NULL;
    jr_request target = request_to(queue, NULL, 0);
    CHECK_INT(jr_client_events(client, &target, NULL), JR_OK);
    CHECK_INT(jr_client_database(client, 1, &view), JR_OK);
    is_user(client, "default");
    is_user(view, "default");
    password_of(password, sizeof password, "c1");
    CHECK_INT(jr_client_set_credentials(view, "c1", password), JR_OK);
    memset(password, 0, sizeof password);
    await_event(queue, "authenticated");
    await_event(queue, "authenticated");
    is_user(client, "c1");
    is_user(view, "c1");
    /* What is refused leaves the old user in force. */
    CHECK_INT(jr_client_set_credentials(client, "c2", canary), JR_OK);
    await_event(queue, "authentication_refused");
    is_user(client, "c1");
    password_of(password, sizeof password, "c2");
    CHECK_INT(jr_client_set_credentials(client, "c2", password), JR_OK);
    await_event(queue, "authenticated");
    /* The default user. */
    perform(admin, "CONFIG", "SET", "requirepass", canary);
    CHECK_INT(jr_client_set_credentials(client, NULL, canary), JR_OK);
    WAIT_UNTIL(has_user(client, "default"));
    perform(admin, "CONFIG", "SET", "requirepass", "");
    perform(admin, "ACL", "SETUSER", "default", "nopass");

    CHECK_INT(jr_client_set_credentials(NULL, "c1", canary), JR_ERR_ARGUMENT);
    CHECK_INT(jr_client_set_credentials(client, "c1", NULL), JR_ERR_ARGUMENT);
    CHECK_HAS(jr_error_text(), "password is NULL");
    CHECK_INT(jr_client_set_credentials(client, "\xff", canary), JR_ERR_ARGUMENT);
    CHECK_INT(jr_client_set_credentials(client, "c1", "\xff"), JR_ERR_ARGUMENT);
    CHECK_INT(jr_credentials_set(NULL, "c1", canary, 0), JR_ERR_ARGUMENT);
    jr_client_free(view);
    close_client(client);
    jr_queue_free(queue);
}

int main(void) {
    jr_client *admin = connect_client();
    add_user(admin, "c1");
    is_released_once();
    answers_garbage();
    ends_while_it_is_asked();
    is_renewed(admin);
    is_pushed(admin);
    perform(admin, "ACL", "DELUSER", "c1", "c2", "c3", "c4");
    close_client(admin);
    return 0;
}
