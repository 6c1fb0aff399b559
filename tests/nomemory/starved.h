/* Put before each file of the extension by gcc's -include: whatever it calls that may need memory fails where
 * starved.c says so, without being called. */
#ifndef STARVED_H
#define STARVED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <malloc.h> /* before its names are taken */
#include <stdlib.h>

extern PyTypeObject starved_type; /* has no room for an object */
int starved(const char *call, const char *file, int line);       /* with MemoryError */
int starved_quietly(const char *call, const char *file, int line); /* without */

int no_larger(PyObject **bytes); /* what a failed _PyBytes_Resize leaves */

#define STARVED(call) starved(#call, __FILE__, __LINE__)
#define NULL_OR(call, ...) (STARVED(call) ? NULL : call(__VA_ARGS__))
#define MINUS_OR(call, ...) (STARVED(call) ? -1 : call(__VA_ARGS__))
#define QUIET_OR(call, ...) (starved_quietly(#call, __FILE__, __LINE__) ? NULL : call(__VA_ARGS__))

/* Before 3.13 these are macros under PY_SSIZE_T_CLEAN. */
#ifdef Py_BuildValue
#undef Py_BuildValue
#undef PyObject_CallFunction
#undef PyObject_CallMethod
#define Py_BuildValue(...) NULL_OR(_Py_BuildValue_SizeT, __VA_ARGS__)
#define PyObject_CallFunction(...) NULL_OR(_PyObject_CallFunction_SizeT, __VA_ARGS__)
#define PyObject_CallMethod(...) NULL_OR(_PyObject_CallMethod_SizeT, __VA_ARGS__)
#else
#define Py_BuildValue(...) NULL_OR(Py_BuildValue, __VA_ARGS__)
#define PyObject_CallFunction(...) NULL_OR(PyObject_CallFunction, __VA_ARGS__)
#define PyObject_CallMethod(...) NULL_OR(PyObject_CallMethod, __VA_ARGS__)
#endif

