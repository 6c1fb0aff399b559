//go:debug gotypesalias=0

// Command gengopy binds the functions of a Go package with gopy: it writes a Go package of exported functions, and the C
// file of the Python module that calls them. Both become part of the engine's library.
//
//	gengopy -python PYTHON -out FOLDER [-cflags FLAGS] [-stamp TEXT] PACKAGE
//
// PYTHON has pybindgen; TEXT is written to FOLDER/stamp, last; FLAGS compile the C file: where Python.h lies, and which of its interfaces is meant. What is written is built
// with the tag gopy only. gopy's own commands build twice, need goimports on PATH and write this machine's paths; its package bind
// is driven here instead. What gopy makes for types, slices, maps and callbacks is left out, for the packages that are bound have
// only functions of numbers and strings: nothing of Go's is kept alive from Python, and nothing of Python's from Go.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/go-python/gopy/bind"
	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/imports"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gengopy: ")
	python := flag.String("python", "python3", "a Python that has pybindgen")
	out := flag.String("out", "", "folder of the package that is written")
	cflags := flag.String("cflags", "", "flags for the C compiler")
	stamp := flag.String("stamp", "", "what the file stamp says once all is written")
	flag.Parse()
	if *out == "" || flag.NArg() != 1 {
		log.Fatal("gengopy -python PYTHON -out FOLDER [-cflags FLAGS] PACKAGE")
	}
	place := filepath.Join(*out, "stamp")
	if err := os.Remove(place); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Fatal(err)
	}
	if err := run(*python, *out, *cflags, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(place, []byte(*stamp), 0o666); err != nil {
		log.Fatal(err)
	}
}

func run(python, out, cflags, path string) error {
	dir, err := os.MkdirTemp("", "gengopy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name, err := bindWithGopy(python, dir, path)
	if err != nil {
		return err
	}
	goFile, err := os.ReadFile(filepath.Join(dir, name+".go"))
	if err != nil {
		return err
	}
	goFile, err = onlyFunctions(goFile, name, filepath.Base(out), cflags)
	if err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(dir, "build.py"))
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(dir, "build.py"), onlyLines(script, name), 0o600); err != nil {
		return err
	}
	command := exec.Command(python, "build.py")
	command.Dir, command.Stdout, command.Stderr = dir, os.Stderr, os.Stderr
	if err = command.Run(); err != nil {
		return fmt.Errorf("%s with pybindgen: %w", python, err)
	}
	cFile, err := os.ReadFile(filepath.Join(dir, name+".c"))
	if err != nil {
		return err
	}
	if err = os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(out, name+".go"), goFile, 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, name+".c"), ofTheStableABI(cFile), 0o666)
}

// bindWithGopy lets gopy write its files for the package at path into dir, and returns the package's name.
func bindWithGopy(python, dir, path string) (string, error) {
	found, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedFiles | packages.NeedDeps |
		packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedTypes | packages.NeedTypesSizes}, path)
	if err != nil {
		return "", err
	}
	if len(found) != 1 || len(found[0].Errors) > 0 {
		return "", fmt.Errorf("%s is not one package without errors: %v", path, found)
	}
	p := found[0]
	fset := token.NewFileSet()
	var files []*ast.File
	for _, file := range p.GoFiles {
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			return "", err
		}
		files = append(files, f)
	}
	docs, err := doc.NewFromFiles(fset, files, p.PkgPath)
	if err != nil {
		return "", err
	}
	stdout := os.Stdout
	os.Stdout = os.Stderr // gopy tells of its progress
	defer func() { os.Stdout = stdout }()
	if _, err = bind.NewPackage(p.Types, docs); err != nil {
		return "", err
	}
	bind.NoMake = true
	return p.Name, bind.GenPyBind(bind.ModeBuild, ".so", "", 3, true, &bind.BindCfg{OutputDir: dir, Name: p.Name, Cmd: "gengopy", VM: python})
}

// kept are the functions of gopy's preamble that the others call.
var kept = map[string]bool{"boolGoToPy": true, "boolPyToGo": true}

// onlyFunctions makes of gopy's Go file one package's, with the functions of the bound package and what they need.
func onlyFunctions(source []byte, name, packageName, cflags string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name+".go", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	at := func(p token.Pos) int { return fset.Position(p).Offset }
	var functions []string
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !kept[f.Name.Name] && !strings.HasPrefix(f.Name.Name, name+"_") {
			continue
		}
		from := f.Pos()
		if f.Doc != nil {
			from = f.Doc.Pos()
		}
		functions = append(functions, string(source[at(from):at(f.End())]))
	}
	sort.Strings(functions)
	text := fmt.Sprintf(`// Code generated by gengopy. DO NOT EDIT.

//go:build gopy

package %s

/*
#cgo CFLAGS: -w %s
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stdint.h>
#include <stdlib.h>
#include <%s>
*/
import "C"

%s
`, packageName, cflags, "Python.h", strings.Join(functions, "\n\n"))
	return imports.Process(name+".go", []byte(text), nil)
}

var (
	adds = regexp.MustCompile(`^(mod\.add_function|add_checked\w*)\(`)
)

// onlyLines keeps of gopy's script for pybindgen the functions of the bound package, by name: gopy takes them from a map,
// and the same sources are to give the same bytes.
func onlyLines(script []byte, name string) []byte {
	var lines, functions []string
	first := 0
	for line := range strings.Lines(string(script)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case !adds.MatchString(line):
			lines = append(lines, strings.ReplaceAll(line, `"`+name+`_go.h"`, `"_cgo_export.h"`))
		case strings.Contains(line, "'"+name+"_"):
			if functions == nil {
				first = len(lines)
			}
			functions = append(functions, line)
		}
	}
	sort.Strings(functions)
	return []byte(strings.Join(slices.Insert(lines, first, functions...), "\n") + "\n")
}

// ofTheStableABI takes from pybindgen's file the one type that Python's stable ABI has not, and that nothing uses.
func ofTheStableABI(source []byte) []byte {
	return bytes.ReplaceAll(source, []byte("typedef PyAsyncMethods* cmpfunc;"), []byte("typedef void* cmpfunc;"))
}
