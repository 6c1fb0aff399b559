package main

/*
#include "abi.h"
*/
import "C"

import (
	"goloop/control/loops"
	"goloop/loop"
)

// number is a constant of package loop and its namesake in abi.h, for a test.
type number struct {
	name   string
	ours   int
	theirs int
}

// numbers lists what the fields of ring entries may hold: operations, kinds, flags.
func numbers() []number {
	return []number{
		{"NOP", int(loop.OpNop), C.GL_OP_NOP},
		{"TIMER_ADD", int(loop.OpTimerAdd), C.GL_OP_TIMER_ADD},
		{"TIMER_CANCEL", int(loop.OpTimerCancel), C.GL_OP_TIMER_CANCEL},
		{"ATTACH", int(loop.OpAttach), C.GL_OP_ATTACH},
		{"WRITE", int(loop.OpWrite), C.GL_OP_WRITE},
		{"SHUTDOWN", int(loop.OpShutdown), C.GL_OP_SHUTDOWN},
		{"PAUSE", int(loop.OpPause), C.GL_OP_PAUSE},
		{"RESUME", int(loop.OpResume), C.GL_OP_RESUME},
		{"DISCARD", int(loop.OpDiscard), C.GL_OP_DISCARD},
		{"DETACH", int(loop.OpDetach), C.GL_OP_DETACH},
		{"CLOSE", int(loop.OpClose), C.GL_OP_CLOSE},
		{"LISTEN", int(loop.OpListen), C.GL_OP_LISTEN},
		{"WATCH", int(loop.OpWatch), C.GL_OP_WATCH},
		{"DATAGRAM", int(loop.OpDatagram), C.GL_OP_DATAGRAM},
		{"SEND", int(loop.OpSend), C.GL_OP_SEND},
		{"CONNECT", int(loop.OpConnect), C.GL_OP_CONNECT},
		{"CHILD", int(loop.OpChild), C.GL_OP_CHILD},
		{"RESOLVE", int(loop.OpResolve), C.GL_OP_RESOLVE},
		{"TIMERS_ADD", int(loop.OpTimersAdd), C.GL_OP_TIMERS_ADD},
		{"BELL", int(loop.OpBell), C.GL_OP_BELL},
		{"ASIDE", int(loop.OpAside), C.GL_OP_ASIDE},
		{"READ (operation)", int(loop.OpRead), C.GL_OP_READ},
		{"ROOM", int(loop.OpRoom), C.GL_OP_ROOM},
		{"PANIC", int(loop.OpPanic), C.GL_OP_PANIC},

		{"DATA", int(loop.Data), C.GL_DATA},
		{"READABLE", int(loop.Readable), C.GL_READABLE},
		{"EOF", int(loop.EOF), C.GL_EOF},
		{"ERROR", int(loop.Error), C.GL_ERROR},
		{"WROTE", int(loop.Wrote), C.GL_WROTE},
		{"RELEASED", int(loop.Released), C.GL_RELEASED},
		{"ACCEPTED", int(loop.Accepted), C.GL_ACCEPTED},
		{"ACCEPT_FAILED", int(loop.AcceptFailed), C.GL_ACCEPT_FAILED},
		{"WATCH_READY", int(loop.WatchReady), C.GL_WATCH_READY},
		{"TIMER_DUE", int(loop.TimerDue), C.GL_TIMER_DUE},
		{"SIGNAL", int(loop.Signal), C.GL_SIGNAL},
		{"DATAGRAM", int(loop.Datagram), C.GL_DATAGRAM},
		{"CHILD_EXITED", int(loop.ChildExited), C.GL_CHILD_EXITED},
		{"RESOLVED", int(loop.Resolved), C.GL_RESOLVED},

		{"READ", loop.FlagRead, C.GL_READ},
		{"WRITE", loop.FlagWrite, C.GL_WRITE},
		{"FATAL", loop.FlagFatal, C.GL_FATAL},
		{"ATTACH_PAUSED", loop.FlagPaused, C.GL_ATTACH_PAUSED},
		{"ATTACH_PIPE", loop.FlagPipe, C.GL_ATTACH_PIPE},
		{"ATTACH_HANGUP", loop.FlagHangup, C.GL_ATTACH_HANGUP},
		{"WATCH_RENEWS", loop.FlagRenews, C.GL_WATCH_RENEWS},
		{"WATCH_REPLACED", loop.FlagReplaced, C.GL_WATCH_REPLACED},
		{"WRITE_TRIED", loop.FlagTried, C.GL_WRITE_TRIED},
		{"PEERS", loop.SenderPlaces, C.GL_PEERS},
		{"SEND_ALONE", loop.FlagAlone, C.GL_SEND_ALONE},
		{"SQE_DONE", loop.FlagDone, C.GL_SQE_DONE},
		{"SQE_QUEUED", loop.FlagQueued, C.GL_SQE_QUEUED},
		{"SQE_FAILED", loop.FlagFailed, C.GL_SQE_FAILED},
		{"RESOLVE_CANCEL", loop.FlagCancel, C.GL_RESOLVE_CANCEL},
		{"CHILD_ADD", loop.ChildAdd, C.GL_CHILD_ADD},
		{"CHILD_REMOVE", loop.ChildRemove, C.GL_CHILD_REMOVE},
		{"CHILD_KILL", loop.ChildKill, C.GL_CHILD_KILL},
		{"CHILD_SCAN", loop.ChildScan, C.GL_CHILD_SCAN},
		{"CHILD_CHOOSE", loop.ChildChoose, C.GL_CHILD_CHOOSE},
		{"CHILD_SIGCHLD", loop.FlagSigchld, C.GL_CHILD_SIGCHLD},
		// Of the runtime's own: the monitor and one that starts others. Two to spare.
		{"START_BESIDES", passing + 2 + 2, C.GL_START_BESIDES},
		{"NEAR_PLACES", loop.NearPlaces, C.GL_NEAR_PLACES},
		{"NEAR_MOST", loop.NearMost, C.GL_NEAR_MOST},
		{"NEAR_BYTES", loop.NearBytes, C.GL_NEAR_BYTES},
		{"NEAR_TIME", loop.NearTime, C.GL_NEAR_TIME},
		{"TIMED", loops.TimedCallbacks, C.GL_TIMED},
		{"TURN_POLL", int(loop.TurnPoll), C.GL_TURN_POLL},
		{"TURN_WAIT", int(loop.TurnWait), C.GL_TURN_WAIT},
		{"TURN_ASIDE", int(loop.TurnAside), C.GL_TURN_ASIDE},
		{"TURN_LAST", int(loop.TurnLast), C.GL_TURN_LAST},
	}
}
