package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// hut is a small house, hutFiles what stands in it: two lines each.
var hut = house{
	folder:  "hut",
	floors:  []string{"base", "loop ring", "stream", "module"},
	parts:   map[string]string{"stream": "stream_read"},
	outside: map[string]string{"Python.h": "base", "abi.h": "ring stream"},
	guards:  map[string]string{"ring.c rings": "the lock of the list"},
	entries: []string{"PyInit_hut"},
}

var hutFiles = map[string]string{
	"base.h":        "#include <" + header + ">\n#define UNUSED(x) (void)(x)\n",
	"loop.h":        "#include \"base.h\"\ntypedef struct Loop { PyObject_HEAD int fd; } Loop; int loop_wake(Loop *loop);\n",
	"loop.c":        "#include \"loop.h\"\nint loop_wake(Loop *loop) { return loop->fd; }\n",
	"ring.h":        "#include \"base.h\"\nextern int rings; static inline int ring_len(void) { return rings; }\n",
	"ring.c":        "#include \"ring.h\"\nint rings;\n",
	"stream.h":      "#include \"loop.h\"\nint stream_read(Loop *loop), stream_write(Loop *loop);\n",
	"stream.c":      "#include \"stream.h\"\nint stream_write(Loop *loop) { return stream_read(loop); }\n",
	"stream_read.c": "#include \"stream.h\"\nint stream_read(Loop *loop) { return loop_wake(loop); }\n",
	"module.c":      "#include \"stream.h\"\nPyMODINIT_FUNC PyInit_hut(void) { return (void *)stream_write; }\n",
}

