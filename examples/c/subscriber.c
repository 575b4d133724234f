/* A subscriber in an event loop: its messages come to a queue with a descriptor; it changes its channels as it goes. */
#include "example.h"
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Submits a command of C strings; `subscription` is the one it changes, or 0. Gives the id of the request. */
static uint64_t submit(jr_client *client, jr_queue *queue, uint64_t subscription, const char *const *words) {
    jr_bytes args[8];
    jr_command command = {args, 0};
    for (; words[command.count]; command.count++)
        args[command.count] = jr_text(words[command.count]);
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .queue = queue};
    request.subscription = subscription;
    uint64_t id = 0;
    check(jr_submit(client, &request, &id), "jr_submit");
    return id;
}

#define SUBMIT(client, queue, subscription, ...)                                                                       \
    submit((client), (queue), (subscription), (const char *const[]){__VA_ARGS__, NULL})

/* What the reader of a stream of messages should know of its flags. */
static void print_flags(const jr_completion *completion) {
    int64_t dropped = 0;
    if (completion->flags & JR_COMPLETION_GAP)
        printf("  (the connection was made again: messages may be missing before this)");
    if (completion->flags & JR_COMPLETION_DROPPED) {
        jr_reply_int64(jr_reply_find(jr_reply_attributes(completion->reply), "dropped"), &dropped);
        printf("  (%lld messages before this were dropped: not taken fast enough)", (long long)dropped);
    }
    printf("\n");
}

int main(void) {
    jr_client *client = new_client();
    jr_queue *queue = jr_queue_new();
    int loop = epoll_create1(EPOLL_CLOEXEC), ready = jr_queue_fd(queue);
    check(ready < 0 ? ready : JR_OK, "jr_queue_fd");
    struct epoll_event event = {.events = EPOLLIN};
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, ready, &event) < 0) {
        perror("epoll");
        return 1;
    }

    /* The request is the subscription: it goes on until it is cancelled. */
    uint64_t news = SUBMIT(client, queue, 0, "SUBSCRIBE", "jr:example:news");
    int goes_on = 1;
    while (goes_on) {
        jr_completion completions[16];
        if (epoll_wait(loop, &event, 1, -1) < 0)
            continue; /* a signal */
        int64_t count = jr_queue_take(queue, completions, 16, 0);
        check(count < 0 ? (jr_status)count : JR_OK, "jr_queue_take");
        for (int64_t i = 0; i < count; i++) {
            jr_completion *completion = &completions[i];
            const jr_reply *words = completion->reply->items;
            goes_on = completion->flags & JR_COMPLETION_MORE;
            if (goes_on)
                print_reply(completion->reply), print_flags(completion);
            else
                printf("the end: %s\n", jr_status_text(completion->status));
            if (goes_on && completion->reply->kind == JR_INTEGER) { /* all is confirmed: publish, to ourselves */
                SUBMIT(client, NULL, news, "PSUBSCRIBE", "jr:example:w*");
                SUBMIT(client, NULL, 0, "PUBLISH", "jr:example:news", "Redis has a new client");
            } else if (goes_on && strcmp(words[0].bytes, "psubscribe") == 0) {
                SUBMIT(client, NULL, 0, "PUBLISH", "jr:example:weather", "sunny");
            } else if (goes_on && strcmp(words[0].bytes, "pmessage") == 0) {
                check(jr_cancel(client, news), "jr_cancel"); /* one last completion follows */
            }
            jr_reply_free(completion->reply);
        }
    }
    end_client(client);
    jr_queue_free(queue);
    close(loop);
    return 0;
}
