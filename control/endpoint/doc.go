// Package endpoint answers questions about the process's loops over a socket, by HTTP, from goroutines that need no GIL.
package endpoint
