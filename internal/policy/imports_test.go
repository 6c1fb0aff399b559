// Package policy holds no code, only what the tree promises about itself. It
// knows the tree's files as text, whatever platform they are for, and runs none.
package policy

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the policy: imports run downwards. It names every Go package of the
// tree and all that its files may import, tests and other platforms' included.
//
//	std   the standard library, less what never forbids
//	xsys  golang.org/x/sys
//	gopy  github.com/go-python/gopy, and golang.org/x/tools for it
//	C     cgo
//	other words: folders of this tree
//
// A package that is not in the table may not exist.
var imports = map[string]string{
	"internal/sys":     "std xsys",
	"selector":         "std xsys internal/sys",
	"internal/batch":   "std xsys internal/sys",
	"internal/mapped":  "std xsys internal/sys",
	"internal/hosts":   "std xsys internal/sys",
	"loop":             "std xsys internal/sys selector internal/batch internal/hosts internal/mapped",
	"unixevents":       "std xsys internal/sys selector loop",
	"control/loops":    "std loop",
	"control/asking":   "std xsys",
	"control/watchdog": "std loop control/loops control/asking",
	"control/endpoint": "std loop control/loops control/asking control/watchdog",
	"control":          "std selector loop control/loops control/asking control/watchdog control/endpoint",
	"pybind":           "std xsys internal/sys selector loop unixevents control/loops control/asking build/gopy C",

	// Outside of the engine.
	"benchmarks/loadgen": "std xsys internal/batch",
	"internal/policy":    "std",
	"internal/gengopy":   "std gopy",
}

// never lists what no package of the engine may import, and why. Tests may: they
// are not part of the library.
var never = map[string]string{
	"os/signal": "with it Ctrl-C was lost; signals come through set_wakeup_fd",
}

// engine is what never is about: the packages that live in a Python process.
var engine = []string{"internal/sys", "selector", "internal/batch", "internal/mapped", "internal/hosts", "loop", "unixevents", "pybind"}

// pythonHeader is the one folder whose files may include Python.h.
const pythonHeader = "pybind/ext"

// header stands apart from the include, or this package would have files that include it.
const header = "Python.h"

// starved is what tests build into the extension.
const starved = "tests/nomemory"

// elsewhere are folders that belong to other modules or to no source at all.
var elsewhere = []string{".git", ".sid", ".venv", "build", "dist", "tools", "testdata", "vendor"}

func TestImportsRunDownwards(t *testing.T) {
	seen := map[string]bool{}
	walk(t, ".go", func(name string, source []byte) {
		seen[path.Dir(name)] = true
		for _, problem := range checkImports(name, source) {
			t.Error(problem)
		}
	})
	for folder := range imports {
		if !seen[folder] {
			t.Errorf("%s is in the table and has no Go file", folder)
		}
	}
}

func TestOnlyTheExtensionIncludesPython(t *testing.T) {
	seen := false
	for _, extension := range []string{".c", ".h", ".go"} {
		walk(t, extension, func(name string, source []byte) {
			if !includesPython(source) {
				return
			}
			seen = true
			if dir := path.Dir(name); dir != pythonHeader && dir != starved {
				t.Errorf("%s includes Python.h; only %s may", name, pythonHeader)
			}
		})
	}
	if !seen {
		t.Errorf("no file of %s includes Python.h: does this test look in the right place?", pythonHeader)
	}
}

// TestCheckImports breaks the policy on purpose, once for each way to do it.
func TestCheckImports(t *testing.T) {
	for _, test := range []struct {
		name, source string
		problem      string // a part of it, or empty
	}{
		{"selector/a.go", `import "golang.org/x/sys/unix"`, ""},
		{"loop/a.go", `import "goloop/selector"`, ""},
		{"unixevents/a_test.go", `import ("testing"; "goloop/loop")`, ""},
		{"pybind/a.go", `import "C"`, ""},
		{"selector/a_test.go", `import "os/signal"`, ""},

		{"selector/a.go", `import "goloop/loop"`, "selector may import std xsys"},
		{"selector/kqueue_bsd_test.go", `import "goloop/loop"`, "goloop/loop"},
		{"loop/a.go", "//go:build plan9\n\npackage x\nimport \"goloop/unixevents\"", "goloop/unixevents"},
		{"loop/a.go", `import "C"`, `"C"`},
		{"pybind/ext/a.go", `import "C"`, "pybind/ext is not in the table"},
		{"unixevents/a.go", `import "goloop/pybind"`, "goloop/pybind"},
		{"loop/a.go", `import "golang.org/x/sync/errgroup"`, "golang.org/x/sync"},
		{"loop/a.go", `import "goloop/internal/other"`, "goloop/internal/other"},
		{"unixevents/a.go", `import "os/signal"`, "Ctrl-C"},
		{"util/a.go", ``, "util is not in the table"},
		{"loop/a.go", `import`, "missing import path"},
	} {
		source := test.source
		if !strings.Contains(source, "package x") {
			source = "package x\n" + source
		}
		problems := strings.Join(checkImports(test.name, []byte(source)), "\n")
		if test.problem == "" && problems != "" || !strings.Contains(problems, test.problem) {
			t.Errorf("%s with %s: got %q, want %q", test.name, test.source, problems, test.problem)
		}
	}
	for source, want := range map[string]bool{
		"#include <" + header + ">":                                 true,
		"package x\n// #  include \"" + header + "\"\nimport \"C\"": true,
		"// " + header: false,
	} {
		if includesPython([]byte(source)) != want {
			t.Errorf("includesPython(%q) is not %v", source, want)
		}
	}
}

// checkImports tells what one file imports against the policy. Build constraints
// do not matter to it.
func checkImports(name string, source []byte) (problems []string) {
	folder := path.Dir(name)
	allowed, known := imports[folder]
	if !known {
		return []string{name + ": package " + folder + " is not in the table of internal/policy"}
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		return []string{err.Error()}
	}
	test := strings.HasSuffix(name, "_test.go")
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{name + ": " + err.Error()}
		}
		word := wordFor(imported)
		// An external test (package x_test) imports the package it is about.
		own := word == folder && test
		if !own && !slices.Contains(strings.Fields(allowed), word) {
			problems = append(problems, name+": imports "+strconv.Quote(imported)+"; "+folder+" may import "+allowed)
		}
		if why, found := never[imported]; found && !test && slices.Contains(engine, folder) {
			problems = append(problems, name+": imports "+strconv.Quote(imported)+": "+why)
		}
	}
	return problems
}

// wordFor is the table's word for an import path.
func wordFor(imported string) string {
	root, rest, _ := strings.Cut(imported, "/")
	switch {
	case imported == "C":
		return "C"
	case root == "goloop":
		return rest
	case strings.HasPrefix(imported, "golang.org/x/sys/"):
		return "xsys"
	case strings.HasPrefix(imported, "github.com/go-python/gopy/"), strings.HasPrefix(imported, "golang.org/x/tools/"):
		return "gopy"
	case strings.Contains(root, "."):
		return imported // a module that the table has no word for
	default:
		return "std"
	}
}

var pythonInclude = regexp.MustCompile(`#\s*include\s*[<"]Python\.h[>"]`)

// includesPython tells whether a C file, or the preamble of a Go file, includes Python.h.
func includesPython(source []byte) bool { return pythonInclude.Match(source) }

// walk calls visit for every file of the tree with this extension; names are
// relative to the top and have slashes.
func walk(t *testing.T, extension string, visit func(name string, source []byte)) {
	t.Helper()
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(elsewhere, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(file) != extension {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(name), source)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
