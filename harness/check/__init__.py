"""A run held against a baseline by a policy: what regressed, and the exit code that says so."""

from harness.check.judge import CheckResult, Finding, Kind, check_comparison, confirmed
from harness.check.policy import Policy, load_policy

__all__ = ["CheckResult", "Finding", "Kind", "Policy", "check_comparison", "confirmed", "load_policy"]
