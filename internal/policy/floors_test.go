package policy

import (
	"strings"
	"testing"
)

// extension is the table of pybind/ext; house says what it means.
var extension = house{
	folder: pythonHeader,

	// A line is a floor, the first is the ground. What stands on one knows nothing of its neighbours.
	floors: []string{
		"base",
		"compat",
		"state",
		"errors sockaddr limits sigstack plain",
		"loop",
		"engine",
		"ring",
		"ready",
		"handle",
		"threadsafe clock",
		"timer",
		"descriptors",
		"watch child names connect",
		"readiness",
		"transport",
		"sending extra",
		"callback",
		"owed",
		"stream",
		"pipe datagram tls",
		"listener",
		"accept",
		"nested",
		"turn",
		"looptype",
		"module",
	},

	// The .c files of a noun besides its own.
	parts: map[string]string{
		"stream": "stream_read stream_write",
		"tls":    "tls_read",
	},

	// Who may include what lies elsewhere; all others get it through these.
	outside: map[string]string{
		header:  "base",
		"abi.h": "loop ring",
	},

	// C variables that can be written, and what keeps two threads from doing so at once.
	guards: map[string]string{
		"transport.c keywords": "never written: PyArg_ParseTupleAndKeywords takes no constant",
	},

	entries: []string{"PyInit__core"},
}

func TestTheExtensionKeepsItsFloors(t *testing.T) {
	files := map[string]string{}
	for _, suffix := range []string{".c", ".h"} {
		walk(t, suffix, func(name string, source []byte) {
			if file, inside := strings.CutPrefix(name, extension.folder+"/"); inside {
				files[file] = string(source)
			}
		})
	}
	for _, problem := range extension.check(files) {
		t.Error(problem)
	}
}
