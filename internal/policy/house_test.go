package policy

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// house is a folder of C with floors. A noun is a header x.h with its x.c, or one of the two alone, and what
// parts adds. The rules:
//
//   - A file includes, calls and names only what stands on a lower floor or belongs to its own noun.
//   - What is not static is declared in its noun's header, and nowhere else.
//   - No variable outside of a function's frame holds a Python object, or points to what holds one.
//   - A variable that can be written and is no thread's own stands in guards.
type house struct {
	folder  string
	floors  []string          // from the ground up, the nouns of each
	parts   map[string]string // of a noun: its other .c files
	outside map[string]string // headers of other folders, and the nouns that may include them
	guards  map[string]string // "file variable": what keeps two threads from it
	entries []string          // functions that the world calls: no header of the folder declares them
}

// place is where a noun stands; floors count from 1.
type place struct {
	noun  string
	floor int
}

// nouns is where each noun stands, places where each file that may exist does.
func (h house) nouns() (nouns, places map[string]place, problems []string) {
	nouns, places = map[string]place{}, map[string]place{}
	for i, floor := range h.floors {
		for _, noun := range strings.Fields(floor) {
			files := []string{noun + ".h", noun + ".c"}
			for _, part := range strings.Fields(h.parts[noun]) {
				files = append(files, part+".c")
			}
			for _, file := range files {
				if _, twice := places[file]; twice {
					problems = append(problems, h.folder+"/"+file+" is in the table twice")
				}
				places[file] = place{noun, i + 1}
			}
			nouns[noun] = place{noun, i + 1}
		}
	}
	return nouns, places, problems
}

// floor names one, for messages.
func (h house) floor(at place) string {
	return fmt.Sprintf("floor %d (%s)", at.floor, h.floors[at.floor-1])
}

// check tells what the files of the folder, by their names in it, do against the rules.
func (h house) check(sources map[string]string) []string {
	nouns, places, problems := h.nouns()
	files := map[string]*cFile{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if _, known := places[name]; !known {
			problems = append(problems, h.folder+"/"+name+" is not in the table of internal/policy")
			continue
		}
		files[name] = parseC(sources[name])
	}
	problems = append(problems, h.checkTable(nouns, files)...)
	known := newKnown(files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c := checked{h, known, places, files, name, nil}
		c.includes()
		c.declarations()
		c.uses()
		c.variables()
		slices.SortStableFunc(c.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
		for _, p := range c.problems {
			problems = append(problems, fmt.Sprintf("%s/%s:%d: %s", h.folder, name, p.line, p.text))
		}
	}
	return problems
}

// checkTable looks for entries that are about nothing.
func (h house) checkTable(nouns map[string]place, files map[string]*cFile) (problems []string) {
	missing := func(format string, words ...any) { problems = append(problems, fmt.Sprintf(format, words...)) }
	for _, noun := range slices.Sorted(maps.Keys(nouns)) {
		if files[noun+".h"] == nil && files[noun+".c"] == nil {
			missing("%s is in the table, and %s has neither %[1]s.h nor %[1]s.c", noun, h.folder)
		}
	}
	for _, noun := range slices.Sorted(maps.Keys(h.parts)) {
		if _, found := nouns[noun]; !found {
			missing("%s has parts in the table and stands on no floor", noun)
		}
		for _, part := range strings.Fields(h.parts[noun]) {
			if files[part+".c"] == nil {
				missing("%s is in the table, and %s has no %[1]s.c", part, h.folder)
			}
		}
	}
	for _, header := range slices.Sorted(maps.Keys(h.outside)) {
		for _, noun := range strings.Fields(h.outside[header]) {
			if _, found := nouns[noun]; !found {
				missing("%s may include %s and stands on no floor", noun, header)
			}
		}
	}
	for _, guarded := range slices.Sorted(maps.Keys(h.guards)) {
		file, variable, _ := strings.Cut(guarded, " ")
		if files[file] == nil || !slices.ContainsFunc(files[file].defined, func(s cSymbol) bool { return s.name == variable }) {
			missing("%s has a guard in the table, and %s has no such variable", guarded, h.folder)
		}
	}
	return problems
}

type problem struct {
	line int
	text string
}

// checked is one file under examination.
type checked struct {
	house
	known
	places   map[string]place
	files    map[string]*cFile
	name     string
	problems []problem
}

func (c *checked) problem(line int, format string, words ...any) {
	c.problems = append(c.problems, problem{line, fmt.Sprintf(format, words...)})
}

// above tells whether what stands in another file is out of this one's reach.
func (c *checked) above(other string) (place, bool) {
	at, here := c.places[other], c.places[c.name]
	return at, at.noun != here.noun && at.floor >= here.floor
}

func (c *checked) includes() {
	here := c.places[c.name]
	own := path.Ext(c.name) == ".h" || c.files[here.noun+".h"] == nil
	for _, include := range c.files[c.name].includes {
		header := strings.Trim(include.text, `"<>`)
		allowed, outside := c.outside[header]
		_, inside := c.places[header]
		switch {
		case outside:
			if !slices.Contains(strings.Fields(allowed), here.noun) {
				c.problem(include.line, "includes %s; only %s may", header, allowed)
			}
		case inside && path.Ext(header) == ".h":
			own = own || header == here.noun+".h"
			if at, above := c.above(header); above {
				c.problem(include.line, "includes %s of %s; %s stands on %s and may include lower floors only",
					header, c.floor(at), here.noun, c.floor(here))
			}
		case include.text[0] != '<':
			c.problem(include.line, "includes %s, which is no header of the table", include.text)
		}
	}
	if !own {
		c.problem(1, "does not include %s.h, the header of its noun", here.noun)
	}
}

// declarations holds that a header declares what its noun's files define, and only a header does.
func (c *checked) declarations() {
	file, here, header := c.files[c.name], c.places[c.name], path.Ext(c.name) == ".h"
	for _, symbol := range file.declared {
		at, found := c.defined[symbol.name]
		switch {
		case symbol.static:
		case !header:
			c.problem(symbol.line, "declares %s, which is not static; the header of the noun that defines it does that", symbol.name)
		case !found:
			c.problem(symbol.line, "declares %s, which no file of %s defines", symbol.name, c.folder)
		case c.places[at].noun != here.noun:
			c.problem(symbol.line, "declares %s, which %s defines; %s.h does that", symbol.name, at, c.places[at].noun)
		}
	}
	for _, symbol := range file.defined {
		own := c.files[here.noun+".h"]
		declared := own != nil && slices.ContainsFunc(own.declared, func(s cSymbol) bool { return s.name == symbol.name })
		switch {
		case symbol.static || slices.Contains(c.entries, symbol.name):
		case header:
			c.problem(symbol.line, "defines %s, which is not static, in a header", symbol.name)
		case !declared:
			c.problem(symbol.line, "defines %s, which is not static and which %s.h does not declare", symbol.name, here.noun)
		}
	}
}

// uses holds that what is called, or has its address taken, stands lower.
func (c *checked) uses() {
	file, here := c.files[c.name], c.places[c.name]
	for _, use := range file.uses {
		at, found := c.defined[use.text]
		if !found || slices.ContainsFunc(file.defined, func(s cSymbol) bool { return s.name == use.text }) {
			continue
		}
		if where, above := c.above(at); above {
			c.problem(use.line, "uses %s of %s, %s; %s stands on %s and may use lower floors only",
				use.text, at, c.floor(where), here.noun, c.floor(here))
		}
	}
}
