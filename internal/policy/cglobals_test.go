package policy

import (
	"maps"
	"path"
	"regexp"
	"slices"
)

// known is what the files of the folder say to each other.
type known struct {
	defined map[string]string // a function or variable that is not another file's secret: the file that defines it
	types   map[string][]cToken
}

func newKnown(files map[string]*cFile) known {
	k := known{map[string]string{}, map[string][]cToken{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, symbol := range files[name].defined {
			if !symbol.static || path.Ext(name) == ".h" {
				k.defined[symbol.name] = name
			}
		}
		for _, parts := range []map[string][]cToken{files[name].types, files[name].macros} {
			for word, tokens := range parts {
				k.types[word] = append(k.types[word], tokens...)
			}
		}
	}
	return k
}

var (
	objects = regexp.MustCompile(`^_?Py\w*Object(_\w*HEAD)?$`)
	// tables are types of CPython's whose variables are constant, though it does not say so.
	tables = regexp.MustCompile(`^Py(MethodDef|MemberDef|GetSetDef|Type_Slot|Type_Spec|ModuleDef|ModuleDef_Slot)$`)
)

// holds tells whether a type holds or points to a Python object, over as many structs as it may be.
// Functions that return one do not count.
func (k known) holds(tokens []cToken, seen map[string]bool) bool {
	for i := 0; i < len(tokens); i++ {
		if tokens[i].text == "(" {
			i = closing(tokens, i)
			continue
		}
		next := i + 1
		for next < len(tokens) && tokens[next].text == "*" {
			next++
		}
		if next > i+1 && next < len(tokens) && tokens[next].text == "(" || seen[tokens[i].text] {
			continue
		}
		if objects.MatchString(tokens[i].text) {
			return true
		}
		if inside, found := k.types[tokens[i].text]; found {
			seen[tokens[i].text] = true
			if k.holds(inside, seen) {
				return true
			}
		}
	}
	return false
}

// variables holds that none outside of a function's frame keeps a Python object, and that each that can be
// written has its guard.
func (c *checked) variables() {
	for _, symbol := range c.files[c.name].defined {
		switch {
		case symbol.function || symbol.constant:
		case !symbol.pointer && c.holds(symbol.base, map[string]bool{}):
			c.problem(symbol.line, "keeps a Python object in the C variable %s; it belongs into the module's state", symbol.name)
		case symbol.thread || slices.ContainsFunc(symbol.base, func(t cToken) bool { return tables.MatchString(t.text) }):
		case c.guards[c.name+" "+symbol.name] == "":
			c.problem(symbol.line, "can write the C variable %s; what guards it is not in the table", symbol.name)
		}
	}
}
