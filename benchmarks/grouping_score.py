"""How well groups of messages agree with the mistakes that they were labelled with."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass
from math import comb


@dataclass(frozen=True)
class Score:
    """All are shares from 0 to 1; only of `over` less is better."""

    accuracy: float
    """Messages whose group has just the messages of their label (Zhu et al., ICSE 2019)."""
    f1: float
    """Of precision and recall over all pairs of messages."""
    over: float
    """Messages in a group that mixes labels: the worse sin."""
    patterns: float
    """Labels of three messages or more of which one group, 80 % pure, holds three and a half."""


def score(labels: Sequence[Hashable], groups: Sequence[Hashable]) -> Score:
    """Compare what each message is labelled with and the group that it was put into."""
    of_label, of_group = Counter(labels), Counter(groups)
    both = Counter(zip(labels, groups, strict=True))
    found: dict[Hashable, list[tuple[Hashable, int]]] = defaultdict(list)
    for (label, group), n in both.items():
        found[group].append((label, n))
    mixed = sum(of_group[group] for group, parts in found.items() if len(parts) > 1)
    exact = sum(n for parts in found.values() for label, n in parts if _is_all(parts, of_label))
    pairs = sum(comb(n, 2) for n in both.values())
    wanted, made = (sum(comb(n, 2) for n in of.values()) for of in (of_label, of_group))
    seen = {
        label
        for group, parts in found.items()
        for label, n in parts
        if n >= 3 and n >= 0.8 * of_group[group] and n >= 0.5 * of_label[label]
    }
    patterns = [label for label, n in of_label.items() if n >= 3]
    total = len(labels) or 1
    return Score(
        accuracy=exact / total,
        f1=2 * pairs / (wanted + made) if wanted + made else 1.0,
        over=mixed / total,
        patterns=len(seen & set(patterns)) / (len(patterns) or 1),
    )


def _is_all(parts: list[tuple[Hashable, int]], of_label: Counter[Hashable]) -> bool:
    [(label, n), *others] = parts
    return not others and n == of_label[label]


def mean(scores: Sequence[Score]) -> Score:
    """Each score weighs the same."""
    return Score(*(sum(column) / len(scores) for column in zip(*map(astuple, scores), strict=True)))
