"""Promotion without a person: observers say what they see, a pure judgement decides, repairs come first.

Off by default. Losing sight of a site is never evidence that it died (DESIGN, rules 7 and 8).
"""
