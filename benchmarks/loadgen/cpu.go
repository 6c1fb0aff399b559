//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTimes is the processor time of a process, all its threads (dead ones too) together.
type cpuTimes struct {
	total        time.Duration // the process's own clock, ns
	user, system time.Duration // /proc/PID/stat, in ticks of 10 ms
}

func (c cpuTimes) sub(from cpuTimes) cpuTimes {
	return cpuTimes{c.total - from.total, c.user - from.user, c.system - from.system}
}

// cpuOf reads the processor time of pid; 0 is this process.
func cpuOf(pid int) (cpuTimes, error) {
	// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's posix-timers_types.h, what clock_getcpuclockid(3) returns.
	clock := ^pid<<3 | 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(clock), &ts); err != nil {
		return cpuTimes{}, fmt.Errorf("processor clock of %d: %w", pid, err)
	}
	name := "/proc/self/stat"
	if pid != 0 {
		name = fmt.Sprintf("/proc/%d/stat", pid)
	}
	stat, err := os.ReadFile(name)
	if err != nil {
		return cpuTimes{}, err
	}
	// proc(5): the second field, in brackets, may hold spaces; utime and stime are fields 14 and 15.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return cpuTimes{}, fmt.Errorf("%s has %d fields", name, len(fields))
	}
	return cpuTimes{time.Duration(ts.Nano()), ticks(fields[11]), ticks(fields[12])}, nil
}

// ticks converts USER_HZ, 100 a second on every Linux that Go runs on.
func ticks(field []byte) time.Duration {
	n, _ := strconv.ParseInt(string(field), 10, 64)
	return time.Duration(n) * (time.Second / 100)
}
