/* An event loop with descriptors of its own, a timer and a pipe; the queue is one more, and nothing ever waits for it.
 */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TICKS = 3 };
enum source { TIMER = 1, PIPE, QUEUE };

/* Ends the program if a system call failed. */
static int sure(int result, const char *what) {
    if (result >= 0)
        return result;
    perror(what);
    exit(1);
}

static void watch(int loop, int descriptor, enum source source) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};
    sure(epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

static void submit(jr_client *client, jr_queue *queue, enum source source, const char *key) {
    jr_bytes words[] = {jr_text("INCR"), jr_text(key)};
    jr_command command = {words, 2};
    jr_request request = {
        .size = sizeof request, .commands = &command, .count = 1, .queue = queue, .user_data = source};
    check(jr_submit(client, &request, NULL), "jr_submit"); /* never waits */
}

/* Takes what is there, which may be nothing; gives how many. */
static int take(jr_queue *queue) {
    jr_completion completions[16];
    int64_t count = jr_queue_take(queue, completions, 16, 0);
    check(count < 0 ? (jr_status)count : JR_OK, "jr_queue_take");
    for (int64_t i = 0; i < count; i++) {
        printf("queue: what the %s asked for -> ", completions[i].user_data == TIMER ? "timer" : "pipe");
        print_reply(completions[i].reply);
        printf("\n");
    }
    jr_completions_free(completions, (size_t)count);
    return (int)count;
}

int main(void) {
    jr_client *client = new_client();
    jr_queue *queue = jr_queue_new();
    int ends[2];
    sure(pipe(ends), "pipe");
    int timer = sure(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
    struct itimerspec every_10_ms = {{0, 10000000}, {0, 10000000}};
    sure(timerfd_settime(timer, 0, &every_10_ms, NULL), "timerfd_settime");

    int loop = sure(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(loop, timer, TIMER);
    watch(loop, ends[0], PIPE);
    int ready = jr_queue_fd(queue); /* a descriptor, or a negative status */
    check(ready < 0 ? ready : JR_OK, "jr_queue_fd");
    watch(loop, ready, QUEUE);

    int ticks = 0, answers = 0;
    while (answers < TICKS + 1) { /* one answer for each tick, one for what came through the pipe */
        struct epoll_event event;
        int found = epoll_wait(loop, &event, 1, -1);
        if (found < 0 && errno == EINTR)
            continue;
        sure(found, "epoll_wait");
        uint64_t expired;
        char byte;
        if (event.data.u32 == QUEUE) {
            answers += take(queue);
        } else if (event.data.u32 == PIPE) {
            sure((int)read(ends[0], &byte, 1), "read");
            printf("pipe: a byte came\n");
            submit(client, queue, PIPE, "jr:example:bytes");
        } else {
            sure((int)read(timer, &expired, sizeof expired), "read");
            if (ticks++ == 0)
                sure((int)write(ends[1], "!", 1), "write");
            if (ticks <= TICKS)
                submit(client, queue, TIMER, "jr:example:ticks");
        }
    }
    finish(jr_run(client, "DEL", "jr:example:ticks", "jr:example:bytes"));
    end_client(client);
    jr_queue_free(queue);
    close(loop), close(timer), close(ends[0]), close(ends[1]);
    return 0;
}
