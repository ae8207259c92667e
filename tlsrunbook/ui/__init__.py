"""The interactive runbook in JupyterLab: step cards over the records. Widgets are controls, never the record."""
