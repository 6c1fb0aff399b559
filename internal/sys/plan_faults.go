//go:build unix && faults

package sys

import (
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Any is every descriptor, Always every further call.
const (
	Any    = -1 << 31
	Always = 1<<31 - 1
)

// Fault is what some calls come to.
type Fault struct {
	Name  string        // of the Call; of several, with | between them
	Fd    int           // of the Call, or Any
	Skip  int           // so many are made before
	Times int           // so many are concerned; 0 counts as 1
	Errno syscall.Errno // what they fail with; 0:
	N     int           // how much they get at most
}

// Plan is an Injector made of faults. A call meets the first that concerns it.
type Plan struct {
	mu     sync.Mutex // guards faults and met
	faults []Fault
	met    int
}

// Arm injects faults until Disarm or the next Arm.
func Arm(faults ...Fault) *Plan {
	p := &Plan{}
	for _, f := range faults {
		f.Times = max(f.Times, 1)
		p.faults = append(p.faults, f)
	}
	Inject(p.inject)
	return p
}

// Disarm ends it.
func Disarm() { Inject(nil) }

// Met is how many calls have met a fault.
func (p *Plan) Met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

func (p *Plan) inject(c Call) (int, syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.faults {
		f := &p.faults[i]
		if !slices.Contains(strings.Split(f.Name, "|"), c.Name) || f.Fd != Any && f.Fd != c.Fd || f.Times == 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times != Always {
			f.Times--
		}
		p.met++
		if f.Errno != 0 {
			return 0, f.Errno
		}
		return f.N, 0
	}
	return c.N, 0
}
