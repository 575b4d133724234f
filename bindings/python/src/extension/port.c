/* Requests: the words of a command and its options go to a client, the answer comes to a queue. */
#include "extension.h"

#include <math.h>
#include <string.h>

typedef struct {
    jr_request request;
    PyObject *encoder;
    PyObject *decoder;
    int returns_errors;
} Options;

static int read_timeout(PyObject *value, uint32_t *timeout_ms) {
    if (value == Py_None) {
        *timeout_ms = 0;
        return 0;
    }
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds > 0)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is more than 0 seconds; math.inf is none, None the client's");
        return -1;
    }
    double milliseconds = ceil(seconds * 1000);
    *timeout_ms = milliseconds >= (double)JR_TIMEOUT_NONE ? JR_TIMEOUT_NONE : (uint32_t)milliseconds;
    return 0;
}

static int read_flag(PyObject *value, uint32_t flag, Options *options) {
    int is_true = PyObject_IsTrue(value);
    if (is_true < 0)
        return -1;
    if (is_true)
        options->request.flags |= flag;
    return 0;
}

static int read_option(PyObject *name, PyObject *value, Options *options) {
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = {
        {"replica", JR_REQUEST_REPLICA},
        {"cached", JR_REQUEST_CACHED},
        {"idempotent", JR_REQUEST_IDEMPOTENT},
        {"dedicated", JR_REQUEST_DEDICATED},
    };
    /* None for these two is what the database has. */
    if (PyUnicode_CompareWithASCIIString(name, "decoder") == 0) {
        if (value != Py_None)
            options->decoder = value;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "encoder") == 0) {
        if (value != Py_None)
            options->encoder = value;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "throw") == 0) {
        int throws = PyObject_IsTrue(value);
        options->returns_errors = throws == 0;
        return throws < 0 ? -1 : 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0)
        return read_timeout(value, &options->request.timeout_ms);
    if (PyUnicode_CompareWithASCIIString(name, "route") == 0) {
        Py_ssize_t length;
        options->request.route = value == Py_None ? NULL : PyUnicode_AsUTF8AndSize(value, &length);
        return value == Py_None || options->request.route ? 0 : -1;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (PyUnicode_CompareWithASCIIString(name, flags[i].name) == 0)
            return read_flag(value, flags[i].flag, options);
    PyErr_Format(PyExc_TypeError, "there is no option %R of a command", name);
    return -1;
}

/* `given` is a dictionary, or None; what it holds lives during the call. */
static int read_options(const Port *port, PyObject *given, Options *options) {
    memset(&options->request, 0, sizeof options->request);
    options->request.size = sizeof options->request;
    options->request.queue = port->queue->handle;
    options->encoder = port->encoder;
    options->decoder = port->decoder;
    options->returns_errors = 0;
    if (given == Py_None)
        return 0;
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(given, &position, &name, &value))
        if (read_option(name, value, options) < 0)
            return -1;
    return 0;
}

/* Submits what the options describe. What the library refuses comes as a completion, as other errors do; what fails
 * here leaves no pending. */
static int send(State *state, const Port *port, Options *options, Pending *pending, uint64_t *id) {
    options->request.user_data = (uint64_t)(uintptr_t)pending;
    options->request.flags |= JR_REQUEST_REPORT;
    jr_status status = jr_submit(port->client->handle, &options->request, id);
    if (status == JR_OK) {
        pending->request = *id;
        return 0;
    }
    raise_status(state, status);
    pending_free(port->queue, pending);
    return -1;
}

/* One command, and who waits for its answer. */
typedef struct {
    enum Kind kind;
    PyObject *target;
    PyObject *words;
    PyObject *options;
    uint64_t subscription;
    Call *call;
    int returns_errors;
} Order;

/* The pending of a command, all of it set: as soon as Python's own code runs it may have been delivered and freed. */
static Pending *order_pending(State *state, const Port *port, const Order *order, const Options *options) {
    Pending *pending = pending_new(port->queue, order->kind, order->target, port->client);
    if (!pending)
        return NULL;
    pending->call = order->call;
    pending->shape.returns_errors = options->returns_errors || order->returns_errors;
    if (options->decoder && set_decoder(state, &pending->shape, options->decoder) < 0) {
        pending_free(port->queue, pending);
        return NULL;
    }
    return pending;
}

static int submit_one(const Port *port, const Order *order, uint64_t *id) {
    State *state = state_of(port->module);
    Options options;
    Words words;
    if (read_options(port, order->options, &options) < 0 ||
        words_init(&words, state, order->words, options.encoder) < 0)
        return -1;
    jr_command command = {words.args, words.count};
    options.request.commands = &command;
    options.request.count = 1;
    options.request.subscription = order->subscription;
    /* Who sends one at a time saves the library's own wake-up; the first of many would pay for it. */
    if (port->queue->outstanding == 0 && !port->queue->bursts)
        options.request.flags |= JR_REQUEST_NOW;
    Pending *pending = order_pending(state, port, order, &options);
    int sent = pending ? send(state, port, &options, pending, id) : -1;
    words_free(&words);
    return sent;
}

