/* The types of the extension and what its files share. Everything here is called with the GIL held, unless it says
 * otherwise; replies and completions of the library are turned into Python's objects as soon as they are taken. */
#ifndef JUSTREDIS_EXTENSION_H
#define JUSTREDIS_EXTENSION_H

#include "compat.h"

#include <justredis.h>

/* What the module holds, for each interpreter. Objects of the extension hold the module, and with it this. */
typedef struct {
    PyTypeObject *client_type;
    PyTypeObject *queue_type;
    PyTypeObject *port_type;
    PyObject *make_error;  /* (status, outcome, text) -> an exception */
    PyObject *utf8_encode; /* the encoder and the decoder that are built in */
    PyObject *utf8_decode;
    PyObject *set_result; /* the names of methods */
    PyObject *set_exception;
    PyObject *deliver;
} State;

/* A client, a view or a lease of the library. */
typedef struct {
    PyObject_HEAD PyObject *module;
    jr_client *handle;
} Client;

/* How a reply becomes a Python object. */
typedef struct {
    PyObject *decoder;  /* what is called with it, or NULL; owned */
    PyObject *decoders; /* of a pipeline: a list with one for each item (None: none), or NULL; owned */
    int utf8;           /* strings become str instead of bytes */
    int returns_errors; /* an error is a value, too */
} Shape;

/* What waits for a completion; its address is the completion's user_data. The queue holds it until then. */
typedef struct Pending {
    struct Pending *next;
    struct Pending *previous;
    PyObject *target; /* see Kind; owned */
    Client *client;   /* owned */
    uint64_t request;
    Shape shape;
    enum Kind {
        FUTURE,   /* target.set_result(value) or target.set_exception(error) */
        RECEIVER, /* target.deliver(value, flags, status) for each message */
        CALL,     /* a function of this file waits: `call` */
        NOBODY,   /* it was given up */
    } kind;
    struct Call *call;
} Pending;

/* A blocking call, on the stack of the thread that waits. */
typedef struct Call {
    int done;
    PyObject *value; /* NULL: `error` is raised */
    PyObject *error;
} Call;

typedef struct {
    PyObject_HEAD PyObject *module;
    jr_queue *handle;
    Pending pending; /* the head of a ring */
    Py_ssize_t outstanding;
    int waiters; /* threads that wait in jr_queue_take */
    int bursts;  /* of what was taken last there were several */
} Queue;

/* A client with the queue for its answers, an encoder and a decoder. */
typedef struct {
    PyObject_HEAD PyObject *module;
    Client *client;
    Queue *queue;
    PyObject *encoder; /* NULL: the built-in one */
    PyObject *decoder; /* NULL: none */
} Port;

/* module.c */
State *state_of(PyObject *module);
/* Raises what the last call of the library says; gives NULL. */
PyObject *raise_status(State *state, jr_status status);
PyObject *new_error(State *state, jr_status status, uint32_t outcome, const char *text, size_t length);
/* The tp_new of all types: only functions of the module make objects. */
PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *names);
/* The first half of every object's creation. */
void *new_object(PyTypeObject *type, PyObject *module);
/* The last half of every deallocation. */
void free_object(PyObject *self, PyObject *module);

/* reply.c */
PyObject *convert(State *state, const jr_reply *reply, int utf8);
/* The value of a completion; NULL with an exception set if it is an error, or a decoder failed. */
PyObject *convert_completion(State *state, const jr_completion *completion, const Shape *shape);
void clear_shape(Shape *shape);
int set_decoder(State *state, Shape *shape, PyObject *decoder);

/* words.c */
enum { WORDS_ON_STACK = 12 };
/* One command with what its words are read from; made by words_init, ended by words_free. */
typedef struct {
    jr_bytes *args;
    size_t count;
    PyObject **held; /* temporary objects that hold the bytes */
    size_t held_count;
    Py_buffer *buffers;
    size_t buffer_count;
    size_t capacity;
    jr_bytes few_args[WORDS_ON_STACK];
    PyObject *few_held[WORDS_ON_STACK];
} Words;
int words_init(Words *words, State *state, PyObject *tuple, PyObject *encoder);
void words_free(Words *words);

/* client.c */
extern PyType_Spec client_spec;
PyObject *client_new(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *client_check(PyObject *module, PyObject *options);

/* dial.c: lets a Python function dial. */
int set_dialer(State *state, jr_config *config, PyObject *function);
PyObject *end_dials(PyObject *module, PyObject *nothing);
PyObject *after_fork(PyObject *module, PyObject *nothing);

/* queue.c */
extern PyType_Spec queue_spec;
PyObject *queue_new(PyObject *module, PyObject *nothing);
Pending *pending_new(Queue *queue, enum Kind kind, PyObject *target, Client *client);
void pending_free(Queue *queue, Pending *pending);
/* Takes what is there, or waits for it, and delivers it. How many completions; -1 with an exception set: a status, or
 * what a signal handler raised. */
Py_ssize_t queue_deliver(Queue *queue, int32_t timeout_ms);

/* port.c */
extern PyType_Spec port_spec;
PyObject *port_new(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
