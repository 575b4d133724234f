/* In a main loop of GLib: a timeout of the loop counts, and the answers come to a callback between its ticks. */
#include "example.h"
#include <justredis/adapters/glib.h>

enum { TICKS = 3 };

struct program {
    jr_client *client;
    jr_queue *queue;
    GMainLoop *loop;
    int asked, answered;
};

/* On the thread of the loop. */
static void on_completion(const jr_completion *completion) {
    struct program *program = (struct program *)(uintptr_t)completion->user_data;
    printf("glib: ");
    print_reply(completion->reply);
    printf("\n");
    jr_reply_free(completion->reply);
    if (++program->answered == TICKS)
        g_main_loop_quit(program->loop);
}

static gboolean on_tick(gpointer data) {
    struct program *program = data;
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:glib")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request,
                          .commands = &command,
                          .count = 1,
                          .flags = program->asked == program->answered ? JR_REQUEST_NOW : 0, /* nothing is under way */
                          .queue = program->queue,
                          .user_data = (uintptr_t)program};
    check(jr_submit(program->client, &request, NULL), "jr_submit"); /* never waits */
    return ++program->asked == TICKS ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

int main(void) {
    struct program program = {.client = new_client(), .queue = jr_queue_new()};
    program.loop = g_main_loop_new(NULL, FALSE);
    jr_glib *watcher = jr_glib_attach(NULL, program.queue, on_completion);
    check(watcher ? JR_OK : JR_ERR_MEMORY, "jr_glib_attach");
    g_timeout_add(10, on_tick, &program);
    g_main_loop_run(program.loop);
    jr_glib_detach(watcher);
    jr_queue_free(program.queue);
    finish(jr_run(program.client, "DEL", "jr:example:glib"));
    end_client(program.client);
    g_main_loop_unref(program.loop);
    return 0;
}
