package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// seamed are the packages whose system calls a test can make fail: all stand in internal/sys.
var seamed = []string{"selector", "internal/batch", "internal/mapped", "internal/hosts", "loop", "unixevents"}

// noCalls are functions and types of packages syscall and unix that ask the system for nothing.
var noCalls = []string{"Errno", "NsecToTimespec", "NsecToTimeval", "SetKevent", "Signal", "WaitStatus"}

// callers are the files about threads of the runtime, and the one that lends internal/sys a way to make its calls.
var callers = []string{"selector/park_linux.go", "selector/threads_linux.go"}

func TestSystemCallsStandAtTheEdge(t *testing.T) {
	walk(t, ".go", func(name string, source []byte) {
		for _, problem := range checkCalls(name, source) {
			t.Error(problem)
		}
	})
}

func TestCheckCalls(t *testing.T) {
	for _, test := range []struct {
		name, source string
		problem      bool
	}{
		{"loop/a.go", `syscall.Close(1)`, true},
		{"loop/a.go", `syscall.RawSyscall(1, 2, 3, 4)`, true},
		{"selector/a_bsd.go", `unix.Kqueue()`, true},
		{"unixevents/a.go", `_ = sys.Close(1)`, false},
		{"loop/a.go", `_ = syscall.Errno(1)`, false},
		{"loop/a_test.go", `unix.Close(1)`, false},
		{"internal/sys/a.go", `unix.Close(1)`, false},
		{"selector/park_linux.go", `syscall.RawSyscall6(1, 2, 3, 4, 5, 6, 7)`, false},
	} {
		problems := checkCalls(test.name, []byte("package x\nfunc f() { "+test.source+" }"))
		if (len(problems) > 0) != test.problem {
			t.Errorf("%s with %s: got %q", test.name, test.source, problems)
		}
	}
}

// checkCalls tells which system calls one file makes past internal/sys.
func checkCalls(name string, source []byte) (problems []string) {
	if !slices.Contains(seamed, path.Dir(name)) || slices.Contains(callers, name) || strings.HasSuffix(name, "_test.go") {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
	if err != nil {
		return []string{err.Error()}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		call, _ := node.(*ast.CallExpr)
		if call == nil {
			return true
		}
		function, _ := call.Fun.(*ast.SelectorExpr)
		if function == nil {
			return true
		}
		of, _ := function.X.(*ast.Ident)
		if of != nil && (of.Name == "syscall" || of.Name == "unix") && !slices.Contains(noCalls, function.Sel.Name) {
			problems = append(problems, name+": calls "+of.Name+"."+function.Sel.Name+", which belongs into internal/sys")
		}
		return true
	})
	return problems
}
