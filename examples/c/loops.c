/* A loop of your own, made of poll, epoll or select: <justredis/adapters/dispatch.h> hands over what has come. */
#define _GNU_SOURCE
#include "example.h"
#include <errno.h>
#include <justredis/adapters/dispatch.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

enum { REQUESTS = 3 };

static int answered;

static void on_completion(const jr_completion *completion) {
    printf("  INCR -> ");
    print_reply(completion->reply);
    printf("\n");
    jr_reply_free(completion->reply);
    answered++;
}

static void with_poll(jr_dispatch *dispatch, int descriptor) {
    struct pollfd polled[] = {{descriptor, POLLIN, 0}}; /* and those of the program */
    while (answered < REQUESTS && (poll(polled, 1, -1) >= 0 || errno == EINTR))
        if (polled[0].revents && jr_dispatch_ready(dispatch) < 0)
            break;
}

static void with_epoll(jr_dispatch *dispatch, int descriptor) {
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = dispatch};
    epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
    while (answered < REQUESTS) {
        int count = epoll_wait(loop, &event, 1, -1);
        if (count > 0 && jr_dispatch_ready(event.data.ptr) < 0)
            break;
    }
    close(loop);
}

/* As long as the number of the descriptor is below FD_SETSIZE. */
static void with_select(jr_dispatch *dispatch, int descriptor) {
    while (answered < REQUESTS) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(descriptor, &readable);
        if (select(descriptor + 1, &readable, NULL, NULL, NULL) > 0 && jr_dispatch_ready(dispatch) < 0)
            break;
    }
}

static int run(jr_client *client, const char *name, void (*loop)(jr_dispatch *, int)) {
    jr_queue *queue = jr_queue_new();
    jr_dispatch dispatch = {queue, on_completion, NULL};
    int descriptor = jr_queue_fd(queue); /* negative: a status, and jr_error_text says why */
    check(descriptor < 0 ? descriptor : JR_OK, "jr_queue_fd");
    jr_bytes words[] = {jr_text("INCR"), jr_text("jr:example:loops")};
    jr_command command = {words, 2};
    jr_request request = {.size = sizeof request, .commands = &command, .count = 1, .queue = queue};
    for (int i = 0; i < REQUESTS; i++)
        check(jr_submit(client, &request, NULL), "jr_submit");
    printf("%s:\n", name);
    answered = 0;
    loop(&dispatch, descriptor);
    jr_queue_free(queue); /* the descriptor is not watched any more */
    return answered == REQUESTS;
}

int main(void) {
    jr_client *client = new_client();
    int good = run(client, "poll", with_poll) && run(client, "epoll", with_epoll) && run(client, "select", with_select);
    finish(jr_run(client, "DEL", "jr:example:loops"));
    end_client(client);
    return good ? 0 : 1;
}
