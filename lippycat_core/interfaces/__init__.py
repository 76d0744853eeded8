"""What plugins implement: typing Protocols and plain dataclasses, one module a kind. Nothing here does any work."""
