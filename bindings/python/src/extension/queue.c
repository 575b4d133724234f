/* A queue of the library, and who waits for what comes out of it. Each completion is delivered by the thread that takes
 * it: to a future, to the receiver of a subscription, or to a call that waits. */
#include "extension.h"

#include <string.h>

enum { BATCH = 256, LONGEST_WAIT_MS = 1000 };

Pending *pending_new(Queue *queue, enum Kind kind, PyObject *target, Client *client) {
    Pending *pending = PyMem_Malloc(sizeof *pending);
    if (!pending) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(pending, 0, sizeof *pending);
    pending->kind = kind;
    Py_XINCREF(target);
    pending->target = target;
    Py_INCREF(client);
    pending->client = client;
    pending->next = &queue->pending;
    pending->previous = queue->pending.previous;
    pending->previous->next = pending->next->previous = pending;
    queue->outstanding++;
    return pending;
}

/* From here on nobody finds it any more. */
static void leave_ring(Queue *queue, Pending *pending) {
    pending->previous->next = pending->next;
    pending->next->previous = pending->previous;
    queue->outstanding--;
}

static void release(Pending *pending) {
    clear_shape(&pending->shape);
    Py_XDECREF(pending->target);
    Py_DECREF(pending->client);
    PyMem_Free(pending);
}

void pending_free(Queue *queue, Pending *pending) {
    leave_ring(queue, pending);
    release(pending);
}

/* The exception that is set, as an object. */
static PyObject *take_exception(void) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value && traceback)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

/* A future that was cancelled refuses its result; that is no failure. */
static void settle_future(State *state, PyObject *future, PyObject *value) {
    PyObject *error = value ? NULL : take_exception();
    PyObject *method = value ? state->set_result : state->set_exception;
    PyObject *argument = value ? value : error;
    PyObject *done = argument ? PyObject_CallMethodObjArgs(future, method, argument, NULL) : NULL;
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(error);
}

static long long dropped_before(const jr_completion *completion) {
    int64_t count = 0;
    if (completion->flags & JR_COMPLETION_DROPPED)
        jr_reply_int64(jr_reply_find(jr_reply_attributes(completion->reply), "dropped"), &count);
    return count;
}

static void tell_receiver(State *state, PyObject *receiver, PyObject *value, const jr_completion *completion) {
    PyObject *error = value ? NULL : take_exception();
    PyObject *flags = PyLong_FromUnsignedLong(completion->flags);
    PyObject *dropped = PyLong_FromLongLong(dropped_before(completion));
    PyObject *done = NULL;
    if (flags && dropped && (value || error))
        done = PyObject_CallMethodObjArgs(receiver, state->deliver, value ? value : error, flags, dropped, NULL);
    if (!done)
        PyErr_WriteUnraisable(receiver);
    Py_XDECREF(done);
    Py_XDECREF(dropped);
    Py_XDECREF(flags);
    Py_XDECREF(error);
}

static void end_call(Call *call, PyObject *value) {
    call->done = 1;
    call->value = value;
    Py_XINCREF(value);
    call->error = value ? NULL : take_exception();
}

static void deliver(Queue *queue, State *state, const jr_completion *completion) {
    Pending *pending = (Pending *)(uintptr_t)completion->user_data;
    int last = !(completion->flags & JR_COMPLETION_MORE);
    if (last)
        leave_ring(queue, pending);
    PyObject *value = NULL;
    if (pending->kind != NOBODY)
        value = convert_completion(state, completion, &pending->shape);
    switch (pending->kind) {
    case FUTURE:
        settle_future(state, pending->target, value);
        break;
    case RECEIVER: {
        /* It may end its subscription, and with that this. */
        PyObject *target = pending->target;
        Py_INCREF(target);
        tell_receiver(state, target, value, completion);
        Py_DECREF(target);
        break;
    }
    case CALL:
        end_call(pending->call, value);
        break;
    case NOBODY:
        PyErr_Clear();
        break;
    }
    Py_XDECREF(value);
    if (last)
        release(pending);
}

static void deliver_all(Queue *queue, State *state, jr_completion *batch, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        deliver(queue, state, &batch[i]);
    jr_completions_free(batch, (size_t)count);
    /* What was taken here may be what another thread waits for. */
    for (int i = 0; i < queue->waiters; i++)
        jr_queue_wake(queue->handle);
}

Py_ssize_t queue_deliver(Queue *queue, int32_t timeout_ms) {
    State *state = state_of(queue->module);
    jr_completion batch[BATCH];
    int64_t count;
    if (timeout_ms == 0) {
        count = jr_queue_take(queue->handle, batch, BATCH, 0);
    } else {
        /* In slices: a signal that comes just before the wait begins is noticed with the next. */
        int32_t slice = timeout_ms < 0 || timeout_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : timeout_ms;
        queue->waiters++;
        PyThreadState *thread = PyEval_SaveThread();
        count = jr_queue_take(queue->handle, batch, BATCH, slice);
        PyEval_RestoreThread(thread);
        queue->waiters--;
    }
    if (count < 0) {
        raise_status(state, (jr_status)count);
        return -1;
    }
    if (count > 0) {
        queue->bursts = count > 1;
        deliver_all(queue, state, batch, count);
    }
    if (count == 0 && timeout_ms != 0 && PyErr_CheckSignals() < 0)
        return -1;
    return (Py_ssize_t)count;
}

