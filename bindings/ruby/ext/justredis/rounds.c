/* Calls of many threads at the same time. Their requests are for one queue, and whoever comes to wait when no thread is
 * left that was answered and may come again takes from it: so the requests of all go out in one piece, and nobody but
 * the threads themselves is woken. Nothing here touches objects of Ruby.
 *
 * Invariant: while somebody waits, one thread takes from the queue, or one watches whether others still come, and takes
 * when they do not. A turn is freed by the last one who knows it: its thread, or whoever has woken that. */
#include "extension.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#ifdef __GLIBC__
#define CLOCK CLOCK_MONOTONIC
#define WAIT_UNTIL(semaphore, until) sem_clockwait(semaphore, CLOCK_MONOTONIC, until)
#else
#define CLOCK CLOCK_REALTIME
#define WAIT_UNTIL(semaphore, until) sem_timedwait(semaphore, until)
#endif

enum {
    BATCH = 64,
    /* For so long whoever watches waits for others to come. */
    WATCH_NS = 2000000,
};

struct Turn {
    Turn *next;
    Turn *previous;
    enum { WAITS, ANSWERED, GIVEN_UP } state;
    int is_inside; /* its thread is in turn_wait */
    atomic_int is_answered;
    atomic_int interrupted;
    atomic_int takes; /* it waits in jr_queue_take */
    atomic_int references;
    sem_t wake;
    jr_completion completion;
};

static struct {
    pthread_mutex_t lock;
    jr_queue *queue;
    jr_queue *inherited; /* of the parent process, to be freed */
    Turn waiting;        /* the head of a ring */
    size_t owed;         /* completions that will come */
    size_t running;      /* who was answered and has not come again */
    int taking;          /* somebody takes from the queue */
    Turn *watcher;       /* who sleeps for a limited time */
    uint64_t coming;     /* how often somebody has come */
} line = {.lock = PTHREAD_MUTEX_INITIALIZER, .waiting = {.next = &line.waiting, .previous = &line.waiting}};

static void forget(Turn *turn) {
    if (atomic_fetch_sub(&turn->references, 1) > 1)
        return;
    jr_reply_free(turn->completion.reply);
    sem_destroy(&turn->wake);
    free(turn);
}

/* The lock is held, as in all that follows up to turn_new. */
static void leave_ring(Turn *turn) {
    turn->previous->next = turn->next;
    turn->next->previous = turn->previous;
    if (line.watcher == turn)
        line.watcher = NULL;
}

/* Whoever goes lets another one watch, if nobody does. */
static void hand_over(void) {
    Turn *heir = line.waiting.next;
    /* One that was interrupted sees to itself when it comes again. */
    while (heir != &line.waiting && !heir->is_inside)
        heir = heir->next;
    if (heir == &line.waiting || line.taking || line.watcher)
        return;
    line.watcher = heir;
    sem_post(&heir->wake);
}

/* Lets go of the lock meanwhile. What comes is for this one (which may be NULL), or wakes the others. */
static void take(Turn *turn, int32_t timeout_ms) {
    jr_completion batch[BATCH];
    Turn *woken[BATCH];
    int count_woken = 0;
    line.taking = 1;
    pthread_mutex_unlock(&line.lock);
    if (turn) {
        atomic_store(&turn->takes, 1);
        if (atomic_load(&turn->interrupted))
            timeout_ms = 0;
    }
    int64_t count = jr_queue_take(line.queue, batch, BATCH, timeout_ms);
    if (turn)
        atomic_store(&turn->takes, 0);
    pthread_mutex_lock(&line.lock);
    line.taking = 0;
    for (int64_t i = 0; i < count; i++) {
        Turn *one = (Turn *)(uintptr_t)batch[i].user_data;
        one->completion = batch[i];
        line.owed--;
        if (one->state == WAITS) {
            leave_ring(one);
            one->state = ANSWERED;
            line.running++;
            if (one != turn) {
                atomic_fetch_add(&one->references, 1);
                woken[count_woken++] = one;
            }
            atomic_store(&one->is_answered, 1);
        } else {
            forget(one);
        }
    }
    if (count_woken == 0)
        return;
    pthread_mutex_unlock(&line.lock);
    for (int i = 0; i < count_woken; i++) {
        sem_post(&woken[i]->wake);
        forget(woken[i]);
    }
    pthread_mutex_lock(&line.lock);
}

