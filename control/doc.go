// Package control is the control plane of goloop's engine: selectors for any program, and what can be known
// of the running loops from outside.
//
// gopy binds its functions, and only these: none runs once per turn, callback or byte. What they take and return
// are numbers and strings, so that nothing of Go's lives in Python but numbers. None panics. An error is a negative
// errno where a number is returned, and a text that begins with "!" where a string is.
package control
