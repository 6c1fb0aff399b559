package policy

import (
	"slices"
	"strings"
)

// cFile is what the rules ask about a C file. It is parsed as text: what is declared through a
// macro is not seen, but for functions (see invoke) and for objects in structs.
type cFile struct {
	includes []cToken            // as written, with their quotes
	defined  []cSymbol           // functions with a body, variables
	declared []cSymbol           // prototypes, extern variables
	uses     []cToken            // what is called, or named in any other way, in code, macros and initialisers
	types    map[string][]cToken // of a struct, union or typedef: what it is made of
	macros   map[string][]cToken // bodies; where there are several, one after the other
}

// cSymbol is a function or a variable.
type cSymbol struct {
	name     string
	line     int
	function bool
	static   bool
	constant bool     // a variable that cannot be written
	pointer  bool     // a variable that points to a function
	thread   bool     // each thread has one
	base     []cToken // of a variable: its type, without stars
}

var storage = []string{"static", "extern", "inline", "__inline", "register", "_Thread_local", "__thread", "thread_local"}

func parseC(source string) *cFile {
	f := &cFile{types: map[string][]cToken{}, macros: map[string][]cToken{}}
	tokens, directives := cTokens(source)
	for _, d := range directives {
		switch {
		case len(d.words) == 0:
		case slices.Contains([]string{"include", "include_next", "import"}, d.name):
			name := ""
			for _, word := range d.words {
				name += word.text
			}
			f.includes = append(f.includes, cToken{name, d.words[0].line})
		case d.name == "define":
			body, parameters := d.words[1:], []string(nil)
			if d.glued {
				end := closing(body, 0)
				parameters = names(body[:end])
				body = body[end+1:]
			}
			f.macros[d.words[0].text] = append(f.macros[d.words[0].text], body...)
			f.use(withoutLists(body, parameters), parameters)
		}
	}
	f.items(tokens)
	return f
}

// withoutLists takes away what a macro gives to one that is its parameter, as in
// #define NAMES(X) X(read) X(write): these are words, and what they mean is X's.
func withoutLists(body []cToken, parameters []string) (rest []cToken) {
	for i := 0; i < len(body); i++ {
		rest = append(rest, body[i])
		if slices.Contains(parameters, body[i].text) && i+1 < len(body) && body[i+1].text == "(" {
			i = closing(body, i+1)
		}
	}
	return rest
}

// items reads what stands at file scope.
func (f *cFile) items(tokens []cToken) {
	var head []cToken // of the item so far, without initialisers and sizes of arrays
	for i := 0; i < len(tokens); i++ {
		switch tokens[i].text {
		case ";":
			f.declare(head)
			head = nil
		case "=":
			end := until(tokens, i, ",", ";")
			f.use(tokens[i:end], nil)
			i = end - 1
		case "[":
			end := closing(tokens, i)
			f.use(tokens[i:end], nil)
			i = end
		case "(":
			end := closing(tokens, i)
			head = append(head, tokens[i:end+1]...)
			if before := without(head[:len(head)-(end+1-i)], storage); len(before) == 1 && tokens[i+1].text != "*" {
				f.invoke(head, before[0], tokens[i+1:end])
				head = nil
			}
			i = end
		case "{":
			end := closing(tokens, i)
			if len(head) > 0 && head[len(head)-1].text != ")" { // of a struct or enum
				head = append(head, tokens[i:end+1]...)
			} else {
				f.define(head, tokens[i+1:end])
				head = nil
			}
			i = end
		default:
			head = append(head, tokens[i])
		}
	}
}

// invoke is a macro that stands where a declaration would. One of ours defines the function that
// its first argument names; it is static if the macro says so, or the word before it.
func (f *cFile) invoke(head []cToken, macro cToken, arguments []cToken) {
	if strings.HasPrefix(macro.text, "Py") || strings.HasPrefix(macro.text, "GUARDED_") || strings.HasSuffix(macro.text, "assert") || len(arguments) == 0 {
		return
	}
	f.defined = append(f.defined, cSymbol{name: arguments[0].text, line: macro.line, function: true,
		static: contains(bare(head), "static") || len(f.macros[macro.text]) > 0 && f.macros[macro.text][0].text == "static"})
	f.use(arguments[1:], nil)
}

// define is a function with its body. Without a head it is the rest of one whose
// beginning an #if has in two versions.
func (f *cFile) define(head, body []cToken) {
	f.defined = append(f.defined, symbols(head)...)
	f.use(body, append(names(head), locals(body)...))
	for i := 0; i < len(body); i++ { // what a block declares as if it stood outside
		if text := body[i].text; text == "static" || text == "extern" {
			inner := &cFile{types: f.types, macros: f.macros}
			end := until(body, i, ";")
			inner.items(append(slices.Clone(body[i:end]), cToken{";", body[i].line}))
			f.defined = append(f.defined, inner.defined...)
			f.declared = append(f.declared, inner.declared...)
			i = end
		}
	}
}

