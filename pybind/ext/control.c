/* gopy's module lies in the engine's library. Its initialization is called from here, and not by the import system: that
 * would open the file again, which a forked child has in memory only, would take the GIL back on a free-threaded CPython,
 * and refuse a sub-interpreter. The module has functions and nothing else: no state, no types. So each interpreter may
 * have one, and its functions may run beside each other. */
#include "control.h"

#include "engine.h"
#include "guard.h"

/* control_module() -> module. A forked child has another than its parent. */
PyObject *control_module(PyObject *module, PyObject *ignored) {
    (void)ignored;
    State *state = state_of(module);
    PyObject *found = NULL;
    GUARD(module)
    if (state->control && state->control_generation == process_generation) {
        found = Py_NewRef(state->control);
    } else {
        PyObject *(*init)(void) = (PyObject * (*)(void)) engine_symbol("PyInit__control");
        if (init && (found = init())) {
            Py_XSETREF(state->control, Py_NewRef(found));
            state->control_generation = process_generation;
        }
    }
    UNGUARD
    return found;
}