// TestHouseRules adds to one file at a time what breaks a rule, or only looks like it. What is added begins on line 3.
func TestHouseRules(t *testing.T) {
	const upward = "loop stands on floor 2 (loop ring) and may "
	for _, test := range []struct {
		file, source string
		problem      string // the one that there is, or a part of it; or empty
	}{
		{"base.h", "", ""},

		// includes
		{"loop.c", "\n\n#include \"stream.h\"",
			"hut/loop.c:5: includes stream.h of floor 3 (stream); " + upward + "include lower floors only"},
		{"loop.h", "#if 0\n# include <stream.h>\n#endif", "hut/loop.h:4: includes stream.h of floor 3"},
		{"loop.h", `#include "ring.h"`, "hut/loop.h:3: includes ring.h of floor 2"}, // and so no circle on a floor either
		{"loop.c", `#include "other.h"`, `hut/loop.c:3: includes "other.h", which is no header of the table`},
		{"stream.c", `#include "stream_read.c"`, `"stream_read.c", which is no header`},
		{"stream.c", `#include HEADER`, `HEADER, which is no header`},
		{"stream.c", "#include <" + header + ">", "hut/stream.c:3: includes Python.h; only base may"},
		{"stream.c", `#include "abi.h"`, ""},
		{"loop.h", `#include "abi.h"`, "includes abi.h; only ring stream may"},
		{"loop.h", "#include <sys/socket.h>\n/* #include \"stream.h\" */ // #include \"stream.h\"", ""},

		// calls
		{"loop.c", "static int f(Loop *l) {\n    return stream_write(l);\n}",
			"hut/loop.c:4: uses stream_write of stream.c, floor 3 (stream); " + upward + "use lower floors only"},
		{"loop.c", "static const Method table[] = {{\"write\", stream_write}};", "hut/loop.c:3: uses stream_write"},
		{"loop.c", "static void *f(void) { return (void *)&stream_write; }", "uses stream_write"},
		{"loop.c", "static int f(void) { return ring_len(); }", "uses ring_len of ring.h, floor 2"},
		{"loop.c", "static int f(void) { return rings; }", "uses rings of ring.c, floor 2"},
		{"loop.h", "#define WRITE(loop) \\\n    stream_write(loop)", "hut/loop.h:4: uses stream_write"},
		{"loop.c", "#if A\nstatic int f(int a) {\n#else\nstatic int f(void) {\n#endif\n    return stream_write(0);\n}",
			"hut/loop.c:8: uses"},
		{"loop.c", "static int f(void) {\n#if A\n    g(1,\n#else\n    h(\n#endif\n    2);\n}\nstatic int i(void) { return stream_write(0); }",
			"hut/loop.c:11: uses"},
		{"loop.c", "static int f(void) {\n    if (a\n#if A\n    && b)\n#else\n    && c)\n#endif\n    return stream_write(0);\n}", "hut/loop.c:10: uses"},
		{"loop.c", "static int f(int stream_write) { return stream_write; }", ""},
		{"loop.c", "static int f(void) { Loop *stream_write = g(); return stream_write != h(); }", ""},
		{"loop.c", "static int f(Loop *l) { return l->stream_write + puts(\"stream_write()\") + '\\''; }", ""},
		{"loop.c", "static int stream_write(void) { return 0; }\nstatic int f(void) { return stream_write(); }", ""},
		{"loop.h", "#define NAMES(X) X(stream_write) X(close)", ""},
		{"stream_read.c", "static int f(Loop *l) { return stream_write(l) + loop_wake(l) + ring_len(); }", ""},

		// declarations
		{"loop.c", "int stream_write(Loop *loop);", "hut/loop.c:3: declares stream_write, which is not static"},
		{"loop.c", "extern int rings;", "declares rings, which is not static"},
		{"loop.c", "static int f(void) { extern int rings; return 0; }", "declares rings, which is not static"},
		{"loop.h", "int stream_write(Loop *loop);",
			"hut/loop.h:3: declares stream_write, which stream.c defines; stream.h does that"},
		{"loop.h", "PyObject *loop_gone(void) __attribute__((cold));", "declares loop_gone, which no file of hut defines"},
		{"loop.c", "Loop *loop_new(void) { return 0; }",
			"defines loop_new, which is not static and which loop.h does not declare"},
		{"loop.c", "#define TAKES(f) int f(void) { return 0; }\nTAKES(loop_take)\nstatic TAKES(g)",
			"hut/loop.c:4: defines loop_take"},
		{"loop.h", "int loop_new(void) { return 0; }", "defines loop_new, which is not static, in a header"},
		{"loop.c", "static Loop *f(void);\nstatic int (*choose(int a))(void);\ntypedef int handler(void);\nstruct other;",
			""},
		{"loop.c", "#define TAKES(f) static int f(void) { return 0; }\nTAKES(take)\nstatic_assert(1, \"\");\nPyDoc_STRVAR(doc, \"f()\");",
			""},

		// variables
		{"loop.c", "static PyObject *empty;",
			"hut/loop.c:3: keeps a Python object in the C variable empty; it belongs into the module's state"},
		{"loop.c", "static int a = 1, *b, (*c)(void);", "hut/loop.c:3: can write the C variable a; what guards it is not in the table\n" +
			"hut/loop.c:3: can write the C variable b; what guards it is not in the table\nhut/loop.c:3: can write the C variable c"},
		{"loop.c", "static PyTypeObject type = {.tp_name = \"x\"};", "keeps a Python object in the C variable type"},
		{"loop.c", "static PyTypeObject *types[8];", "variable types"},
		{"loop.c", "static const PyObject *empty = NULL;", "variable empty"},
		{"loop.c", "static _Atomic(PyObject *) empty;", "variable empty"},
		{"loop.c", "static __thread PyObject *empty;", "variable empty"},
		{"loop.c", "static int f(void) {\n    static PyObject *word = NULL;\n    return !word;\n}",
			"hut/loop.c:4: keeps a Python object in the C variable word"},
		{"loop.c", "static Loop *last;", "keeps a Python object in the C variable last"},
		{"loop.c", "struct list { struct list *next; Loop *loop; };\nstatic struct list head;",
			"hut/loop.c:4: keeps a Python object"},
		{"loop.c", "#define FIELDS(X) X(a) X(b)\nstatic struct {\n#define X(n) PyObject *n;\nFIELDS(X)\n} words;",
			"variable words"},
		{"loop.c", "typedef PyObject *object;\nstatic object (*make)(void), kept;",
			"can write the C variable make; what guards it is not in the table\nhut/loop.c:4: keeps a Python object in the C variable kept"},
		{"loop.c", "static struct { PyObject *(*make)(PyObject *); } calls;", "can write the C variable calls"},
		{"ring.c", "static int rings_free;", "can write the C variable rings_free"},
		{"loop.c", "static PyMethodDef methods[] = {{\"f\", f, METH_O, doc}, {0}};\nstatic struct PyModuleDef module;", ""},
		{"loop.c", "static const char *const words[] = {\"a\"}, letter = 'a';\nstatic PyObject *(*const calls[])(void) = {0};",
			""},
		{"loop.c", "static _Thread_local bool done;\nstatic int f(void) { PyObject *local = 0; return !local; }", ""},
	} {
		files := maps.Clone(hutFiles)
		files[test.file] += test.source + "\n"
		problems := strings.Join(hut.check(files), "\n")
		if count := strings.Count(problems, "\n") - strings.Count(test.problem, "\n"); test.problem == "" && problems != "" ||
			!strings.Contains(problems, test.problem) || count != 0 {
			t.Errorf("%s with\n%s\ngot  %q\nwant %q", test.file, test.source, problems, test.problem)
		}
	}
}

