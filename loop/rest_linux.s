// Lets rest_linux.go declare functions without bodies.