static PyObject *submitted(PyObject *port, const Order *order) {
    uint64_t id;
    return submit_one((Port *)port, order, &id) < 0 ? NULL : PyLong_FromUnsignedLongLong(id);
}

static int has(Py_ssize_t count, Py_ssize_t wanted) {
    if (count == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "%zd arguments, not %zd", wanted, count);
    return 0;
}

static PyObject *port_submit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (!has(count, 3))
        return NULL;
    Order order = {.kind = FUTURE, .target = args[0], .words = args[1], .options = args[2]};
    return submitted(self, &order);
}

/* As submit, but an error is a value of the future: of one that nobody may ask for its result. */
static PyObject *port_start(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (!has(count, 3))
        return NULL;
    Order order = {.kind = FUTURE, .target = args[0], .words = args[1], .options = args[2], .returns_errors = 1};
    return submitted(self, &order);
}

static PyObject *port_subscribe(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (!has(count, 3))
        return NULL;
    Order order = {.kind = RECEIVER, .target = args[0], .words = args[1], .options = args[2]};
    return submitted(self, &order);
}

static PyObject *port_change(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (!has(count, 4))
        return NULL;
    Order order = {.kind = FUTURE, .target = args[0], .words = args[1], .options = args[2]};
    order.subscription = PyLong_AsUnsignedLongLong(args[3]);
    return PyErr_Occurred() ? NULL : submitted(self, &order);
}

/* Waits for the call; a signal handler that raises gives the request up. */
static PyObject *wait_for(const Port *port, uint64_t id, Call *call) {
    while (!call->done) {
        if (queue_deliver(port->queue, -1) < 0) {
            if (call->done)
                break;
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            /* Not done: it is still in the ring. */
            Pending *pending = port->queue->pending.next;
            while (pending->call != call)
                pending = pending->next;
            pending->kind = NOBODY;
            pending->call = NULL;
            jr_cancel(port->client->handle, id);
            PyErr_Restore(type, value, traceback);
            return NULL;
        }
    }
    if (PyErr_Occurred()) {
        Py_XDECREF(call->value);
        Py_XDECREF(call->error);
        return NULL;
    }
    if (call->error) {
        PyErr_SetObject((PyObject *)Py_TYPE(call->error), call->error);
        Py_DECREF(call->error);
    }
    return call->value;
}

static PyObject *port_call(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Port *port = (Port *)self;
    Call call = {0};
    if (!has(count, 2))
        return NULL;
    uint64_t id;
    Order order = {.kind = CALL, .words = args[0], .options = args[1], .call = &call};
    return submit_one(port, &order, &id) < 0 ? NULL : wait_for(port, id, &call);
}

/* The commands of a pipeline, as the library reads them. */
typedef struct {
    size_t count;
    Words *words;
    jr_command *commands;
    PyObject *decoders;
} Commands;

static void commands_free(Commands *commands) {
    while (commands->count > 0)
        words_free(&commands->words[--commands->count]);
    PyMem_Free(commands->words);
    PyMem_Free(commands->commands);
    Py_XDECREF(commands->decoders);
}

/* `list` has a tuple (words, encoder, decoder) for each command. */
static int commands_init(Commands *commands, State *state, PyObject *list) {
    Py_ssize_t count = PyList_Size(list);
    if (count < 0)
        return -1;
    memset(commands, 0, sizeof *commands);
    commands->words = PyMem_Malloc(((size_t)count + 1) * sizeof *commands->words);
    commands->commands = PyMem_Malloc(((size_t)count + 1) * sizeof *commands->commands);
    commands->decoders = PyList_New(count);
    if (!commands->words || !commands->commands || !commands->decoders) {
        PyErr_NoMemory();
        goto failed;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *tuple, *encoder, *decoder;
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "O!OO", &PyTuple_Type, &tuple, &encoder, &decoder))
            goto failed;
        Py_INCREF(decoder);
        if (PyList_SetItem(commands->decoders, i, decoder) < 0)
            goto failed;
        Words *words = &commands->words[i];
        if (words_init(words, state, tuple, encoder) < 0)
            goto failed;
        commands->count++;
        commands->commands[i].args = words->args;
        commands->commands[i].count = words->count;
    }
    return 0;
failed:
    commands_free(commands);
    return -1;
}

/* One command that is no transaction is answered as such, and not by an array. */
static int shape_batch(State *state, Pending *pending, const Commands *commands, const Options *options) {
    pending->shape.returns_errors = options->returns_errors;
    if (commands->count == 1 && !(options->request.flags & JR_REQUEST_ATOMIC))
        return set_decoder(state, &pending->shape, PyList_GetItem(commands->decoders, 0));
    Py_INCREF(commands->decoders);
    pending->shape.decoders = commands->decoders;
    return 0;
}

