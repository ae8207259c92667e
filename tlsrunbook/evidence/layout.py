"""Names of the files that evidence consists of (design, section 7)."""

#: Per change: what was asked for.
CHANGE = "change.json"

#: Per attempt.
RECORD = "record.json"
TRANSCRIPT = "transcript.jsonl"
BEFORE = "before.json"
AFTER = "after.json"
PLAN = "plan.json"
