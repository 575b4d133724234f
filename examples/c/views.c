/* A view is the same client on another database number: nobody can SELECT under somebody else's feet. */
#include "example.h"

static void show(const char *where, jr_reply *reply) {
    printf("%s: jr:example:where is ", where);
    print_reply(reply);
    printf("\n");
    finish(reply);
}

int main(void) {
    jr_client *client = new_client();
    jr_client *other;
    check(jr_client_database(client, 1, &other), "jr_client_database");

    finish(jr_run(client, "SET", "jr:example:where", "in the first"));
    finish(jr_run(other, "SET", "jr:example:where", "in the second"));
    show("client", jr_run(client, "GET", "jr:example:where"));
    show("view", jr_run(other, "GET", "jr:example:where"));

    /* What would change the connection of everyone is refused, before anything is sent. */
    jr_reply *reply = jr_run(client, "SELECT", "1");
    printf("SELECT 1: ");
    print_reply(reply);
    printf("\n");
    jr_reply_free(reply);

    finish(jr_run(other, "DEL", "jr:example:where"));
    finish(jr_run(client, "DEL", "jr:example:where"));
    jr_client_free(other); /* in any order */
    end_client(client);
    return 0;
}
