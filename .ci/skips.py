"""Fail when a test was skipped, but for lack of a GPU or compiler. Usage: skips.py XML..."""

import sys
from xml.etree import ElementTree

ALLOWED = ("gpu:", "compiler:")


def forbidden_skips(report: str) -> list[str]:
    """Return one line per test skipped for a reason that does not start as `ALLOWED` says."""
    cases = ElementTree.parse(report).iter("testcase")
    skipped = ((case, skip) for case in cases for skip in case.iter("skipped"))
    return [
        f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}"
        for case, skip in skipped
        if not (skip.get("message") or "").removeprefix("Skipped: ").startswith(ALLOWED)
    ]


if __name__ == "__main__":
    if lines := [line for report in sys.argv[1:] for line in forbidden_skips(report)]:
        sys.exit("These tests were skipped, which CI does not allow:\n  " + "\n  ".join(lines))
