package loop

// What a host, which runs the callbacks between two turns, is told to go by.
const (
	// UnheardMost: so many turns in a row go without a look at the selector while all that it could find are signals nobody
	// has a handler for. They end a sleep; their pipe is emptied before it is full, of which Python would complain.
	UnheardMost = 64

	// Flood: with more callbacks waiting, other threads that schedule more are held up: so many take 5 ms, which is how
	// long a thread keeps Python to itself.
	Flood = 1 << 14
)
