/* The server ends the connection amid a pipeline: what may safely run twice is sent again, of the rest you are told. */
#include "example.h"

int main(void) {
    jr_client *client = new_client();
    finish(jr_run(client, "SET", "jr:example:visits", "1"));

    char self[32];
    int64_t number;
    jr_reply *id = jr_run(client, "CLIENT", "ID");
    check(jr_reply_int64(id, &number), "CLIENT ID");
    snprintf(self, sizeof self, "%lld", (long long)number);
    jr_reply_free(id);

    /* The server answers the second command and hangs up. */
    jr_bytes get[] = {jr_text("GET"), jr_text("jr:example:visits")};
    jr_bytes kill[] = {jr_text("CLIENT"), jr_text("KILL"),   jr_text("ID"),
                       jr_text(self),     jr_text("SKIPME"), jr_text("no")};
    jr_bytes increment[] = {jr_text("INCR"), jr_text("jr:example:visits")};
    jr_command commands[] = {{get, 2}, {kill, 6}, {increment, 2}, {get, 2}};
    jr_request request = {.size = sizeof request, .commands = commands, .count = 4};
    jr_reply *reply;
    jr_status status = jr_execute(client, &request, &reply);
    printf("pipeline: %s\n", jr_status_text(status));
    for (size_t i = 0; reply->kind == JR_ARRAY && i < reply->length; i++) {
        printf("  %-6s -> ", (const char *)commands[i].args[0].data);
        print_reply(&reply->items[i]);
        printf("\n");
    }
    jr_reply_free(reply);

    reply = jr_run(client, "INCR", "jr:example:visits");
    printf("the next INCR, on a new connection -> ");
    print_reply(reply);
    printf("\n");
    finish(reply);
    finish(jr_run(client, "DEL", "jr:example:visits"));
    end_client(client);
    return status == JR_ERR_LOST ? 0 : 1;
}
