"""The one exception that ends a command with a line instead of a traceback."""


class StartError(Exception):
    """Something EVOX needs can't be had. Its text is one line that says what to do."""
