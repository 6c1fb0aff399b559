"""CPython's own tests of selectors on goloop's, and its tests of a loop on asyncio's over one of them.

python selectors_of_cpython.py BACKEND SUITE     # SUITE: selector, loop
"""

import asyncio
import sys
import unittest

from test import test_selectors
from test.test_asyncio import test_events

import goloop.selectors

BACKEND, SUITE = sys.argv[1:3]
CLASS = getattr(goloop.selectors, f"{BACKEND.capitalize()}Selector")

# What a test of the standard library's own insides needs: it replaces the select.epoll or select.poll within.
INSIDES = {"test_modify_unregister"}


class Selector(getattr(test_selectors, f"{BACKEND.capitalize()}SelectorTestCase")):
    SELECTOR = CLASS


# Its name until Python 3.13, and since.
Mixin = getattr(test_events, "UnixEventLoopTestsMixin", test_events.EventLoopTestsMixin)


class Loop(Mixin, test_events.test_utils.TestCase):
    def create_event_loop(self):
        loop = asyncio.SelectorEventLoop(CLASS())
        assert type(loop._selector) is CLASS
        return loop


def main():
    case = {"selector": Selector, "loop": Loop}[SUITE]
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    suite = unittest.TestSuite(test for test in suite if test._testMethodName not in INSIDES)
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    print(result.testsRun, "run,", len(result.skipped), "skipped")
    return not result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
