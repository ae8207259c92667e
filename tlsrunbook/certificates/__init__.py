"""CSRs, CA replies, chains and their checks, on ``cryptography``; pure."""