PyObject *queue_new(PyObject *module, PyObject *nothing) {
    (void)nothing;
    State *state = state_of(module);
    Queue *queue = new_object(state->queue_type, module);
    if (!queue)
        return NULL;
    queue->pending.next = queue->pending.previous = &queue->pending;
    queue->handle = jr_queue_new();
    if (!queue->handle) {
        Py_DECREF(queue);
        return PyErr_NoMemory();
    }
    return (PyObject *)queue;
}

static PyObject *queue_fileno(PyObject *self, PyObject *nothing) {
    (void)nothing;
    Queue *queue = (Queue *)self;
    int32_t descriptor = jr_queue_fd(queue->handle);
    if (descriptor < 0)
        return raise_status(state_of(queue->module), (jr_status)descriptor);
    return PyLong_FromLong(descriptor);
}

/* All that is there, but no more than some turns of it: the loop has other work, too, and calls again. */
static PyObject *queue_ready(PyObject *self, PyObject *nothing) {
    (void)nothing;
    for (int turns = 0; turns < 4; turns++) {
        Py_ssize_t count = queue_deliver((Queue *)self, 0);
        if (count < 0)
            return NULL;
        if (count < BATCH)
            break;
    }
    Py_RETURN_NONE;
}

static PyObject *queue_wait(PyObject *self, PyObject *timeout) {
    long timeout_ms = PyLong_AsLong(timeout);
    if (timeout_ms == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t count = queue_deliver((Queue *)self, (int32_t)timeout_ms);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyObject *queue_wake(PyObject *self, PyObject *nothing) {
    (void)nothing;
    jr_queue_wake(((Queue *)self)->handle);
    Py_RETURN_NONE;
}

/* All of it, however much there is: nobody comes again. */
static PyObject *queue_close(PyObject *self, PyObject *nothing) {
    (void)nothing;
    Queue *queue = (Queue *)self;
    State *state = state_of(queue->module);
    jr_completion batch[BATCH];
    int64_t count;
    jr_status status = jr_queue_close(queue->handle);
    if (status != JR_OK)
        return raise_status(state, status);
    while ((count = jr_queue_take(queue->handle, batch, BATCH, 0)) > 0)
        deliver_all(queue, state, batch, count);
    Py_RETURN_NONE;
}

static PyObject *queue_outstanding(PyObject *self, PyObject *nothing) {
    (void)nothing;
    return PyLong_FromSsize_t(((Queue *)self)->outstanding);
}

static int queue_traverse(PyObject *self, visitproc visit, void *arg) {
    Queue *queue = (Queue *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(queue->module);
    for (Pending *pending = queue->pending.next; pending && pending != &queue->pending; pending = pending->next) {
        Py_VISIT(pending->target);
        Py_VISIT(pending->shape.decoder);
        Py_VISIT(pending->shape.decoders);
    }
    return 0;
}

/* Completions may still come: they find that nobody waits. */
static int queue_clear(PyObject *self) {
    Queue *queue = (Queue *)self;
    for (;;) {
        Pending *pending = queue->pending.next;
        while (pending && pending != &queue->pending && pending->kind == NOBODY)
            pending = pending->next;
        if (!pending || pending == &queue->pending)
            return 0;
        pending->kind = NOBODY;
        PyObject *target = pending->target;
        pending->target = NULL;
        clear_shape(&pending->shape);
        Py_XDECREF(target);
    }
}

static void queue_dealloc(PyObject *self) {
    Queue *queue = (Queue *)self;
    PyObject_GC_UnTrack(self);
    jr_queue_free(queue->handle);
    while (queue->pending.next && queue->pending.next != &queue->pending)
        pending_free(queue, queue->pending.next);
    free_object(self, queue->module);
}

static PyMethodDef queue_methods[] = {
    {"fileno", queue_fileno, METH_NOARGS, "fileno() -> int: readable when ready() should be called."},
    {"ready", queue_ready, METH_NOARGS, "ready(): delivers what is there; never waits."},
    {"wait", queue_wait, METH_O,
     "wait(milliseconds) -> int: waits for completions, a second at most, and delivers them; how many there were."},
    {"wake", queue_wake, METH_NOARGS, "wake(): makes one wait() return."},
    {"close", queue_close, METH_NOARGS, "close(): accepts no more requests, and delivers all that is there."},
    {"outstanding", queue_outstanding, METH_NOARGS,
     "outstanding() -> int: requests whose completion is not delivered."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, "Where completions wait until a thread or an event loop delivers them."},
    {Py_tp_new, no_new},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_methods, queue_methods},
    {0, NULL},
};

PyType_Spec queue_spec = {
    "_justredis.Queue", sizeof(Queue), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, queue_slots,
};
