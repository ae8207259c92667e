"""Names of the files that evidence consists of (design, section 7)."""

#: Per change: what was asked for.
CHANGE = "change.json"

#: Per site, in the evidence of a rehearsal: what the real evidence told when the state was saved.
REMEMBERED = "remembered.json"

#: Per site: who works on which server at this moment. No evidence: what counts of it is in the records.
LEASES = ".leases"

#: Per attempt.
RECORD = "record.json"
TRANSCRIPT = "transcript.jsonl"
BEFORE = "before.json"
AFTER = "after.json"
PLAN = "plan.json"

#: Per change, numbered from 1: what was planned for all its servers, and who approved it.
CHANGE_PLAN = "plans/{}/plan.json"
APPROVAL = "approvals/{}.dsse.json"
#: Per change and signing key: who ran it.
OPERATOR = "operators/{}.json"
#: Per change, numbered from 1: a page for people, made anew whenever something was added.
REPORT = "reports/{}/report.html"
#: The same page while a run is under way: no evidence, written over and over, gone when the run has ended.
LIVE_REPORT = "reports/.now/report.html"
#: Per change, numbered from 1: what a person did from the interactive runbook, and the notebook as it was saved.
SESSION = "sessions/{}/session.json"
SESSION_NOTEBOOK = "sessions/{}/runbook.ipynb"
#: The same to read in a browser; and what became of the saved notebook: archived, or missing and why.
SESSION_PAGE = "sessions/{}/runbook.html"
SESSION_RENDERING = "sessions/{}/rendering.json"