Turn *turn_new(jr_queue **queue) {
    Turn *turn = calloc(1, sizeof *turn);
    jr_queue_free(line.inherited);
    line.inherited = NULL;
    if (!line.queue)
        line.queue = jr_queue_new();
    if (!turn || !line.queue || sem_init(&turn->wake, 0, 0)) {
        free(turn);
        return NULL;
    }
    *queue = line.queue;
    atomic_store(&turn->references, 1);
    pthread_mutex_lock(&line.lock);
    turn->next = &line.waiting;
    turn->previous = line.waiting.previous;
    turn->previous->next = turn->next->previous = turn;
    line.owed++;
    pthread_mutex_unlock(&line.lock);
    return turn;
}

void turn_refused(Turn *turn) {
    pthread_mutex_lock(&line.lock);
    leave_ring(turn);
    line.owed--;
    hand_over();
    pthread_mutex_unlock(&line.lock);
    forget(turn);
}

/* True: the time was over. */
static int sleep_for(Turn *turn, int64_t nanoseconds) {
    struct timespec until;
    int result;
    if (nanoseconds == 0) {
        while (sem_wait(&turn->wake) && errno == EINTR)
            ;
        return 0;
    }
    clock_gettime(CLOCK, &until);
    until.tv_nsec += nanoseconds;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while ((result = WAIT_UNTIL(&turn->wake, &until)) && errno == EINTR)
        ;
    return result != 0;
}

void *turn_wait(void *argument) {
    Turn *turn = argument;
    pthread_mutex_lock(&line.lock);
    turn->is_inside = 1;
    line.coming++;
    if (line.running > 0)
        line.running--;
    while (turn->state == WAITS && !atomic_exchange(&turn->interrupted, 0)) {
        if (!line.taking && line.running == 0) {
            take(turn, -1);
            continue;
        }
        if (!line.taking && !line.watcher)
            line.watcher = turn;
        int watches = line.watcher == turn;
        uint64_t coming = line.coming;
        pthread_mutex_unlock(&line.lock);
        int is_over = sleep_for(turn, watches ? WATCH_NS : 0);
        if (atomic_load(&turn->is_answered))
            return NULL;
        pthread_mutex_lock(&line.lock);
        /* Those who were answered do something else. */
        if (is_over && line.watcher == turn && line.coming == coming)
            line.running = 0;
    }
    turn->is_inside = 0;
    if (line.watcher == turn)
        line.watcher = NULL;
    hand_over();
    pthread_mutex_unlock(&line.lock);
    return NULL;
}

void turn_interrupt(void *argument) {
    Turn *turn = argument;
    pthread_mutex_lock(&line.lock);
    atomic_store(&turn->interrupted, 1);
    sem_post(&turn->wake);
    if (atomic_load(&turn->takes))
        jr_queue_wake(line.queue);
    pthread_mutex_unlock(&line.lock);
}

const jr_completion *turn_completion(Turn *turn) {
    return atomic_load(&turn->is_answered) ? &turn->completion : NULL;
}

int turn_end(Turn *turn) {
    pthread_mutex_lock(&line.lock);
    int waits = turn->state == WAITS;
    if (waits) {
        leave_ring(turn);
        turn->state = GIVEN_UP;
        hand_over();
    }
    pthread_mutex_unlock(&line.lock);
    if (!waits)
        forget(turn);
    return waits;
}

void turns_let_go(void) {
    pthread_mutex_lock(&line.lock);
    if (line.queue && !line.taking)
        take(NULL, 0);
    if (line.queue && !line.taking && line.owed == 0) {
        jr_queue_free(line.queue);
        line.queue = NULL;
    }
    hand_over();
    pthread_mutex_unlock(&line.lock);
}

void turns_in_child(void) {
    pthread_mutex_init(&line.lock, NULL);
    line.waiting.next = line.waiting.previous = &line.waiting;
    line.owed = line.running = 0;
    line.taking = 0;
    line.watcher = NULL;
    if (line.queue)
        line.inherited = line.queue;
    line.queue = NULL;
}
