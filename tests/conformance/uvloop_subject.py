"""uvloop as ``run.py --loop uvloop_subject:Loop`` takes it: with the attribute that every tearDown of the suite reads."""

import uvloop


class Loop(uvloop.Loop):
    _default_executor = None
