"""The runbook in a real browser: JupyterLab, Chromium, and the real lab."""
