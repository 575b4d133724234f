/* JR_REQUEST_REPORT: what is refused has a completion that says why. */
#include "check.h"

static jr_queue *queue;

static void is_reported(jr_client *client, jr_request target, jr_status status, const char *sentence,
                        const jr_command *commands, size_t count) {
    target.commands = commands;
    target.count = count;
    target.flags &= ~JR_REQUEST_REPORT;
    CHECK_INT(jr_submit(client, &target, NULL), status);
    target.flags |= JR_REQUEST_REPORT;
    uint64_t id = 0;
    CHECK_INT(jr_submit(client, &target, &id), JR_OK);
    CHECK(id != 0);
    CHECK_INT(jr_cancel(client, id), JR_ERR_NOT_FOUND);
    jr_completion completion = take_one(queue);
    CHECK_INT(completion.request, id);
    CHECK_INT(completion.user_data, 7);
    CHECK_INT(completion.status, status);
    CHECK_INT(completion.flags, JR_OUTCOME_NOT_RUN);
    CHECK_INT(completion.reply->kind, JR_ERROR);
    CHECK_HAS(completion.reply->bytes, sentence);
    jr_completions_free(&completion, 1);
    /* Among many: it ends nothing. */
    const jr_command ping = COMMAND("PING");
    jr_request both[2] = {target, target};
    both[1].commands = &ping;
    both[1].count = 1;
    both[1].flags = 0;
    both[1].route = NULL;
    uint64_t ids[2];
    CHECK_INT(jr_submit_many(client, both, 1, ids), 1);
    completion = take_one(queue);
    CHECK_INT(completion.status, status);
    CHECK_INT(completion.request, ids[0]);
    jr_completions_free(&completion, 1);
}

int main(void) {
    queue = jr_queue_new();
    jr_client *client = client_of(server_url());
    jr_reply_free(jr_run(client, "PING"));
    const jr_request target = request_to(queue, NULL, 7);
    const jr_command watch = COMMAND("WATCH", "k"), ping = COMMAND("PING"), nameless = COMMAND("");
    is_reported(client, target, JR_ERR_REFUSED, "jr_client_lease", &watch, 1);
    is_reported(client, target, JR_ERR_ARGUMENT, "no name", &nameless, 1);
    jr_request routed = target;
    routed.route = "slot:x";
    is_reported(client, routed, JR_ERR_ARGUMENT, "the route names no slot", &ping, 1);

    /* Nothing that can be read. */
    jr_request unreadable = target;
    unreadable.flags = JR_REQUEST_REPORT;
    CHECK_INT(jr_submit(client, &unreadable, NULL), JR_ERR_ARGUMENT);
    unreadable = request_of(&ping, 1);
    unreadable.queue = queue;
    unreadable.flags = JR_REQUEST_REPORT | 1u << 31;
    CHECK_INT(jr_submit(client, &unreadable, NULL), JR_ERR_ARGUMENT);

    /* A connection that is full. */
    struct silent_server silent = listen_silently();
    jr_config *config = jr_config_new();
    CHECK_INT(jr_config_set(config, "url", silent.url), JR_OK);
    CHECK_INT(jr_config_set(config, "max_requests", "1"), JR_OK);
    jr_client *full = NULL;
    CHECK_INT(jr_client_new(config, &full), JR_OK);
    jr_config_free(config);
    CHECK_INT(submit(full, request_to(NULL, NULL, 0), NULL, "PING"), JR_OK);
    is_reported(full, target, JR_ERR_FULL, "wait already", &ping, 1);

    /* A client that is closed. */
    CHECK_INT(jr_client_close(client, 1000), JR_OK);
    is_reported(client, target, JR_ERR_CLOSED, "the client is closed", &ping, 1);
    jr_client_free(full);
    jr_client_free(client);
    jr_queue_free(queue);
    close(silent.descriptor);
    return 0;
}