#define PyBytes_FromStringAndSize(...) NULL_OR(PyBytes_FromStringAndSize, __VA_ARGS__)
#define PyBytes_FromObject(...) NULL_OR(PyBytes_FromObject, __VA_ARGS__)
#define PyContext_CopyCurrent() (STARVED(PyContext_CopyCurrent) ? NULL : PyContext_CopyCurrent())
#define PyContext_Copy(...) NULL_OR(PyContext_Copy, __VA_ARGS__)
#define PyDict_New() (STARVED(PyDict_New) ? NULL : PyDict_New())
#define PyFloat_FromDouble(...) NULL_OR(PyFloat_FromDouble, __VA_ARGS__)
#define PyList_New(...) NULL_OR(PyList_New, __VA_ARGS__)
#define PyLong_FromDouble(...) NULL_OR(PyLong_FromDouble, __VA_ARGS__)
#define PyLong_FromLong(...) NULL_OR(PyLong_FromLong, __VA_ARGS__)
#define PyLong_FromLongLong(...) NULL_OR(PyLong_FromLongLong, __VA_ARGS__)
#define PyLong_FromSsize_t(...) NULL_OR(PyLong_FromSsize_t, __VA_ARGS__)
#define PyLong_FromUnsignedLongLong(...) NULL_OR(PyLong_FromUnsignedLongLong, __VA_ARGS__)
#define PyMemoryView_FromMemory(...) NULL_OR(PyMemoryView_FromMemory, __VA_ARGS__)
#define PyMemoryView_FromObject(...) NULL_OR(PyMemoryView_FromObject, __VA_ARGS__)
#define PyNumber_Add(...) NULL_OR(PyNumber_Add, __VA_ARGS__)
#define PyObject_Call(...) NULL_OR(PyObject_Call, __VA_ARGS__)
#define PyObject_CallMethodNoArgs(...) NULL_OR(PyObject_CallMethodNoArgs, __VA_ARGS__)
#define PyObject_CallMethodOneArg(...) NULL_OR(PyObject_CallMethodOneArg, __VA_ARGS__)
#define PyObject_CallNoArgs(...) NULL_OR(PyObject_CallNoArgs, __VA_ARGS__)
#define PyObject_CallOneArg(...) NULL_OR(PyObject_CallOneArg, __VA_ARGS__)
#define PyObject_GetAttr(...) NULL_OR(PyObject_GetAttr, __VA_ARGS__)
#define PyObject_GetAttrString(...) NULL_OR(PyObject_GetAttrString, __VA_ARGS__)
#define PyObject_Repr(...) NULL_OR(PyObject_Repr, __VA_ARGS__)
#define PyObject_Vectorcall(...) NULL_OR(PyObject_Vectorcall, __VA_ARGS__)
#define PyObject_VectorcallMethod(...) NULL_OR(PyObject_VectorcallMethod, __VA_ARGS__)
#define PySequence_GetSlice(...) NULL_OR(PySequence_GetSlice, __VA_ARGS__)
#define PySequence_List(...) NULL_OR(PySequence_List, __VA_ARGS__)
#define PySequence_Tuple(...) NULL_OR(PySequence_Tuple, __VA_ARGS__)
#define PyTuple_New(...) NULL_OR(PyTuple_New, __VA_ARGS__)
#define PyTuple_Pack(...) NULL_OR(PyTuple_Pack, __VA_ARGS__)
#define PyUnicode_AsEncodedString(...) NULL_OR(PyUnicode_AsEncodedString, __VA_ARGS__)
#define PyUnicode_AsUTF8(...) NULL_OR(PyUnicode_AsUTF8, __VA_ARGS__)
#define PyUnicode_AsUTF8AndSize(...) NULL_OR(PyUnicode_AsUTF8AndSize, __VA_ARGS__)
#define PyUnicode_DecodeFSDefaultAndSize(...) NULL_OR(PyUnicode_DecodeFSDefaultAndSize, __VA_ARGS__)
#define PyUnicode_EncodeFSDefault(...) NULL_OR(PyUnicode_EncodeFSDefault, __VA_ARGS__)
#define PyUnicode_FromFormat(...) NULL_OR(PyUnicode_FromFormat, __VA_ARGS__)
#define PyUnicode_FromString(...) NULL_OR(PyUnicode_FromString, __VA_ARGS__)

#undef PyObject_New
#undef PyObject_GC_New
#define PyObject_New(type, of) ((type *)NULL_OR(_PyObject_New, of))
#define PyObject_GC_New(type, of) ((type *)NULL_OR(_PyObject_GC_New, of))
#define tp_alloc(type, n) tp_alloc(STARVED(tp_alloc) ? &starved_type : (type), n)

#define PyDict_SetItem(...) MINUS_OR(PyDict_SetItem, __VA_ARGS__)
#define PyList_Append(...) MINUS_OR(PyList_Append, __VA_ARGS__)
#define PyObject_GetBuffer(...) MINUS_OR(PyObject_GetBuffer, __VA_ARGS__)
#define PySys_Audit(...) MINUS_OR(PySys_Audit, __VA_ARGS__)
#define _PyBytes_Resize(bytes, n) \
    (STARVED(_PyBytes_Resize) ? no_larger(bytes) : _PyBytes_Resize(bytes, n))

#undef PyMem_Malloc
#undef PyMem_Calloc
#undef PyMem_Realloc
#define PyMem_Malloc(...) QUIET_OR(PyMem_Malloc, __VA_ARGS__)
#define PyMem_Calloc(...) QUIET_OR(PyMem_Calloc, __VA_ARGS__)
#define PyMem_Realloc(...) QUIET_OR(PyMem_Realloc, __VA_ARGS__)
#define malloc(...) QUIET_OR(malloc, __VA_ARGS__)
#define realloc(...) QUIET_OR(realloc, __VA_ARGS__)

#endif
