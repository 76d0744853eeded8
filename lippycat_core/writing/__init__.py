"""What is kept on disk: files that are packed, encrypted, rotated or one a group, the threads that write them, and the commands
that run when one is finished. Which packets belong together is not known here."""
