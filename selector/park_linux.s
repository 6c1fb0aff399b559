// Lets park_linux.go declare functions without bodies.