// declare is an item that ends with a semicolon.
func (f *cFile) declare(head []cToken) {
	for i, token := range head[:max(0, len(head)-1)] {
		if token.text == "struct" || token.text == "union" {
			if brace := until(head, i, "{"); brace == i+2 {
				f.types[head[i+1].text] = append(f.types[head[i+1].text], head[brace:closing(head, brace)+1]...)
			}
		}
	}
	for _, symbol := range symbols(without(head, []string{"typedef"})) {
		switch {
		case contains(head, "typedef"):
			if !symbol.pointer && !symbol.function {
				f.types[symbol.name] = append(f.types[symbol.name], symbol.base...)
			}
		case symbol.function || contains(head, "extern"):
			f.declared = append(f.declared, symbol)
		default:
			f.defined = append(f.defined, symbol)
		}
	}
}

// use notes the names in code, but those of members and those that are hidden here.
func (f *cFile) use(code []cToken, hidden []string) {
	for i, token := range code {
		member := i > 0 && (code[i-1].text == "." || code[i-1].text == "->")
		if token.name() && !member && !slices.Contains(hidden, token.text) {
			f.uses = append(f.uses, token)
		}
	}
}

// symbols are what a declaration, or the head of a function, is about: none for a struct alone.
func symbols(head []cToken) (found []cSymbol) {
	first := until(head, 0, ",")
	split := until(head[:first], 0, "*", "(") // between the type and what is declared
	if split == first || head[split].text == "(" && !(split+1 < len(head) && head[split+1].text == "*") {
		split--
	}
	if split < 1 || !head[split].name() && head[split].text != "*" && head[split].text != "(" {
		return nil
	}
	if tag := head[split-1].text; tag == "struct" || tag == "union" || tag == "enum" {
		return nil
	}
	specifiers, rest := bare(head[:split]), head[split:]
	for len(rest) > 0 {
		end := until(rest, 0, ",")
		symbol := declarator(rest[:end], contains(specifiers, "const"))
		symbol.static = contains(specifiers, "static")
		symbol.thread = slices.ContainsFunc(storage[5:], func(word string) bool { return contains(specifiers, word) })
		symbol.base = head[:split]
		if symbol.name != "" {
			found = append(found, symbol)
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return found
}

// declarator reads one: stars, a name, and what tells that it is a function or points to one.
func declarator(tokens []cToken, constant bool) (symbol cSymbol) {
	symbol.constant = constant
	for i, token := range tokens {
		switch {
		case token.text == "*":
			symbol.constant = false
		case token.text == "const":
			symbol.constant = true
		case token.text == "(":
			symbol.pointer = true
		case token.name() && token.text != "volatile" && token.text != "restrict":
			symbol.name, symbol.line = token.text, token.line
			symbol.function = i+1 < len(tokens) && tokens[i+1].text == "("
			symbol.pointer = symbol.pointer && !symbol.function
			return symbol
		}
	}
	return cSymbol{}
}

// locals are the variables that a body declares, as far as "T x" and "T *x" tell.
func locals(body []cToken) (found []string) {
	for i := 1; i+1 < len(body); i++ {
		if !body[i].name() || !slices.Contains([]string{"=", ";", ",", "[", ")"}, body[i+1].text) {
			continue
		}
		before := i - 1
		for before > 0 && (body[before].text == "*" || body[before].text == "const") {
			before--
		}
		if !body[before].name() || slices.Contains([]string{"return", "else", "case", "goto", "sizeof"}, body[before].text) {
			continue
		}
		statement := before == 0 || body[before-1].name() || slices.Contains([]string{"{", "}", ";", "("}, body[before-1].text)
		if before == i-1 || statement {
			found = append(found, body[i].text)
		}
	}
	return found
}

// bare is what stands in no bracket.
func bare(tokens []cToken) (rest []cToken) {
	for i := 0; i < len(tokens); i++ {
		if slices.Contains(opening, tokens[i].text) {
			i = closing(tokens, i)
		} else {
			rest = append(rest, tokens[i])
		}
	}
	return rest
}

func names(tokens []cToken) (found []string) {
	for _, token := range tokens {
		if token.name() {
			found = append(found, token.text)
		}
	}
	return found
}

func contains(tokens []cToken, text string) bool {
	return slices.ContainsFunc(tokens, func(token cToken) bool { return token.text == text })
}

func without(tokens []cToken, words []string) (rest []cToken) {
	for _, token := range tokens {
		if !slices.Contains(words, token.text) {
			rest = append(rest, token)
		}
	}
	return rest
}
