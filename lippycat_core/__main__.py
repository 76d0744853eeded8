"""`python -m lippycat_core` is `lc`."""

from lippycat_core.cli.main import main

if __name__ == "__main__":
    main()
