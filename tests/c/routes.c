/* Where a request goes: to every node of a kind, as a map of address to reply, to one by its address, or nowhere. */
#include "check.h"

static jr_client *client;
static jr_queue *queue;

static jr_reply *routed(const char *route, jr_status expected, const char *const *words) {
    jr_bytes room[16];
    jr_command command = command_of(room, words);
    jr_request request = request_of(&command, 1);
    jr_reply *reply = NULL;
    request.route = route;
    CHECK_INT(jr_execute(client, &request, &reply), expected);
    return reply;
}

static void to_several(const char *route) {
    jr_reply *reply = routed(route, JR_OK, WORDS("ECHO", "text"));
    CHECK_INT(reply->kind, JR_MAP);
    CHECK_INT(reply->length, 2);
    CHECK_REPLY(&reply->items[0], JR_STRING, server_address());
    CHECK_REPLY(jr_reply_find(reply, server_address()), JR_STRING, "text");
    jr_reply_free(reply);

    /* A node's error is its entry in the map. */
    reply = routed(route, JR_OK, WORDS("NOSUCHCOMMAND"));
    const jr_reply *error = jr_reply_find(reply, server_address());
    CHECK_INT(error->kind, JR_ERROR);
    CHECK_INT(error->integer, JR_ERR_SERVER);
    CHECK_INT(error->flags & 7, JR_OUTCOME_ANSWERED);
    jr_reply_free(reply);
}

static void to_nobody(void) {
    jr_reply *reply = routed("replicas", JR_OK, WORDS("SET", "routes", "sent"));
    CHECK_INT(reply->kind, JR_MAP);
    CHECK_INT(reply->length, 0);
    jr_reply_free(reply);
    jr_request target = request_to(queue, NULL, 3);
    uint64_t id;
    target.route = "replicas";
    CHECK_INT(submit(client, target, &id, "SET", "routes", "sent"), JR_OK);
    jr_completion completion = take_one(queue);
    CHECK(completion.request == id && completion.user_data == 3);
    CHECK_INT(completion.status, JR_OK);
    CHECK(is_one_outcome(completion.flags));
    jr_reply_free(completion.reply);
    CHECK_INT(run_number(client, "EXISTS", "routes"), 0);
    CHECK_INT(submit(client, target, NULL, "SELECT", "1"), JR_ERR_REFUSED);
}

static void to_one(const char *route) {
    jr_reply *reply = routed(route, JR_OK, WORDS("ECHO", "text"));
    CHECK_REPLY(reply, JR_STRING, "text");
    jr_reply_free(reply);
    reply = routed(route, JR_ERR_SERVER, WORDS("NOSUCHCOMMAND"));
    CHECK_INT(reply->kind, JR_ERROR);
    jr_reply_free(reply);
}

static void wrong_ones(void) {
    static const char *const routes[] = {
        "",          "primary",     "ALL", " all", "127.0.0.1:",      "127.0.0.1:0", "127.0.0.1:70000",
        "no host:1", "redis://h:1", ":1",  "[::1", "10.11.12.13:6379"};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        jr_reply *reply = routed(routes[i], JR_ERR_ARGUMENT, WORDS("PING"));
        CHECK_HAS(reply->bytes, "route");
        jr_reply_free(reply);
        jr_request target = request_to(queue, NULL, 0);
        target.route = routes[i];
        CHECK_INT(submit(client, target, NULL, "PING"), JR_ERR_ARGUMENT);
    }
    char longest[5000];
    memset(longest, 'h', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    jr_reply_free(routed(longest, JR_ERR_ARGUMENT, WORDS("PING")));
}

/* Several nodes take one command at a time. */
static void several_commands(void) {
    const jr_command commands[2] = {COMMAND("PING"), COMMAND("PING")};
    jr_request request = request_of(commands, 2);
    jr_reply *reply = NULL;
    request.route = "all";
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    request.count = 1;
    request.flags = JR_REQUEST_ATOMIC;
    CHECK_INT(jr_execute(client, &request, NULL), JR_ERR_ARGUMENT);
    request.route = server_address();
    request.count = 2;
    CHECK_INT(jr_execute(client, &request, &reply), JR_OK);
    CHECK_INT(reply->length, 2);
    jr_reply_free(reply);
}

int main(void) {
    client = connect_client();
    queue = jr_queue_new();
    perform(client, "DEL", "routes");
    to_several("primaries");
    to_several("all");
    to_nobody();
    to_one("random");
    to_one(server_address());
    wrong_ones();
    several_commands();
    jr_completion none;
    CHECK_INT(jr_queue_take(queue, &none, 1, 0), 0);
    jr_queue_free(queue);
    close_client(client);
    return 0;
}
