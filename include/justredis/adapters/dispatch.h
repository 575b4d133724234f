/* What the adapters share, and what any other event loop needs: hands the completions of a queue to a callback. See
 * docs/event-loops.md. Header only. */
#ifndef JUSTREDIS_ADAPTERS_DISPATCH_H
#define JUSTREDIS_ADAPTERS_DISPATCH_H

#include <justredis.h>

/* At most so many completions are taken at a time; then the loop gets its turn. */
#define JR_DISPATCH_MAX 128

/**
 * A queue and who gets its completions. Zero is a good start. One thread at a time: that of the loop.
 */
typedef struct jr_dispatch {
    /**
     * Whose completions.
     */
    jr_queue *queue;
    /**
     * Called for each; its reply is then yours to free, as with callbacks of the library. It may submit, cancel and
     * free anything, also detach.
     */
    jr_callback callback;
    /**
     * Private: set while completions are handed over.
     */
    bool *detached;
} jr_dispatch;

/**
 * Call it when jr_queue_fd is readable: takes what is there, which may be nothing, and calls the callback for each
 * completion. Never waits. Gives how many were taken, or a negative status: the queue serves no longer (JR_ERR_CLOSED
 * when all is taken after jr_queue_close, JR_ERR_FORKED in a child), and must not be watched any more. After
 * jr_dispatch_detach inside of a callback it does not touch `dispatch` again, gives 0, and what was taken with that
 * completion is discarded.
 */
static inline int64_t jr_dispatch_ready(jr_dispatch *dispatch) {
    jr_completion taken[JR_DISPATCH_MAX];
    jr_callback callback = dispatch->callback;
    bool detached = false, *outer = dispatch->detached;
    int64_t i, count = jr_queue_take(dispatch->queue, taken, JR_DISPATCH_MAX, 0);
    if (count <= 0)
        return count;
    dispatch->detached = &detached;
    for (i = 0; i < count && !detached; i++)
        callback(&taken[i]);
    if (!detached) {
        dispatch->detached = outer;
        return count;
    }
    if (outer != NULL) /* a callback ran the loop, and in there it was detached */
        *outer = true;
    jr_completions_free(&taken[i], (size_t)(count - i));
    return 0;
}

/**
 * No callback any more, at once; completions that are still in the queue stay there.
 */
static inline void jr_dispatch_detach(jr_dispatch *dispatch) {
    if (dispatch->detached != NULL)
        *dispatch->detached = true;
    dispatch->detached = NULL;
}

#endif
