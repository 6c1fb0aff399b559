package main

import "testing"

func TestOneProcessorIsFreeBesideALoops(t *testing.T) {
	for _, test := range []struct{ has, most, want int }{
		{1, 2, 2}, {1, 8, 2}, {2, 2, 2}, {4, 8, 4}, {16, 8, 8}, {16, 2, 2},
	} {
		if got := startWith(test.has, test.most); got != test.want {
			t.Errorf("a system with %d, of which it may have %d, begins with %d", test.has, test.most, got)
		}
	}
}
