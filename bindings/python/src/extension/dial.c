/* A Python function that dials: the one place where a thread of the library calls into Python. When the interpreter
 * ends it is not called any more, and the end waits for those that run. */
#include "extension.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

typedef struct {
    PyObject *function;
} Dialer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static int running;
static int ended;

static int begin(void) {
    pthread_mutex_lock(&lock);
    int allowed = !ended;
    running += allowed;
    pthread_mutex_unlock(&lock);
    return allowed;
}

static void end(void) {
    pthread_mutex_lock(&lock);
    if (--running == 0)
        pthread_cond_broadcast(&idle);
    pthread_mutex_unlock(&lock);
}

/* A socket gives its descriptor away; a number is one. */
static int32_t descriptor_of(PyObject *connection) {
    if (PyLong_Check(connection))
        return (int32_t)PyLong_AsLong(connection);
    PyObject *number = PyObject_CallMethod(connection, "detach", NULL);
    int32_t descriptor = number ? (int32_t)PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return descriptor;
}

/* An OSError has a number; whatever else is raised is told on stderr. */
static int32_t error_number(PyObject *function) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    long number = 0;
    if (value && PyErr_GivenExceptionMatches(value, PyExc_OSError)) {
        PyObject *attribute = PyObject_GetAttrString(value, "errno");
        if (attribute && PyLong_Check(attribute))
            number = PyLong_AsLong(attribute);
        Py_XDECREF(attribute);
        PyErr_Clear();
        if (number <= 0)
            number = PyErr_GivenExceptionMatches(value, PyExc_TimeoutError) ? ETIMEDOUT : EIO;
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    } else {
        PyErr_Restore(type, value, traceback);
        PyErr_WriteUnraisable(function);
        number = EIO;
    }
    return (int32_t)-number;
}

static int32_t dial(void *user_data, const char *address, uint32_t timeout_ms) {
    PyObject *function = ((Dialer *)user_data)->function;
    if (!begin())
        return -ECANCELED;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *connection = PyObject_CallFunction(function, "sd", address, timeout_ms / 1000.0);
    int32_t descriptor = connection ? descriptor_of(connection) : -1;
    if (PyErr_Occurred())
        descriptor = error_number(function);
    Py_XDECREF(connection);
    PyGILState_Release(gil);
    end();
    return descriptor;
}

/* On any thread. After the end of the interpreter the function is left to the process' own end. */
static void release(void *user_data) {
    Dialer *dialer = user_data;
    if (begin()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        Py_DECREF(dialer->function);
        PyMem_Free(dialer);
        PyGILState_Release(gil);
        end();
    }
}

int set_dialer(State *state, jr_config *config, PyObject *function) {
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "connectionhandler is a function (address, timeout) that gives a socket");
        return -1;
    }
    Dialer *dialer = PyMem_Malloc(sizeof *dialer);
    if (!dialer) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(function);
    dialer->function = function;
    jr_status status = jr_config_set_dialer(config, dial, dialer, release);
    if (status != JR_OK) {
        raise_status(state, status);
        return -1;
    }
    return 0;
}

/* At the end of the interpreter: no more calls; waits for those that run, five seconds at most. */
PyObject *end_dials(PyObject *module, PyObject *nothing) {
    (void)module;
    (void)nothing;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    PyThreadState *thread = PyEval_SaveThread();
    pthread_mutex_lock(&lock);
    ended = 1;
    while (running > 0 && pthread_cond_timedwait(&idle, &lock, &until) == 0) {
    }
    pthread_mutex_unlock(&lock);
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

/* In the child: the threads that dialled are the parent's. */
PyObject *after_fork(PyObject *module, PyObject *nothing) {
    (void)module;
    (void)nothing;
    pthread_mutex_t new_lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t new_idle = PTHREAD_COND_INITIALIZER;
    lock = new_lock;
    idle = new_idle;
    running = 0;
    Py_RETURN_NONE;
}
