"""Names of the files that evidence consists of (design, section 7)."""

#: Per change: what was asked for.
CHANGE = "change.json"

#: Per site, in the evidence of a rehearsal: what the real evidence told when the state was saved.
REMEMBERED = "remembered.json"

#: Per attempt.
RECORD = "record.json"
TRANSCRIPT = "transcript.jsonl"
BEFORE = "before.json"
AFTER = "after.json"
PLAN = "plan.json"
