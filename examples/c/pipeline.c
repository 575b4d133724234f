/* One request of many commands: an error inside disturbs none of the others, and many requests in one call. */
#include "example.h"

enum { MANY = 1000 };

static void one_request(jr_client *client) {
    jr_bytes set[] = {jr_text("SET"), jr_text("jr:example:text"), jr_text("not a number")};
    jr_bytes increment[] = {jr_text("INCR"), jr_text("jr:example:text")};
    jr_bytes length[] = {jr_text("STRLEN"), jr_text("jr:example:text")};
    jr_bytes get[] = {jr_text("GET"), jr_text("jr:example:text")};
    jr_command commands[] = {{set, 3}, {increment, 2}, {length, 2}, {get, 2}};
    jr_request request = {.size = sizeof request, .commands = commands, .count = 4};
    jr_reply *reply;
    /* JR_OK: every command was answered. The error of a command is one of the answers. */
    check(jr_execute(client, &request, &reply), "pipeline");
    for (size_t i = 0; i < reply->length; i++) {
        const jr_reply *item = &reply->items[i];
        jr_status status = item->kind == JR_ERROR ? (jr_status)item->integer : JR_OK;
        printf("%-6s -> ", (const char *)commands[i].args[0].data);
        print_reply(item);
        printf(" [%s]\n", jr_status_text(status));
    }
    jr_reply_free(reply);
}

static void many_requests(jr_client *client) {
    static jr_request requests[MANY];
    jr_completion completions[64];
    jr_queue *queue = jr_queue_new();
    jr_bytes increment[] = {jr_text("INCR"), jr_text("jr:example:count")};
    jr_command command = {increment, 2};
    for (size_t i = 0; i < MANY; i++)
        requests[i] =
            (jr_request){.size = sizeof(jr_request), .commands = &command, .count = 1, .queue = queue, .user_data = i};
    int64_t accepted = jr_submit_many(client, requests, MANY, NULL);
    if (accepted != MANY) {
        fprintf(stderr, "%lld of %d requests were accepted: %s\n", (long long)accepted, MANY, jr_error_text());
        exit(1);
    }
    int64_t taken = 0, answered = 0, in_order = 0;
    while (taken < accepted) {
        int64_t count = jr_queue_take(queue, completions, 64, -1);
        check(count < 0 ? (jr_status)count : JR_OK, "jr_queue_take");
        for (int64_t i = 0; i < count; i++, taken++) {
            answered += completions[i].status == JR_OK;
            in_order += completions[i].user_data == (uint64_t)taken;
        }
        jr_completions_free(completions, (size_t)count);
    }
    printf("jr_submit_many: %lld accepted, %lld answered with JR_OK, %lld in order\n", (long long)accepted,
           (long long)answered, (long long)in_order);
    jr_queue_free(queue);
}

int main(void) {
    jr_client *client = new_client();
    one_request(client);
    many_requests(client);
    finish(jr_run(client, "DEL", "jr:example:text", "jr:example:count"));
    end_client(client);
    return 0;
}