static PyObject *port_submit_batch(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Port *port = (Port *)self;
    State *state = state_of(port->module);
    Options options;
    Commands commands;
    if (!has(count, 4) || read_options(port, args[3], &options) < 0)
        return NULL;
    int atomic = PyObject_IsTrue(args[2]);
    if (atomic < 0 || commands_init(&commands, state, args[1]) < 0)
        return NULL;
    options.request.commands = commands.commands;
    options.request.count = commands.count;
    if (atomic)
        options.request.flags |= JR_REQUEST_ATOMIC;
    Pending *pending = pending_new(port->queue, FUTURE, args[0], port->client);
    if (pending && shape_batch(state, pending, &commands, &options) < 0) {
        pending_free(port->queue, pending);
        pending = NULL;
    }
    uint64_t id;
    int sent = pending ? send(state, port, &options, pending, &id) : -1;
    commands_free(&commands);
    return sent < 0 ? NULL : PyLong_FromUnsignedLongLong(id);
}

static PyObject *port_events(PyObject *self, PyObject *receiver) {
    Port *port = (Port *)self;
    State *state = state_of(port->module);
    Options options;
    if (read_options(port, Py_None, &options) < 0)
        return NULL;
    Pending *pending = pending_new(port->queue, RECEIVER, receiver, port->client);
    if (!pending)
        return NULL;
    pending->shape.utf8 = 1;
    pending->shape.returns_errors = 1;
    options.request.user_data = (uint64_t)(uintptr_t)pending;
    jr_status status = jr_client_events(port->client->handle, &options.request, &pending->request);
    if (status != JR_OK) {
        pending_free(port->queue, pending);
        return raise_status(state, status);
    }
    return PyLong_FromUnsignedLongLong(pending->request);
}

static PyObject *port_cancel(PyObject *self, PyObject *request) {
    Port *port = (Port *)self;
    unsigned long long id = PyLong_AsUnsignedLongLong(request);
    if (PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(jr_cancel(port->client->handle, id) == JR_OK);
}

static PyObject *or_null(PyObject *object) {
    if (object == Py_None)
        return NULL;
    Py_INCREF(object);
    return object;
}

PyObject *port_new(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    State *state = state_of(module);
    if (!has(count, 4))
        return NULL;
    if (Py_TYPE(args[0]) != state->client_type || Py_TYPE(args[1]) != state->queue_type) {
        PyErr_SetString(PyExc_TypeError, "a port has a client and a queue");
        return NULL;
    }
    Port *port = new_object(state->port_type, module);
    if (!port)
        return NULL;
    Py_INCREF(args[0]);
    Py_INCREF(args[1]);
    port->client = (Client *)args[0];
    port->queue = (Queue *)args[1];
    port->encoder = or_null(args[2]);
    port->decoder = or_null(args[3]);
    return (PyObject *)port;
}

static int port_traverse(PyObject *self, visitproc visit, void *arg) {
    Port *port = (Port *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(port->module);
    Py_VISIT(port->queue);
    Py_VISIT(port->encoder);
    Py_VISIT(port->decoder);
    return 0;
}

/* Client and queue stay: its methods rely on them, and neither leads back here but through requests, which the queue
 * forgets. */
static int port_clear(PyObject *self) {
    Port *port = (Port *)self;
    Py_CLEAR(port->encoder);
    Py_CLEAR(port->decoder);
    return 0;
}

static void port_dealloc(PyObject *self) {
    Port *port = (Port *)self;
    PyObject_GC_UnTrack(self);
    port_clear(self);
    Py_XDECREF(port->client);
    Py_XDECREF(port->queue);
    free_object(self, port->module);
}

static PyMethodDef port_methods[] = {
    {"submit", FAST(port_submit), METH_FASTCALL,
     "submit(future, words, options) -> int: sends a command; its answer settles the future. The id is for cancel()."},
    {"start", FAST(port_start), METH_FASTCALL, "start(future, words, options) -> int: the same; errors are results."},
    {"submit_batch", FAST(port_submit_batch), METH_FASTCALL,
     "submit_batch(future, [(words, encoder, decoder), ...], atomic, options) -> int: a pipeline, or a transaction."},
    {"call", FAST(port_call), METH_FASTCALL, "call(words, options): sends a command and waits for its answer."},
    {"subscribe", FAST(port_subscribe), METH_FASTCALL,
     "subscribe(receiver, words, options) -> int: receiver.deliver(value, flags, dropped) is called for each message."},
    {"change", FAST(port_change), METH_FASTCALL,
     "change(future, words, options, subscription) -> int: a command that changes a subscription."},
    {"events", port_events, METH_O, "events(receiver) -> int: what happens to the connections of the client."},
    {"cancel", port_cancel, METH_O, "cancel(id) -> bool: ends a request before its answer; whether it was there."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_doc, "A client, the queue for its answers, and how words and answers are translated."},
    {Py_tp_new, no_new},
    {Py_tp_dealloc, port_dealloc},
    {Py_tp_traverse, port_traverse},
    {Py_tp_clear, port_clear},
    {Py_tp_methods, port_methods},
    {0, NULL},
};

PyType_Spec port_spec = {
    "_justredis.Port", sizeof(Port), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, port_slots,
};
