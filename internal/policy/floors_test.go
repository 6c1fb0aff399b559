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
		"compat",
		"base",
		"guard",
		"state",
		"loop sockaddr capacity sigstack plain reader named",
		"errors engine tasks snapshot",
		"handle ready control pulse",
		"threadsafe inbox call",
		"ring soon clock",
		"scheduled descriptors",
		"timer look",
		"completion watch names connect near",
		"readiness transport",
		"arrival attached callback extra",
		"nested sending ending",
		"flow settle owed",
		"methods",
		"stream",
		"datagram pipe tls",
		"listener",
		"accept",
		"server dispatch",
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
		header:   "compat",
		"abi.h":  "base",
		"room.h": "capacity",
	},

	// C variables that can be written, and what keeps two threads from doing so at once.
	guards: map[string]string{
		"engine.c process_generation": "written in a forked child only, before it has other threads",
		"engine.c load_lock":          "is a lock",
		"engine.c api":                "load_lock; read by loops that were opened later; first is the engine's, by the lock of its table",
		"engine.c api_generation":     "atomic",
		"engine.c loaded_library":     "load_lock; read once its generation is",
		"engine.c atfork_registered":  "load_lock",
		"pulse.c number":              "the thread's own",
		"pulse.c generation":          "the thread's own",
		"sigstack.c key":              "once",
		"sigstack.c have_key":         "once",
		"sigstack.c once":             "pthread_once",
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