// TestHouseTable has files and a table that do not fit each other.
func TestHouseTable(t *testing.T) {
	for _, test := range []struct {
		change  func(h *house, files map[string]string)
		problem string
	}{
		{func(_ *house, files map[string]string) { files["util.h"] = "" }, "hut/util.h is not in the table of internal/policy"},
		{func(_ *house, files map[string]string) { files["deep/base.c"] = "" }, "hut/deep/base.c is not in the table"},
		{func(_ *house, files map[string]string) { delete(files, "base.h") }, "base is in the table, and hut has neither base.h nor base.c"},
		{func(_ *house, files map[string]string) { files["stream.c"] = "int stream_write(Loop *l) { return 0; }" },
			"hut/stream.c:1: does not include stream.h, the header of its noun"},
		{func(h *house, _ map[string]string) { h.floors = append(h.floors, "ring") }, "hut/ring.h is in the table twice"},
		{func(h *house, _ map[string]string) { h.parts = map[string]string{"stream": "stream_read stream_eof"} }, "stream_eof is in the table"},
		{func(h *house, _ map[string]string) { h.parts = map[string]string{"stream": "stream_read", "tls": ""} }, "tls has parts"},
		{func(h *house, _ map[string]string) {
			h.guards = map[string]string{"ring.c rings": "a lock", "ring.c gone": "a lock"}
		},
			"ring.c gone has a guard in the table, and hut has no such variable"},
		{func(h *house, _ map[string]string) { h.outside = map[string]string{"Python.h": "base gone"} }, "gone may include Python.h"},
		// Two that include each other: whichever stands higher, the other includes upwards.
		{func(_ *house, files map[string]string) { files["loop.h"] += "#include \"stream.h\"\n" }, "hut/loop.h:3: includes stream.h"},
		{func(h *house, files map[string]string) {
			files["loop.h"] += "#include \"stream.h\"\n"
			h.floors = []string{"base", "stream", "loop ring", "module"}
		}, "hut/stream.h:1: includes loop.h of floor 3 (loop ring)"},
	} {
		changed, files := hut, maps.Clone(hutFiles)
		test.change(&changed, files)
		if problems := changed.check(files); !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, test.problem) }) {
			t.Errorf("got %q, want %q", problems, test.problem)
		}
	}
}
