/* The words of a command: bytes, str, numbers and whatever has a buffer, as the library reads them. Nothing is copied
 * that is bytes already. */
#include "extension.h"

#include <stdlib.h>

static void hold(Words *words, PyObject *object) {
    words->held[words->held_count++] = object;
}

static int add_bytes(Words *words, const char *data, Py_ssize_t length) {
    words->args[words->count].data = data;
    words->args[words->count++].len = (size_t)length;
    return 0;
}

static int add_text(Words *words, PyObject *text) {
    Py_ssize_t length;
    const char *data = PyUnicode_AsUTF8AndSize(text, &length);
    return data ? add_bytes(words, data, length) : -1;
}

static int add_made_text(Words *words, PyObject *text) {
    if (!text)
        return -1;
    hold(words, text);
    return add_text(words, text);
}

static int add_buffer(Words *words, PyObject *object) {
    if (!words->buffers) {
        words->buffers = PyMem_Malloc(words->capacity * sizeof *words->buffers);
        if (!words->buffers) {
            PyErr_NoMemory();
            return -1;
        }
    }
    Py_buffer *buffer = &words->buffers[words->buffer_count];
    if (PyObject_GetBuffer(object, buffer, PyBUF_SIMPLE) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "a word of a command is bytes, str, int, float or a buffer, not %R",
                         (PyObject *)Py_TYPE(object));
        }
        return -1;
    }
    words->buffer_count++;
    return add_bytes(words, buffer->buf, buffer->len);
}

static int add_word(Words *words, PyObject *word) {
    if (PyBytes_Check(word))
        return add_bytes(words, PyBytes_AsString(word), PyBytes_Size(word));
    if (PyUnicode_Check(word))
        return add_text(words, word);
    if (PyLong_Check(word) && !PyBool_Check(word))
        return add_made_text(words, PyObject_Str(word));
    if (PyFloat_Check(word))
        return add_made_text(words, PyObject_Repr(word));
    return add_buffer(words, word);
}

static int reserve(Words *words, size_t count) {
    words->capacity = WORDS_ON_STACK;
    words->args = words->few_args;
    words->held = words->few_held;
    if (count * 2 <= WORDS_ON_STACK)
        return 0;
    words->capacity = count * 2;
    words->args = PyMem_Malloc(count * sizeof *words->args);
    /* Of a word both what the encoder gave and its text may be held. */
    words->held = PyMem_Malloc(words->capacity * sizeof *words->held);
    if (words->args && words->held)
        return 0;
    PyErr_NoMemory();
    return -1;
}

int words_init(Words *words, State *state, PyObject *tuple, PyObject *encoder) {
    words->count = words->held_count = words->buffer_count = 0;
    words->buffers = NULL;
    words->args = words->few_args;
    words->held = words->few_held;
    Py_ssize_t count = PyTuple_Size(tuple);
    if (count < 0 || reserve(words, (size_t)count) < 0)
        goto failed;
    if (encoder == Py_None || encoder == state->utf8_encode)
        encoder = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *word = PyTuple_GetItem(tuple, i);
        if (encoder) {
            word = PyObject_CallFunctionObjArgs(encoder, word, NULL);
            if (!word)
                goto failed;
            hold(words, word);
        }
        if (add_word(words, word) < 0)
            goto failed;
    }
    return 0;
failed:
    words_free(words);
    return -1;
}

void words_free(Words *words) {
    while (words->buffer_count > 0)
        PyBuffer_Release(&words->buffers[--words->buffer_count]);
    while (words->held_count > 0)
        Py_DECREF(words->held[--words->held_count]);
    PyMem_Free(words->buffers);
    if (words->args != words->few_args)
        PyMem_Free(words->args);
    if (words->held != words->few_held)
        PyMem_Free(words->held);
}
