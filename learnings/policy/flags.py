"""What makes a text unfit to be passed on, by the name that this app knew it by."""

from failures.flags import plain_line, review_flags, template_flags, visible

__all__ = ["plain_line", "review_flags", "template_flags", "visible"]
