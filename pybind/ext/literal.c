/* What the engine has answered lately without a lookup: such an answer depends on the query alone, and what it is made of
 * never changes, so a program that connects to one address again and again is given the same objects in a new list. */
#include "literal.h"

/* Literals are short; a text of another kind is not worth its memory. */
enum { KEPT = 8, LONGEST = 64 };

typedef struct {
    PyObject *host, *addresses; /* NULL: there is none */
    uint64_t port;
    int32_t family, type, proto, flags;
} Literal;

struct Literals {
    Literal kept[KEPT];
    int next; /* to be replaced */
};

/* An exact str, for a subclass may compare as it likes. */
static bool is_simple(PyObject *host, const gl_query *q) {
    return PyUnicode_CheckExact(host) && PyUnicode_IS_COMPACT_ASCII(host) && q->service_len < 0;
}

static bool is_same(PyObject *a, PyObject *b) {
    Py_ssize_t n = PyUnicode_GET_LENGTH(a);
    return a == b || (n == PyUnicode_GET_LENGTH(b) && memcmp(PyUnicode_1BYTE_DATA(a), PyUnicode_1BYTE_DATA(b), (size_t)n) == 0);
}

PyObject *borrow_literal(const LoopObject *loop, PyObject *host, const gl_query *q) {
    if (!loop->literals || !is_simple(host, q)) return NULL;
    for (const Literal *l = loop->literals->kept; l < loop->literals->kept + KEPT && l->host; l++)
        if (l->port == q->service && l->type == q->type && l->family == q->family && l->proto == q->proto &&
            l->flags == q->flags && is_same(l->host, host))
            return l->addresses;
    return NULL;
}

void literal_keep(LoopObject *loop, PyObject *host, const gl_query *q, PyObject *addresses) {
    if (!is_simple(host, q) || PyUnicode_GET_LENGTH(host) > LONGEST) return;
    if (!loop->literals) loop->literals = PyMem_Calloc(1, sizeof *loop->literals);
    PyObject *kept = loop->literals ? PyList_GetSlice(addresses, 0, PyList_GET_SIZE(addresses)) : NULL;
    if (!kept) {
        PyErr_Clear();
        return;
    }
    Literal *l = &loop->literals->kept[loop->literals->next], old = *l;
    loop->literals->next = (loop->literals->next + 1) % KEPT;
    *l = (Literal){Py_NewRef(host), kept, q->service, q->family, q->type, q->proto, q->flags};
    Py_XDECREF(old.host);
    Py_XDECREF(old.addresses);
}

void literals_free(LoopObject *loop) {
    for (int i = 0; loop->literals && i < KEPT; i++) {
        Py_XDECREF(loop->literals->kept[i].host);
        Py_XDECREF(loop->literals->kept[i].addresses);
    }
    PyMem_Free(loop->literals);
    loop->literals = NULL;
}
