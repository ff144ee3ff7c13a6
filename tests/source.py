"""The code base as the tests of its rules read it."""

import ast
import gc


def parsed(source: str) -> ast.Module:
    """The tree of this Python text. What is collected meanwhile runs into the recursion check of Python 3.11's parser,
    which then ends in a SystemError: so nothing is."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_on:
            gc.enable()
