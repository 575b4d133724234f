/* Replies of the library as objects of Python. */
#include "extension.h"

static PyObject *convert_text(const jr_reply *reply, int utf8) {
    if (utf8)
        return PyUnicode_DecodeUTF8(reply->bytes, (Py_ssize_t)reply->length, "strict");
    return PyBytes_FromStringAndSize(reply->bytes, (Py_ssize_t)reply->length);
}

static PyObject *convert_items(State *state, const jr_reply *reply, int utf8) {
    PyObject *list = PyList_New((Py_ssize_t)reply->length);
    if (!list)
        return NULL;
    for (size_t i = 0; i < reply->length; i++) {
        PyObject *item = convert(state, &reply->items[i], utf8);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* Members that have no hash, such as arrays, leave it a list. */
static PyObject *convert_set(State *state, const jr_reply *reply, int utf8) {
    PyObject *list = convert_items(state, reply, utf8);
    if (!list)
        return NULL;
    PyObject *set = PySet_New(list);
    if (!set && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        return list;
    }
    Py_DECREF(list);
    return set;
}

/* Keys that have no hash, such as arrays, make it a list of pairs. */
static PyObject *convert_pairs(State *state, const jr_reply *reply, int utf8) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i + 1 < reply->length; i += 2) {
        PyObject *key = convert(state, &reply->items[i], utf8);
        PyObject *value = key ? convert(state, &reply->items[i + 1], utf8) : NULL;
        PyObject *pair = value ? PyTuple_Pack(2, key, value) : NULL;
        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
        Py_XDECREF(value);
        Py_XDECREF(key);
    }
    return list;
}

static PyObject *convert_map(State *state, const jr_reply *reply, int utf8) {
    PyObject *map = PyDict_New();
    for (size_t i = 0; map && i + 1 < reply->length; i += 2) {
        PyObject *key = convert(state, &reply->items[i], utf8);
        PyObject *value = key ? convert(state, &reply->items[i + 1], utf8) : NULL;
        int failed = !value || PyDict_SetItem(map, key, value) < 0;
        Py_XDECREF(value);
        Py_XDECREF(key);
        if (failed) {
            Py_CLEAR(map);
            if (value && PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Clear();
                return convert_pairs(state, reply, utf8);
            }
        }
    }
    return map;
}

PyObject *convert(State *state, const jr_reply *reply, int utf8) {
    switch (reply->kind) {
    case JR_STRING:
    case JR_STATUS:
    case JR_VERB:
        return convert_text(reply, utf8);
    case JR_INTEGER:
        return PyLong_FromLongLong(reply->integer);
    case JR_ARRAY:
    case JR_PUSH:
        return convert_items(state, reply, utf8);
    case JR_MAP:
    case JR_ATTR:
        return convert_map(state, reply, utf8);
    case JR_SET:
        return convert_set(state, reply, utf8);
    case JR_DOUBLE:
        return PyFloat_FromDouble(reply->number);
    case JR_BOOL:
        return PyBool_FromLong(reply->integer != 0);
    case JR_BIGNUM:
        return PyLong_FromString(reply->bytes, NULL, 10);
    case JR_ERROR:
        return new_error(state, (jr_status)reply->integer, reply->flags, reply->bytes, reply->length);
    default:
        Py_RETURN_NONE;
    }
}

/* Puts what the decoders of a pipeline make of the items in their places; errors stay as they are. */
static int decode_items(PyObject *list, PyObject *decoders) {
    Py_ssize_t count = PyList_Size(list) < PyList_Size(decoders) ? PyList_Size(list) : PyList_Size(decoders);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *decoder = PyList_GetItem(decoders, i), *item = PyList_GetItem(list, i);
        if (decoder == Py_None || PyObject_IsInstance(item, PyExc_Exception) == 1)
            continue;
        PyObject *decoded = PyObject_CallFunctionObjArgs(decoder, item, NULL);
        if (!decoded || PyList_SetItem(list, i, decoded) < 0)
            return -1;
    }
    return 0;
}

/* An array whose items have decoders of their own: str where the decoder is the built-in one. */
static PyObject *convert_pipeline(State *state, const jr_reply *reply, const Shape *shape) {
    PyObject *list = PyList_New((Py_ssize_t)reply->length);
    PyObject *others = list ? PyList_New((Py_ssize_t)reply->length) : NULL;
    Py_ssize_t known = PyList_Size(shape->decoders);
    for (Py_ssize_t i = 0; others && i < (Py_ssize_t)reply->length; i++) {
        PyObject *decoder = i < known ? PyList_GetItem(shape->decoders, i) : Py_None;
        PyObject *item = convert(state, &reply->items[i], decoder == state->utf8_decode);
        PyObject *other = decoder == state->utf8_decode ? Py_None : decoder;
        Py_INCREF(other);
        PyList_SetItem(others, i, other);
        if (!item || PyList_SetItem(list, i, item) < 0)
            Py_CLEAR(others);
    }
    if (!others || decode_items(list, others) < 0)
        Py_CLEAR(list);
    Py_XDECREF(others);
    return list;
}

static void raise_object(PyObject *error) {
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

PyObject *convert_completion(State *state, const jr_completion *completion, const Shape *shape) {
    const jr_reply *reply = completion->reply;
    if (reply->kind == JR_ERROR) {
        PyObject *error = convert(state, reply, 0);
        if (error && !shape->returns_errors) {
            raise_object(error);
            return NULL;
        }
        return error;
    }
    if (shape->decoders && reply->kind == JR_ARRAY)
        return convert_pipeline(state, reply, shape);
    PyObject *value = convert(state, reply, shape->utf8);
    if (value && shape->decoder) {
        PyObject *decoded = PyObject_CallFunctionObjArgs(shape->decoder, value, NULL);
        Py_DECREF(value);
        return decoded;
    }
    return value;
}

void clear_shape(Shape *shape) {
    Py_CLEAR(shape->decoder);
    Py_CLEAR(shape->decoders);
}

int set_decoder(State *state, Shape *shape, PyObject *decoder) {
    Py_CLEAR(shape->decoder);
    shape->utf8 = decoder == state->utf8_decode;
    if (!decoder || decoder == Py_None || shape->utf8)
        return 0;
    if (!PyCallable_Check(decoder)) {
        PyErr_SetString(PyExc_TypeError, "a decoder is a function, or None");
        return -1;
    }
    Py_INCREF(decoder);
    shape->decoder = decoder;
    return 0;
}
