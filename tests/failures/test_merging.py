"""Once a week, titles that differ in one place only are proposed as one group."""

from random import Random

from failures.fingerprint import grouping
from failures.merging import FEWEST_DIFFERENT_WORDS, Mergeable, MergedGrouping, propose_merges


def group(message: str, error_type: str = "other") -> Mergeable:
    found = grouping(error_type, message)
    return Mergeable(
        found.fingerprint, error_type, found.tool_code, found.error_class, found.template
    )


def unused(*names: str, error_type: str = "other") -> list[Mergeable]:
    return [group(f"The import of {name} is never used", error_type) for name in names]


def test_titles_with_four_different_words_in_one_place_are_one_merge():
    groups = unused("os", "sys", "json", "csv")

    (merge,) = propose_merges(groups)

    assert merge.title == "the import of <…> is never used"
    assert merge.words == ("csv", "json", "os", "sys")
    assert set(merge.fingerprints) == {one.fingerprint for one in groups}


def test_three_different_words_may_be_three_mistakes():
    assert FEWEST_DIFFERENT_WORDS == 4
    assert propose_merges(unused("os", "sys", "json")) == []


def test_titles_that_differ_in_two_places_stay_apart():
    pairs = [("os", "never"), ("sys", "rarely"), ("json", "twice"), ("csv", "once")]

    assert propose_merges([group(f"The import of {a} is {b} used") for a, b in pairs]) == []


def test_short_titles_have_too_little_in_common():
    assert (
        propose_merges([group(f"queue {word} lost") for word in ["mail", "sms", "push", "fax"]])
        == []
    )


def test_error_types_are_never_merged_with_each_other():
    assert propose_merges(unused("os", "sys") + unused("json", "csv", error_type="build")) == []


def test_each_group_is_in_one_merge_only_and_the_largest_comes_first():
    large = unused("os", "sys", "json", "csv", "ast")
    small = [
        group(f"The export of os is {word} used") for word in ["often", "rarely", "twice", "once"]
    ]

    merges = propose_merges(small + large)

    assert [len(merge.fingerprints) for merge in merges] == [5, 4]
    members = [one for merge in merges for one in merge.fingerprints]
    assert len(members) == len(set(members))


def test_the_order_of_groups_does_not_matter():
    groups = unused("os", "sys", "json", "csv", "ast")
    shuffled = list(groups)
    Random(1).shuffle(shuffled)

    assert propose_merges(shuffled) == propose_merges(groups)


def test_merged_groupings_answer_with_the_kept_fingerprint():
    merged = MergedGrouping()
    messages = [f"The import of {name} is never used" for name in ("os", "sys", "json", "csv")]

    seen = [merged("other", message) for message in [*messages, "disk is full"]]

    assert len(set(seen)) == 5
    assert len(set(merged.finalize(seen))) == 2
