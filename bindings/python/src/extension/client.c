/* Clients, views and leases of the library, and the options that they are made from. */
#include "extension.h"

static PyObject *wrap(PyObject *module, jr_client *handle) {
    Client *client = new_object(state_of(module)->client_type, module);
    if (client)
        client->handle = handle;
    else
        jr_client_free(handle);
    return (PyObject *)client;
}

/* `options` is a list of pairs of texts. */
static int set_options(State *state, jr_config *config, PyObject *options) {
    Py_ssize_t count = PyList_Size(options);
    if (count < 0)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *key, *value;
        if (!PyArg_ParseTuple(PyList_GetItem(options, i), "ss", &key, &value))
            return -1;
        jr_status status = jr_config_set(config, key, value);
        if (status != JR_OK) {
            raise_status(state, status);
            return -1;
        }
    }
    return 0;
}

/* client(options, dialer): with None for `dialer` the library dials. */
PyObject *client_new(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    State *state = state_of(module);
    jr_client *handle = NULL;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "client(options, dialer)");
        return NULL;
    }
    jr_config *config = jr_config_new();
    if (!config)
        return PyErr_NoMemory();
    if (set_options(state, config, args[0]) == 0 && (args[1] == Py_None || set_dialer(state, config, args[1]) == 0)) {
        jr_status status = jr_client_new(config, &handle);
        if (status != JR_OK)
            raise_status(state, status);
    }
    jr_config_free(config);
    return handle ? wrap(module, handle) : NULL;
}

/* check(options): raises what client() would say of them. */
PyObject *client_check(PyObject *module, PyObject *options) {
    jr_config *config = jr_config_new();
    if (!config)
        return PyErr_NoMemory();
    int status = set_options(state_of(module), config, options);
    jr_config_free(config);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *client_database(PyObject *self, PyObject *number) {
    Client *client = (Client *)self;
    unsigned long long database = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred())
        return NULL;
    jr_client *view = NULL;
    jr_status status =
        database > UINT32_MAX ? JR_ERR_ARGUMENT : jr_client_database(client->handle, (uint32_t)database, &view);
    return status == JR_OK ? wrap(client->module, view) : raise_status(state_of(client->module), status);
}

static PyObject *client_lease(PyObject *self, PyObject *key) {
    Client *client = (Client *)self;
    State *state = state_of(client->module);
    jr_client *lease = NULL;
    if (key == Py_None) {
        jr_status status = jr_client_lease(client->handle, NULL, &lease);
        return status == JR_OK ? wrap(client->module, lease) : raise_status(state, status);
    }
    Words words;
    PyObject *tuple = PyTuple_Pack(1, key);
    if (!tuple || words_init(&words, state, tuple, NULL) < 0) {
        Py_XDECREF(tuple);
        return NULL;
    }
    jr_status status = jr_client_lease(client->handle, words.args, &lease);
    words_free(&words);
    Py_DECREF(tuple);
    return status == JR_OK ? wrap(client->module, lease) : raise_status(state, status);
}

/* close(milliseconds): waits, without the GIL; whether everything came to its end by itself. */
static PyObject *client_close(PyObject *self, PyObject *timeout) {
    Client *client = (Client *)self;
    unsigned long long timeout_ms = PyLong_AsUnsignedLongLong(timeout);
    if (PyErr_Occurred())
        return NULL;
    PyThreadState *thread = PyEval_SaveThread();
    jr_status status = jr_client_close(client->handle, timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout_ms);
    PyEval_RestoreThread(thread);
    if (status != JR_OK && status != JR_ERR_TIMEOUT)
        return raise_status(state_of(client->module), status);
    return PyBool_FromLong(status == JR_OK);
}

static PyObject *give(State *state, jr_status status, jr_reply *reply) {
    if (status != JR_OK)
        return raise_status(state, status);
    PyObject *value = convert(state, reply, 1);
    jr_reply_free(reply);
    return value;
}

static PyObject *client_stats(PyObject *self, PyObject *nothing) {
    (void)nothing;
    Client *client = (Client *)self;
    jr_reply *reply = NULL;
    jr_status status = jr_client_stats(client->handle, &reply);
    return give(state_of(client->module), status, reply);
}

static PyObject *client_locate(PyObject *self, PyObject *key) {
    Client *client = (Client *)self;
    State *state = state_of(client->module);
    jr_reply *reply = NULL;
    Words words;
    PyObject *tuple = PyTuple_Pack(1, key);
    if (!tuple || words_init(&words, state, tuple, NULL) < 0) {
        Py_XDECREF(tuple);
        return NULL;
    }
    jr_status status = jr_client_locate(client->handle, words.args, &reply);
    words_free(&words);
    Py_DECREF(tuple);
    return give(state, status, reply);
}

static PyObject *client_set_credentials(PyObject *self, PyObject *args) {
    Client *client = (Client *)self;
    const char *user, *password;
    if (!PyArg_ParseTuple(args, "zs", &user, &password))
        return NULL;
    jr_status status = jr_client_set_credentials(client->handle, user, password);
    if (status != JR_OK)
        return raise_status(state_of(client->module), status);
    Py_RETURN_NONE;
}

static void client_dealloc(PyObject *self) {
    Client *client = (Client *)self;
    jr_client_free(client->handle);
    free_object(self, client->module);
}

static PyMethodDef client_methods[] = {
    {"database", client_database, METH_O, "database(number) -> Client: a view on another database number."},
    {"lease", client_lease, METH_O, "lease(key) -> Client: one connection for itself; the key may be None."},
    {"close", client_close, METH_O, "close(milliseconds) -> bool: lets everything end; whether it did in time."},
    {"stats", client_stats, METH_NOARGS, "stats() -> dict: the state of the client in numbers."},
    {"locate", client_locate, METH_O, "locate(key) -> dict: which slot a key has, and which nodes serve it."},
    {"set_credentials", client_set_credentials, METH_VARARGS,
     "set_credentials(user, password): what connections authenticate with from now on; the user may be None."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, "A client, a view on a database number, or a lease of one connection."},
    {Py_tp_new, no_new},
    {Py_tp_dealloc, client_dealloc},
    {Py_tp_methods, client_methods},
    {0, NULL},
};

PyType_Spec client_spec = {"_justredis.Client", sizeof(Client), 0, Py_TPFLAGS_DEFAULT, client_slots};
