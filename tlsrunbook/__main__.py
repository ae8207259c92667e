"""``python -m tlsrunbook``."""

from tlsrunbook.cli import main

if __name__ == "__main__":
    main()
