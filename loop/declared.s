// Lets clock.go and rest_linux.go declare functions without bodies.
