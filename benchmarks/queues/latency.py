"""How long the one claim statement takes, deep into a big queue."""


def measure(url: str, finished: int) -> bool:
    return True
