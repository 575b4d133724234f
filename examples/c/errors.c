/* What goes wrong says so in one sentence, soon: a status for the reason, an outcome for what may have happened. */
#include "example.h"

/* Sets an option; prints why not. */
static int set(jr_config *config, const char *key, const char *value) {
    jr_status status = jr_config_set(config, key, value);
    if (status != JR_OK)
        printf("  %s: %s\n", jr_status_text(status), jr_error_text());
    return status == JR_OK;
}

/* Makes a client of the options and asks it for something; prints what came of it. Takes the options. */
static int fails_with(jr_config *config, jr_status expected) {
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:errors")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1};
    jr_client *client;
    jr_reply *reply;
    check(jr_client_new(config, &client), "jr_client_new"); /* does not wait for the connection */
    jr_status status = jr_execute(client, &request, &reply);
    printf("  %s: %s\n", jr_status_text(status), reply->kind == JR_ERROR ? reply->bytes : "no error?");
    printf("  outcome of the INCR: %s\n", outcome_text(reply->flags));
    jr_reply_free(reply);
    end_client(client);
    jr_config_free(config);
    return status == expected;
}

int main(void) {
    const char *url = getenv("JR_URL");
    int good = 1;

    printf("nobody listens on the port:\n");
    jr_config *config = jr_config_new();
    good &= set(config, "url", "redis://127.0.0.1:1");
    good &= fails_with(config, JR_ERR_CONNECT);

    printf("there is no such host:\n");
    config = jr_config_new();
    good &= set(config, "url", "redis://no-such-host.invalid?connect_timeout=900ms");
    good &= fails_with(config, JR_ERR_CONNECT);

    printf("the password is wrong:\n");
    config = jr_config_new();
    good &= set(config, "url", url ? url : "redis://127.0.0.1:6379");
    good &= set(config, "username", "nobody") && set(config, "password", "wrong");
    good &= fails_with(config, JR_ERR_AUTH);

    printf("there is no such option, and no such value:\n");
    config = jr_config_new();
    good &= !set(config, "conect_timeout", "1s") && !set(config, "connect_timeout", "soon");
    jr_config_free(config);

    printf("the command cannot be run on a connection that others share:\n");
    jr_client *client = new_client();
    jr_reply *reply = jr_run(client, "SELECT", "1");
    good &= reply->kind == JR_ERROR && reply->integer == JR_ERR_REFUSED;
    printf("  ");
    print_reply(reply);
    printf("\n");
    jr_reply_free(reply);
    end_client(client);
    return good ? 0 : 1;
}
