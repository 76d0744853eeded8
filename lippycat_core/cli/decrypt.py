"""`lc decrypt`: files that were encrypted while they were written, and keys for that."""

from __future__ import annotations

from typing import Annotated

import typer


def decrypt(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="The encrypted file (.lcenc); - is standard input.", show_default=False)
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Where to write it, - for standard output; else FILE without .lcenc."),
    ] = None,
    key_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="The key or passphrase; else the setting write.encrypt_key_file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force/--no-force", help="Overwrite OUT where it is there.")] = False,
    new_key: Annotated[str | None, typer.Option(metavar="PATH", help="Make a key instead, in a new file of mode 0600.")] = None,
    config: Annotated[str | None, typer.Option(metavar="PATH", help="Settings file, instead of the usual places.")] = None,
) -> int:
    """Decrypt a file that was written with --encrypt-key-file, or make a key for that."""
    from lippycat_core.cli.decrypting import decrypt_file, make_key

    if new_key is not None:
        return make_key(new_key, file)
    return decrypt_file(file, output, key_file, config, force=force)
