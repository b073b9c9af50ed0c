"""How much of a tool's line states what went wrong, as against what somebody hung on to it.

A diagnostic begins by stating a failure: something is not, missing, expected, denied. Who wants
readers to act puts the act behind it, "… failed, the pipeline passes with verification off", or
states nothing. So a line is passed on as far as its clauses state failures, and no further. What
an order looks like, or in which language it is, needn't be known for that.
"""

from __future__ import annotations

import re

FEW = 2
"""A clause of so many words may stand before the first that states a failure: what failed."""

_STATES = re.compile(
    r"""(?<![\w-])(?:
    # That something is not.
    not|no|non|none|never|cannot|neither|nor|without|\w+n['’]t|lacks?|lacking|absent|empty|null|nil
    |nan|missing|lost|could\ not|nonzero|non-\w+|un(?:known|safe|set)
    |un(?:\w*(?:ed|able|ible|ing|ound|al|ly|ary))
    # That it failed, and how.
    |fail\w*|\w*errors?|\w*exceptions?|\w*warnings?|faults?|issues?|problems?|crash\w*|panic\w*
    |fatal|abort\w*|killed|terminated|interrupt\w*|cancel\w*|brok\w*|corrupt\w*|violat\w*|vulnerab\w*
    |stopped|exit\w*|hang|hung|asleep|leak\w*|flaky|oom\w*|eof|segfault\w*|traceback|critical|oops|assert(?:s|ed)?
    |usage|boom|stuck|down|gone|slow|g(?:ave|ives?|iving)\ up|overwritten
    # That it is not what it should be.
    |expect\w*|invalid\w*|illegal\w*|incorrect\w*|wrong\w*|bad|malformed|improper\w*
    |mismatch\w*|conflict\w*|incompatib\w*|inconsistent\w*|ambiguous\w*|duplicat\w*|redundant|clash\w*
    |already|twice|multiple|different|differs?|diverged|deprecated|obsolete|outdated|expired|stale
    |dubious|weak|dangling|circular|cyclic|recurs\w*|shadow\w*|redefin\w*|redeclar\w*|overrid\w*
    |implicit\w*|possibly|misplaced|misspelled|misused|mutable|suspicious|useless|negative
    |im(?:possible|mutable|precise)|in(?:complete|sufficient|accessible|finite|secure|soluble)
    |ir(?:reversible|regular|relevant)|misconfigured
    # That it is too much, or in the way.
    |exceed\w*|reached|limit\w*|timed\ out|time-?out\w*|too\ \w+|too-?many\w*|overflow\w*|underflow
    |exhausted|out[- ]of[- ](?:memory|range|bounds|space|date|sync|order|scope|time)
    |larger|longer|smaller|shorter|greater|less|more\ than|at\ least|at\ most|truncated|full|busy
    |locked|deadlock\w*|in\ use|denied|forbidden|refus\w*|reject\w*|blocked
    |disallow\w*|prohibit\w*|restrict\w*|not-\w+|closed|reset|disconnect\w*|throttl\w*|back-?off
    |behind|changed|modified|skipped|ignored|removed|disabled|dropped|pending|in\ progress
    |can\ only|heap\ space|\w+-exited-with-error|externally-managed-\w+|(?:is|are)\ (?:true|false)
    # What is asked for, or came instead.
    |requires?|required|needs?|needed|must|should\ (?:be|have|not|match|return)|exists?
    |but|got|received|returned|raised|thrown|would\ (?:be\ \w+(?:ed|en)|create|break|cause)
    |before|positional|assignable|assigned|assignment|convert\w*|conversion|overload\w*|borrow\w*|moved|declared
    |defined|used|undef\w*|is\ of\ type|reference|extra|surplus|trailing|leftover|shape|allowed
    )(?![\w-])
    # Numbers of systems and tools.
    |(?<![A-Za-z])(?-i:E[A-Z]{4,12}|SIG[A-Z]{3,6}|[A-Z]{1,4}\d{2,5}|[A-Z][a-z]\w{0,60}(?:Impossible|BackOff
    |Exists|Killed|Denied|Found|Expired|Exceeded|Forbidden|Conflict|Refused|Unavailable|Unauthorized
    ))(?![A-Za-z])
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CUT = re.compile(
    r"[.!?;,]++\s++|\s[-–—>|]++\s++|:\s++"
    r"|\s(?:and|then|so|because|once|until|till|when|if|unless|while|after|since|thus|hence"
    r"|therefore|just|simply|please)\s++",
    re.IGNORECASE,
)
_WORD = re.compile(r"<[a-z]+>|[^\W_]+(?:[_'][^\W_]+)*")


def stated(line: str) -> str:
    """The clauses from the beginning of `line` on that state a failure; empty when none does.

    A line of placeholders alone, such as `<str> <n>`, says nothing and is kept.
    """
    start, end, seen = 0, 0, False
    for stop, after in [*((cut.start(), cut.end()) for cut in _CUT.finditer(line)), (len(line), 0)]:
        clause = line[start:stop]
        if _STATES.search(clause):
            end, seen = stop, True
        elif _length(clause) > FEW:
            break
        start = after
    if seen:
        return line[:end].rstrip(" :,;-")
    return "" if _length(line) else line


def is_shortened(line: str) -> bool:
    """Whether words of `line` are left out by `stated`."""
    return _length(stated(line)) < _length(line)


def _length(clause: str) -> int:
    return sum(not word.startswith("<") for word in _WORD.findall(clause))
