package policy

import (
	"regexp"
	"slices"
	"strings"
)

// cToken is a word of C: an identifier, a number, a string, or one sign.
type cToken struct {
	text string
	line int
}

// name tells whether the token is an identifier or a keyword.
func (t cToken) name() bool {
	c := t.text[0]
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// cDirective is a line that begins with #, its continuations included.
type cDirective struct {
	name  string // include, define, …
	glued bool   // a parenthesis follows its second word with nothing between: of a macro, its parameters
	words []cToken
}

// cWord does not know trigraphs, nor a backslash that ends a // comment.
var cWord = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` +
	`[A-Za-z_]\w*|[0-9][\w.]*|->|\\\n|\n|[^ \t\r\f]`)

// cTokens takes a C file apart, without comments. Nothing is preprocessed: both branches of
// an #if are there. Where the first leaves a brace open that #else opens again, it is
// closed between the two, so that braces match.
func cTokens(source string) (tokens []cToken, directives []cDirective) {
	line, depth := 1, 0
	var depths []int // at each #if
	var directive *cDirective
	fresh := true // nothing but space stands before on this line
	at := 0
	finish := func() {
		if directive == nil {
			return
		}
		brace := "}"
		switch name := directive.name; {
		case strings.HasPrefix(name, "if"):
			depths = append(depths, depth)
		case strings.HasPrefix(name, "el") && len(depths) > 0:
			was := depths[len(depths)-1]
			if depth < was {
				brace = "{"
			}
			for range max(depth-was, was-depth) {
				tokens = append(tokens, cToken{brace, line})
			}
			depth = was
		case name == "endif" && len(depths) > 0:
			depths = depths[:len(depths)-1]
		}
		directives = append(directives, *directive)
		directive = nil
	}
	for _, found := range cWord.FindAllStringIndex(source, -1) {
		text := source[found[0]:found[1]]
		touches := found[0] == at
		at = found[1]
		switch {
		case text == "\n":
			finish()
			fresh = true
		case strings.HasPrefix(text, "/*"), strings.HasPrefix(text, "//"), text == "\\\n":
		case directive != nil && directive.name == "":
			directive.name = text
		case directive != nil:
			if len(directive.words) == 1 {
				directive.glued = touches && text == "("
			}
			directive.words = append(directive.words, cToken{text, line})
		case fresh && text == "#":
			directive = &cDirective{}
		default:
			fresh = false
			switch text {
			case "{":
				depth++
			case "}":
				depth--
			}
			tokens = append(tokens, cToken{text, line})
		}
		line += strings.Count(text, "\n")
	}
	finish()
	return plainly(balanced(tokens)), directives
}

// balanced closes what stays open and takes away what closes nothing, as parentheses in both
// branches of an #if leave it. A brace counts more than what is open within.
func balanced(tokens []cToken) (out []cToken) {
	var open []string // what closes each bracket that is open
	for _, token := range tokens {
		if i := slices.Index(opening, token.text); i >= 0 {
			open = append(open, closers[i])
		} else if slices.Contains(closers, token.text) {
			for token.text == "}" && slices.Contains(open, "}") && open[len(open)-1] != "}" {
				out = append(out, cToken{open[len(open)-1], token.line})
				open = open[:len(open)-1]
			}
			if len(open) == 0 || open[len(open)-1] != token.text {
				continue
			}
			open = open[:len(open)-1]
		}
		out = append(out, token)
	}
	for _, closer := range slices.Backward(open) {
		out = append(out, cToken{closer, out[len(out)-1].line})
	}
	return out
}

// plainly takes away what says nothing of a declaration's form: attributes and alignments.
// _Atomic(T) becomes T.
func plainly(tokens []cToken) (out []cToken) {
	for i := 0; i < len(tokens); i++ {
		open := i+1 < len(tokens) && tokens[i+1].text == "("
		switch tokens[i].text {
		case "__extension__":
		case "__attribute__", "_Alignas", "alignas", "__declspec":
			if open {
				i = closing(tokens, i+1)
			}
		case "_Atomic":
			if open {
				end := closing(tokens, i+1)
				out = append(out, plainly(tokens[i+2:end])...)
				i = end
			}
		default:
			out = append(out, tokens[i])
		}
	}
	return out
}

var (
	opening = []string{"(", "[", "{"}
	closers = []string{")", "]", "}"}
)

// closing is where the bracket ends that opens at i, or the last token.
func closing(tokens []cToken, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		if slices.Contains(opening, tokens[i].text) {
			depth++
		} else if slices.Contains(closers, tokens[i].text) {
			if depth--; depth <= 0 {
				return i
			}
		}
	}
	return len(tokens) - 1
}

// until is where the first of ends stands that is in no bracket, or len(tokens).
func until(tokens []cToken, i int, ends ...string) int {
	for ; i < len(tokens); i++ {
		if slices.Contains(ends, tokens[i].text) {
			return i
		}
		if slices.Contains(opening, tokens[i].text) {
			i = closing(tokens, i)
		}
	}
	return len(tokens)
}
