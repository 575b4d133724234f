/* The module _justredis: the C API of the library, as little of Python around it as the package needs. */
#include "extension.h"

#include <string.h>

State *state_of(PyObject *module) {
    return PyModule_GetState(module);
}

PyObject *new_error(State *state, jr_status status, uint32_t outcome, const char *text, size_t length) {
    PyObject *sentence = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace");
    PyObject *error = NULL;
    uint32_t known = outcome & (JR_OUTCOME_NOT_RUN | JR_OUTCOME_UNKNOWN | JR_OUTCOME_ANSWERED);
    if (sentence)
        error = PyObject_CallFunction(state->make_error, "iIO", (int)status, (unsigned int)known, sentence);
    Py_XDECREF(sentence);
    return error;
}

PyObject *raise_status(State *state, jr_status status) {
    const char *text = jr_error_text();
    if (!*text)
        text = jr_status_text(status);
    PyObject *error = new_error(state, status, JR_OUTCOME_NOT_RUN, text, strlen(text));
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

PyObject *no_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    (void)args;
    (void)names;
    PyErr_Format(PyExc_TypeError, "%R is made by functions of the module", (PyObject *)type);
    return NULL;
}

void *new_object(PyTypeObject *type, PyObject *module) {
    PyObject *self = PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    /* All objects of the extension begin alike. */
    Py_INCREF(module);
    ((Client *)self)->module = module;
    return self;
}

void free_object(PyObject *self, PyObject *module) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_memory(self);
    Py_DECREF(type);
    Py_XDECREF(module);
}

/* setup(make_error, utf8_encode, utf8_decode): what of the package the extension calls or knows. */
static PyObject *setup(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    State *state = state_of(module);
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "setup(make_error, utf8_encode, utf8_decode)");
        return NULL;
    }
    PyObject **places[] = {&state->make_error, &state->utf8_encode, &state->utf8_decode};
    for (int i = 0; i < 3; i++) {
        PyObject *old = *places[i];
        Py_INCREF(args[i]);
        *places[i] = args[i];
        Py_XDECREF(old);
    }
    Py_RETURN_NONE;
}

static PyObject *status_text(PyObject *module, PyObject *number) {
    (void)module;
    long status = PyLong_AsLong(number);
    if (status == -1 && PyErr_Occurred())
        return NULL;
    return PyUnicode_FromString(jr_status_text((jr_status)status));
}

static PyMethodDef functions[] = {
    {"setup", FAST(setup), METH_FASTCALL, "setup(make_error, utf8_encode, utf8_decode): called once by the package."},
    {"client", FAST(client_new), METH_FASTCALL, "client(options, dialer) -> Client: options are pairs of str."},
    {"check", client_check, METH_O, "check(options): raises what is wrong with them."},
    {"queue", queue_new, METH_NOARGS, "queue() -> Queue"},
    {"port", FAST(port_new), METH_FASTCALL, "port(client, queue, encoder, decoder) -> Port"},
    {"status_text", status_text, METH_O, "status_text(status) -> str: a short phrase."},
    {"end_dials", end_dials, METH_NOARGS, "end_dials(): no function that dials is called any more."},
    {"after_fork", after_fork, METH_NOARGS, "after_fork(): in the child."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *make_type(PyType_Spec *spec) {
    return (PyTypeObject *)PyType_FromSpec(spec);
}

static const struct {
    const char *name;
    long value;
} numbers[] = {
    {"OK", JR_OK},
    {"ERR_ARGUMENT", JR_ERR_ARGUMENT},
    {"ERR_CONFIG", JR_ERR_CONFIG},
    {"ERR_REFUSED", JR_ERR_REFUSED},
    {"ERR_CLOSED", JR_ERR_CLOSED},
    {"ERR_FULL", JR_ERR_FULL},
    {"ERR_FORKED", JR_ERR_FORKED},
    {"ERR_DEADLOCK", JR_ERR_DEADLOCK},
    {"ERR_NOT_FOUND", JR_ERR_NOT_FOUND},
    {"ERR_MEMORY", JR_ERR_MEMORY},
    {"ERR_INTERNAL", JR_ERR_INTERNAL},
    {"ERR_SERVER", JR_ERR_SERVER},
    {"ERR_TIMEOUT", JR_ERR_TIMEOUT},
    {"ERR_CANCELED", JR_ERR_CANCELED},
    {"ERR_CONNECT", JR_ERR_CONNECT},
    {"ERR_AUTH", JR_ERR_AUTH},
    {"ERR_TLS", JR_ERR_TLS},
    {"ERR_LOST", JR_ERR_LOST},
    {"ERR_LEASE_LOST", JR_ERR_LEASE_LOST},
    {"ERR_PROTOCOL", JR_ERR_PROTOCOL},
    {"OUTCOME_NOT_RUN", JR_OUTCOME_NOT_RUN},
    {"OUTCOME_UNKNOWN", JR_OUTCOME_UNKNOWN},
    {"OUTCOME_ANSWERED", JR_OUTCOME_ANSWERED},
    {"COMPLETION_MORE", JR_COMPLETION_MORE},
    {"COMPLETION_GAP", JR_COMPLETION_GAP},
    {"COMPLETION_DROPPED", JR_COMPLETION_DROPPED},
};

static int execute(PyObject *module) {
    State *state = state_of(module);
    state->client_type = make_type(&client_spec);
    state->queue_type = make_type(&queue_spec);
    state->port_type = make_type(&port_spec);
    state->set_result = PyUnicode_InternFromString("set_result");
    state->set_exception = PyUnicode_InternFromString("set_exception");
    state->deliver = PyUnicode_InternFromString("deliver");
    if (!state->client_type || !state->queue_type || !state->port_type || !state->set_result || !state->set_exception ||
        !state->deliver)
        return -1;
    const struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {{"Client", state->client_type}, {"Queue", state->queue_type}, {"Port", state->port_type}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        Py_INCREF(types[i].type);
        if (PyModule_AddObject(module, types[i].name, (PyObject *)types[i].type) < 0) {
            Py_DECREF(types[i].type);
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value) < 0)
            return -1;
    return PyModule_AddStringConstant(module, "version", jr_version());
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    State *state = state_of(module);
    Py_VISIT(state->client_type);
    Py_VISIT(state->queue_type);
    Py_VISIT(state->port_type);
    Py_VISIT(state->make_error);
    Py_VISIT(state->utf8_encode);
    Py_VISIT(state->utf8_decode);
    return 0;
}

static int clear(PyObject *module) {
    State *state = state_of(module);
    Py_CLEAR(state->client_type);
    Py_CLEAR(state->queue_type);
    Py_CLEAR(state->port_type);
    Py_CLEAR(state->make_error);
    Py_CLEAR(state->utf8_encode);
    Py_CLEAR(state->utf8_decode);
    Py_CLEAR(state->set_result);
    Py_CLEAR(state->set_exception);
    Py_CLEAR(state->deliver);
    return 0;
}

static void free_state(void *module) {
    clear(module);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "_justredis",
    "The C API of the library.",
    sizeof(State),
    functions,
    slots,
    traverse,
    clear,
    free_state,
};

PyMODINIT_FUNC PyInit__justredis(void) {
    return PyModuleDef_Init(&definition);
}
