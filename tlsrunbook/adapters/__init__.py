"""The world: WinRM, SMTP, DNS, authorities, credentials and files."""
